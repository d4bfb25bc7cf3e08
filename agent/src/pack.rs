//! A pack: a domain that a home can be about, in files. Its values, the questions and portraits that are keyed for them, and what
//! the charter says beside the built-in one.
//!
//! `values`, what people value, is one of them and the default; `taste`, the qualities of prose, is another. A folder is a third.

mod check;
mod kept;
mod worse;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use credence_memory::ids::{Hash, IdError, ValueId};
use credence_memory::record::PackNamed;
use credence_priors::schema::{SchemaError, ValueSchema};
use serde::{Deserialize, Serialize};

use crate::bank::{Bank, BankError};

pub use check::{Finding, PackReport, agreement, kappa};
pub use worse::{WorseError, WorsePair};

/// The file that makes a folder a pack.
pub const MANIFEST: &str = "pack.toml";

/// The pack that a home is about where nothing else is said.
pub const DEFAULT: &str = "values";

/// The longest name or title of a pack, in characters.
const NAME_CHARS_MAX: usize = 120;

/// The keys of a second reader, in the folder of a pack that has them.
const SECOND: &str = "second.jsonl";
/// How the names of files of pairs made worse begin and end, in the folder of a pack that has them.
const WORSE: [&str; 2] = ["worse", ".jsonl"];

/// Packs that ship with the program.
const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        name: DEFAULT,
        title: "what people value",
        schema: None,
        bank: None,
        charter: "",
        second: None,
        worse: &[],
    },
    BuiltIn {
        name: "taste",
        title: "taste in prose: qualities of craft",
        schema: Some(include_str!("../data/taste/schema.toml")),
        bank: Some(include_str!("../data/taste/questions.jsonl")),
        charter: include_str!("../data/taste/charter.md"),
        second: Some(include_str!("../data/taste/second.jsonl")),
        worse: &[
            ("worse.jsonl", include_str!("../data/taste/worse.jsonl")),
            ("worse-c.jsonl", include_str!("../data/taste/worse-c.jsonl")),
            ("worse-d.jsonl", include_str!("../data/taste/worse-d.jsonl")),
        ],
    },
];

/// They, as far as they were asked for.
static READ: [OnceLock<Pack>; BUILT_IN.len()] = [const { OnceLock::new() }; BUILT_IN.len()];

/// The pack of a folder that the home is about in which this process works.
static OF_HOME: RwLock<Option<&'static Pack>> = RwLock::new(None);

struct BuiltIn {
    name: &'static str,
    title: &'static str,
    /// Absent: the embedded one.
    schema: Option<&'static str>,
    /// Absent: the embedded one.
    bank: Option<&'static str>,
    charter: &'static str,
    /// The keys of a second reader.
    second: Option<&'static str>,
    /// Files of pairs made worse, by their names.
    worse: &'static [(&'static str, &'static str)],
}

/// A domain.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// What it is about, in a few words.
    pub title: String,
    /// Its values.
    pub schema: Arc<ValueSchema>,
    /// Questions and portraits; keyed for these values.
    pub bank: Bank,
    /// What the charter says in this domain, after the built-in one; may be empty.
    pub charter: String,
    /// Hash of all of it.
    pub hash: Hash,
    /// The folder it was read from, unless it is built in.
    pub folder: Option<PathBuf>,
}

/// `pack.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    title: String,
    #[serde(default = "schema_file")]
    schema: PathBuf,
    #[serde(default = "bank_file")]
    bank: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charter: Option<PathBuf>,
}

impl Manifest {
    fn of(folder: &Path) -> Result<Self, PackError> {
        let path = folder.join(MANIFEST);
        let wrong = |problem: String| PackError::Toml { path: path.clone(), problem };
        let manifest: Self =
            toml::from_str(&text_of(&path)?).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        for (field, text) in [("name", &manifest.name), ("title", &manifest.title)] {
            if text.trim().is_empty() || text.chars().any(char::is_control) || text.chars().count() > NAME_CHARS_MAX {
                let expected = format!("expected a {field} of 1 to {NAME_CHARS_MAX} characters in one line");
                return Err(wrong(format!("{field} = {text:?}: {expected}")));
            }
        }
        Ok(manifest)
    }
}

fn schema_file() -> PathBuf {
    "schema.toml".into()
}

fn bank_file() -> PathBuf {
    "questions.jsonl".into()
}

