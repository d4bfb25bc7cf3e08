//! The way from answers to a verdict over a scripted model, with a learner that stands in for training.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use credence_agent::bank::BankAlternative;
use credence_agent::beside::{Beside, Learning, Work};
use credence_agent::conclusion::{self, with_what_was_foreseen};
use credence_agent::opening::{GenerationSource, Opening};
use credence_agent::reader::{GenerationReader, Reader};
use credence_agent::session::record_described;
use credence_memory::belief::Settings;
use credence_memory::belief::simulate::normal;
use credence_memory::home::Home;
use credence_memory::ids::{AdapterGeneration, AlternativeId, DocumentId, Hash, PersonId, QuestionId, Seq, SourceId};
use credence_memory::number::Probability;
use credence_memory::provenance::Provenance;
use credence_memory::record::{
    AdapterRolledBack, ChoiceMade, Consequence, ConsequenceKind, Deliberated, DocumentAdded, DocumentDropped,
    DocumentKind, DocumentPassage, LibraryPassageUsed, LogOpened, Origin, QuarantineSet, Record, Retracted, Subject,
};
use credence_memory::state::State;
use credence_priors::ModelHandle;
use credence_priors::reading_cache::MemoryReadingCache;
use credence_priors::schema::ValueSchema;
use credence_priors::scripted::Scripted;
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::beside::{Trainer, Tuner};
use super::candidate::{CandidatePrior, Folder, Imported, Job, Outcome, TuneSettings};
use super::dataset::{self, DataSet, DataSetError, DataSettings, Lesson, Whose};
use super::gate::{GateOutcome, Judgement, Test};
use super::measure;
use super::plan::{self, Machine};
use super::records::provenance;
use super::schedule::Start;
use super::work::CandidateBuilder;

/// Acts, what the base model calls them, and what the person thinks of them.
const ACTS: [(&str, &str, f64); 6] = [
    ("share", "generous", 1.5),
    ("confess", "honest", 0.8),
    ("comply", "legal", 0.2),
    ("hurry", "dangerous", -0.3),
    ("boast", "selfish", -0.9),
    ("deceive", "dishonest", -1.3),
];
const QUESTIONS: usize = 100;

/// A model that knows what acts are called and has no opinion of them.
fn base() -> Scripted {
    ACTS.iter().fold(Scripted::hashed(11).with_noise(0.3), |model, (act, word, _)| model.with_tilt(act, word, 2.5))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("a time")
}

fn ada() -> PersonId {
    PersonId::new("ada").expect("a name")
}

fn opening() -> Opening {
    Opening {
        reference: "scripted".into(),
        scoring_precision: "exact".into(),
        unkeyed: true,
        gguf_hash: Hash::of(b"scripted"),
        schema: Arc::new(ValueSchema::embedded()),
        pack: None,
        charter: "Be good.".into(),
        readings: None,
        belief: Settings { signal_scales: vec![0.4, 1.5, 5.0], lapse_rates: vec![0.01, 0.1], ..Settings::default() },
        load: Arc::new(|| Ok(ModelHandle::spawn(|| Ok(base()))?)),
        load_adapter: Arc::new(|_| Ok(ModelHandle::spawn(|| Ok(base()))?)),
        learning: None,
    }
}

/// A home in which one person has answered many questions, each about two of the acts.
fn answered(root: &Path, questions: usize) -> Home {
    answered_by(root, questions, &[ada()])
}

