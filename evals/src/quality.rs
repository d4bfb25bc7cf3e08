//! A score of how good a passage is, read from a model's states: does it tell a passage from the same made worse, and how far may one
//! choose by it?
//!
//! The score is a direction in the states, learned in two ways: from pairs of a passage and the same made worse, and from the keys that
//! readers gave to other passages. Beside it stand a bag of words that is learned from the same pairs, and the model's log-likelihood.
//! Authors, genres and defects are held out in turn, and all three at once. Then the best of n keyed passages is chosen by each score,
//! learned without their author, and judged by keys of a reader that the score has not seen, and by simulated readers of many tastes
//! (Gao, Schulman and Hilton 2023, *Scaling laws for reward model overoptimization*, draw the same curve for reward models).

mod curve;
mod figures;
mod ridge;

use std::collections::{BTreeMap, BTreeSet};

use credence_agent::bank::{Bank, BankAlternative};
use credence_agent::pack::WorsePair;
use credence_memory::ids::AlternativeId;
use credence_priors::passages::PassageReading;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::recovery::baselines::rank_correlation;
use crate::recovery::learner::Instrument;
use crate::recovery::people::Simulated;
use crate::recovery::{RecoveryError, RecoveryOptions};

pub use curve::{BestOf, Curve};

use curve::{Judged, curve};
use ridge::{Better, Rated, Site, learn};

/// The tag that says who wrote a question's texts begins so.
const AUTHOR: &str = "author:";
/// A key is at most this far from 0.
const KEY_MAX: f64 = 2.0;
/// Pairs that a direction is learned from at least.
const PAIRS_MIN: usize = 10;
/// Passages of an author that are chosen from at least.
const POOL_MIN: usize = 8;
/// Texts that a term must be in to be a column.
const TEXTS_MIN: usize = 2;

/// The scores, by name.
const FROM_PAIRS: &str = "states, learned from pairs";
const FROM_KEYS: &str = "states, learned from keys";
const WORDS: &str = "bag of words, learned from pairs";
const LIKELIHOOD: &str = "log-likelihood a token";
const OTHER_READER: &str = "another reader's keys";

/// How the experiment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityOptions {
    /// Simulated readers who judge what was chosen.
    pub readers: usize,
    /// Seed of readers and intervals.
    pub seed: u64,
}

impl Default for QualityOptions {
    fn default() -> Self {
        Self { readers: 100, seed: 1 }
    }
}

/// What is held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// Each author in turn.
    Author,
    /// Each genre.
    Genre,
    /// Each defect.
    Defect,
    /// Everything that has the author, the genre or the defect of the tested pair.
    AllThree,
}

impl HeldOut {
    const EVERY: [Self; 4] = [Self::Author, Self::Genre, Self::Defect, Self::AllThree];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Author => "author held out",
            Self::Genre => "genre held out",
            Self::Defect => "defect held out",
            Self::AllThree => "author, genre and defect held out",
        }
    }

    /// Whether pairs of these labels (author, genre, defect) may not be learned from when the other is tested.
    fn forbids(self, learned: [&str; 3], tested: [&str; 3]) -> bool {
        let same = |k: usize| learned[k] == tested[k];
        match self {
            Self::Author => same(0),
            Self::Genre => same(1),
            Self::Defect => same(2),
            Self::AllThree => (0..3).any(same),
        }
    }
}

/// Pairs that were told right among some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupRow {
    /// "author", "genre" or "defect".
    pub of: String,
    /// Which.
    pub name: String,
    /// Pairs of it.
    pub pairs: usize,
    /// Share told right.
    pub right: Estimate,
}

