//! A short grammar of plain English: sentences that say outright what matters more, and no others.
//!
//! It reads "X matters (a lot) to me", "I care about X more than Y", "X comes before Y", "I can't stand lying" and their like. A
//! sentence with a condition, a second negation, another person's view or a value it cannot make out is left unread, and so is the
//! whole text with it: half of what somebody said may say the opposite.

use credence_memory::record::{Condition, ReadRow, Scope, Strength};

use super::cues::{Cues, Found};
use super::forms::{
    ABOVE, AT_FIRST, BEYOND, BY_LITTLE, CHOOSING, CONCEDED, DISLIKE, EVERYTHING, EXCEPT, HELD_UP, IMPORTANCE,
    NEGATIONS, ONLY_AFTER_CHOOSING, SLIGHT, SMALL, STRONG, SWAPS, WHEN,
};
use super::row_of;

/// What was made of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// Its statements; none where it was not understood.
    pub rows: Vec<ReadRow>,
    /// A side of a comparison, or what was said to matter, that names no value known.
    pub unknown: Option<String>,
}

/// Reads a text.
pub fn read(cues: &Cues, text: &str) -> Read {
    let mut all = Read::default();
    let text =
        text.to_lowercase().replace(['\u{2019}', '`'], "'").replace('>', " over ").replace(['-', '\u{2013}'], " ");
    for sentence in text.split_inclusive(['.', '!', '?', ';', '\n']) {
        if sentence.trim_end().ends_with('?') {
            // A question says nothing about who asks.
            continue;
        }
        if sentence.contains("other way") {
            return Read::default();
        }
        let (rows, speaks) = match sentence_of(cues, sentence.trim_end_matches(['.', '!', ';', '\n', ' '])) {
            Ok(read) => read,
            Err(unknown) => return Read { rows: Vec::new(), unknown: Some(unknown) },
        };
        // What is left unread may turn round what was read; what only dwells on it does not.
        let dwells = speaks.iter().all(|f| {
            f.favours && all.rows.iter().any(|row| row.more.as_ref().is_some_and(|id| id.as_str() == cues.id(f.value)))
        });
        if rows.is_empty() && !dwells {
            return Read::default();
        }
        rows.into_iter().for_each(|row| {
            if !all.rows.contains(&row) {
                all.rows.push(row);
            }
        });
    }
    all
}

/// The rows of one sentence, and the cues in it. An unknown value is an error, with its words.
fn sentence_of(cues: &Cues, sentence: &str) -> Result<(Vec<ReadRow>, Vec<Found>), String> {
    let (main, conditions) = without_conditions(sentence);
    let little = BY_LITTLE.iter().find_map(|end| main.strip_suffix(end));
    let main = little.unwrap_or(main);
    let speaks = cues_of(cues, &words_of(sentence));
    let mut rows = match conceding(cues, main)? {
        Some(row) => vec![row],
        None => {
            let words = words_of(main);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            statement(cues, &words, &found_in(cues, &words))?
        }
    };
    for row in &mut rows {
        row.conditions.clone_from(&conditions);
        if little.is_some() {
            row.strength = Strength::Slight;
        }
    }
    Ok((rows, speaks))
}

/// A sentence without the condition at its beginning or its end.
fn without_conditions(sentence: &str) -> (&str, Vec<Condition>) {
    let sentence = sentence.trim();
    let condition =
        |scope: Scope, text: &str| vec![Condition { scope, text: text.trim_matches([',', ' ']).to_owned() }];
    if AT_FIRST.iter().any(|start| sentence.starts_with(start))
        && let Some((when, main)) = sentence.split_once(',')
    {
        return (main.trim(), condition(Scope::When, when));
    }
    for (beginnings, scope) in [(EXCEPT, Scope::Except), (WHEN, Scope::When)] {
        if let Some((main, place)) = beginnings.iter().find_map(|b| sentence.split_once(b)) {
            return (main.trim_end_matches([',', ' ']), condition(scope, place));
        }
    }
    (sentence, Vec::new())
}

