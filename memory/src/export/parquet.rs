//! The table as Parquet, for pandas and polars.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{ExportError, Row, Table};

const SCHEMA: &str = "
    message evidence {
        REQUIRED INT64 seq (INTEGER(64, false));
        OPTIONAL INT64 time (TIMESTAMP(MILLIS, true));
        REQUIRED BYTE_ARRAY person (STRING);
        REQUIRED BYTE_ARRAY source (STRING);
        REQUIRED BYTE_ARRAY kind (STRING);
        REQUIRED BYTE_ARRAY situation (STRING);
        REQUIRED BYTE_ARRAY first (STRING);
        OPTIONAL BYTE_ARRAY second (STRING);
        REQUIRED BYTE_ARRAY outcome (STRING);
        OPTIONAL DOUBLE soft_label;
        OPTIONAL BYTE_ARRAY details (STRING);
    }";

/// Rows that are written together.
const ROWS_PER_GROUP: usize = 100_000;

/// Writes every row as Parquet. Gives the number of rows.
///
/// # Errors
/// `out` takes no more bytes.
pub fn write_parquet(table: &Table, out: &mut (dyn Write + Send)) -> Result<u64, ExportError> {
    write(table, out).map_err(|e| ExportError::Write(std::io::Error::other(e)))?;
    Ok(table.rows.len() as u64)
}

fn write(table: &Table, out: &mut (dyn Write + Send)) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    for rows in table.rows.chunks(ROWS_PER_GROUP) {
        let mut group = writer.next_row_group()?;
        let numbers: Vec<i64> = rows.iter().map(|r| r.seq.0 as i64).collect();
        column::<Int64Type>(&mut group, &numbers, None)?;
        let present: Vec<i16> = rows.iter().map(|r| i16::from(r.time.is_some())).collect();
        let times: Vec<i64> = rows.iter().filter_map(|r| Some(r.time?.as_millisecond())).collect();
        column::<Int64Type>(&mut group, &times, Some(&present))?;
        texts(&mut group, rows, |r| r.person.as_str())?;
        texts(&mut group, rows, |r| &r.source)?;
        texts(&mut group, rows, |r| r.kind)?;
        texts(&mut group, rows, |r| &r.situation)?;
        texts(&mut group, rows, |r| &r.first)?;
        optional(&mut group, rows, |r| r.second.as_deref())?;
        texts(&mut group, rows, |r| &r.outcome)?;
        let present: Vec<i16> = rows.iter().map(|r| i16::from(r.soft_label.is_some())).collect();
        let values: Vec<f64> = rows.iter().filter_map(|r| r.soft_label).collect();
        column::<DoubleType>(&mut group, &values, Some(&present))?;
        optional(&mut group, rows, |r| r.details.as_deref())?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

type Group<'a, 'o> = SerializedRowGroupWriter<'a, &'o mut (dyn Write + Send)>;

fn texts<'r>(
    group: &mut Group<'_, '_>,
    rows: &'r [Row],
    field: impl Fn(&'r Row) -> &'r str,
) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = rows.iter().map(|r| ByteArray::from(field(r))).collect();
    column::<ByteArrayType>(group, &values, None)
}

fn optional<'r>(
    group: &mut Group<'_, '_>,
    rows: &'r [Row],
    field: impl Fn(&'r Row) -> Option<&'r str>,
) -> Result<(), ParquetError> {
    let present: Vec<i16> = rows.iter().map(|r| i16::from(field(r).is_some())).collect();
    let values: Vec<ByteArray> = rows.iter().filter_map(field).map(ByteArray::from).collect();
    column::<ByteArrayType>(group, &values, Some(&present))
}

fn column<T: parquet::data_type::DataType>(
    group: &mut Group<'_, '_>,
    values: &[T::T],
    present: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("as many columns as the schema has");
    column.typed::<T>().write_batch(values, present, None)?;
    column.close()
}
