//! What one answer of a keyed session costs, by what is done for it and by how many answers came before:
//! `session_speed DIRECTORY [people] [answers]`, JSON on standard output.
//!
//! Everybody answers at random. Seconds are of this thread on the processor, so other programs hardly matter; put DIRECTORY in
//! memory (`/dev/shm`) to leave the disk out. Everything runs in one thread.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use credence_agent::askable::Askable;
use credence_agent::bank::Bank;
use credence_agent::instrument::Effort;
use credence_agent::keyed;
use credence_agent::session::{Answer, Session, SessionOptions};
use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::{Hash, PersonId, ValueId};
use credence_memory::record::{LogOpened, QuestionKind, Record};
use credence_memory::sample::header;
use credence_priors::schema::ValueSchema;
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let directory = args.next().ok_or("say where the home may be made")?;
    let people: usize = args.next().map_or(Ok(4), |n| n.parse())?;
    let answers: usize = args.next().map_or(Ok(30), |n| n.parse())?;
    let start = Timestamp::from_second(1_790_000_000)?;
    let mut home = empty(Path::new(&directory), start)?;
    let askable = Arc::new(Askable::new(Bank::built_in(), home.state())?);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (memory_before, mut sessions) = (resident_mb(), Vec::new());
    for n in 0..people {
        let options =
            SessionOptions { effort: Effort::Quick, seed: n as u64, source: "web".into(), ..Default::default() };
        let person = PersonId::new(&format!("p{n}"))?;
        sessions.push(Session::begin(&mut home, person, Arc::clone(&askable), options, start)?);
    }
    for turn in 0..answers {
        let now = start + SignedDuration::from_secs(6 * turn as i64);
        let (mut asking, mut answering, mut portraits, mut sets) = (0.0, 0.0, 0, 0);
        for session in &mut sessions {
            let before = on_processor();
            let Some(question) = session.next_question(&mut home, now)? else { continue };
            let asked = on_processor();
            let answer = match question.kind {
                QuestionKind::Choice => Answer::Choose(rng.random_range(0..2)),
                QuestionKind::Portrait => Answer::Rate(rng.random_range(1..7)),
                QuestionKind::BestAndWorst => Answer::BestAndWorst(rng.random_range(0..2), rng.random_range(2..4)),
            };
            portraits += usize::from(question.kind == QuestionKind::Portrait);
            sets += usize::from(question.kind == QuestionKind::BestAndWorst);
            let ready = on_processor();
            session.answer(&mut home, answer, now + SignedDuration::from_secs(5))?;
            asking += asked - before;
            answering += on_processor() - ready;
        }
        let each = 1e3 / people as f64;
        println!(
            "{}",
            json!({ "answer": turn + 1, "asking_ms": round(asking * each), "answering_ms": round(answering * each), "portraits": portraits,
                "sets": sets, "choices": people - portraits - sets, "mb_a_person": round((resident_mb() - memory_before) / people as f64) })
        );
    }
    Ok(())
}

fn empty(root: &Path, at: Timestamp) -> Result<Home, Box<dyn Error>> {
    let schema = ValueSchema::embedded();
    let values: Vec<ValueId> = schema.values.iter().map(|v| ValueId::new(&v.id)).collect::<Result<_, _>>()?;
    let opened = LogOpened {
        values: values.clone(),
        text_features: 0,
        belief: Settings::of_new_homes(),
        schema_hash: Hash::of(schema.hash().as_bytes()),
        ..header("speed")
    };
    let mut home = Home::create(root, at, opened)?;
    home.append(at, Record::PriorElicited(keyed::prior(&Bank::built_in(), &values)?))?;
    Ok(home)
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// Seconds that this thread was on a processor.
fn on_processor() -> f64 {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    read.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn resident_mb() -> f64 {
    let read = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = read.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
