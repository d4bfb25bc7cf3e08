//! Labelled texts with their states: what a probe is fitted on and measured with.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::error::ExamplesError;
use super::pooling::{Pooler, Pooling};

/// Fewest examples of each label that a probe is fitted on.
pub const EACH_LABEL_MIN: usize = 20;
/// Smallest share of the rarer label.
pub const RARER_SHARE_MIN: f64 = 0.1;
/// Fewest topics: two to hold out in turn, with two left to choose on each time.
pub const TOPICS_MIN: usize = 4;

/// Whose states these are, and of which part of which prompt. A probe is valid for an equal source alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Identity of the model, its adapter and its precision, in whatever notation the caller uses for all three.
    pub model: String,
    /// Numbers in a state.
    pub width: usize,
    /// Layers of the model.
    pub layers: usize,
    /// How a text is put before the model and which of its tokens are read.
    pub frame: String,
}

/// Where a probe reads: after which layer, pooled how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The layer, from 0: the state is what it hands on.
    pub layer: usize,
    /// How tokens become one score.
    pub pooling: Pooling,
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "layer {}, {}", self.layer, self.pooling)
    }
}

/// A text with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its name; each is there once.
    pub id: String,
    /// What it is about. Whole topics are held out together.
    pub topic: String,
    /// Whether the motive is in it.
    pub label: bool,
    /// The text itself, for the controls that see nothing else.
    pub text: String,
}

/// Rows of all examples at one site: one or more an example.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Pieces {
    pub(crate) width: usize,
    rows: Vec<f32>,
    /// Where each example's numbers end.
    ends: Vec<usize>,
}

impl Pieces {
    /// The rows of one example.
    pub(crate) fn of(&self, example: usize) -> std::slice::ChunksExact<'_, f32> {
        self.numbers(example).chunks_exact(self.width)
    }

    fn numbers(&self, example: usize) -> &[f32] {
        let start = if example == 0 { 0 } else { self.ends[example - 1] };
        &self.rows[start..self.ends[example]]
    }
}

/// Checked examples with their states at some sites.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    source: Source,
    sites: Vec<Site>,
    examples: Vec<Example>,
    pieces: Vec<Pieces>,
}

/// Takes texts one after another. Of each, only the pooled rows are kept.
#[derive(Debug, Clone)]
pub struct Collector {
    gathered: Examples,
    bytes_max: usize,
    ids: BTreeSet<String>,
    texts: HashMap<String, String>,
}

/// The states of one text while they come in.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// By layer: the pooler, and the site of each of its poolings.
    layers: BTreeMap<usize, (Pooler, Vec<usize>)>,
}

impl Gathering {
    /// Layers whose states are wanted, in rising order.
    pub fn layers(&self) -> impl Iterator<Item = usize> + '_ {
        self.layers.keys().copied()
    }

    /// Takes the next tokens of a layer, `tokens x width`. Layers may come in any order and in parts.
    ///
    /// # Errors
    /// If nobody asked for this layer, or the numbers are not whole rows of finite numbers.
    pub fn push(&mut self, layer: usize, rows: &[f32]) -> Result<(), ExamplesError> {
        let (pooler, _) = self.layers.get_mut(&layer).ok_or(ExamplesError::Layer { layer })?;
        pooler.push(rows).map_err(|source| ExamplesError::States { layer, source })
    }
}

impl Collector {
    /// Begins with no examples. All rows together may take `bytes_max`.
    ///
    /// # Errors
    /// If a site is there twice, is none of the model's, or there is none.
    pub fn new(source: Source, sites: &[Site], bytes_max: usize) -> Result<Self, ExamplesError> {
        if sites.is_empty() || source.width == 0 {
            return Err(ExamplesError::NoSites);
        }
        for (at, site) in sites.iter().enumerate() {
            if site.layer >= source.layers {
                return Err(ExamplesError::NoSuchLayer { layer: site.layer, layers: source.layers });
            }
            if sites[..at].contains(site) {
                return Err(ExamplesError::SiteTwice { site: *site });
            }
            site.pooling.check().map_err(|source| ExamplesError::States { layer: site.layer, source })?;
        }
        let pieces = vec![Pieces { width: source.width, ..Pieces::default() }; sites.len()];
        let gathered = Examples { source, sites: sites.to_vec(), examples: Vec::new(), pieces };
        Ok(Self { gathered, bytes_max, ids: BTreeSet::new(), texts: HashMap::new() })
    }

