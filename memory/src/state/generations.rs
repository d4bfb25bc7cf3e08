//! Generations: the adapters of a log, what each of them absorbed, which of them are in force.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};
use std::sync::Arc;

use crate::belief::{BeliefError, EvidenceUse, Mixture, Observation, Priors, Settings, Surprise};
use crate::evidence::DescriptionIndex;
use crate::ids::{AdapterGeneration, PersonId, Seq};
use crate::layout::Layout;
use crate::library::Library;
use crate::provenance::Provenance;
use crate::record::{
    AdapterPromoted, AdapterRolledBack, AdapterStale, AdapterTrained, AlternativeDescribed, GateJudged, GateVerdict,
    JudgementsRead, PriorElicited,
};

use super::illegal::{Illegal, LINEAGE_MAX, bounded, count, positive};
use super::{Epoch, Person, Received, State, WorkedOut};

/// The adapters of a log, by number.
#[derive(Debug, Clone, Default)]
pub struct Generations {
    adapters: BTreeMap<AdapterGeneration, Arc<Adapter>>,
    /// The greatest number ever used; adapters that were erased leave theirs behind.
    used: AdapterGeneration,
}

/// One adapter and what became of it.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// The record it came with.
    pub seq: Seq,
    /// How it came to be.
    pub trained: AdapterTrained,
    /// Every pair behind it: its own and its parents'.
    pub absorbed: Provenance,
    /// The numbers of those records, ascending: a record has one person, so this says the same.
    pub absorbed_records: Arc<[Seq]>,
    /// What the gate said, in the order of the log.
    pub judged: Vec<(Seq, GateJudged)>,
    /// The promotion that stands, if one does.
    pub promoted: Option<(Seq, Arc<AdapterPromoted>)>,
    /// The last promotion taken back.
    pub rolled_back: Option<(Seq, AdapterRolledBack)>,
    /// The first record found withdrawn that it had absorbed: nothing of it may be believed any more.
    pub withdrawn: Option<Seq>,
    /// Whether `AdapterStale` has said so.
    pub told_stale: bool,
}

impl Adapter {
    /// Whether it absorbed a record.
    pub fn has_absorbed(&self, seq: Seq) -> bool {
        self.absorbed_records.binary_search(&seq).is_ok()
    }
}

impl Generations {
    /// One adapter.
    pub fn adapter(&self, generation: AdapterGeneration) -> Option<&Adapter> {
        self.adapters.get(&generation).map(Arc::as_ref)
    }

    /// All adapters, by number.
    pub fn adapters(&self) -> impl Iterator<Item = &Adapter> {
        self.adapters.values().map(Arc::as_ref)
    }

    /// The number that the next adapter may take.
    pub fn next(&self) -> AdapterGeneration {
        self.used.next()
    }

    /// Whether a generation stands among everyone's hypotheses when it is current: promoted, not taken back, nothing it
    /// absorbed withdrawn, and the same of its parents.
    pub fn is_sound(&self, generation: AdapterGeneration) -> bool {
        let mut generation = generation;
        while generation != AdapterGeneration::BASE {
            match self.adapters.get(&generation) {
                // A parent always has a smaller number, so this ends.
                Some(a) if a.promoted.is_some() && a.withdrawn.is_none() => generation = a.trained.parent,
                _ => return false,
            }
        }
        true
    }

    /// The current generation: the sound one that was promoted last; the base model where there is none.
    pub fn current(&self) -> AdapterGeneration {
        let promoted = self.adapters.values().filter_map(|a| Some((a.promoted.as_ref()?.0, a.trained.generation)));
        let sound = promoted.filter(|(_, generation)| self.is_sound(*generation));
        sound.max().map_or(AdapterGeneration::BASE, |(_, generation)| generation)
    }

    /// The current generation and its parents, the oldest first: the generations in everyone's mixture.
    pub fn lineage(&self) -> Vec<&Arc<Adapter>> {
        let mut lineage = Vec::new();
        let mut generation = self.current();
        while let Some(adapter) = self.adapters.get(&generation) {
            lineage.push(adapter);
            generation = adapter.trained.parent;
        }
        lineage.reverse();
        lineage
    }

