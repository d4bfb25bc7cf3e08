//! A small grammar of English statements of importance: sentences, conditions, comparisons, negations, strength.
//!
//! Every value spoken of gets a sign: that of its cue (a lie speaks against honesty), turned by its side of a comparison and by each
//! negation. What comes out positive matters more, what comes out negative matters less.

use std::ops::Range;

use credence_memory::record::{Condition, ReadRow, Scope, Strength};

use super::cues::{Cues, Found};
use super::row_of;

/// A word or a mark of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    word: String,
    bytes: Range<usize>,
}

/// One statement, before its values are settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Value and signed weight of each cue.
    spoken: Vec<(usize, i32)>,
    /// The side of a comparison that names no value, with its sign.
    open: Option<(String, i32)>,
    strength: Strength,
    conditions: Vec<Condition>,
    /// "The other way round": the statement before, turned.
    turned: Option<Box<Statement>>,
}

/// Words between which a comparison turns, with the signs of its left and right side.
const TURNS: [(&[&str], i32, i32); 22] = [
    (&["rather", "than"], 1, -1),
    (&["instead", "of"], 1, -1),
    (&["as", "opposed", "to"], 1, -1),
    (&["at", "the", "expense", "of"], 1, -1),
    (&["at", "the", "cost", "of"], 1, -1),
    (&["regardless", "of"], 1, -1),
    (&["comes", "after"], -1, 1),
    (&["come", "after"], -1, 1),
    (&["comes", "before"], 1, -1),
    (&["takes", "second", "place", "to"], -1, 1),
    (&["ahead", "of"], 1, -1),
    (&["before"], 1, -1),
    (&["beats"], 1, -1),
    (&["beat"], 1, -1),
    (&["trumps"], 1, -1),
    (&["outweighs"], 1, -1),
    (&["outranks"], 1, -1),
    (&["above"], 1, -1),
    (&["over"], 1, -1),
    (&["not", "for"], 1, -1),
    (&[">"], 1, -1),
    (&["<"], -1, 1),
];

/// Words that give up what follows them for what follows "for".
const SWAPS: [&str; 9] =
    ["trade", "trading", "swap", "swapping", "exchange", "sacrifice", "sacrificing", "give", "giving"];

/// Words that turn a statement into its opposite.
const NEGATIONS: [&str; 43] = [
    "not",
    "never",
    "no",
    "nobody",
    "nothing",
    "none",
    "hardly",
    "barely",
    "neither",
    "nor",
    "hate",
    "hates",
    "dislike",
    "dislikes",
    "despise",
    "detest",
    "loathe",
    "unimportant",
    "overrated",
    "pointless",
    "little",
    "wrong",
    "bad",
    "cannot",
    "worse",
    "stop",
    "annoys",
    "bothers",
    "less",
    "tired",
    "sick",
    "awful",
    "terrible",
    "horrible",
    "unacceptable",
    "rude",
    "disrespectful",
    "shameful",
    "disgusting",
    "ridiculous",
    "against",
    "nonsense",
    "upsets",
];

/// Words that turn what is named within [`REACH`] words after them, and nothing else.
const SPOILERS: [&str; 16] = [
    "break",
    "breaks",
    "breaking",
    "broke",
    "ignore",
    "ignores",
    "ignoring",
    "violate",
    "violating",
    "lack",
    "lacking",
    "without",
    "lose",
    "losing",
    "harm",
    "harming",
];
const REACH: usize = 3;

/// Words that end in a comparison with "than" and say that its left side is the better one.
const BETTER: [&str; 11] =
    ["more", "rather", "sooner", "better", "i'd", "kinder", "nicer", "safer", "wiser", "fairer", "higher"];
/// Words that say that it is the worse one.
const WORSE: [&str; 3] = ["less", "worse", "lower"];

/// Sides of a comparison that stand for everything: the model is not asked which value they are.
const EVERYTHING: [&str; 9] = ["everything", "anything", "all", "nothing", "most", "sorry", "ever", "else", "anyone"];

