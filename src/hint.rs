//! Commands that a message tells somebody to type: they work as they stand, also in another folder and for another person.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::OnceLock;

use credence_memory::ids::PersonId;

use crate::cli::{Global, PersonArgs};
use crate::surroundings::person;

/// The home that this process was given; nothing where it is the default one.
static HOME: OnceLock<PathBuf> = OnceLock::new();

/// Whose session this process runs.
static WHOSE: OnceLock<PersonId> = OnceLock::new();

/// Takes note of whose session this process runs.
pub(crate) fn note_person(whose: &PersonId) {
    let _ = WHOSE.set(whose.clone());
}

/// Takes note of the home that this process was given.
pub(crate) fn note(global: &Global) {
    if let Some(home) = global.home.as_ref().filter(|home| !home.as_os_str().is_empty()) {
        let _ = HOME.set(std::path::absolute(home).unwrap_or_else(|_| home.clone()));
    }
}

fn ending() -> String {
    HOME.get().map_or_else(String::new, |home| format!(" --home {}", word(&home.to_string_lossy())))
}

/// A word of a shell's line.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A command about this home.
pub(crate) fn command(words: impl Display) -> String {
    format!("credence {words}{}", ending())
}

/// A command about this home and somebody: named where a command would take another for them.
pub(crate) fn command_of(whose: &PersonId, words: impl Display) -> String {
    match person(&PersonArgs { person: None }) {
        Ok(me) if me == *whose => command(words),
        _ => command(format!("{words} --person {}", word(whose.as_str()))),
    }
}

/// As [`command`], in backquotes.
pub(crate) fn hint(words: impl Display) -> String {
    format!("`{}`", command(words))
}

/// As [`command_of`], in backquotes.
pub(crate) fn hint_of(whose: &PersonId, words: impl Display) -> String {
    format!("`{}`", command_of(whose, words))
}

/// As [`hint_of`], of whose session this process runs.
pub(crate) fn hint_own(words: impl Display) -> String {
    match WHOSE.get() {
        Some(whose) => hint_of(whose, words),
        None => hint(words),
    }
}

/// A message of a library, which knows no home: the commands that it names get this one.
pub(crate) fn with_home(message: &str) -> String {
    completed(message, &ending())
}

fn completed(message: &str, ending: &str) -> String {
    let mut said = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("`credence ") {
        let (before, named) = rest.split_at(at + 1);
        said.push_str(before);
        let (named, after) = named.split_at(named.find('`').unwrap_or(named.len()));
        said.push_str(named);
        if after.starts_with('`') && !named.contains(" --home ") {
            said.push_str(ending);
        }
        let closing = after.len().min(1);
        said.push_str(&after[..closing]);
        rest = &after[closing..];
    }
    said.push_str(rest);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for (text, shown) in
            [("ada", "ada"), ("/a/b.c", "/a/b.c"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'")]
        {
            assert_eq!(word(text), shown);
        }
        assert_eq!(word("$(touch x)"), "'$(touch x)'");
    }

    #[test]
    fn commands_in_a_message_get_the_home_once() {
        for (message, expected) in [
            (
                "no rule 3; `credence approvals list` names them",
                "no rule 3; `credence approvals list --home /h` names them",
            ),
            ("`credence a` or `credence b`", "`credence a --home /h` or `credence b --home /h`"),
            ("`credence a --home /x --person b`", "`credence a --home /x --person b`"),
            ("`credence a", "`credence a"),
            ("ä `b` credence c", "ä `b` credence c"),
        ] {
            assert_eq!(completed(message, " --home /h"), expected);
        }
        assert_eq!(completed("`credence a`", ""), "`credence a`");
    }
}
