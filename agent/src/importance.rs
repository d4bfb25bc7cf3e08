//! Statements of importance in structured words: "honesty > privacy", "safety matters a lot", "tradition matters little".
//!
//! This is a small fixed grammar and not an attempt to understand sentences: every word must be one it knows. What it cannot read it
//! refuses, naming the forms it knows, and a value that it does not know is refused by name, with those that are spelt most like it.

use credence_memory::record::Strength;

/// A statement of importance as read. At least one of `more` and `less` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Importance {
    /// Id of the value that matters more.
    pub more: Option<String>,
    /// Id of the value that matters less; with `more` alone, less than that are values in general.
    pub less: Option<String>,
    /// How strongly.
    pub strength: Strength,
}

/// Words that are no statement of importance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}; expected \"VALUE > VALUE\", \"VALUE matters more than VALUE\", \"VALUE matters\" or \"VALUE matters little\" \
     (also with \"slightly\" or \"much\"), with values among: {values}"
)]
pub struct NotImportance {
    problem: String,
    values: String,
}

/// A value that can be spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedValue {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// Words that say how much, before "more" and "less" or behind the whole.
const SLIGHT: [&str; 6] = ["slightly", "a little", "a bit", "somewhat", "a touch", "marginally"];
const STRONG: [&str; 11] =
    ["very much", "much", "far", "a lot", "very", "greatly", "strongly", "extremely", "most", "above all", "the most"];

impl Importance {
    /// Reads a statement about `values`.
    ///
    /// # Errors
    /// Words of another form, a value that is not among them, or one beside itself.
    pub fn parse(words: &str, values: &[NamedValue]) -> Result<Self, NotImportance> {
        let fail = |problem: String| NotImportance {
            problem,
            values: values.iter().map(|v| v.id.as_str()).collect::<Vec<_>>().join(", "),
        };
        let text = plain(words);
        let value = |said: &str| {
            find(said, values).ok_or_else(|| {
                if said.is_empty() { fail("a value is missing".into()) } else { fail(unknown(said, values)) }
            })
        };
        if let Some((more, less, strength)) = comparison(&text) {
            let (more, less) = (value(more)?, value(less)?);
            if more == less {
                return Err(fail(format!("{more:?} is compared with itself")));
            }
            return Ok(Self { more: Some(more), less: Some(less), strength });
        }
        let Some((said, matters, strength)) = alone(&text) else {
            return Err(fail(format!("{:?} is in none of the forms that count as they stand", words.trim())));
        };
        let value = Some(value(said)?);
        Ok(if matters {
            Self { more: value, less: None, strength }
        } else {
            Self { more: None, less: value, strength }
        })
    }

    /// The statement in one sentence to the person; `name` gives a value's name for people.
    pub fn sentence(&self, name: impl Fn(&str) -> String) -> String {
        self.told("more to you than", "less to you than", name)
    }

    /// The statement without the person: "Honesty matters much more than Privacy".
    pub fn clause(&self, name: impl Fn(&str) -> String) -> String {
        self.told("more than", "less than", name)
    }

    fn told(&self, more_than: &str, less_than: &str, name: impl Fn(&str) -> String) -> String {
        let how = match self.strength {
            Strength::Slight => "slightly ",
            Strength::Clear => "",
            Strength::Strong => "much ",
        };
        match (&self.more, &self.less) {
            (Some(more), Some(less)) => format!("{} matters {how}{more_than} {}", name(more), name(less)),
            (Some(more), None) => format!("{} matters {how}{more_than} values in general", name(more)),
            (None, Some(less)) => format!("{} matters {how}{less_than} values in general", name(less)),
            (None, None) => "nothing was said".into(),
        }
    }
}

/// Small letters, words apart by one space, marks of comparison on their own, without a full stop at the end.
fn plain(words: &str) -> String {
    let spaced =
        words.to_lowercase().replace('>', " > ").replace('<', " < ").replace(">  >", ">>").replace("<  <", "<<");
    let spaced = spaced.replace('\u{2019}', "'");
    let joined = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_end_matches(['.', '!']).trim().to_owned()
}

/// The side that matters more, the other, and how much.
fn comparison(text: &str) -> Option<(&str, &str, Strength)> {
    for (mark, turned, strength) in [
        (">>", false, Strength::Strong),
        ("<<", true, Strength::Strong),
        (">", false, Strength::Clear),
        ("<", true, Strength::Clear),
    ] {
        if let Some((left, right)) = text.split_once(mark) {
            let sides = (left.trim(), right.trim());
            return Some(if turned { (sides.1, sides.0, strength) } else { (sides.0, sides.1, strength) });
        }
    }
    let (left, right) = text.split_once(" than ")?;
    let right = right.strip_suffix(" to me").or_else(|| right.strip_suffix(" does")).unwrap_or(right);
    let left = left.strip_suffix(" to me").unwrap_or(left);
    let left = left.strip_suffix(" important").unwrap_or(left);
    let (left, turned) = match (left.strip_suffix(" more"), left.strip_suffix(" less")) {
        (Some(left), _) => (left, false),
        (_, Some(left)) => (left, true),
        _ => return None,
    };
    let (left, strength) = degree(left);
    let left = left.strip_suffix(" to me").unwrap_or(left);
    let left =
        left.strip_suffix(" matters").or_else(|| left.strip_suffix(" is")).or_else(|| left.strip_suffix(" matter"))?;
    let strength = strength.unwrap_or(Strength::Clear);
    Some(if turned { (right, left, strength) } else { (left, right, strength) })
}

