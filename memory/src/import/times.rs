//! Times as files give them: numbers in whichever unit they are plausible in, or words.

use jiff::Timestamp;

use crate::log::Entry;
use crate::record::Record;

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
    text.trim().parse().ok().map(to_millisecond).or_else(|| parse(text).map(|(time, _)| time))
}

/// Whether two times are the same: to the millisecond, or one of them the whole second, or minute, in which the other lies, as
/// programs save times that know no more. What is the same here is neither before nor after.
pub(super) fn alike(a: Timestamp, b: Timestamp) -> bool {
    let [a, b] = [a, b].map(|time| time.as_millisecond());
    let is_within = |whole: i64, within: i64, long: i64| whole % long == 0 && (0..long).contains(&(within - whole));
    a == b || [1000, 60_000].iter().any(|long| is_within(a, b, *long) || is_within(b, a, *long))
}

/// Whether what two records have of their own is the same time, or no time.
pub(super) fn same(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => alike(a, b),
        (a, b) => a == b,
    }
}

/// Whether a time is earlier than another one that is not the same time cut short.
pub(super) fn is_before(a: Timestamp, b: Timestamp) -> bool {
    a < b && !alike(a, b)
}

/// Times of records that have one of their own: what an import brought without a time bears that of the import.
#[derive(Default)]
pub(crate) struct OwnTimes {
    import_began: Option<Timestamp>,
}

impl OwnTimes {
    /// The time that the next record of a log has of its own.
    pub(crate) fn of(&mut self, entry: &Entry) -> Option<Timestamp> {
        if let Record::Imported(_) = entry.record {
            self.import_began = Some(entry.time);
        }
        (self.import_began != Some(entry.time)).then_some(entry.time)
    }
}

/// A time since 1970 in the unit in which it is plausible, or a date with its time and zone in the same range; cut to the
/// millisecond, as a log's times are.
pub(super) fn parse(text: &str) -> Option<(Timestamp, Option<Unit>)> {
    let text = text.trim();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    let Some(number) = is_number.then(|| text.parse::<f64>().ok()).flatten() else {
        let plausible =
            |time: &Timestamp| (SECONDS_MIN * 1e3..MILLISECONDS_MAX).contains(&(time.as_millisecond() as f64));
        return text.parse().ok().filter(plausible).map(|time| (to_millisecond(time), None));
    };
    let unit = match number {
        n if n < SECONDS_MIN => return None,
        n if n < MILLISECONDS_MIN => Unit::Seconds,
        n if n < MICROSECONDS_MIN => Unit::Milliseconds,
        n if n < NANOSECONDS_MIN => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    };
    let milliseconds = milliseconds(text, unit).filter(|ms| (*ms as f64) < MILLISECONDS_MAX)?;
    Timestamp::from_millisecond(milliseconds).ok().map(|time| (time, Some(unit)))
}

/// Milliseconds of a number above zero, by its digits: as binary fractions some would be one less.
fn milliseconds(number: &str, unit: Unit) -> Option<i64> {
    let number = number.trim_start_matches('+');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    match unit {
        Unit::Seconds => format!("{whole}{fraction:0<3.3}").parse().ok(),
        Unit::Milliseconds => whole.parse().ok(),
        Unit::Microseconds => whole.get(..whole.len().checked_sub(3)?)?.parse().ok(),
        Unit::Nanoseconds => whole.get(..whole.len().checked_sub(6)?)?.parse().ok(),
    }
}

/// A log's times are milliseconds.
fn to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
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
        // Cut, and not rounded, in whichever form the same time comes.
        for same in ["1700000100.009999", "1700000100009.999", "1700000100009999", "2023-11-14T22:15:00.009999Z"] {
            check(same, Some(1_700_000_100_009));
        }
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
        for (a, b, same) in [
            ("2026-01-01T10:00:00.123Z", "2026-01-01T10:00:00.123Z", true),
            ("2026-01-01T10:00:07Z", "2026-01-01T10:00:07.999Z", true),
            ("2026-01-01T10:00:00Z", "2026-01-01T10:00:37.123Z", true),
            ("2026-01-01T10:00:07.999Z", "2026-01-01T10:00:08Z", false),
            ("2026-01-01T10:00:07.8Z", "2026-01-01T10:00:07.9Z", false),
            ("2026-01-01T10:00:00Z", "2026-01-01T10:01:00Z", false),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.5Z", true),
        ] {
            let (a, b) = (time(a), time(b));
            assert_eq!((alike(a, b), alike(b, a)), (same, same), "{a} {b}");
            assert_eq!((is_before(a, b), is_before(b, a)), (!same, false), "{a} {b}");
        }
    }
}