/// Phrases whose "not" is no negation of what follows, or counts once.
const TAMED: [&[&str]; 9] = [
    &["don't", "mind"],
    &["doesn't", "bother", "me"],
    &["do", "not", "mind"],
    &["wouldn't", "mind"],
    &["not", "only"],
    &["nobody", "ever"],
    &["no", "one", "ever"],
    &["a", "little"],
    &["no", "matter"],
];

/// Phrases of two negations that are one.
const ONCE: [&[&str]; 4] = [&["can't", "stand"], &["cannot", "stand"], &["can't", "bear"], &["cannot", "bear"]];

/// Without one of these, or a comparison, nothing is said about importance.
const ATTITUDES: [&str; 66] = [
    "nobody's",
    "okay",
    "ok",
    "fine",
    "acceptable",
    "alright",
    "comes",
    "come",
    "try",
    "hope",
    "matter",
    "matters",
    "important",
    "importance",
    "care",
    "cares",
    "value",
    "values",
    "like",
    "love",
    "hate",
    "should",
    "must",
    "deserves",
    "deserve",
    "never",
    "always",
    "first",
    "everything",
    "worth",
    "rather",
    "prefer",
    "would",
    "i'd",
    "want",
    "need",
    "please",
    "stand",
    "mind",
    "believe",
    "respect",
    "hates",
    "dislike",
    "priority",
    "counts",
    "count",
    "best",
    "worst",
    "all",
    "nothing",
    "can't",
    "won't",
    "wouldn't",
    "don't",
    "trust",
    "admire",
    "enjoy",
    "allowed",
    "rank",
    "think",
    "expect",
    "ought",
    "let",
    "everyone",
    "nobody",
    "goes",
];

const SLIGHT: [&[&str]; 19] = [
    &["slightly"],
    &["a", "bit"],
    &["abit"],
    &["a", "little"],
    &["somewhat"],
    &["mostly"],
    &["lean"],
    &["leaning"],
    &["marginally"],
    &["a", "touch"],
    &["a", "shade"],
    &["usually"],
    &["kind", "of"],
    &["sort", "of"],
    &["not", "very"],
    &["very", "high"],
    &["on", "balance"],
    &["maybe"],
    &["tend", "to"],
];

const STRONG: [&[&str]; 27] = [
    &["far"],
    &["much", "more"],
    &["much"],
    &["always"],
    &["never"],
    &["nothing"],
    &["everything"],
    &["every", "time"],
    &["above", "all"],
    &["most"],
    &["hate"],
    &["one", "thing"],
    &["any", "day"],
    &["no", "matter", "what"],
    &["absolutely"],
    &["extremely"],
    &["strongly"],
    &["deeply"],
    &["at", "all", "costs"],
    &["at", "any", "price"],
    &["a", "lot"],
    &["very"],
    &["by", "far"],
    &["hands", "down"],
    &["without", "question"],
    &["first"],
    &["more", "than", "anything"],
];

