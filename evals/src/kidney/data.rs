//! Real people's choices between two patients, in the units that beliefs are formed in.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::KidneyError;

/// Age, drinks a day, dependents.
pub(crate) const ATTRIBUTES: usize = 3;
/// Choices scored, the last of each person.
pub(crate) const HELD_OUT: usize = 10;

/// One person's choices in order: left less right in the widest space, and whether left was chosen. Narrower spaces are its
/// first entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    differences: Vec<Vec<f64>>,
    left: Vec<bool>,
}

#[derive(Deserialize)]
struct Row {
    user_id: u64,
    decision_rank: u64,
    decision: u8,
    left_1: f64,
    left_2: f64,
    left_3: f64,
    right_1: f64,
    right_2: f64,
    right_3: f64,
}

/// Reads everyone's choices from `DATA/kidney/study_2_strict.csv`. Code 0 is left, 1 is right.
///
/// # Errors
/// An absent or malformed file.
pub fn load(data: &Path) -> Result<KidneyData, KidneyError> {
    let path = data.join("kidney").join("study_2_strict.csv");
    if !path.is_file() {
        return Err(KidneyError::Absent { path });
    }
    let failed = |source| KidneyError::Read { path: path.clone(), source };
    let mut rows: Vec<Row> = csv::Reader::from_path(&path)
        .map_err(failed)?
        .deserialize()
        .collect::<Result<_, csv::Error>>()
        .map_err(|source| KidneyError::Read { path: path.clone(), source })?;
    rows.sort_by_key(|r| (r.user_id, r.decision_rank));
    let sides: Vec<[[f64; ATTRIBUTES]; 2]> =
        rows.iter().map(|r| [[r.left_1, r.left_2, r.left_3], [r.right_1, r.right_2, r.right_3]]).collect();
    let scale = |values: &[f64]| {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt().max(1e-12))
    };
    let patients: [(f64, f64); ATTRIBUTES] =
        std::array::from_fn(|k| scale(&sides.iter().flatten().map(|x| x[k]).collect::<Vec<_>>()));
    let raw: Vec<Vec<f64>> = sides
        .iter()
        .map(|[left, right]| {
            let features = |x: &[f64; ATTRIBUTES]| {
                let z: [f64; ATTRIBUTES] = std::array::from_fn(|k| (x[k] - patients[k].0) / patients[k].1);
                [z, z.map(|z| z * z), [z[0] * z[1], z[0] * z[2], z[1] * z[2]]].concat()
            };
            features(left).iter().zip(features(right)).map(|(a, b)| a - b).collect()
        })
        .collect();
    let sd: Vec<f64> = (0..3 * ATTRIBUTES).map(|k| scale(&raw.iter().map(|x| x[k]).collect::<Vec<_>>()).1).collect();
    let patients = std::array::from_fn(|k| (patients[k].0, patients[k].1 * sd[k]));
    let mut people: BTreeMap<u64, Choices> = BTreeMap::new();
    for (row, x) in rows.iter().zip(&raw) {
        let person = people.entry(row.user_id).or_default();
        person.differences.push(x.iter().zip(&sd).map(|(x, sd)| x / sd).chain([1.0]).collect());
        person.left.push(row.decision == 0);
    }
    Ok(KidneyData { people: people.into_values().collect(), patients })
}

/// Everyone's choices, and what a patient's attributes are in the units that choices are kept in.
#[derive(Clone, Debug, PartialEq)]
pub struct KidneyData {
    /// People, by their number in the file.
    pub people: Vec<Choices>,
    patients: [(f64, f64); ATTRIBUTES],
}

impl KidneyData {
    /// Features of a patient: age in years, drinks a day, dependents.
    pub(crate) fn patient(&self, attributes: [f64; ATTRIBUTES]) -> Vec<f64> {
        attributes.iter().zip(&self.patients).map(|(x, (mean, unit))| (x - mean) / unit).collect()
    }
}

impl FromIterator<(Vec<f64>, bool)> for Choices {
    /// Choices from features of the first less those of the second, and whether the first was chosen.
    fn from_iter<I: IntoIterator<Item = (Vec<f64>, bool)>>(choices: I) -> Self {
        let (differences, left) = choices.into_iter().unzip();
        Self { differences, left }
    }
}

impl Choices {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.left.len()
    }

    /// The first `n` choices in a space of so many features.
    pub(crate) fn first(&self, n: usize, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.differences.iter().map(move |x| &x[..features.min(x.len())]).zip(self.left.iter().copied()).take(n)
    }

    pub(crate) fn all(&self, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.first(self.left.len(), features)
    }

    pub(super) fn held_out(&self, features: usize) -> impl Iterator<Item = (&[f64], bool)> {
        self.all(features).skip(self.left.len() - HELD_OUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_data_is_said_to_be_absent() {
        let error = load(Path::new("no-such-folder")).expect_err("no data there");
        assert!(error.to_string().contains("CREDENCE_DATA"));
    }
}
