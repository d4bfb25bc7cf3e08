//! A writer killed at any moment loses nothing that it acknowledged, and leaves nothing half done.
//!
//! The test starts itself as a child that appends, withdraws, promotes and takes back adapters, adds batches and erases in a
//! home, and prints what it is about to do, what it is in the middle of, and each record after it was acknowledged; the
//! parent kills it at a random moment after a random number of lines and opens the home. `CREDENCE_KILLS` sets the number of kills (default 12; 1,000 by hand, which must hit every kind of moment).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use credence_memory::belief::Settings;
use credence_memory::erase::Erasure;
use credence_memory::home::Home;
use credence_memory::ids::{AdapterGeneration, Hash, Seq};
use credence_memory::log::Entry;
use credence_memory::record::{LogOpened, Record};
use credence_memory::replay::{Options, replay};
use credence_memory::sample::{
    alternative, choice, described, header, id, judgements, promoted, retraction, rolled_back, trained,
};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HOME: &str = "CREDENCE_TEST_KILLED_HOME";
/// What a writer can be in the middle of, as `memory` traces it.
const MOMENTS: [&str; 6] = ["fold", "write", "sync", "replace", "rename", "store"];
/// The most lines that a child may print before it is killed: a record makes about five.
const LINES_MAX: usize = 150;
/// How long the parent waits for a line.
const PATIENCE: Duration = Duration::from_secs(5);
/// With this many kills every moment must have been hit.
const KILLS_OF_EVERY_KIND: u64 = 500;

fn time() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

/// Tells the parent.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn tell(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}

/// A record's content, whatever its place in the chain.
fn content(record: &Record) -> Hash {
    Hash::of(&serde_json::to_vec(record).expect("JSON"))
}

fn acknowledge(entry: &Entry) {
    tell(format_args!("acknowledged {} {}", entry.seq, content(&entry.record)));
}

/// Tells of every moment that `memory` traces.
struct Moments;