/// "Comfort is nice, but safety comes first": what is conceded matters less.
fn conceding(cues: &Cues, main: &str) -> Result<Option<ReadRow>, String> {
    let Some((left, right)) = main.split_once(" but ") else { return Ok(None) };
    let (left, right) = (words_of(left), words_of(right));
    let (left, right): (Vec<&str>, Vec<&str>) =
        (left.iter().map(String::as_str).collect(), right.iter().map(String::as_str).collect());
    let praised = left.iter().any(|word| CONCEDED.contains(word)) && !left.iter().any(|word| NEGATIONS.contains(word));
    // "Nice" praises here, and is not about care.
    let named: Vec<Found> = found_in(cues, &left).into_iter().filter(|f| !CONCEDED.contains(&left[f.at])).collect();
    let (Some(less), true) = (one_value(&named), praised) else { return Ok(None) };
    // "Matters more" is complete here: than what was conceded.
    let right: Vec<&str> = right.into_iter().filter(|word| *word != "more").collect();
    let rows = alone(cues, &right, &found_in(cues, &right))?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let more = row.more.as_ref().filter(|_| row.less.is_none()).and_then(|id| cues.place(id.as_str()));
    Ok(more
        .filter(|more| *more != less)
        .and_then(|more| row_of(cues, Some(more), Some(less), row.strength, Vec::new())))
}

