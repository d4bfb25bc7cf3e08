//! A shard's writers against a real server.

#[path = "../../tests/nats/mod.rs"]
mod nats;

use std::time::{Duration, Instant};

use credence_cluster::Server;
use credence_cluster::evidence::{FORM, Message, NameKey, Said};
use credence_cluster::shard::{News, Shard, open, publish, write};
use credence_memory::ids::PersonId;
use credence_memory::sample::{choice, described, header, id};
use credence_memory::{Home, Record};
use jiff::Timestamp;
use nats::Nats;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_dies_is_followed_by_another_and_nothing_is_lost_or_counted_twice() {
    let Some(nats) = Nats::start() else { return };
    let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
    let (dir, direct) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let now = Timestamp::UNIX_EPOCH;
    let schema = header("x").schema_hash;
    let ada: PersonId = id("ada");
    drop(Home::create(dir.path(), now, header("shard")).expect("a home"));
    let mut one = Home::create(direct.path(), now, header("one")).expect("a home");
    let context = open(&server, 1).await.expect("the streams");
    let key = NameKey::of("shard");
    let say = async |n: usize, records: Vec<Record>| {
        let says = records.into_iter().map(|record| Said { time: now, record }).collect();
        let message = Message { form: FORM, schema, says, lease: None, erase: None };
        // Twice, as a front end does that does not know what became of the first.
        for _ in 0..2 {
            publish(&context, &key, &ada, &n.to_string(), &message).await.expect("the stream has it");
        }
        message
    };
    let mut told = vec![say(0, vec![described(0), described(1)]).await];
    for n in 1..=40 {
        told.push(say(n, vec![choice("ada", 0, 1, Some(n % 2))]).await);
    }
    let shard = Shard { number: 1, of: 1 };
    let quiet = |_: News| {};
    // A writer that is ended in the middle, with its lease.
    let log = dir.path().join("evidence/log.jsonl");
    let taken = || std::fs::read_to_string(&log).expect("the log").matches("MessageReceived").count();
    let told_at = Instant::now();
    let began = async {
        while taken() < 2 && told_at.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        ended = write(&server, shard, dir.path(), "first", None, &quiet) => panic!("it goes on until it is ended: {ended:?}"),
        () = began => {}
    }
    assert!(taken() > 1, "it had begun");
    let since = Instant::now();
    for n in 41..=60 {
        told.push(say(n, vec![choice("ada", 0, 1, Some(n % 2))]).await);
    }
    // One on another machine, with nothing but the server.
    let elsewhere = tempfile::tempdir().expect("a folder");
    write(&server, shard, elsewhere.path(), "second", Some(Duration::from_millis(600)), &quiet)
        .await
        .expect("it wrote");
    assert!(since.elapsed() < Duration::from_secs(10), "another writer takes over within ten seconds");
    for said in told.iter().flat_map(|message| &message.says) {
        one.append(said.time, said.record.clone()).expect("it fits");
    }
    let text = std::fs::read(elsewhere.path().join("evidence/log.jsonl")).expect("the second log");
    assert!(text.starts_with(&std::fs::read(&log).expect("the first log")), "one log is the beginning of the other");
    let (mut home, _) = Home::open(elsewhere.path()).expect("the shard's home");
    assert_eq!(home.state().person(&ada).map(|p| p.evidence().len()), Some(60));
    let [shard, one] = [&mut home, &mut one].map(|home| home.believe(&ada).expect("a belief").digest());
    assert_eq!(shard, one);
}
