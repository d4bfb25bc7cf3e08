//! A line being typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::front::text::{is_hazard, width};

/// Statements of importance are sentences; more than this is a slip of the hand.
const CHARS_MAX: usize = 400;

/// Words and a cursor between their graphemes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InputLine {
    before: String,
    after: String,
}

/// What a key did to the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// The line goes on.
    Editing,
    /// Never mind.
    Cancelled,
    /// Done: the words.
    Entered(String),
}

impl InputLine {
    /// A line that holds `words`, the cursor after them.
    pub(crate) fn new(words: &str) -> Self {
        let mut line = Self::default();
        line.insert(words);
        line
    }

    /// The words.
    pub(crate) fn words(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    /// Puts text at the cursor; line breaks become spaces, characters that cannot be shown are left out.
    pub(crate) fn insert(&mut self, text: &str) {
        let room = CHARS_MAX.saturating_sub(self.before.chars().count() + self.after.chars().count());
        let spaced = text.chars().map(|char| if char.is_whitespace() { ' ' } else { char });
        self.before.extend(spaced.filter(|char| !is_hazard(*char)).take(room));
    }

    /// What `key` does, where Tab completes a word to one of `names`.
    pub(crate) fn press(&mut self, key: KeyEvent, names: &[String]) -> Edit {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Edit::Cancelled,
            KeyCode::Enter => {
                let words = self.words().trim().to_owned();
                return if words.is_empty() { Edit::Cancelled } else { Edit::Entered(words) };
            }
            KeyCode::Char('a') if control => self.home(),
            KeyCode::Char('e') if control => self.end(),
            KeyCode::Char('u') if control => self.before.clear(),
            KeyCode::Char('k') if control => self.after.clear(),
            KeyCode::Char('w') if control => self.erase_word(),
            KeyCode::Char('h') if control => drop(pop_last(&mut self.before)),
            KeyCode::Char(char) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(char.encode_utf8(&mut [0; 4]))
            }
            KeyCode::Backspace => drop(pop_last(&mut self.before)),
            KeyCode::Delete => drop(pop_first(&mut self.after)),
            KeyCode::Left => self.after.insert_str(0, &pop_last(&mut self.before)),
            KeyCode::Right => self.before.push_str(&pop_first(&mut self.after)),
            KeyCode::Home => self.home(),
            KeyCode::End => self.end(),
            KeyCode::Tab => self.complete(names),
            _ => {}
        }
        Edit::Editing
    }

    /// The part that fits `columns`, and the cursor's column in it: the line slides so that the cursor stays in sight.
    pub(crate) fn window(&self, columns: usize) -> (String, usize) {
        let mut shown = self.before.as_str();
        while width(shown) + 1 > columns.max(1) {
            let first = shown.graphemes(true).next().map_or(shown.len(), str::len);
            shown = &shown[first..];
        }
        let cursor = width(shown);
        (crate::front::text::truncate(&format!("{shown}{}", self.after), columns), cursor)
    }

    fn home(&mut self) {
        self.after.insert_str(0, &std::mem::take(&mut self.before));
    }

    fn end(&mut self) {
        self.before.push_str(&std::mem::take(&mut self.after));
    }

    fn erase_word(&mut self) {
        let kept = self.before.trim_end().rfind(' ').map_or(0, |space| space + 1);
        self.before.truncate(kept);
    }

    /// Completes what stands before the cursor, from the beginning of a word, to the first name that begins like it.
    fn complete(&mut self, names: &[String]) {
        let starts = self.before.split_word_bound_indices().filter(|(_, word)| word.chars().all(char::is_alphanumeric));
        // The longest beginning first: names may have several words.
        for (start, _) in starts {
            let begun = self.before[start..].to_lowercase();
            if let Some(name) = names.iter().find(|name| name.to_lowercase().starts_with(&begun)) {
                self.before.truncate(start);
                let name = name.clone();
                self.insert(&name);
                return;
            }
        }
    }
}

fn pop_last(text: &mut String) -> String {
    let start = text.grapheme_indices(true).next_back().map_or(0, |(start, _)| start);
    text.split_off(start)
}

fn pop_first(text: &mut String) -> String {
    let end = text.graphemes(true).next().map_or(0, str::len);
    let rest = text.split_off(end);
    std::mem::replace(text, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut InputLine, codes: &[KeyCode]) -> Edit {
        let names = ["honesty".to_owned(), "care for others".to_owned()];
        let edits = codes.iter().map(|code| line.press(KeyEvent::new(*code, KeyModifiers::NONE), &names));
        edits.last().unwrap_or(Edit::Editing)
    }

    #[test]
    fn a_line_is_edited_by_grapheme() {
        let mut line = InputLine::new("né👩‍👧x");
        typed(&mut line, &[KeyCode::Left, KeyCode::Backspace, KeyCode::Char('!'), KeyCode::Home, KeyCode::Delete]);
        assert_eq!(line.words(), "é!x");
        typed(&mut line, &[KeyCode::Right, KeyCode::Right, KeyCode::Right, KeyCode::Right, KeyCode::Backspace]);
        assert_eq!(line.words(), "é!");
        line.press(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), &[]);
        assert_eq!(line.words(), "");
        assert_eq!(typed(&mut line, &[KeyCode::Backspace, KeyCode::Delete, KeyCode::Left]), Edit::Editing);
    }

    #[test]
    fn tab_completes_the_name_of_a_value() {
        let mut line = InputLine::new("Hon");
        typed(&mut line, &[KeyCode::Tab, KeyCode::Char(' '), KeyCode::Char('>'), KeyCode::Char(' ')]);
        assert_eq!(line.words(), "honesty > ");
        typed(&mut line, &[KeyCode::Char('c'), KeyCode::Tab]);
        assert_eq!(typed(&mut line, &[KeyCode::Enter]), Edit::Entered("honesty > care for others".to_owned()));
    }

    #[test]
    fn what_is_pasted_holds_no_hazards_and_is_not_endless() {
        let line = InputLine::new("a\nb\x1b[2J\u{202e}c");
        assert_eq!(line.words(), "a b[2Jc");
        assert_eq!(InputLine::new(&"x".repeat(1_000)).words().len(), CHARS_MAX);
        assert_eq!(typed(&mut InputLine::new("  "), &[KeyCode::Enter]), Edit::Cancelled);
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut line = InputLine::new("abcdefgh");
        assert_eq!(line.window(5), ("efgh".to_owned(), 4));
        typed(&mut line, &[KeyCode::Home]);
        assert_eq!(line.window(5), ("abcd…".to_owned(), 0));
        assert_eq!(InputLine::new("日本").window(0), (String::new(), 0));
    }
}