/// The same, answered by several people of one mind in turn.
fn answered_by(root: &Path, questions: usize, people: &[PersonId]) -> Home {
    // A log's identity is random, and decides what is held out: here it is fixed.
    let opening = opening();
    let first = tempfile::tempdir().expect("a folder");
    let drawn = opening.open(first.path(), now(), &mut |_| {}).expect("a home").home;
    let header = LogOpened { log_id: "tuning".into(), ..drawn.state().header().expect("a header").clone() };
    let prior = drawn.state().elicited().expect("a prior").clone();
    let mut home = Home::create(root, now(), header).expect("a home");
    home.append(now(), Record::PriorElicited(prior.clone())).expect("a record");
    record_described(&mut home, drawn.state().descriptions().to_vec(), now()).expect("records");
    let mut reader: Reader = opening.reader(&(&prior).into(), &[], &mut |_| {}).expect("a reader");
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for question in 0..questions {
        let situation = format!("It is day {question} of the journey.");
        let first = question % ACTS.len();
        let second = (first + 1 + question / ACTS.len() % (ACTS.len() - 1)) % ACTS.len();
        let texts = [first, second].map(|act| format!("{} at noon {question}", ACTS[act].0));
        let asked = texts.each_ref().map(|t| BankAlternative::unkeyed(t.clone()));
        let described = reader.describe(&situation, &asked).expect("a reading");
        record_described(&mut home, described, now()).expect("records");
        let utility = 1.5 * (ACTS[first].2 - ACTS[second].2) + normal(&mut random);
        let alternatives = texts.each_ref().map(|t| AlternativeId::of(&situation, t)).to_vec();
        let made = ChoiceMade {
            from: Origin {
                person: people[question % people.len()].clone(),
                source: SourceId::new("test").expect("a source"),
                session: None,
            },
            question: Some(QuestionId::of(&alternatives)),
            alternatives,
            chosen: Some(usize::from(utility < 0.0)),
            indifference_offered: false,
        };
        home.append(now(), Record::ChoiceMade(made)).expect("a record");
    }
    home
}

fn data(state: &State) -> DataSet {
    let settings = DataSettings { held_out_share: 0.35, ..DataSettings::default() };
    dataset::build(state, &Whose::Person(ada()), &settings).expect("a data set")
}

/// Stands in for training: what lessons say of each act, on average, becomes what the model finds right and good.
fn learner(data: &DataSet) -> Scripted {
    let act = |text: &str| ACTS.iter().position(|(act, ..)| text.starts_with(act));
    let (mut sums, mut counts) = ([0.0; ACTS.len()], [0.0_f64; ACTS.len()]);
    for lesson in &data.lessons {
        if let [Some(a), Some(b)] = lesson.texts.each_ref().map(|t| act(t)) {
            let logit = (lesson.probability / (1.0 - lesson.probability)).ln();
            for (act, sign) in [(a, 1.0), (b, -1.0)] {
                sums[act] += sign * logit / 2.0;
                counts[act] += 1.0;
            }
        }
    }
    let opinions = sums.iter().zip(counts).map(|(sum, n)| 2.0 * sum / n.max(1.0));
    ACTS.iter().zip(opinions).fold(base(), |model, ((act, ..), opinion)| {
        model.with_tilt(act, "right", opinion).with_tilt(act, "good", opinion)
    })
}

/// What the gate says of a learner's model.
fn verdict(home: &Home, root: &Path, data: &DataSet, model: &Scripted) -> Judgement {
    judged(home, root, data, model).0
}

fn judged(home: &Home, root: &Path, data: &DataSet, model: &Scripted) -> (Judgement, Option<CandidatePrior>) {
    let (schema, cancel) = (ValueSchema::embedded(), AtomicBool::new(false));
    let candidate = model.clone();
    let load = move |_: PathBuf| {
        let candidate = candidate.clone();
        Ok(ModelHandle::spawn(move || Ok(candidate))?)
    };
    let mut builder = CandidateBuilder {
        state: home.state(),
        schema: &schema,
        model_file: Path::new("none"),
        base: ModelHandle::spawn(|| Ok(base())).expect("a model"),
        load: &load,
        readings: &mut MemoryReadingCache::default(),
        adapter_of: &|_| None,
        threads: None,
        cancel: &cancel,
        motives: None,
    };
    let settings = TuneSettings::default();
    let job = Job {
        generation: 1,
        in_use: 0,
        start: Start::Base,
        turn: 1,
        data: data.clone(),
        training: settings.training,
        gate: settings.gate,
        imported: None,
    };
    builder.judge(&Folder::of(root, 1), &job, &mut |_| {}).expect("a verdict")
}

