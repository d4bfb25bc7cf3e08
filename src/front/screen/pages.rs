//! The pages beside the question: why, values, keys, the end.

use credence_agent::protocol::{ConfirmView, SummaryView, ValuesView};
use ratatui::text::{Line, Span};

use super::bars::Table;
use super::cards;
use super::palette::Palette;
use super::state::{Page, ScreenState};
use crate::front::report;
use crate::front::text::{counted, pad, percent, signed, width, wrap};

/// The lines of the page that is open.
pub(crate) fn lines(state: &ScreenState, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    match (state.page, &state.summary) {
        (Page::Help, _) => help(columns, palette),
        (Page::Values, _) => state.values.as_ref().map_or_else(
            || vec![Line::styled("Nothing is known yet.", palette.dim())],
            |view| values(view, state, columns, rows),
        ),
        (Page::Summary, Some(view)) => summary(view, state, columns),
        (Page::Why, _) => why(state, columns),
        (Page::Question | Page::Summary, _) => match (&state.confirm, &state.question) {
            (Some(view), _) => confirm(view, columns, palette),
            (None, Some(view)) => cards::question(view, state.chosen(), columns, rows, palette),
            (None, None) => waiting(state, columns),
        },
    }
}

/// The values that the last evidence moved, with their change.
pub(crate) fn moved(state: &ScreenState) -> Vec<(&str, f64)> {
    let changes = state.moved.iter().flat_map(|moved| &moved.changes);
    changes
        .filter(|change| signed(change.mean_change) != signed(0.0))
        .map(|change| (change.id.as_str(), change.mean_change))
        .collect()
}

fn title(text: &str, rest: &str, palette: Palette) -> [Line<'static>; 2] {
    let spans = vec![Span::styled(text.to_owned(), palette.accent()), Span::styled(format!("  {rest}"), palette.dim())];
    [Line::from(spans), Line::default()]
}

fn waiting(state: &ScreenState, columns: usize) -> Vec<Line<'static>> {
    let what =
        state.progress.as_ref().map_or_else(|| "Getting ready".to_owned(), |progress| report::sentence(&progress.what));
    let lines = wrap(&format!("{what} ..."), columns);
    lines.into_iter().map(|line| Line::styled(line, state.palette.dim()).centered()).collect()
}

fn confirm(view: &ConfirmView, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines: Vec<_> = title("Is that what you mean?", "", palette).into();
    lines.extend(wrap(&view.text, columns).into_iter().map(|line| Line::styled(line, palette.bright())));
    lines.push(Line::default());
    let mut keys = vec![("y".to_owned(), "yes".to_owned())];
    keys.extend(view.others.iter().enumerate().map(|(i, other)| ((i + 1).to_string(), format!("rather: {other}"))));
    keys.push(("n".to_owned(), "no, drop it".to_owned()));
    keys.push(("s".to_owned(), "leave it; nothing is concluded".to_owned()));
    for (key, meaning) in keys {
        for (row, text) in wrap(&meaning, columns.saturating_sub(4)).into_iter().enumerate() {
            let key = if row == 0 { key.as_str() } else { "" };
            lines.push(Line::from(vec![Span::styled(format!("{key:<4}"), palette.accent()), Span::raw(text)]));
        }
    }
    lines
}

fn values(view: &ValuesView, state: &ScreenState, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let after = report::after(view);
    let mut lines: Vec<_> = title("What you seem to value", &after, palette).into();
    // Two lines a value where they fit: prior and posterior beside each other are easier to compare.
    let two_lines = rows >= lines.len() + 2 * view.values.len() + 3;
    let table = Table { columns, two_lines, axis: state.axis, palette };
    lines.extend(table.lines(&report::ranked(view), &moved(state)));
    lines.push(Line::default());
    lines.extend(legend(two_lines, columns, palette));
    lines
}

fn legend(two_lines: bool, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let text = if two_lines {
        "━● mean · ├─┤ 90% interval · before: what was believed before your first answer. "
    } else {
        "━● mean · ├─┤ 90% interval · ┄○┄ before your first answer. "
    };
    wrap(&format!("{text}{}", report::UNIT), columns)
        .into_iter()
        .map(|line| Line::styled(line, palette.dim()))
        .collect()
}