    /// Begins a text.
    #[allow(clippy::missing_panics_doc, reason = "sites were checked")]
    pub fn begin(&self) -> Gathering {
        let mut sites: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, site) in self.gathered.sites.iter().enumerate() {
            sites.entry(site.layer).or_default().push(at);
        }
        let pooler = |sites: &[usize]| {
            let poolings: Vec<Pooling> = sites.iter().map(|at| self.gathered.sites[*at].pooling).collect();
            Pooler::new(self.gathered.source.width, &poolings).expect("sites were checked")
        };
        Gathering { layers: sites.into_iter().map(|(layer, sites)| (layer, (pooler(&sites), sites))).collect() }
    }

    /// Ends a text: its states are those that were gathered.
    ///
    /// # Errors
    /// If a field is empty, the name or the text was there before, a layer got no tokens or another number of them than
    /// the others, or there are too many rows for the memory that was granted.
    pub fn add(&mut self, example: Example, gathering: Gathering) -> Result<(), ExamplesError> {
        let fields = [("id", &example.id), ("topic", &example.topic), ("text", &example.text)];
        if let Some((field, _)) = fields.into_iter().find(|(_, value)| value.trim().is_empty()) {
            return Err(ExamplesError::Blank { id: example.id.clone(), field });
        }
        if self.ids.contains(&example.id) {
            return Err(ExamplesError::IdTwice { id: example.id });
        }
        if let Some(other) = self.texts.get(&example.text) {
            return Err(ExamplesError::TextTwice { id: example.id, other: other.clone() });
        }
        let mut tokens = gathering.layers.values().map(|(pooler, _)| pooler.tokens());
        let first = tokens.next().unwrap_or_default();
        if let Some(found) = tokens.find(|tokens| *tokens != first) {
            return Err(ExamplesError::Tokens { id: example.id, expected: first, found });
        }
        let mut new = vec![Vec::new(); self.gathered.sites.len()];
        for (layer, (pooler, sites)) in gathering.layers {
            let rows = pooler.finish().map_err(|source| ExamplesError::States { layer, source })?;
            sites.into_iter().zip(rows).for_each(|(site, rows)| new[site] = rows);
        }
        let pieces = &mut self.gathered.pieces;
        let bytes = pieces.iter().map(|p| p.rows.len()).chain(new.iter().map(Vec::len)).sum::<usize>() * 4;
        if bytes > self.bytes_max {
            return Err(ExamplesError::TooLarge { bytes, most: self.bytes_max });
        }
        for (pieces, rows) in pieces.iter_mut().zip(new) {
            pieces.rows.extend(rows);
            pieces.ends.push(pieces.rows.len());
        }
        self.ids.insert(example.id.clone());
        self.texts.insert(example.text.clone(), example.id.clone());
        self.gathered.examples.push(example);
        Ok(())
    }

    /// The examples, in the order in which they came.
    ///
    /// # Errors
    /// If there are none.
    pub fn finish(self) -> Result<Examples, ExamplesError> {
        if self.gathered.examples.is_empty() { Err(ExamplesError::None) } else { Ok(self.gathered) }
    }
}

impl Examples {
    /// Whose states these are.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where states were read.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The labelled texts.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The rows of one example at one of [`Self::sites`], `pieces x width`: one row, or one a window for a maximum.
    ///
    /// # Panics
    /// If there is no such site or example.
    pub fn states(&self, site: usize, example: usize) -> &[f32] {
        self.pieces[site].numbers(example)
    }

    pub(crate) fn pieces(&self, site: usize) -> &Pieces {
        &self.pieces[site]
    }

    pub(crate) fn labels(&self) -> Vec<bool> {
        self.examples.iter().map(|example| example.label).collect()
    }

    /// The topic of each example as a number, and the topics in alphabetical order.
    pub(crate) fn topics(&self) -> (Vec<usize>, Vec<String>) {
        let names: BTreeSet<&str> = self.examples.iter().map(|example| example.topic.as_str()).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let number = |example: &Example| names.binary_search(&example.topic).expect("all topics are there");
        (self.examples.iter().map(number).collect(), names)
    }

    /// BLAKE3 hash of everything in here, in hexadecimal.
    #[allow(clippy::missing_panics_doc, reason = "plain data has a form as JSON")]
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        text(&serde_json::to_string(&(&self.source, &self.sites)).expect("plain data"));
        for Example { id, topic, label, text: words } in &self.examples {
            [id.as_str(), topic, words, if *label { "1" } else { "0" }].into_iter().for_each(&mut text);
        }
        for pieces in &self.pieces {
            pieces.ends.iter().for_each(|end| {
                hasher.update(&(*end as u64).to_le_bytes());
            });
            pieces.rows.iter().for_each(|x| {
                hasher.update(&x.to_le_bytes());
            });
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Whether a probe may be fitted on these.
    pub(crate) fn check_for_fit(&self) -> Result<(), ExamplesError> {
        let count = |label: bool| self.examples.iter().filter(|example| example.label == label).count();
        let (with, without) = (count(true), count(false));
        if with == 0 || without == 0 {
            return Err(ExamplesError::OneLabel { label: without == 0, found: with + without });
        }
        let rarer = with.min(without);
        if rarer < EACH_LABEL_MIN {
            return Err(ExamplesError::TooFew { label: with < without, found: rarer, needed: EACH_LABEL_MIN });
        }
        if (rarer as f64) < RARER_SHARE_MIN * (with + without) as f64 {
            return Err(ExamplesError::OneSided { with, without });
        }
        let topics = self.topics().1.len();
        if topics < TOPICS_MIN {
            return Err(ExamplesError::TooFewTopics { found: topics, needed: TOPICS_MIN });
        }
        for (site, pieces) in self.sites.iter().zip(&self.pieces) {
            if pieces.rows.chunks_exact(pieces.width).all(|row| row == &pieces.rows[..pieces.width]) {
                return Err(ExamplesError::ConstantStates { site: *site });
            }
        }
        Ok(())
    }
}
