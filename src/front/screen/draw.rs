//! A state on a frame: header, the page in the middle, what moved, messages, keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::bars::Table;
use super::pages;
use super::palette::Palette;
use super::state::{Page, ScreenState, Turn};
use crate::front::report;
use crate::front::text::{counted, one_line, percent, signed, truncate, width, wrap};

/// Lines longer than this are hard to read.
const READING_COLUMNS_MAX: usize = 92;
/// From this width on the values stand beside the question.
const SIDE_COLUMNS_MIN: u16 = 120;
/// The width they take, at least and at most.
const SIDE_COLUMNS: (u16, u16) = (50, 72);
/// The wheel that turns while the session works.
const WHEEL: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠋"];

/// Draws the state; returns how far its page can be scrolled.
pub(crate) fn draw(state: &ScreenState, frame: &mut Frame) -> usize {
    let area = frame.area();
    if area.width < 16 || area.height < 5 {
        frame
            .render_widget(Paragraph::new("A larger window, please").wrap(ratatui::widgets::Wrap { trim: true }), area);
        return 0;
    }
    let columns = usize::from(area.width);
    let tall = area.height >= 18;
    let below = below(state, columns, tall);
    let [head, middle, foot] = Layout::vertical([
        Constraint::Length(if tall { 2 } else { 1 }),
        Constraint::Min(1),
        Constraint::Length(below.len() as u16),
    ])
    .areas(area);
    frame.render_widget(header(state, columns), head);
    let scroll_max = body(state, frame, middle);
    frame.render_widget(Paragraph::new(below), foot);
    if let Some(input) = &state.input {
        let label = width(INPUT_LABEL);
        let (_, cursor) = input.window(columns.saturating_sub(label));
        // The line being typed is the last but one, above its keys.
        frame.set_cursor_position(Position::new((label + cursor).min(columns - 1) as u16, area.bottom() - 2));
    }
    scroll_max
}

fn header(state: &ScreenState, columns: usize) -> Paragraph<'static> {
    let palette = state.palette;
    let wheel = if state.turn == Turn::Waiting { WHEEL[state.beat / 3 % WHEEL.len()] } else { " " };
    let mut right = state.values.as_ref().map_or_else(String::new, |values| counted(values.answers, "answer"));
    if let Some(person) = &state.person {
        right = format!("{right} · consistency {}", percent(person.consistency.unwrap_or(f64::NAN)));
        // Where nothing was elicited from a model there is nothing to trust.
        if columns >= 100 && person.trust_in_model > 0.0 {
            right = format!("{right} · trust in the model {}", percent(person.trust_in_model));
        }
    }
    let left = columns.saturating_sub(width(&right) + 14);
    let name = truncate(&one_line(state.name.as_deref().unwrap_or("")), left);
    let gap = columns.saturating_sub(12 + width(&name) + width(&right) + 1);
    let line = Line::from(vec![
        Span::styled(format!("{wheel} "), palette.accent()),
        Span::styled("Credence", palette.bright()),
        Span::raw(format!("  {name}{}", " ".repeat(gap))),
        Span::styled(truncate(&right, columns.saturating_sub(13)), palette.dim()),
    ]);
    Paragraph::new(vec![line, rule("", columns, palette)])
}

