//! The page as Markdown.

use super::{Sheet, dated, said, title};
use crate::front::report::{UNIT, interval, ranked};
use crate::front::text::signed;

/// The page.
pub(crate) fn page(sheet: &Sheet) -> String {
    let mut text = format!("# {}\n\n{}.\n", escaped(&title(&sheet.person)), dated(sheet));
    for section in said(sheet) {
        text.push_str(&format!("\n## {}\n\n{}\n", section.heading, escaped(&section.text)));
        if !section.items.is_empty() {
            text.push('\n');
        }
        for item in &section.items {
            text.push_str(&format!("- {}\n", escaped(item)));
        }
    }
    text.push_str("\n## In numbers\n\n|   | value | now | 90% interval | sure |\n|--:|---|--:|---|---|\n");
    for value in &ranked(&sheet.values).values {
        let sure = match (value.sure, value.mean > 0.0) {
            (true, true) => "more",
            (true, false) => "less",
            (false, _) => "",
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {sure} |\n",
            value.rank,
            escaped(&value.name),
            signed(value.mean),
            interval(value.low, value.high)
        ));
    }
    text.push_str(&format!("\n{UNIT}\n"));
    text
}

/// With everything that Markdown or HTML would read as its own made plain; on one line.
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => plain.extend(['\\', c]),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            '\n' => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}