    fn depth(&self, generation: AdapterGeneration) -> usize {
        let parent = |g: &AdapterGeneration| self.adapters.get(g).map(|a| a.trained.parent);
        std::iter::successors(Some(generation), parent).take_while(|g| *g != AdapterGeneration::BASE).count()
    }

    fn change(&self, generation: AdapterGeneration, change: impl FnOnce(&mut Adapter)) -> Self {
        let mut next = self.clone();
        if let Some(adapter) = next.adapters.get_mut(&generation) {
            change(Arc::make_mut(adapter));
        }
        next
    }

    /// After a record of evidence was withdrawn; nothing where no adapter had absorbed it.
    pub(super) fn without(&self, withdrawn: Seq) -> Option<Self> {
        let touched = |a: &Adapter| a.withdrawn.is_none() && a.has_absorbed(withdrawn);
        self.adapters.values().any(|a| touched(a)).then(|| {
            let mut next = self.clone();
            for adapter in next.adapters.values_mut().filter(|a| touched(a)) {
                Arc::make_mut(adapter).withdrawn = Some(withdrawn);
            }
            next
        })
    }

    /// After a person was erased together with these adapters: their numbers are not used again.
    pub(super) fn reserve(&mut self, erased: &[AdapterGeneration]) {
        self.used = erased.iter().copied().fold(self.used, AdapterGeneration::max);
    }

    fn known(&self, generation: AdapterGeneration) -> Result<&Adapter, Illegal> {
        self.adapter(generation).ok_or(Illegal::NoSuchGeneration(generation))
    }
}

/// Generations after a record, if it may follow.
impl State {
    pub(super) fn adapter_trained(&self, seq: Seq, r: &AdapterTrained) -> Result<Generations, Illegal> {
        let generations = &self.generations;
        if r.generation <= generations.used {
            return Err(Illegal::GenerationUsed { generation: r.generation, next: generations.next() });
        }
        let base = self.header.as_ref().map(|h| h.model.gguf_hash).unwrap_or_default();
        if r.base_hash != base {
            return Err(Illegal::OtherBase { found: r.base_hash, expected: base });
        }
        if !stays_inside(&r.adapter_path) {
            return Err(Illegal::PathOutside(r.adapter_path.clone()));
        }
        if r.cutoff >= seq {
            return Err(Illegal::NotBefore(r.cutoff));
        }
        let mut absorbed = r.absorbed.clone();
        let (mut records, mut withdrawn) = (Vec::new(), None);
        if r.parent != AdapterGeneration::BASE {
            let parent = generations.known(r.parent)?;
            if r.cutoff < parent.trained.cutoff {
                return Err(Illegal::CutoffBeforeParent { cutoff: r.cutoff, parent: parent.trained.cutoff });
            }
            absorbed.unite(&parent.absorbed);
            records.extend_from_slice(&parent.absorbed_records);
            withdrawn = parent.withdrawn;
        }
        for (person, runs) in r.absorbed.iter() {
            let theirs = self.given(person);
            for (from, to) in runs {
                let at = |seq: &Seq| theirs.binary_search_by_key(seq, |(s, _)| *s);
                let (Ok(first), Ok(last)) = (at(from), at(to)) else {
                    let missing = if at(from).is_err() { *from } else { *to };
                    return Err(Illegal::NotTheirs { record: missing, person: person.clone() });
                };
                if *to > r.cutoff {
                    return Err(Illegal::AfterCutoff { record: *to, cutoff: r.cutoff });
                }
                for (record, gone) in &theirs[first..=last] {
                    match gone {
                        Some(by) if *by <= r.cutoff => return Err(Illegal::AbsorbedWithdrawn(*record)),
                        Some(_) => withdrawn = Some(withdrawn.map_or(*record, |w: Seq| w.min(*record))),
                        None => {}
                    }
                    records.push(*record);
                }
            }
        }
        records.sort_unstable();
        records.dedup();
        let mut next = generations.clone();
        next.used = r.generation;
        let adapter = Adapter {
            seq,
            trained: r.clone(),
            absorbed,
            absorbed_records: records.into(),
            judged: Vec::new(),
            promoted: None,
            rolled_back: None,
            withdrawn,
            told_stale: false,
        };
        next.adapters.insert(r.generation, Arc::new(adapter));
        Ok(next)
    }

