//! Reading new situations beside a desk: the model is loaded when it is first needed, and the desk goes on meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use credence_agent::bank::BankAlternative;
use credence_agent::knowledge::Knowledge;
use credence_agent::opening::{GenerationSource, Opening};
use credence_agent::reader::{ReadBefore, Reader};
use credence_memory::home::Home;
use credence_memory::ids::AlternativeId;
use credence_memory::record::{AlternativeDescribed, MotiveRead};

use crate::probing::{ToWatch, Watch, Watched};

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

/// What probes are to read, as the desk saw it.
pub(crate) struct ToProbe {
    watch: Watch,
    whose: Watched,
    wanted: Vec<ToWatch>,
    before: Option<ReadBefore>,
    generations: Vec<GenerationSource>,
}

impl ToProbe {
    /// What the probes in a folder did not read yet of the alternatives; nothing if they read all, or if there are none for the home's model.
    pub(crate) fn of(home: &Home, probes: &Path, whose: Watched, alternatives: &[AlternativeId]) -> Option<Self> {
        let watch = Watch::of(probes, home.state())?;
        let wanted = watch.wanted(home.state(), &whose, alternatives, &[]);
        let (before, generations) = (ReadBefore::of(home), GenerationSource::in_force(home));
        (!wanted.is_empty()).then_some(Self { watch, whose, wanted, before, generations })
    }
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
    probes: PathBuf,
}

impl LiveReading {
    /// With what the model is found by, and the folder of probes.
    pub(crate) fn new(open: impl Fn() -> anyhow::Result<Opening> + Send + Sync + 'static, probes: PathBuf) -> Self {
        Self { open: Box::new(open), reader: Mutex::new(None), probes }
    }

    /// Reads; slow, and not for a thread that others wait for. One reading at a time.
    ///
    /// # Errors
    /// The model cannot be had, loaded or used; a log without a prior.
    pub(crate) fn read(&self, wanted: &ToRead) -> anyhow::Result<Vec<AlternativeDescribed>> {
        self.with_reader(wanted.before.as_ref(), &wanted.generations, |reader| {
            Ok(reader.describe_beside(&wanted.situation, &wanted.missing, &wanted.others)?)
        })
    }

    /// The folder of probes.
    pub(crate) fn probes(&self) -> &Path {
        &self.probes
    }

    /// Has probes read; slow, as [`LiveReading::read`].
    ///
    /// # Errors
    /// As [`LiveReading::read`].
    pub(crate) fn motives(&self, wanted: &ToProbe) -> anyhow::Result<Vec<MotiveRead>> {
        self.with_reader(wanted.before.as_ref(), &wanted.generations, |reader| {
            let mut model = reader.model().clone();
            wanted.wanted.iter().map(|text| wanted.watch.read(&mut model, &wanted.whose, text)).collect()
        })
    }

    fn with_reader<T>(
        &self,
        before: Option<&ReadBefore>,
        generations: &[GenerationSource],
        work: impl FnOnce(&mut Reader) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // A promotion meanwhile is another model.
        if held.as_ref().is_some_and(|(others, _)| others != generations) {
            *held = None;
        }
        if held.is_none() {
            let before = before.ok_or_else(|| anyhow::anyhow!("the log has no prior"))?;
            let reader = (self.open)()?.reader(before, generations, &mut |_| {})?;
            *held = Some((generations.to_vec(), reader));
        }
        let (_, reader) = held.as_mut().ok_or_else(|| anyhow::anyhow!("a reader was just made"))?;
        work(reader)
    }
}
