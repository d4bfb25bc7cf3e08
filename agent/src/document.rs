//! The text of a file that somebody gives: text, Markdown, HTML or PDF; and how a text is cut.

use std::io::Read;
use std::path::Path;

use credence_memory::file::open_regular;

/// A longer file is refused.
const BYTES_MAX: u64 = 32 << 20;
/// So many letters a page are expected of a PDF that is no scan.
const LETTERS_MIN: usize = 20;
/// Columns of what is made of HTML: no line is broken before so many.
const HTML_COLUMNS: usize = 4_000;

/// Why a file has no text for us.
#[derive(Debug)]
pub enum Problem {
    /// It cannot be read.
    Unreadable(std::io::Error),
    /// It is no document that can be read: what is wrong, and what was expected.
    Unusable(String),
}

/// The bytes of a file, and the text in it.
///
/// # Errors
/// A file that cannot be read, is too large, is binary or not in UTF-8, or a PDF without text.
pub fn text(path: &Path) -> Result<(Vec<u8>, String), Problem> {
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(Problem::Unreadable)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Problem::Unreadable)?;
    let unusable = |problem: &str| Problem::Unusable(problem.to_owned());
    if bytes.len() as u64 > BYTES_MAX {
        return Err(unusable("it is larger than 32 MiB; give it in parts"));
    }
    if bytes.starts_with(b"%PDF") {
        let text = text_of_pdf(&bytes).map_err(Problem::Unusable)?;
        return Ok((bytes, text));
    }
    if bytes.contains(&0) {
        return Err(unusable("it is a binary file; expected UTF-8 text, Markdown, HTML or a PDF"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("expected UTF-8 text, Markdown, HTML or a PDF"))?;
    let text = if is_html(path, text) { text_of_html(text).map_err(Problem::Unusable)? } else { text.to_owned() };
    Ok((bytes, text))
}

fn is_html(path: &Path, text: &str) -> bool {
    let by_name = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
    let start: String = text.trim_start().chars().take(15).collect::<String>().to_ascii_lowercase();
    by_name || start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn text_of_html(html: &str) -> Result<String, String> {
    html2text::config::plain_no_decorate()
        .string_from_read(html.as_bytes(), HTML_COLUMNS)
        .map_err(|error| format!("the HTML cannot be read ({error})"))
}

fn text_of_pdf(bytes: &[u8]) -> Result<String, String> {
    // The library panics on some damaged files; a document must not end the program.
    let read = std::panic::catch_unwind(|| pdf_extract::extract_text_from_mem(bytes));
    let is_encrypted = bytes.windows(8).any(|w| w == b"/Encrypt");
    let text = match read {
        Ok(Ok(text)) => text,
        _ if is_encrypted => return Err("the PDF is encrypted. Expected one that opens without a password".into()),
        Ok(Err(error)) => return Err(format!("the PDF cannot be read ({error})")),
        Err(_) => return Err("the PDF is damaged".into()),
    };
    if text.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_MIN {
        return Err("the PDF has no text in it; it may be a scan. Expected a PDF with text, or the text itself".into());
    }
    Ok(text)
}

/// A text as its writer meant it: without the mark that says how its bytes are ordered, with one kind of line end, and with
/// letters where a typesetter had joined them.
pub(crate) fn normalised(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' => plain.push('\n'),
            '\u{2029}' => plain.push_str("\n\n"),
            '\u{fb00}' => plain.push_str("ff"),
            '\u{fb01}' => plain.push_str("fi"),
            '\u{fb02}' => plain.push_str("fl"),
            '\u{fb03}' => plain.push_str("ffi"),
            '\u{fb04}' => plain.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => plain.push_str("st"),
            // A place where a word may be broken, and marks that take no room.
            '\u{ad}' | '\u{feff}' | '\u{200b}' => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Lines that belong together: between empty ones, or ones of white space.
pub(crate) fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        match (line.trim().is_empty(), found.last_mut()) {
            (false, Some(block)) => block.push(line),
            _ => found.push(Vec::new()),
        }
    }
    found.retain(|block| !block.is_empty());
    found
}

/// Words in pieces of at most so many, cut after a sentence where there is one in the second half.
pub(crate) fn pieces(words: &[&str], most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        let mut end = rest.len().min(most);
        if end < rest.len()
            && let Some(stop) = (most / 2..end).rev().find(|&i| rest[i].ends_with(['.', '!', '?', ':']))
        {
            end = stop + 1;
        }
        found.push(rest[..end].join(" "));
        rest = &rest[end..];
    }
    found
}