/// Why there is no such pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Neither a built-in name nor a folder.
    #[error("there is no pack {name:?}: the built-in ones are {}, and a folder with a {MANIFEST} is one too", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The built-in ones.
        known: Vec<String>,
    },
    /// The name of a built-in pack, and of a folder with a pack.
    #[error("{name} is a built-in pack and a folder with a pack here: write ./{name} for the folder")]
    Ambiguous {
        /// What was asked for.
        name: String,
    },
    /// A file of the pack cannot be read.
    #[error("pack file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A home cannot keep it.
    #[error("no copy of the pack can be kept in {}", path.display())]
    NotKept {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `pack.toml` or the schema is not what it should be.
    #[error("{}: {problem}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        problem: String,
    },
    /// The schema is not sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The bank is not sound.
    #[error(transparent)]
    Bank(#[from] BankError),
    /// Pairs made worse are not what they should be.
    #[error(transparent)]
    Worse(#[from] WorseError),
    /// A value's id cannot stand in a log.
    #[error("pack {pack:?}: a value cannot be called so")]
    Value {
        /// The pack.
        pack: String,
        /// Why.
        source: IdError,
    },
    /// Questions that nobody keyed.
    #[error("{}, question {question:?} has no keys: a pack is keyed throughout", path.display())]
    NotKeyed {
        /// The bank.
        path: PathBuf,
        /// The question.
        question: String,
    },
}

impl Pack {
    /// Names of the built-in packs.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|pack| pack.name)
    }

    /// A built-in pack.
    pub fn built_in(name: &str) -> Option<Self> {
        Some(Self::read(BUILT_IN.iter().position(|pack| pack.name == name)?).clone())
    }

    /// The built-in pack at this place. It is read once: a decision looks acts up in it each time it is made.
    fn read(at: usize) -> &'static Self {
        READ[at].get_or_init(|| Self::read_anew(&BUILT_IN[at]))
    }

    fn read_anew(pack: &BuiltIn) -> Self {
        let schema = match pack.schema {
            Some(text) => schema_of(text, Path::new("schema.toml")).expect("built-in packs are tested"),
            None => ValueSchema::embedded(),
        };
        let bank = match pack.bank {
            Some(text) => Bank::parse(text, Path::new("questions.jsonl")).expect("built-in packs are tested"),
            None => Bank::built_in(),
        };
        Self::of(pack.name, pack.title, schema, bank, pack.charter, None)
    }

    /// The pack whose values these are: the adopted one, or one that is built in.
    pub fn of_values(values: &[ValueId]) -> Option<&'static Self> {
        let ids = |pack: &'static Self| pack.schema.values.iter().map(|v| v.id.as_str());
        let built_in = (0..BUILT_IN.len()).map(Self::read);
        Self::adopted().into_iter().chain(built_in).find(|pack| ids(pack).eq(values.iter().map(ValueId::as_str)))
    }

    /// Makes this the pack of the home that the process works in: values are called by its names from then on, and acts are looked up
    /// in its bank. A process works in one home, so its packs are few and are never let go of. Belief does not depend on it.
    pub fn adopt(&self) {
        if self.folder.is_some()
            && Self::adopted().is_none_or(|pack| (pack.hash, &pack.title) != (self.hash, &self.title))
        {
            *OF_HOME.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::leak(Box::new(self.clone())));
        }
    }

    /// The pack that was adopted, if any.
    pub(crate) fn adopted() -> Option<&'static Self> {
        *OF_HOME.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The built-in packs, in the order in which they are listed.
    pub(crate) fn all_built_in() -> impl Iterator<Item = &'static Self> {
        (0..BUILT_IN.len()).map(Self::read)
    }

    /// A built-in pack by its name, or one from a folder.
    ///
    /// # Errors
    /// Neither of the two, or a folder whose files are not a pack: the file and line are named.
    pub fn find(name_or_folder: &str) -> Result<Self, PackError> {
        let folder = Path::new(name_or_folder);
        let is_folder = folder.join(MANIFEST).is_file();
        if let Some(pack) = Self::built_in(name_or_folder) {
            if is_folder {
                return Err(PackError::Ambiguous { name: name_or_folder.to_owned() });
            }
            return Ok(pack);
        }
        if is_folder {
            return Self::load(folder);
        }
        let known = Self::built_in_names().map(str::to_owned).collect();
        Err(PackError::Unknown { name: name_or_folder.to_owned(), known })
    }

    /// Reads a pack from a folder.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be, a key for a value that is not in the schema, a question without keys.
    pub fn load(folder: &Path) -> Result<Self, PackError> {
        let manifest = Manifest::of(folder)?;
        let schema_path = folder.join(&manifest.schema);
        let schema = schema_of(&text_of(&schema_path)?, &schema_path)?;
        let bank_path = folder.join(&manifest.bank);
        let bank = Bank::load(&bank_path)?;
        let charter = match &manifest.charter {
            Some(file) => text_of(&folder.join(file))?,
            None => String::new(),
        };
        let known: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
        bank.check_values(&known, &bank_path)?;
        for id in &known {
            ValueId::new(id).map_err(|source| PackError::Value { pack: manifest.name.clone(), source })?;
        }
        if let Some(question) = bank.questions.iter().find(|q| !q.is_keyed()) {
            return Err(PackError::NotKeyed { path: bank_path, question: question.id.clone() });
        }
        Ok(Self::of(&manifest.name, &manifest.title, schema, bank, &charter, Some(folder.to_owned())))
    }

    fn of(name: &str, title: &str, schema: ValueSchema, bank: Bank, charter: &str, folder: Option<PathBuf>) -> Self {
        let hash = Hash::of(format!("{name}\n{}\n{bank:?}\n{charter}", schema.hash()).as_bytes());
        let (name, title, charter) = (name.to_owned(), title.to_owned(), charter.to_owned());
        Self { name, title, schema: Arc::new(schema), bank, charter, hash, folder }
    }

    /// The same questions as a second reader keyed them, where the pack has that. A tag `author:NAME` says who wrote a question's texts.
    ///
    /// # Errors
    /// A file that is no bank of this pack's values.
    pub fn second_reader(&self) -> Result<Option<Bank>, PackError> {
        let (text, path) = match &self.folder {
            Some(folder) if folder.join(SECOND).exists() => (text_of(&folder.join(SECOND))?, folder.join(SECOND)),
            Some(_) => return Ok(None),
            None => {
                let Some(text) = BUILT_IN.iter().find(|p| p.name == self.name).and_then(|p| p.second) else {
                    return Ok(None);
                };
                (text.to_owned(), PathBuf::from(SECOND))
            }
        };
        let bank = Bank::parse(&text, &path)?;
        let known: Vec<&str> = self.schema.values.iter().map(|v| v.id.as_str()).collect();
        bank.check_values(&known, &path)?;
        Ok(Some(bank))
    }

    /// Passages and the same made worse in one known way: those of all files `worse*.jsonl`; empty where the pack has none.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no pair.
    pub fn worse(&self) -> Result<Vec<WorsePair>, PackError> {
        let files: Vec<(PathBuf, String)> = match &self.folder {
            Some(folder) => {
                let unreadable = |source| PackError::Unreadable { path: folder.clone(), source };
                let names = std::fs::read_dir(folder).map_err(unreadable)?.filter_map(Result::ok).map(|e| e.path());
                let is_one = |path: &PathBuf| {
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    name.starts_with(WORSE[0]) && name.ends_with(WORSE[1])
                };
                let mut paths: Vec<PathBuf> = names.filter(is_one).collect();
                paths.sort();
                paths.into_iter().map(|path| Ok((path.clone(), text_of(&path)?))).collect::<Result<_, PackError>>()?
            }
            None => {
                let built_in = BUILT_IN.iter().find(|p| p.name == self.name).map_or(&[][..], |p| p.worse);
                built_in.iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())).collect()
            }
        };
        let mut pairs = Vec::new();
        for (path, text) in files {
            pairs.extend(WorsePair::parse(&text, &path)?);
        }
        Ok(pairs)
    }

    /// What the header of a home about it says. `values` was there before packs were, and is not named.
    pub fn named(&self) -> Option<PackNamed> {
        (self.name != DEFAULT).then(|| PackNamed { name: self.name.clone(), hash: self.hash })
    }
}

