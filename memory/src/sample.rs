//! Logs to try things on: for tests, benches and examples. No language model is needed, and nothing is random but by seed.
#![allow(clippy::missing_panics_doc, reason = "a fixture that does not fit is a mistake of the test")]

mod adapters;
mod approvals;
mod at_work;
mod calls;
mod conclusions;
mod every_kind;
mod library;
mod motives;
mod moves;
mod people;
mod streams;

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::belief::Settings;
use crate::belief::simulate::{below, normals};
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId, ValueId};
use crate::log::{Entry, FORMAT, LogError, Reader, Writer, encode};
use crate::number::Finite;
use crate::record::{
    AlternativeDescribed, BeliefRecorded, ChoiceMade, FeatureSource, ImportanceStated, LogOpened, ModelRecord, Origin,
    PriorElicited, Record, Retracted, Strength, Verdict, VerdictGiven,
};
use crate::state::{Applied, State, StateError};
use crate::storage::Faulty;

pub use adapters::{generation, judged, judgements, promoted, rolled_back, trained};
pub use approvals::approvals;
pub use at_work::at_work;
pub use calls::calls;
pub use conclusions::{conclusions, deliberation};
pub use every_kind::every_kind;
pub use library::{library, library_document};
pub use motives::{motive_read, motives};
pub use moves::moves;
pub use streams::streams;

/// A header: two values, care and honesty, one text feature, the default settings.
pub fn header(log_id: &str) -> LogOpened {
    LogOpened {
        format: FORMAT,
        log_id: log_id.into(),
        software: "credence test".into(),
        model: ModelRecord {
            reference: "scripted".into(),
            gguf_hash: Hash::of(b"model"),
            scoring_precision: "F16".into(),
            llama_cpp: "0".into(),
            generation: 0,
        },
        schema_hash: Hash::of(b"schema"),
        charter_hash: Hash::of(b"charter"),
        values: ["care", "honesty"].map(|v| ValueId::new(v).expect("a name")).to_vec(),
        text_features: 1,
        belief: Settings::default(),
        pack: None,
    }
}

/// A person of this name.
pub fn id(person: &str) -> PersonId {
    PersonId::new(person).expect("a name")
}

/// Evidence of this person, through the channel "test".
pub fn from(person: &str) -> Origin {
    Origin { person: id(person), source: SourceId::new("test").expect("a name"), session: None }
}

/// "do thing `n`", "at work".
pub fn alternative(n: usize) -> AlternativeId {
    AlternativeId::of("at work", &format!("do thing {n}"))
}

fn numbers(values: &[f64]) -> Vec<Finite> {
    Finite::vector(values).expect("finite numbers")
}

/// [`alternative`] `n` with features on circles.
pub fn described(n: usize) -> Record {
    let x = n as f64;
    Record::AlternativeDescribed(AlternativeDescribed {
        alternative: alternative(n),
        situation: "at work".into(),
        text: format!("do thing {n}"),
        source: FeatureSource::Read,
        map: None,
        schema: numbers(&[libm::sin(x), libm::cos(x)]),
        schema_error: numbers(&[0.1, 0.2]),
        text_block: numbers(&[libm::sin(2.0 * x)]),
        judgement: BTreeMap::from([(0, Finite::new(libm::cos(3.0 * x)).expect("a finite number"))]),
        attributes: BTreeMap::new(),
    })
}

/// An elicited prior over the two values, the text feature and the judgement.
pub fn prior() -> PriorElicited {
    PriorElicited {
        feature_space_hash: Hash::of(b"space"),
        feature_space: serde_json::json!({"centre": [0.5]}),
        bank_size: 10,
        mean: numbers(&[0.5, 0.25, 0.0, 1.0]),
        covariance: numbers(&[1.0, 0.1, 1.0, 0.0, 0.0, 1.0, 0.0, 0.2, 0.0, 1.0]),
        reference_variance: numbers(&[0.2, 0.2, 0.1, 0.1]),
        r_squared: Finite::new(0.5).expect("a finite number"),
        published: None,
    }
}

/// A choice of two with "no preference" offered, which is what `None` says.
pub fn choice(person: &str, first: usize, second: usize, chosen: Option<usize>) -> Record {
    Record::ChoiceMade(ChoiceMade {
        from: from(person),
        question: None,
        alternatives: vec![alternative(first), alternative(second)],
        chosen,
        indifference_offered: true,
    })
}

