//! `credence schema`: JSON Schema of what commands print with `--json`, and of what a session takes.

use anyhow::Context;
use clap::{Args, ValueEnum};
use credence_agent::protocol::{Said, Shown};
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::decide::DecisionJson;
use super::evidence::export::ExportJson;
use super::evidence::import::ImportView;
use super::explain::ExplanationJson;
use super::people::AskJson;
use super::values::SheetView;
use crate::exit::WrongInput;
use crate::surroundings::{say, say_json};

/// `credence schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The command; without it, those that have a schema are listed
    #[arg(value_enum, value_name = "COMMAND")]
    command: Option<Described>,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Described {
    /// One line of `credence session --json`
    Session,
    /// One line that `credence session --json` takes
    SessionAnswer,
    /// `credence values --json`
    Values,
    /// One line of `credence decide --json`
    Decide,
    /// One line of `credence agent --json`
    Agent,
    /// `credence explain --json`
    Explain,
    /// `credence evidence import --json`
    EvidenceImport,
    /// `credence evidence export --json`
    EvidenceExport,
    /// `credence people ask --json`
    PeopleAsk,
}

/// Runs `credence schema`.
pub(crate) fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let Some(command) = args.command else {
        return Described::value_variants().iter().try_for_each(|described| {
            let value = described.to_possible_value().context(WrongInput("there is no such command".into()))?;
            say(format!("{:<15} {}", value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default()))
        });
    };
    say_json(&match command {
        Described::Session => schema_of::<Shown>(),
        Described::SessionAnswer => schema_of::<Said>(),
        Described::Values => schema_of::<SheetView>(),
        Described::Decide | Described::Agent => schema_of::<DecisionJson>(),
        Described::Explain => schema_of::<ExplanationJson>(),
        Described::EvidenceImport => schema_of::<ImportView>(),
        Described::EvidenceExport => schema_of::<ExportJson>(),
        Described::PeopleAsk => schema_of::<Vec<AskJson>>(),
    })
}

/// The schema of a type with everything that it refers to.
fn schema_of<T: ToSchema + PartialSchema>() -> Value {
    let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut parts);
    let value = |schema: &RefOr<Schema>| serde_json::to_value(schema).unwrap_or_default();
    let parts: Map<String, Value> = parts.iter().map(|(name, schema)| (name.clone(), value(schema))).collect();
    let mut whole = value(&T::schema());
    if let Value::Object(members) = &mut whole {
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        // References lead there.
        members.insert("components".into(), json!({ "schemas": parts }));
    }
    whole
}
