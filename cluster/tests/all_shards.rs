//! What is done to several shards as a whole, against a real server: populations, moves, splits, erasures. Beside each of them
//! stands one home that has everybody and is told the same.

#[path = "../../tests/nats/mod.rs"]
mod nats;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use credence_cluster::erasing::{Whom, erase};
use credence_cluster::evidence::{FORM, Message, NameKey, Said};
use credence_cluster::moving::{Wanted, move_slots};
use credence_cluster::population::learn;
use credence_cluster::shard::{News, Shard, Writing, open, publish, write};
use credence_cluster::{ClusterError, Server};
use credence_memory::erase::Erasure;
use credence_memory::home::Paths;
use credence_memory::ids::PersonId;
use credence_memory::population::{SOURCE_CAP, consolidated};
use credence_memory::record::{Retracted, Verdict};
use credence_memory::sample::{choice, described, header, id, importance, prior, verdict};
use credence_memory::state::State;
use credence_memory::{Home, Record};
use jiff::Timestamp;
use nats::Nats;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);
const PEOPLE: [&str; 12] =
    ["ada", "bob", "carl", "dora", "eve", "finn", "gerd", "hilde", "ida", "jan", "karla", "Quentin Zyxwarble"];
/// Words that only the last of them said.
const MARKER: &str = "marzipan-7431";

/// Shards with a writer each, and one home that has everybody.
struct Shards {
    nats: Nats,
    server: Server,
    context: Context,
    key: NameKey,
    folder: tempfile::TempDir,
    one: Home,
    writers: Vec<JoinHandle<()>>,
    said: usize,
}

impl Shards {
    async fn begun(of: u32) -> Option<Self> {
        let nats = Nats::start()?;
        let server = Server { url: nats.url.clone(), credentials: None, ca: None, replicas: 1 };
        let folder = tempfile::tempdir().expect("a folder");
        let begin = |name: &str| {
            let mut home =
                Home::create(&folder.path().join(name), Timestamp::UNIX_EPOCH, header("shards")).expect("a home");
            for record in [Record::PriorElicited(prior())].into_iter().chain((0..6).map(described)) {
                home.append(Timestamp::UNIX_EPOCH, record).expect("it fits");
            }
            home
        };
        let one = begin("one");
        (1..=of).for_each(|number| drop(begin(&format!("shard-{number}"))));
        let context = open(&server, of).await.expect("the streams");
        let key = NameKey::of("shards");
        let mut shards = Self { nats, server, context, key, folder, one, writers: Vec::new(), said: 0 };
        (1..=of).for_each(|number| shards.write(number, of));
        Some(shards)
    }

    fn root(&self, shard: u32) -> PathBuf {
        self.folder.path().join(format!("shard-{shard}"))
    }

    fn write(&mut self, number: u32, of: u32) {
        let (server, root) = (self.server.clone(), self.root(number));
        self.writers.push(tokio::spawn(async move {
            let quiet = |_: News| {};
            let writing = Writing::new(Shard { number, of: Some(of) }, &root, "test");
            let written = write(&server, writing, None, &quiet).await;
            panic!("it writes until it is ended: {written:?}");
        }));
    }

    async fn say(&mut self, person: &str, record: Record) {
        self.one.append(Timestamp::UNIX_EPOCH, record.clone()).expect("it fits");
        self.tell(person, record).await;
    }

    /// Tells the shard alone.
    async fn tell(&mut self, person: &str, record: Record) {
        let says = vec![Said { time: Timestamp::UNIX_EPOCH, record }];
        let schema = header("x").schema_hash;
        let message = Message { form: FORM, schema, says, lease: None, erase: None, after: None };
        self.said += 1;
        let said = format!("said {}", self.said);
        publish(&self.context, &self.key, &id(person), &said, &message).await.expect("the stream has it");
    }

    async fn everybody_says(&mut self) {
        for (n, person) in PEOPLE.iter().enumerate() {
            self.say(person, choice(person, n % 6, (n + 1) % 6, Some(n % 2))).await;
            self.say(person, verdict(person, (n + 2) % 6, Verdict::Agree)).await;
            for k in 0..n % 3 {
                self.say(person, choice(person, k, 5 - k, Some(k % 2))).await;
            }
        }
    }

