//! The values as a picture: each beside the person's own average, with its 90% interval, the one that matters most first.

use credence_agent::protocol::{ValueView, ValuesView};
use maud::{Markup, html};

use super::{Sheet, dated, title};
use crate::front::axis_of_picture;
use crate::front::report::{UNIT, ranked};
use crate::front::text::signed;

/// How broad it is: what would be too small to read on a phone, or beside something else, is drawn narrower.
#[derive(Clone, Copy)]
struct Breadth {
    width: f64,
    names: f64,
    numbers: f64,
    /// Room below for what the signs mean.
    bottom: f64,
}

const BROAD: Breadth = Breadth { width: 760.0, names: 206.0, numbers: 60.0, bottom: 70.0 };
const NARROW: Breadth = Breadth { width: 440.0, names: 172.0, numbers: 48.0, bottom: 30.0 };
const ROW: f64 = 27.0;
const TOP: f64 = 96.0;
/// Teal for more, orange for less, grey for what is not sure: told apart also by people who see few colours, and by their form.
const MORE: &str = "#0f766e";
const LESS: &str = "#c2410c";
const UNSURE: &str = "#94a3b8";

/// What the signs in it mean.
const SIGNS: &str = "● the estimate with its 90% interval; hollow where the interval crosses the average";

/// The picture within a page, of values that may still move: a narrow one for phones, which the style shows in place of the other.
pub(crate) fn bars(title: &str, values: &ValuesView) -> Markup {
    html! {
        div.on-screens { (picture_of(title, None, values, BROAD)) }
        div.on-phones { (narrow(title, values)) }
    }
}

/// A narrow picture, with what its signs mean below it.
pub(crate) fn narrow(title: &str, values: &ValuesView) -> Markup {
    html! {
        (picture_of(title, None, values, NARROW))
        p.quiet { (SIGNS) ". " (UNIT) }
    }
}

/// A picture that stands alone.
pub(crate) fn picture(sheet: &Sheet) -> String {
    drawn(sheet, true).into_string()
}

/// The picture; with a background and a heading where it stands alone.
pub(crate) fn drawn(sheet: &Sheet, alone: bool) -> Markup {
    picture_of(&title(&sheet.person), alone.then(|| dated(sheet)).as_deref(), &sheet.values, BROAD)
}

fn picture_of(title: &str, dated: Option<&str>, shown: &ValuesView, breadth: Breadth) -> Markup {
    let Breadth { width, names, numbers, bottom } = breadth;
    let alone = dated.is_some();
    let values = ranked(shown).values;
    let top = if alone { TOP } else { 34.0 };
    let height = top + ROW * values.len() as f64 + bottom;
    let axis = axis_of_picture(shown);
    let (from, to) = (names, width - numbers);
    let at = |x: f64| from + (x.clamp(-axis, axis) / axis + 1.0) / 2.0 * (to - from);
    let end = top + ROW * values.len() as f64;
    let ticks = [-axis, -axis / 2.0, 0.0, axis / 2.0, axis];
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}"))
            width=[alone.then_some(width)] height=[alone.then_some(height)] role="img"
            font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="14" {
            title { (title) }
            @if let Some(dated) = dated {
                rect width=(width) height=(height) fill="#ffffff" {}
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
                (bar(value, top + ROW * (row as f64 + 0.5), &at, breadth))
            }
            // Two lines: one would run over the edge in wider fonts.
            @if bottom == BROAD.bottom {
                g font-size="11" fill="#64748b" {
                    text x="24" y=(height - 28.0) { (SIGNS) }
                    text x="24" y=(height - 12.0) { (UNIT) }
                }
            }
        }
    }
}

fn tick_label(tick: f64) -> String {
    if tick == 0.0 { "0".into() } else { format!("{tick:+}") }
}

fn bar(value: &ValueView, y: f64, at: &dyn Fn(f64) -> f64, breadth: Breadth) -> Markup {
    let colour = match (value.sure, value.mean > 0.0) {
        (false, _) => UNSURE,
        (true, true) => MORE,
        (true, false) => LESS,
    };
    let (low, high, mean) = (at(value.low), at(value.high), at(value.mean));
    html! {
        text x=(breadth.names - 14.0) y=(y + 5.0) text-anchor="end" fill="#0f172a"
            font-weight=(if value.sure { "600" } else { "400" }) { (value.name) }
        line x1=(low) x2=(high) y1=(y) y2=(y) stroke=(colour) stroke-width="5" stroke-linecap="round" stroke-opacity="0.35" {}
        @if mean.is_finite() {
            circle cx=(mean) cy=(y) r="6" stroke=(colour) stroke-width="2" fill=(if value.sure { colour } else { "#ffffff" }) {}
        }
        text x=(breadth.width - 12.0) y=(y + 5.0) text-anchor="end" font-size="12" fill="#475569" { (signed(value.mean)) }
    }
}
