//! Statements of importance in structured words: "honesty > privacy", "safety matters a lot", "tradition matters little".
//!
//! This is a small fixed grammar and not an attempt to understand sentences; what it cannot read it refuses, naming the forms it knows.

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

impl Importance {
    /// Reads a statement about `values`.
    pub fn parse(words: &str, values: &[NamedValue]) -> Result<Self, NotImportance> {
        let fail = |problem: String| NotImportance {
            problem,
            values: values.iter().map(|v| v.id.as_str()).collect::<Vec<_>>().join(", "),
        };
        let text = words.to_lowercase();
        let strength = strength_of(&text);
        if let Some((left, right, strength)) = comparison(&text, strength) {
            // A negation or a condition may turn it round: that is more than this grammar knows.
            if let Some(more) = ["n't", "not ", "never", "nobody", "nothing", "except", "unless", "when "]
                .iter()
                .find(|w| text.contains(**w))
            {
                return Err(fail(format!("{:?} says more than a comparison ({:?})", words.trim(), more.trim())));
            }
            let more = find(left, values).ok_or_else(|| fail(format!("{:?} is not one value", left.trim())))?;
            let less = find(right, values).ok_or_else(|| fail(format!("{:?} is not one value", right.trim())))?;
            if more == less {
                return Err(fail(format!("{more:?} is compared with itself")));
            }
            return Ok(Self { more: Some(more), less: Some(less), strength });
        }
        let speaks_of_importance = ["matter", "important", "care about", "priority"].iter().any(|w| text.contains(w));
        let value = find(&text, values).ok_or_else(|| fail(format!("{:?} names no one value", words.trim())))?;
        if !speaks_of_importance {
            return Err(fail(format!("{:?} does not say how much it matters", words.trim())));
        }
        let little = ["little", "n't", "not ", "unimportant", "hardly", "less than", "barely"];
        if little.iter().any(|w| text.contains(w)) {
            let strength = if text.contains("n't matter at all") { Strength::Strong } else { Strength::Clear };
            Ok(Self { more: None, less: Some(value), strength })
        } else {
            Ok(Self { more: Some(value), less: None, strength })
        }
    }

    /// The statement in one sentence; `name` gives a value's name for people.
    pub fn sentence(&self, name: impl Fn(&str) -> String) -> String {
        let how = match self.strength {
            Strength::Slight => "slightly ",
            Strength::Clear => "",
            Strength::Strong => "much ",
        };
        match (&self.more, &self.less) {
            (Some(more), Some(less)) => format!("{} matters {how}more to you than {}", name(more), name(less)),
            (Some(more), None) => format!("{} matters {how}more to you than values in general", name(more)),
            (None, Some(less)) => format!("{} matters {how}less to you than values in general", name(less)),
            (None, None) => "nothing was said".into(),
        }
    }
}

/// Left side, right side and strength of "A more than B", the side that matters more first.
fn comparison(text: &str, strength: Strength) -> Option<(&str, &str, Strength)> {
    for (mark, turned) in [(">>", false), ("<<", true), (">", false), ("<", true)] {
        if let Some((left, right)) = text.split_once(mark) {
            let strength = if mark.len() == 2 { Strength::Strong } else { strength };
            let strength = if mark.len() == 1 && strength == Strength::Slight { Strength::Slight } else { strength };
            return Some(if turned { (right, left, strength) } else { (left, right, strength) });
        }
    }
    for (mark, turned) in [
        ("more than", false),
        ("more important than", false),
        ("more important to me than", false),
        ("more to me than", false),
        ("over ", false),
        ("less than", true),
        ("less important than", true),
        ("less important to me than", true),
        ("less to me than", true),
    ] {
        if let Some((left, right)) = text.split_once(mark) {
            return Some(if turned { (right, left, strength) } else { (left, right, strength) });
        }
    }
    None
}

fn strength_of(text: &str) -> Strength {
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["slightly", "a little", "a bit", "somewhat"]) {
        Strength::Slight
    } else if has(&["much", "far ", "a lot", "very", "most", "above all", "strongly", "extremely"]) {
        Strength::Strong
    } else {
        Strength::Clear
    }
}

/// The one value that `text` names, by id or name, as whole words; `None` for none or several.
fn find(text: &str, values: &[NamedValue]) -> Option<String> {
    let words = |s: &str| -> Vec<String> {
        s.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let said = words(text);
    let names = |phrase: &str| {
        let phrase = words(phrase);
        !phrase.is_empty() && said.windows(phrase.len()).any(|w| w == phrase)
    };
    let mut found = values.iter().filter(|v| names(&v.id) || names(&v.name));
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value.id.clone()),
        _ => None,
    }
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
