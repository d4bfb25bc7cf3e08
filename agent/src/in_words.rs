//! What a person said, in words: the texts of alternatives and the names of values in place of numbers and ids.

use std::borrow::Cow;

use credence_memory::evidence::Form;
use credence_memory::ids::{AlternativeId, PersonId, Seq, ValueId};
use credence_memory::record::{ReadRow, Record, Verdict};
use credence_memory::state::State;

use crate::importance::Importance;

/// More of one text is not shown where it stands beside others.
const TEXT_CHARS_MAX: usize = 120;

/// The beginning of a text, for where it is one of several.
pub fn brief(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => Cow::Owned(format!("{} [...]", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// What an evidence record that counts says; nothing where the person has no such record.
pub fn evidence(state: &State, person: &PersonId, seq: Seq, name: impl Fn(&str) -> String) -> Option<String> {
    let evidence = state.person(person)?.evidence().iter().find(|e| e.seq == seq)?;
    let text = |index: &u32| {
        state.descriptions().get(*index as usize).map_or_else(|| "?".to_owned(), |d| brief(&d.text).into_owned())
    };
    Some(match &evidence.form {
        Form::Choice { pair, chosen: Some(c), .. } => {
            let c = usize::from(*c).min(1);
            chose(&text(&pair[c]), &[text(&pair[1 - c])])
        }
        Form::Choice { pair, chosen: None, .. } => no_preference(&text(&pair[0]), &text(&pair[1])),
        Form::Indirect { pair, demonstrated: false } => corrected(&text(&pair[1]), &text(&pair[0])),
        Form::Indirect { pair, demonstrated: true } => did(&text(&pair[0]), &[text(&pair[1])]),
        Form::Order { alternatives, order, best_and_worst, demonstrated } => {
            let texts: Vec<String> = alternatives.iter().map(text).collect();
            let order: Vec<usize> = order.iter().map(|place| usize::from(*place)).collect();
            if let (true, [best, worst]) = (best_and_worst, order.as_slice()) {
                return Some(most_and_least(&texts, *best, *worst));
            }
            match (order.as_slice(), demonstrated) {
                ([first], false) => chose(&texts[*first], &others(&texts, *first)),
                ([first, ..], true) => did(&texts[*first], &others(&texts, *first)),
                _ => ranked(&texts, &order),
            }
        }
        Form::Verdict { alternative, verdict } => verdict_on(*verdict, &text(alternative)),
        Form::Rating { alternative, level, levels } => rated(u32::from(*level), u32::from(*levels), &text(alternative)),
        Form::Importance { value, other, favoured, strength, .. } => {
            let id = |place: u16| state.epoch().and_then(|e| e.layout.values().get(usize::from(place)).cloned());
            let (value, other) = (id(*value), other.and_then(id));
            let (more, less) = if *favoured { (value, other) } else { (other, value) };
            stated(&ReadRow { more, less, strength: *strength, conditions: Vec::new() }, name)
        }
    })
}

/// What a record of evidence says, whether it counts or not; nothing for records of other kinds.
pub fn record(state: &State, record: &Record, name: impl Fn(&str) -> String) -> Option<String> {
    let text =
        |id: &AlternativeId| state.description(id).map_or_else(|| "?".to_owned(), |d| brief(&d.text).into_owned());
    let texts = |ids: &[AlternativeId]| ids.iter().map(text).collect::<Vec<_>>();
    Some(match record {
        Record::ChoiceMade(r) => {
            match (r.chosen.and_then(|c| Some((c, r.alternatives.get(c)?))), r.alternatives.as_slice()) {
                (Some((at, chosen)), all) => chose(&text(chosen), &others(&texts(all), at)),
                (None, [first, second, ..]) => no_preference(&text(first), &text(second)),
                (None, _) => "had no preference".into(),
            }
        }
        Record::RankingGiven(r) => match (r.order.as_slice(), r.worst) {
            ([best], Some(worst)) => most_and_least(&texts(&r.alternatives), *best, worst),
            _ => ranked(&texts(&r.alternatives), &r.order),
        },
        Record::VerdictGiven(r) => verdict_on(r.verdict, &text(&r.alternative)),
        Record::RatingGiven(r) => rated(r.level, r.levels, &text(&r.alternative)),
        Record::CorrectionMade(r) => corrected(&text(&r.rejected), &text(&r.preferred)),
        Record::DemonstrationGiven(r) => did(&text(&r.chosen), &texts(&r.over)),
        Record::ImportanceStated(r) => {
            let row = ReadRow {
                more: r.more.clone(),
                less: r.less.clone(),
                strength: r.strength,
                conditions: r.conditions.clone(),
            };
            let unsure = r
                .misreading
                .map_or_else(String::new, |p| format!(" (unconfirmed, misread with probability {:.2})", p.get()));
            format!("{}{unsure}", stated(&row, name))
        }
        _ => return None,
    })
}

/// "said that honesty matters more than privacy".
pub fn stated(row: &ReadRow, name: impl Fn(&str) -> String) -> String {
    let id = |value: &Option<ValueId>| value.as_ref().map(ToString::to_string);
    let importance = Importance { more: id(&row.more), less: id(&row.less), strength: row.strength };
    format!("said that {}", importance.clause(name))
}

fn others(texts: &[String], but: usize) -> Vec<String> {
    texts.iter().enumerate().filter(|(i, _)| *i != but).map(|(_, text)| text.clone()).collect()
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

fn chose(chosen: &str, over: &[String]) -> String {
    if over.is_empty() { format!("chose {chosen:?}") } else { format!("chose {chosen:?} over {}", quoted(over)) }
}

fn no_preference(first: &str, second: &str) -> String {
    format!("had no preference between {first:?} and {second:?}")
}

fn corrected(rejected: &str, preferred: &str) -> String {
    format!("not {rejected:?}, rather {preferred:?}")
}

fn did(chosen: &str, over: &[String]) -> String {
    format!("did {chosen:?} and not {}", quoted(over))
}

fn ranked(texts: &[String], order: &[usize]) -> String {
    let ranked: Vec<String> = order.iter().filter_map(|place| texts.get(*place).cloned()).collect();
    let left: Vec<String> =
        texts.iter().enumerate().filter(|(i, _)| !order.contains(i)).map(|(_, text)| text.clone()).collect();
    let before = if left.is_empty() { String::new() } else { format!(", all before {}", quoted(&left)) };
    format!("ranked {}{before}", ranked.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", then "))
}

fn verdict_on(verdict: Verdict, text: &str) -> String {
    let said = match verdict {
        Verdict::Agree => "agreed with",
        Verdict::Pass => "neither agreed nor disagreed with",
        Verdict::Disagree => "disagreed with",
    };
    format!("{said} {text:?}")
}

fn most_and_least(texts: &[String], best: usize, worst: usize) -> String {
    let text = |place: usize| texts.get(place).map_or("?", String::as_str);
    format!("said that of {} the most important is {:?} and the least {:?}", texts.len(), text(best), text(worst))
}

fn rated(level: u32, levels: u32, text: &str) -> String {
    format!("rated {text:?} {level} of {levels}")
}
