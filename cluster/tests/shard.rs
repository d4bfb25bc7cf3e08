//! A shard's writers and front ends against a real server.

#[path = "../../tests/nats/mod.rs"]
mod nats;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use credence_cluster::Server;
use credence_cluster::erasing::{Whom, erase};
use credence_cluster::evidence::{FORM, Message, NameKey, Said, slots};
use credence_cluster::front::{Front, NotTaken, shards};
use credence_cluster::shard::{News, Shard, Writing, open, publish, write};
use credence_memory::erase::Erasure;
use credence_memory::home::Paths;
use credence_memory::ids::{Hash, PersonId};
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
        let message = Message { form: FORM, schema, says, lease: None, erase: None, after: None };
        // Twice, as a front end does that does not know what became of the first.
        for _ in 0..2 {
            publish(&context, &key, &ada, &n.to_string(), &message).await.expect("the stream has it");
        }
        message
    };
    let mut told = vec![say(0, vec![described(0), described(1)]).await];
    for n in 1..=10 {
        told.push(say(n, vec![choice("ada", 0, 1, Some(n % 2))]).await);
    }
    let shard = Shard { number: 1, of: Some(1) };
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
        ended = write(&server, Writing::new(shard, dir.path(), "first"), None, &quiet) => panic!("it goes on until it is ended: {ended:?}"),
        () = began => {}
    }
    assert!(taken() > 1, "it had begun");
    let since = Instant::now();
    for n in 11..=16 {
        told.push(say(n, vec![choice("ada", 0, 1, Some(n % 2))]).await);
    }
    // One on another machine, with nothing but the server.
    let elsewhere = tempfile::tempdir().expect("a folder");
    write(&server, Writing::new(shard, elsewhere.path(), "second"), Some(Duration::from_millis(600)), &quiet)
        .await
        .expect("it wrote");
    assert!(since.elapsed() < Duration::from_secs(10), "another writer takes over within ten seconds");
    for said in told.iter().flat_map(|message| &message.says) {
        one.note(said.time, said.record.clone()).expect("it fits");
    }
    let text = std::fs::read(elsewhere.path().join("evidence/log.jsonl")).expect("the second log");
    assert!(text.starts_with(&std::fs::read(&log).expect("the first log")), "one log is the beginning of the other");
    let (mut home, _) = Home::open(elsewhere.path()).expect("the shard's home");
    assert_eq!(home.state().person(&ada).map(|p| p.evidence().len()), Some(16));
    let [shard, one] = [&mut home, &mut one].map(|home| home.believe(&ada).expect("a belief").digest());
    assert_eq!(shard, one);
}

/// Says something at a front end: it waits in the home, and goes into the stream.
fn say(front: &mut Front, home: &mut Home, records: Vec<Record>) -> Result<bool, NotTaken> {
    home.hold().expect("it holds");
    for record in records {
        home.note(Timestamp::UNIX_EPOCH, record).expect("it fits");
    }
    let taken = front.publish(home);
    if taken.is_err() {
        home.let_go().expect("it lets go");
    }
    taken
}