/// Beginnings of a condition, with its scope; the longest first.
const CONDITIONS: [(&[&str], Scope); 34] = [
    (&["except", "when"], Scope::Except),
    (&["except", "about"], Scope::Except),
    (&["except", "for"], Scope::Except),
    (&["except", "if"], Scope::Except),
    (&["except", "in"], Scope::Except),
    (&["except", "where"], Scope::Except),
    (&["except", "with"], Scope::Except),
    (&["except"], Scope::Except),
    (&["apart", "from"], Scope::Except),
    (&["unless"], Scope::Except),
    (&["but", "not", "when"], Scope::Except),
    (&["but", "not", "if"], Scope::Except),
    (&["but", "not", "with"], Scope::Except),
    (&["but", "not", "about"], Scope::Except),
    (&["when", "it", "comes", "to"], Scope::When),
    (&["as", "far", "as"], Scope::When),
    (&["in", "matters", "of"], Scope::When),
    (&["concerning"], Scope::When),
    (&["regarding"], Scope::When),
    (&["with", "my"], Scope::When),
    (&["with", "children"], Scope::When),
    (&["with", "strangers"], Scope::When),
    (&["with", "friends"], Scope::When),
    (&["for", "myself"], Scope::When),
    (&["for", "my", "own"], Scope::When),
    (&["for", "children"], Scope::When),
    (&["at", "work"], Scope::When),
    (&["at", "home"], Scope::When),
    (&["at", "school"], Scope::When),
    (&["about", "work"], Scope::When),
    (&["in", "public"], Scope::When),
    (&["in", "an", "emergency"], Scope::When),
    (&["in", "emergencies"], Scope::When),
    (&["on", "holiday"], Scope::When),
];

/// Conditions that are as long as their beginning says.
fn is_closed(beginning: &[&str]) -> bool {
    let last = beginning[beginning.len() - 1];
    matches!(
        last,
        "work"
            | "home"
            | "school"
            | "public"
            | "myself"
            | "emergency"
            | "emergencies"
            | "holiday"
            | "children"
            | "strangers"
            | "friends"
    )
}

impl Statement {
    /// The words of a comparison's side that names no value by its cues.
    pub fn side_without_value(&self) -> Option<&str> {
        self.open.as_ref().map(|(side, _)| side.as_str())
    }

    /// The statement with the model's guess for its open side.
    pub fn with_guess(mut self, guess: Option<usize>) -> Self {
        if let (Some((_, sign)), Some(value)) = (self.open.take(), guess)
            && !self.spoken.iter().any(|(v, _)| *v == value)
        {
            self.spoken.push((value, sign));
        }
        self
    }

    /// The row it says, if it speaks of a value.
    pub fn row(&self, cues: &Cues) -> Option<ReadRow> {
        if let Some(before) = &self.turned {
            let row = before.row(cues)?;
            let conditions = self.conditions.clone();
            return Some(ReadRow { more: row.less, less: row.more, strength: row.strength, conditions });
        }
        let mut totals: Vec<(usize, i32)> = Vec::new();
        for &(value, weight) in &self.spoken {
            match totals.iter_mut().find(|(v, _)| *v == value) {
                Some((_, total)) => *total += weight,
                None => totals.push((value, weight)),
            }
        }
        // The first of equals: what is named first is what is spoken about.
        let best = |sign: i32| {
            let mut found: Option<(usize, i32)> = None;
            for &(value, total) in &totals {
                if total * sign > found.map_or(0, |(_, t)| t) {
                    found = Some((value, total * sign));
                }
            }
            found.map(|(value, _)| value)
        };
        let (more, less) = (best(1), best(-1));
        if more.is_none() && less.is_none() {
            return None;
        }
        row_of(cues, more, less, self.strength, self.conditions.clone())
    }
}

/// The statements of a text.
pub fn statements(cues: &Cues, text: &str) -> Vec<Statement> {
    let tokens = tokens(text);
    let mut found: Vec<Statement> = Vec::new();
    let mut last_spoken: Option<usize> = None;
    for sentence in sentences(&tokens) {
        if tokens[sentence.clone()].last().is_some_and(|t| t.word == "?") {
            continue;
        }
        let strength = strength(&words(&tokens[sentence.clone()]));
        let mut conceded: Option<usize> = None;
        for part in parts(&tokens, sentence) {
            let (statement, spoken) = statement(cues, text, &tokens[part], strength, last_spoken, found.last());
            last_spoken = spoken.or(last_spoken);
            let praises = |s: &Statement| {
                s.open.is_none()
                    && s.turned.is_none()
                    && s.conditions.is_empty()
                    && s.spoken.iter().all(|(_, w)| *w > 0)
            };
            match (statement, conceded.take()) {
                // "Comfort is nice, but safety comes first": what is conceded matters less.
                (Some(mut s), Some(value)) if praises(&s) && !s.spoken.iter().any(|(v, _)| *v == value) => {
                    if found
                        .last()
                        .is_some_and(|before| praises(before) && before.spoken.iter().any(|(v, _)| *v == value))
                    {
                        found.pop();
                    }
                    s.spoken.push((value, -1));
                    found.push(s);
                }
                (statement, _) => {
                    conceded = match &statement {
                        Some(s) if praises(s) => s.spoken.first().map(|(v, _)| *v),
                        Some(_) => None,
                        None => spoken,
                    };
                    found.extend(statement);
                }
            }
        }
    }
    found
}