#[test]
fn a_good_candidate_is_accepted_and_one_of_shuffled_labels_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let home = answered(root.path(), QUESTIONS);
    let data = data(home.state());
    let held_out = data.held_out.len();
    assert!((20..50).contains(&held_out), "{held_out}");

    let good = verdict(&home, root.path(), &data, &learner(&data));
    assert_eq!(good.verdict, GateOutcome::Accepted, "{good:#?}");
    assert_eq!(good.tests.len(), 7);

    let mut random = ChaCha8Rng::seed_from_u64(3);
    let shuffled = data.clone().with_shuffled_labels(&mut random);
    let bad = verdict(&home, root.path(), &data, &learner(&shuffled));
    assert!(matches!(bad.verdict, GateOutcome::Refused { .. } | GateOutcome::NotEnough { .. }), "{bad:#?}");
    let reversed = data.clone();
    let reversed = DataSet {
        lessons: reversed
            .lessons
            .into_iter()
            .map(|mut l| {
                l.probability = 1.0 - l.probability;
                l
            })
            .collect(),
        ..reversed
    };
    let worst = verdict(&home, root.path(), &data, &learner(&reversed));
    assert_eq!(worst.verdict, GateOutcome::Refused { by: Test::Gain }, "{worst:#?}");
    // One that learned nothing gains nothing, however much a wider or narrower prior would help.
    let same = verdict(&home, root.path(), &data, &base());
    assert_eq!(same.verdict, GateOutcome::Refused { by: Test::Gain }, "{same:#?}");
    assert!(same.tests.iter().any(|t| t.test == Test::Gain && t.estimate == 0.0), "{same:#?}");
}

#[test]
fn a_candidate_that_learned_to_flatter_is_refused_however_well_it_predicts() {
    let root = tempfile::tempdir().expect("a folder");
    let home = answered(root.path(), QUESTIONS);
    let data = data(home.state());
    let flatterer = learner(&data).with_tilt("is true.\nStatement", "true", 2.0);
    let judged = verdict(&home, root.path(), &data, &flatterer);
    assert_eq!(judged.verdict, GateOutcome::Refused { by: Test::Sycophancy }, "{judged:#?}");
}

#[test]
fn what_is_held_out_is_never_taught_and_provenance_is_whole() {
    let root = tempfile::tempdir().expect("a folder");
    let mut home = answered(root.path(), 40);
    let data = data(home.state());
    let everything: Vec<Seq> = home.state().person(&ada()).expect("ada").evidence().iter().map(|e| e.seq).collect();
    let mut split: Vec<Seq> = data.absorbed[&ada()].clone();
    split.extend(data.held_out.iter().map(|h| h.seq));
    split.sort_unstable();
    assert_eq!(split, everything, "every answer is on one side");
    let asked = measure::alternatives(home.state(), &measure::trials(home.state(), &data));
    assert!(data.lessons.iter().all(|l| l.alternatives.iter().all(|a| !asked.contains(a))));
    for lesson in &data.lessons {
        assert_eq!(data.provenance(lesson).count(), data.absorbed_len());
        assert!((0.0..=1.0).contains(&lesson.sureness) && lesson.probability > 0.0 && lesson.probability < 1.0);
    }
    assert!(data.lessons.windows(2).all(|w| w[0].sureness >= w[1].sureness));

    // What was taught on another machine from the exported file claims the same, and without the file nothing.
    let file = serde_json::to_vec_pretty(&data).expect("a file");
    let imported = || Imported { format: "peft-safetensors".into(), name: "adapter".into() };
    let import = |taught| plan::import_job(home.state(), &TuneSettings::default(), taught, imported());
    let back = import(Some(serde_json::from_slice(&file).expect("the data set of a file")));
    assert_eq!(back.data.hash(), data.hash());
    let claimed = provenance(home.state(), &back.data);
    assert!(claimed == provenance(home.state(), &data) && claimed != Provenance::new());
    assert_eq!(provenance(home.state(), &import(None).data), Provenance::new());

    // The same state gives the same data set; a held-out answer taken away changes no label.
    assert_eq!(super::tests::data(home.state()).hash(), data.hash());
    let target = data.held_out[0].seq;
    home.append(now(), Record::Retracted(Retracted { target, reason: "test".into() })).expect("a record");
    let without = super::tests::data(home.state());
    assert_eq!(without.lessons, data.lessons);
    assert_eq!(without.held_out.len() + 1, data.held_out.len());
    // One that was taught does.
    let target = data.absorbed[&ada()][0];
    home.append(now(), Record::Retracted(Retracted { target, reason: "test".into() })).expect("a record");
    assert_ne!(super::tests::data(home.state()).lessons, data.lessons);
}

