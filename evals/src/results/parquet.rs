//! Results as Parquet: one row for each measurement of each run, the provenance in the file's metadata.

use std::path::Path;

use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;

use crate::columns::{self, counts, numbers, optional, texts};
use crate::experiment::{Measure, Provenance, Run};

const SCHEMA: &str = "
    message measures {
        REQUIRED BYTE_ARRAY prior (STRING);
        REQUIRED DOUBLE prior_angle_degrees;
        REQUIRED DOUBLE prior_confidence;
        REQUIRED BYTE_ARRAY person (STRING);
        REQUIRED DOUBLE signal;
        REQUIRED BYTE_ARRAY strategy (STRING);
        REQUIRED BYTE_ARRAY learner (STRING);
        REQUIRED INT64 seed (INTEGER(64, false));
        REQUIRED INT64 answers;
        REQUIRED INT64 given;
        REQUIRED DOUBLE excess_nats;
        REQUIRED DOUBLE accuracy;
        REQUIRED DOUBLE excess_brier;
        REQUIRED DOUBLE calibration_error;
        OPTIONAL DOUBLE angle_degrees;
        REQUIRED DOUBLE regret;
        REQUIRED DOUBLE coverage;
        REQUIRED DOUBLE nats_so_far;
        REQUIRED DOUBLE nats_of_truth;
        REQUIRED DOUBLE nats_behind_best;
        REQUIRED DOUBLE bound_nats;
        OPTIONAL INT64 run_answers_needed;
        REQUIRED DOUBLE run_floor_nats;
        OPTIONAL INT64 run_bound_answers;
    }";

/// Writes every measurement.
pub(super) fn write(path: &Path, provenance: &Provenance, runs: &[Run]) -> Result<(), ParquetError> {
    let about = [
        ("experiment", provenance.file.clone()),
        ("experiment_blake3", provenance.file_blake3.clone()),
        ("credence_version", provenance.version.clone()),
        ("engine_version", provenance.engine_version.to_string()),
        ("results_version", provenance.results_version.to_string()),
        ("platform", provenance.platform.clone()),
    ];
    let rows: Vec<(&Run, &Measure)> = runs.iter().flat_map(|run| run.measures.iter().map(move |m| (run, m))).collect();
    columns::write(path, SCHEMA, &about, &rows, |group, rows| {
        texts(group, rows, |(r, _)| r.cell.prior.clone())?;
        numbers(group, rows, |(r, _)| r.cell.angle_degrees)?;
        numbers(group, rows, |(r, _)| r.cell.confidence)?;
        texts(group, rows, |(r, _)| r.cell.person.clone())?;
        numbers(group, rows, |(r, _)| r.cell.signal)?;
        texts(group, rows, |(r, _)| r.cell.strategy_name())?;
        texts(group, rows, |(r, _)| r.cell.learner.name().to_owned())?;
        counts(group, rows, |(r, _)| r.cell.seed as i64)?;
        counts(group, rows, |(_, m)| m.answers as i64)?;
        counts(group, rows, |(_, m)| m.given as i64)?;
        numbers(group, rows, |(_, m)| m.excess_nats)?;
        numbers(group, rows, |(_, m)| m.accuracy)?;
        numbers(group, rows, |(_, m)| m.excess_brier)?;
        numbers(group, rows, |(_, m)| m.calibration_error)?;
        optional::<_, DoubleType>(group, rows, |(_, m)| m.angle_degrees)?;
        numbers(group, rows, |(_, m)| m.regret)?;
        numbers(group, rows, |(_, m)| m.coverage)?;
        numbers(group, rows, |(_, m)| m.nats_so_far)?;
        numbers(group, rows, |(_, m)| m.nats_of_truth)?;
        numbers(group, rows, |(_, m)| m.nats_behind_best)?;
        numbers(group, rows, |(_, m)| m.bound_nats)?;
        optional::<_, Int64Type>(group, rows, |(r, _)| r.answers_needed.map(|n| n as i64))?;
        numbers(group, rows, |(r, _)| r.floor_nats)?;
        optional::<_, Int64Type>(group, rows, |(r, _)| r.bound_answers.map(|n| n as i64))
    })
}
