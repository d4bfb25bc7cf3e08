//! `credence schema`: JSON Schema of what commands print with `--json`, of what a session takes, and of kept figures.

use anyhow::Context;
use clap::Args;
use credence_agent::approvals::ApprovalVerdict;
use credence_agent::people::PeopleView;
use credence_agent::protocol::{Said, Shown};
use credence_evals::{
    approvals, crowd, decision_speed, figures, flight, kidney, meaning, pairs, polis, quality, recovery, sentences,
    start, system_one, teaching, tuning, viewpoints, weights,
};
use credence_glass::probe::{Evaluation, Parts as ProbeParts, Together};
use credence_memory::population::InfluenceReport;
use credence_priors::bench::BenchReport;
use credence_priors::cache::PulledModel;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::agent::carry::{CarriedJson, DryRunJson, MayJson, NoCallJson};
use super::approvals::told::{ApprovalsJson, ListJson, OpenJson};
use super::decide::DecisionJson;
use super::decide::together::TogetherJson;
use super::evidence::erase::ErasedJson;
use super::evidence::export::ExportJson;
use super::evidence::import::ImportView;
use super::explain::{EntryJson, ExplanationJson};
use super::people::{AskJson, ConsolidatedJson, PartsJson};
use super::replay::compare::ComparisonJson;
use super::replay::follow::NewsJson;
use super::replay::print::ReplayJson;
use super::replay::strategy::{QuestionJson, StrategiesJson};
use super::shard::erase::ErasedEverywhereJson;
use super::shard::r#move::MovedJson;
use super::shard::population::PopulationOverShardsJson;
use super::tune::status::StatusJson;
use super::tune::work::{CandidateJson, WaitJson};
use super::values::SheetView;
use super::viewpoints::{InferredJson, PredictedJson};
use super::{brief, deliberation, eval, eval_agent, evidence, library, model, pack, prior, probe, sae, tell};
use crate::exit::WrongInput;
use crate::surroundings::{say, say_json};

/// `credence schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The command, such as: people ask. Without it, those that have a schema are listed
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Types that schemas refer to, by name.
type Parts = Vec<(String, RefOr<Schema>)>;

/// Something that has a schema.
struct Described {
    /// The command's words, or what else it is called here.
    name: &'static str,
    /// Whether what it prints is several lines, each with a value of its own.
    has_lines: bool,
    /// What a value may be: one of these.
    types: &'static [fn(&mut Parts) -> RefOr<Schema>],
}

const fn whole(name: &'static str, types: &'static [fn(&mut Parts) -> RefOr<Schema>]) -> Described {
    Described { name, has_lines: false, types }
}

const fn lines(name: &'static str, types: &'static [fn(&mut Parts) -> RefOr<Schema>]) -> Described {
    Described { name, has_lines: true, types }
}

/// The schema of a type, which adds what it refers to.
fn of<T: ToSchema>(parts: &mut Parts) -> RefOr<Schema> {
    T::schemas(parts);
    T::schema()
}

