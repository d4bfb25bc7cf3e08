//! What may follow in a log, and what may not.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use credence_approvals::Approvals;

use crate::belief::Places;
use crate::evidence::{DescriptionIndex, Evidence, Form};
use crate::ids::{AdapterGeneration, AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId, TaskId, ValueId};
use crate::layout::Layout;
use crate::library::Library;
use crate::log::FORMAT;
use crate::number::Finite;
use crate::observation::{Features, graded_key};
use crate::population::{COMPONENTS_MAX, PARTS_MAX};
use crate::record::{
    AlternativeDescribed, AttributesDeclared, ChoiceMade, CollectiveDecisionMade, DecisionMade, FeatureSource,
    ImportanceStated, LogOpened, MessageReceived, Origin, Outcome, PeopleLeft, PopulationConsolidated, PriorElicited,
    QuarantineSet, QuestionAsked, QuestionKind, RankingGiven, RatingGiven, Record, Subject,
};

use super::generations::Generations;
use super::illegal::{
    ALTERNATIVES_MAX, FEATURE_MAX, FEATURES_MAX, Illegal, LEVELS_MAX, between, bounded, count, distinct, not_negative,
    positive, same_question,
};
use super::{Epoch, Joining, Population, State, StateError, beside_the_point};

/// That a rating is one of its levels, and that there may be so many.
pub(super) fn is_one_of_its_levels(r: &RatingGiven) -> Result<(), Illegal> {
    between("levels of a rating", r.levels as usize, 2, LEVELS_MAX as usize)?;
    if r.level < 1 || r.level > r.levels {
        let expected = "a level, from 1 to the number of levels";
        return Err(Illegal::Range { what: "the rating", found: f64::from(r.level), expected });
    }
    Ok(())
}

/// What a legal record changes.
#[derive(Debug)]
pub(super) enum Change {
    Header(Arc<LogOpened>),
    Epoch {
        epoch: Arc<Epoch>,
        elicited: Option<Arc<PriorElicited>>,
    },
    Description {
        described: AlternativeDescribed,
        replaces: Option<DescriptionIndex>,
        anew: Option<Arc<Epoch>>,
    },
    Evidence {
        person: PersonId,
        evidence: Evidence,
    },
    Retraction {
        person: PersonId,
        target: Seq,
        /// What becomes of adapters that absorbed it.
        generations: Option<Box<Generations>>,
        /// The epoch that begins if an adapter in force, or what others received, had it.
        anew: Option<Arc<Epoch>>,
    },
    /// What became of an adapter.
    Generations {
        next: Box<Generations>,
        anew: Option<Arc<Epoch>>,
    },
    /// Descriptions with an adapter's judgements in them.
    Judgements {
        described: HashMap<DescriptionIndex, AlternativeDescribed>,
        was_promoted: bool,
        anew: Option<Arc<Epoch>>,
    },
    Quarantine {
        subject: Subject,
        quarantined: bool,
        anew: Option<Arc<Epoch>>,
    },
    /// An owner's approvals as they are with the record.
    Approvals {
        person: PersonId,
        approvals: Arc<Approvals>,
    },
    /// The library as it is with the record.
    Library {
        library: Arc<Library>,
        epoch: Arc<Epoch>,
    },
    /// People left for another shard.
    Left {
        left: PeopleLeft,
        people: BTreeSet<PersonId>,
    },
    /// People came from another shard.
    Joined {
        joining: Joining,
        slots: Vec<u32>,
        /// The same epoch, with their parts in its population.
        population: Option<Arc<Epoch>>,
        /// The epoch that begins where the population cannot hold with them.
        anew: Option<Arc<Epoch>>,
    },
    Note,
}

impl State {
    /// Whether a description may follow: of something new, or fuller than the one there is.
    pub(crate) fn may_describe(&self, described: &AlternativeDescribed) -> bool {
        self.plan(self.head().0.next(), &Record::AlternativeDescribed(described.clone())).is_ok()
    }

    /// What a record would change, if it may follow.
    pub(super) fn plan(&self, seq: Seq, record: &Record) -> Result<Change, StateError> {
        self.legal(seq, record).map_err(|source| StateError::Illegal { seq, source })
    }