    /// All evidence records a person gave, ascending, with the record that withdrew each, if one did. A record that a
    /// replay leaves out counts as withdrawn in the end.
    fn given(&self, person: &PersonId) -> Vec<(Seq, Option<Seq>)> {
        let mut given: Vec<(Seq, Option<Seq>)> = self.people.get(person).map_or_else(Vec::new, Person::given);
        let left_out = self.left_out.iter().filter(|(_, p)| *p == person);
        given.extend(left_out.map(|(seq, _)| (*seq, Some(Seq(u64::MAX)))));
        given.sort_unstable();
        given
    }

    pub(super) fn gate_judged(&self, seq: Seq, r: &GateJudged) -> Result<Generations, Illegal> {
        self.generations.known(r.generation)?;
        // It may have been erased since.
        if r.against > self.generations.used {
            return Err(Illegal::NoSuchGeneration(r.against));
        }
        if r.against == r.generation {
            return Err(Illegal::JudgedAgainstItself(r.generation));
        }
        for (at, test) in r.tests.iter().enumerate() {
            if r.tests[..at].iter().any(|t| t.name == test.name) {
                return Err(Illegal::Duplicate { what: "test of the gate", name: test.name.clone() });
            }
            if let (Some(lower), Some(upper)) = (test.lower, test.upper)
                && lower > upper
            {
                let expected = "no more than the upper one";
                return Err(Illegal::Range { what: "a lower confidence bound", found: lower.get(), expected });
            }
        }
        if !r.tests.iter().any(|t| t.name == r.decided_by) {
            return Err(Illegal::Unknown { what: "test of the gate", name: r.decided_by.clone() });
        }
        if r.verdict == GateVerdict::Accepted
            && let Some(failed) = r.tests.iter().find(|t| !t.passed)
        {
            return Err(Illegal::AcceptedThoughFailed { generation: r.generation, test: failed.name.clone() });
        }
        Ok(self.generations.change(r.generation, |a| a.judged.push((seq, r.clone()))))
    }

    pub(super) fn adapter_promoted(&self, seq: Seq, r: &AdapterPromoted) -> Result<Generations, Illegal> {
        let generations = &self.generations;
        let adapter = generations.known(r.generation)?;
        let generation = r.generation;
        if adapter.promoted.is_some() {
            return Err(Illegal::AlreadyPromoted(generation));
        }
        // In a replay that leaves records out, what absorbed them was promoted all the same; it is just never in force.
        let as_it_was = self.left_out.is_empty();
        if let (Some(withdrawn), true) = (adapter.withdrawn, as_it_was) {
            return Err(Illegal::Stale { generation, withdrawn });
        }
        let parent = adapter.trained.parent;
        if as_it_was && !generations.is_sound(parent) {
            return Err(Illegal::ParentNotPromoted { generation, parent });
        }
        if generations.depth(generation) > LINEAGE_MAX {
            return Err(Illegal::TooManyGenerations(generation));
        }
        // A verdict from before a rollback is no reason to promote again.
        let since = adapter.rolled_back.as_ref().map_or(Seq(0), |(seq, _)| *seq);
        let last = adapter.judged.last().filter(|(seq, _)| *seq > since).map(|(_, judged)| judged.verdict);
        match &r.forced {
            Some(reason) if reason.trim().is_empty() => return Err(Illegal::NoReason),
            Some(_) => {}
            None if last == Some(GateVerdict::Accepted) => {}
            None => return Err(Illegal::NotAccepted(generation)),
        }
        let dimension = self.epochs.last().map_or(0, |e| e.layout.read_by_model());
        count("numbers in the prior's mean", r.prior.mean.len(), dimension)?;
        count("numbers in the prior's covariance", r.prior.covariance.len(), dimension * (dimension + 1) / 2)?;
        bounded("the prior's mean", &r.prior.mean)?;
        bounded("the prior's covariance", &r.prior.covariance)?;
        positive("the scale of the prior's variance", r.variance_scale)?;
        Ok(generations.change(generation, |a| a.promoted = Some((seq, Arc::new(r.clone())))))
    }

