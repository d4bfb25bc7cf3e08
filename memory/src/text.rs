//! Words as they come in: one normal form, so that what looks the same is the same.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A text in Unicode's normal form C: a letter and its accent are one character where there is such a character, however they
/// were typed. The end of a line is one character too, whichever system it was typed on.
pub fn normal(text: &str) -> Cow<'_, str> {
    let letters = if text.is_ascii() || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) };
    if letters.contains('\r') { Cow::Owned(letters.replace("\r\n", "\n").replace('\r', "\n")) } else { letters }
}

/// A name in its one form: normal, with one plain space wherever it has spaces of any kind.
pub fn name(text: &str) -> Cow<'_, str> {
    let letters = normal(text);
    let is_plain = |text: &str| !text.chars().any(|c| c.is_whitespace() && c != ' ') && !text.contains("  ");
    if letters.is_ascii() && !letters.contains("  ") || is_plain(&letters) {
        return letters;
    }
    let mut plain = String::with_capacity(letters.len());
    for c in letters.chars() {
        match c.is_whitespace() {
            true if plain.ends_with(' ') => {}
            true => plain.push(' '),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Where a name stands in a text, as bytes of the text: whatever the case of its letters, and in whichever normal form the text
/// is. Where the name is short (under five characters) only where no letter stands beside it: "ada" is not in "adamant"; and
/// "town:1" is not in "town:12".
pub fn mentions(text: &str, name: &str) -> Vec<std::ops::Range<usize>> {
    let wanted: Vec<char> = folded(name).map(|(_, c)| c).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let found: Vec<(usize, char)> = folded(text).collect();
    let alone = wanted.len() < 5;
    let mut places = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= found.len() {
        let end = at + wanted.len();
        let same = found[at..end].iter().map(|(_, c)| c).eq(&wanted);
        let letter_beside = |c: Option<&(usize, char)>| c.is_some_and(|(_, c)| c.is_alphabetic());
        // An accent after it makes its last letter another one.
        let accent = found.get(end).is_some_and(|(_, c)| is_combining_mark(*c));
        let longer = |last: Option<&char>, next: Option<&(usize, char)>| {
            last.is_some_and(|c| c.is_numeric()) && next.is_some_and(|(_, c)| c.is_numeric())
        };
        let before = at.checked_sub(1).map(|i| &found[i]);
        let beside = accent
            || longer(wanted.last(), found.get(end))
            || longer(wanted.first(), before)
            || alone && (letter_beside(before) || letter_beside(found.get(end)));
        if same && !beside {
            places.push(found[at].0..found.get(end).map_or(text.len(), |(byte, _)| *byte));
            at = end;
        } else {
            at += 1;
        }
    }
    places
}

/// A text in which a name is replaced wherever it is mentioned.
pub fn without_name(text: &str, name: &str, instead: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for place in mentions(text, name) {
        out.push_str(&text[done..place.start]);
        out.push_str(instead);
        done = place.end;
    }
    out + &text[done..]
}

/// Its characters taken apart and in small letters, each with the byte where the character it came from begins; spaces of any kind
/// and number are one.
fn folded(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut after_space = false;
    let one_space = move |(byte, c): (usize, char)| {
        let again = std::mem::replace(&mut after_space, c.is_whitespace()) && after_space;
        (!again).then_some((byte, if c.is_whitespace() { ' ' } else { c }))
    };
    text.char_indices().filter_map(one_space).flat_map(|(byte, c)| {
        let apart: Vec<char> = std::iter::once(c).nfd().flat_map(char::to_lowercase).collect();
        apart.into_iter().map(move |c| (byte, c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_normal_form() {
        assert_eq!(normal("Jose\u{301} paints"), "Jos\u{e9} paints");
        assert!(matches!(normal("plain"), Cow::Borrowed(_)));
        assert!(matches!(normal("Jos\u{e9}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_name_is_found_however_it_is_written_and_not_inside_other_words() {
        fn check(text: &str, name: &str, without: &str) {
            assert_eq!(without_name(text, name, "[]"), without, "{name} in {text}");
        }
        check("/data/zzqxada/out-ZZQxada2.csv", "zzqxada", "/data/[]/out-[]2.csv");
        check("/home/adamant/ada.csv and Ada", "ada", "/home/adamant/[].csv and []");
        check("for Jose\u{301}.", "Jos\u{e9}", "for [].");
        check("for Jos\u{e9} too", "Jose\u{301}", "for [] too");
        check("Jos\u{e9}", "Jose", "Jos\u{e9}");
        check("polis:town:12, polis:town:1", "polis:town:1", "polis:town:12, []");
        check("to Mary\u{a0}Ann, mary  ann and mary\nann.", "mary ann", "to [], [] and [].");
        check("nobody", "ada", "nobody");
        check("\u{130}da", "ada", "\u{130}da");
    }
}