impl tracing::Subscriber for Moments {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "credence_memory::moment"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        tell(format_args!("at {}", event.metadata().name()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Adapters trained on ada and bob, read, promoted, and sometimes taken back; retractions make them stale.
fn about_adapters(home: &Home, n: u64) -> Option<Record> {
    let state = home.state();
    let (ledger, generations) = (state.ledger(), state.generations());
    let last = generations.adapters().last();
    match n % 29 {
        20 => {
            let parent = if ledger.lineage().len() < 3 { ledger.current() } else { AdapterGeneration::BASE };
            let people: Vec<&str> = ["ada", "bob"].into_iter().filter(|p| state.person(&id(p)).is_some()).collect();
            Some(Record::AdapterTrained(trained(state, generations.next().0, parent.0, &people)))
        }
        21 => {
            let generation = last?.trained.generation.0;
            let unread = !state.description(&alternative(1))?.judgement.contains_key(&generation);
            unread.then(|| judgements(generation, 1..=10))
        }
        22 => {
            let adapter = last.filter(|a| a.withdrawn.is_none() && a.promoted.is_none())?;
            let sound = generations.is_sound(adapter.trained.parent);
            sound.then(|| Record::AdapterPromoted(promoted(adapter.trained.generation.0, Some("a test"))))
        }
        27 if n.is_multiple_of(2) && ledger.current() != AdapterGeneration::BASE => {
            Some(rolled_back(ledger.current().0))
        }
        _ => None,
    }
}

/// A header with few hypotheses, so that thousands of folds take little time; with drift and without.
fn few_hypotheses() -> LogOpened {
    let belief =
        Settings { signal_scales: vec![0.4, 1.5], lapse_rates: vec![0.1], bands: vec![0.3], ..Settings::default() };
    LogOpened { belief, ..header("killed") }
}

/// Works until killed.
fn busy(root: &Path) {
    tracing::subscriber::set_global_default(Moments).expect("the first subscriber");
    let mut home = match Home::open(root) {
        Ok((home, _)) => home,
        Err(_) => Home::create(root, time(), few_hypotheses()).expect("a new home"),
    };
    loop {
        let n = home.state().head().0.0;
        let k = n as usize;
        let (first, second) = (1 + k % 10, 1 + (k + 1 + k % 7) % 10);
        // An erasure takes descriptions with it that only eve spoke about.
        let undescribed = (1..=10).find(|a| home.state().description(&alternative(*a)).is_none());
        if undescribed.is_none() && n % 29 == 0 {
            tell(format_args!("committing {} {}", n + 1, n + 4));
            let mut draft = home.draft();
            let said = (0..4).map(|i| choice(["ada", "eve"][i % 2], first, second, Some(i / 2)));
            let entries: Vec<Entry> = said.map(|record| draft.push(time(), record).expect("it fits")).collect();
            home.commit(draft).expect("a commit");
            entries.iter().for_each(acknowledge);
            continue;
        }
        if n % 13 == 0 && home.state().person(&id("eve")).is_some() {
            tell(format_args!("erasing"));
            let erasure = Erasure::of(&home, &id("eve")).expect("she is there");
            erasure.carry_out(&mut home, "eve", time(), "test", false, vec![]).expect("an erasure");
            continue;
        }
        let ada = home.state().person(&id("ada")).and_then(|ada| ada.evidence().first());
        let record = if let Some(a) = undescribed {
            described(a)
        } else if let Some(record) = about_adapters(&home, n) {
            if matches!(record, Record::AdapterPromoted(_)) {
                tell(format_args!("promoting"));
            }
            record
        } else if let (Some(first), 0) = (ada, n % 17) {
            retraction(first.seq.0)
        } else {
            choice(["ada", "bob", "eve"][(n % 3) as usize], first, second, Some((n / 3 % 2) as usize))
        };
        let (entry, _) = home.append(time(), record).expect("an append");
        acknowledge(&entry);
    }
}

/// What the parent heard of a home, over all its writers.
#[derive(Default)]
struct Heard {
    acknowledged: BTreeMap<Seq, Hash>,
    erasing: bool,
    /// The last batch announced: its first and last record.
    batch: Option<(Seq, Seq)>,
    /// What the last writer was in the middle of.
    moment: Option<&'static str>,
    /// Whether that was of a promotion.
    promoting: bool,
}

impl Heard {
    /// Takes in a line; the last one may have been cut by the kill.
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["acknowledged", seq, hash] if hash.len() == 64 => {
                self.acknowledged.insert(Seq(seq.parse().expect("a number")), hash.parse().expect("a hash"));
                (self.moment, self.promoting) = (None, false);
            }
            ["promoting"] => self.promoting = true,
            ["committing", from, to] => {
                if let (Ok(from), Ok(to)) = (from.parse(), to.parse()) {
                    self.batch = Some((Seq(from), Seq(to)));
                }
            }
            ["erasing"] => self.erasing = true,
            ["at", moment] => self.moment = MOMENTS.into_iter().find(|m| m == moment).or(self.moment),
            _ => {}
        }
    }

    /// Everything acknowledged is there, or was emptied by an erasure that was under way.
    fn check(&self, entries: &[Entry], kill: u64) {
        let head = Seq(entries.len() as u64);
        for (seq, hash) in &self.acknowledged {
            let found = entries.get(seq.0 as usize - 1).unwrap_or_else(|| {
                panic!("kill {kill}: record {seq} was acknowledged and is gone; the log ends at {head}")
            });
            let emptied = self.erasing && matches!(found.record, Record::Erased(_));
            assert!(emptied || content(&found.record) == *hash, "kill {kill}: record {seq} is another one");
        }
        if let Some((from, to)) = self.batch {
            assert!(head < from || head >= to, "kill {kill}: of the batch {from} to {to} only a part is there: {head}");
        }
        if let Some(erased) = entries.iter().rposition(|e| matches!(e.record, Record::PersonErased(_))) {
            let left =
                entries[..erased].iter().filter_map(|e| e.record.evidence_origin()).any(|o| o.person == id("eve"));
            assert!(!left, "kill {kill}: an erasure left something");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    if let Some(root) = std::env::var_os(HOME) {
        busy(Path::new(&root));
    }
    let kills: u64 = std::env::var("CREDENCE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut dir = tempfile::tempdir().expect("a directory");
    let mut heard = Heard::default();
    let mut moments: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut acknowledged, mut promoting) = (0, 0u64);
    for kill in 0..kills {
        if kill % 20 == 19 {
            // A long log takes long to open; the moments of interest are the same in a new one.
            dir = tempfile::tempdir().expect("a directory");
            heard = Heard::default();
        }
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "nothing_acknowledged_is_lost_when_killed", "--nocapture"])
            .env(HOME, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let output = child.stdout.take().expect("its output");
        let (hear, heard_of) = std::sync::mpsc::channel();
        let listener = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // The parent listens no more once it has killed.
            lines.inspect(|_| hear.send(()).unwrap_or_default()).collect::<Vec<String>>()
        });
        // So that the child is busy however slow the machine is: some lines after it has begun, and a little later.
        let lines = rng.random_range(0..LINES_MAX);
        for _ in 0..lines {
            if heard_of.recv_timeout(PATIENCE).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(rng.random_range(0..3_000)));
        child.kill().expect("a kill");
        let end = child.wait().expect("an end");
        assert!(end.code().is_none(), "kill {kill}: the writer had ended by itself: {end}");
        let before = heard.acknowledged.len();
        (heard.moment, heard.promoting) = (None, false);
        listener.join().expect("a listener").iter().for_each(|line| heard.take(line));
        acknowledged += heard.acknowledged.len() - before;
        *moments.entry(heard.moment.unwrap_or("between")).or_default() += 1;
        promoting += u64::from(heard.promoting);
        if heard.acknowledged.is_empty() {
            continue;
        }
        let (mut home, _) = Home::open(dir.path()).unwrap_or_else(|e| panic!("kill {kill}: {e}"));
        let entries: Vec<Entry> = home.entries().expect("a log").map(|e| e.expect("an entry")).collect();
        heard.check(&entries, kill);
        let bytes = std::fs::read(home.paths().log()).expect("a log");
        let replay = replay(bytes.as_slice(), &Options::default()).expect("a replay");
        for person in replay.people {
            let live = home.believe(&person.person).expect("a belief").digest();
            assert_eq!(live, person.belief.digest(), "kill {kill}: {}", person.person);
        }
    }
    tell(format_args!(
        "{kills} kills, {acknowledged} records acknowledged, killed in the middle of: {moments:?}; of promotions: {promoting}"
    ));
    assert!(acknowledged as u64 > kills, "the child was killed while busy, not before: {acknowledged} records");
    if kills >= KILLS_OF_EVERY_KIND {
        for moment in MOMENTS {
            assert!(moments.contains_key(moment), "no kill hit {moment}: {moments:?}");
        }
        assert!(promoting > 0, "no kill hit a promotion");
    }
}
