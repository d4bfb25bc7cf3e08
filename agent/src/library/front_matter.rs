//! What a document says of itself, in TOML between two lines `+++` at its beginning. It does not say how far it is to be relied on.

use credence_memory::record::DocumentKind;
use serde::Deserialize;

/// What a document says of itself; anything else that stands there is passed over.
#[derive(Debug, Default, Deserialize)]
struct Written {
    title: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    references: Vec<String>,
}

/// The same, understood.
#[derive(Debug)]
pub(super) struct FrontMatter {
    pub(super) title: Option<String>,
    pub(super) kind: DocumentKind,
    pub(super) references: Vec<String>,
}

/// The front matter of a text, and the text behind it.
pub(super) fn split(text: &str) -> Result<(FrontMatter, &str), String> {
    let written = text.strip_prefix("+++\n").and_then(|rest| rest.split_once("\n+++\n"));
    let (written, body) = match written {
        Some((front, body)) => {
            let problem =
                |e: toml::de::Error| format!("what stands between its lines +++ is not TOML: {}", e.message());
            let wrong = |p| format!("{p}; expected title, kind and references there");
            (toml::from_str::<Written>(front).map_err(problem).map_err(wrong)?, body)
        }
        None => (Written::default(), text),
    };
    let kind = match written.kind.as_deref() {
        Some("findings") => DocumentKind::Findings,
        Some("guideline") => DocumentKind::Guideline,
        Some("background") => DocumentKind::Background,
        _ => DocumentKind::Other,
    };
    Ok((FrontMatter { title: written.title, kind, references: written.references }, body))
}
