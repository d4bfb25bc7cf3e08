//! Results as Parquet, for pandas and polars: one row for each measurement of each run, the provenance in the file's metadata.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

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

/// Rows that are written together.
const ROWS_PER_GROUP: usize = 100_000;

type Row<'a> = (&'a Run, &'a Measure);
type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

/// Writes every measurement.
pub(super) fn write(path: &Path, provenance: &Provenance, runs: &[Run]) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let about = [
        ("experiment", provenance.file.clone()),
        ("experiment_blake3", provenance.file_blake3.clone()),
        ("credence_version", provenance.version.clone()),
        ("engine_version", provenance.engine_version.to_string()),
        ("results_version", provenance.results_version.to_string()),
        ("platform", provenance.platform.clone()),
    ];
    let about = about.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect();
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(Some(about)).build();
    let mut writer = SerializedFileWriter::new(BufWriter::new(File::create(path)?), schema, Arc::new(properties))?;
    let rows: Vec<Row<'_>> = runs.iter().flat_map(|run| run.measures.iter().map(move |m| (run, m))).collect();
    for rows in rows.chunks(ROWS_PER_GROUP) {
        let mut group = writer.next_row_group()?;
        texts(&mut group, rows, |r| r.cell.prior.clone())?;
        numbers(&mut group, rows, |r, _| r.cell.angle_degrees)?;
        numbers(&mut group, rows, |r, _| r.cell.confidence)?;
        texts(&mut group, rows, |r| r.cell.person.clone())?;
        numbers(&mut group, rows, |r, _| r.cell.signal)?;
        texts(&mut group, rows, |r| r.cell.strategy_name())?;
        texts(&mut group, rows, |r| r.cell.learner.name().to_owned())?;
        counts(&mut group, rows, |r, _| r.cell.seed as i64)?;
        counts(&mut group, rows, |_, m| m.answers as i64)?;
        counts(&mut group, rows, |_, m| m.given as i64)?;
        numbers(&mut group, rows, |_, m| m.excess_nats)?;
        numbers(&mut group, rows, |_, m| m.accuracy)?;
        numbers(&mut group, rows, |_, m| m.excess_brier)?;
        numbers(&mut group, rows, |_, m| m.calibration_error)?;
        optional::<DoubleType>(&mut group, rows, |_, m| m.angle_degrees)?;
        numbers(&mut group, rows, |_, m| m.regret)?;
        numbers(&mut group, rows, |_, m| m.coverage)?;
        numbers(&mut group, rows, |_, m| m.nats_so_far)?;
        numbers(&mut group, rows, |_, m| m.nats_of_truth)?;
        numbers(&mut group, rows, |_, m| m.nats_behind_best)?;
        numbers(&mut group, rows, |_, m| m.bound_nats)?;
        optional::<Int64Type>(&mut group, rows, |r, _| r.answers_needed.map(|n| n as i64))?;
        numbers(&mut group, rows, |r, _| r.floor_nats)?;
        optional::<Int64Type>(&mut group, rows, |r, _| r.bound_answers.map(|n| n as i64))?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn texts(group: &mut Group<'_>, rows: &[Row<'_>], field: impl Fn(&Run) -> String) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = rows.iter().map(|(run, _)| ByteArray::from(field(run).as_str())).collect();
    column::<ByteArrayType>(group, &values, None)
}

fn numbers(group: &mut Group<'_>, rows: &[Row<'_>], field: impl Fn(&Run, &Measure) -> f64) -> Result<(), ParquetError> {
    let values: Vec<f64> = rows.iter().map(|(run, m)| field(run, m)).collect();
    column::<DoubleType>(group, &values, None)
}

fn counts(group: &mut Group<'_>, rows: &[Row<'_>], field: impl Fn(&Run, &Measure) -> i64) -> Result<(), ParquetError> {
    let values: Vec<i64> = rows.iter().map(|(run, m)| field(run, m)).collect();
    column::<Int64Type>(group, &values, None)
}

fn optional<T: DataType>(
    group: &mut Group<'_>,
    rows: &[Row<'_>],
    field: impl Fn(&Run, &Measure) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let all: Vec<Option<T::T>> = rows.iter().map(|(run, m)| field(run, m)).collect();
    let present: Vec<i16> = all.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    column::<T>(group, &values, Some(&present))
}

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], present: Option<&[i16]>) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns than are written".into()));
    };
    column.typed::<T>().write_batch(values, present, None)?;
    column.close()
}