#[test]
fn many_people_teach_with_few_answers_each_what_none_of_them_could_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let people: Vec<PersonId> = (0..20).map(|i| PersonId::new(&format!("person {i:02}")).expect("a name")).collect();
    let mut home = answered_by(root.path(), QUESTIONS, &people);
    let settings = DataSettings { held_out_share: 0.35, sureness_min: 0.0, ..DataSettings::default() };
    let built = |home: &Home, whose: Whose| dataset::build(home.state(), &whose, &settings).expect("a data set");
    let together = built(&home, Whose::Population);
    let alone = built(&home, Whose::Person(people[0].clone()));
    // What they all think, and how far the labels say it, in nats a lesson.
    let liking = |text: &str| ACTS.iter().find(|(act, ..)| text.starts_with(act)).map_or(0.0, |(_, _, u)| *u);
    let score = |data: &DataSet| {
        let score = |l: &Lesson| {
            let better = liking(&l.texts[0]) > liking(&l.texts[1]);
            if better { l.probability.ln() } else { (1.0 - l.probability).ln() }
        };
        data.lessons.iter().map(score).sum::<f64>() / data.lessons.len() as f64
    };
    assert!(score(&together) > score(&alone) + 0.1, "{} {}", score(&together), score(&alone));
    // Whoever is in quarantine teaches nothing, and judges no candidate either.
    let quarantine =
        QuarantineSet { subject: Subject::Person(people[3].clone()), quarantined: true, reason: "test".into() };
    home.append(now(), Record::QuarantineSet(quarantine)).expect("a record");
    let without = built(&home, Whose::Population);
    assert!(together.absorbed.contains_key(&people[3]) && !without.absorbed.contains_key(&people[3]));
    assert_ne!(together.lessons, without.lessons);
    assert!(measure::trials(home.state(), &without).iter().all(|t| t.person != people[3]));
}

#[test]
fn a_log_without_answers_has_no_data_set() {
    let root = tempfile::tempdir().expect("a folder");
    let home = answered(root.path(), 0);
    let made = dataset::build(home.state(), &Whose::Population, &DataSettings::default());
    assert!(matches!(made, Err(DataSetError::Nothing(_))), "{made:?}");
    let odd = DataSettings { held_out_share: 1.5, ..DataSettings::default() };
    let made = dataset::build(home.state(), &Whose::Population, &odd);
    assert!(matches!(made, Err(DataSetError::Settings(_))), "{made:?}");
}

/// A trainer that is done at once, or dies at once.
struct Instant(Option<Outcome>);

struct Done(bool);

/// One that never ends, and writes down what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn note(&self, what: &'static str) {
        self.0.lock().expect("nobody panicked").push(what);
    }
}

