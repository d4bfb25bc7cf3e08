//! What a generation of the model brings: its own judgement and its own prior, in generation 0's feature space.
//!
//! Schema and text features stay those of generation 0, so that a weight never changes its meaning. The judgement is read
//! with the adapter, scaled on the reference set and regressed on generation 0's schema features, by the same equations
//! as the base model's ([`crate::features`], [`crate::elicited`]).

use crate::elicited::{ElicitedPrior, second_moments};
use crate::features::{FeatureError, FeatureSpace, FittedBank, JudgementReading, dot, situations, with_judgements};
use crate::model::LanguageModel;
use crate::reading_cache::ReadingCache;
use crate::readout::{Alternative, read_alternatives, read_judgements};
use crate::schema::ValueSchema;

/// A generation's judgement and prior.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// How its judgement is read and standardised.
    pub reading: JudgementReading,
    /// The prior over weights that its judgement implies.
    pub prior: ElicitedPrior,
    /// Share of a typical pair's predictive variance, which is 1, that is in the prior's mean.
    pub mean_share: f64,
}

impl Generation {
    /// The prior with its covariance multiplied by `variance_scale`, and mean and covariance then normalised together, so
    /// that a typical pair has a second moment of 1 again. Returned is the mean, and the covariance *before* the scale.
    pub fn scaled(&self, variance_scale: f64) -> (Vec<f64>, Vec<f64>) {
        let moment = self.mean_share + variance_scale * (1.0 - self.mean_share);
        let c = 1.0 / moment.max(1e-12).sqrt();
        let mean = self.prior.mean.iter().map(|m| c * m).collect();
        (mean, self.prior.covariance.iter().map(|v| c * c * v).collect())
    }
}

/// The base model's readings that a generation is fitted beside.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseBank {
    fitted: FittedBank,
}

impl BaseBank {
    /// Reads a bank with the base model, in the space of a log. What was read before on this machine comes from the cache.
    ///
    /// # Errors
    /// If the space belongs to another model or schema, or an alternative cannot be read.
    pub fn read(
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        space: &FeatureSpace,
        bank: &[Alternative],
        cache: &mut dyn ReadingCache,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, FeatureError> {
        space.check(&model.describe(), schema)?;
        let mut seen = std::collections::HashSet::new();
        let alternatives: Vec<Alternative> = bank.iter().filter(|a| seen.insert(*a)).cloned().collect();
        if alternatives.len() < crate::features::BANK_MIN {
            return Err(FeatureError::SmallBank { expected: crate::features::BANK_MIN, found: alternatives.len() });
        }
        let readings = read_alternatives(model, schema, &alternatives, cache, on_progress)?;
        let described = readings.iter().map(|reading| space.apply(reading)).collect::<Result<_, _>>()?;
        Ok(Self { fitted: FittedBank { space: space.clone(), alternatives, readings, described } })
    }

    /// The bank's alternatives, each once.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.fitted.alternatives
    }

    /// The base model's judgements of them by channel, in their order.
    pub fn judgements(&self) -> impl Iterator<Item = &[f64]> {
        self.fitted.readings.iter().map(|r| r.judgement.as_slice())
    }

    /// A prior of any generation with its covariance multiplied by `variance_scale`, and both then normalised, so that a
    /// typical pair of this bank has a second moment of 1: mean, and covariance by rows of the lower triangle.
    pub fn scaled(&self, mean: &[f64], covariance: &[f64], variance_scale: f64) -> (Vec<f64>, Vec<f64>) {
        // By rows of the lower triangle: the diagonal once, what is beside it twice.
        let variance = |d: &[f64]| -> f64 {
            let row = |i: usize| {
                let row = &covariance[i * (i + 1) / 2..][..=i];
                d[i] * (2.0 * dot(&row[..i], &d[..i]) + row[i] * d[i])
            };
            (0..d.len()).map(row).sum()
        };
        let [in_mean, spread] = second_moments(mean, variance, &self.fitted);
        let c = 1.0 / (in_mean + variance_scale * spread).max(1e-12).sqrt();
        let mean = mean.iter().map(|m| c * m).collect();
        (mean, covariance.iter().map(|v| c * c * variance_scale * v).collect())
    }

    /// Generation 0 as this bank shows it.
    pub fn base(&self) -> Generation {
        fitted_generation(&self.fitted)
    }