/// Rows with repetitions left out; a one-sided row and the opposite one after it are one comparison.
pub fn merged(rows: Vec<ReadRow>) -> Vec<ReadRow> {
    let mut kept: Vec<ReadRow> = Vec::new();
    for row in rows {
        let alone = |r: &ReadRow| r.more.is_some() != r.less.is_some();
        if let Some(before) = kept.last_mut()
            && before.conditions.is_empty()
            && row.conditions.is_empty()
        {
            if alone(before) && alone(&row) && before.more.is_some() != row.more.is_some() {
                before.more = before.more.take().or(row.more);
                before.less = before.less.take().or(row.less);
                if before.more == before.less {
                    kept.pop();
                }
                continue;
            }
            let within = |a: &ReadRow, b: &ReadRow| {
                (a.more.is_none() || a.more == b.more) && (a.less.is_none() || a.less == b.less)
            };
            if within(&row, before) {
                continue;
            }
            if within(before, &row) {
                *before = row;
                continue;
            }
        }
        kept.push(row);
    }
    kept
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut start = None;
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}' | '-');
    for (at, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        if inside(c) {
            start.get_or_insert(at);
            continue;
        }
        if let Some(from) = start.take() {
            let word = text[from..at].to_lowercase().replace('\u{2019}', "'");
            let word = word.trim_matches(['-', '\'']).to_owned();
            for word in word.split('-').filter(|w| !w.is_empty()) {
                found.push(Token { word: spelt_out(word).to_owned(), bytes: from..at });
            }
        }
        if matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '>' | '<' | '\n' | '(' | ')') {
            found.push(Token { word: c.to_string(), bytes: at..at + c.len_utf8() });
        }
    }
    found
}

/// Common short forms without their apostrophe.
fn spelt_out(word: &str) -> &str {
    match word {
        "dont" => "don't",
        "doesnt" => "doesn't",
        "cant" => "can't",
        "isnt" => "isn't",
        "wont" => "won't",
        "id" => "i'd",
        other => other,
    }
}

fn words(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|t| t.word.as_str()).collect()
}

/// Ranges of tokens that are sentences, with the mark that ends each.
fn sentences(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (i, token) in tokens.iter().enumerate() {
        if matches!(token.word.as_str(), "." | "!" | "?" | ";" | "\n") {
            if i > start {
                found.push(start..i + 1);
            }
            start = i + 1;
        }
    }
    if start < tokens.len() {
        found.push(start..tokens.len());
    }
    found
}

/// A sentence's parts, apart at ", but".
fn parts(tokens: &[Token], sentence: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = sentence.start;
    for i in sentence.start + 1..sentence.end {
        let conditional = tokens.get(i + 1).is_some_and(|t| t.word == "not");
        if tokens[i].word == "but" && tokens[i - 1].word == "," && !conditional {
            found.push(start..i);
            start = i + 1;
        }
    }
    found.push(start..sentence.end);
    found
}

fn find(words: &[&str], phrase: &[&str]) -> Option<usize> {
    words.windows(phrase.len()).position(|w| w == phrase)
}

