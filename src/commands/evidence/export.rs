//! `credence evidence export`: evidence in a file, with what is now believed as soft labels.

use anyhow::Context;
use credence_memory::export::{Table, table, write_csv, write_parquet, write_trl_paired, write_trl_unpaired};
use credence_memory::home::Home;
use credence_memory::ids::Hash;
use credence_memory::log::Reader;
use credence_memory::record::{Exported, Record};
use credence_memory::text;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{ExportArgs, ExportFormat, Global};
use crate::exit::WrongInput;
use crate::output::{Part, check};
use crate::progress::counting;
use crate::surroundings::{now, open_home, open_log, say, say_json};

/// What was written, as `credence evidence export --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportJson {
    /// The form of the file.
    format: &'static str,
    /// The file.
    path: String,
    /// Rows in it.
    rows: u64,
    /// Pieces of evidence that have no such form.
    other_rows: u64,
    /// Choices among three or more, and rankings, which are not so many pairs.
    left_out: u64,
    /// BLAKE3 of the file.
    content_hash: String,
    /// The record that says so.
    record: u64,
}

/// Runs `credence evidence export`.
pub(super) fn run(global: &Global, args: &ExportArgs) -> anyhow::Result<()> {
    if args.file.exists() && !args.force {
        anyhow::bail!(WrongInput(format!("{} is there already; --force replaces it", args.file.display())));
    }
    check(global, &args.file)?;
    let mut home = open_home(global)?;
    let mut rows = rows(&home)?;
    if let Some(person) = &args.person {
        let name = text::name(person);
        rows.rows.retain(|row| row.person.as_str() == name);
        if rows.rows.is_empty() {
            anyhow::bail!(WrongInput(format!("the log has no evidence of {person:?} that has the form of a row")));
        }
    }
    let mut bytes = Vec::new();
    let (format, written) = match args.format {
        ExportFormat::Trl => ("trl-paired", write_trl_paired(&rows, &mut bytes)?),
        ExportFormat::TrlUnpaired => ("trl-unpaired", write_trl_unpaired(&rows, &mut bytes)?),
        ExportFormat::Csv => ("csv", write_csv(&rows, &mut bytes)?),
        ExportFormat::Parquet => ("parquet", write_parquet(&rows, &mut bytes)?),
    };
    let failed = || format!("failed to write {}", args.file.display());
    let path = std::path::absolute(&args.file).with_context(failed)?;
    let part = Part::write(&path, &bytes, 0o600).with_context(failed)?;
    // The log names the file before it is there, so that no erasure can miss it.
    let exported = Exported {
        format: format.to_owned(),
        path: path.display().to_string(),
        content_hash: Hash::of(&bytes),
        rows: written,
    };
    let (entry, _) = home.append(now(), Record::Exported(exported))?;
    part.put(&path).with_context(failed)?;
    let others = rows.rows.len() as u64 - written;
    if args.json {
        return say_json(&ExportJson {
            format,
            path: path.display().to_string(),
            rows: written,
            other_rows: others,
            left_out: rows.left_out,
            content_hash: Hash::of(&bytes).to_string(),
            record: entry.seq.0,
        });
    }
    say(format!("{written} rows in {} (record {})", path.display(), entry.seq))?;
    if others > 0 {
        say(format!("{others} other pieces of evidence have no form in {format}"))?;
    }
    if rows.left_out > 0 {
        say(format!(
            "{} choices among three or more, or rankings, are not so many pairs and were left out",
            rows.left_out
        ))?;
    }
    Ok(())
}

/// Surviving evidence as rows, with a bar: every belief is formed on the way.
fn rows(home: &Home) -> anyhow::Result<Table> {
    let bar = counting("reading the log");
    bar.set_length(home.state().head().0.0);
    let file = open_log(&home.paths().log())?;
    let entries = Reader::new(file).inspect(|_| bar.inc(1));
    let rows = table(entries, home.state())?;
    bar.finish_and_clear();
    Ok(rows)
}
