//! Numbers of the command line, each within what makes sense: a wrong one is refused before anything is done with it.

/// A whole number from `LOW` to `HIGH`.
pub(crate) fn count<const LOW: usize, const HIGH: usize>(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if (LOW..=HIGH).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {LOW} to {HIGH}")),
    }
}

/// A share: a number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share, from 0 to 1".to_owned()),
    }
}

/// A share that is not nothing: above 0, at most 1.
pub(crate) fn share_above_zero(text: &str) -> Result<f64, String> {
    match share(text) {
        Ok(share) if share > 0.0 => Ok(share),
        _ => Err("expected a share above 0, at most 1".to_owned()),
    }
}

/// The share that a source may count for: below a thousandth of all people there is nothing left to learn from.
pub(crate) fn cap(text: &str) -> Result<f64, String> {
    match share(text) {
        Ok(share) if share >= 0.001 => Ok(share),
        _ => Err("expected a share from 0.001 to 1".to_owned()),
    }
}

/// A number from 0 to `MOST`.
pub(crate) fn amount<const MOST: u32>(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if (0.0..=f64::from(MOST)).contains(&amount) => Ok(amount),
        _ => Err(format!("expected a number from 0 to {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_bounds_are_taken_and_no_others() {
        let (counts, shares): (Vec<_>, Vec<_>) =
            ["0", "1", "7", "8", "-1", "", "1.5", "NaN", "inf", "18446744073709551615", "1e308"]
                .map(|text| (count::<1, 7>(text).is_ok(), share(text).is_ok()))
                .into_iter()
                .unzip();
        assert_eq!(counts, [false, true, true, false, false, false, false, false, false, false, false]);
        assert_eq!(shares, [true, true, false, false, false, false, false, false, false, false, false]);
        assert!(share_above_zero("0").is_err() && share_above_zero("0.1").is_ok());
        assert!(amount::<10>("NaN").is_err() && amount::<10>("10").is_ok() && amount::<10>("-0.1").is_err());
    }
}
