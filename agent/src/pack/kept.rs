//! The copy of a pack that a home keeps: what it is about is then known without the folder that it came from.

use std::io;
use std::path::{Path, PathBuf};

use credence_priors::schema::Value;

use super::{MANIFEST, Manifest, Pack, PackError, bank_file, schema_file, text_of};

/// The folder in a home that holds the copy, the one that is being written, and the one that is being replaced.
const KEPT: &str = "pack";
const NEW: &str = "pack.new";
const OLD: &str = "pack.old";

impl Pack {
    /// The pack that a home keeps; none where it keeps none.
    ///
    /// # Errors
    /// As [`Pack::load`].
    pub fn kept_in(home: &Path) -> Result<Option<Self>, PackError> {
        // Whoever replaces a copy may be stopped between its two steps.
        let there = [KEPT, OLD].map(|name| home.join(name)).into_iter().find(|folder| folder.join(MANIFEST).is_file());
        there.map(|folder| Self::load(&folder)).transpose()
    }

    /// Keeps a copy in a home, in place of the one that is there, unless it is the same. A built-in pack needs none. Whoever holds the
    /// home may do so.
    ///
    /// # Errors
    /// A file that cannot be read any more, or cannot be written.
    pub fn keep_in(&self, home: &Path) -> Result<(), PackError> {
        let Some(folder) = self.folder.as_deref().filter(|folder| !folder.starts_with(home.join(KEPT))) else {
            return Ok(());
        };
        if let Ok(Some(there)) = Self::kept_in(home)
            && (there.hash, &there.title) == (self.hash, &self.title)
        {
            return Ok(());
        }
        let Manifest { name, title, schema, bank, charter } = Manifest::of(folder)?;
        let mut files = vec![(schema_file(), folder.join(schema)), (bank_file(), folder.join(bank))];
        let charter = charter.map(|file| {
            files.push(("charter.md".into(), folder.join(file)));
            PathBuf::from("charter.md")
        });
        let manifest = Manifest { name, title, schema: schema_file(), bank: bank_file(), charter };
        let manifest = toml::to_string(&manifest)
            .map_err(|e| PackError::Toml { path: folder.join(MANIFEST), problem: e.to_string() })?;
        let mut texts = vec![(PathBuf::from(MANIFEST), manifest)];
        for (name, from) in files {
            texts.push((name, text_of(&from)?));
        }
        replaced(home, &texts).map_err(|source| PackError::NotKept { path: home.join(KEPT), source })
    }

    /// The ids of values that another pack does not have in the same words: what makes weights mean something else.
    pub fn values_unlike(&self, other: &Self) -> Vec<String> {
        let unlike = |own: &[Value], others: &[Value]| -> Vec<String> {
            own.iter().filter(|value| !others.contains(value)).map(|value| value.id.clone()).collect()
        };
        let mut all = unlike(&self.schema.values, &other.schema.values);
        let gone = unlike(&other.schema.values, &self.schema.values);
        all.extend(gone.into_iter().filter(|id| self.schema.values.iter().all(|value| value.id != *id)));
        all
    }
}

/// Writes the copy beside the one that is there, and puts it in its place.
fn replaced(home: &Path, texts: &[(PathBuf, String)]) -> io::Result<()> {
    let [kept, new, old] = [KEPT, NEW, OLD].map(|name| home.join(name));
    let gone = |folder: &Path| match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(&new)?;
    std::fs::create_dir_all(&new)?;
    for (name, text) in texts {
        std::fs::write(new.join(name), text)?;
    }
    if kept.exists() {
        gone(&old)?;
        std::fs::rename(&kept, &old)?;
    }
    std::fs::rename(&new, &kept)?;
    gone(&old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_keeps_what_it_is_about_and_tells_which_values_changed() {
        let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(dir.path().join("deep")).unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
        };
        write(MANIFEST, "name = \"tea\"\ntitle = \"how people like their tea\"\nschema = \"deep/values.toml\"\n");
        let value = |id: &str, says: &str| {
            format!(
                "[[value]]\nid = \"{id}\"\nname = \"The {id}\"\ndescription = \"{says}\"\npoles = [[\"{id}\", \"no\"]]\n"
            )
        };
        let schema =
            |says: &str| format!("format = 1\nname = \"tea\"\n{}{}", value("strength", says), value("milk", "Milk."));
        write("deep/values.toml", &schema("It is strong."));
        let keys =
            r#"{"situation": "At four.", "alternatives": ["wait", "pour"], "keys": [{"strength": 2}, {"milk": 2}]}"#;
        write("questions.jsonl", keys);
        let pack = Pack::load(dir.path()).unwrap();
        assert!(Pack::kept_in(home.path()).unwrap().is_none());
        pack.keep_in(home.path()).unwrap();
        let kept = Pack::kept_in(home.path()).unwrap().unwrap();
        assert_eq!((kept.hash, &kept.bank, &kept.schema), (pack.hash, &pack.bank, &pack.schema));
        kept.keep_in(home.path()).unwrap();
        write("questions.jsonl", &keys.replace("\"milk\": 2", "\"milk\": 1"));
        let corrected = Pack::load(dir.path()).unwrap();
        corrected.keep_in(home.path()).unwrap();
        assert_eq!(Pack::kept_in(home.path()).unwrap().unwrap().hash, corrected.hash);
        assert!(corrected.values_unlike(&kept).is_empty());
        // Stopped in the middle, the old copy is still there.
        std::fs::rename(home.path().join(KEPT), home.path().join(OLD)).unwrap();
        assert_eq!(Pack::kept_in(home.path()).unwrap().unwrap().hash, corrected.hash);
        write("deep/values.toml", &schema("It is very strong."));
        assert_eq!(Pack::load(dir.path()).unwrap().values_unlike(&kept), ["strength"]);
        assert!(Pack::built_in("taste").unwrap().keep_in(&home.path().join("none")).is_ok());
        for (name, says) in [("\"\"", "name = \"\""), ("\" \"", "expected a name"), ("\"a\\nb\"", "in one line")] {
            write(MANIFEST, &format!("name = {name}\ntitle = \"tea\"\n"));
            let error = Pack::load(dir.path()).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(MANIFEST), "{error}");
        }
    }
}