fn words_of(text: &str) -> Vec<String> {
    let inside = |c: char| !(c.is_alphanumeric() || c == '\'');
    text.split(inside)
        .map(|word| spelt_out(word.trim_matches('\'')).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

fn cues_of(cues: &Cues, words: &[String]) -> Vec<Found> {
    found_in(cues, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The cues in words, without "care" where it is a verb: "I care about rules" is not about care.
fn found_in(cues: &Cues, words: &[&str]) -> Vec<Found> {
    let verb = |f: &Found| {
        let before = f.at.checked_sub(1).map(|at| words[at]);
        let after = words.get(f.at + 1);
        words[f.at] == "care"
            && f.length == 1
            && (matches!(
                after,
                Some(&("about" | "a" | "more" | "less" | "deeply" | "much" | "very" | "most" | "little"))
            ) || matches!(before, Some("i" | "don't" | "really" | "not" | "also" | "do")))
    };
    cues.find(words).into_iter().filter(|f| !verb(f)).collect()
}

/// Common short forms without their apostrophe.
fn spelt_out(word: &str) -> &str {
    match word {
        "dont" => "don't",
        "doesnt" => "doesn't",
        "cant" => "can't",
        "isnt" => "isn't",
        "wouldnt" => "wouldn't",
        "id" => "i'd",
        other => other,
    }
}

/// The statements of one sentence; nothing where it is not plain. An unknown value is an error, with its words.
fn statement(cues: &Cues, words: &[&str], found: &[Found]) -> Result<Vec<ReadRow>, String> {
    if words.iter().any(|word| BEYOND.contains(word)) {
        return Ok(Vec::new());
    }
    if let Some(rows) =
        nothing_more(cues, words, found).or_else(|| refused(cues, words, found)).or_else(|| swapped(cues, words, found))
    {
        return Ok(rows);
    }
    if let Some((left, right, more)) = sides(words) {
        return compared(cues, words, found, (left, right), more);
    }
    alone(cues, words, found)
}

/// "Nothing matters more to me than X."
fn nothing_more(cues: &Cues, words: &[&str], found: &[Found]) -> Option<Vec<ReadRow>> {
    let than = words.iter().position(|word| *word == "than")?;
    let nothing = matches!(*words.first()?, "nothing" | "no" | "few") && words[..than].contains(&"more");
    let value = one_value(found).filter(|_| nothing && found.iter().all(|f| f.at > than))?;
    Some(row_of(cues, Some(value), None, Strength::Strong, Vec::new()).into_iter().collect())
}

/// "I would never lie (for a friend)": what is refused speaks against a value, and what it would be done for matters less.
fn refused(cues: &Cues, words: &[&str], found: &[Found]) -> Option<Vec<ReadRow>> {
    let never = words.iter().position(|word| matches!(*word, "never" | "wouldn't" | "won't"))?;
    let first =
        found.first().filter(|f| !f.favours && f.at > never && words[..=never].iter().any(|w| w.starts_with('i')))?;
    if words.iter().filter(|word| NEGATIONS.contains(word)).count() > 1 || words.contains(&"than") {
        return None;
    }
    let later: Vec<Found> = found.iter().filter(|f| f.value != first.value).copied().collect();
    let after = first.at + first.length;
    let less = match later.as_slice() {
        [] => None,
        [one, ..] if words[after..one.at].iter().any(|w| matches!(*w, "for" | "to")) => Some(one_value(&later)?),
        _ => return None,
    };
    Some(row_of(cues, Some(first.value), less, Strength::Strong, Vec::new()).into_iter().collect())
}

/// "I'd trade X for Y": Y matters more; "I'd never trade X for Y": X does.
fn swapped(cues: &Cues, words: &[&str], found: &[Found]) -> Option<Vec<ReadRow>> {
    let swap = words.iter().position(|word| SWAPS.contains(word))?;
    if words[swap] == "give" && words.get(swap + 1) != Some(&"up") || !words[..swap].iter().any(|w| w.starts_with('i'))
    {
        return None;
    }
    let given = (swap + 1..words.len()).find(|at| words[*at] == "for")?;
    let side = |range: Span| one_value(&found.iter().filter(|f| range.contains(&f.at)).copied().collect::<Vec<_>>());
    let (up, got) = (side(swap..given)?, side(given..words.len())?);
    let negations = words.iter().filter(|word| NEGATIONS.contains(word)).count();
    let (more, less) = match negations {
        0 => (got, up),
        1 => (up, got),
        _ => return None,
    };
    Some(row_of(cues, Some(more), Some(less), strength(words, &[]), Vec::new()).into_iter().collect())
}

type Span = std::ops::Range<usize>;

/// The two sides of a comparison, and whether the left one matters more.
fn sides(words: &[&str]) -> Option<(Span, Span, bool)> {
    let all = words.len();
    if let Some(at) = words.iter().position(|word| *word == "than") {
        let left = &words[..at];
        let has = |word: &str| left.contains(&word);
        let about = left.iter().any(|word| IMPORTANCE.contains(word));
        let rather = (has("rather") || has("sooner")) && (has("i'd") || has("would") || has("i"));
        return match (has("more"), has("less")) {
            (true, false) if about => Some((0..at, at + 1..all, true)),
            (false, true) if about => Some((0..at, at + 1..all, false)),
            (false, false) if rather => Some((0..at, at + 1..all, true)),
            _ => None,
        };
    }
    // "I value X more", "I prefer X to Y".
    if let Some(at) = words.iter().position(|word| *word == "prefer") {
        let to = (at + 2..all).rev().find(|i| words[*i] == "to")?;
        return Some((at + 1..to, to + 1..all, true));
    }
    let (at, phrase) = ABOVE.iter().find_map(|phrase| Some((find(words, phrase)?, *phrase)))?;
    let guarded = ONLY_AFTER_CHOOSING.contains(&phrase.join(" ").as_str());
    let chosen = words[..at].iter().any(|word| CHOOSING.contains(word));
    (!guarded || chosen || at <= 3).then_some((0..at, at + phrase.len()..all, true))
}

fn find(words: &[&str], phrase: &[&str]) -> Option<usize> {
    (0..words.len()).find(|at| words[*at..].starts_with(phrase))
}

fn compared(
    cues: &Cues,
    words: &[&str],
    found: &[Found],
    (left, right): (Span, Span),
    more: bool,
) -> Result<Vec<ReadRow>, String> {
    if words
        .iter()
        .any(|word| NEGATIONS.contains(word) && !(*word == "little" && find(words, &["a", "little"]).is_some()))
    {
        return Ok(Vec::new());
    }
    let inside = |span: &Span| -> Vec<Found> { found.iter().filter(|f| span.contains(&f.at)).copied().collect() };
    let (first, second) = (one_value(&inside(&left)), one_value(&inside(&right)));
    let generic = inside(&right).is_empty() && words[right.clone()].iter().any(|word| EVERYTHING.contains(word));
    // Other sentences turn at "over" and "before" too.
    let plainly = words.len() <= 4 || words.iter().any(|word| IMPORTANCE.contains(word) || CHOOSING.contains(word));
    let strength = strength(&words[..left.end.max(1)], &words[right.clone()]);
    let row = match (first, second) {
        (Some(first), Some(second)) => {
            let (above, below) = if more { (first, second) } else { (second, first) };
            row_of(cues, Some(above), Some(below), strength, Vec::new())
        }
        (Some(first), None) if generic => {
            let (above, below) = if more { (Some(first), None) } else { (None, Some(first)) };
            row_of(cues, above, below, Strength::Strong, Vec::new())
        }
        (Some(_), None) if inside(&right).is_empty() && plainly => return unknown(&words[right]),
        (None, Some(_)) if inside(&left).is_empty() && plainly => return unknown(&words[left]),
        _ => None,
    };
    Ok(row.into_iter().collect())
}

/// The value that all of these speak for; nothing where they are of several, or speak against.
fn one_value(found: &[Found]) -> Option<usize> {
    let first = found.first()?;
    found.iter().all(|f| f.value == first.value && f.favours).then_some(first.value)
}

/// The words of a side that could name something.
fn unknown(side: &[&str]) -> Result<Vec<ReadRow>, String> {
    let named: Vec<&str> =
        side.iter().filter(|word| !SMALL.contains(word) && !IMPORTANCE.contains(word)).copied().collect();
    if named.is_empty() || named.len() > 3 { Ok(Vec::new()) } else { Err(named.join(" ")) }
}

fn alone(cues: &Cues, words: &[&str], found: &[Found]) -> Result<Vec<ReadRow>, String> {
    let strength = strength(words, &[]);
    let one = |value: usize, more: bool| {
        let (above, below) = if more { (Some(value), None) } else { (None, Some(value)) };
        row_of(cues, above, below, strength, Vec::new())
    };
    if words.iter().any(|word| matches!(*word, "more" | "less" | "better")) {
        return Ok(Vec::new());
    }
    let negations = words.iter().filter(|word| NEGATIONS.contains(word)).count();
    if let Some(dislike) = DISLIKE.iter().find_map(|phrase| find(words, phrase)) {
        let own = words[..dislike].contains(&"i");
        let later = found.first().filter(|first| own && first.at > dislike);
        let agreed = later.filter(|first| found.iter().all(|f| (f.value, f.favours) == (first.value, first.favours)));
        let plain = negations == usize::from(words[dislike].starts_with("can"));
        return Ok(agreed.filter(|_| plain).and_then(|f| one(f.value, !f.favours)).into_iter().collect());
    }
    let about = words.iter().position(|word| IMPORTANCE.contains(word));
    if about.is_none() && HELD_UP.iter().any(|phrase| find(words, phrase).is_some()) {
        let first =
            found.first().filter(|first| found.iter().all(|f| (f.value, f.favours) == (first.value, first.favours)));
        let for_it = |f: &Found| f.favours == (negations == 0);
        return Ok(first
            .filter(|f| negations <= 1 && for_it(f))
            .and_then(|f| one(f.value, true))
            .into_iter()
            .collect());
    }
    if let ([.., "first"], Some(value), 0) = (words, one_value(found), negations) {
        return Ok(one(value, true).into_iter().collect());
    }
    let first_place = find(words, &["comes", "first"]).or_else(|| find(words, &["come", "first"]));
    let Some(about) = about.or(first_place) else { return Ok(Vec::new()) };
    // "I value", "I care": somebody else's caring says nothing.
    if matches!(words[about], "value" | "care" | "prize" | "cherish" | "treasure")
        && !words[..about].iter().any(|word| matches!(*word, "i" | "i've" | "i'll"))
    {
        return Ok(Vec::new());
    }
    let at_nothing = ["nothing", "little"].iter().any(|word| words.get(about + 1) == Some(word));
    let turned = words[about.saturating_sub(4)..about].iter().any(|word| NEGATIONS.contains(word)) || at_nothing;
    if negations > usize::from(turned) {
        return Ok(Vec::new());
    }
    if found.is_empty() {
        let said = if matches!(words[about], "matters" | "important" | "means") {
            &words[..about]
        } else {
            &words[about + 1..]
        };
        let to_me = find(words, &["to", "me"]).is_some() || matches!(words[about], "matters" | "value");
        let said: Vec<&str> = said.iter().filter(|word| !NEGATIONS.contains(word)).copied().collect();
        return if to_me { unknown(&said) } else { Ok(Vec::new()) };
    }
    let mut values: Vec<usize> = found.iter().map(|f| f.value).collect();
    values.dedup();
    let joined = || {
        let between = words[found[0].at..found[found.len() - 1].at].iter().enumerate();
        let in_cue = |i: usize| found.iter().any(|f| (f.at..f.at + f.length).contains(&(i + found[0].at)));
        between.filter(|(i, _)| !in_cue(*i)).all(|(_, word)| matches!(*word, "and" | "both" | "my" | "being" | "the"))
    };
    if !found.iter().all(|f| f.favours) || values.len() > 1 && !joined() {
        return Ok(Vec::new());
    }
    Ok(values.into_iter().filter_map(|value| one(value, !turned)).collect())
}

fn strength(before: &[&str], after: &[&str]) -> Strength {
    let has = |phrases: &[&[&str]]| phrases.iter().any(|p| find(before, p).or_else(|| find(after, p)).is_some());
    let weak = ["very", "much", "that"].iter().any(|word| before.contains(word) || after.contains(word));
    let not_so = weak && before.iter().any(|word| NEGATIONS.contains(word) && *word != "never");
    match (has(SLIGHT), has(STRONG)) {
        (true, _) => Strength::Slight,
        (false, true) if !not_so => Strength::Strong,
        _ => Strength::Clear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::schema::ValueSchema;
    use proptest::prelude::*;

    fn said(text: &str) -> Vec<(Option<String>, Option<String>, Strength)> {
        let id = |value: Option<credence_memory::ids::ValueId>| value.map(|v| v.to_string());
        let read = read(&Cues::of(&ValueSchema::embedded()), text);
        read.rows.into_iter().map(|row| (id(row.more), id(row.less), row.strength)).collect()
    }

    fn check(text: &str, more: Option<&str>, less: Option<&str>, strength: Strength) {
        assert_eq!(said(text), [(more.map(str::to_owned), less.map(str::to_owned), strength)], "{text}");
    }

    #[test]
    fn plain_statements_are_read() {
        use Strength::{Clear, Slight, Strong};
        check("Honesty matters a lot to me.", Some("honesty"), None, Strong);
        check("I care about fairness more than loyalty", Some("fairness"), Some("loyalty"), Clear);
        check("I care a bit more about the planet than about money.", Some("nature"), Some("thrift"), Slight);
        check("Privacy is much more important to me than fun.", Some("privacy"), Some("enjoyment"), Strong);
        check("Tradition is less important to me than freedom.", Some("autonomy"), Some("tradition"), Clear);
        check("I'd rather be honest than kind.", Some("honesty"), Some("care"), Clear);
        check("Safety comes before fun for me, every time", Some("safety"), Some("enjoyment"), Strong);
        check("i dont really care about tradition tbh", None, Some("tradition"), Clear);
        check("Success isn't very important to me", None, Some("achievement"), Clear);
        check("I can't stand liars.", Some("honesty"), None, Clear);
        check("I value my freedom more than anything.", Some("autonomy"), None, Strong);
        check("I'd put fairness above loyalty.", Some("fairness"), Some("loyalty"), Clear);
    }

    #[test]
    fn what_is_not_plain_is_left() {
        for text in [
            "I don't think honesty matters more than privacy",
            "Honesty matters to me, but not at work.",
            "She says honesty matters a lot.",
            "My boss values punctuality.",
            "Does honesty matter?",
            "I tripped over the wallet before breakfast.",
            "Comfort is nice. Safety is more important.",
            "I used to care about success.",
            "The weather was awful.",
            "ok",
        ] {
            assert_eq!(said(text), [], "{text}");
        }
        // Words within words decide nothing.
        check("Honesty matters every day", Some("honesty"), None, Strength::Clear);
    }

    #[test]
    fn a_value_that_is_not_known_is_never_replaced() {
        let cues = Cues::of(&ValueSchema::embedded());
        for text in ["Bravery matters more to me than safety", "bravery > safety", "Bravery matters a lot to me"] {
            let read = read(&cues, text);
            assert_eq!((read.rows.len(), read.unknown.as_deref()), (0, Some("bravery")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(text in ".{0,120}") {
            let _ = said(&text);
        }

        #[test]
        fn no_words_of_the_grammar_make_it_panic(words in proptest::collection::vec(
            proptest::sample::select(vec!["i", "care", "more", "than", "honesty", "not", "matters", "over", "to", "prefer", "can't", "stand", "lies", "?"]), 0..12)) {
            let _ = said(&words.join(" "));
        }
    }
}
