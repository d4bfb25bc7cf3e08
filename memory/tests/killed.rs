//! A writer killed at any moment loses nothing that it acknowledged.
//!
//! The test starts itself as a child that appends to a home and prints each number after `append` has returned; the parent
//! kills it at a random moment and opens the home. `CREDENCE_KILLS` sets the number of kills (default 12; 1,000 by hand).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::{AdapterGeneration, AlternativeId, Hash, PersonId, SourceId, ValueId};
use credence_memory::log::FORMAT;
use credence_memory::number::Finite;
use credence_memory::provenance::Provenance;
use credence_memory::record::{
    AdapterOrigin, AdapterPromoted, AdapterRolledBack, AdapterTrained, AlternativeDescribed, ChoiceMade,
    GenerationPrior, JudgementsRead, LogOpened, ModelRecord, Origin, Record, Retracted,
};
use credence_memory::replay::{Options, replay};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HOME: &str = "CREDENCE_TEST_KILLED_HOME";

fn time() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

fn header() -> LogOpened {
    LogOpened {
        format: FORMAT,
        log_id: "killed".into(),
        software: "test".into(),
        model: ModelRecord {
            reference: "none".into(),
            gguf_hash: Hash::ZERO,
            scoring_precision: "F16".into(),
            llama_cpp: "none".into(),
            generation: 0,
        },
        schema_hash: Hash::ZERO,
        charter_hash: Hash::ZERO,
        values: ["care", "honesty"].map(|v| ValueId::new(v).expect("a name")).to_vec(),
        text_features: 0,
        belief: Settings::single(1.5, 0.1, 0.3),
    }
}

fn alternative(n: u64) -> AlternativeId {
    AlternativeId::of("", &n.to_string())
}

/// Adapters trained on everybody, read, promoted and sometimes taken back; retractions make them stale.
fn about_adapters(home: &Home, n: u64) -> Option<Record> {
    let (ledger, generations) = (home.state().ledger(), home.state().generations());
    let last = generations.adapters().last();
    let finite = |values: &[f64]| Finite::vector(values).expect("finite");
    match n % 29 {
        20 => {
            let parent = if ledger.lineage().len() < 3 { ledger.current() } else { AdapterGeneration::BASE };
            let cutoff = home.state().head().0;
            let mut absorbed = Provenance::new();
            for person in home.state().people().keys() {
                absorbed.unite(&ledger.behind(person, cutoff));
            }
            Some(Record::AdapterTrained(AdapterTrained {
                generation: generations.next(),
                parent,
                base_hash: Hash::ZERO,
                adapter_hash: Hash::ZERO,
                adapter_path: format!("adapters/{}.gguf", generations.next()),
                origin: AdapterOrigin::Trained {},
                absorbed,
                cutoff,
                data_hash: Hash::ZERO,
                settings: serde_json::Value::Null,
                seed: n,
                metrics: Default::default(),
            }))
        }
        21 => {
            let generation = last?.trained.generation;
            let value = |k: u64| Finite::new(libm::sin((n + k) as f64)).expect("finite");
            let judgements = (1..=10).map(|k| (alternative(k), value(k))).collect();
            let unread = home.state().description(&alternative(1))?.judgement.get(&generation.0).is_none();
            unread.then_some(Record::JudgementsRead(JudgementsRead { generation, judgements }))
        }
        22 => {
            let adapter = last.filter(|a| a.withdrawn.is_none() && a.promoted.is_none())?;
            generations.is_sound(adapter.trained.parent).then(|| {
                Record::AdapterPromoted(AdapterPromoted {
                    generation: adapter.trained.generation,
                    forced: Some("a test".into()),
                    prior: GenerationPrior {
                        reading: serde_json::Value::Null,
                        bank_size: 10,
                        mean: finite(&[0.5, -0.25, 0.25]),
                        covariance: finite(&[0.3, 0.1, 0.3, 0.0, 0.0, 0.3]),
                        r_squared: Finite::ZERO,
                    },
                    variance_scale: Finite::new(1.25).expect("finite"),
                })
            })
        }
        27 if n % 2 == 0 && ledger.current() != AdapterGeneration::BASE => {
            Some(Record::AdapterRolledBack(AdapterRolledBack { generation: ledger.current(), reason: "test".into() }))
        }
        _ => None,
    }
}

