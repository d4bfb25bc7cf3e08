//! Values as bars: a zero line, a 90% interval, a mean; the prior beside the posterior.

use credence_agent::protocol::{ValueView, ValuesView};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::palette::Palette;
use crate::front::report::interval;
use crate::front::text::{pad, signed, width};

/// How a table of values is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Columns in all.
    pub(crate) columns: usize,
    /// Whether the prior has a line of its own; else it shows through behind the posterior.
    pub(crate) two_lines: bool,
    /// Where the axis ends, on both sides.
    pub(crate) axis: f64,
    /// Colours.
    pub(crate) palette: Palette,
}

/// Below this the bars would say nothing.
const TRACK_COLUMNS_MIN: usize = 9;

impl Table {
    /// The lines of the table, an axis last. `moved` names the values to mark, with their change.
    pub(crate) fn lines(self, view: &ValuesView, moved: &[(&str, f64)]) -> Vec<Line<'static>> {
        let widest = view.values.iter().map(|value| width(&value.name)).max().unwrap_or(0);
        let names = widest.min(self.columns * 2 / 5).max(1);
        // A mark and a space, the name, a space, the track, a space, the mean.
        let mean = |v: &ValueView| signed(v.mean).len().max(signed(v.prior_mean).len());
        let means = view.values.iter().map(mean).max().unwrap_or(0).max(5);
        let mut track = self.columns.saturating_sub(2 + names + 1 + 1 + means);
        let intervals = track >= 45;
        if intervals {
            let of = |v: &ValueView| interval(v.low, v.high).len().max(interval(v.prior_low, v.prior_high).len());
            track = track.saturating_sub(1 + view.values.iter().map(of).max().unwrap_or(0));
        }
        // An odd number of columns has one in the middle, for zero.
        track = if track < TRACK_COLUMNS_MIN { 0 } else { track - (track + 1) % 2 };
        let scale = self.axis;
        let mut lines = Vec::new();
        for value in &view.values {
            let change = moved.iter().find(|(id, _)| *id == value.id).map(|(_, change)| *change);
            lines.push(self.posterior(value, change, names, track, scale, intervals));
            if self.two_lines && track > 0 {
                let mut bar = Track::new(track, scale, self.palette);
                bar.prior(value);
                let mut spans =
                    vec![Span::styled(pad(&format!("  {:>names$} ", "before"), names + 3), self.palette.dim())];
                spans.extend(bar.spans());
                spans.push(Span::styled(
                    self.numbers(value.prior_mean, value.prior_low, value.prior_high, intervals),
                    self.palette.dim(),
                ));
                lines.push(Line::from(spans));
            }
        }
        if track > 0 {
            lines.push(Line::styled(format!("{}{}", " ".repeat(names + 3), axis(track, scale)), self.palette.dim()));
        }
        lines
    }

    fn posterior(
        self,
        value: &ValueView,
        change: Option<f64>,
        names: usize,
        track: usize,
        scale: f64,
        intervals: bool,
    ) -> Line<'static> {
        let (mark, style) = match change {
            Some(change) if change < 0.0 => ("▼ ", self.palette.down()),
            Some(_) => ("▲ ", self.palette.up()),
            None => ("  ", Style::new()),
        };
        let mut spans = vec![
            Span::styled(mark, style),
            Span::styled(pad(&value.name, names), self.palette.bright()),
            Span::raw(" "),
        ];
        if track > 0 {
            let mut bar = Track::new(track, scale, self.palette);
            if !self.two_lines {
                bar.prior(value);
            }
            bar.posterior(value);
            spans.extend(bar.spans());
        }
        spans.push(Span::raw(self.numbers(value.mean, value.low, value.high, intervals)));
        Line::from(spans)
    }

    fn numbers(self, mean: f64, low: f64, high: f64, intervals: bool) -> String {
        let interval = if intervals { format!(" {}", interval(low, high)) } else { String::new() };
        format!(" {:>5}{interval}", signed(mean))
    }
}

/// Where an axis ends at first: it holds what is believed of anybody before their first answer.
pub(crate) const AXIS: f64 = 6.0;

/// The axis that holds every mean with three quarters of its interval's width: twice as long, or four times, ... where it must be.
/// What reaches beyond it ends at its end.
pub(crate) fn axis_of(view: &ValuesView) -> f64 {
    let reach = |value: &ValueView| value.mean.abs() + 0.25 * (value.high - value.low).abs();
    let reach = view.values.iter().map(reach).filter(|r| r.is_finite()).fold(0.0_f64, f64::max);
    std::iter::successors(Some(AXIS), |axis| Some(2.0 * axis)).take(60).find(|axis| reach <= *axis).unwrap_or(AXIS)
}

/// The axis of a picture, which need not keep still: it holds every interval whole.
pub(crate) fn axis_of_picture(view: &ValuesView) -> f64 {
    let reach = |value: &ValueView| value.low.abs().max(value.high.abs());
    let reach = view.values.iter().map(reach).filter(|r| r.is_finite()).fold(0.0_f64, f64::max);
    std::iter::successors(Some(AXIS), |axis| Some(1.5 * axis)).take(90).find(|axis| reach <= *axis).unwrap_or(AXIS)
}

