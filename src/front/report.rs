//! What a session shows, as lines of plain text: wrapped, aligned, without colour.

use credence_agent::protocol::{
    ConfirmView, MovedView, OpenedView, PersonView, QuestionView, SummaryView, ValueView, ValuesView, WhyView,
};

use credence_memory::record::QuestionKind;

use super::profile;
use super::text::{counted, hanging, pad, percent, signed, width, wrap};
use crate::hint::{hint, hint_own};

/// Columns that the name of a value may take.
const NAME_COLUMNS_MAX: usize = 28;

/// Lines about a person's values and what else is believed of them.
pub(crate) fn opened(view: &OpenedView, columns: usize) -> Vec<String> {
    let given = given(view.values.answers, view.values.statements);
    let mut lines = vec![format!("{}: {given} so far.", view.name)];
    if view.values.answers > 0 {
        lines.extend(person(&view.person, columns));
    }
    lines
}

/// A question with its numbered alternatives.
pub(crate) fn question(view: &QuestionView, columns: usize) -> Vec<String> {
    let again = if view.reask { "  (asked again, to see how steady the answers are)" } else { "" };
    let mut lines = vec![String::new(), format!("Question {}{again}", view.number), String::new()];
    if !view.situation.trim().is_empty() {
        lines.extend(wrap(&view.situation, columns.saturating_sub(2)).into_iter().map(|line| format!("  {line}")));
        lines.push(String::new());
    }
    let (before, after) = view.words();
    let plain = |text: &str| wrap(text, columns.saturating_sub(2)).into_iter().map(|line| format!("  {line}"));
    if !before.is_empty() {
        lines.extend(plain(before));
        lines.push(String::new());
    }
    if view.kind == QuestionKind::Portrait {
        lines.extend(view.alternatives.iter().flat_map(|text| hanging("    ", &format!("{text}."), columns)));
        lines.push(String::new());
        lines.extend(plain(after));
        lines.push(String::new());
    }
    for (index, choice) in view.choices().iter().enumerate() {
        lines.extend(hanging(&format!("  {}  ", index + 1), choice, columns));
    }
    if view.kind == QuestionKind::BestAndWorst {
        lines.push(String::new());
        lines.extend(plain("Two numbers: the most, then the least."));
    }
    if view.indifference_offered {
        lines.push("  =  no preference".to_owned());
    }
    lines.push(String::new());
    lines
}

/// What an answer moved.
pub(crate) fn moved(view: &MovedView, columns: usize) -> Vec<String> {
    let predicted =
        view.predicted.map_or_else(String::new, |predicted| format!(" (predicted: {})", percent(predicted)));
    let mut lines = wrap(&format!("{}{predicted}", sentence(&view.said)), columns);
    let changes: Vec<_> = view.changes.iter().filter(|change| signed(change.mean_change) != signed(0.0)).collect();
    let name_columns = changes.iter().map(|change| width(&change.name)).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
    for change in &changes {
        let width = match signed(change.width_change) {
            same if same == signed(0.0) => String::new(),
            narrower if change.width_change < 0.0 => format!("   interval narrower by {}", &narrower[1..]),
            wider => format!("   interval wider by {}", &wider[1..]),
        };
        lines.push(format!("  {}  {}{width}", pad(&change.name, name_columns), signed(change.mean_change)));
    }
    if changes.is_empty() {
        lines.push("  nothing moved by as much as 0.01".to_owned());
    }
    lines
}

/// What the numbers of values are in.
pub(crate) const UNIT: &str =
    "0 is your own average over all values. Further from 0 counts for more; the steadier the answers, the further.";

/// "12 answers and 2 statements".
pub(crate) fn given(answers: usize, statements: usize) -> String {
    match statements {
        0 => counted(answers, "answer"),
        _ => format!("{} and {}", counted(answers, "answer"), counted(statements, "statement")),
    }
}

/// "after 12 answers".
pub(crate) fn after(view: &ValuesView) -> String {
    format!("after {}", given(view.answers, view.statements))
}

/// The values in the order of what they mean to the person.
pub(crate) fn ranked(view: &ValuesView) -> ValuesView {
    let mut view = view.clone();
    view.values.sort_by_key(|value| value.rank);
    view
}

