//! Figures as Parquet: one row each, their origin in the file's metadata.

use std::path::Path;

use parquet::data_type::DoubleType;
use parquet::errors::ParquetError;

use super::{Figure, Origin};
use crate::columns::{self, numbers, optional, texts};

const SCHEMA: &str = "
    message figures {
        REQUIRED BYTE_ARRAY data (STRING);
        REQUIRED BYTE_ARRAY learner (STRING);
        REQUIRED BYTE_ARRAY at (STRING);
        REQUIRED BYTE_ARRAY measure (STRING);
        REQUIRED DOUBLE mean;
        OPTIONAL DOUBLE low;
        OPTIONAL DOUBLE high;
    }";

/// Writes every figure.
pub(super) fn write(path: &Path, origin: &Origin, figures: &[Figure]) -> Result<(), ParquetError> {
    let about = [
        ("experiment", origin.experiment.clone()),
        ("options", origin.options.to_string()),
        ("credence_version", origin.version.clone()),
        ("engine_version", origin.engine_version.to_string()),
        ("platform", origin.platform.clone()),
    ];
    columns::write(path, SCHEMA, &about, figures, |group, figures| {
        texts(group, figures, |f| f.data.clone())?;
        texts(group, figures, |f| f.learner.clone())?;
        texts(group, figures, |f| f.at.clone())?;
        texts(group, figures, |f| f.measure.clone())?;
        numbers(group, figures, |f| f.mean)?;
        optional::<_, DoubleType>(group, figures, |f| f.low)?;
        optional::<_, DoubleType>(group, figures, |f| f.high)
    })
}