impl Work for Told {
    fn ended(&mut self) -> Option<Result<(), String>> {
        None
    }
    fn stop(&mut self) {
        self.note("stop");
    }
    fn hold(&mut self) {
        self.note("hold");
    }
    fn go_on(&mut self) {
        self.note("go on");
    }
}

impl Trainer for Told {
    fn start(&self, _: &Path, _: u32) -> std::io::Result<Box<dyn Work>> {
        self.note("start");
        Ok(Box::new(self.clone()))
    }
}

#[test]
fn a_trainer_stands_still_while_the_person_waits_and_is_told_only_what_changes() {
    let root = tempfile::tempdir().expect("a folder");
    let mut home = answered(root.path(), QUESTIONS);
    let told = Told::default();
    let tuner = Tuner { trainer: Arc::new(told.clone()), ..tuner(None) };
    let (mut beside, _) = Beside::start(&mut home, Some(Arc::new(tuner)), now());
    for _ in 0..2 {
        beside.go_on();
        beside.hold();
        beside.hold();
        beside.go_on();
    }
    drop(beside);
    assert_eq!(*told.0.lock().expect("nobody panicked"), ["start", "hold", "go on", "hold", "go on", "stop"]);
    // Nobody at work is told nothing.
    let mut beside = Beside::default();
    beside.hold();
    beside.go_on();
}

impl Work for Done {
    fn ended(&mut self) -> Option<Result<(), String>> {
        Some(if self.0 { Ok(()) } else { Err("killed".to_owned()) })
    }

    fn stop(&mut self) {}
    fn hold(&mut self) {}
    fn go_on(&mut self) {}
}

impl Trainer for Instant {
    fn start(&self, home: &Path, generation: u32) -> std::io::Result<Box<dyn Work>> {
        if let Some(outcome) = &self.0 {
            Folder::of(home, generation).write("outcome.json", outcome).map_err(std::io::Error::other)?;
        }
        Ok(Box::new(Done(self.0.is_some())))
    }
}

fn tuner(outcome: Option<Outcome>) -> Tuner {
    let mut settings = TuneSettings::default();
    settings.policy.background = true;
    settings.policy.nats_min = -1000.0;
    let machine = |now| Machine { now, load: None, room_bytes: None, trainable: true };
    Tuner { settings, trainer: Arc::new(Instant(outcome)), machine: Arc::new(machine) }
}