/// The page, and beside it the values where there is room; returns how far it can be scrolled.
fn body(state: &ScreenState, frame: &mut Frame, area: Rect) -> usize {
    let beside = matches!(state.page, Page::Question | Page::Why) && area.width >= SIDE_COLUMNS_MIN;
    let (area, side) = if beside && state.values.is_some() {
        let side = area.width.saturating_sub(READING_COLUMNS_MAX as u16 + 4).clamp(SIDE_COLUMNS.0, SIDE_COLUMNS.1);
        let [area, side] = Layout::horizontal([Constraint::Min(1), Constraint::Length(side)]).areas(area);
        (area, Some(side))
    } else {
        (area, None)
    };
    if let (Some(side), Some(view)) = (side, &state.values) {
        let table =
            Table { columns: usize::from(side.width) - 2, two_lines: false, axis: state.axis, palette: state.palette };
        let mut lines = table.lines(view, &pages::moved(state));
        // The axis is worth more than the last values, which the values page has.
        let rows = usize::from(side.height).saturating_sub(2);
        if lines.len() > rows && rows > 0 {
            lines.drain(rows - 1..lines.len() - 1);
        }
        lines.splice(0..0, [Line::styled("  your values", state.palette.dim()), Line::default()]);
        frame.render_widget(Paragraph::new(lines), side);
    }
    let rows = usize::from(area.height);
    let columns = usize::from(area.width).saturating_sub(2).min(READING_COLUMNS_MAX);
    let lines = pages::lines(state, columns, rows);
    let scroll_max = lines.len().saturating_sub(rows);
    let scroll = state.scroll.min(scroll_max);
    let [text] =
        Layout::horizontal([Constraint::Length(columns as u16)]).flex(ratatui::layout::Flex::Center).areas(area);
    // A little above the middle reads as the middle.
    let top = (rows.saturating_sub(lines.len()) / 3) as u16;
    let text = Rect { y: text.y + top, height: text.height - top, ..text };
    frame.render_widget(Paragraph::new(lines.into_iter().skip(scroll).take(rows).collect::<Vec<_>>()), text);
    let edge = |row: u16, mark: &'static str| {
        (Rect { x: area.right() - 1, y: row, width: 1, height: 1 }, Span::styled(mark, state.palette.accent()))
    };
    let marks = [(scroll > 0, edge(area.y, "↑")), (scroll < scroll_max, edge(area.bottom() - 1, "↓"))];
    for (_, (cell, mark)) in marks.into_iter().filter(|(wanted, _)| *wanted) {
        frame.render_widget(mark, cell);
    }
    scroll_max
}

/// Everything under the page, from what moved down to the keys.
fn below(state: &ScreenState, columns: usize, tall: bool) -> Vec<Line<'static>> {
    let palette = state.palette;
    let mut lines = Vec::new();
    if tall && state.page == Page::Question {
        lines.extend(strip(state, columns));
    }
    if let Some(message) = &state.message {
        let (mark, style) = if message.problem { ("! ", palette.warning()) } else { ("· ", palette.dim()) };
        let text = wrap(&one_line(&message.text), columns.saturating_sub(2));
        let rows = if tall { 3 } else { 1 };
        let more = text.len() > rows;
        for (row, line) in text.into_iter().take(rows).enumerate() {
            let end = if more && row + 1 == rows { " ..." } else { "" };
            lines.push(Line::styled(
                truncate(&format!("{}{line}{end}", if row == 0 { mark } else { "  " }), columns),
                style,
            ));
        }
    }
    lines.extend(gauge(state, columns));
    if tall {
        lines.push(rule("", columns, palette));
    }
    if state.input.is_some() {
        lines.extend(input(state, columns));
    } else {
        lines.extend(keys(state, columns, if tall { 2 } else { 1 }));
    }
    lines
}

/// What the last evidence moved: what it was, and arrows with amounts.
fn strip(state: &ScreenState, columns: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let Some(moved) = &state.moved else { return Vec::new() };
    let predicted =
        moved.predicted.map_or_else(String::new, |predicted| format!(" (predicted: {})", percent(predicted)));
    let said = truncate(&report::sentence(&one_line(&moved.said)), columns.saturating_sub(width(&predicted) + 2));
    let mut lines = vec![
        rule("what moved", columns, palette),
        Line::from(vec![Span::raw(format!(" {said}")), Span::styled(predicted, palette.dim())]),
    ];
    let mut spans = Vec::new();
    let mut used = 0;
    for change in moved.changes.iter().filter(|change| signed(change.mean_change) != signed(0.0)) {
        let arrow = if change.mean_change < 0.0 { "▼" } else { "▲" };
        let name = truncate(&one_line(&change.name), 24);
        let amount = signed(change.mean_change);
        let wide = 1 + 2 + width(&name) + 1 + amount.len() + 2;
        if used + wide > columns && used > 0 {
            break;
        }
        used += wide;
        spans.extend([
            Span::styled(format!(" {arrow} "), palette.signed(change.mean_change)),
            Span::raw(format!("{name} ")),
            Span::styled(format!("{amount}  "), palette.signed(change.mean_change).patch(palette.bright())),
        ]);
    }
    if spans.is_empty() {
        spans.push(Span::styled(" nothing by as much as 0.01", palette.dim()));
    }
    lines.push(Line::from(spans));
    lines
}