fn strength(words: &[&str]) -> Strength {
    let has = |list: &[&[&str]]| list.iter().any(|phrase| find(words, phrase).is_some());
    if has(&SLIGHT) {
        Strength::Slight
    } else if has(&STRONG) {
        Strength::Strong
    } else {
        Strength::Clear
    }
}

/// The statement of one part, and the value spoken of last in it.
fn statement(
    cues: &Cues,
    text: &str,
    part: &[Token],
    strength: Strength,
    last_spoken: Option<usize>,
    before: Option<&Statement>,
) -> (Option<Statement>, Option<usize>) {
    let (part, conditions) = without_conditions(text, part);
    let words = words(&part);
    let base = Statement { spoken: Vec::new(), open: None, strength, conditions, turned: None };
    let other_way = [&["other", "way", "round"][..], &["other", "way", "around"], &["vice", "versa"], &["opposite"]];
    if let Some(before) = before.filter(|_| other_way.iter().any(|phrase| find(&words, phrase).is_some())) {
        return (Some(Statement { turned: Some(Box::new(before.clone())), ..base }), None);
    }
    let found: Vec<Found> = cues.find(&words).into_iter().filter(|f| !is_other_word(&words, f)).collect();
    let last = found.last().map(|f| f.value);
    // What was once thought is not what is thought now.
    if find(&words, &["used", "to"]).is_some() {
        return (None, last);
    }
    let turn = turn(&words, &found);
    // The word that a comparison turns on is no negation beside.
    let compares = turn.as_ref().is_some_and(|t| ["than", "then"].contains(&words[t.at.start]));
    let left: Vec<&str> = words[..turn.as_ref().map_or(words.len(), |t| t.at.start)]
        .iter()
        .map(|w| if compares && WORSE.contains(w) { "" } else { *w })
        .collect();
    let negated = is_negated(&left, &found);
    let phrase = found.iter().any(|f| f.length >= 3);
    if turn.is_none()
        && !phrase
        && !words.iter().any(|w| ATTITUDES.contains(w) || w.ends_with("n't"))
        && !says_itself(&words)
    {
        return (None, last);
    }
    let flip = if negated { -1 } else { 1 };
    let mut spoken: Vec<(usize, i32)> = Vec::new();
    let (mut on_left, mut on_right) = (false, false);
    for f in &found {
        let side = match &turn {
            None => 1,
            Some(t) if f.at < t.at.start => {
                on_left = true;
                t.left
            }
            Some(t) if f.at >= t.at.end => {
                on_right = true;
                t.right
            }
            Some(_) => continue,
        };
        let spoilt = (1..=REACH)
            .any(|back| f.at >= back && SPOILERS.contains(&words[f.at - back]) && !within(&found, f.at - back));
        let sign = if f.favours != spoilt { 1 } else { -1 };
        spoken.push((f.value, flip * side * sign * f.length as i32));
    }
    let mut open = None;
    if let Some(t) = &turn {
        for (has, range, sign) in [(on_left, 0..t.at.start, t.left), (on_right, t.at.end..words.len(), t.right)] {
            if has || range.is_empty() {
                continue;
            }
            let pronoun = words[range.clone()].iter().any(|w| ["it", "that", "them", "this"].contains(w));
            match last_spoken.filter(|_| pronoun) {
                Some(value) => spoken.push((value, flip * sign)),
                None if (on_left || on_right) && !words[range.clone()].iter().any(|w| EVERYTHING.contains(w)) => {
                    let side = &text[part[range.start].bytes.start..part[range.end - 1].bytes.end];
                    let side = side.trim_end_matches(|c: char| !c.is_alphanumeric());
                    open = Some((side.to_owned(), flip * sign));
                }
                None => {}
            }
        }
    }
    let statement = (!spoken.is_empty()).then_some(Statement { spoken, open, ..base });
    (statement, last)
}

/// Where a comparison turns.
struct Turn {
    at: Range<usize>,
    left: i32,
    right: i32,
}

