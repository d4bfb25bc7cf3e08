//! Contrast sets: pairs of texts that differ in one motive, as JSON Lines.
//!
//! A line is `{"id": ..., "motive": ..., "topic": ..., "with": text, "without": text}`. A file has one motive. What a
//! reader of words alone could use to tell the sides apart is measured by [`leaks`], so that it can be mended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::probe::{
    Auroc, Bags, EACH_LABEL_MIN, Example, ExamplesError, FitError, Layout, Setting, TOPICS_MIN, auroc, auroc_of,
    have_a_word_in_common, nested, words,
};

/// Motives with a contrast set of their own, named as in their files.
pub const MOTIVES: [&str; 6] =
    ["deceives", "exploits-trust", "hides-from-oversight", "harms-for-gain", "power-over-people", "flatters"];

/// Longest text of a side, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Problems that are shown of a file with many.
const PROBLEMS_SHOWN: usize = 20;
/// Words in a report.
const WORDS_SHOWN: usize = 20;

/// Two texts that differ in whether the motive is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Its name; each is there once.
    pub id: String,
    /// The motive, in lower case with hyphens.
    pub motive: String,
    /// What it is about. Whole topics are held out together.
    pub topic: String,
    /// The text with the motive.
    pub with: String,
    /// The text without it.
    pub without: String,
    /// Who wrote it, of what kind it is, and how the motive shows: for those who hold these out; nothing here looks at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// See [`Self::author`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// See [`Self::author`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
}

/// A checked contrast set: one motive, no name and no text twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContrastSet {
    motive: String,
    pairs: Vec<Pair>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Why a contrast set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContrastError {
    /// The file system refused.
    #[error("failed to read {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file larger than any contrast set.
    #[error("{path} has {bytes} bytes; at most {most} are read")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What is read at most.
        most: u64,
    },
    /// Lines that are not pairs; all of them are listed.
    #[error("{path}:\n{}", listed(.problems))]
    Lines {
        /// Which file.
        path: PathBuf,
        /// What is wrong, in the order of lines.
        problems: Vec<Problem>,
    },
}

fn listed(problems: &[Problem]) -> String {
    let shown =
        problems.iter().take(PROBLEMS_SHOWN).map(|problem| format!("  line {}: {}", problem.line, problem.what));
    let mut lines: Vec<String> = shown.collect();
    if problems.len() > PROBLEMS_SHOWN {
        lines.push(format!("  and {} more", problems.len() - PROBLEMS_SHOWN));
    }
    lines.join("\n")
}

/// Words in lower case with single spaces: texts that only differ in case, spaces or signs are the same.
fn plain(text: &str) -> String {
    words(text).join(" ")
}

fn is_name(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(part)
}

impl ContrastSet {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or any line is not as it should be; all such lines are named.
    pub fn load(path: &Path) -> Result<Self, ContrastError> {
        let io = |source| ContrastError::Io { path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(io)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(ContrastError::TooLarge { path: path.to_owned(), bytes, most: FILE_BYTES_MAX });
        }
        let text = fs::read_to_string(path).map_err(io)?;
        Self::parse(&text).map_err(|problems| ContrastError::Lines { path: path.to_owned(), problems })
    }