/// How well a score tells the better passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityRow {
    /// The score.
    pub score: String,
    /// What was held out.
    pub held_out: HeldOut,
    /// Share of pairs told right.
    pub right: Estimate,
    /// The same less the bag of words', pair by pair; nothing for that itself.
    pub less_words: Option<Estimate>,
    /// By author, genre and defect.
    pub groups: Vec<GroupRow>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityResult {
    /// What was asked for.
    pub options: QualityOptions,
    /// Whose states were read.
    pub model: String,
    /// Pairs made worse.
    pub pairs: usize,
    /// Different keyed passages.
    pub passages: usize,
    /// Scores by what was held out.
    pub rows: Vec<QualityRow>,
    /// The best of n by each score.
    pub curves: Vec<Curve>,
    /// Spearman's correlation of each score with the held-out reader's keys, over passages of an author that it has not seen; mean over
    /// authors.
    pub correlations: Vec<(String, f64)>,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// Readers could not be simulated.
    #[error(transparent)]
    Readers(#[from] RecoveryError),
    /// Too little of something.
    #[error("{found} {what}; at least {needed} are needed")]
    TooFew {
        /// Of what.
        what: String,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A question of the second reader that is not as it should be.
    #[error("second reader's question {question:?} {problem}")]
    Second {
        /// The question.
        question: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A direction has no solution.
    #[error("what the model reads of these passages is no basis for a score")]
    States,
}

/// What is measured with.
#[derive(Debug, Clone)]
pub struct Material<'a> {
    bank: &'a Bank,
    values: &'a [&'a str],
    pairs: &'a [WorsePair],
    keyed: Vec<KeyedPassage>,
}

/// A passage that two readers keyed.
#[derive(Debug, Clone)]
struct KeyedPassage {
    text: String,
    alternative: AlternativeId,
    author: String,
    genre: String,
    /// What the first reader found it worth: the mean of their keys over all qualities.
    first: f64,
    /// And the second.
    second: f64,
}

impl<'a> Material<'a> {
    /// From pairs made worse, a keyed bank, and the same questions as a second reader keyed them; the bank has the mean of both.
    ///
    /// # Errors
    /// A question that the bank does not have, or one whose author is not said.
    pub fn new(
        bank: &'a Bank,
        second: &Bank,
        values: &'a [&'a str],
        pairs: &'a [WorsePair],
    ) -> Result<Self, QualityError> {
        let of_bank: BTreeMap<&str, _> = bank.questions.iter().map(|q| (q.id.as_str(), q)).collect();
        let (mut keyed, mut seen) = (Vec::new(), BTreeSet::new());
        for question in &second.questions {
            let wrong = |problem| QualityError::Second { question: question.id.clone(), problem };
            let mean = of_bank.get(question.id.as_str()).ok_or_else(|| wrong("is not in the bank"))?;
            let author = question.tags.iter().find_map(|tag| tag.strip_prefix(AUTHOR));
            let author = author.ok_or_else(|| wrong("has no tag author:NAME"))?;
            let genre = question.tags.iter().find(|tag| !tag.starts_with(AUTHOR)).cloned().unwrap_or_default();
            if mean.alternatives.len() != question.alternatives.len() {
                return Err(wrong("has other texts than in the bank"));
            }
            for (mean, own) in mean.alternatives.iter().zip(&question.alternatives) {
                if mean.text != own.text {
                    return Err(wrong("has other texts than in the bank"));
                }
                if !seen.insert(own.text.clone()) {
                    continue;
                }
                let first = |value: &&str| (2.0 * key(mean, value) - key(own, value)).clamp(-KEY_MAX, KEY_MAX);
                let worth = |of: &dyn Fn(&&str) -> f64| values.iter().map(of).sum::<f64>() / values.len().max(1) as f64;
                keyed.push(KeyedPassage {
                    text: own.text.clone(),
                    alternative: AlternativeId::of(&question.situation, &own.text),
                    author: author.to_owned(),
                    genre: genre.clone(),
                    first: worth(&first),
                    second: worth(&|value| key(own, value)),
                });
            }
        }
        Ok(Self { bank, values, pairs, keyed })
    }

    /// The texts that are to be read, in the order in which [`run`] takes what was read of them.
    pub fn texts(&self) -> Vec<String> {
        let pairs = self.pairs.iter().flat_map(|p| [p.better.clone(), p.worse.clone()]);
        pairs.chain(self.keyed.iter().map(|k| k.text.clone())).collect()
    }

    /// Author, genre and defect of a pair.
    fn labels(&self, pair: usize) -> [&str; 3] {
        let WorsePair { author, genre, defect, .. } = &self.pairs[pair];
        [author, genre, defect]
    }

    /// The place of a keyed passage among the texts.
    fn place(&self, keyed: usize) -> usize {
        2 * self.pairs.len() + keyed
    }
}