fn turn(words: &[&str], found: &[Found]) -> Option<Turn> {
    // "than", with what it belongs to before it; typing often has "then" for it.
    let than = words.iter().position(|w| *w == "than" || *w == "then");
    if let Some(than) = than.filter(|t| !within(found, *t)) {
        let back = words[..than].iter().rev().take(14).find_map(|w| match w {
            w if BETTER.contains(w) => Some(1),
            w if WORSE.contains(w) => Some(-1),
            _ => None,
        });
        if let Some(sign) = back {
            return Some(Turn { at: than..than + 1, left: sign, right: -sign });
        }
    }
    // "I don't care about X as long as Y": Y matters more. Without the negation it is no comparison.
    if let Some(at) = find(words, &["as", "long", "as"])
        && is_negated(&words[..at], found)
    {
        return Some(Turn { at: at..at + 3, left: 1, right: -1 });
    }
    if let Some(swap) = words.iter().position(|w| SWAPS.contains(w))
        && let Some(to) = words[swap..].iter().position(|w| *w == "for").map(|i| swap + i)
        && (!words[swap].starts_with("giv") || words.get(swap + 1) == Some(&"up"))
    {
        return Some(Turn { at: to..to + 1, left: -1, right: 1 });
    }
    if let Some(prefer) = words.iter().position(|w| w.starts_with("prefer"))
        && let Some(to) = words.iter().skip(prefer + 2).position(|w| *w == "to").map(|i| prefer + 2 + i)
    {
        return Some(Turn { at: to..to + 1, left: 1, right: -1 });
    }
    TURNS.iter().find_map(|(phrase, left, right)| {
        let start = find(words, phrase)?;
        let end = start + phrase.len();
        // "Over there" compares nothing: some value must be named on one side, and neither side may be empty.
        let names = found.iter().any(|f| f.at + f.length <= start || f.at >= end);
        (start > 0 && end < words.len() && names && !within(found, start)).then_some(Turn {
            at: start..end,
            left: *left,
            right: *right,
        })
    })
}

/// Whether the words are negated an odd number of times. What is part of a cue is in the cue's sign already.
fn is_negated(words: &[&str], found: &[Found]) -> bool {
    let mut count = 0;
    let mut i = 0;
    while i < words.len() {
        let stands = |phrase: &&&[&str]| words[i..].starts_with(phrase);
        if let Some(tamed) = TAMED.iter().find(stands) {
            i += tamed.len();
            continue;
        }
        if let Some(once) = ONCE.iter().find(stands) {
            count += 1;
            i += once.len();
            continue;
        }
        if (words[i].ends_with("n't") || NEGATIONS.contains(&words[i])) && !within(found, i) {
            count += 1;
        }
        i += 1;
    }
    count % 2 == 1
}

/// Whether the token at this place is part of a cue.
fn within(found: &[Found], at: usize) -> bool {
    found.iter().any(|f| f.at <= at && at < f.at + f.length)
}

/// "A promise is a promise": what is said of itself is meant to hold.
fn says_itself(words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .any(|(i, w)| *w == "is" && i > 0 && words.iter().skip(i + 1).take(2).any(|x| *x == words[i - 1]))
}

/// A cue that is another word here: "I care about", "that is nice".
fn is_other_word(words: &[&str], f: &Found) -> bool {
    let next = words.get(f.at + 1).copied().unwrap_or_default();
    let before = if f.at > 0 { words[f.at - 1] } else { "" };
    match words[f.at] {
        "care" => {
            ["about", "more", "less", "much", "if", "abit", "a", "who", "what", "whether", "how", "at"].contains(&next)
        }
        "nice" | "just" => {
            f.length == 1 && ["is", "are", "was", "it's", "that's", "very", "i", "i'm"].contains(&before)
                || next == "don't"
        }
        _ => false,
    }
}