/// A verdict on an alternative.
pub fn verdict(person: &str, n: usize, verdict: Verdict) -> Record {
    Record::VerdictGiven(VerdictGiven { from: from(person), alternative: alternative(n), verdict })
}

/// One value clearly more important than another, or than values in general.
pub fn importance(person: &str, more: Option<&str>, less: Option<&str>) -> Record {
    let value = |v: &str| ValueId::new(v).expect("a name");
    Record::ImportanceStated(ImportanceStated {
        from: from(person),
        more: more.map(value),
        less: less.map(value),
        strength: Strength::Clear,
        words: String::new(),
        misreading: None,
        conditions: Vec::new(),
        at_least: false,
    })
}

/// A record withdrawn.
pub fn retraction(target: u64) -> Record {
    Record::Retracted(Retracted { target: Seq(target), reason: "a slip".into() })
}

/// A log under construction, kept in memory, with what follows from it. A millisecond passes with each record.
#[derive(Debug)]
pub struct Scribe {
    /// The log.
    pub writer: Writer<Faulty>,
    /// What follows from it.
    pub state: State,
}

impl Scribe {
    /// With a header of two values and one text feature, and alternatives 0 to 5 described.
    pub fn begun() -> Self {
        let mut scribe = Self::default();
        scribe.expect(Record::LogOpened(header("test")));
        (0..6).for_each(|n| {
            scribe.expect(described(n));
        });
        scribe
    }

    /// Appends a record, if it fits.
    ///
    /// # Errors
    /// The record does not fit.
    pub fn write(&mut self, record: Record) -> Result<Applied, StateError> {
        let prepared = self.state.prepare_telling(&record)?;
        let time = Timestamp::from_millisecond(1_700_000_000_000 + self.writer.head().0.0 as i64).expect("a time");
        let entry = self.writer.append(time, record).expect("memory takes every record");
        Ok(self.state.install(&entry, prepared))
    }

    /// As [`Scribe::write`], without forming beliefs.
    ///
    /// # Errors
    /// The record does not fit the log.
    pub fn note(&mut self, record: Record) -> Result<(), StateError> {
        let mut state = self.state.clone();
        let mut batch = self.writer.batch();
        let time = Timestamp::from_millisecond(1_700_000_000_000 + self.writer.head().0.0 as i64).expect("a time");
        state.note(&batch.push(time, record).expect("a record can be written"))?;
        self.writer.commit(batch).expect("memory takes every record");
        self.state = state;
        Ok(())
    }

    /// Digest of what is believed of a person now.
    pub fn digest(&self, person: &str) -> [u8; 32] {
        self.state.belief(&id(person)).expect("a belief").digest()
    }

    /// Appends a record that fits; gives its number.
    ///
    /// # Panics
    /// When it does not fit.
    pub fn expect(&mut self, record: Record) -> Seq {
        self.write(record).expect("a record that fits");
        self.state.head().0
    }

    /// Records what is believed of a person now.
    pub fn record_belief(&mut self, person: &str) -> Seq {
        let through = self.state.head().0;
        let digest = Hash(self.digest(person));
        self.expect(Record::BeliefRecorded(BeliefRecorded { person: id(person), through, digest }))
    }

    /// The log's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.writer.storage().bytes()
    }

    /// The log's entries.
    pub fn entries(&self) -> Vec<Entry> {
        Reader::new(self.bytes()).map(|entry| entry.expect("what was written is read")).collect()
    }
}

impl Default for Scribe {
    fn default() -> Self {
        let opened = Writer::open::<LogError>(Faulty::sound(), |_| Ok(()));
        Self { writer: opened.expect("memory can be opened").0, state: State::new() }
    }
}

