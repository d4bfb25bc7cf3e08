//! What a document says of itself, in TOML between two lines `+++` at its beginning. It does not say how far it is to be relied on.

use credence_memory::record::DocumentKind;
use serde::Deserialize;

/// What a document says of itself.
#[derive(Debug, Default, Deserialize)]
struct Written {
    title: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    /// For whoever reads the file.
    #[serde(default, rename = "about")]
    _about: Option<String>,
    /// What else stands there.
    #[serde(flatten)]
    rest: toml::Table,
}

/// The same, understood.
#[derive(Debug)]
pub(super) struct FrontMatter {
    pub(super) title: Option<String>,
    pub(super) kind: DocumentKind,
    pub(super) references: Vec<String>,
    /// What its owner should know of it.
    pub(super) notes: Vec<String>,
}

/// The front matter of a text, and the text behind it.
pub(super) fn split(text: &str) -> Result<(FrontMatter, &str), String> {
    let mut notes = Vec::new();
    let first = text.lines().next().unwrap_or("").trim();
    let written = text.strip_prefix("+++\n").and_then(|rest| rest.split_once("\n+++\n"));
    let (written, body) = match written {
        Some((front, body)) => {
            let problem =
                |e: toml::de::Error| format!("what stands between its lines +++ is not TOML: {}", e.message());
            let wrong = |p| format!("{p}; expected title, kind and references there");
            (toml::from_str::<Written>(front).map_err(problem).map_err(wrong)?, body)
        }
        None => {
            if first.starts_with("+++") {
                notes.push("its header is read as text: expected TOML between two lines of just +++, the first line and another".into());
            } else if first == "---" {
                notes.push(
                    "its header is read as text: expected TOML between two lines +++, not YAML between lines ---"
                        .into(),
                );
            }
            (Written::default(), text)
        }
    };
    let kind = match written.kind.as_deref() {
        Some("findings") => DocumentKind::Findings,
        Some("guideline") => DocumentKind::Guideline,
        Some("background") => DocumentKind::Background,
        Some("other") | None => DocumentKind::Other,
        Some(kind) => {
            notes.push(format!(
                "its kind {kind:?} is taken for other: expected findings, guideline, background or other; --kind says it too"
            ));
            DocumentKind::Other
        }
    };
    for field in written.rest.keys() {
        notes.push(match field.as_str() {
            "reliability" => {
                "its reliability is not for itself to say: whoever adds it says it, with --reliability".to_owned()
            }
            field => format!("{field:?} in its header is not used: expected title, kind and references there"),
        });
    }
    Ok((FrontMatter { title: written.title, kind, references: written.references, notes }, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_says_wrongly_is_told() {
        let told = |text: &str| split(text).unwrap().0.notes.join("\n");
        assert_eq!(told("+++\ntitle = \"A\"\nkind = \"guideline\"\nabout = \"x\"\nreferences = []\n+++\nText."), "");
        assert_eq!(told("Text without a header."), "");
        for (text, says) in [
            ("+++\nkind = \"finding\"\n+++\nText.", "\"finding\" is taken for other"),
            ("+++\ntitel = \"A\"\n+++\nText.", "\"titel\" in its header is not used"),
            ("+++\nreliability = 1.0\n+++\nText.", "with --reliability"),
            ("+++\ntitle = \"A\"\nText.", "read as text"),
            ("+++ toml\ntitle = \"A\"\n+++\nText.", "read as text"),
            ("---\ntitle: A\n---\nText.", "not YAML"),
        ] {
            assert!(told(text).contains(says), "{text:?}: {}", told(text));
        }
        assert!(split("+++\ntitle =\n+++\nText.").unwrap_err().contains("not TOML"));
    }
}