/// The values in a table, the one that matters most first: mean and 90% interval, now and before.
pub(crate) fn values(view: &ValuesView, columns: usize) -> Vec<String> {
    let name_columns =
        view.values.iter().map(|value| width(&value.name)).max().unwrap_or(0).clamp("value".len(), NAME_COLUMNS_MAX);
    let mut lines = vec![format!("     {}      now   90% interval    surely    before", pad("value", name_columns))];
    for value in &ranked(view).values {
        let ValueView { name, mean, low, high, prior_mean, rank, sure, .. } = value;
        let surely = match (sure, *mean > 0.0) {
            (true, true) => "more",
            (true, false) => "less",
            _ => "",
        };
        lines.push(format!(
            "{rank:>3}  {}   {:>6}   {}   {surely:<6}   {:>6}",
            pad(name, name_columns),
            signed(*mean),
            interval(*low, *high),
            signed(*prior_mean),
        ));
    }
    lines.extend(wrap(&format!("{}. {UNIT}", sentence(&after(view))), columns));
    lines
}

/// Why a question was chosen.
pub(crate) fn why(view: &WhyView, columns: usize) -> Vec<String> {
    let mut lines = wrap(&view.text, columns);
    lines.push(format!("  worth about {:.2} nats; {} weighed", view.gain_nats, counted(view.candidates, "candidate")));
    let labels = prediction_labels(view.predicted.len());
    for (label, probability) in labels.iter().zip(&view.predicted) {
        lines.push(format!("  {label:<13}  predicted: {:>4}", percent(*probability)));
    }
    let name_columns = view.values.iter().map(|value| width(&value.name)).max().unwrap_or(0).min(NAME_COLUMNS_MAX);
    for value in &view.values {
        lines.push(format!(
            "  {}  {} for {}, give or take {:.2}",
            pad(&value.name, name_columns),
            &signed(value.contribution.abs())[1..],
            if value.contribution >= 0.0 { 1 } else { 2 },
            value.sd
        ));
    }
    lines
}

/// What each of `count` predicted answers is: first, with three "no preference", second.
pub(crate) fn prediction_labels(count: usize) -> Vec<String> {
    match count {
        3 => ["1", "no preference", "2"].map(str::to_owned).to_vec(),
        _ => (1..=count).map(|number| number.to_string()).collect(),
    }
}

/// How consistent a person is, and how far the model can be trusted about them.
pub(crate) fn person(view: &PersonView, columns: usize) -> Vec<String> {
    let documents = view.from_documents.map_or_else(String::new, |mass| {
        format!(
            " Documents about people in general weigh {} in this; {} names the passages.",
            percent(mass),
            hint("library explain VALUE")
        )
    });
    wrap(
        &format!(
            "The same question again would get the same answer with {}. Chance that these answers are mostly noise: {}; \
             slips: about {} of answers. How far the model's guess about people is trusted here: {}.{documents}",
            percent(view.consistency.unwrap_or(f64::NAN)),
            percent(view.low_signal),
            percent(view.lapse_rate),
            percent(view.trust_in_model)
        ),
        columns,
    )
}

/// The end of a session.
pub(crate) fn summary(view: &SummaryView, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(wrap(
        &format!("The end: {}. {} counted in this session.", view.reason, given(view.answers, view.statements)),
        columns,
    ));
    lines.push(String::new());
    lines.extend(values(&view.values, columns));
    lines.push(String::new());
    lines.extend(summary_remarks(view, columns));
    lines
}

/// What a summary says besides the values.
pub(crate) fn summary_remarks(view: &SummaryView, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for section in profile::sections(&view.values, &view.person, &view.page) {
        lines.extend(section.lines(columns));
    }
    let page = hint_own("values --html --output values.html");
    lines.extend(wrap(&format!("{page} makes a page of this to keep."), columns));
    lines.push(format!("Your answers are saved in {}", view.log));
    lines
}

/// "[-0.35, +0.75]", always as wide.
pub(crate) fn interval(low: f64, high: f64) -> String {
    format!("[{:>5}, {:>5}]", signed(low), signed(high))
}

/// `text` with a capital at its beginning.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A reading of the person's words, and the keys that answer it.
pub(crate) fn confirm(view: &ConfirmView, columns: usize) -> Vec<String> {
    let mut lines = wrap(&format!("{} (y yes, n drop it, s leave it; only yes counts)", view.text), columns);
    for (i, other) in view.others.iter().enumerate() {
        lines.extend(wrap(&format!("  {}  rather: {other}", i + 1), columns));
    }
    lines
}