/// A log with everything that replays must get right: two people, digests, a retraction, a prior read late, an alternative
/// described more fully after it was spoken about.
pub fn eventful() -> Scribe {
    let mut scribe = Scribe::begun();
    let slip = scribe.expect(choice("ada", 0, 1, Some(0)));
    scribe.record_belief("ada");
    scribe.expect(choice("bob", 2, 1, Some(0)));
    scribe.expect(choice("ada", 3, 1, None));
    scribe.expect(Record::PriorElicited(prior()));
    scribe.record_belief("ada");
    scribe.record_belief("bob");
    scribe.expect(retraction(slip.0));
    scribe.record_belief("ada");
    scribe.expect(choice("ada", 4, 2, Some(1)));
    scribe.record_belief("ada");
    let Record::AlternativeDescribed(full) = described(8) else { unreachable!() };
    let bare = AlternativeDescribed { schema: vec![], judgement: BTreeMap::new(), ..full.clone() };
    scribe.expect(Record::AlternativeDescribed(bare));
    scribe.expect(choice("ada", 8, 2, Some(1)));
    scribe.record_belief("ada");
    scribe.expect(Record::AlternativeDescribed(full));
    scribe.record_belief("ada");
    scribe
}

/// A log of any size: people take turns choosing between two of the alternatives.
#[derive(Debug, Clone)]
pub struct LargeLog {
    /// Choices in all.
    pub choices: usize,
    /// People.
    pub people: usize,
    /// Alternatives described.
    pub alternatives: usize,
    /// Values of the schema.
    pub values: usize,
    /// Text features; the judgement and two constants come on top, so D = values + text + 3.
    pub text: usize,
    /// The engine's settings.
    pub settings: Settings,
    /// Of everything random in it.
    pub seed: u64,
}

impl LargeLog {
    /// D = 32 and 1,000 alternatives.
    pub fn of(choices: usize, people: usize, settings: Settings) -> Self {
        Self { choices, people, alternatives: 1000, values: 25, text: 4, settings, seed: 1 }
    }

    /// One hypothesis.
    pub fn one_hypothesis() -> Settings {
        Settings::single(1.5, 0.1, 0.3)
    }

    /// Twelve hypotheses: four signal scales by three lapse rates.
    pub fn twelve_hypotheses() -> Settings {
        Settings {
            signal_scales: vec![0.1, 0.4, 1.5, 5.0],
            lapse_rates: vec![0.01, 0.1, 0.3],
            ..Self::one_hypothesis()
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// `out` takes no more bytes.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let (mut seq, mut prev) = (Seq(0), Hash::ZERO);
        let mut write = |record: &Record| {
            seq = seq.next();
            let time = Timestamp::from_millisecond(1_700_000_000_000 + seq.0 as i64).expect("a time");
            let (line, hash) = encode(seq, time, record, prev).map_err(io::Error::other)?;
            prev = hash;
            out.write_all(&line)
        };
        let values = (0..self.values).map(|n| ValueId::new(&format!("value-{n}")).expect("a name")).collect();
        write(&Record::LogOpened(LogOpened {
            values,
            text_features: self.text,
            belief: self.settings.clone(),
            ..header("large")
        }))?;
        let mut features = Vec::new();
        for n in 0..self.alternatives {
            let phi = normals(self.values + self.text + 1, &mut rng);
            write(&Record::AlternativeDescribed(AlternativeDescribed {
                alternative: alternative(n),
                situation: "at work".into(),
                text: format!("do thing {n}"),
                source: FeatureSource::Read,
                map: None,
                schema: numbers(&phi[..self.values]),
                schema_error: numbers(&vec![0.1; self.values]),
                text_block: numbers(&phi[self.values..self.values + self.text]),
                judgement: BTreeMap::from([(0, numbers(&phi[self.values + self.text..])[0])]),
                attributes: BTreeMap::new(),
            }))?;
            features.push(phi);
        }
        let people: Vec<(Origin, Vec<f64>)> = (0..self.people)
            .map(|n| (from(&format!("person-{n}")), normals(self.values + self.text + 1, &mut rng)))
            .collect();
        for n in 0..self.choices {
            let (origin, weights) = &people[n % self.people];
            let first = below(self.alternatives, &mut rng);
            let second = (first + 1 + below(self.alternatives - 1, &mut rng)) % self.alternatives;
            let noise = normals(1, &mut rng)[0];
            let utility = |x: usize| features[x].iter().zip(weights).map(|(a, b)| a * b).sum::<f64>() * 0.2;
            write(&Record::ChoiceMade(ChoiceMade {
                from: origin.clone(),
                question: None,
                alternatives: vec![alternative(first), alternative(second)],
                chosen: Some(usize::from(utility(first) - utility(second) + noise < 0.0)),
                indifference_offered: false,
            }))?;
        }
        out.flush()
    }
}
