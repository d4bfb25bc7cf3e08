//! Whole numbers, as programs save them.

use std::borrow::Cow;

/// The whole number that a text writes, also as `2.0`, `+2` or `2e0`.
pub(super) fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let below = |number: &f64| number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(number);
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(below).map(|number| number as u64))
}

/// The same of one that may be below zero.
pub(super) fn signed(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => i64::try_from(whole(rest)?).ok().map(|n| -n),
        Some(_) => None,
        None => i64::try_from(whole(text)?).ok(),
    }
}

/// An id, also where a program saved it as the number that it is not: `1` as ` 1`, `1.0`, `001` or `1e+00`. Programs write the sign
/// of an exponent, so that `7e2` is an id of its own.
pub(super) fn id(field: &str) -> Cow<'_, str> {
    let text = field.trim();
    let is_number = text.split_once(['e', 'E']).is_none_or(|(_, exponent)| exponent.starts_with(['+', '-']));
    let number = if is_number { whole(text) } else { None };
    number.map_or(Cow::Borrowed(text), |number| Cow::Owned(number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, number) in
            [("2", 2), ("2.0", 2), (" +2 ", 2), ("2e0", 2), ("-1.0", -1), ("-0.0", 0), ("\u{2212}1", -1), ("007", 7)]
        {
            assert_eq!(signed(text), Some(number), "{text:?}");
        }
        for (text, same) in
            [(" 1.0 ", "1"), ("001", "1"), ("1e+05", "100000"), ("7e2", "7e2"), ("1E5", "1E5"), ("x", "x")]
        {
            assert_eq!(id(text), same);
        }
        for text in ["", "-", "--1", "-+1", "1.5", "nan", "inf", "one", "1,0"] {
            assert_eq!(signed(text), None, "{text:?}");
        }
    }
}
