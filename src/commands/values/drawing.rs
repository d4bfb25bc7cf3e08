//! The values as a picture: each beside the person's own average, with its 90% interval, the one that matters most first.

use credence_agent::protocol::{ValueView, ValuesView};
use maud::{Markup, html};

use super::{Sheet, dated, title};
use crate::front::axis_of_picture;
use crate::front::report::{UNIT, ranked};
use crate::front::text::signed;

const WIDTH: f64 = 760.0;
const NAMES: f64 = 206.0;
const NUMBERS: f64 = 60.0;
const ROW: f64 = 27.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 70.0;
/// Teal for more, orange for less, grey for what is not sure: told apart also by people who see few colours, and by their form.
const MORE: &str = "#0f766e";
const LESS: &str = "#c2410c";
const UNSURE: &str = "#94a3b8";

/// The picture within a page, of values that may still move.
pub(crate) fn bars(title: &str, values: &ValuesView) -> Markup {
    picture_of(title, None, values)
}

/// A picture that stands alone.
pub(crate) fn picture(sheet: &Sheet) -> String {
    drawn(sheet, true).into_string()
}

/// The picture; with a background and a heading where it stands alone.
pub(crate) fn drawn(sheet: &Sheet, alone: bool) -> Markup {
    picture_of(&title(&sheet.person), alone.then(|| dated(sheet)).as_deref(), &sheet.values)
}

fn picture_of(title: &str, dated: Option<&str>, shown: &ValuesView) -> Markup {
    let alone = dated.is_some();
    let values = ranked(shown).values;
    let top = if alone { TOP } else { 34.0 };
    let height = top + ROW * values.len() as f64 + BOTTOM;
    let axis = axis_of_picture(shown);
    let (from, to) = (NAMES, WIDTH - NUMBERS);
    let at = |x: f64| from + (x.clamp(-axis, axis) / axis + 1.0) / 2.0 * (to - from);
    let end = top + ROW * values.len() as f64;
    let ticks = [-axis, -axis / 2.0, 0.0, axis / 2.0, axis];
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}"))
            width=[alone.then_some(WIDTH)] height=[alone.then_some(height)] role="img"
            font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="14" {
            title { (title) }
            @if let Some(dated) = dated {
                rect width=(WIDTH) height=(height) fill="#ffffff" {}
                text x="24" y="38" font-size="22" font-weight="600" fill="#0f172a" { (title) }
                text x="24" y="60" fill="#475569" { (dated) }
            }
            text x=(at(0.0) - 10.0) y=(top - 12.0) text-anchor="end" font-size="12" fill="#64748b" { "← less than my average" }
            text x=(at(0.0) + 10.0) y=(top - 12.0) font-size="12" fill="#64748b" { "more than my average →" }
            @for tick in ticks {
                line x1=(at(tick)) x2=(at(tick)) y1=(top - 4.0) y2=(end + 4.0)
                    stroke=(if tick == 0.0 { "#334155" } else { "#cbd5e1" }) stroke-width=(if tick == 0.0 { "1.5" } else { "1" })
                    stroke-dasharray=[(tick != 0.0).then_some("2 4")] {}
                text x=(at(tick)) y=(end + 20.0) text-anchor="middle" font-size="11" fill="#64748b" { (tick_label(tick)) }
            }
            @for (row, value) in values.iter().enumerate() {
                (bar(value, top + ROW * (row as f64 + 0.5), &at))
            }
            // Two lines: one would run over the edge in wider fonts.
            g font-size="11" fill="#64748b" {
                text x="24" y=(height - 28.0) { "● the estimate with its 90% interval; hollow where the interval crosses the average" }
                text x="24" y=(height - 12.0) { (UNIT) }
            }
        }
    }
}

fn tick_label(tick: f64) -> String {
    if tick == 0.0 { "0".into() } else { format!("{tick:+}") }
}

fn bar(value: &ValueView, y: f64, at: &dyn Fn(f64) -> f64) -> Markup {
    let colour = match (value.sure, value.mean > 0.0) {
        (false, _) => UNSURE,
        (true, true) => MORE,
        (true, false) => LESS,
    };
    let (low, high, mean) = (at(value.low), at(value.high), at(value.mean));
    html! {
        text x=(NAMES - 14.0) y=(y + 5.0) text-anchor="end" fill="#0f172a"
            font-weight=(if value.sure { "600" } else { "400" }) { (value.name) }
        line x1=(low) x2=(high) y1=(y) y2=(y) stroke=(colour) stroke-width="5" stroke-linecap="round" stroke-opacity="0.35" {}
        @if mean.is_finite() {
            circle cx=(mean) cy=(y) r="6" stroke=(colour) stroke-width="2" fill=(if value.sure { colour } else { "#ffffff" }) {}
        }
        text x=(WIDTH - 12.0) y=(y + 5.0) text-anchor="end" font-size="12" fill="#475569" { (signed(value.mean)) }
    }
}