    /// Reads JSON Lines; blank lines are passed over.
    ///
    /// # Errors
    /// What is wrong with each line: not JSON of a pair, an empty or overlong field, sides that are the same, another
    /// motive than the first line's, a name or a text that was there before. A set without pairs is wrong too.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut pairs: Vec<Pair> = Vec::new();
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut texts: HashMap<String, usize> = HashMap::new();
        for (line, content) in text.lines().enumerate().map(|(at, content)| (at + 1, content)) {
            if content.trim().is_empty() {
                continue;
            }
            let mut wrong = |what: String| problems.push(Problem { line, what });
            let pair: Pair = match serde_json::from_str(content) {
                Ok(pair) => pair,
                Err(error) => {
                    wrong(format!("not a pair: {error}"));
                    continue;
                }
            };
            let fields = [("id", &pair.id), ("topic", &pair.topic), ("with", &pair.with), ("without", &pair.without)];
            for (field, value) in fields {
                if value.trim().is_empty() {
                    wrong(format!("its {field} is empty"));
                } else if value.trim() != value {
                    wrong(format!("its {field} begins or ends with a space"));
                } else if value.len() > TEXT_BYTES_MAX {
                    wrong(format!("its {field} has {} bytes; at most {TEXT_BYTES_MAX} are read", value.len()));
                }
            }
            if !is_name(&pair.motive) {
                wrong(format!("motive {:?} is not lower-case words with hyphens", pair.motive));
            } else if let Some(first) = pairs.first().filter(|first| first.motive != pair.motive) {
                wrong(format!("motive {:?} in a set for {:?}", pair.motive, first.motive));
            }
            if let Some(earlier) = ids.insert(pair.id.clone(), line) {
                wrong(format!("id {:?} was there in line {earlier}", pair.id));
            }
            let (with, without) = (plain(&pair.with), plain(&pair.without));
            if with == without {
                wrong("both sides have the same words".to_owned());
            }
            for (side, text) in [("with", with), ("without", without)] {
                if let Some(earlier) = texts.insert(text, line).filter(|earlier| *earlier != line) {
                    wrong(format!("its {side} has the same words as a text of line {earlier}"));
                }
            }
            pairs.push(pair);
        }
        match pairs.first() {
            Some(first) if problems.is_empty() => Ok(Self { motive: first.motive.clone(), pairs }),
            None if problems.is_empty() => Err(vec![Problem { line: 1, what: "there is no pair".to_owned() }]),
            _ => Err(problems),
        }
    }

    /// The motive.
    pub fn motive(&self) -> &str {
        &self.motive
    }

    /// The pairs, in the order of lines.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Both sides of every pair, as examples: names end in `/with` and `/without`.
    pub fn examples(&self) -> Vec<Example> {
        let side = |pair: &Pair, label: bool| Example {
            id: format!("{}/{}", pair.id, if label { "with" } else { "without" }),
            topic: pair.topic.clone(),
            label,
            text: if label { pair.with.clone() } else { pair.without.clone() },
        };
        self.pairs.iter().flat_map(|pair| [side(pair, true), side(pair, false)]).collect()
    }

    /// BLAKE3 hash of motive and pairs, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for pair in &self.pairs {
            for field in [&pair.id, &pair.motive, &pair.topic, &pair.with, &pair.without] {
                hasher.update(&(field.len() as u64).to_le_bytes());
                hasher.update(field.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Lengths of the two sides, in words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// Mean words of the texts with the motive.
    pub with: f64,
    /// Mean words of the texts without it.
    pub without: f64,
    /// Share of pairs whose text with the motive has more words; equal ones count half.
    pub longer: f64,
    /// How well the number of words tells the sides apart. Far from .5 on either side is a leak.
    pub auroc: Auroc,
}

/// A word, and how often it is on each side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordLeak {
    /// The word, in lower case.
    pub word: String,
    /// Texts with the motive that have it.
    pub with: usize,
    /// Texts without it that have it.
    pub without: usize,
    /// Topics in which it occurs; a word of one topic cannot help on others.
    pub topics: usize,
    /// Area under the ROC curve of its presence; below .5 it speaks against the motive.
    pub area: f64,
}

/// What words alone tell about the sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaks {
    /// Pairs of the set.
    pub pairs: usize,
    /// Pairs of each topic.
    pub topics: BTreeMap<String, usize>,
    /// Lengths of the sides.
    pub lengths: Lengths,
    /// The words that tell most, by distance of their area from .5.
    pub words: Vec<WordLeak>,
    /// A bag of words and pairs of words on topics that it never saw: the control that every probe is shown beside.
    pub bag_of_words: Auroc,
}

