//! Numbers that a record may hold. JSON writes NaN and infinity as `null`, so neither may get in.

use serde::{Deserialize, Serialize};

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(try_from = "f64", into = "f64")]
pub struct Finite(f64);

/// A probability, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

/// Why a number was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NumberError {
    /// NaN or infinity.
    #[error("{0} is not a finite number")]
    NotFinite(f64),
    /// Outside 0 to 1, or NaN.
    #[error("{0} is not a probability between 0 and 1")]
    NotAProbability(f64),
}

impl Finite {
    /// Zero.
    pub const ZERO: Finite = Finite(0.0);

    /// Takes any finite number.
    ///
    /// # Errors
    /// Infinity, or not a number.
    pub fn new(value: f64) -> Result<Self, NumberError> {
        if value.is_finite() { Ok(Self(value)) } else { Err(NumberError::NotFinite(value)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Takes a whole vector, or names the first number refused.
    ///
    /// # Errors
    /// The first number that is not finite.
    pub fn vector(values: &[f64]) -> Result<Vec<Self>, NumberError> {
        values.iter().copied().map(Self::new).collect()
    }
}

impl Probability {
    /// Takes a number from 0 to 1, both included.
    ///
    /// # Errors
    /// Anything below 0 or above 1, or not a number.
    pub fn new(value: f64) -> Result<Self, NumberError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(NumberError::NotAProbability(value)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Takes a whole vector, or names the first number refused.
    ///
    /// # Errors
    /// The first number that is not a probability.
    pub fn vector(values: &[f64]) -> Result<Vec<Self>, NumberError> {
        values.iter().copied().map(Self::new).collect()
    }
}

impl TryFrom<f64> for Finite {
    type Error = NumberError;
    fn try_from(value: f64) -> Result<Self, NumberError> {
        Self::new(value)
    }
}

impl TryFrom<f64> for Probability {
    type Error = NumberError;
    fn try_from(value: f64) -> Result<Self, NumberError> {
        Self::new(value)
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> f64 {
        value.0
    }
}

impl From<Probability> for f64 {
    fn from(value: Probability) -> f64 {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Finite::new(bad).is_err());
            assert!(Probability::new(bad).is_err());
        }
        for bad in [-f64::MIN_POSITIVE, 1.0 + f64::EPSILON] {
            assert!(Probability::new(bad).is_err());
        }
        for text in ["null", "\"1\"", "1e400", "[]"] {
            assert!(serde_json::from_str::<Finite>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Probability>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn every_bit_survives_json(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            if let Ok(finite) = Finite::new(value) {
                let text = serde_json::to_string(&finite).unwrap();
                let back: Finite = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(back.get().to_bits(), bits, "{}", text);
            }
        }
    }
}
