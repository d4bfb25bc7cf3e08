//! A question: its situation, and its alternatives as cards with their keys.

use credence_agent::protocol::QuestionView;
use credence_memory::record::QuestionKind;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::palette::Palette;
use crate::front::text::{pad, wrap};

/// Two cards stand side by side from this many columns on.
const SIDE_BY_SIDE_COLUMNS_MIN: usize = 56;
/// The gap between them.
const GAP: usize = 2;

/// The lines of a question in `columns` by `rows`; where the rows do not suffice, the cards lose their frames first, and the rest is scrolled.
pub(crate) fn question(
    view: &QuestionView,
    chosen: Option<usize>,
    columns: usize,
    rows: usize,
    palette: Palette,
) -> Vec<Line<'static>> {
    let mut above = Vec::new();
    let remark = if view.reask {
        "  asked again, to see how steady the answers are".to_owned()
    } else {
        view.remaining.map(|most| format!("  {most} more at most")).unwrap_or_default()
    };
    let title =
        vec![Span::styled(format!("Question {}", view.number), palette.accent()), Span::styled(remark, palette.dim())];
    above.push(Line::from(title));
    above.push(Line::default());
    let (before, after) = view.words();
    let portrait =
        (view.kind == QuestionKind::Portrait).then(|| view.alternatives.iter().map(|text| format!("    {text}.")));
    for text in [before.to_owned()].into_iter().chain(portrait.into_iter().flatten()).chain([after.to_owned()]) {
        if !text.is_empty() {
            above.extend(wrap(&text, columns).into_iter().map(Line::from));
            above.push(Line::default());
        }
    }
    if !view.situation.trim().is_empty() {
        above.extend(wrap(&view.situation, columns).into_iter().map(Line::from));
        above.push(Line::default());
    }
    let mut below = vec![Line::default()];
    let mut others = Vec::new();
    if view.indifference_offered {
        others.extend([Span::styled("=", palette.accent()), Span::raw(" no preference    ")]);
    }
    others.extend([Span::styled("s", palette.accent()), Span::raw(" skip")]);
    below.push(Line::from(others).centered());

    if view.kind == QuestionKind::BestAndWorst {
        let next = if chosen.is_some() { "now the one that matters least" } else { "first the one that matters most" };
        below.insert(0, Line::styled(next, palette.dim()).centered());
        below.insert(0, Line::default());
    }
    let side_by_side =
        view.kind == QuestionKind::Choice && view.alternatives.len() == 2 && columns >= SIDE_BY_SIDE_COLUMNS_MIN;
    let room = rows.saturating_sub(above.len() + below.len());
    let framed = if side_by_side { beside } else { stacked }(view, chosen, columns, palette);
    // Levels are short: frames around them would hide that they are one scale.
    let framed = if view.kind == QuestionKind::Portrait { bare(view, chosen, columns, palette) } else { framed };
    let cards = if side_by_side || framed.len() <= room { framed } else { bare(view, chosen, columns, palette) };
    above.into_iter().chain(cards).chain(below).collect()
}

/// Two cards beside each other, as high as the higher.
fn beside(view: &QuestionView, chosen: Option<usize>, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let card_columns = (columns - GAP) / 2;
    let texts: Vec<_> = view.alternatives.iter().map(|text| wrap(text, card_columns - 4)).collect();
    let height = texts.iter().map(Vec::len).max().unwrap_or(0);
    let cards = texts.into_iter().enumerate().map(|(index, mut text)| {
        text.resize(height, String::new());
        card(index, &text, card_columns, chosen, palette)
    });
    let mut rows = vec![Vec::new(); height + 2];
    for (index, card) in cards.enumerate() {
        for (row, line) in rows.iter_mut().zip(card) {
            if index > 0 {
                row.push(Span::raw(" ".repeat(GAP)));
            }
            row.extend(line.spans);
        }
    }
    rows.into_iter().map(Line::from).collect()
}

/// Cards below each other.
fn stacked(view: &QuestionView, chosen: Option<usize>, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let cards = view.choices().iter().enumerate();
    cards
        .flat_map(|(index, text)| card(index, &wrap(text, columns.saturating_sub(4)), columns, chosen, palette))
        .collect()
}

/// Alternatives below each other, without frames.
pub(crate) fn bare(view: &QuestionView, chosen: Option<usize>, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (index, alternative) in view.choices().iter().enumerate() {
        let style = if chosen == Some(index) { palette.chosen() } else { Style::new() };
        for (row, text) in wrap(alternative, columns.saturating_sub(3)).into_iter().enumerate() {
            let key = if row == 0 { format!("{}  ", index + 1) } else { "   ".to_owned() };
            lines.push(Line::from(vec![Span::styled(key, palette.accent()), Span::styled(text, style)]));
        }
    }
    lines
}

/// One card: its key in the upper edge, its text inside.
fn card(index: usize, text: &[String], columns: usize, chosen: Option<usize>, palette: Palette) -> Vec<Line<'static>> {
    let inner = columns.saturating_sub(4);
    let is_chosen = chosen == Some(index);
    // The one that was not taken steps back.
    let (edge, style) = match chosen {
        Some(_) if is_chosen => (palette.accent(), palette.bright()),
        Some(_) => (palette.dim(), palette.dim()),
        None => (Style::new(), Style::new()),
    };
    let key = if is_chosen { format!(" {} ✓ ", index + 1) } else { format!(" {} ", index + 1) };
    let rest = "─".repeat(columns.saturating_sub(3 + key.chars().count()));
    let mut lines = vec![Line::from(vec![
        Span::styled("╭─", edge),
        Span::styled(key, if chosen.is_some() && !is_chosen { palette.dim() } else { palette.accent() }),
        Span::styled(format!("{rest}╮"), edge),
    ])];
    for line in text {
        lines.push(Line::from(vec![
            Span::styled("│ ", edge),
            Span::styled(pad(line, inner), style),
            Span::styled(" │", edge),
        ]));
    }
    lines.push(Line::styled(format!("╰{}╯", "─".repeat(columns.saturating_sub(2))), edge));
    lines
}