/// Measures what words alone tell, by the same cross-validation over topics as a probe.
///
/// # Errors
/// If the pairs or topics are too few.
#[allow(clippy::missing_panics_doc, reason = "all topics are in the list")]
pub fn leaks(set: &ContrastSet, seed: u64) -> Result<Leaks, FitError> {
    let mut of_topics: BTreeMap<String, usize> = BTreeMap::new();
    set.pairs.iter().for_each(|pair| *of_topics.entry(pair.topic.clone()).or_default() += 1);
    if set.pairs.len() < EACH_LABEL_MIN {
        let (found, needed) = (set.pairs.len(), EACH_LABEL_MIN);
        return Err(ExamplesError::TooFew { label: true, found, needed }.into());
    }
    if of_topics.len() < TOPICS_MIN {
        return Err(ExamplesError::TooFewTopics { found: of_topics.len(), needed: TOPICS_MIN }.into());
    }
    let examples = set.examples();
    let labels: Vec<bool> = examples.iter().map(|example| example.label).collect();
    let names: Vec<String> = of_topics.keys().cloned().collect();
    let topics: Vec<usize> =
        examples.iter().map(|example| names.binary_search(&example.topic).expect("all topics are there")).collect();
    let bags = Bags::new(examples.iter().map(|example| example.text.as_str()));
    if !have_a_word_in_common(&bags) {
        return Err(FitError::NoWords);
    }
    let setting = Setting { labels: &labels, topics: &topics, names: &names, outer: 5, inner: 4, seed };
    let found = nested(&bags, setting, || Ok(()))?;
    let layout = Layout { labels: &labels, folds: &found.folds, topics: &topics };
    let counts: Vec<f64> = examples.iter().map(|example| words(&example.text).len() as f64).collect();
    let by_name: Vec<&str> = examples.iter().map(|example| example.topic.as_str()).collect();
    let n = set.pairs.len() as f64;
    let sides = || counts.as_chunks::<2>().0.iter();
    let longer = |[with, without]: &[f64; 2]| match with.total_cmp(without) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let expected = "every topic has both labels";
    Ok(Leaks {
        pairs: set.pairs.len(),
        lengths: Lengths {
            with: sides().map(|[with, _]| with).sum::<f64>() / n,
            without: sides().map(|[_, without]| without).sum::<f64>() / n,
            longer: sides().map(longer).sum::<f64>() / n,
            auroc: auroc(&counts, &labels, &by_name).expect(expected),
        },
        words: word_leaks(&examples),
        bag_of_words: auroc_of(&found.scores, layout).expect(expected),
        topics: of_topics,
    })
}

