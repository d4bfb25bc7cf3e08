//! The feature space: `[schema | text | judgement | constant:verdict, constant:rating | declared attributes ...]`, and behind
//! it the judgement of every promoted generation, which its hypotheses read in place of the base model's.

use std::fmt;

use crate::belief::Lineage;
use crate::ids::ValueId;
use crate::record::{AttributeScale, LogOpened};

/// Shares of the reference variance of a typical pair that each block carries (docs/belief.md, section 2).
const SHARES: [f64; 3] = [0.7, 0.15, 0.15];

/// Which component of a feature vector means what. It only ever grows, at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    values: Vec<ValueId>,
    text: usize,
    /// Generation whose judgement is read.
    generation: u32,
    attributes: Vec<AttributeScale>,
    /// Promoted generations, whose judgements come behind everything else.
    generations: Vec<u32>,
    /// See [`Layout::weight_sd`].
    weight_sd: f64,
}

/// What one component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feature {
    /// A value of the schema.
    Value(ValueId),
    /// A principal component of the text, from 1.
    Text(usize),
    /// The model's overall judgement.
    Judgement,
    /// The centre of approval in verdicts.
    VerdictCentre,
    /// The centre of approval in ratings.
    RatingCentre,
    /// A declared attribute.
    Attribute(String),
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feature::Value(value) => value.fmt(f),
            Feature::Text(n) => write!(f, "text:{n}"),
            Feature::Judgement => f.write_str("judgement"),
            Feature::VerdictCentre => f.write_str("constant:verdict"),
            Feature::RatingCentre => f.write_str("constant:rating"),
            Feature::Attribute(name) => write!(f, "attribute:{name}"),
        }
    }
}

impl Layout {
    /// The layout of a new log.
    pub fn new(header: &LogOpened) -> Self {
        let layout = Self {
            values: header.values.clone(),
            text: header.text_features,
            generation: header.model.generation,
            attributes: Vec::new(),
            generations: Vec::new(),
            weight_sd: 1.0,
        };
        let reference = layout.default_reference_variance();
        layout.with_reference(&reference)
    }

    /// With the reference variances of the components that a model reads.
    pub fn with_reference(&self, variances: &[f64]) -> Self {
        let values = variances.get(..self.values.len()).unwrap_or_default();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        Self { weight_sd: if mean > 0.0 { mean.sqrt() } else { 1.0 }, ..self.clone() }
    }

    /// Reference standard deviation of a value's weight (root mean square over the values) at signal scale 1, in noise units:
    /// the unit in which values are shown. It is fixed by the log's opening records.
    pub fn weight_sd(&self) -> f64 {
        self.weight_sd
    }

    /// The layout of values alone, without text features, for generation 0.
    pub fn of_values(values: Vec<ValueId>) -> Self {
        Self::of_values_and_text(values, 0)
    }

    /// The layout of values and so many text features, for generation 0.
    pub fn of_values_and_text(values: Vec<ValueId>, text: usize) -> Self {
        let attributes = Vec::new();
        Self { values, text, generation: 0, attributes, generations: Vec::new(), weight_sd: 1.0 }
    }

    /// With these promoted generations instead of those there are, the oldest first.
    pub fn with_generations(&self, generations: Vec<u32>) -> Self {
        Self { generations, ..self.clone() }
    }

    /// With more attributes at its end.
    pub fn with_attributes(&self, attributes: &[AttributeScale]) -> Self {
        let mut new = self.clone();
        new.attributes.extend_from_slice(attributes);
        new
    }

    /// The schema's values, which come first.
    pub fn values(&self) -> &[ValueId] {
        &self.values
    }

    /// Number of text features.
    pub fn text(&self) -> usize {
        self.text
    }

    /// The generation whose judgement is read.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The promoted generations, the oldest first.
    pub fn generations(&self) -> &[u32] {
        &self.generations
    }

    /// The declared attributes, the last of the weights.
    pub fn attributes(&self) -> &[AttributeScale] {
        &self.attributes
    }

    /// 1 if the model judges alternatives, 0 in a log without any block that a model reads.
    pub fn judgements(&self) -> usize {
        usize::from(!self.values.is_empty() || self.text > 0)
    }

    /// Components that a model reads: schema, text, judgement. The length of an elicited prior.
    pub fn read_by_model(&self) -> usize {
        self.values.len() + self.text + self.judgements()
    }

    /// All weights.
    pub fn dimension(&self) -> usize {
        self.read_by_model() + 2 + self.attributes.len()
    }

    /// All entries of a feature vector: one for each weight, then the judgement of each promoted generation.
    pub fn width(&self) -> usize {
        self.dimension() + self.generations.len()
    }

    /// The promoted generations, as the belief engine reads them.
    pub fn lineage(&self) -> Lineage {
        Lineage { judgement: self.judgement(), generations: self.generations.clone() }
    }

    /// Place of the judgement, if there is one.
    pub fn judgement(&self) -> Option<usize> {
        (self.judgements() == 1).then(|| self.values.len() + self.text)
    }

    /// Place of the constant that is 1 in verdicts.
    pub fn verdict_centre(&self) -> usize {
        self.read_by_model()
    }

    /// Place of the constant that is 1 in ratings.
    pub fn rating_centre(&self) -> usize {
        self.read_by_model() + 1
    }

    /// Place of a value's weight.
    pub fn value(&self, value: &ValueId) -> Option<usize> {
        self.values.iter().position(|v| v == value)
    }

    /// What each component is, in order.
    pub fn features(&self) -> Vec<Feature> {
        let values = self.values.iter().cloned().map(Feature::Value);
        let text = (1..=self.text).map(Feature::Text);
        let judgement = (0..self.judgements()).map(|_| Feature::Judgement);
        let attributes = self.attributes.iter().map(|a| Feature::Attribute(a.name.clone()));
        values
            .chain(text)
            .chain(judgement)
            .chain([Feature::VerdictCentre, Feature::RatingCentre])
            .chain(attributes)
            .collect()
    }

    /// Which weights the signal scale applies to: all but the two constants.
    pub fn scaled(&self) -> Vec<bool> {
        let constants = self.verdict_centre()..=self.rating_centre();
        (0..self.dimension()).map(|i| !constants.contains(&i)).collect()
    }

    /// The reference variance of each component that a model reads, when no bank was read: features standardised and
    /// independent, so that a pair's difference has twice the variance of one.
    pub fn default_reference_variance(&self) -> Vec<f64> {
        let widths = [self.values.len(), self.text, self.judgements()];
        let present: f64 = SHARES.iter().zip(widths).filter(|(_, width)| *width > 0).map(|(share, _)| share).sum();
        let blocks = SHARES.iter().zip(widths);
        blocks.flat_map(|(share, width)| vec![share / present / (2.0 * width as f64); width]).collect()
    }
}
