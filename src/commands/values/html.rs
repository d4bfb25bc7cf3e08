//! The page as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

use maud::{DOCTYPE, PreEscaped, html};

use super::{Sheet, dated, drawing, said, title};
use crate::front::report::{UNIT, interval, ranked};
use crate::front::text::signed;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 17px/1.6 system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; color: #0f172a; background: #f8fafc; margin: 0; }
main { max-width: 780px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0; }
h2 { font-size: 19px; margin: 30px 0 4px; }
p { margin: 6px 0; }
.when, footer { color: #64748b; font-size: 15px; }
figure { background: #fff; border: 1px solid #e2e8f0; border-radius: 10px; margin: 24px 0; padding: 14px 10px 4px; }
svg { width: 100%; height: auto; display: block; }
ul { margin: 6px 0; padding-left: 22px; }
li { margin: 6px 0; }
table { border-collapse: collapse; font-size: 15px; margin-top: 10px; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid #e2e8f0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: pre; }
.wide { overflow-x: auto; }
summary { cursor: pointer; font-size: 19px; font-weight: 600; margin-top: 30px; }
footer { margin-top: 40px; border-top: 1px solid #e2e8f0; padding-top: 12px; }
@media print { body { background: #fff; font-size: 12pt; } figure { border: 0; } }
";

/// The page.
pub(crate) fn page(sheet: &Sheet) -> String {
    let title = title(&sheet.person);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { (title) }
                p.when { (dated(sheet)) }
                figure { (drawing::drawn(sheet, false)) }
                @for section in said(sheet) {
                    section {
                        h2 { (section.heading) }
                        p { (section.text) }
                        @if !section.items.is_empty() {
                            ul { @for item in &section.items { li { (item) } } }
                        }
                    }
                }
                details open {
                    summary { "In numbers" }
                    div.wide tabindex="0" role="region" aria-label="Values in numbers" { table {
                        thead { tr { th {} th { "value" } th { "now" } th { "90% interval" } th { "sure" } } }
                        tbody { @for value in &ranked(&sheet.values).values { tr {
                            td.number { (value.rank) }
                            td { (value.name) }
                            td.number { (signed(value.mean)) }
                            td.number { (interval(value.low, value.high)) }
                            td { (match (value.sure, value.mean > 0.0) { (true, true) => "more", (true, false) => "less", _ => "" }) }
                        } } }
                    } }
                    p { (UNIT) }
                }
                footer {
                    "What Credence believes through record " (sheet.through.0) " of your log, from what you answered and said. "
                    "It describes your answers, not your worth, and it may be wrong: an answer can be taken back, and more answers change it."
                }
            } }
        }
    }
    .into_string()
}