    fn legal(&self, seq: Seq, record: &Record) -> Result<Change, Illegal> {
        let epoch = match (self.epochs.last(), record) {
            (None, Record::LogOpened(header)) => return header_change(header),
            (Some(_), Record::LogOpened(_)) => return Err(Illegal::SecondHeader),
            (None, _) => return Err(Illegal::NoHeader),
            (Some(epoch), _) => epoch,
        };
        let evidence = |from: &Origin, form: Form, question: Option<Hash>| {
            self.in_session(&from.person, from.session.as_ref())?;
            Ok(Change::Evidence {
                person: from.person.clone(),
                evidence: Evidence { seq, form, source: from.source.clone(), question },
            })
        };
        let generations = |next: Generations| {
            let anew = self.epoch_under(seq, epoch, &next);
            Change::Generations { next: Box::new(next), anew }
        };
        match record {
            Record::LogOpened(_) => Err(Illegal::SecondHeader),
            Record::ConfigurationChanged(r) => {
                r.belief.check().map_err(|source| Illegal::Settings { source })?;
                let epoch = Epoch { since: seq, settings: Arc::new(r.belief.clone()), ..(**epoch).clone() };
                Ok(Change::Epoch { epoch: Arc::new(epoch), elicited: None })
            }
            Record::PriorElicited(r) => self.prior_change(seq, epoch, r),
            Record::AttributesDeclared(r) => self.attributes_change(seq, epoch, r),
            Record::AlternativeDescribed(r) => self.description_change(seq, epoch, r),
            Record::SessionStarted(r) => match self.sessions.get(&r.session) {
                Some(_) => Err(Illegal::Duplicate { what: "session", name: r.session.to_string() }),
                None => Ok(Change::Note),
            },
            Record::SessionEnded(r) => self.open_session(&r.session).map(|()| Change::Note),
            Record::QuestionAsked(r) => self.question_asked(r).map(|()| Change::Note),
            Record::QuestionSkipped(r) => match self.people.get(&r.person) {
                Some(person) if person.asked().iter().rev().any(|a| a.question == r.question) => Ok(Change::Note),
                _ => Err(Illegal::Unknown { what: "question to this person", name: r.question.to_string() }),
            },
            Record::ChoiceMade(r) => {
                let (form, question) = self.choice(r)?;
                evidence(&r.from, form, question)
            }
            Record::RankingGiven(r) => {
                between("alternatives in a ranking", r.alternatives.len(), 2, ALTERNATIVES_MAX)?;
                between("ranked alternatives", r.order.len(), 1, r.alternatives.len())?;
                distinct(&r.alternatives)?;
                let mut seen = BTreeSet::new();
                for place in &r.order {
                    if *place >= r.alternatives.len() || !seen.insert(*place) {
                        let expected = "a place among the alternatives, each at most once";
                        return Err(Illegal::Range { what: "a rank", found: *place as f64, expected });
                    }
                }
                evidence(&r.from, self.ranking(r)?, None)
            }
            Record::VerdictGiven(r) => {
                let alternative = self.index(&r.alternative)?;
                let form = Form::Verdict { alternative, verdict: r.verdict };
                evidence(&r.from, form, Some(graded_key(r.alternative, None)))
            }
            Record::RatingGiven(r) => {
                let form = self.rating(r)?;
                evidence(&r.from, form, Some(graded_key(r.alternative, Some(r.levels))))
            }
            Record::CorrectionMade(r) => {
                distinct(&[r.preferred, r.rejected])?;
                let pair = [self.index(&r.preferred)?, self.index(&r.rejected)?];
                evidence(&r.from, Form::Indirect { pair, demonstrated: false }, None)
            }
            Record::DemonstrationGiven(r) => {
                between("alternatives not taken", r.over.len(), 1, ALTERNATIVES_MAX - 1)?;
                let alternatives: Vec<AlternativeId> =
                    std::iter::once(r.chosen).chain(r.over.iter().copied()).collect();
                distinct(&alternatives)?;
                evidence(&r.from, self.order(&alternatives, &[0], true)?, None)
            }
            Record::ImportanceStated(r) => evidence(&r.from, importance(&epoch.layout, r)?, None),
            Record::Retracted(r) => self.retraction(seq, r.target),
            Record::BeliefRecorded(r) => {
                if r.through >= seq {
                    return Err(Illegal::NotBefore(r.through));
                }
                Ok(Change::Note)
            }
            Record::TaskGiven(r) => match self.tasks.get(&r.task) {
                Some(_) => Err(Illegal::Duplicate { what: "task", name: r.task.to_string() }),
                None => Ok(Change::Note),
            },
            Record::AlternativesProposed(r) => {
                self.known_task(Some(&r.task))?;
                self.all_described(&r.alternatives)?;
                if !r.why.is_empty() {
                    count("reasons for proposals", r.why.len(), r.alternatives.len())?;
                }
                Ok(Change::Note)
            }
            Record::DecisionMade(r) => self.decision(seq, r).map(|()| Change::Note),
            Record::ActionTaken(r) => {
                self.known_task(r.task.as_ref())?;
                if let Some((id, task)) = r.task.as_ref().and_then(|id| Some((id, self.tasks.get(id)?))) {
                    if task.given.person != r.person {
                        return Err(Illegal::AnothersTask { task: id.clone(), person: task.given.person.clone() });
                    }
                    if task.stopped {
                        return Err(Illegal::Stopped(id.clone()));
                    }
                }
                self.index(&r.alternative)?;
                Ok(Change::Note)
            }
            Record::StopRequested(r) => self.known_task(r.task.as_ref()).map(|()| Change::Note),
            Record::Imported(_) | Record::Exported(_) | Record::Erased(_) | Record::PersonErased(_) => Ok(Change::Note),
            Record::AdapterTrained(r) => self.adapter_trained(seq, r).map(generations),
            Record::GateJudged(r) => self.gate_judged(seq, r).map(generations),
            Record::AdapterPromoted(r) => self.adapter_promoted(seq, r).map(generations),
            Record::AdapterRolledBack(r) => self.adapter_rolled_back(seq, r).map(generations),
            Record::AdapterStale(r) => self.adapter_stale(r).map(generations),
            Record::JudgementsRead(r) => {
                let described = self.judgements_read(r)?;
                let is_read = !described.is_empty() && epoch.layout.generations().contains(&r.generation.0);
                let anew = is_read.then(|| Arc::new(Epoch { since: seq, ..(**epoch).clone() }));
                let adapter = self.generations.adapter(r.generation);
                let was_promoted = adapter.is_some_and(|a| a.promoted.is_some() || a.rolled_back.is_some());
                Ok(Change::Judgements { described, was_promoted, anew })
            }
            Record::PopulationConsolidated(r) => self.population_change(seq, epoch, r),
            Record::QuarantineSet(r) => self.quarantine(seq, epoch, r),
            Record::CollectiveDecisionMade(r) => self.collective_decision(r).map(|()| Change::Note),
            Record::WordsRead(r) => self.words_read(&epoch.layout, r).map(|()| Change::Note),
            Record::ReadingAnswered(r) => self.reading_answered(&epoch.layout, r).map(|()| Change::Note),
            Record::BriefingAdded(r) => self.briefing_added(r).map(|()| Change::Note),
            Record::BriefingDropped(r) => self.standing_briefing(&r.briefing).map(|_| Change::Note),
            Record::Deliberated(r) => self.deliberated(r).map(|()| Change::Note),
            Record::ConsequenceChecked(r) => self.consequence_checked(r).map(|()| Change::Note),
            Record::ConclusionChecked(r) => self.conclusion_checked(r).map(|()| Change::Note),
            Record::AlternativesStruck(r) => self.struck(r).map(|()| Change::Note),
            Record::ApprovalsDeclared(r) => self.approvals_declared(r),
            Record::ApprovalNoted(r) => self.approval_noted(r),
            Record::CallBegun(r) => self.call_begun(r).map(|()| Change::Note),
            Record::CallEnded(r) => self.call_ended(r).map(|()| Change::Note),
            Record::OutcomeReported(r) => self.outcome_reported(r).map(|()| Change::Note),
            Record::DocumentAdded(r) => self.document_added(seq, epoch, r),
            Record::DocumentDropped(r) => self.document_dropped(seq, epoch, r),
            Record::MotiveRead(r) => self.motive_read(r).map(|()| Change::Note),
            Record::MessageReceived(r) => self.received(r).map(|()| Change::Note),
            Record::PeopleLeft(r) => self.people_left_change(epoch, r),
            Record::PeopleJoined(r) => self.people_joined(seq, epoch, r),
            Record::PopulationWithdrawn(r) => self.population_withdrawn(seq, epoch, r),
        }
    }