fn text_of(path: &Path) -> Result<String, PackError> {
    std::fs::read_to_string(path).map_err(|source| PackError::Unreadable { path: path.to_owned(), source })
}

/// A schema in which everything but the values may be left out: what a model is asked with is then that of the built-in schema.
fn schema_of(text: &str, path: &Path) -> Result<ValueSchema, PackError> {
    let wrong = |problem: String| PackError::Toml { path: path.to_owned(), problem: problem.trim_end().to_owned() };
    let mut own: toml::Table = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let built_in = toml::Table::try_from(ValueSchema::embedded()).map_err(|e| wrong(e.to_string()))?;
    for (key, value) in built_in {
        if key != "value" {
            own.entry(key).or_insert(value);
        }
    }
    let text = toml::to_string(&own).map_err(|e| wrong(e.to_string()))?;
    Ok(ValueSchema::parse(&text, &path.display().to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_packs_are_keyed_throughout_for_their_own_values() {
        for name in Pack::built_in_names() {
            let pack = Pack::built_in(name).unwrap();
            let values: Vec<&str> = pack.schema.values.iter().map(|v| v.id.as_str()).collect();
            pack.bank.check_values(&values, Path::new(name)).unwrap();
            assert!(pack.bank.questions.iter().all(|q| q.is_keyed()), "{name}");
            let ids: Vec<ValueId> = values.iter().map(|v| ValueId::new(v).unwrap()).collect();
            assert_eq!(Pack::of_values(&ids).unwrap().name, name);
        }
        assert!(Pack::built_in(DEFAULT).unwrap().named().is_none());
    }

    #[test]
    fn passages_of_the_taste_pack_are_made_worse_at_equal_length_by_each_author_in_each_way() {
        let taste = Pack::built_in("taste").unwrap();
        let pairs = taste.worse().unwrap();
        let words = |text: &str| text.split_whitespace().count() as f64;
        for pair in &pairs {
            let ratio = words(&pair.worse) / words(&pair.better);
            assert!((0.8..1.25).contains(&ratio), "{}: {ratio}", pair.id);
        }
        let authors: std::collections::BTreeSet<&str> = pairs.iter().map(|p| p.author.as_str()).collect();
        let defects: std::collections::BTreeSet<&str> = pairs.iter().map(|p| p.defect.as_str()).collect();
        for (author, defect) in authors.iter().flat_map(|a| defects.iter().map(move |d| (a, d))) {
            assert!(pairs.iter().any(|p| p.author == *author && p.defect == *defect), "{author}: {defect}");
        }
        let second = taste.second_reader().unwrap().unwrap();
        assert!(second.questions.iter().all(|q| q.tags.iter().any(|tag| tag.starts_with("author:"))));
        // No passage that is keyed is also made worse: what is learned from one is tried on the other.
        let keyed: std::collections::BTreeSet<&str> =
            taste.bank.questions.iter().flat_map(|q| &q.alternatives).map(|a| a.text.as_str()).collect();
        assert!(pairs.iter().all(|p| !keyed.contains(p.better.as_str()) && !keyed.contains(p.worse.as_str())));
        let values = Pack::built_in(DEFAULT).unwrap();
        assert!(values.worse().unwrap().is_empty() && values.second_reader().unwrap().is_none());
    }

    #[test]
    fn a_folder_is_a_pack_and_what_is_wrong_with_it_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(matches!(Pack::find(path), Err(PackError::Unknown { .. })));
        write(MANIFEST, "name = \"tea\"\ntitle = \"how people like their tea\"\n");
        assert!(matches!(Pack::find(path), Err(PackError::Unreadable { .. })));
        let value = |id: &str, high: &str, low: &str| {
            format!(
                "[[value]]\nid = \"{id}\"\nname = \"{id}\"\ndescription = \"It is {high}.\"\npoles = [[\"{high}\", \"{low}\"]]\n"
            )
        };
        let values = [value("strength", "strong", "weak"), value("sweetness", "sweet", "bitter")].concat();
        write("schema.toml", &format!("format = 1\nname = \"tea\"\n{values}"));
        let keyed = r#"{"situation": "At four.", "alternatives": ["leave it for five minutes", "put honey in"], "keys": [{"strength": 2}, {"sweetness": 2}]}"#;
        write("questions.jsonl", &format!("{keyed}\n"));
        let pack = Pack::find(path).unwrap();
        assert_eq!((pack.name.as_str(), pack.bank.questions.len(), pack.schema.values.len()), ("tea", 1, 2));
        assert_eq!(pack.named().unwrap().hash, pack.hash);
        assert_eq!(pack.schema.templates, ValueSchema::embedded().templates, "what is left out is the built-in one");
        write("questions.jsonl", &keyed.replace("strength", "colour"));
        let error = Pack::find(path).unwrap_err().to_string();
        assert!(error.contains("questions.jsonl") && error.contains("\"colour\""), "{error}");
        write("questions.jsonl", r#"{"situation": "At four.", "alternatives": ["tea", "milk"]}"#);
        assert!(matches!(Pack::find(path), Err(PackError::NotKeyed { .. })));
        write(MANIFEST, "name = \"tea\"\ntitel = \"?\"\n");
        assert!(Pack::find(path).unwrap_err().to_string().contains("line 2"));
    }
}
