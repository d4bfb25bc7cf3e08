//! Reading new situations beside a desk: the model is loaded when it is first needed, and the desk goes on meanwhile.

use std::sync::{Mutex, PoisonError};

use credence_agent::bank::BankAlternative;
use credence_agent::knowledge::Knowledge;
use credence_agent::opening::{GenerationSource, Opening};
use credence_agent::reader::{ReadBefore, Reader};
use credence_memory::home::Home;
use credence_memory::record::AlternativeDescribed;

/// So many alternatives of a situation that were read before are compared with a new one.
const OTHERS_MAX: usize = 24;

/// What is to be read, as the desk saw it.
pub(crate) struct ToRead {
    situation: String,
    missing: Vec<BankAlternative>,
    others: Vec<AlternativeDescribed>,
    before: Option<ReadBefore>,
    generations: Vec<GenerationSource>,
}

impl ToRead {
    /// Those of these texts that the home does not have described in this situation; nothing if it has all.
    pub(crate) fn of(home: &Home, situation: &str, texts: &[String]) -> Option<Self> {
        let is_missing = |text: &&String| !home.state().is_described(situation, text);
        let missing: Vec<_> = texts.iter().filter(is_missing).map(|t| BankAlternative::unkeyed(t.clone())).collect();
        if missing.is_empty() {
            return None;
        }
        let here = home.state().descriptions().iter().filter(|d| d.situation == situation);
        Some(Self {
            situation: situation.to_owned(),
            missing,
            others: here.take(OTHERS_MAX).cloned().collect(),
            before: ReadBefore::of(home),
            generations: GenerationSource::in_force(home),
        })
    }
}

type Open = Box<dyn Fn() -> anyhow::Result<Opening> + Send + Sync>;

/// What reads, once it has been needed.
pub(crate) struct LiveReading {
    open: Open,
    reader: Mutex<Option<(Vec<GenerationSource>, Reader)>>,
}

impl LiveReading {
    /// With what the model is found by.
    pub(crate) fn new(open: impl Fn() -> anyhow::Result<Opening> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open), reader: Mutex::new(None) }
    }

    /// Reads; slow, and not for a thread that others wait for. One reading at a time.
    ///
    /// # Errors
    /// The model cannot be had, loaded or used; a log without a prior.
    pub(crate) fn read(&self, wanted: &ToRead) -> anyhow::Result<Vec<AlternativeDescribed>> {
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // A promotion meanwhile is another model.
        if held.as_ref().is_some_and(|(generations, _)| *generations != wanted.generations) {
            *held = None;
        }
        if held.is_none() {
            let before = wanted.before.as_ref().ok_or_else(|| anyhow::anyhow!("the log has no prior"))?;
            let reader = (self.open)()?.reader(before, &wanted.generations, &mut |_| {})?;
            *held = Some((wanted.generations.clone(), reader));
        }
        let (_, reader) = held.as_mut().ok_or_else(|| anyhow::anyhow!("a reader was just made"))?;
        Ok(reader.describe_beside(&wanted.situation, &wanted.missing, &wanted.others)?)
    }
}