    /// Generation 0 fitted on this bank as a candidate is: what a candidate that learned nothing comes to, bit for bit. A
    /// log's own prior may rest on another bank.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn untaught(
        &self,
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        cache: &mut dyn ReadingCache,
    ) -> Result<Generation, FeatureError> {
        let read = read_alternatives(model, schema, &references(schema), cache, &mut |_, _| {})?;
        let reference: Vec<Vec<f64>> = read.into_iter().map(|r| r.judgement).collect();
        let bank: Vec<Vec<f64>> = self.judgements().map(<[f64]>::to_vec).collect();
        self.fit(&reference, &bank)
    }

    /// Reads reference set and bank with a generation's model and fits its judgement and prior.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn generation(
        &self,
        model: &mut dyn LanguageModel,
        schema: &ValueSchema,
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Generation, FeatureError> {
        let mut all = references(schema);
        let references = all.len();
        all.extend(self.fitted.alternatives.iter().cloned());
        let mut reference = read_judgements(model, schema, &all, on_progress)?;
        let bank = reference.split_off(references);
        self.fit(&reference, &bank)
    }

    /// As [`Self::generation`], from judgements by channel that were read already, of the reference set and of the bank.
    ///
    /// # Errors
    /// If the judgements have another shape than the space.
    pub fn fit(&self, reference: &[Vec<f64>], bank: &[Vec<f64>]) -> Result<Generation, FeatureError> {
        let FittedBank { space, alternatives, readings, .. } = &self.fitted;
        let groups = situations(alternatives);
        let space = space.with_judgement(reference, bank, readings, &groups);
        let readings = with_judgements(readings, bank);
        let described = readings.iter().map(|reading| space.apply(reading)).collect::<Result<_, _>>()?;
        Ok(fitted_generation(&FittedBank { space, alternatives: alternatives.clone(), readings, described }))
    }
}

fn references(schema: &ValueSchema) -> Vec<Alternative> {
    schema.reference.alternatives.iter().map(|text| Alternative::new(None, text)).collect()
}

fn fitted_generation(fitted: &FittedBank) -> Generation {
    let prior = ElicitedPrior::from_bank(fitted);
    let [in_mean, spread] = second_moments(&prior.mean, |d| prior.utility_variance(d), fitted);
    Generation { reading: fitted.space.judgement_reading(), mean_share: in_mean / (in_mean + spread).max(1e-12), prior }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading_cache::MemoryReadingCache;
    use crate::scripted::Scripted;

    fn bank() -> Vec<Alternative> {
        let acts = ["tell the truth", "help a stranger", "break a promise", "share the cake", "hide the mistake"];
        let place = |i: usize| format!("You are in place {}.", i / 2);
        (0..24).map(|i| Alternative::new(Some(&place(i)), &format!("{} {i}", acts[i % acts.len()]))).collect()
    }

    fn read(schema: &ValueSchema) -> Result<(BaseBank, FittedBank), FeatureError> {
        let (mut model, mut cache) = (Scripted::hashed(4), MemoryReadingCache::default());
        let fitted = FittedBank::read_and_fit(&mut model, schema, &bank(), &mut cache, &mut |_, _| {})?;
        let base = BaseBank::read(&mut model, schema, &fitted.space, &bank(), &mut cache, &mut |_, _| {})?;
        Ok((base, fitted))
    }

    #[test]
    fn an_adapter_that_changes_nothing_brings_the_base_model_s_own_prior() -> Result<(), FeatureError> {
        let schema = ValueSchema::embedded();
        let (base, fitted) = read(&schema)?;
        let generation = base.generation(&mut Scripted::hashed(4), &schema, &mut |_, _| {})?;
        assert_eq!(generation, base.base());
        assert_eq!(generation.prior, ElicitedPrior::from_bank(&fitted));
        for (described, reading) in fitted.described.iter().zip(&fitted.readings) {
            let residual = generation.reading.residual(&described.schema, &reading.judgement);
            assert!(residual.is_some_and(|r| (r - described.judgement).abs() < 1e-9));
        }
        assert_eq!(generation.reading.residual(&[], &[]), None);
        assert!((0.0..1.0).contains(&generation.mean_share), "{}", generation.mean_share);
        let (mean, covariance) = generation.scaled(1.0);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&mean, &generation.prior.mean) && close(&covariance, &generation.prior.covariance));
        // A prior that stands in a log is scaled alike.
        let width = mean.len();
        let triangle: Vec<f64> = (0..width).flat_map(|r| covariance[r * width..=r * width + r].to_vec()).collect();
        for scale in [0.25, 1.0, 4.0] {
            let (ours, wide) = base.scaled(&mean, &triangle, scale);
            let (theirs, narrow) = generation.scaled(scale);
            assert!(close(&ours, &theirs), "{scale}");
            assert!((0..width).all(|i| (wide[i * (i + 3) / 2] - scale * narrow[i * width + i]).abs() < 1e-12));
        }
        // A wider prior says less in its mean.
        assert!(generation.scaled(4.0).0[0].abs() < mean[0].abs());
        Ok(())
    }

    #[test]
    fn what_a_generation_judges_otherwise_moves_its_prior_and_not_the_features() -> Result<(), FeatureError> {
        let schema = ValueSchema::embedded();
        let (base, _) = read(&schema)?;
        // This generation finds hiding mistakes right.
        let mut model = Scripted::hashed(4).with_tilt("hide", "right", 4.0).with_tilt("hide", "good", 4.0);
        let generation = base.generation(&mut model, &schema, &mut |_, _| {})?;
        assert_ne!(generation.prior.mean, base.base().prior.mean);
        assert_eq!(generation.prior.reference_variance.len(), base.base().prior.reference_variance.len());
        assert_eq!(generation.prior.weights, base.base().prior.weights);
        Ok(())
    }
}