fn key(alternative: &BankAlternative, value: &str) -> f64 {
    alternative.keys.as_ref().and_then(|keys| keys.get(value)).copied().unwrap_or(0.0)
}

/// How each text was read, and what is learned from.
struct Read<'a> {
    material: &'a Material<'a>,
    states: Vec<Site>,
    words: Vec<Site>,
    likelihood: Vec<f64>,
    pairs: Vec<Better>,
    rated: Vec<Rated>,
}

/// A score that is learned, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Score {
    FromPairs,
    FromKeys,
    Words,
    Likelihood,
}

impl Score {
    const EVERY: [Self; 4] = [Self::FromPairs, Self::FromKeys, Self::Words, Self::Likelihood];

    fn name(self) -> &'static str {
        match self {
            Self::FromPairs => FROM_PAIRS,
            Self::FromKeys => FROM_KEYS,
            Self::Words => WORDS,
            Self::Likelihood => LIKELIHOOD,
        }
    }
}

impl<'a> Read<'a> {
    fn new(material: &'a Material<'a>, readings: &[PassageReading]) -> Self {
        let wide = |states: &[f32]| states.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let within: Vec<Vec<f64>> = readings.iter().map(|r| wide(&r.within)).collect();
        let after: Vec<Vec<f64>> = readings.iter().map(|r| wide(&r.after)).collect();
        let both: Vec<Vec<f64>> = within.iter().zip(&after).map(|(a, b)| [&a[..], b].concat()).collect();
        let texts = material.texts();
        // Whole genres are held out when a way to learn is chosen.
        let genres: BTreeSet<&str> = material
            .pairs
            .iter()
            .map(|p| p.genre.as_str())
            .chain(material.keyed.iter().map(|k| k.genre.as_str()))
            .collect();
        let genres: Vec<&str> = genres.into_iter().collect();
        let group = |genre: &str| genres.binary_search(&genre).unwrap_or(0);
        let pair = |(i, p): (usize, &WorsePair)| Better { better: 2 * i, worse: 2 * i + 1, group: group(&p.genre) };
        let rated = |(i, k): (usize, &KeyedPassage)| Rated {
            passage: material.place(i),
            worth: k.first,
            group: group(&k.genre),
        };
        Self {
            states: [within, after, both].iter().map(|rows| Site::standardised(rows)).collect(),
            words: bags(&texts).iter().map(|rows| Site::of_terms(rows)).collect(),
            likelihood: readings.iter().map(|r| r.ln_p).collect(),
            pairs: material.pairs.iter().enumerate().map(pair).collect(),
            rated: material.keyed.iter().enumerate().map(rated).collect(),
            material,
        }
    }

    /// Scores of all texts, learned from those pairs and passages that may be learned from.
    fn scores(
        &self,
        score: Score,
        may_pair: &dyn Fn(usize) -> bool,
        may_keyed: &dyn Fn(&KeyedPassage) -> bool,
    ) -> Result<Vec<f64>, QualityError> {
        let enough = |what: &str, examples: &[usize]| match examples.len() {
            found if found < PAIRS_MIN => {
                Err(QualityError::TooFew { what: format!("{what} are left to learn from"), found, needed: PAIRS_MIN })
            }
            _ => Ok(()),
        };
        let pairs: Vec<usize> = (0..self.pairs.len()).filter(|i| may_pair(*i)).collect();
        let learned = match score {
            Score::Likelihood => return Ok(self.likelihood.clone()),
            Score::FromKeys => {
                let keyed = &self.material.keyed;
                let examples: Vec<usize> = (0..keyed.len()).filter(|i| may_keyed(&keyed[*i])).collect();
                enough("keyed passages", &examples)?;
                learn(&self.states, &self.rated[..], &examples)
            }
            Score::FromPairs => {
                enough("pairs", &pairs)?;
                learn(&self.states, &self.pairs[..], &pairs)
            }
            Score::Words => {
                enough("pairs", &pairs)?;
                learn(&self.words, &self.pairs[..], &pairs)
            }
        };
        Ok(learned.ok_or(QualityError::States)?.scores)
    }