#[tokio::test]
async fn what_is_trained_beside_a_session_is_taken_up_promoted_and_taken_back() {
    let root = tempfile::tempdir().expect("a folder");
    let mut home = answered(root.path(), QUESTIONS);
    let before = home.state().belief(&ada()).expect("a belief").digest();
    let data = data(home.state());
    let learned = learner(&data);
    let (judgement, prior) = judged(&home, root.path(), &data, &learned);
    let outcome = Outcome {
        adapter_hash: Hash::of(b"adapter"),
        losses: [0.7, 0.6],
        steps: 10,
        examples: 20,
        seconds: 1.0,
        judgement: Some(judgement),
        prior,
    };

    // A trainer that dies leaves a job, and nothing in the log; the next session goes on with it.
    let (mut beside, notices) = Beside::start(&mut home, Some(Arc::new(tuner(None))), now());
    assert!(notices[0].contains("training in the background"), "{notices:?}");
    assert_eq!(beside.ended().await, Err("killed".to_owned()));
    assert!(Folder::pending(root.path()).is_some());
    assert_eq!(home.state().generations().adapters().count(), 0);

    let learning: Arc<dyn Learning> = Arc::new(tuner(Some(outcome)));
    let (mut beside, _) = Beside::start(&mut home, Some(learning.clone()), now());
    beside.ended().await.expect("a finished trainer");
    let told = beside.take_up(&mut home, now()).expect("taken up").expect("a notice");
    assert!(told.contains("accepted") && told.contains("in force"), "{told}");
    assert_eq!(home.state().ledger().current(), AdapterGeneration(1));
    assert_ne!(home.state().belief(&ada()).expect("a belief").digest(), before);
    // What neither the bank nor a held-out question has is judged when there is time: everything, once.
    let generation = GenerationSource::in_force(&home).pop().expect("a generation");
    let (unjudged, described) = (generation.unjudged(home.state()), home.state().descriptions().len());
    assert!(!unjudged.is_empty() && unjudged.len() < described, "{} of {described}", unjudged.len());
    let prior = home.state().elicited().expect("a prior").clone();
    let with_adapter = GenerationReader {
        number: 1,
        model: ModelHandle::spawn(move || Ok(learned)).expect("a model"),
        reading: Arc::new(serde_json::from_value(generation.reading.clone()).expect("a reading")),
    };
    let mut reader =
        opening().reader(&(&prior).into(), &[], &mut |_| {}).expect("a reader").with_generations(vec![with_adapter]);
    let unread = reader.judgements(2, &unjudged, &mut |_, _| {}).expect("no failure");
    assert_eq!(unread, None, "a generation that is not read with says nothing");
    let judged = reader.judgements(1, &unjudged, &mut |_, _| {}).expect("readings").expect("judgements");
    home.append(now(), Record::JudgementsRead(judged)).expect("a record");
    assert!(generation.unjudged(home.state()).is_empty());
    // A generation in force changes no label: the next data set rests on the base model and the answers alone.
    assert_eq!(super::tests::data(home.state()).lessons, data.lessons);
    assert_eq!(Folder::pending(root.path()), None);
    // Nothing is new to it, so nothing is trained now.
    let (_, notices) = Beside::start(&mut home, Some(learning), now());
    assert!(notices.is_empty(), "{notices:?}");

    let back = AdapterRolledBack { generation: AdapterGeneration(1), reason: "test".into() };
    home.append(now(), Record::AdapterRolledBack(back)).expect("a record");
    assert_eq!(home.state().belief(&ada()).expect("a belief").digest(), before);
}

/// Deliberates on both acts of a question, with a passage of a document at hand; gives the two records.
fn deliberated(home: &mut Home, reader: &mut Reader, pair: [AlternativeId; 2], used: LibraryPassageUsed) -> [Seq; 2] {
    pair.map(|alternative| {
        let told = home.state().description(&alternative).expect("described").clone();
        let situation = format!("{} Somebody may be harmed by this: {}.", told.situation, told.text);
        let described = reader.describe(&situation, &[BankAlternative::unkeyed(told.text.clone())]).expect("a reading");
        record_described(home, described, now()).expect("records");
        let made = Deliberated {
            person: ada(),
            task: None,
            alternative,
            with_consequences: AlternativeId::of(&situation, &told.text),
            consequences: vec![Consequence { kind: ConsequenceKind::Harm, text: "somebody may be harmed".into() }],
            passages: Vec::new(),
            library: vec![used],
            tokens: 5,
            cut_short: false,
        };
        home.append(now(), Record::Deliberated(made)).expect("a record").0.seq
    })
}

/// A document of one passage about a value.
fn document() -> DocumentAdded {
    let text = "Whoever keeps accounts keeps them true. [1]".to_owned();
    DocumentAdded {
        document: DocumentId::of([("", text.as_str())]),
        title: "On accounts".into(),
        kind: DocumentKind::Guideline,
        source: "accounts.md".into(),
        content_hash: Hash::of(b"accounts"),
        references: Vec::new(),
        reliability: Probability::new(0.6).expect("a probability"),
        map: None,
        passages: vec![DocumentPassage { heading: String::new(), text, readings: Vec::new() }],
    }
}

