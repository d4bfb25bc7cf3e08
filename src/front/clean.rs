//! Everything a session shows, cleaned at the one place where it enters the person's side.

use credence_agent::protocol::{
    ConfirmView, Contribution, MovedView, OpenView, OpenedView, PageView, Progress, QuestionView, Shown, SummaryView,
    SurpriseView, ValueChange, ValueView, ValuesView, WhyView,
};

use super::text::clean;

/// `shown` with every text made fit for a terminal.
pub(crate) fn cleaned(mut shown: Shown) -> Shown {
    for text in texts(&mut shown) {
        *text = clean(text);
    }
    shown
}

/// Every text in `shown`. The patterns name each field, so that a new one cannot be forgotten here.
fn texts(shown: &mut Shown) -> Vec<&mut String> {
    match shown {
        Shown::Opened(OpenedView { name, values, person: _ }) => chain([name], values_texts(values)),
        Shown::Progress(Progress { what, done: _, total: _ }) => vec![what],
        Shown::Question(QuestionView {
            number: _,
            kind: _,
            situation,
            alternatives,
            levels,
            indifference_offered: _,
            gain_nats: _,
            reask: _,
            remaining: _,
        }) => chain([situation], alternatives.iter_mut().chain(levels).collect()),
        Shown::Moved(MovedView { seq: _, said, predicted: _, changes, values, person: _ }) => {
            let mut texts = chain([said], values_texts(values));
            for ValueChange { id, name, mean_change: _, width_change: _ } in changes {
                texts.extend([id, name]);
            }
            texts
        }
        Shown::Why(WhyView { text, gain_nats: _, predicted: _, values, candidates: _ }) => {
            let names = values.iter_mut().map(|Contribution { name, contribution: _, sd: _ }| name);
            chain([text], names.collect())
        }
        Shown::Values(values) => values_texts(values),
        Shown::Notice { text } | Shown::Problem { text } => vec![text],
        Shown::Confirm(ConfirmView { text, others }) => chain([text], others.iter_mut().collect()),
        Shown::Summary(SummaryView {
            reason,
            answers: _,
            statements: _,
            values,
            unsure,
            person: _,
            log_loss: _,
            page,
            log,
        }) => {
            let mut texts = chain([reason, log], values_texts(values));
            texts.extend(page_texts(page));
            texts.extend(unsure);
            texts
        }
    }
}

fn page_texts(PageView { predicted: _, surprises, open }: &mut PageView) -> Vec<&mut String> {
    let surprises = surprises.iter_mut().map(|SurpriseView { seq: _, said, predicted: _ }| said);
    let open =
        open.iter_mut().flat_map(|OpenView { id, name, questions }| chain([id, name], questions.iter_mut().collect()));
    surprises.chain(open).collect()
}

fn values_texts(ValuesView { values, answers: _, statements: _ }: &mut ValuesView) -> Vec<&mut String> {
    let mut texts = Vec::new();
    for value in values {
        let ValueView {
            id,
            name,
            mean: _,
            low: _,
            high: _,
            prior_mean: _,
            prior_low: _,
            prior_high: _,
            probability_above: _,
            rank: _,
            sure: _,
        } = value;
        texts.extend([id, name]);
    }
    texts
}

fn chain<'a, const N: usize>(first: [&'a mut String; N], rest: Vec<&'a mut String>) -> Vec<&'a mut String> {
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{samples, text::is_hazard};

    #[test]
    fn no_text_of_any_message_reaches_the_terminal_raw() {
        for shown in samples::one_of_each() {
            // Every string of the message becomes hostile, through JSON, so that none can be missed.
            let mut json = serde_json::to_value(&shown).expect("messages serialise");
            poison(&mut json, true);
            let hostile: Shown = serde_json::from_value(json).expect("still a message");
            let json = serde_json::to_string(&cleaned(hostile)).expect("messages serialise");
            assert!(!json.contains("\\u001b") && !json.chars().any(is_hazard), "{json}");
        }
    }

    fn poison(json: &mut serde_json::Value, top: bool) {
        match json {
            serde_json::Value::String(text) => text.push_str("\u{1b}[31m\u{202e}"),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| poison(item, false)),
            serde_json::Value::Object(fields) => {
                fields
                    .iter_mut()
                    .filter(|(name, _)| !(top && (*name == "shown" || *name == "kind")))
                    .for_each(|(_, value)| poison(value, false));
            }
            _ => {}
        }
    }
}