/// A thin gauge of what goes on in the background.
fn gauge(state: &ScreenState, columns: usize) -> Option<Line<'static>> {
    let progress = state.progress.as_ref()?;
    let count = format!(" {}/{} ", progress.done, progress.total);
    let label = truncate(&format!(" {} ", one_line(&progress.what)), columns.saturating_sub(width(&count)) / 2);
    let track = columns.saturating_sub(width(&label) + width(&count)).min(60);
    let filled = (progress.done as f64 / progress.total as f64 * track as f64).round() as usize;
    Some(Line::from(vec![
        Span::styled(label, state.palette.dim()),
        Span::styled("━".repeat(filled.min(track)), state.palette.accent()),
        Span::styled("─".repeat(track - filled.min(track)), state.palette.dim()),
        Span::styled(count, state.palette.dim()),
    ]))
}

fn rule(title: &str, columns: usize, palette: Palette) -> Line<'static> {
    let title = if title.is_empty() { String::new() } else { format!("── {title} ") };
    Line::styled(format!("{title}{}", "─".repeat(columns.saturating_sub(width(&title)))), palette.dim())
}

const INPUT_LABEL: &str = " important: ";

fn input(state: &ScreenState, columns: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let Some(input) = &state.input else { return Vec::new() };
    let (text, _) = input.window(columns.saturating_sub(width(INPUT_LABEL)));
    vec![
        Line::styled(truncate(" such as: honesty > privacy, or: fairness matters a lot", columns), palette.dim()),
        Line::from(vec![Span::styled(INPUT_LABEL, palette.accent()), Span::raw(text)]),
        key_line(&[("Enter", "say it"), ("Tab", "complete a value"), ("Esc", "never mind")], columns, palette).0,
    ]
}

/// The keys that do something now, in at most `rows` lines; what does not fit is on the help page.
fn keys(state: &ScreenState, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let palette = state.palette;
    let mut keys: Vec<(&str, &str)> = Vec::new();
    if state.stopping {
        return vec![Line::styled(truncate(" Stopping ... everything answered is kept", columns), palette.dim())];
    }
    match state.page {
        Page::Summary => return vec![Line::styled(truncate(" Any key leaves", columns), palette.dim())],
        Page::Question | Page::Why if state.confirm.is_some() => keys.extend([("y", "yes"), ("n", "no")]),
        Page::Question | Page::Why => {
            if let Some(question) = &state.question {
                const NUMBERS: [&str; 10] = ["", "1", "1 2", "1-3", "1-4", "1-5", "1-6", "1-7", "1-8", "1-9"];
                keys.push((NUMBERS[question.choices().len().min(9)], "choose"));
                if question.indifference_offered {
                    keys.push(("=", "no preference"));
                }
                keys.extend([
                    ("s", "skip"),
                    ("i", "important"),
                    ("w", if state.page == Page::Why { "back" } else { "why" }),
                    ("u", "undo"),
                ]);
            }
        }
        Page::Values | Page::Help => keys.push(("Esc", "back")),
    }
    if state.page != Page::Values {
        keys.push(("v", "values"));
    }
    // Whatever else is cut off, the way out and the way to all the keys stay.
    let last = [("?", "help"), ("q", "stop")];
    let reserve = key_line(&last, columns, palette).0.width();
    let mut lines = Vec::new();
    let mut rest = keys.as_slice();
    while lines.len() + 1 < rows && !rest.is_empty() {
        let all: Vec<_> = rest.iter().chain(&last).copied().collect();
        if key_line(&all, columns, palette).1 == all.len() {
            break;
        }
        let (line, count) = key_line(rest, columns, palette);
        rest = &rest[count.max(1)..];
        lines.push(line);
    }
    let (mut line, _) = key_line(rest, columns.saturating_sub(reserve), palette);
    line.spans.extend(key_line(&last, columns, palette).0.spans);
    lines.push(line);
    lines
}

/// As many of `keys` as fit one line, and how many those are.
fn key_line(keys: &[(&'static str, &'static str)], columns: usize, palette: Palette) -> (Line<'static>, usize) {
    let mut spans = Vec::new();
    let mut used = 0;
    let mut count = 0;
    for (key, meaning) in keys {
        let wide = 1 + width(key) + 1 + width(meaning) + 1;
        if used + wide > columns {
            break;
        }
        used += wide;
        count += 1;
        spans.extend([Span::styled(format!(" {key}"), palette.accent()), Span::raw(format!(" {meaning} "))]);
    }
    (Line::from(spans), count)
}
