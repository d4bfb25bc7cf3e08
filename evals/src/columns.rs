//! Tables as Parquet, for pandas and polars: columns of texts, counts and numbers; what they are about is in the file's metadata.

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

/// Rows that are written together.
const ROWS_PER_GROUP: usize = 100_000;

/// Some rows of a table that is being written.
pub(crate) type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

/// Writes a table; `columns` writes those of the schema, in its order, for some of the rows.
pub(crate) fn write<R>(
    path: &Path,
    schema: &str,
    about: &[(&str, String)],
    rows: &[R],
    columns: impl Fn(&mut Group<'_>, &[R]) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(schema)?);
    let about = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(Some(about)).build();
    let mut writer = SerializedFileWriter::new(BufWriter::new(File::create(path)?), schema, Arc::new(properties))?;
    for rows in rows.chunks(ROWS_PER_GROUP) {
        let mut group = writer.next_row_group()?;
        columns(&mut group, rows)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

pub(crate) fn texts<R>(group: &mut Group<'_>, rows: &[R], field: impl Fn(&R) -> String) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(field(row).as_str())).collect();
    column::<ByteArrayType>(group, &values, None)
}

pub(crate) fn numbers<R>(group: &mut Group<'_>, rows: &[R], field: impl Fn(&R) -> f64) -> Result<(), ParquetError> {
    let values: Vec<f64> = rows.iter().map(field).collect();
    column::<DoubleType>(group, &values, None)
}

pub(crate) fn counts<R>(group: &mut Group<'_>, rows: &[R], field: impl Fn(&R) -> i64) -> Result<(), ParquetError> {
    let values: Vec<i64> = rows.iter().map(field).collect();
    column::<Int64Type>(group, &values, None)
}

pub(crate) fn optional<R, T: DataType>(
    group: &mut Group<'_>,
    rows: &[R],
    field: impl Fn(&R) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let all: Vec<Option<T::T>> = rows.iter().map(field).collect();
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
