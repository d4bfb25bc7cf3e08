//! Times as files give them: numbers in whichever unit they are plausible in, or words.

use jiff::Timestamp;

/// What a number of a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
            Unit::Microseconds => "microseconds",
            Unit::Nanoseconds => "nanoseconds",
        }
    }
}

/// Numbers below this (1989 in seconds) are no times: no unit makes them plausible.
const SECONDS_MIN: f64 = 6e8;
/// Numbers from here on (1973 in milliseconds, the year 5138 in seconds) are no seconds.
const MILLISECONDS_MIN: f64 = 1e11;
const MICROSECONDS_MIN: f64 = 1e14;
const NANOSECONDS_MIN: f64 = 1e17;
/// What a time of a row must be.
pub(super) const TIME: &str =
    "a time such as 2026-01-31T12:00:00Z (or a number of seconds or milliseconds since 1970, between 1989 and 2200)";

/// The year 2200, in milliseconds since 1970: nobody has voted later.
const MILLISECONDS_MAX: f64 = 7.258e12;

/// A time since 1970 in the unit in which it is plausible, or a date with its time and zone.
pub(super) fn parse(text: &str) -> Option<(Timestamp, Option<Unit>)> {
    let text = text.trim();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let Some(number) = is_number.then(|| text.parse::<f64>().ok()).flatten() else {
        return text.parse().ok().map(|time| (time, None));
    };
    let unit = match number {
        n if n < SECONDS_MIN => return None,
        n if n < MILLISECONDS_MIN => Unit::Seconds,
        n if n < MICROSECONDS_MIN => Unit::Milliseconds,
        n if n < NANOSECONDS_MIN => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    };
    let milliseconds = match unit {
        Unit::Seconds => number * 1e3,
        // Below 2^53 they are whole.
        Unit::Milliseconds => number,
        Unit::Microseconds => number / 1e3,
        Unit::Nanoseconds => number / 1e6,
    };
    if milliseconds.is_nan() || milliseconds.abs() >= MILLISECONDS_MAX {
        return None;
    }
    Timestamp::from_millisecond(milliseconds.round() as i64).ok().map(|time| (time, Some(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_the_unit_in_which_it_is_plausible() {
        fn check(text: &str, milliseconds: Option<i64>) {
            assert_eq!(parse(text).map(|(time, _)| time.as_millisecond()), milliseconds, "{text}");
        }
        check("1700000100000", Some(1_700_000_100_000));
        check("1700000100", Some(1_700_000_100_000));
        check("1700000100.25", Some(1_700_000_100_250));
        check("1700000100000.0", Some(1_700_000_100_000));
        check("1700000100000123", Some(1_700_000_100_000));
        check("1700000100000123456", Some(1_700_000_100_000));
        check(" 2023-11-14T22:15:00Z ", Some(1_700_000_100_000));
        // A date of a spreadsheet, minutes, a date without its hyphens: plausible in no unit.
        for refused in ["30", "0", "-1", "45244.93", "28333333", "20231114"] {
            check(refused, None);
        }
        for refused in ["", "soon", "1.7E+12", "99999999999", "nan", "inf", "-", "1e400", "2023-11-14"] {
            check(refused, None);
        }
    }
}