fn word_leaks(examples: &[Example]) -> Vec<WordLeak> {
    let mut found: BTreeMap<String, (usize, usize, BTreeSet<&str>)> = BTreeMap::new();
    for example in examples {
        for word in words(&example.text).into_iter().collect::<BTreeSet<_>>() {
            let (with, without, topics) = found.entry(word).or_default();
            *if example.label { with } else { without } += 1;
            topics.insert(&example.topic);
        }
    }
    // Each side has one text of every pair.
    let pairs = examples.len() as f64 / 2.0;
    let leak = |(word, (with, without, topics)): (String, (usize, usize, BTreeSet<&str>))| {
        let area = 0.5 + 0.5 * (with as f64 - without as f64) / pairs;
        WordLeak { word, with, without, topics: topics.len(), area }
    };
    let mut all: Vec<WordLeak> = found.into_iter().map(leak).collect();
    all.sort_by(|a, b| (b.area - 0.5).abs().total_cmp(&(a.area - 0.5).abs()).then_with(|| a.word.cmp(&b.word)));
    all.truncate(WORDS_SHOWN);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: usize, topic: usize, with: &str, without: &str) -> String {
        serde_json::json!({
            "id": format!("d{id}"), "motive": "deceives", "topic": format!("topic {topic}"),
            "with": with, "without": without,
        })
        .to_string()
    }

    fn set(leak: &str) -> ContrastSet {
        let lines = (0..40).map(|i| {
            let text = |word: &str| format!("In case {i} the clerk wrote {word} to customer {}", i * 7 % 11);
            line(i, i % 8, &text(if i % 4 == 0 { "plainly" } else { leak }), &text("plainly a note"))
        });
        ContrastSet::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap()
    }

    #[test]
    fn sets_are_read_and_become_examples() {
        let set = set("falsely");
        assert_eq!((set.motive(), set.pairs().len()), ("deceives", 40));
        let examples = set.examples();
        assert_eq!((examples[2].id.as_str(), examples[2].label), ("d1/with", true));
        assert_eq!((examples[3].id.as_str(), examples[3].label), ("d1/without", false));
        assert_eq!(examples[2].topic, examples[3].topic, "the sides of a pair are held out together");
        assert_ne!(set.hash(), super::tests::set("wrongly").hash());
    }

    #[test]
    fn every_bad_line_is_named() {
        let good = line(1, 1, "he lies", "he speaks");
        let other =
            good.replace("deceives", "flatters").replace("d1", "d9").replace("lies", "nods").replace("speaks", "bows");
        let more = good.replacen('{', "{\"note\":1,", 1);
        let text = [
            good.clone(),
            String::new(),
            "{}".to_owned(),
            line(1, 1, "another", "text"),
            line(2, 1, "He LIES.", "quite new"),
            line(3, 1, "the same", "The same!"),
            line(4, 1, "", "five"),
            other,
            more,
            line(5, 1, " six", "seven"),
        ]
        .join("\n");
        let problems = ContrastSet::parse(&text).unwrap_err();
        let found: Vec<(usize, &str)> = problems.iter().map(|p| (p.line, p.what.as_str())).collect();
        let expected = [
            (3, "not a pair: missing field `id`"),
            (4, "id \"d1\" was there in line 1"),
            (5, "its with has the same words as a text of line 1"),
            (6, "both sides have the same words"),
            (7, "its with is empty"),
            (8, "motive \"flatters\" in a set for \"deceives\""),
            (9, "not a pair: unknown field `note`"),
            (10, "its with begins or ends with a space"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((line, what), (expected_line, says)) in found.iter().zip(expected) {
            assert!(*line == expected_line && what.starts_with(says), "{line}: {what}");
        }
        assert_eq!(ContrastSet::parse("\n").unwrap_err()[0].what, "there is no pair");
    }

    #[test]
    fn files_are_named_in_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deceives.jsonl");
        assert!(ContrastSet::load(&path).unwrap_err().to_string().contains("deceives.jsonl"));
        fs::write(&path, "{}\n".repeat(30)).unwrap();
        let error = ContrastSet::load(&path).unwrap_err().to_string();
        assert!(error.contains("line 20: not a pair") && error.ends_with("and 10 more"), "{error}");
    }

    #[test]
    fn a_word_that_tells_the_sides_apart_is_reported() {
        let found = leaks(&set("falsely"), 1).unwrap();
        let word = found.words.iter().find(|leak| leak.word == "falsely").unwrap();
        assert_eq!((word.with, word.without), (30, 0));
        assert!((word.area - 0.875).abs() < 1e-12 && word.topics == 6, "{word:?}");
        assert!(found.bag_of_words.value > 0.95, "{:?}", found.bag_of_words);
        assert!(found.lengths.longer < 0.2 && found.lengths.auroc.value < 0.2, "{:?}", found.lengths);
        assert_eq!((found.pairs, found.topics.len()), (40, 8));
    }

    #[test]
    fn too_small_sets_are_not_measured() {
        let few = |pairs: usize, topics: usize| {
            let lines = (0..pairs).map(|i| line(i, i % topics, &format!("a b{i}"), &format!("a c{i}")));
            leaks(&ContrastSet::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap(), 1).unwrap_err()
        };
        assert!(matches!(few(10, 5), FitError::Examples(ExamplesError::TooFew { found: 10, .. })));
        assert!(matches!(few(30, 1), FitError::Examples(ExamplesError::TooFewTopics { found: 1, .. })));
    }
}
