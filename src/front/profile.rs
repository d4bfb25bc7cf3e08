//! What is known of a person in plain sentences, for the end of a session and for the page they keep.

use credence_agent::protocol::{PageView, PersonView, PredictedView, ValueView, ValuesView};

use super::text::{counted, hanging, percent};

/// Values that are named as mattering most, and least.
const NAMED_MAX: usize = 5;

/// One part of what is said: a heading, sentences, and things listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) text: String,
    pub(crate) items: Vec<String>,
}

impl Section {
    /// As lines of plain text, with an empty line behind.
    pub(crate) fn lines(&self, columns: usize) -> Vec<String> {
        let mut lines = vec![self.heading.to_owned()];
        lines.extend(hanging("  ", &self.text, columns));
        for item in &self.items {
            lines.extend(hanging("  - ", item, columns));
        }
        lines.push(String::new());
        lines
    }
}

/// Everything that is said of a person.
pub(crate) fn sections(values: &ValuesView, person: &PersonView, page: &PageView) -> Vec<Section> {
    if values.answers + values.statements == 0 {
        let text = "Nothing is known of you yet. What is shown is what is believed of anybody.".into();
        return vec![Section { heading: "So far", text, items: Vec::new() }];
    }
    let mut sections = vec![most(values), least(values)];
    sections.extend(surprises(page));
    sections.push(open(values, page));
    sections.extend(page.predicted.as_ref().map(predicted));
    sections.push(steadiness(person));
    sections
}

fn most(values: &ValuesView) -> Section {
    let mut above: Vec<&ValueView> = values.values.iter().filter(|v| v.mean > 0.0).collect();
    above.sort_by_key(|v| v.rank);
    let (sure, unsure): (Vec<&ValueView>, Vec<&ValueView>) = above.into_iter().partition(|v| v.sure);
    let text = match (names(&sure), names(&unsure[..unsure.len().min(3)])) {
        (Some(sure), Some(unsure)) => {
            format!("Surely above your own average: {sure}. Perhaps also: {unsure}.")
        }
        (Some(sure), None) => format!("Surely above your own average: {sure}."),
        (None, Some(unsure)) => {
            format!("No value is surely above your average yet. The highest so far: {unsure}.")
        }
        (None, None) => "No value is above the others.".into(),
    };
    Section { heading: "What matters most to you", text, items: Vec::new() }
}

fn least(values: &ValuesView) -> Section {
    let mut below: Vec<&ValueView> = values.values.iter().filter(|v| v.mean < 0.0).collect();
    below.sort_by_key(|v| std::cmp::Reverse(v.rank));
    let (sure, unsure): (Vec<&ValueView>, Vec<&ValueView>) = below.into_iter().partition(|v| v.sure);
    let text = match (names(&sure), names(&unsure[..unsure.len().min(3)])) {
        (Some(sure), Some(unsure)) => {
            format!("Surely below your own average: {sure}. Perhaps also: {unsure}.")
        }
        (Some(sure), None) => format!("Surely below your own average: {sure}."),
        (None, Some(unsure)) => {
            format!("No value is surely below your average yet. The lowest so far: {unsure}.")
        }
        (None, None) => "No value is below the others.".into(),
    };
    Section { heading: "What matters least to you", text, items: Vec::new() }
}

fn names(values: &[&ValueView]) -> Option<String> {
    let named: Vec<&str> = values.iter().take(NAMED_MAX).map(|v| v.name.as_str()).collect();
    let more = values.len() - named.len();
    Some(match (named.as_slice(), more) {
        ([], _) => return None,
        (named, 1..) => format!("{} and {more} more", named.join(", ")),
        ([one], 0) => (*one).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
    })
}

fn surprises(page: &PageView) -> Option<Section> {
    page.predicted.as_ref()?;
    let (text, items) = if page.surprises.is_empty() {
        ("None of your answers was far from the prediction.".into(), Vec::new())
    } else {
        let items = page.surprises.iter().map(|s| format!("You {} (predicted with {})", s.said, percent(s.predicted)));
        ("These answers were expected least:".into(), items.collect())
    };
    Some(Section { heading: "What surprised", text, items })
}

fn open(values: &ValuesView, page: &PageView) -> Section {
    let unsure = values.values.iter().filter(|v| !v.sure).count();
    if unsure == 0 {
        let text = "For every value it is clear whether it matters more or less to you than your average.".into();
        return Section { heading: "What is still open", text, items: Vec::new() };
    }
    let all = values.values.len();
    let mut text = format!(
        "For {unsure} of {all} values it is not yet clear whether they matter more or less to you than your average."
    );
    let items: Vec<String> = page
        .open
        .iter()
        .map(|open| match open.questions.first() {
            Some(question) => format!("{}: {question}", open.name),
            None => format!("{}: no question is left that turns on it", open.name),
        })
        .collect();
    if !items.is_empty() {
        text.push_str(" The most open ones, each with a question that would help to settle it:");
    }
    Section { heading: "What is still open", text, items }
}

fn predicted(view: &PredictedView) -> Section {
    let average = |log_loss: f64| percent((-log_loss).exp());
    let (own, constant, uniform) =
        (average(view.log_loss), average(view.log_loss_constant), average(view.log_loss_uniform));
    let verdict = match (view.is_better(), view.gain_in_errors) {
        (_, None) => "That is too few answers to say whether this is better than guessing.",
        (Some(true), _) => "So you were predicted better than by guessing.",
        (Some(false), _) => "So you were predicted worse than by guessing: take this page with great caution.",
        (None, _) => "That is no better than guessing, as far as can be told: take this page with caution.",
    };
    let text = format!(
        "The program predicted {} before you gave {}. On average it gave {own} to the answer that you then chose. \
         Guessing blindly gives {uniform}, and guessing by how often you gave each kind of answer {constant}. {verdict}",
        counted(view.answers, "answer"),
        if view.answers == 1 { "it" } else { "them" }
    );
    Section { heading: "How well you were predicted", text, items: Vec::new() }
}

fn steadiness(person: &PersonView) -> Section {
    let text = format!(
        "If the same question came again, you would give the same answer with a chance of {}. The chance that your answers \
         say little about your values is {}.",
        percent(person.consistency.unwrap_or(f64::NAN)),
        percent(person.low_signal)
    );
    Section { heading: "How steady your answers are", text, items: Vec::new() }
}