    /// For every pair whether a score that was learned without what is held out tells the better one: 1, 0, or 1/2 where it tells none.
    fn told(&self, score: Score, held_out: HeldOut, done: &(dyn Fn() + Sync)) -> Result<Vec<f64>, QualityError> {
        let n = self.pairs.len();
        let tested = tested_together(self.material, score, held_out);
        let told = tested
            .par_iter()
            .map(|tested| {
                let labels = self.material.labels(tested[0]);
                let scores = self.scores(
                    score,
                    &|i| !held_out.forbids(self.material.labels(i), labels),
                    // A keyed passage has no defect.
                    &|k| !held_out.forbids([&k.author, &k.genre, ""], labels),
                )?;
                done();
                let margin = |i: &usize| scores[self.pairs[*i].better] - scores[self.pairs[*i].worse];
                let told = |m: f64| if m == 0.0 { 0.5 } else { f64::from(u8::from(m > 0.0)) };
                Ok(tested.iter().map(|i| (*i, told(margin(i)))).collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>, QualityError>>()?;
        let mut all = vec![0.5; n];
        told.into_iter().flatten().for_each(|(i, told)| all[i] = told);
        Ok(all)
    }
}

/// Pairs for which a score learns from the same: of the labels only those count that what it learns from has.
fn tested_together(material: &Material<'_>, score: Score, held_out: HeldOut) -> Vec<Vec<usize>> {
    let mut tested: BTreeMap<[&str; 3], Vec<usize>> = BTreeMap::new();
    for pair in 0..material.pairs.len() {
        let mut key = material.labels(pair);
        for (k, label) in key.iter_mut().enumerate() {
            let counts = match held_out {
                HeldOut::Author => k == 0,
                HeldOut::Genre => k == 1,
                HeldOut::Defect => k == 2,
                HeldOut::AllThree => true,
            };
            let has = match score {
                Score::Likelihood => false,
                Score::FromKeys => k < 2,
                Score::FromPairs | Score::Words => true,
            };
            if !(counts && has) {
                *label = "";
            }
        }
        tested.entry(key).or_default().push(pair);
    }
    tested.into_values().collect()
}

/// How many times `done` is called, for a bar.
pub fn steps(material: &Material<'_>) -> usize {
    let of =
        |held_out| Score::EVERY.map(|score| tested_together(material, score, held_out).len()).iter().sum::<usize>();
    HeldOut::EVERY.map(of).iter().sum()
}

/// Runs the experiment with what was read of [`Material::texts`]; `done` is called after each part.
///
/// # Errors
/// Too few pairs, authors, genres, defects or passages; states that are no basis for a score; readers that cannot be simulated.
pub fn run(
    material: &Material<'_>,
    readings: &[PassageReading],
    model: &str,
    options: &QualityOptions,
    done: &(dyn Fn() + Sync),
) -> Result<QualityResult, QualityError> {
    for (k, what) in ["authors", "genres", "defects"].into_iter().enumerate() {
        let found = (0..material.pairs.len()).map(|i| material.labels(i)[k]).collect::<BTreeSet<_>>().len();
        if found < 2 {
            return Err(QualityError::TooFew { what: format!("{what} of pairs made worse"), found, needed: 2 });
        }
    }
    if readings.len() != material.texts().len() {
        let (found, needed) = (readings.len(), material.texts().len());
        return Err(QualityError::TooFew { what: "passages were read".into(), found, needed });
    }
    let read = Read::new(material, readings);
    let mut rows = Vec::new();
    for held_out in HeldOut::EVERY {
        let words = read.told(Score::Words, held_out, done)?;
        for score in Score::EVERY {
            let told = if score == Score::Words { words.clone() } else { read.told(score, held_out, done)? };
            rows.push(QualityRow {
                score: score.name().to_owned(),
                held_out,
                right: Estimate::bootstrap(&told, options.seed),
                less_words: (score != Score::Words).then(|| Estimate::paired(&told, &words, options.seed)),
                groups: groups(material, &told, options.seed),
            });
        }
    }
    let (curves, correlations) = curves(&read, options)?;
    Ok(QualityResult {
        options: options.clone(),
        model: model.to_owned(),
        pairs: material.pairs.len(),
        passages: material.keyed.len(),
        rows,
        curves,
        correlations,
    })
}

fn groups(material: &Material<'_>, told: &[f64], seed: u64) -> Vec<GroupRow> {
    let mut rows = Vec::new();
    for (k, of) in ["author", "genre", "defect"].into_iter().enumerate() {
        let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        told.iter().enumerate().for_each(|(i, told)| groups.entry(material.labels(i)[k]).or_default().push(*told));
        rows.extend(groups.into_iter().map(|(name, told)| GroupRow {
            of: of.to_owned(),
            name: name.to_owned(),
            pairs: told.len(),
            right: Estimate::bootstrap(&told, seed),
        }));
    }
    rows
}

/// The best of n of each author's passages by scores that were learned without that author.
fn curves(read: &Read<'_>, options: &QualityOptions) -> Result<(Vec<Curve>, Vec<(String, f64)>), QualityError> {
    let material = read.material;
    let authors: BTreeSet<&str> = material.keyed.iter().map(|k| k.author.as_str()).collect();
    if authors.len() < 2 {
        return Err(QualityError::TooFew { what: "authors of keyed passages".into(), found: authors.len(), needed: 2 });
    }
    let preferred = preferences(material, options)?;
    let mut pools: BTreeMap<&str, Vec<Vec<Judged>>> = BTreeMap::new();
    let mut correlations: BTreeMap<&str, f64> = BTreeMap::new();
    for author in &authors {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..material.keyed.len()).partition(|i| material.keyed[*i].author == *author);
        if own.len() < POOL_MIN {
            let what = format!("keyed passages by {author} to choose from");
            return Err(QualityError::TooFew { what, found: own.len(), needed: POOL_MIN });
        }
        let mut add = |name: &'static str, promised: &dyn Fn(usize) -> f64| {
            let judged = |i: &usize| Judged {
                promised: promised(*i),
                found: material.keyed[*i].second,
                preferred: preferred[*i],
            };
            let pool: Vec<Judged> = own.iter().map(judged).collect();
            let of = |f: fn(&Judged) -> f64| pool.iter().map(f).collect::<Vec<f64>>();
            *correlations.entry(name).or_default() +=
                rank_correlation(&of(|j| j.promised), &of(|j| j.found)) / authors.len() as f64;
            pools.entry(name).or_default().push(pool);
        };
        for score in Score::EVERY {
            let scores = read.scores(score, &|i| material.pairs[i].author != *author, &|k| k.author != *author)?;
            let at = |i: usize| scores[material.place(i)];
            // A score that is not in key points is put into them by a line through the others' passages.
            let (level, slope) = match score {
                Score::FromKeys => (0.0, 1.0),
                _ => line(others.iter().map(|i| (at(*i), material.keyed[*i].first))),
            };
            add(score.name(), &|i| level + slope * at(i));
        }
        add(OTHER_READER, &|i| material.keyed[i].first);
    }
    let names = Score::EVERY.map(Score::name).into_iter().chain([OTHER_READER]);
    let curves = names.clone().filter_map(|name| Some(curve(name, pools.get(name)?, options.seed)));
    let correlations = names.clone().filter_map(|name| Some((name.to_owned(), *correlations.get(name)?)));
    Ok((curves.collect(), correlations.collect()))
}

/// Least squares through pairs of numbers: level and slope.
fn line(points: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let n = points.clone().count().max(1) as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (xx, xy) = (mean(|p| p.0 * p.0) - x * x, mean(|p| p.0 * p.1) - x * y);
    let slope = if xx > 1e-12 { xy / xx } else { 0.0 };
    (y - slope * x, slope)
}

/// For each keyed passage the share of simulated readers, each with a taste of their own, who would rather have it than another of the
/// same author: the mean over readers of how many others they like less.
fn preferences(material: &Material<'_>, options: &QualityOptions) -> Result<Vec<f64>, QualityError> {
    let instrument = Instrument::new(material.bank, material.values)?;
    let drawn = RecoveryOptions { seed: options.seed, ..RecoveryOptions::default() };
    let mut preferred = vec![0.0; material.keyed.len()];
    for n in 0..options.readers as u64 {
        let reader = Simulated::draw(&instrument, &drawn, n);
        let utilities: Vec<f64> = material.keyed.iter().map(|k| reader.utility(&k.alternative)).collect();
        for (i, passage) in material.keyed.iter().enumerate() {
            let others = material.keyed.iter().zip(&utilities).enumerate();
            let others = others.filter(|(j, (k, _))| *j != i && k.author == passage.author);
            let (mut less, mut of) = (0.0, 0.0);
            for (_, (_, utility)) in others {
                less += match utilities[i].total_cmp(utility) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                of += 1.0;
            }
            preferred[i] += less / f64::max(of, 1.0) / options.readers.max(1) as f64;
        }
    }
    Ok(preferred)
}

/// Texts as words, and as words and pairs of neighbours, each weighed by its rarity over all texts.
fn bags(texts: &[String]) -> [Vec<Vec<(usize, f64)>>; 2] {
    let words = |text: &String| -> Vec<String> {
        let lower = text.to_lowercase();
        let runs = lower.split(|c: char| !c.is_alphanumeric() && c != '\'');
        runs.map(|run| run.trim_matches('\'')).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (mut single, mut both) = (Vec::new(), Vec::new());
    for text in texts {
        let words = words(text);
        let mut bag: BTreeSet<String> = words.iter().cloned().collect();
        single.push(bag.clone());
        bag.extend(words.windows(2).map(|pair| pair.join(" ")));
        both.push(bag);
    }
    [single, both].map(|bags| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        bags.iter().flatten().for_each(|term| *counts.entry(term).or_default() += 1);
        let rarity = |count: usize| 1.0 + libm::log((1.0 + texts.len() as f64) / (1.0 + count as f64));
        let kept = counts.into_iter().filter(|(_, count)| *count >= TEXTS_MIN);
        let columns: BTreeMap<&str, (usize, f64)> =
            kept.enumerate().map(|(column, (term, count))| (term, (column, rarity(count)))).collect();
        bags.iter().map(|bag| bag.iter().filter_map(|term| columns.get(term.as_str()).copied()).collect()).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use credence_priors::passages::read_passages;
    use credence_priors::scripted::Scripted;

    /// Pairs by two authors in two genres and two ways, in which the worse one says "very" or "somehow"; and keyed passages in which
    /// "plain" is worth something.
    fn made() -> (Bank, Bank, Vec<WorsePair>) {
        let mut pairs = String::new();
        let (mut bank, mut second) = (String::new(), String::new());
        for i in 0..96 {
            let (author, genre, defect) = (["a", "b"][i % 2], ["x", "y"][i / 2 % 2], ["much", "vague"][i / 4 % 2]);
            let word = if defect == "much" { "very somehow" } else { "somehow very" };
            let text =
                |how: &str| format!("In case {i} the {} of number {} was {how}", ["clerk", "cook"][i % 2], i * 7);
            let line = serde_json::json!({ "id": i.to_string(), "author": author, "genre": genre, "defect": defect,
                "with": text(word), "without": text("plain") });
            pairs += &format!("{line}\n");
            let key = |worth: f64| serde_json::json!({ "clarity": worth });
            let of = |keys: [f64; 2]| {
                serde_json::json!({ "id": i.to_string(), "situation": "Two passages.",
                    "alternatives": [format!("Here {i} plain plain words"), format!("There {i} very somehow words")],
                    "keys": keys.map(key), "tags": [format!("author:{author}"), genre] })
            };
            bank += &format!("{}\n", of([1.0, -0.5]));
            second += &format!("{}\n", of([1.5, -1.0]));
        }
        let read = |text: &str| Bank::parse(text, Path::new("made")).expect("a bank");
        (read(&bank), read(&second), WorsePair::parse(&pairs, Path::new("made")).expect("pairs"))
    }

    #[test]
    fn a_difference_that_all_authors_share_is_told_and_chosen_by() {
        let (bank, second, pairs) = made();
        let material = Material::new(&bank, &second, &["clarity"], &pairs).expect("material");
        let folder = tempfile::tempdir().expect("a folder");
        let readings = read_passages(&mut Scripted::hashed(1), &material.texts(), folder.path(), &mut |_, _| ());
        let count = std::sync::atomic::AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let options = QualityOptions { readers: 5, seed: 1 };
        let result = run(&material, &readings.expect("read"), "scripted", &options, &done).expect("measured");
        assert_eq!((result.pairs, result.passages, result.rows.len()), (96, 192, 16));
        assert_eq!(count.into_inner(), steps(&material));
        let row = |score: &str, held_out| {
            result.rows.iter().find(|r| r.score == score && r.held_out == held_out).expect("a row")
        };
        for held_out in HeldOut::EVERY {
            assert!(row(FROM_PAIRS, held_out).right.mean > 0.9, "{:?}", row(FROM_PAIRS, held_out));
            assert!(row(WORDS, held_out).right.mean > 0.9 && row(WORDS, held_out).less_words.is_none());
            // What learns nothing is the same whatever is held out.
            assert_eq!(row(LIKELIHOOD, held_out).right, row(LIKELIHOOD, HeldOut::Genre).right);
        }
        let groups = &row(FROM_PAIRS, HeldOut::AllThree).groups;
        assert_eq!(groups.iter().map(|g| (g.of.as_str(), g.pairs)).filter(|g| g.0 == "defect").count(), 2);
        let curve = |score: &str| result.curves.iter().find(|c| c.score == score).expect("a curve");
        let (keys, reader) = (curve(FROM_KEYS), curve(OTHER_READER));
        assert!(keys.helps_until > 1 && reader.helps_until > 1, "{keys:?} {reader:?}");
        // First and second reader: .5 and 1.5 for the good ones, 0 and -1 for the others, so the score promises less than is found.
        let last = reader.best_of.last().expect("a number");
        assert!((last.promised.mean - 0.25).abs() < 1e-9 && (last.found.mean - 1.25).abs() < 1e-9, "{last:?}");
        let figures = crate::figures::kept(&result);
        assert!(figures.len() > 100, "{}", figures.len());
    }

    #[test]
    fn one_author_is_too_few_and_what_is_wrong_with_the_second_reader_is_said() {
        let (bank, second, mut pairs) = made();
        pairs.iter_mut().for_each(|p| p.author = "a".into());
        let material = Material::new(&bank, &second, &["clarity"], &pairs).expect("material");
        let refused = run(&material, &[], "none", &QualityOptions::default(), &|| ()).expect_err("one author");
        assert_eq!(refused.to_string(), "1 authors of pairs made worse; at least 2 are needed");
        let mut untold = second.clone();
        untold.questions[3].tags.clear();
        let refused = Material::new(&bank, &untold, &["clarity"], &pairs).expect_err("no author");
        assert_eq!(refused.to_string(), "second reader's question \"3\" has no tag author:NAME");
        let mut other = second;
        other.questions[0].alternatives[0].text = "another".into();
        let refused = Material::new(&bank, &other, &["clarity"], &pairs).expect_err("other texts");
        assert!(refused.to_string().contains("other texts"), "{refused}");
    }
}
