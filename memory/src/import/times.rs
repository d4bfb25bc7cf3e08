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

/// A time of an export of this program: whatever stands in a log.
pub(super) fn of_a_log(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().or_else(|| parse(text).map(|(time, _)| time))
}

/// Whether two times are the same in the coarser of their precisions: a whole second, or minute, beside a time within it.
pub(super) fn alike(a: Timestamp, b: Timestamp) -> bool {
    same_second(a, b) || {
        let [a, b] = [a, b].map(|time| time.as_millisecond());
        let [whole, within] = if a % 60_000 == 0 { [a, b] } else { [b, a] };
        whole % 60_000 == 0 && (0..60_000).contains(&(within - whole))
    }
}

/// Whether two times are the same, or one of them is the whole second of the other.
pub(super) fn same_second(a: Timestamp, b: Timestamp) -> bool {
    let [a, b] = [a, b].map(|time| time.as_millisecond());
    let [whole, within] = if a % 1000 == 0 { [a, b] } else { [b, a] };
    a == b || whole % 1000 == 0 && (0..1000).contains(&(within - whole))
}

/// A time since 1970 in the unit in which it is plausible, or a date with its time and zone in the same range.
pub(super) fn parse(text: &str) -> Option<(Timestamp, Option<Unit>)> {
    let text = text.trim();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let Some(number) = is_number.then(|| text.parse::<f64>().ok()).flatten() else {
        let plausible =
            |time: &Timestamp| (SECONDS_MIN * 1e3..MILLISECONDS_MAX).contains(&(time.as_millisecond() as f64));
        return text.parse().ok().filter(plausible).map(|time| (time, None));
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
        for refused in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2200-06-01T00:00:00Z", "9998-12-31T00:00:00Z"]
        {
            check(refused, None);
            assert!(of_a_log(refused).is_some(), "what stands in a log may be exported and come back");
        }
        for refused in ["", "soon", "1.7E+12", "99999999999", "nan", "inf", "-", "1e400", "2023-11-14"] {
            check(refused, None);
        }
        for refused in ["-009999-01-02T01:59:59Z", "7258000000000"] {
            check(refused, None);
        }
    }

    #[test]
    fn a_time_that_was_cut_short_is_the_same_time() {
        let time = |text: &str| text.parse().unwrap();
        for (a, b, second, minute) in [
            ("2026-01-01T10:00:00.123Z", "2026-01-01T10:00:00.123Z", true, true),
            ("2026-01-01T10:00:07.999Z", "2026-01-01T10:00:07Z", true, true),
            ("2026-01-01T10:00:37.123Z", "2026-01-01T10:00:00Z", false, true),
            ("2026-01-01T10:00:07.999Z", "2026-01-01T10:00:08Z", false, false),
            ("2026-01-01T10:00:07.9Z", "2026-01-01T10:00:07.8Z", false, false),
            ("2026-01-01T10:00:00Z", "2026-01-01T10:01:00Z", false, false),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", true, true),
        ] {
            for (a, b) in [(time(a), time(b)), (time(b), time(a))] {
                assert_eq!((same_second(a, b), alike(a, b)), (second, minute), "{a} {b}");
            }
        }
    }
}