/// Appends until killed, acknowledging each record on standard output.
fn busy(root: &Path) {
    let mut home = match Home::open(root) {
        Ok((home, _)) => home,
        Err(_) => Home::create(root, time(), header()).expect("a new home"),
    };
    loop {
        let n = home.state().head().0.0;
        let record = if n <= 10 {
            Record::AlternativeDescribed(AlternativeDescribed {
                alternative: alternative(n),
                situation: String::new(),
                text: n.to_string(),
                schema: Finite::vector(&[libm::sin(n as f64), libm::cos(n as f64)]).expect("finite"),
                schema_error: vec![],
                text_block: vec![],
                judgement: Default::default(),
                attributes: Default::default(),
            })
        } else if let Some(record) = about_adapters(&home, n) {
            record
        } else if n % 17 == 0 {
            let person = home.state().people().values().next().expect("somebody");
            Record::Retracted(Retracted { target: person.evidence()[0].seq, reason: "test".into() })
        } else {
            let person = PersonId::new(["ada", "bob"][(n % 2) as usize]).expect("a name");
            Record::ChoiceMade(ChoiceMade {
                from: Origin { person, source: SourceId::new("test").expect("a name"), session: None },
                question: None,
                alternatives: vec![alternative(1 + n % 10), alternative(1 + (n + 1 + n % 7) % 10)],
                chosen: Some((n / 3 % 2) as usize),
                indifference_offered: false,
            })
        };
        let (entry, _) = home.append(time(), record).expect("an append");
        #[allow(clippy::print_stdout)]
        {
            println!("acknowledged {} {}", entry.seq, entry.hash);
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
    let mut acknowledged: Vec<String> = Vec::new();
    let mut heard_in_all = 0;
    for kill in 0..kills {
        if kill % 20 == 19 {
            // A long log takes long to open; the moments of interest are the same in a new one.
            dir = tempfile::tempdir().expect("a directory");
            acknowledged.clear();
        }
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "nothing_acknowledged_is_lost_when_killed", "--nocapture"])
            .env(HOME, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let output = child.stdout.take().expect("its output");
        let listener = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.filter_map(|l| l.split_once("acknowledged ").map(|(_, rest)| rest.to_owned())).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_micros(rng.random_range(0..150_000)));
        child.kill().expect("a kill");
        child.wait().expect("an end");
        // The last line may have been cut by the kill.
        let heard = listener.join().expect("a listener");
        let before = acknowledged.len();
        acknowledged.extend(heard.into_iter().filter(|l| l.len() > 65));
        heard_in_all += acknowledged.len() - before;
        if acknowledged.is_empty() {
            continue;
        }
        let (mut home, _) = Home::open(dir.path()).unwrap_or_else(|e| panic!("kill {kill}: {e}"));
        let found: Vec<String> = home
            .entries()
            .expect("a log")
            .map(|e| e.expect("an entry"))
            .map(|e| format!("{} {}", e.seq, e.hash))
            .collect();
        for line in &acknowledged {
            assert!(found.contains(line), "kill {kill}: {line} was acknowledged and is gone");
        }
        let bytes = std::fs::read(home.paths().log()).expect("a log");
        let replay = replay(bytes.as_slice(), &Options::default()).expect("a replay");
        for person in replay.people {
            let live = home.believe(&person.person).expect("a belief").digest();
            assert_eq!(live, person.belief.digest(), "kill {kill}: {}", person.person);
        }
    }
    assert!(
        heard_in_all as u64 > kills,
        "the child was killed while busy, not before: {heard_in_all} records heard of"
    );
}
