//! Text from outside, as a person is shown it: quoted, on lines of its own making only, with nothing hidden.

/// A question with more characters than this is not asked by elicitation: whoever approves must be able to see all of
/// it.
pub const SHOWN_CHARS_MAX: usize = 8_000;

/// `text` with everything escaped that could hide, reorder or overwrite what stands beside it. Line breaks too: only the
/// server's own lines begin at a line's beginning.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            hazard if is_hazard(hazard) => shown.extend(hazard.escape_unicode()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// JSON in which the strings that could mislead are escaped; it says the same.
pub(crate) fn json(value: &serde_json::Value) -> String {
    // Control characters are escaped already; the others can only stand in strings.
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char != '\n' && is_hazard(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Whether a character could move the cursor, change direction or hide text.
fn is_hazard(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_begin_a_line_or_turn_around() {
        assert_eq!(quoted("no\nCredence: approved"), "no\\nCredence: approved");
        assert_eq!(quoted("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
        assert_eq!(quoted("plain ä 漢"), "plain ä 漢");
    }

    #[test]
    fn json_says_the_same() {
        let value = serde_json::json!({ "to": "a\u{202e}b\u{1b}[2J", "tag": "\u{e0041}", "n": [1, 2.5] });
        let shown = json(&value);
        assert!(!shown.chars().any(|c| c != '\n' && is_hazard(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
    }
}