    /// That no message counts twice, and that a writer whose lease is over writes nothing.
    fn received(&self, r: &MessageReceived) -> Result<(), Illegal> {
        let Some(last) = self.message_received(r.shard) else { return Ok(()) };
        if r.sequence <= last.sequence {
            return Err(Illegal::ReceivedBefore { sequence: r.sequence, last: last.sequence });
        }
        if r.fence < last.fence {
            return Err(Illegal::Fenced { fence: r.fence, last: last.fence });
        }
        Ok(())
    }

    pub(super) fn index(&self, alternative: &AlternativeId) -> Result<DescriptionIndex, Illegal> {
        let unknown = || Illegal::Unknown { what: "description of alternative", name: alternative.to_string() };
        self.described.get(alternative).copied().ok_or_else(unknown)
    }

    pub(super) fn all_described(&self, alternatives: &[AlternativeId]) -> Result<(), Illegal> {
        alternatives.iter().try_for_each(|a| self.index(a).map(drop))
    }

    pub(super) fn known_task(&self, task: Option<&TaskId>) -> Result<(), Illegal> {
        match task {
            Some(task) if !self.tasks.contains_key(task) => {
                Err(Illegal::Unknown { what: "task", name: task.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn open_session(&self, session: &SessionId) -> Result<(), Illegal> {
        match self.sessions.get(session) {
            None => Err(Illegal::Unknown { what: "session", name: session.to_string() }),
            Some(found) if found.ended.is_some() => Err(Illegal::SessionOver(session.clone())),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn in_session(&self, person: &PersonId, session: Option<&SessionId>) -> Result<(), Illegal> {
        let Some(session) = session else { return Ok(()) };
        self.open_session(session)?;
        if self.sessions[session].started.person == *person {
            return Ok(());
        }
        Err(Illegal::OthersSession { session: session.clone(), person: person.clone() })
    }

    fn prior_change(&self, seq: Seq, epoch: &Epoch, r: &PriorElicited) -> Result<Change, Illegal> {
        let dimension = epoch.layout.read_by_model();
        count("numbers in the prior's mean", r.mean.len(), dimension)?;
        count("numbers in the prior's covariance", r.covariance.len(), dimension * (dimension + 1) / 2)?;
        count("reference variances", r.reference_variance.len(), dimension)?;
        bounded("the prior's mean", &r.mean)?;
        bounded("the prior's covariance", &r.covariance)?;
        if let Some(published) = &r.published {
            count("numbers in the published mean", published.mean.len(), dimension)?;
            count("numbers in the published covariance", published.covariance.len(), dimension * (dimension + 1) / 2)?;
            bounded("the published mean", &published.mean)?;
            bounded("the published covariance", &published.covariance)?;
        }
        r.reference_variance.iter().try_for_each(|v| positive("a reference variance", *v))?;
        if let Some(before) = &self.elicited
            && before.feature_space_hash != r.feature_space_hash
            && !self.descriptions.is_empty()
        {
            return Err(Illegal::OtherFeatureSpace {
                found: r.feature_space_hash,
                expected: before.feature_space_hash,
            });
        }
        // A population was learned in the other prior's units; a new epoch has none.
        let epoch = Epoch::new(seq, epoch.settings.clone(), &epoch.layout, Some(r), &self.generations, &self.library);
        Ok(Change::Epoch { epoch: Arc::new(epoch), elicited: Some(Arc::new(r.clone())) })
    }

    fn attributes_change(&self, seq: Seq, epoch: &Epoch, r: &AttributesDeclared) -> Result<Change, Illegal> {
        between("attributes", r.attributes.len(), 1, FEATURES_MAX)?;
        between("features", epoch.layout.dimension() + r.attributes.len(), 1, FEATURES_MAX)?;
        let mut names: BTreeSet<&str> = epoch.layout.attributes().iter().map(|a| a.name.as_str()).collect();
        for attribute in &r.attributes {
            positive("an attribute's scale", attribute.scale)?;
            positive("an attribute's reference variance", attribute.reference_variance)?;
            if !names.insert(&attribute.name) {
                return Err(Illegal::Duplicate { what: "attribute", name: attribute.name.clone() });
            }
        }
        let layout = epoch.layout.with_attributes(&r.attributes);
        let elicited = self.elicited.as_deref();
        let epoch = Epoch::new(seq, epoch.settings.clone(), &layout, elicited, &self.generations, &self.library);
        Ok(Change::Epoch { epoch: Arc::new(epoch), elicited: None })
    }

    fn description_change(&self, seq: Seq, epoch: &Epoch, r: &AlternativeDescribed) -> Result<Change, Illegal> {
        let layout = &*epoch.layout;
        let actual = AlternativeId::of(&r.situation, &r.text);
        if r.alternative != actual {
            let (stated, actual) = (r.alternative.hash(), actual.hash());
            return Err(Illegal::WrongIdentity { what: "alternative", stated, actual });
        }
        let absent_or = |what, found: &[Finite], expected| {
            if found.is_empty() { Ok(()) } else { count(what, found.len(), expected) }
        };
        if r.source == FeatureSource::Keyed && !self.elicited.as_ref().is_some_and(|prior| prior.in_key_points()) {
            return Err(Illegal::NotInKeyPoints);
        }
        absent_or("schema features", &r.schema, layout.values().len())?;
        absent_or("schema errors", &r.schema_error, layout.values().len())?;
        absent_or("text features", &r.text_block, layout.text())?;
        bounded("a schema feature", &r.schema)?;
        not_negative("a schema feature's error", &r.schema_error)?;
        bounded("a text feature", &r.text_block)?;
        for (generation, value) in &r.judgement {
            bounded("the judgement", &[*value])?;
            let generation = AdapterGeneration(*generation);
            if generation.0 != layout.generation() && self.generations.adapter(generation).is_none() {
                return Err(Illegal::NoSuchGeneration(generation));
            }
        }
        for (name, value) in &r.attributes {
            let Some(scale) = layout.attributes().iter().find(|a| a.name == *name) else {
                return Err(Illegal::Unknown { what: "declared attribute", name: name.clone() });
            };
            let found = (value.get() - scale.centre.get()) / scale.scale.get();
            if !found.is_finite() || found.abs() > FEATURE_MAX {
                let what = "an attribute, standardised,";
                return Err(Illegal::Range { what, found, expected: "between -1e6 and 1e6" });
            }
        }
        let Some(index) = self.described.get(&r.alternative).copied() else {
            between("descriptions", self.descriptions.len() + 1, 1, DescriptionIndex::MAX as usize)?;
            return Ok(Change::Description { described: r.clone(), replaces: None, anew: None });
        };
        let before = &self.descriptions[index as usize];
        if !fuller(before, r) {
            return Err(Illegal::DescribedOtherwise(r.alternative));
        }
        // Judgements of other generations need not be said again.
        let mut described = r.clone();
        described.judgement.extend(before.judgement.iter().map(|(generation, value)| (*generation, *value)));
        if *before == described {
            return Ok(Change::Note);
        }
        // A judgement of a generation that is not in force, say, changes no belief.
        let same = Features::of(before, layout) == Features::of(&described, layout);
        let anew = (!same).then(|| Arc::new(Epoch { since: seq, ..epoch.clone() }));
        Ok(Change::Description { described, replaces: Some(index), anew })
    }

    /// A population may follow when it is of known people, each once, and of this feature space.
    fn population_change(&self, seq: Seq, epoch: &Epoch, r: &PopulationConsolidated) -> Result<Change, Illegal> {
        if r.through >= seq {
            return Err(Illegal::NotBefore(r.through));
        }
        self.still_holds(r)?;
        between("parts of a population", r.parts.len(), 2, PARTS_MAX)?;
        let mut seen = BTreeSet::new();
        for person in r.parts.iter().flat_map(|part| &part.people) {
            if !self.people.contains_key(person) {
                return Err(Illegal::Unknown { what: "person", name: person.to_string() });
            }
            if !seen.insert(person) {
                return Err(Illegal::Duplicate { what: "person in the population", name: person.to_string() });
            }
        }
        let dimension = epoch.layout.dimension();
        for moments in r.parts.iter().map(|part| &part.without).chain([&r.all]) {
            between("components of a population", 1 + moments.further.len(), 1, COMPONENTS_MAX)?;
            for (mean, covariance) in moments.components() {
                count("numbers in a population's mean", mean.len(), dimension)?;
                count("numbers in a population's covariance", covariance.len(), dimension * (dimension + 1) / 2)?;
                bounded("a population's mean", mean)?;
                bounded("a population's covariance", covariance)?;
            }
            if let Some(found) = moments.masses().into_iter().find(|mass| *mass <= 0.0) {
                let what = "the mass of a component of a population";
                return Err(Illegal::Range { what, found, expected: "above 0, with those of all summing to 1" });
            }
        }
        let population = Some(Arc::new(Population::new(seq, r)));
        let epoch = Epoch { since: seq, population, ..epoch.clone() };
        Ok(Change::Epoch { epoch: Arc::new(epoch), elicited: None })
    }

    /// Whoever is put in quarantine leaves what others receive, until the next consolidation.
    fn quarantine(&self, seq: Seq, epoch: &Epoch, r: &QuarantineSet) -> Result<Change, Illegal> {
        if let Subject::Person(person) = &r.subject
            && !self.people.contains_key(person)
        {
            return Err(Illegal::Unknown { what: "person", name: person.to_string() });
        }
        if let Subject::Statement(alternative) = &r.subject {
            self.index(alternative)?;
        }
        if self.quarantined.contains(&r.subject) == r.quarantined {
            let stands = if r.quarantined { "in" } else { "not in" };
            return Err(Illegal::QuarantineAsBefore { stands });
        }
        let inside = epoch.population.as_ref().is_some_and(|p| match &r.subject {
            Subject::Person(person) => p.has(person),
            Subject::Source(_) | Subject::Statement(_) => true,
        });
        let anew = (r.quarantined && inside).then(|| Arc::new(Epoch { since: seq, population: None, ..epoch.clone() }));
        Ok(Change::Quarantine { subject: r.subject.clone(), quarantined: r.quarantined, anew })
    }

    fn collective_decision(&self, r: &CollectiveDecisionMade) -> Result<(), Illegal> {
        between("alternatives in a decision", r.alternatives.len(), 2, ALTERNATIVES_MAX)?;
        distinct(&r.alternatives)?;
        self.all_described(&r.alternatives)?;
        count("scores", r.scores.len(), r.alternatives.len())?;
        for person in r.people.iter().chain(&r.objectors) {
            if !self.people.contains_key(person) {
                return Err(Illegal::Unknown { what: "person", name: person.to_string() });
            }
        }
        match &r.chosen {
            Some(chosen) if !r.alternatives.contains(chosen) => {
                Err(Illegal::Unknown { what: "alternative of this decision", name: chosen.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn question_asked(&self, r: &QuestionAsked) -> Result<(), Illegal> {
        between("alternatives in a question", r.alternatives.len(), 1, ALTERNATIVES_MAX)?;
        distinct(&r.alternatives)?;
        self.all_described(&r.alternatives)?;
        same_question(r.question, &r.alternatives)?;
        let n = r.alternatives.len();
        match r.kind {
            QuestionKind::BestAndWorst => {
                between("alternatives of best and worst", n, 3, Places::BEST_AND_WORST_MAX)?;
                count("predicted probabilities", r.predicted.len(), n * (n - 1))?;
            }
            QuestionKind::Portrait => {
                count("statements in a portrait", n, 1)?;
                between("predicted probabilities", r.predicted.len(), 2, LEVELS_MAX as usize)?;
            }
            // A verdict or a rating: the levels, lowest first.
            QuestionKind::Choice if n == 1 => {
                between("predicted probabilities", r.predicted.len(), 2, LEVELS_MAX as usize)?;
            }
            QuestionKind::Choice => {
                count("predicted probabilities", r.predicted.len(), n + usize::from(r.indifference_offered))?;
            }
        }
        if r.indifference_offered && r.alternatives.len() != 2 {
            return Err(Illegal::NoPreference);
        }
        let total: f64 = r.predicted.iter().map(|p| p.get()).sum();
        if (total - 1.0).abs() > 1e-6 {
            return Err(Illegal::Range { what: "the sum of predicted probabilities", found: total, expected: "1" });
        }
        self.in_session(&r.person, r.session.as_ref())
    }

    fn choice(&self, r: &ChoiceMade) -> Result<(Form, Option<Hash>), Illegal> {
        between("alternatives in a choice", r.alternatives.len(), 2, ALTERNATIVES_MAX)?;
        distinct(&r.alternatives)?;
        let question = QuestionId::of(&r.alternatives);
        if let Some(stated) = r.question
            && stated != question
        {
            let (stated, actual) = (stated.hash(), question.hash());
            return Err(Illegal::WrongIdentity { what: "question", stated, actual });
        }
        if let Some(chosen) = r.chosen
            && chosen >= r.alternatives.len()
        {
            let expected = "a place among the alternatives, from 0";
            return Err(Illegal::Range { what: "the chosen alternative", found: chosen as f64, expected });
        }
        match (r.alternatives.as_slice(), r.chosen) {
            ([first, second], chosen) => {
                if chosen.is_none() && !r.indifference_offered {
                    return Err(Illegal::NoPreference);
                }
                // Formed in the order of the ids, so that the order shown changes nothing but the outcome.
                let swapped = second < first;
                let (a, b) = if swapped { (second, first) } else { (first, second) };
                let chosen = chosen.map(|c| u8::from((c == 1) != swapped));
                let pair = [self.index(a)?, self.index(b)?];
                let form = Form::Choice { pair, chosen, indifference_offered: r.indifference_offered };
                Ok((form, Some(question.hash())))
            }
            (_, None) => Err(Illegal::NoPreference),
            (_, Some(_)) if r.indifference_offered => Err(Illegal::NoPreference),
            (all, Some(chosen)) => Ok((self.order(all, &[chosen], false)?, None)),
        }
    }

    /// An order of some of several alternatives; of two it is a comparison.
    fn order(&self, alternatives: &[AlternativeId], order: &[usize], demonstrated: bool) -> Result<Form, Illegal> {
        let indices: Vec<DescriptionIndex> = alternatives.iter().map(|a| self.index(a)).collect::<Result<_, _>>()?;
        if let [first, second] = indices[..] {
            let best = order[0];
            if demonstrated {
                return Ok(Form::Indirect { pair: [first, second], demonstrated });
            }
            let swapped = alternatives[1] < alternatives[0];
            let pair = if swapped { [second, first] } else { [first, second] };
            let chosen = Some(u8::from((best == 1) != swapped));
            return Ok(Form::Choice { pair, chosen, indifference_offered: false });
        }
        let order = order.iter().map(|place| u16::try_from(*place).expect("fewer alternatives than that")).collect();
        Ok(Form::Order { alternatives: indices.into(), order, best_and_worst: false, demonstrated })
    }

    fn ranking(&self, r: &RankingGiven) -> Result<Form, Illegal> {
        let Some(worst) = r.worst else { return self.order(&r.alternatives, &r.order, false) };
        between("alternatives of best and worst", r.alternatives.len(), 3, Places::BEST_AND_WORST_MAX)?;
        count("best alternatives beside a worst", r.order.len(), 1)?;
        if worst >= r.alternatives.len() || worst == r.order[0] {
            let expected = "a place among the alternatives that is not the best's";
            return Err(Illegal::Range { what: "the worst", found: worst as f64, expected });
        }
        let alternatives = r.alternatives.iter().map(|a| self.index(a)).collect::<Result<_, _>>()?;
        let order = [r.order[0], worst].iter().map(|place| *place as u16).collect();
        Ok(Form::Order { alternatives, order, best_and_worst: true, demonstrated: false })
    }

    fn rating(&self, r: &RatingGiven) -> Result<Form, Illegal> {
        is_one_of_its_levels(r)?;
        let alternative = self.index(&r.alternative)?;
        let (level, levels) = (r.level as u8, r.levels as u8);
        Ok(Form::Rating { alternative, level, levels })
    }

    fn retraction(&self, seq: Seq, target: Seq) -> Result<Change, Illegal> {
        if target >= seq {
            return Err(Illegal::NotBefore(target));
        }
        for (id, person) in &self.people {
            if person.evidence().binary_search_by_key(&target, |e| e.seq).is_ok() {
                let generations = self.generations.without(target);
                let anew = self.epochs.last().and_then(|epoch| {
                    let received = epoch.population.as_ref().is_some_and(|p| p.has_record(id, target));
                    let under = generations.as_ref().and_then(|next| self.epoch_under(seq, epoch, next));
                    let mut anew = match under {
                        Some(anew) => (*anew).clone(),
                        None if received => Epoch { since: seq, ..(**epoch).clone() },
                        None => return None,
                    };
                    if received {
                        anew.population = None;
                    }
                    Some(Arc::new(anew))
                });
                let generations = generations.map(Box::new);
                return Ok(Change::Retraction { person: id.clone(), target, generations, anew });
            }
            if person.retracted().iter().any(|(_, e)| e.seq == target) {
                return Err(Illegal::AlreadyRetracted(target));
            }
        }
        Err(Illegal::NotEvidence(target))
    }

    fn decision(&self, seq: Seq, r: &DecisionMade) -> Result<(), Illegal> {
        between("alternatives in a decision", r.alternatives.len(), 1, ALTERNATIVES_MAX)?;
        distinct(&r.alternatives)?;
        self.all_described(&r.alternatives)?;
        self.known_task(r.task.as_ref())?;
        count("expected utilities", r.expected_utility.len(), r.alternatives.len())?;
        count("probabilities of being best", r.probability_best.len(), r.alternatives.len())?;
        if let Some(later) = r.reasons.iter().flat_map(|reason| &reason.evidence).find(|e| **e >= seq) {
            return Err(Illegal::NotBefore(*later));
        }
        if !r.expected_utility_alone.is_empty() {
            count("expected utilities alone", r.expected_utility_alone.len(), r.alternatives.len())?;
        }
        self.decided_by_motives(&r.person, &r.motives)?;
        if let Some(unknown) = r.deliberations.iter().find(|d| !self.deliberations.contains_key(d)) {
            return Err(Illegal::Unknown { what: "deliberation", name: unknown.to_string() });
        }
        match &r.outcome {
            Outcome::Act { alternative } if !r.alternatives.contains(alternative) => {
                Err(Illegal::Unknown { what: "alternative of this decision", name: alternative.to_string() })
            }
            _ => Ok(()),
        }
    }
}

fn header_change(header: &LogOpened) -> Result<Change, Illegal> {
    if header.format != FORMAT {
        return Err(Illegal::Format(header.format));
    }
    header.belief.check().map_err(|source| Illegal::Settings { source })?;
    let features = header.values.len().saturating_add(header.text_features).saturating_add(3);
    between("features", features, 1, FEATURES_MAX)?;
    let mut seen: BTreeSet<&ValueId> = BTreeSet::new();
    match header.values.iter().find(|v| !seen.insert(v)) {
        Some(twice) => Err(Illegal::Duplicate { what: "value", name: twice.to_string() }),
        None => Ok(Change::Header(Arc::new(header.clone()))),
    }
}

fn importance(layout: &Layout, r: &ImportanceStated) -> Result<Form, Illegal> {
    let place = |value: &ValueId| {
        let unknown = || Illegal::Unknown { what: "value", name: value.to_string() };
        layout.value(value).map(|place| place as u16).ok_or_else(unknown)
    };
    let (value, other, favoured) = match (&r.more, &r.less) {
        (Some(more), Some(less)) => (place(more)?, Some(place(less)?), true),
        (Some(more), None) => (place(more)?, None, true),
        (None, Some(less)) => (place(less)?, None, false),
        (None, None) => return Err(Illegal::ImportanceOfNothing),
    };
    if other == Some(value) || layout.values().len() < 2 {
        return Err(Illegal::ImportanceOfNothing);
    }
    let misreading = r.misreading.map_or(0.0, |p| p.get());
    if misreading >= 1.0 {
        return Err(Illegal::Range { what: "the misreading probability", found: misreading, expected: "below 1" });
    }
    let misreading = beside_the_point(misreading, &r.conditions);
    // Kept in the order of the schema, as a pair is in the order of its ids.
    let (value, other, favoured) = match other {
        Some(less) if less < value => (less, Some(value), false),
        other => (value, other, favoured),
    };
    Ok(Form::Importance { value, other, favoured, strength: r.strength, misreading, at_least: r.at_least })
}

/// Whether `new` says everything that `old` says, and the same.
fn fuller(old: &AlternativeDescribed, new: &AlternativeDescribed) -> bool {
    let block = |old: &[Finite], new: &[Finite]| old.is_empty() || old == new;
    (old.source == new.source || old.schema.is_empty())
        && block(&old.schema, &new.schema)
        && block(&old.schema_error, &new.schema_error)
        && block(&old.text_block, &new.text_block)
        && old.judgement.iter().all(|(generation, value)| new.judgement.get(generation).is_none_or(|v| v == value))
        && old.attributes.iter().all(|(name, value)| new.attributes.get(name) == Some(value))
}