    pub(super) fn adapter_rolled_back(&self, seq: Seq, r: &AdapterRolledBack) -> Result<Generations, Illegal> {
        if self.generations.known(r.generation)?.promoted.is_none() {
            return Err(Illegal::NotPromoted(r.generation));
        }
        if r.reason.trim().is_empty() {
            return Err(Illegal::NoReason);
        }
        Ok(self.generations.change(r.generation, |a| {
            a.promoted = None;
            a.rolled_back = Some((seq, r.clone()));
        }))
    }

    pub(super) fn adapter_stale(&self, r: &AdapterStale) -> Result<Generations, Illegal> {
        let adapter = self.generations.known(r.generation)?;
        if adapter.told_stale {
            return Err(Illegal::AlreadyStale(r.generation));
        }
        if adapter.withdrawn != Some(r.withdrawn) && self.left_out.is_empty() {
            return Err(Illegal::NotStale { generation: r.generation, withdrawn: r.withdrawn });
        }
        Ok(self.generations.change(r.generation, |a| a.told_stale = true))
    }

    /// The descriptions that an adapter's judgements are of, with what it says; those that say so already are left out.
    pub(super) fn judgements_read(
        &self,
        r: &JudgementsRead,
    ) -> Result<HashMap<DescriptionIndex, AlternativeDescribed>, Illegal> {
        self.generations.known(r.generation)?;
        let mut new = HashMap::new();
        for (alternative, judgement) in &r.judgements {
            bounded("the judgement", &[*judgement])?;
            let index = self.index(alternative)?;
            let before = self.latest(index);
            match before.judgement.get(&r.generation.0) {
                None => {
                    let mut described = before.clone();
                    described.judgement.insert(r.generation.0, *judgement);
                    new.insert(index, described);
                }
                Some(before) if before == judgement => {}
                Some(_) => return Err(Illegal::DescribedOtherwise(*alternative)),
            }
        }
        Ok(new)
    }
}

impl State {
    /// The epoch that begins when these become the generations, if others are in force then.
    pub(super) fn epoch_under(&self, since: Seq, now: &Epoch, next: &Generations) -> Option<Arc<Epoch>> {
        let elicited = self.elicited.as_deref();
        let epoch = Epoch::new(since, now.settings.clone(), &now.layout, elicited, next, &self.library);
        // The weights keep their meaning, so what people receive from others still holds.
        let population = now.population.clone();
        (epoch.lineage != now.lineage).then(|| Arc::new(Epoch { population, ..epoch }))
    }
}

/// A generation in force, as far as it matters to belief.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Which.
    pub generation: AdapterGeneration,
    /// The record that promoted it.
    pub promoted: Seq,
    /// Its training cutoff.
    pub cutoff: Seq,
    /// The records it absorbed, its parents' included, ascending.
    pub absorbed: Arc<[Seq]>,
}

impl InForce {
    fn place(&self, seq: Seq) -> EvidenceUse {
        if seq > self.cutoff {
            EvidenceUse::Later
        } else if self.absorbed.binary_search(&seq).is_ok() {
            EvidenceUse::Absorbed
        } else {
            EvidenceUse::Earlier
        }
    }
}