/// A part without its conditions, and they.
fn without_conditions(text: &str, part: &[Token]) -> (Vec<Token>, Vec<Condition>) {
    let mut kept = Vec::new();
    let mut conditions = Vec::new();
    let mut i = 0;
    while i < part.len() {
        let here = words(&part[i..]);
        let Some((beginning, scope)) = CONDITIONS.iter().find(|(b, _)| here.starts_with(b)) else {
            kept.push(part[i].clone());
            i += 1;
            continue;
        };
        let mut end = i + beginning.len();
        let closed = is_closed(beginning);
        // "With my mother go gently": a person is one word.
        let limit = if *beginning == ["with", "my"] { end + 1 } else { part.len() };
        while !closed && end < limit && !matches!(part[end].word.as_str(), "," | "." | ";" | "!" | "?" | ":") {
            end += 1;
        }
        let from = if closed || beginning[0] == "with" { i } else { i + beginning.len() };
        if from < end {
            let place = text[part[from].bytes.start..part[end - 1].bytes.end].trim().to_owned();
            conditions.push(Condition { scope: *scope, text: place });
        }
        i = end;
    }
    (kept, conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::schema::ValueSchema;
    use proptest::prelude::*;

    /// Values and direction of every row, "more > less", without the model.
    fn read(text: &str) -> Vec<String> {
        let cues = Cues::of(&ValueSchema::embedded());
        let rows = statements(&cues, text).into_iter().filter_map(|s| s.with_guess(None).row(&cues)).collect();
        let name =
            |v: &Option<credence_memory::ids::ValueId>| v.as_ref().map_or_else(|| "-".into(), ToString::to_string);
        merged(rows).iter().map(|r| format!("{} > {}", name(&r.more), name(&r.less))).collect()
    }

    #[test]
    fn signs_follow_sides_and_negations() {
        for (text, expected) in [
            ("I value honesty above everything else.", &["honesty > -"][..]),
            ("I would rather break a rule than hurt someone.", &["care > lawfulness"]),
            ("I can't stand it when people break their promises.", &["responsibility > -"]),
            ("I don't like to break promises.", &["responsibility > -"]),
            ("Sometimes a small lie is kinder than the truth.", &["care > honesty"]),
            ("There's nothing wrong with a little luxury.", &["- > thrift"]),
            ("Money doesn't matter to me as long as I have fun.", &["enjoyment > thrift"]),
            ("Comfort is nice, but safety comes first.", &["safety > enjoyment"]),
            ("Honesty matters, but kindness matters more.", &["care > honesty"]),
            ("What I eat is nobody's business.", &["privacy > -"]),
            ("You shouldn't judge people too harshly.", &["mercy > -"]),
            ("It's okay to lie sometimes.", &["- > honesty"]),
            ("A promise is a promise.", &["responsibility > -"]),
            ("Better safe than sorry.", &["safety > -"]),
            ("Do you think honesty matters?", &[]),
            ("The safety belt is in the car.", &[]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn conditions_and_strength_are_read_beside() {
        let cues = Cues::of(&ValueSchema::embedded());
        let text = "At work honesty matters slightly more than kindness, except when someone is ill.";
        let row = statements(&cues, text)[0].row(&cues).expect("a row");
        assert_eq!(row.strength, Strength::Slight);
        let conditions: Vec<(Scope, &str)> = row.conditions.iter().map(|c| (c.scope, c.text.as_str())).collect();
        assert_eq!(conditions, [(Scope::When, "At work"), (Scope::Except, "someone is ill")]);
        let turned = "With strangers privacy beats honesty; with friends it's the other way round.";
        let rows: Vec<ReadRow> = statements(&cues, turned).iter().filter_map(|s| s.row(&cues)).collect();
        assert_eq!((&rows[0].more, &rows[0].less), (&rows[1].less, &rows[1].more));
        assert_eq!(rows[1].conditions[0].text, "with friends");
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(text in "[a-z '>,.?!;-]{0,80}|.{0,60}") {
            let _ = read(&text);
        }
    }
}