#[track_caller]
fn catches_up(front: &mut Front, home: &mut Home) -> usize {
    let since = Instant::now();
    loop {
        let came = front.catch_up(home).expect("it follows");
        if came.messages > 0 {
            return came.messages;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "nothing comes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_the_stream_does_not_take_is_told_and_nothing_of_it_stays() {
    let Some(nats) = Nats::start() else { return };
    let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
    let shard = Shard { number: 1, of: Some(1) };
    drop(Home::create(dirs[0].path(), Timestamp::UNIX_EPOCH, header("shard")).expect("a home"));
    let writes = || {
        runtime.block_on(write(&server, Writing::new(shard, dirs[0].path(), "writer"), Some(Duration::ZERO), &|_| {}))
    };
    writes().expect("it begins the shard");
    assert_eq!(shards(&server).expect("the server"), [1]);
    let (mut one, mut home) = Front::open(&server, 1, dirs[1].path()).expect("a front end");
    let (mut other, mut there) = Front::open(&server, 1, dirs[2].path()).expect("another one");
    one.listen(|| {});
    other.listen(|| {});
    assert!(say(&mut one, &mut home, vec![described(0), described(1)]).expect("it is taken"));
    assert!(!say(&mut one, &mut home, vec![]).expect("there is nothing to take"));

    // Another front end that does not know of it yet is overtaken; what it says then has the same numbers everywhere.
    let choices = |n| vec![choice("ada", 0, 1, Some(n))];
    let early = say(&mut other, &mut there, vec![described(0), described(1)]);
    assert!(matches!(early, Err(NotTaken::Overtaken)), "{early:?}");
    assert!(there.state().descriptions().is_empty());
    assert_eq!(catches_up(&mut other, &mut there), 1);
    assert!(say(&mut other, &mut there, choices(0)).expect("it is taken"));
    assert_eq!(catches_up(&mut one, &mut home), 1);
    assert_eq!(home.head(), there.head());

    // A full stream refuses what is new.
    let context = runtime.block_on(open(&server, 1)).expect("the streams");
    let limit = |messages: i64| {
        runtime.block_on(async {
            let mut stream = context.get_stream("CREDENCE_SHARD_1").await.expect("the stream");
            let config = stream.info().await.expect("it says so").config.clone();
            let config = async_nats::jetstream::stream::Config { max_messages: messages, ..config };
            context.update_stream(config).await.expect("the server takes it");
        });
    };
    limit(3);
    let head = home.head();
    match say(&mut one, &mut home, choices(1)) {
        Err(NotTaken::Refused(why)) => assert!(why.contains("maximum messages exceeded"), "{why}"),
        other => panic!("it is full: {other:?}"),
    }
    assert_eq!((home.head(), home.state().person(&id("ada")).map(|p| p.evidence().len())), (head, Some(1)));
    limit(-1);
    assert!(say(&mut one, &mut home, choices(1)).expect("it is taken"));
    let large = (2..8_000).map(described).collect();
    match say(&mut one, &mut home, large) {
        Err(NotTaken::Refused(why)) => assert!(why.contains("Payload size limit"), "{why}"),
        other => panic!("it is too large: {other:?}"),
    }

    // What others put there: of another schema it is refused in every log alike; of a newer form it stops whoever is older.
    let (key, ada) = (one.key().clone(), id("ada"));
    let schema = header("x").schema_hash;
    let foreign =
        Message { form: FORM, schema: Hash::of(b"another"), says: vec![], lease: None, erase: None, after: None };
    runtime.block_on(publish(&context, &key, &ada, "foreign", &foreign)).expect("the stream has it");
    assert_eq!(catches_up(&mut one, &mut home), 1);
    writes().expect("it goes on");
    let (written, _) = Home::open(dirs[0].path()).expect("the shard's home");
    assert!(written.state().message_received(1).expect("messages").fence > 0);
    drop(written);
    let last = home.state().message_received(1).expect("messages");
    assert_eq!(last.refused.as_deref(), Some("it is of another value schema"));
    let newer = Message { form: FORM + 1, schema, says: vec![], lease: None, erase: None, after: None };
    runtime.block_on(publish(&context, &key, &ada, "newer", &newer)).expect("the stream has it");
    let since = Instant::now();
    let stopped = loop {
        match one.catch_up(&mut home) {
            Ok(_) => assert!(since.elapsed() < Duration::from_secs(20), "it goes on"),
            Err(error) => break error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(stopped.contains("use a newer version"), "{stopped}");
    let stopped = writes().expect_err("it is older").to_string();
    assert!(stopped.contains("use a newer version"), "{stopped}");

    // A home of another log is not the shard's.
    let stranger = tempfile::tempdir().expect("a folder");
    drop(Home::create(stranger.path(), Timestamp::UNIX_EPOCH, header("another")).expect("a home"));
    let refused = runtime.block_on(write(&server, Writing::new(shard, stranger.path(), "stranger"), None, &|_| {}));
    let refused = refused.expect_err("another log").to_string();
    assert!(refused.contains("is not the one of shard 1"), "{refused}");
}

/// A home of a shard's writer that begins with this log, and where it is.
fn begun(log_id: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    drop(Home::create(dir.path(), Timestamp::UNIX_EPOCH, header(log_id)).expect("a home"));
    dir
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let log = Paths::of(folder).log();
    let bytes = std::fs::read(&log).expect("a log");
    vec![(log, bytes)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_begin_once_and_a_writer_has_its_own_home() {
    let Some(nats) = Nats::start() else { return };
    let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
    let quiet = |_: News| {};
    // Until it has the shard, and nothing comes.
    let once = Some(Duration::from_millis(100));
    let of = |number, of| Shard { number, of };
    let refused = async |shard: Shard, root: &Path| {
        let written = write(&server, Writing::new(shard, root, "wrong"), once, &quiet).await;
        written.err().unwrap_or_else(|| panic!("{shard} was not refused")).to_string()
    };
    let unsaid = refused(of(1, None), begun("none").path()).await;
    assert!(unsaid.contains("say of how many"), "{unsaid}");
    // A log with somebody in it is of one shard.
    let told = begun("told");
    let (mut home, _) = Home::open(told.path()).expect("a home");
    for record in [described(0), described(1), choice("ada", 0, 1, Some(0))] {
        home.append(Timestamp::UNIX_EPOCH, record).expect("it fits");
    }
    drop(home);
    let several = refused(of(1, Some(2)), told.path()).await;
    assert!(several.contains("begin with 1/1"), "{several}");

    // Two writers that begin at the same moment begin the same shards.
    let (one, two) = (begun("one"), begun("two"));
    let writing = |shard, root| Writing { is_begun_here: true, ..Writing::new(shard, root, "at once") };
    let (first, second) = tokio::join!(
        write(&server, writing(of(1, Some(2)), one.path()), once, &quiet),
        write(&server, writing(of(2, Some(2)), two.path()), once, &quiet),
    );
    first.and(second).expect("both write");
    let [first, second] = [&one, &two].map(|dir| Home::open(dir.path()).expect("a home").0.state().header().cloned());
    assert_eq!(first, second);

    // One that was not begun for this keeps what it has, and so does one of another shard.
    let stranger = begun("three");
    let another = refused(of(2, Some(2)), stranger.path()).await;
    assert!(another.contains("the shards on this server began with another"), "{another}");
    let context = open(&server, 2).await.expect("the streams");
    let leases = context.get_key_value("credence-leases").await.expect("the leases");
    let lease = leases.entry("shard-1").await.expect("a lease").map(|entry| entry.revision);
    let before = [files(two.path()), files(stranger.path())];
    let other = refused(of(1, Some(2)), two.path()).await;
    assert!(other.contains("it follows shard 2"), "{other}");
    assert_eq!([files(two.path()), files(stranger.path())], before);
    assert_eq!(leases.entry("shard-1").await.expect("a lease").map(|entry| entry.revision), lease, "it took no lease");
    let other = tokio::task::block_in_place(|| Front::open(&server, 1, two.path())).err().expect("it is of shard 2");
    assert!(other.to_string().contains("it follows shard 2"), "{other}");

    // A wrong number makes nothing.
    for (shard, says) in
        [(of(3, Some(3)), "no shard 3"), (of(1, Some(3)), "dealt among 2"), (of(3, None), "no shard 3")]
    {
        let wrong = refused(shard, one.path()).await;
        assert!(wrong.contains(says), "{wrong}");
    }
    assert_eq!(tokio::task::block_in_place(|| shards(&server)).expect("the server"), [1, 2]);
    write(&server, Writing::new(of(1, None), one.path(), "one"), once, &quiet).await.expect("it is there");
    let schema = Some(Hash::of(b"another"));
    let another =
        write(&server, Writing { schema, ..Writing::new(of(1, None), one.path(), "one") }, once, &quiet).await;
    assert!(another.expect_err("another schema").to_string().contains("another value schema"));

    // On another server, where none has begun, a home that follows a shard begins nothing; an empty one does.
    let Some(elsewhere) = Nats::start() else { return };
    let server = Server { url: elsewhere.url.clone(), ..server };
    let follows = write(&server, Writing::new(of(1, Some(2)), one.path(), "one"), once, &quiet).await;
    assert!(follows.expect_err("it is refused").to_string().contains("none has begun on this one"));
    let new = begun("new");
    write(&server, Writing::new(of(1, Some(2)), new.path(), "new"), once, &quiet).await.expect("they begin");
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copied(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_more_than_a_server_that_lost_something_appends_nothing() {
    let Some(mut nats) = Nats::start() else { return };
    let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
    let (dir, front, backup) =
        (begun("one"), tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let quiet = |_: News| {};
    let (key, ada) = (NameKey::of("one"), id("ada"));
    let shard = Shard { number: 1, of: Some(1) };
    let follows =
        || write(&server, Writing::new(shard, dir.path(), "writer"), Some(Duration::from_millis(300)), &quiet);
    let say = async |n: usize| {
        let context = open(&server, 1).await.expect("the streams");
        let records = [described(0), described(1), choice("ada", 0, 1, Some(0))];
        let says = records.into_iter().map(|record| Said { time: Timestamp::now(), record }).collect();
        let message =
            Message { form: FORM, schema: header("x").schema_hash, says, lease: None, erase: None, after: None };
        publish(&context, &key, &ada, &n.to_string(), &message).await.expect("the stream has it");
    };
    follows().await.expect("it begins");
    let store = nats.store.path().to_owned();
    nats.kill(0);
    copied(&store, backup.path());
    nats.again(0);
    say(1).await;
    say(2).await;
    follows().await.expect("it follows");
    tokio::task::block_in_place(|| drop(Front::open(&server, 1, front.path()).expect("a front end")));
    let before = [dir.path(), front.path()].map(files);
    // An old backup is put back: the last two messages are gone, and others come in their place.
    nats.kill(0);
    std::fs::remove_dir_all(store.join("0")).expect("it is gone");
    copied(backup.path(), &store);
    nats.again(0);
    let front_end =
        || tokio::task::block_in_place(|| Front::open(&server, 1, front.path())).err().map(|e| e.to_string());
    let shorter = follows().await.expect_err("it has less").to_string();
    assert!(shorter.contains("the stream ends with message"), "{shorter}");
    assert!(front_end().is_some_and(|told| told.contains("the stream ends with message")));
    for n in 3..9 {
        say(n).await;
    }
    let another = follows().await.expect_err("it is another").to_string();
    assert!(another.contains("another one of this number"), "{another}");
    assert!(front_end().is_some_and(|told| told.contains("another one of this number")));
    assert_eq!([dir.path(), front.path()].map(files), before);
    // An empty home has what the server has.
    let fresh = tempfile::tempdir().expect("a folder");
    write(&server, Writing::new(shard, fresh.path(), "fresh"), Some(Duration::from_millis(300)), &quiet)
        .await
        .expect("it follows");
    let (home, _) = Home::open(fresh.path()).expect("a home");
    assert_eq!(home.state().person(&ada).map(|person| person.evidence().len()), Some(6));
    // Nobody is erased from one home alone.
    let alone = Erasure::of(&home, &ada).expect_err("others would differ").to_string();
    assert!(alone.contains("credence shard erase"), "{alone}");
    drop(home);
    // Where the message in question was erased meanwhile, the copy of the log tells.
    let (old, _) = Home::open(dir.path()).expect("a home");
    let last = old.state().message_received(1).expect("messages").sequence;
    drop(old);
    let context = open(&server, 1).await.expect("the streams");
    let stream = context.get_stream("CREDENCE_SHARD_1").await.expect("the stream");
    for sequence in [last, last + 1] {
        stream.delete_message(sequence).await.expect("it is deleted");
    }
    let hole = follows().await.expect_err("it is another").to_string();
    assert!(hole.contains("the copy of the log has another one"), "{hole}");
    assert_eq!([dir.path(), front.path()].map(files), before);
    // What was said on another log stops whoever follows.
    let after = Some(Hash::of(b"another log"));
    let message =
        Message { form: FORM, schema: header("x").schema_hash, says: vec![], lease: None, erase: None, after };
    publish(&context, &key, &ada, "another", &message).await.expect("the stream has it");
    let writing = Writing::new(shard, fresh.path(), "fresh");
    let differs =
        write(&server, writing, Some(Duration::from_secs(5)), &quiet).await.expect_err("it differs").to_string();
    assert!(differs.contains("was said on another log"), "{differs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_nobody_ever_wrote_holds_no_erasure_up() {
    let Some(nats) = Nats::start() else { return };
    let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
    let (dir, work) = (begun("one"), tempfile::tempdir().expect("a folder"));
    let quiet = |_: News| {};
    let (key, ada) = (NameKey::of("one"), id("ada"));
    // Ada is of a shard that is written; the other is not.
    let number = if slots(1, 2).any(|slot| slot == key.place(&ada).slot) { 1 } else { 2 };
    let shard = Shard { number, of: Some(2) };
    write(&server, Writing::new(shard, dir.path(), "writer"), Some(Duration::ZERO), &quiet).await.expect("it begins");
    let context = open(&server, 2).await.expect("the streams");
    let records = [described(0), described(1), choice("ada", 0, 1, Some(0))];
    let says = records.into_iter().map(|record| Said { time: Timestamp::UNIX_EPOCH, record }).collect();
    let message = Message { form: FORM, schema: header("x").schema_hash, says, lease: None, erase: None, after: None };
    publish(&context, &key, &ada, "said", &message).await.expect("the stream has it");
    let whom = Whom::Named { person: &ada, confirmation: "ada" };
    let erasing = erase(&server, whom, "asked for", work.path(), Duration::from_secs(30));
    let gone = tokio::select! {
        written = write(&server, Writing::new(shard, dir.path(), "writer"), None, &quiet) => panic!("it goes on: {written:?}"),
        gone = erasing => gone.expect("she is erased"),
    };
    assert_eq!((gone.evidence.into_iter().collect::<Vec<_>>(), gone.messages), (vec![(number, 1)], 1));
}