impl Epoch {
    /// An epoch under what it depends on, without a population; generations that `layout` has are replaced by those in force.
    pub(super) fn new(
        since: Seq,
        settings: Arc<Settings>,
        layout: &Layout,
        elicited: Option<&PriorElicited>,
        generations: &Generations,
        library: &Library,
    ) -> Self {
        let lineage = generations.lineage();
        let promoted: Vec<&(Seq, Arc<AdapterPromoted>)> = lineage.iter().filter_map(|a| a.promoted.as_ref()).collect();
        let layout = Arc::new(layout.with_generations(promoted.iter().map(|(_, p)| p.generation.0).collect()));
        let layout = elicited.map_or(layout.clone(), |prior| {
            let variances: Vec<f64> = prior.reference_variance.iter().map(|v| v.get()).collect();
            Arc::new(layout.with_reference(&variances))
        });
        let prior: Vec<&AdapterPromoted> = promoted.iter().map(|(_, p)| p.as_ref()).collect();
        let mut priors = crate::prior::priors(&layout, elicited, &prior);
        priors.locations.extend(library.location(&layout, elicited));
        let priors = Arc::new(priors);
        let in_force = lineage.iter().zip(&promoted).map(|(adapter, (seq, _))| InForce {
            generation: adapter.trained.generation,
            promoted: *seq,
            cutoff: adapter.trained.cutoff,
            absorbed: adapter.absorbed_records.clone(),
        });
        let (lineage, of_everyone) = (in_force.collect(), WorkedOut::default());
        Self { since, settings, layout, priors, lineage, population: None, of_everyone }
    }

    /// What is believed of a person before any evidence of theirs.
    ///
    /// # Errors
    /// The settings or a prior cannot be used.
    pub fn prior_belief(&self, person: &PersonId) -> Result<Mixture, BeliefError> {
        if self.population.is_some() {
            return self.under(&self.priors_for(person));
        }
        if let Some(known) = self.of_everyone.0.get() {
            return Ok(known.clone());
        }
        let belief = self.under(&self.priors)?;
        Ok(self.of_everyone.0.get_or_init(|| belief).clone())
    }

    /// Whether belief can be formed for everyone, whoever they are.
    pub(super) fn check(&self) -> Result<(), BeliefError> {
        self.under(&self.priors)?;
        for received in self.population.iter().flat_map(|population| population.received()) {
            let Received { locations, masses } = received.clone();
            self.under(&Priors { locations, component_masses: masses, ..(*self.priors).clone() })?;
        }
        Ok(())
    }

    fn under(&self, priors: &Priors) -> Result<Mixture, BeliefError> {
        Mixture::under(&self.settings, priors, &self.layout.lineage())
    }

    /// Takes an observation into a belief formed under this epoch: `seq` is the evidence record that it is of.
    ///
    /// # Errors
    /// As [`Mixture::observe`].
    pub fn observe(&self, belief: &mut Mixture, seq: Seq, observation: &Observation) -> Result<Surprise, BeliefError> {
        belief.observe_placed(observation, &self.places(seq))
    }

    /// As [`Epoch::observe`], without what was expected: to the same bits, and faster.
    ///
    /// # Errors
    /// As [`Mixture::observe`].
    pub fn learn(&self, belief: &mut Mixture, seq: Seq, observation: &Observation) -> Result<(), BeliefError> {
        belief.learn([(observation, self.places(seq))])
    }

    /// Belief about a person under this epoch from observations, oldest first, each with its evidence record.
    ///
    /// # Errors
    /// As [`Mixture::fold`].
    pub fn fold<'a>(
        &self,
        person: &PersonId,
        observations: impl IntoIterator<Item = (Seq, &'a Observation)>,
    ) -> Result<Mixture, BeliefError> {
        let mut belief = self.prior_belief(person)?;
        belief.learn(observations.into_iter().map(|(seq, observation)| (observation, self.places(seq))))?;
        Ok(belief)
    }

    fn places(&self, seq: Seq) -> Vec<EvidenceUse> {
        self.lineage.iter().map(|generation| generation.place(seq)).collect()
    }
}

/// Whether a path is relative, has only plain parts and no backslash: it stays inside the home wherever that is.
fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
