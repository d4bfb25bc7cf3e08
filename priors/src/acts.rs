//! Keyed acts: situations with two acts each, and what each act serves or goes against, as attentive readers keyed it.
//!
//! What a model makes of an act that nobody keyed is learned from these. Situations are split once and for ever by a hash
//! of their text, so that whoever adds acts moves none that are there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::readout::Alternative;

/// Largest key, in key points: a central, unmistakable case.
pub const KEY_MAX: f64 = 2.0;

/// The acts that come with the program, by author.
const EMBEDDED: [(&str, &str); 7] = [
    ("a", include_str!("../data/acts/a.jsonl")),
    ("b", include_str!("../data/acts/b.jsonl")),
    ("c", include_str!("../data/acts/c.jsonl")),
    ("d", include_str!("../data/acts/d.jsonl")),
    ("e", include_str!("../data/acts/e.jsonl")),
    ("f", include_str!("../data/acts/f.jsonl")),
    ("g", include_str!("../data/acts/g.jsonl")),
];

/// One act and its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyedAct {
    /// What is done, as a verb phrase.
    pub text: String,
    /// By value, from -2 to 2 in key points; values that are not at stake are absent.
    pub keys: BTreeMap<String, f64>,
    /// The keys of a second reader, who did not see the first one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<BTreeMap<String, f64>>,
}

/// A situation with two acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyedPair {
    /// The situation.
    pub situation: String,
    /// The acts.
    pub acts: [KeyedAct; 2],
    /// Whether words mislead: kind words for harm, harsh words for help.
    pub trap: bool,
    /// Which act is put in the nicer words, as the second reader judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nicer: Option<u8>,
}

/// What a pair is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Fitting.
    Training,
    /// Choosing among ways to fit, then fitting too.
    Choosing,
    /// Measuring, and nothing else.
    Testing,
}

/// Why keyed acts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActsError {
    /// A line is not a pair of keyed acts.
    #[error("keyed acts {origin}, line {line}: {problem}")]
    Line {
        /// The file, or what stands for it.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl KeyedPair {
    /// What this pair is used for: 70, 15 and 15 in a hundred, by the hash of its situation.
    pub fn split(&self) -> Split {
        match self.hash() % 100 {
            0..70 => Split::Training,
            70..85 => Split::Choosing,
            _ => Split::Testing,
        }
    }

    /// One of `count` parts for cross-validation; independent of [`Self::split`].
    pub fn fold(&self, count: u64) -> u64 {
        self.hash() / 100 % count.max(1)
    }

    fn hash(&self) -> u64 {
        let words = self.situation.split_whitespace().collect::<Vec<_>>().join(" ");
        let hash = blake3::hash(format!("credence keyed situation 1\n{words}").as_bytes());
        u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
    }

    /// Key of the first act minus key of the second, by value; the mean of its readers.
    pub fn difference(&self, values: &[String]) -> Vec<f64> {
        let of = |keys: &BTreeMap<String, f64>, value: &String| keys.get(value).copied().unwrap_or(0.0);
        let key = |act: &KeyedAct, value: &String| match &act.second {
            Some(second) => f64::midpoint(of(&act.keys, value), of(second, value)),
            None => of(&act.keys, value),
        };
        values.iter().map(|value| key(&self.acts[0], value) - key(&self.acts[1], value)).collect()
    }

    /// The two acts as alternatives to be read.
    pub fn alternatives(&self) -> [Alternative; 2] {
        [0, 1].map(|i| Alternative::new(Some(&self.situation), &self.acts[i].text))
    }
}

/// The acts that come with the program.
///
/// # Panics
/// If an embedded file is invalid, which a test excludes.
pub fn embedded() -> Vec<KeyedPair> {
    let parse = |(author, text): (&str, &str)| match parse(text, &format!("{author}.jsonl (embedded)")) {
        Ok(pairs) => pairs,
        Err(error) => panic!("{error}"),
    };
    EMBEDDED.into_iter().flat_map(parse).collect()
}