    /// What follows from the log of a shard, as far as it is written.
    fn state(&self, shard: u32) -> State {
        let mut state = State::new();
        for entry in Paths::of(&self.root(shard)).read_log().expect("a log").flatten() {
            state.note(&entry).expect("it follows");
        }
        state
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !holds(self) {
            assert!(since.elapsed() < PATIENCE, "{what}");
            assert!(self.writers.iter().all(|writer| !writer.is_finished()), "a writer ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everybody is in one shard, with as many answers as in the one home and a belief of the same bits.
    async fn expect_alike(&mut self, of: u32) {
        let told = |shards: &Self| {
            let states: Vec<State> = (1..=of).map(|n| shards.state(n)).collect();
            let given = |state: &State, person: &PersonId| state.person(person).map_or(0, |p| p.evidence().len());
            shards.one.state().people().keys().all(|person| {
                given(shards.one.state(), person) == states.iter().map(|state| given(state, person)).sum::<usize>()
            })
        };
        self.until("every answer is in a log", told).await;
        let states: Vec<State> = (1..=of).map(|n| self.state(n)).collect();
        let people: Vec<PersonId> = self.one.state().people().keys().cloned().collect();
        for person in people {
            let holders: Vec<&State> = states.iter().filter(|state| state.person(&person).is_some()).collect();
            assert_eq!(holders.len(), 1, "{person} is in one shard");
            let there = holders[0].belief(&person).expect("a belief").digest();
            assert_eq!(self.one.believe(&person).expect("a belief").digest(), there, "{person}");
        }
        let (new, one) = (id("somebody new"), self.one.state());
        let expected = one.belief(&new).expect("a belief").digest();
        states.iter().for_each(|state| assert_eq!(state.belief(&new).expect("a belief").digest(), expected));
    }

    async fn learn(&mut self) -> u64 {
        let learned = learn(&self.server, SOURCE_CAP, PATIENCE, &|_| ()).await.expect("a population");
        let record = consolidated(self.one.state(), SOURCE_CAP, None, &|_| ()).expect("a population");
        self.one.append(Timestamp::UNIX_EPOCH, Record::PopulationConsolidated(record)).expect("it fits");
        learned.fit
    }

    /// A person withdraws the first thing that they said, here and there.
    async fn withdraw(&mut self, person: &str, of: u32) {
        let first = |state: &State| state.person(&id(person)).map(|known| known.evidence()[0].seq);
        let there = (1..=of).find_map(|n| first(&self.state(n))).expect("they said something");
        let here = first(self.one.state()).expect("they said something");
        let retracted = |target| Record::Retracted(Retracted { target, reason: "a slip".into() });
        self.one.append(Timestamp::UNIX_EPOCH, retracted(here)).expect("it fits");
        self.tell(person, retracted(there)).await;
    }

    fn fit(&self, shard: u32) -> Option<u64> {
        self.state(shard).population().and_then(|held| held.fit())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.writers.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_population_over_three_shards_has_the_bits_of_one_home_and_holds_in_all_or_in_none() {
    let Some(mut shards) = Shards::begun(3).await else { return };
    shards.everybody_says().await;
    shards.expect_alike(3).await;
    let before = shards.one.believe(&id("ada")).expect("a belief").digest();
    let fit = shards.learn().await;
    assert_ne!(shards.one.believe(&id("ada")).expect("a belief").digest(), before, "she receives something");
    shards.expect_alike(3).await;
    // More is said; then something that is in it is withdrawn in one shard, and it holds in none.
    shards.say("bob", choice("bob", 3, 4, Some(0))).await;
    shards.expect_alike(3).await;
    assert!((1..=3).all(|n| shards.fit(n) == Some(fit)));
    shards.withdraw("carl", 3).await;
    shards.until("it holds nowhere", |shards| (1..=3).all(|n| shards.fit(n).is_none())).await;
    shards.expect_alike(3).await;
    let again = shards.learn().await;
    assert!(again > fit);
    shards.expect_alike(3).await;
    // What all shards publish is not kept.
    let mut stream = shards.context.get_stream("CREDENCE_POPULATION").await.expect("the stream");
    assert_eq!(stream.info().await.expect("it is there").state.messages, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_and_shards_split_however_often_that_is_cut_off() {
    let Some(mut shards) = Shards::begun(2).await else { return };
    shards.everybody_says().await;
    shards.expect_alike(2).await;
    shards.withdraw("dora", 2).await;
    shards.expect_alike(2).await;
    shards.learn().await;
    shards.expect_alike(2).await;
    // The slots of half the people of shard 1, so that somebody moves and somebody stays.
    let slots: BTreeSet<u32> = shards.state(1).people().keys().map(|person| shards.key.place(person).slot).collect();
    let half: BTreeSet<u32> = slots.iter().copied().take(slots.len() / 2).collect();
    let moving: Vec<String> = shards
        .state(1)
        .people()
        .keys()
        .filter(|p| half.contains(&shards.key.place(p).slot))
        .map(ToString::to_string)
        .collect();
    assert!(!moving.is_empty(), "somebody moves");
    let folder = shards.folder.path().join("moving");
    let wanted = Wanted { from: 1, to: 2, slots: Some(half) };
    let mut cut: i32 = 0;
    let has_them = |error: &ClusterError| error.to_string().contains("shard 2 has these slots already");
    let moved = loop {
        // Cut off later and later, until it comes through.
        let patience = Duration::from_millis(2).mul_f64(1.4_f64.powi(cut));
        match tokio::time::timeout(patience, move_slots(&shards.server, Some(&wanted), &folder)).await {
            Ok(Ok(moved)) => break Some(moved),
            // It was cut off when all was done, before it could say so.
            Ok(Err(error)) if has_them(&error) => break None,
            Ok(Err(error)) => panic!("it is not moved: {error}"),
            Err(_) => cut += 1,
        }
    };
    assert!(cut > 1, "it was cut off {cut} times");
    assert!(moved.is_none_or(|moved| moved.people == moving.len()));
    assert!(!folder.join("shard-1").exists(), "what was read is removed");
    shards.expect_alike(2).await;
    // Whoever moved goes on there, and what they said before counts as before.
    let one = moving[0].clone();
    shards.say(&one, choice(&one, 2, 4, Some(1))).await;
    shards.expect_alike(2).await;
    shards.withdraw(&one, 2).await;
    shards.until("it holds nowhere", |shards| (1..=2).all(|n| shards.fit(n).is_none())).await;
    shards.expect_alike(2).await;
    let again = Wanted { from: 1, to: 2, slots: wanted.slots.clone() };
    let refused = move_slots(&shards.server, Some(&again), &folder).await.expect_err("it has them no more");
    assert!(has_them(&refused), "{refused}");
    let other = shards.state(1).people().keys().map(|person| shards.key.place(person).slot).collect();
    let other = Wanted { from: 2, to: 1, slots: Some(other) };
    let refused = move_slots(&shards.server, Some(&other), &folder).await.expect_err("it is the other's");
    assert!(refused.to_string().contains("shard 1 has these slots already"), "{refused}");
    let one_of_each =
        BTreeSet::from([shards.key.place(&id(&one)).slot, *other.slots.iter().flatten().next().expect("a slot")]);
    let both = Wanted { from: 1, to: 2, slots: Some(one_of_each) };
    let refused = move_slots(&shards.server, Some(&both), &folder).await.expect_err("it has one of them");
    assert!(refused.to_string().contains("shard 1 has slots"), "{refused}");
    // Half of shard 2 becomes a shard of its own, whose writer begins with nothing but the server. It has the population too.
    let fit = shards.learn().await;
    let split = Wanted { from: 2, to: 3, slots: None };
    let moved = move_slots(&shards.server, Some(&split), &folder).await.expect("it is split");
    assert!(moved.is_new && !moved.slots.is_empty());
    shards.write(3, 3);
    shards.until("the new writer has its log", |shards| Paths::of(&shards.root(3)).has_log()).await;
    shards.expect_alike(3).await;
    assert!((1..=3).all(|n| shards.fit(n) == Some(fit)));
    shards.withdraw("eve", 3).await;
    shards.until("it holds nowhere", |shards| (1..=3).all(|n| shards.fit(n).is_none())).await;
    for person in PEOPLE {
        shards.say(person, choice(person, 1, 3, Some(0))).await;
    }
    shards.expect_alike(3).await;
    shards.learn().await;
    shards.expect_alike(3).await;
}

/// Files below a folder that have these bytes.
fn bearing(folder: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(bearing(&path, words));
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(words.len()).any(|w| w == words.as_bytes())) {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_person_is_in_no_stream_log_copy_or_store() {
    let Some(mut shards) = Shards::begun(2).await else { return };
    let name = PEOPLE[11];
    shards.everybody_says().await;
    let Record::ImportanceStated(mut stated) = importance(name, Some("care"), None) else { panic!() };
    stated.words = format!("care is worth more than {MARKER}");
    shards.say(name, Record::ImportanceStated(stated)).await;
    // A population is of what the logs have, and of nothing that is on its way to them.
    shards.expect_alike(2).await;
    shards.learn().await;
    shards.expect_alike(2).await;
    // They have been in both shards, and the log that they left has what they had said.
    let from = if shards.state(1).person(&id(name)).is_some() { 1 } else { 2 };
    let slots = Some(BTreeSet::from([shards.key.place(&id(name)).slot]));
    let work = shards.folder.path().join("work");
    move_slots(&shards.server, Some(&Wanted { from, to: 3 - from, slots }), &work).await.expect("it is moved");
    shards.expect_alike(2).await;
    let places = [shards.nats.store.path().to_owned(), shards.root(1), shards.root(2)];
    let all_have = |places: &[PathBuf], words: &str| places.iter().all(|place| !bearing(place, words).is_empty());
    shards.until("it is everywhere", |_| all_have(&places, name) && all_have(&places, MARKER)).await;
    let (whom, nobody) = (id(name), id("nobody"));
    let named = |person, confirmation| Whom::Named { person, confirmation };
    let server = shards.server.clone();
    let erased = async |whom: Whom<'_>| erase(&server, whom, "asked for", &work, PATIENCE).await;
    let other = erased(named(&whom, "Quentin")).await.expect_err("not confirmed");
    assert!(other.to_string().contains("must be given again"), "{other}");
    let nobody = erased(named(&nobody, "nobody")).await.expect_err("nobody");
    assert!(nobody.to_string().contains("no shard has"), "{nobody}");
    let none = erased(Whom::Unfinished).await.expect_err("nothing was cut off");
    assert!(none.to_string().contains("no erasure was cut off"), "{none}");
    // With the name, and without: whose it is, is found by the hash.
    let mut cut: i32 = 0;
    let gone = loop {
        // So short at first that nobody is so quick.
        let patience = Duration::from_millis(2).mul_f64(1.4_f64.powi(cut));
        let is_begun = move_slots(&server, None, &work)
            .await
            .expect_err("no move")
            .to_string()
            .contains("the erasure of somebody");
        let whom = if is_begun { Whom::Unfinished } else { named(&whom, name) };
        match tokio::time::timeout(patience, erased(whom)).await {
            Ok(Ok(gone)) => break Some(gone),
            // It was cut off when all was done, before it could say so.
            Ok(Err(error)) if cut > 0 && error.to_string().contains("no shard has a person") => break None,
            Ok(Err(error)) if !error.to_string().contains("no erasure was cut off") => panic!("not erased: {error}"),
            Ok(Err(_)) | Err(_) => cut += 1,
        }
    };
    // What was deleted before it was cut off for the last time is counted there.
    assert!(cut > 0 && gone.as_ref().is_none_or(|gone| !gone.fits.is_empty()), "{gone:?}, cut off {cut} times");
    let erasure = Erasure::of(&shards.one, &id(name)).expect("they are there");
    erasure.carry_out(&mut shards.one, name, Timestamp::UNIX_EPOCH, "asked for", false, Vec::new()).expect("erased");
    // The server removes files of streams that were emptied a moment later.
    let found = |words: &str| places.iter().chain([&work]).flat_map(|place| bearing(place, words)).collect::<Vec<_>>();
    for words in [name, MARKER] {
        let since = Instant::now();
        while !found(words).is_empty() && since.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(found(words), Vec::<PathBuf>::new(), "{words}");
    }
    // Nobody else's belief is another than in the one home, and things go on.
    shards.expect_alike(2).await;
    for person in &PEOPLE[..11] {
        shards.say(person, choice(person, 1, 3, Some(0))).await;
    }
    shards.expect_alike(2).await;
    shards.learn().await;
    shards.expect_alike(2).await;
    // Somebody who begins with the copy alone has the same log.
    let elsewhere = shards.folder.path().join("elsewhere");
    let quiet = |_: News| {};
    let writing = Writing::new(Shard { number: 1, of: None }, &elsewhere, "second");
    let follows = write(&shards.server, writing, None, &quiet);
    let _ = tokio::time::timeout(Duration::from_secs(2), follows).await;
    let logs = [&elsewhere, &shards.root(1)].map(|root| std::fs::read(Paths::of(root).log()).expect("a log"));
    assert!(!logs[0].is_empty() && (logs[1].starts_with(&logs[0]) || logs[0].starts_with(&logs[1])), "one log");
    assert!(bearing(&elsewhere, name).is_empty());
}
