//! The model over the API: the prior, how well each value is read, generations and what the gate said of each.

use axum::Json;
use axum::extract::State;
use credence_agent::knowledge::Knowledge;
use credence_agent::names;
use credence_agent::protocol::ValuesView;
use credence_agent::views::values_of;
use credence_memory::ids::PersonId;
use credence_memory::record::LogOpened;
use credence_memory::state::{Adapter, State as Belief};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::Caller;
use super::problem::Problem;
use crate::commands::tune::status::verdict;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(shown))
}

/// The model that a home belongs to, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelView {
    /// What the log says of it; nothing for an empty log.
    pub(super) header: Option<HeaderView>,
    /// Whether people's prior was learned from other people too.
    pub(super) has_population: bool,
    /// What is believed of somebody before they answer; nothing while there is no prior.
    pub(super) prior: Option<ValuesView>,
    /// How well it reads each value in acts that nobody keyed; empty where that is not known.
    pub(super) reads: Vec<ReadView>,
    /// Adapters that were trained or brought in.
    pub(super) generations: Vec<GenerationView>,
}

/// What the log says of its model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HeaderView {
    /// Its reference.
    pub(super) reference: String,
    /// BLAKE3 of its file.
    pub(super) file_hash: String,
    /// What it was scored in.
    pub(super) scoring_precision: String,
    /// The program that began the log.
    pub(super) software: String,
    /// How many values there are.
    pub(super) values: usize,
}

impl HeaderView {
    fn of(header: &LogOpened) -> Self {
        Self {
            reference: header.model.reference.clone(),
            file_hash: header.model.gguf_hash.to_string(),
            scoring_precision: header.model.scoring_precision.clone(),
            software: header.software.clone(),
            values: header.values.len(),
        }
    }
}

/// How well a value is read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadView {
    /// Its name.
    pub(super) value: String,
    /// The share of signs that are right with its 95% interval, in words.
    pub(super) right: String,
}

/// An adapter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GenerationView {
    /// What it is called.
    pub(super) name: String,
    /// Whether it is in force, or under the one that is.
    pub(super) is_in_force: bool,
    /// Records that it absorbed.
    pub(super) absorbed: usize,
    /// The last record that it may have seen.
    pub(super) cutoff: u64,
    /// What the gate said of it, in the order of the log.
    pub(super) judged: Vec<VerdictView>,
    /// Whether it was taken back.
    pub(super) was_rolled_back: bool,
    /// Whether something that it absorbed was withdrawn.
    pub(super) is_stale: bool,
}

/// What the gate said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerdictView {
    /// The record that has it.
    pub(super) record: u64,
    /// The verdict.
    pub(super) in_words: String,
    /// Each of its tests.
    pub(super) tests: Vec<TestView>,
}

/// A test of the gate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestView {
    /// What it tests.
    pub(super) name: String,
    /// Whether it was passed.
    pub(super) passed: bool,
}

impl GenerationView {
    fn of(adapter: &Adapter, is_in_force: bool) -> Self {
        let judged = adapter.judged.iter().map(|(seq, judged)| VerdictView {
            record: seq.0,
            in_words: verdict(judged),
            tests: judged.tests.iter().map(|t| TestView { name: t.name.clone(), passed: t.passed }).collect(),
        });
        Self {
            name: format!("generation {}", adapter.trained.generation),
            is_in_force,
            absorbed: adapter.absorbed_records.len(),
            cutoff: adapter.trained.cutoff.0,
            judged: judged.collect(),
            was_rolled_back: adapter.rolled_back.is_some(),
            is_stale: adapter.withdrawn.is_some(),
        }
    }
}

/// The model that the home belongs to: the prior, how well each value is read, generations and what the gate said of each.
#[utoipa::path(get, path = "/api/v1/model",
    responses((status = 200, body = ModelView), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn shown(State(app): State<App>, caller: Caller) -> Result<Json<ModelView>, Problem> {
    Ok(Json(view(&app, &caller).await?))
}

/// What there is to tell of the model.
pub(super) async fn view(app: &App, caller: &Caller) -> Result<ModelView, Problem> {
    caller.must_see_everybody()?;
    let reads =
        app.reads.iter().map(|(value, right)| ReadView { value: value.clone(), right: right.clone() }).collect();
    let found = app.desk.run(move |desk| {
        let state = desk.home.state();
        let in_force: Vec<_> = state.ledger().lineage().iter().map(|a| a.trained.generation).collect();
        let generations = state.generations().adapters();
        ModelView {
            header: state.header().map(HeaderView::of),
            has_population: state.population().is_some(),
            prior: before_anybody(state),
            reads,
            generations: generations.map(|a| GenerationView::of(a, in_force.contains(&a.trained.generation))).collect(),
        }
    });
    found.await
}

/// The values of somebody of whom nothing is known.
fn before_anybody(state: &Belief) -> Option<ValuesView> {
    let nobody = PersonId::new("somebody who is not here").ok()?;
    let (epoch, prior) = (state.epoch()?, state.prior_belief(&nobody).ok()?);
    Some(values_of(&epoch.layout, &prior, &prior, names::value))
}
