//! What was read once is not read again.
//!
//! On disk it is JSON Lines, one file for each (model, schema): several programs may append to it at once, it survives
//! being cut off, and it can be deleted. sled would let one program in at a time, and two homes share this cache.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::alternative::RawReading;
use crate::checked_lines;
use crate::model::ModelIdentity;
use crate::schema::ValueSchema;

/// Raw readings by [`crate::readout::Alternative::key`], for one model and one schema.
pub trait ReadingCache {
    /// The reading kept under `key`.
    fn get(&self, key: &str) -> Option<RawReading>;

    /// Keeps a reading under `key`.
    ///
    /// # Errors
    /// It cannot be written.
    fn put(&mut self, key: &str, reading: &RawReading) -> Result<(), ReadingCacheError>;
}

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the cache of readings {}", path.display())]
pub struct ReadingCacheError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// A cache that lives as long as the program.
#[derive(Debug, Clone, Default)]
pub struct MemoryReadingCache(HashMap<String, RawReading>);

impl ReadingCache for MemoryReadingCache {
    fn get(&self, key: &str) -> Option<RawReading> {
        self.0.get(key).cloned()
    }

    fn put(&mut self, key: &str, reading: &RawReading) -> Result<(), ReadingCacheError> {
        self.0.insert(key.to_owned(), reading.clone());
        Ok(())
    }
}

/// A cache in a file.
#[derive(Debug)]
pub struct FileReadingCache {
    path: PathBuf,
    file: Option<File>,
    known: HashMap<String, RawReading>,
}

impl FileReadingCache {
    /// Opens the cache for this model and schema under `folder`. Lines that cannot be read, or do not match their checksum
    /// (with a warning), are passed over: they are read from the model again.
    ///
    /// # Errors
    /// If the folder cannot be made. A file that cannot be written is an error only when something is put.
    pub fn open(folder: &Path, model: &ModelIdentity, schema: &ValueSchema) -> Result<Self, ReadingCacheError> {
        let name = format!("readings-{}-{}.jsonl", &model.key()[..16], &schema.hash()[..16]);
        let path = folder.join(name);
        fs::create_dir_all(folder).map_err(|source| ReadingCacheError { path: path.clone(), source })?;
        let shape = (schema.templates.len(), schema.values.iter().map(|value| value.poles.len()).sum::<usize>());
        let known = checked_lines::read(&path, |reading| has_shape(reading, shape, model.width));
        Ok(Self { path, file: None, known })
    }

    /// How many readings it holds.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

fn has_shape(reading: &RawReading, (templates, pairs): (usize, usize), width: usize) -> bool {
    reading.log_odds.len() == templates
        && reading.log_odds.iter().all(|row| row.len() == pairs)
        && reading.hidden.len() == width
}

impl ReadingCache for FileReadingCache {
    fn get(&self, key: &str) -> Option<RawReading> {
        self.known.get(key).cloned()
    }

    fn put(&mut self, key: &str, reading: &RawReading) -> Result<(), ReadingCacheError> {
        let failed = |source| ReadingCacheError { path: self.path.clone(), source };
        let line = checked_lines::line(key, reading).map_err(failed)?;
        if self.file.is_none() {
            self.file = Some(checked_lines::append_to(&self.path).map_err(failed)?);
        }
        if let Some(file) = &mut self.file {
            // One write: a second program cannot spoil it.
            file.write_all(line.as_bytes()).map_err(failed)?;
        }
        self.known.insert(key.to_owned(), reading.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LanguageModel;
    use crate::readout::{Alternative, read_alternatives};
    use crate::scripted::Scripted;

    #[test]
    fn an_edited_reading_is_read_again() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let schema = ValueSchema::embedded();
        let mut model = Scripted::hashed(1);
        let asked = [Alternative::new(None, "go"), Alternative::new(None, "stay")];
        let mut cache = FileReadingCache::open(folder.path(), &model.describe(), &schema)?;
        let first = read_alternatives(&mut model, &schema, &asked, &mut cache, &mut |_, _| {})?;
        let text = fs::read_to_string(&cache.path)?;
        let place = text.rfind("hidden").ok_or("no hidden state")?;
        let digit = place + text[place..].find(|c: char| c.is_ascii_digit()).ok_or("no number")?;
        let other = if &text[digit..=digit] == "1" { "2" } else { "1" };
        fs::write(&cache.path, format!("{}{other}{}", &text[..digit], &text[digit + 1..]))?;
        let mut cache = FileReadingCache::open(folder.path(), &model.describe(), &schema)?;
        assert_eq!(cache.len(), 1, "the edited reading is not believed");
        let again = read_alternatives(&mut model, &schema, &asked, &mut cache, &mut |_, _| {})?;
        assert_eq!(again, first);
        assert_eq!(FileReadingCache::open(folder.path(), &model.describe(), &schema)?.len(), 2);
        Ok(())
    }

    #[test]
    fn a_file_gives_back_what_was_put_and_survives_damage() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let schema = ValueSchema::embedded();
        let mut model = Scripted::hashed(1);
        let asked = [Alternative::new(None, "go"), Alternative::new(None, "stay")];
        let mut cache = FileReadingCache::open(folder.path(), &model.describe(), &schema)?;
        let read = read_alternatives(&mut model, &schema, &asked, &mut cache, &mut |_, _| {})?;
        let path = cache.path.clone();
        let mut text = fs::read(&path)?;
        text.extend(b"{\"key\": torn");
        fs::write(&path, &text)?;
        let mut cache = FileReadingCache::open(folder.path(), &model.describe(), &schema)?;
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(&asked[0].key()).as_ref(), Some(&read[0]));
        cache.put("new", &read[1])?;
        assert_eq!(FileReadingCache::open(folder.path(), &model.describe(), &schema)?.len(), 3);
        let other = FileReadingCache::open(folder.path(), &Scripted::hashed(2).describe(), &schema)?;
        assert!(other.is_empty());
        Ok(())
    }
}
