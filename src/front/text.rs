//! Text made fit to show: nothing in it can drive a terminal, and its width is counted in columns.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// More characters than this are not shown; a question bank's texts are far shorter.
pub(crate) const TEXT_CHARS_MAX: usize = 20_000;

/// `text` with control characters, escape sequences and invisible or direction-changing characters shown as escapes.
///
/// Line breaks stay, for texts have paragraphs; tabs become spaces. Joiners inside emoji and scripts stay.
pub(crate) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, char) in text.chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            shown.push_str(" [...]");
            break;
        }
        match char {
            '\n' => shown.push('\n'),
            '\t' => shown.push(' '),
            '\r' if text.contains("\r\n") => {}
            hazard if is_hazard(hazard) => shown.extend(hazard.escape_unicode()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// A line for standard output or standard error with everything in it that [`is_hazard`] shown as an escape; line breaks and
/// tabs stay, and nothing is cut.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    replaced(text, |hazard, shown| shown.extend(hazard.escape_unicode()))
}

/// JSON that says the same, with every character that [`is_hazard`] spelt as `\uXXXX`: such a character can only stand in a
/// string.
pub(crate) fn harmless_json(json: &str) -> Cow<'_, str> {
    replaced(json, |hazard, shown| {
        for unit in hazard.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

fn replaced(text: &str, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let harmful = |c: char| is_hazard(c) && c != '\n' && c != '\t';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 64);
    for char in text.chars() {
        if harmful(char) { replace(char, &mut shown) } else { shown.push(char) }
    }
    Cow::Owned(shown)
}

/// Whether a character could move the cursor, change direction or hide text.
pub(crate) fn is_hazard(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` on one line: runs of white space become one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns that `text` takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` in lines of at most `columns` columns, broken between words where possible; paragraphs are kept.
///
/// At least one line; a column count of zero is taken as one.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_whitespace() {
            let word_width = width(word);
            if used > 0 && used + 1 + word_width <= columns {
                line.push(' ');
                line.push_str(word);
                used += 1 + word_width;
                continue;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            // A word wider than a line, or a script without spaces, is cut between graphemes.
            for grapheme in word.graphemes(true) {
                let grapheme_width = width(grapheme);
                if used > 0 && used + grapheme_width > columns {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += grapheme_width;
            }
        }
        lines.push(line);
    }
    lines
}

/// `text` in at most `columns` columns, with an ellipsis where it was cut.
pub(crate) fn truncate(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let grapheme_width = width(grapheme);
        if used + grapheme_width + 1 > columns {
            break;
        }
        cut.push_str(grapheme);
        used += grapheme_width;
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// `text` cut or filled with spaces to exactly `columns` columns.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let mut padded = truncate(text, columns);
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&padded))));
    padded
}

/// A number with its sign and two decimals: "+0.41"; "?" when it is not a number.
pub(crate) fn signed(number: f64) -> String {
    if !number.is_finite() {
        return "?".to_owned();
    }
    // Rounded first, so that nothing is shown as "-0.00".
    let rounded = (number * 100.0).round() / 100.0;
    format!("{:+.2}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// A probability in whole per cent; only certainty is shown as 0% or 100%.
pub(crate) fn percent(probability: f64) -> String {
    if !probability.is_finite() {
        return "?".to_owned();
    }
    match (100.0 * probability).round() {
        rounded if rounded <= 0.0 && probability > 0.0 => "<1%".to_owned(),
        rounded if rounded >= 100.0 && probability < 1.0 => ">99%".to_owned(),
        rounded => format!("{rounded:.0}%"),
    }
}

/// "1 answer", "2 answers".
pub(crate) fn counted(count: usize, singular: &str) -> String {
    format!("{count} {singular}{}", if count == 1 { "" } else { "s" })
}

/// `text` after `label`, its further lines indented as far.
pub(crate) fn hanging(label: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = width(label);
    wrap(text, columns.saturating_sub(indent))
        .into_iter()
        .enumerate()
        .map(|(row, line)| if row == 0 { format!("{label}{line}") } else { format!("{}{line}", " ".repeat(indent)) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_drive_a_terminal_is_shown_escaped() {
        for (text, expected) in [
            ("plain, naïve, 日本", "plain, naïve, 日本"),
            ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("safe\u{202e}gnp.exe", "safe\\u{202e}gnp.exe"),
            ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
            ("bell\x07 back\x08 del\x7f", "bell\\u{7} back\\u{8} del\\u{7f}"),
            ("two\r\nlines\tand a tab", "two\nlines and a tab"),
            ("over\rwritten", "over\\u{d}written"),
            ("👩‍👩‍👧", "👩‍👩‍👧"),
        ] {
            assert_eq!(clean(text), expected);
        }
        assert!(clean(&"x".repeat(2 * TEXT_CHARS_MAX)).len() < TEXT_CHARS_MAX + 10);
    }

    #[test]
    fn lines_break_between_words_and_else_between_graphemes() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 6), ["incomp", "rehens", "ible"]);
        assert_eq!(wrap("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
        assert_eq!(wrap("", 9), [""]);
    }

    #[test]
    fn numbers_keep_their_sign_and_never_claim_certainty() {
        assert_eq!(signed(0.414), "+0.41");
        assert_eq!(signed(-0.001), "+0.00");
        assert_eq!(signed(f64::NAN), "?");
        assert_eq!(percent(0.996), ">99%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.001), "<1%");
    }

    proptest! {
        #[test]
        fn nothing_cleaned_holds_a_hazard_but_line_breaks(text in any::<String>()) {
            prop_assert!(clean(&text).chars().all(|char| char == '\n' || !is_hazard(char)));
        }

        #[test]
        fn wrapping_keeps_every_letter_and_the_width(text in "[a-z 日🎈]{0,80}", columns in 2_usize..20) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let letters = |text: &str| text.chars().filter(|char| !char.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }

        #[test]
        fn padding_is_exact(text in "[a-z 日🎈]{0,40}", columns in 0_usize..30) {
            prop_assert_eq!(width(&pad(&text, columns)), columns);
        }
    }
}
