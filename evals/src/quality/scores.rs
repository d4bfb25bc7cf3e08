//! Scores of passages, each learned without what is held out, and whether they tell the better one of a pair.

use std::collections::{BTreeMap, BTreeSet};

use credence_agent::pack::WorsePair;
use credence_priors::passages::PassageReading;
use credence_words::Bags;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::QualityError;
use super::material::{KeyedPassage, Material};
use super::ridge::{Better, Rated, Site, learn};

/// Pairs that a direction is learned from at least.
const PAIRS_MIN: usize = 10;

/// The scores, by name.
pub(super) const FROM_PAIRS: &str = "states, learned from pairs";
pub(super) const FROM_KEYS: &str = "states, learned from keys";
pub(super) const WORDS: &str = "bag of words, learned from pairs";
pub(super) const LIKELIHOOD: &str = "log-likelihood a token";

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
    pub(super) const EVERY: [Self; 4] = [Self::Author, Self::Genre, Self::Defect, Self::AllThree];

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

/// How each text was read, and what is learned from.
pub(super) struct Read<'a> {
    pub(super) material: &'a Material<'a>,
    states: Vec<Site>,
    words: Vec<Site>,
    likelihood: Vec<f64>,
    pairs: Vec<Better>,
    rated: Vec<Rated>,
}

/// A score that is learned, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Score {
    FromPairs,
    FromKeys,
    Words,
    Likelihood,
}

impl Score {
    pub(super) const EVERY: [Self; 4] = [Self::FromPairs, Self::FromKeys, Self::Words, Self::Likelihood];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FromPairs => FROM_PAIRS,
            Self::FromKeys => FROM_KEYS,
            Self::Words => WORDS,
            Self::Likelihood => LIKELIHOOD,
        }
    }
}

impl<'a> Read<'a> {
    pub(super) fn new(material: &'a Material<'a>, readings: &[PassageReading]) -> Self {
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
            words: bags(&texts).into(),
            likelihood: readings.iter().map(|r| r.ln_p).collect(),
            pairs: material.pairs.iter().enumerate().map(pair).collect(),
            rated: material.keyed.iter().enumerate().map(rated).collect(),
            material,
        }
    }

    /// Scores of all texts, learned from those pairs and passages that may be learned from.
    pub(super) fn scores(
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
    pub(super) fn told(
        &self,
        score: Score,
        held_out: HeldOut,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<f64>, QualityError> {
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
pub(super) fn tested_together(material: &Material<'_>, score: Score, held_out: HeldOut) -> Vec<Vec<usize>> {
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

/// Texts as words, and as words and pairs of neighbours, each weighed by its rarity over all texts.
fn bags(texts: &[String]) -> [Site; 2] {
    let bags = Bags::new(texts.iter().map(String::as_str));
    let all: Vec<usize> = (0..texts.len()).collect();
    [Bags::WORDS, Bags::WORDS_AND_PAIRS].map(|kind| {
        let vocabulary = bags.vocabulary(kind, &all);
        let rows: Vec<Vec<(usize, f64)>> = all.iter().map(|i| bags.row(kind, &vocabulary, *i)).collect();
        Site::of_terms(&rows)
    })
}