/// What commands print with `--json`.
const PRINTED: [Described; 80] = [
    lines("agent", &[of::<DecisionJson>, of::<NoCallJson>, of::<DryRunJson>, of::<MayJson>, of::<CarriedJson>]),
    whole("approvals list", &[of::<ListJson>]),
    whole("approvals request", &[of::<ApprovalVerdict>]),
    whole("approvals show", &[of::<ApprovalsJson>, of::<OpenJson>]),
    whole("brief list", &[of::<Vec<brief::BriefingJson>>]),
    whole("decide", &[of::<DecisionJson>, of::<TogetherJson>]),
    whole("deliberation list", &[of::<deliberation::DeliberationsJson>]),
    whole("eval approvals", &[of::<approvals::ApprovalsResult>]),
    whole("eval calibration", &[of::<eval::calibration::Calibrated>]),
    whole("eval crowd attack", &[of::<crowd::AttackResult>]),
    lines("eval crowd growth", &[of::<crowd::Growth>]),
    lines("eval crowd kinds", &[of::<crowd::KindsResult>]),
    whole("eval decisions", &[of::<Vec<decision_speed::SpeedRow>>]),
    lines("eval flight", &[of::<flight::FlightResult>]),
    whole("eval flight-model", &[of::<flight::model::FlightModelResult>]),
    whole("eval kidney", &[of::<kidney::KidneyResult>]),
    whole("eval library", &[of::<eval::library::LibraryEvalJson>]),
    whole("eval meaning", &[of::<meaning::MeaningReport>]),
    lines("eval organisms", &[of::<eval::organisms::Row>]),
    lines("eval pairs", &[of::<pairs::PairsRow>]),
    whole("eval polis", &[of::<polis::PolisResult>]),
    whole("eval pressure", &[of::<eval_agent::PressureJson>]),
    whole("eval quality", &[of::<quality::QualityResult>]),
    whole("eval recovery", &[of::<recovery::RecoveryResult>, of::<recovery::FileResult>]),
    whole("eval sentences", &[of::<sentences::Result>]),
    whole("eval start", &[of::<start::StartResult>]),
    whole("eval system-one", &[of::<system_one::SystemOneResult>]),
    whole("eval teaching", &[of::<teaching::TeachingReport>]),
    whole("eval text", &[of::<eval_agent::TextJson>]),
    whole("eval tuning", &[of::<tuning::TuningResult>]),
    whole("eval unseen", &[of::<eval::reading::UnseenReport>]),
    whole("eval validity", &[of::<eval::reading::ValidityReport>]),
    whole("eval viewpoints", &[of::<viewpoints::ViewpointsResult>]),
    whole("eval weights", &[of::<weights::WeightsReport>]),
    whole("evidence erase", &[of::<ErasedJson>]),
    whole("evidence export", &[of::<ExportJson>]),
    whole("evidence import", &[of::<ImportView>]),
    lines("evidence list", &[of::<evidence::LineJson>]),
    whole("explain", &[of::<ExplanationJson>, of::<EntryJson>]),
    whole("library add", &[of::<library::told::AddJson>]),
    whole("library drop", &[of::<library::told::DroppedJson>]),
    whole("library explain", &[of::<library::told::SaidOfValueJson>, of::<library::told::SaidByPassageJson>]),
    whole("library list", &[of::<library::told::LibraryJson>]),
    whole("library show", &[of::<library::told::ShownJson>]),
    whole("model bench", &[of::<BenchReport>]),
    whole("model info", &[of::<model::ModelJson>]),
    whole("model list", &[of::<Vec<PulledModel>>]),
    whole("pack check", &[of::<pack::PackCheckJson>]),
    whole("pack list", &[of::<Vec<pack::PackJson>>]),
    whole("pack show", &[of::<pack::PackJson>]),
    whole("people", &[of::<PeopleView>, of::<PartsJson>]),
    whole("people ask", &[of::<Vec<AskJson>>]),
    whole("people consolidate", &[of::<ConsolidatedJson>]),
    whole("people influence", &[of::<InfluenceReport>]),
    whole("prior compare", &[of::<prior::PriorsJson>]),
    whole("prior show", &[of::<prior::PriorJson>, of::<prior::PriorCheckJson>]),
    whole("probe ask", &[of::<probe::OwnAnswerJson>]),
    whole("probe bar", &[of::<Together>]),
    whole("probe cost", &[of::<probe::CostJson>]),
    whole("probe eval", &[of::<Evaluation>]),
    whole("probe fit", &[of::<ProbeParts>]),
    whole("probe held-back", &[of::<probe::HeldBackJson>]),
    whole("probe list", &[of::<Vec<probe::ProbeJson>>]),
    whole("probe show", &[of::<ProbeParts>]),
    lines("probe watch", &[of::<probe::WatchedJson>]),
    lines(
        "replay",
        &[of::<ReplayJson>, of::<ComparisonJson>, of::<NewsJson>, of::<QuestionJson>, of::<StrategiesJson>],
    ),
    whole("sae audit", &[of::<sae::AuditJson>]),
    whole("sae show", &[of::<sae::AutoencoderJson>, of::<sae::EntryJson>, of::<sae::LabelledJson>]),
    whole("sae train", &[of::<sae::TrainedJson>]),
    lines("session", &[of::<Shown>]),
    whole("shard erase", &[of::<ErasedEverywhereJson>]),
    whole("shard move", &[of::<MovedJson>]),
    whole("shard population", &[of::<PopulationOverShardsJson>]),
    lines("tell", &[of::<tell::AskedJson>, of::<tell::ReadingJson>]),
    whole("tune import", &[of::<CandidateJson>]),
    whole("tune run", &[of::<CandidateJson>, of::<WaitJson>]),
    whole("tune status", &[of::<StatusJson>]),
    whole("values", &[of::<SheetView>]),
    whole("viewpoints infer", &[of::<InferredJson>]),
    whole("viewpoints predict", &[of::<PredictedJson>]),
];