/// "VALUE matters a lot": the value, whether it matters, how much.
fn alone(text: &str) -> Option<(&str, bool, Strength)> {
    let text = text.strip_suffix(" to me").unwrap_or(text);
    for (end, strength) in [
        (" matters little", Strength::Clear),
        (" matters very little", Strength::Strong),
        (" hardly matters", Strength::Strong),
        (" does not matter", Strength::Clear),
        (" doesn't matter", Strength::Clear),
        (" does not matter much", Strength::Clear),
        (" doesn't matter much", Strength::Clear),
        (" does not matter at all", Strength::Strong),
        (" doesn't matter at all", Strength::Strong),
        (" is not important", Strength::Clear),
        (" isn't important", Strength::Clear),
        (" is unimportant", Strength::Clear),
        (" is not important at all", Strength::Strong),
    ] {
        if let Some(value) = text.strip_suffix(end) {
            return Some((value, false, strength));
        }
    }
    if let Some(rest) = text.strip_suffix(" important") {
        let (rest, strength) = degree(rest);
        return Some((rest.strip_suffix(" is")?, true, strength.unwrap_or(Strength::Clear)));
    }
    let (rest, strength) = degree(text);
    let rest = rest.strip_suffix(" to me").unwrap_or(rest);
    Some((rest.strip_suffix(" matters")?, true, strength.unwrap_or(Strength::Clear)))
}

/// Without the words at the end that say how much.
fn degree(text: &str) -> (&str, Option<Strength>) {
    let ends =
        |words: &[&str]| words.iter().find_map(|word| text.strip_suffix(word)?.strip_suffix(' ').map(str::trim_end));
    match (ends(&SLIGHT), ends(&STRONG)) {
        (Some(rest), _) => (rest, Some(Strength::Slight)),
        (None, Some(rest)) => (rest, Some(Strength::Strong)),
        (None, None) => (text, None),
    }
}

/// The value of exactly this id or name.
fn find(said: &str, values: &[NamedValue]) -> Option<String> {
    let same = |name: &str| words(name).eq(words(said));
    values.iter().find(|v| same(&v.id) || same(&v.name)).map(|v| v.id.clone())
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase();
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect();
    words.into_iter()
}

/// Names that are spelt most like what was said, at most.
const NEAREST: usize = 3;
/// More of what was said is not repeated.
const SAID_CHARS_MAX: usize = 60;

/// Says that there is no such value, and which are spelt most like it.
pub fn unknown(said: &str, values: &[NamedValue]) -> String {
    let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
    let mut near: Vec<(f64, &str)> = values
        .iter()
        .map(|v| (likeness(&said, &v.id.to_lowercase()).max(likeness(&said, &v.name.to_lowercase())), v.id.as_str()))
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near: Vec<&str> = near.into_iter().take(NEAREST).map(|(_, id)| id).collect();
    format!("{said:?} is none of the values; the nearest in spelling are {}", near.join(", "))
}

/// Share of pairs of letters that two words have in common (Dice's coefficient).
pub(crate) fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| {
        let letters: Vec<char> = format!(" {text} ").chars().collect();
        letters.windows(2).map(|w| (w[0], w[1])).collect::<Vec<_>>()
    };
    let (a, mut b) = (pairs(a), pairs(b));
    let all = (a.len() + b.len()) as f64;
    let common =
        a.iter().filter(|pair| b.iter().position(|other| other == *pair).map(|at| b.swap_remove(at)).is_some()).count();
    2.0 * common as f64 / all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> Vec<NamedValue> {
        ["honesty", "privacy", "safety", "self-direction"]
            .map(|id| NamedValue { id: id.into(), name: id.replace('-', " ") })
            .to_vec()
    }

    fn check(words: &str, expect: Option<(Option<&str>, Option<&str>, Strength)>) {
        let read = Importance::parse(words, &values()).ok();
        let read = read.as_ref().map(|i| (i.more.as_deref(), i.less.as_deref(), i.strength));
        assert_eq!(read, expect, "{words:?}");
    }

    #[test]
    fn the_forms_that_are_known() {
        use Strength::{Clear, Slight, Strong};
        check("honesty > privacy", Some((Some("honesty"), Some("privacy"), Clear)));
        check("Honesty >> Privacy", Some((Some("honesty"), Some("privacy"), Strong)));
        check("privacy < honesty", Some((Some("honesty"), Some("privacy"), Clear)));
        check("honesty matters slightly more than safety", Some((Some("honesty"), Some("safety"), Slight)));
        check("privacy is much less important to me than safety", Some((Some("safety"), Some("privacy"), Strong)));
        check("Self direction matters a lot", Some((Some("self-direction"), None, Strong)));
        check("privacy matters little to me", Some((None, Some("privacy"), Clear)));
        check("privacy doesn't matter", Some((None, Some("privacy"), Clear)));
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_forms() {
        for words in ["I don't think honesty matters more than privacy", "honesty > privacy, except at work"] {
            check(words, None);
        }
        for words in ["", "honesty", "hello", "honesty > honesty", "dishonesty matters", "honesty and privacy matter"] {
            check(words, None);
        }
        // Words within words decide nothing, and what is left over is not passed over.
        for words in ["honesty matters every day", "honesty almost matters", "honesty mostly matters more than privacy"]
        {
            check(words, None);
        }
        for words in ["bravery matters a lot", "bravery > safety", "safety matters more than bravery"] {
            let message = Importance::parse(words, &values()).expect_err("no such value").to_string();
            assert!(message.starts_with("\"bravery\" is none of the values"), "{message}");
        }
        let message = Importance::parse("hello", &values()).expect_err("not a statement").to_string();
        assert!(message.contains("VALUE > VALUE") && message.contains("self-direction"), "{message}");
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(words in ".{0,80}") {
            let _ = Importance::parse(&words, &values());
        }
    }
}