fn axis(track: usize, scale: f64) -> String {
    let end = format!("{scale:.2}");
    let end = end.trim_end_matches('0').trim_end_matches('.');
    let (left, right) = (format!("-{end}"), format!("+{end}"));
    let half = track / 2;
    if left.len() + 1 > half {
        return String::new();
    }
    format!("{}{}{}{}{}", left, " ".repeat(half - left.len()), "0", " ".repeat(half - right.len()), right)
}

/// One bar's cells.
struct Track {
    cells: Vec<(char, Style)>,
    scale: f64,
    palette: Palette,
}

impl Track {
    fn new(columns: usize, scale: f64, palette: Palette) -> Self {
        let mut cells = vec![(' ', Style::new()); columns];
        cells[columns / 2] = ('│', palette.dim());
        Self { cells, scale, palette }
    }

    /// The prior, dim: a dotted interval and an open mean.
    fn prior(&mut self, value: &ValueView) {
        let style = self.palette.dim();
        self.interval(value.prior_low, value.prior_high, '┄', ['┄', '┄'], style);
        self.put(value.prior_mean, '○', style);
    }

    /// The posterior, bright: a bar from zero to the mean within its interval.
    fn posterior(&mut self, value: &ValueView) {
        let style = self.palette.signed(value.mean);
        self.interval(value.low, value.high, '─', ['├', '┤'], style);
        if let (Some(zero), Some(mean)) = (self.column(0.0), self.column(value.mean)) {
            for column in zero.min(mean)..=zero.max(mean) {
                self.cells[column] = ('━', style.patch(self.palette.bright()));
            }
            for (end, mark) in [(self.column(value.low), '├'), (self.column(value.high), '┤')] {
                // An end between zero and the mean says how far the value is from none.
                if let Some(end) = end.filter(|end| (zero.min(mean)..zero.max(mean)).contains(end)) {
                    self.cells[end] = (mark, style);
                }
            }
            self.cells[zero] = ('┃', self.palette.dim());
        }
        self.put(value.mean, '●', style.patch(self.palette.bright()));
    }

    fn interval(&mut self, low: f64, high: f64, line: char, ends: [char; 2], style: Style) {
        let (Some(low), Some(high)) = (self.column(low), self.column(high)) else { return };
        let zero = self.cells.len() / 2;
        for column in low..=high {
            // The zero line stays in sight.
            self.cells[column] = if column == zero { ('│', self.palette.dim()) } else { (line, style) };
        }
        self.cells[low] = (ends[0], style);
        self.cells[high.max(low)] = (ends[1], style);
    }

    fn put(&mut self, value: f64, mark: char, style: Style) {
        if let Some(column) = self.column(value) {
            self.cells[column] = (mark, style);
        }
    }

    /// Where a number stands; nowhere if it is none.
    fn column(&self, value: f64) -> Option<usize> {
        let last = (self.cells.len() - 1) as f64;
        let position = ((value / self.scale).clamp(-1.0, 1.0) + 1.0) / 2.0 * last;
        position.is_finite().then(|| position.round() as usize)
    }

    fn spans(self) -> Vec<Span<'static>> {
        let runs = self.cells.chunk_by(|left, right| left.1 == right.1);
        runs.map(|run| Span::styled(run.iter().map(|(char, _)| char).collect::<String>(), run[0].1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::samples;

    fn text(line: &Line) -> String {
        line.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn bars_stand_where_their_numbers_are() {
        let mut value = samples::values().values.remove(0);
        (value.mean, value.low, value.high) = (0.5, 0.2, 0.8);
        (value.prior_mean, value.prior_low, value.prior_high) = (-0.5, -1.0, 0.0);
        for (two_lines, expected) in [(true, "          ┃━├━━●──┤  "), (false, "┄┄┄┄┄○┄┄┄┄┃━├━━●──┤  ")]
        {
            let mut bar = Track::new(21, 1.0, Palette { colour: false });
            if !two_lines {
                bar.prior(&value);
            }
            bar.posterior(&value);
            assert_eq!(text(&Line::from(bar.spans())), expected);
        }
    }

    #[test]
    fn every_width_and_every_number_can_be_drawn() {
        let mut view = samples::values();
        assert!(axis_of(&view) >= AXIS);
        view.values[0].mean = f64::NAN;
        view.values[1].high = f64::INFINITY;
        (view.values[2].low, view.values[2].high) = (3.0, -3.0);
        for columns in 0..140 {
            for two_lines in [false, true] {
                let lines =
                    Table { columns, two_lines, axis: AXIS, palette: Palette { colour: true } }.lines(&view, &[]);
                assert!(columns < 24 || lines.iter().all(|line| line.width() <= columns), "{columns}");
            }
        }
        assert_eq!(axis_of(&samples::values()), AXIS);
    }
}