/// What else has a schema, and what it is.
const OTHERS: [(Described, &str); 2] = [
    (lines("session-answer", &[of::<Said>]), "One line that `credence session --json` takes"),
    (
        lines("figures", &[of::<figures::Origin>, of::<figures::Figure>]),
        "One line of figures.jsonl, which `credence eval ... --figures` keeps: the first says where the others come from",
    ),
];

/// The commands that print JSON with `--json`, in their words.
#[cfg(test)]
pub(crate) fn printed() -> impl Iterator<Item = &'static str> {
    PRINTED.iter().map(|described| described.name)
}

/// Runs `credence schema`.
pub(crate) fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    if args.command.is_empty() {
        for Described { name, has_lines, .. } in &PRINTED {
            let what = if *has_lines { "One line of " } else { "" };
            say(format!("{name:<18} {what}`credence {name} --json`"))?;
        }
        return OTHERS.iter().try_for_each(|(described, what)| say(format!("{:<18} {what}", described.name)));
    }
    // Hyphens between the words do as well.
    let wanted = args.command.join("-");
    let mut all = PRINTED.iter().chain(OTHERS.iter().map(|(described, _)| described));
    let found = all.find(|described| described.name.replace(' ', "-") == wanted).with_context(|| {
        WrongInput(format!(
            "no command {:?} prints JSON: `credence schema` lists those that do",
            args.command.join(" ")
        ))
    })?;
    say_json(&schema_of(found.types))
}

/// The schema of a value of one of these types, with everything that it refers to.
fn schema_of(types: &[fn(&mut Parts) -> RefOr<Schema>]) -> Value {
    let mut parts = Parts::new();
    let value = |schema: &RefOr<Schema>| serde_json::to_value(schema).unwrap_or_default();
    let mut each: Vec<Value> = types.iter().map(|of| value(&of(&mut parts))).collect();
    let mut whole = if each.len() == 1 { each.remove(0) } else { json!({ "anyOf": each }) };
    let parts: Map<String, Value> = parts.iter().map(|(name, schema)| (name.clone(), value(schema))).collect();
    if let Value::Object(members) = &mut whole {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        // References lead there.
        members.insert("components".into(), json!({ "schemas": parts }));
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_types_of_a_schema_have_one_name() {
        for described in PRINTED.iter().chain(OTHERS.iter().map(|(described, _)| described)) {
            let mut parts = Parts::new();
            described.types.iter().for_each(|of| drop(of(&mut parts)));
            let mut known: BTreeMap<String, Value> = BTreeMap::new();
            for (name, schema) in parts {
                let schema = serde_json::to_value(schema).unwrap();
                let before = known.insert(name.clone(), schema.clone());
                assert!(before.is_none_or(|b| b == schema), "{}: two types are called {name}", described.name);
            }
            let text = schema_of(described.types).to_string();
            for (at, _) in text.match_indices("#/components/schemas/") {
                let name: String = text[at + 21..].chars().take_while(|c| *c != '"').collect();
                assert!(known.contains_key(&name), "{}: {name} is not described", described.name);
            }
        }
    }
}