fn why(state: &ScreenState, columns: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let mut lines: Vec<_> = title("Why this question", "", palette).into();
    if let Some(question) = &state.question {
        lines.extend(cards::bare(question, state.chosen(), columns, palette));
        lines.push(Line::default());
    }
    let Some(view) = &state.why else {
        lines.push(Line::styled("...", palette.dim()));
        return lines;
    };
    lines.extend(wrap(&view.text, columns).into_iter().map(Line::from));
    let worth =
        format!("Expected to tell {:.2} nats; {} weighed.", view.gain_nats, counted(view.candidates, "candidate"));
    lines.extend(wrap(&worth, columns).into_iter().map(|line| Line::styled(line, palette.dim())));
    lines.push(Line::default());
    lines.push(Line::styled("What you are expected to answer", palette.bright()));
    let track = columns.saturating_sub(24).min(40);
    for (label, probability) in report::prediction_labels(view.predicted.len()).iter().zip(&view.predicted) {
        let filled = (probability.clamp(0.0, 1.0) * track as f64).round() as usize;
        lines.push(Line::from(vec![
            Span::raw(format!("  {label:<13} {:>4} ", percent(*probability))),
            Span::styled("━".repeat(filled), palette.accent()),
        ]));
    }
    if view.values.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    lines.push(Line::styled("What decides between them, as far as is known", palette.bright()));
    let names = view.values.iter().map(|value| width(&value.name)).max().unwrap_or(0).min(columns / 2);
    for value in &view.values {
        let first = value.contribution >= 0.0;
        let amount = &signed(value.contribution.abs())[1..];
        lines.push(Line::from(vec![
            Span::raw(format!("  {}  for ", pad(&value.name, names))),
            Span::styled(if first { "1" } else { "2" }, palette.accent()),
            Span::raw(format!("  {amount} ")),
            Span::styled(format!("± {:.2}", value.sd), palette.dim()),
        ]));
    }
    lines
}

/// Every key, and what it does.
const KEYS: [(&str, &str); 12] = [
    ("1 2", "choose the first, the second"),
    ("=", "no preference: either would do"),
    ("s", "skip this question; nothing is concluded from it"),
    (
        "i",
        "say what matters to you: \"honesty > privacy\" or \"honesty matters a lot\" counts at once, and u takes it back; any other sentence is shown back first",
    ),
    ("w", "why this question, and what you are expected to answer"),
    ("u", "undo the last answer: as if it had never been given"),
    ("v", "your values as now believed"),
    ("↑ ↓", "scroll, also with Page Up and Page Down"),
    ("?", "this page"),
    ("Esc", "back to the question"),
    ("q", "stop; everything answered is kept"),
    ("Ctrl-C", "the same; a second time leaves at once"),
];

fn help(columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines: Vec<_> = title("Keys", "", palette).into();
    for (key, meaning) in KEYS {
        for (row, text) in wrap(meaning, columns.saturating_sub(9)).into_iter().enumerate() {
            let key = if row == 0 { key } else { "" };
            lines.push(Line::from(vec![Span::styled(format!("{key:<9}"), palette.accent()), Span::raw(text)]));
        }
    }
    lines
}

fn summary(view: &SummaryView, state: &ScreenState, columns: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let counted = format!("{} counted in this session", report::given(view.answers, view.statements));
    let mut lines: Vec<_> = title("The end", &counted, palette).into();
    lines.extend(wrap(&format!("{}.", report::sentence(&view.reason)), columns).into_iter().map(Line::from));
    lines.push(Line::default());
    let table = Table { columns, two_lines: false, axis: state.axis, palette };
    lines.extend(table.lines(&report::ranked(&view.values), &[]));
    lines.push(Line::default());
    for line in report::summary_remarks(view, columns) {
        lines.extend(wrap(&line, columns).into_iter().map(Line::from));
    }
    lines
}