/// Understands JSON Lines of keyed pairs; `origin` stands for them in errors.
///
/// # Errors
/// If a line is no pair, a key lies outside -2 to 2, or the two acts have the same words.
pub fn parse(text: &str, origin: &str) -> Result<Vec<KeyedPair>, ActsError> {
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let failed = |problem: String| ActsError::Line { origin: origin.to_owned(), line: number + 1, problem };
        let pair: KeyedPair = serde_json::from_str(line).map_err(|error| failed(error.to_string()))?;
        let keys = pair.acts.iter().flat_map(|act| act.keys.iter().chain(act.second.iter().flatten()));
        if let Some((value, key)) = keys.into_iter().find(|(_, key)| key.is_nan() || key.abs() > KEY_MAX) {
            return Err(failed(format!("expected keys between -2 and 2, found {key} for {value}")));
        }
        let [first, second] = pair.alternatives();
        if first.text.is_empty() || second.text.is_empty() || first == second {
            return Err(failed("expected two different acts".to_owned()));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The questions of the built-in bank that have keys, as pairs: written by others than the acts above, never learned from,
/// and so a test.
pub fn keyed_bank() -> Vec<KeyedPair> {
    #[derive(Deserialize)]
    struct Line {
        situation: String,
        alternatives: Vec<String>,
        #[serde(default)]
        keys: Vec<BTreeMap<String, f64>>,
    }
    let lines =
        include_str!("../data/questions.jsonl").lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines
        .filter_map(|line| {
            let [first, second]: [String; 2] = line.alternatives.try_into().ok()?;
            let [of_first, of_second]: [BTreeMap<String, f64>; 2] = line.keys.try_into().ok()?;
            let act = |text, keys| KeyedAct { text, keys, second: None };
            let acts = [act(first, of_first), act(second, of_second)];
            Some(KeyedPair { situation: line.situation, acts, trap: false, nicer: None })
        })
        .collect()
}

/// BLAKE3 hash, in hex, of acts and keys in their order.
pub fn hash(pairs: &[KeyedPair]) -> String {
    let mut hasher = blake3::Hasher::new();
    for pair in pairs {
        hasher.update(serde_json::to_string(pair).unwrap_or_default().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::schema::ValueSchema;

    #[test]
    fn the_embedded_acts_are_keyed_for_the_schemas_values_and_split_by_situation() {
        let schema = ValueSchema::embedded();
        let pairs = embedded();
        assert!(pairs.len() >= 900);
        for pair in &pairs {
            for act in &pair.acts {
                assert!(
                    act.keys
                        .keys()
                        .chain(act.second.iter().flat_map(|keys| keys.keys()))
                        .all(|value| schema.value_index(value).is_some()),
                    "{act:?}"
                );
            }
        }
        let share = |split| pairs.iter().filter(|pair| pair.split() == split).count() as f64 / pairs.len() as f64;
        assert!((share(Split::Training) - 0.7).abs() < 0.06, "{}", share(Split::Training));
        assert!((share(Split::Testing) - 0.15).abs() < 0.05, "{}", share(Split::Testing));
        let mut spaced = pairs[0].clone();
        spaced.situation = format!(" {}  ", spaced.situation);
        assert_eq!((spaced.split(), spaced.fold(5)), (pairs[0].split(), pairs[0].fold(5)));
    }

    /// Nobody's situation is in what is measured with it.
    #[test]
    fn no_situation_stands_in_a_test_set() {
        let situations: HashSet<String> = embedded().into_iter().map(|pair| pair.situation).collect();
        for text in [
            include_str!("../data/questions.jsonl"),
            include_str!("../data/obvious_pairs.jsonl"),
            include_str!("../data/obvious_control.jsonl"),
        ] {
            for line in text.lines() {
                let row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
                // Portraits and what holds for a whole bank have no situation.
                let Some(situation) = row["situation"].as_str() else { continue };
                assert!(!situation.is_empty() && !situations.contains(situation), "{situation}");
            }
        }
    }

    #[test]
    fn what_is_no_pair_is_refused_with_its_line() {
        let good = r#"{"situation":"It rains.","acts":[{"text":"Stay.","keys":{"safety":1}},{"text":"Go.","keys":{}}],"trap":false}"#;
        assert_eq!(parse(&format!("{good}\n\n{good}\n"), "here").map(|pairs| pairs.len()).ok(), Some(2));
        for bad in [good.replace(":1}", ":2.5}"), good.replace("Go.", "stay"), good.replace("trap", "trip")] {
            let error = parse(&format!("{good}\n{bad}"), "here").err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.starts_with("keyed acts here, line 2: ")));
        }
    }
}
