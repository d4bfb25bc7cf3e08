//! What can be read: values and the log, as JSON.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::model::{Resource, ResourceTemplate};

/// The first page of the log.
pub(crate) const LOG: &str = "credence://log";
const VALUES: &str = "credence://values/";

/// Records on a page, unless it is said otherwise.
const PAGE: usize = 50;
/// Records on a page, at most.
const PAGE_MAX: usize = 500;

/// What does not need to be escaped in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An address that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Values { person: String },
    Log { from: u64, limit: usize },
    LogEntry { seq: u64 },
}

impl Address {
    /// Reads an address; nothing if it is none of ours.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        if let Some(person) = uri.strip_prefix(VALUES) {
            let person = percent_decode_str(person).decode_utf8().ok()?.into_owned();
            return (!person.is_empty()).then_some(Self::Values { person });
        }
        let rest = uri.strip_prefix(LOG)?;
        if let Some(seq) = rest.strip_prefix('/') {
            return Some(Self::LogEntry { seq: seq.parse().ok()? });
        }
        let (mut from, mut limit) = (0, PAGE);
        let query = if rest.is_empty() { rest } else { rest.strip_prefix('?')? };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=')? {
                ("from", number) => from = number.parse().ok()?,
                ("limit", number) => limit = number.parse().ok()?,
                _ => return None,
            }
        }
        Some(Self::Log { from, limit: limit.clamp(1, PAGE_MAX) })
    }
}

/// The resources there are, for the people a caller may know of.
pub(crate) fn list(people: &[String]) -> Vec<Resource> {
    let log = Resource::new(LOG, "log")
        .with_title("The log")
        .with_description("All records, in order; `next` says how to go on: credence://log?from=NEXT")
        .with_mime_type(JSON);
    let values = people.iter().map(|person| {
        let uri = format!("{VALUES}{}", utf8_percent_encode(person, SEGMENT));
        let words = "What is believed to matter to this person, with 90% intervals";
        Resource::new(uri, format!("values of {person}")).with_description(words).with_mime_type(JSON)
    });
    std::iter::once(log).chain(values).collect()
}

/// The kinds of resources there are.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, words: &str| {
        ResourceTemplate::new(uri, name).with_description(words).with_mime_type(JSON)
    };
    vec![
        template("credence://values/{person}", "values", "What is believed to matter to a person"),
        template("credence://log{?from,limit}", "log page", "Records from a number on; at most 500 at a time"),
        template("credence://log/{seq}", "record", "One record of the log"),
    ]
}

/// The type of everything here.
pub(crate) const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_or_refused() {
        let check = |uri: &str, expected: Option<Address>| assert_eq!(Address::parse(uri), expected, "{uri}");
        let page = |from, limit| Some(Address::Log { from, limit });
        check("credence://values/ada", Some(Address::Values { person: "ada".to_owned() }));
        check("credence://values/ada%20l%2f%C3%A4", Some(Address::Values { person: "ada l/ä".to_owned() }));
        check("credence://values/", None);
        check("credence://values/%ff", None);
        check("credence://log", page(0, PAGE));
        check("credence://log?from=7", page(7, PAGE));
        check("credence://log?from=7&limit=100000", page(7, PAGE_MAX));
        check("credence://log?limit=0", page(0, 1));
        check("credence://log?from=-1", None);
        check("credence://log?order=backwards", None);
        check("credence://log/12", Some(Address::LogEntry { seq: 12 }));
        check("credence://log/last", None);
        check("credence://logs", None);
        check("file:///etc/passwd", None);
    }

    #[test]
    fn every_listed_address_is_understood() {
        for resource in list(&["ada".to_owned(), "Zoë / 漢?#%".to_owned()]) {
            assert!(Address::parse(&resource.uri).is_some(), "{}", resource.uri);
        }
    }
}