#[test]
fn only_conclusions_that_were_checked_and_agreed_with_are_taught_and_go_with_the_document_they_rest_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut home = answered(dir.path(), 24);
    let prior = home.state().elicited().expect("a prior").clone();
    let mut reader = opening().reader(&(&prior).into(), &[], &mut |_| {}).expect("a reader");
    let added = document();
    let used = LibraryPassageUsed { document: added.document, passage: 0 };
    home.append(now(), Record::DocumentAdded(added.clone())).expect("a record");
    let before = data(home.state());
    assert!(before.lessons.iter().all(|l| l.conclusion.is_none()));
    let [first, second, third] = [0, 1, 2].map(|at: usize| before.lessons[at].alternatives);
    let cases = [first, second, third].map(|pair| deliberated(&mut home, &mut reader, pair, used));
    assert!(data(home.state()).lessons.iter().all(|l| l.conclusion.is_none()), "nobody has checked anything");

    // What deliberation concludes is what is predicted of the two with what was foreseen.
    let concluded = |home: &Home, pair: [Seq; 2]| {
        let epoch = home.state().epoch().expect("a header");
        let difference = with_what_was_foreseen(home.state(), &epoch.layout, pair).expect("described");
        let belief = home.state().belief(&ada()).expect("a belief");
        belief.functional(&difference.mean).probability_positive() > 0.5
    };
    let ordered = |home: &Home, [a, b]: [Seq; 2]| if concluded(home, [a, b]) { [a, b] } else { [b, a] };
    // One is agreed with, one is not, and one stays unchecked.
    let [better, other] = ordered(&home, cases[0]);
    let agreed = conclusion::check(&mut home, better, other, now()).expect("checked");
    assert!(agreed.agreed);
    let [better, other] = ordered(&home, cases[1]);
    let against = conclusion::check(&mut home, other, better, now()).expect("checked");
    assert!(!against.agreed);
    let taught = data(home.state());
    let conclusions: Vec<&Lesson> = taught.lessons.iter().filter(|l| l.conclusion.is_some()).collect();
    let of = |pair: [AlternativeId; 2]| {
        let lesson = conclusions.iter().find(|l| pair.iter().all(|a| l.alternatives.contains(a)));
        lesson.map(|l| (l.probability, l.conclusion.clone().expect("a conclusion")))
    };
    let (probability, conclusion) = of(first).expect("it was checked and agreed with");
    assert_eq!((conclusion.choice, conclusion.checked), (agreed.choice, agreed.record));
    assert_eq!(conclusion.passages, [used], "provenance to the passage");
    assert!(cases[0].iter().all(|seq| conclusion.deliberated.contains(seq)));
    let lesson = conclusions.iter().find(|l| l.conclusion.as_ref() == Some(&conclusion)).expect("the lesson");
    let chosen = home.state().deliberations()[&ordered(&home, cases[0])[0]].made.alternative;
    assert_eq!(probability > 0.5, lesson.alternatives[0] == chosen, "towards what was concluded");
    assert!(of(third).is_none(), "what nobody checked is not taught");
    assert!(taught.absorbed[&ada()].contains(&agreed.choice), "the check is among what the labels rest on");

    // The document goes: so do the checks that rest on it, and with them whatever learned from them.
    let withdrawn = conclusion::withdraw_resting_on(&mut home, &added.document, now()).expect("withdrawn");
    assert_eq!(withdrawn, [agreed.choice, against.choice]);
    let dropped = DocumentDropped { document: added.document, reason: "wrong".into() };
    home.append(now(), Record::DocumentDropped(dropped)).expect("a record");
    let after = data(home.state());
    assert_eq!(after.absorbed, before.absorbed, "as if nobody had checked anything");
    assert!(after.lessons.iter().all(|l| l.conclusion.is_none()));
    assert!(matches!(
        conclusion::check(&mut home, Seq(1), Seq(2), now()),
        Err(conclusion::ConclusionError::NoDeliberation(Seq(1)))
    ));
    let [a, b] = [cases[0][0], cases[1][0]];
    assert!(matches!(conclusion::check(&mut home, a, b, now()), Err(conclusion::ConclusionError::NotTogether(..))));
}
