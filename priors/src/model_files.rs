//! The files of a model: one, or several that llama.cpp names `NAME-00001-of-00003.gguf`.
//!
//! Whichever of several files is named, all of them are the model: its identity, its size and its F16 copy are those of all
//! in their order.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::gguf::{GgufError, GgufHead};

/// llama.cpp counts files in 16 bits; five digits are in the name.
const FILES_MAX: u64 = 65_535;

/// All files of a model that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    files: Vec<PathBuf>,
    /// What the head of the first says, with the tensors of all.
    pub head: GgufHead,
}

impl ModelFiles {
    /// Finds the files that belong to the model in `path`, which may be any of them, and reads their heads.
    ///
    /// # Errors
    /// If one is missing, damaged, or belongs elsewhere.
    pub fn find(path: &Path) -> Result<Self, GgufError> {
        let head = GgufHead::read_file(path)?;
        let Some((_, count)) = head.split else { return Ok(Self { files: vec![path.to_owned()], head }) };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(names) = names_of_all(name).filter(|names| names.len() as u64 == count) else {
            return Err(GgufError::Shard(format!(
                "it is one of {count} files of a model and has not the name of one: expected NAME-00001-of-{count:05}.gguf"
            )));
        };
        let files: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
        let mut whole: Option<GgufHead> = None;
        for (number, file) in files.iter().enumerate() {
            let of =
                |what: String| GgufError::Shard(format!("{}, file {} of {count}: {what}", file.display(), number + 1));
            if !file.is_file() {
                return Err(of("it is missing, and the model is not whole without it".to_owned()));
            }
            let head = GgufHead::read_file(file).map_err(|error| of(error.to_string()))?;
            if head.split != Some((number as u64, count)) {
                return Err(of("it says of itself that it is another".to_owned()));
            }
            match &mut whole {
                None => whole = Some(head),
                Some(whole) => whole.add(&head),
            }
        }
        Ok(Self { files, head: whole.unwrap_or(head) })
    }

    /// The file that llama.cpp is given.
    pub fn first(&self) -> &Path {
        &self.files[0]
    }

    /// All files, in their order; at least one.
    pub fn all(&self) -> &[PathBuf] {
        &self.files
    }

    /// BLAKE3 hash, in hex, of the bytes of all files one after another: of one file it is that of the file.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn blake3(&self) -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update_reader(File::open(file)?)?;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// Reads the bytes of files, one after another.
pub(crate) fn read_through(files: &[PathBuf], mut on_bytes: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    for file in files {
        let mut file = File::open(file)?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => on_bytes(&buffer[..read]),
            }
        }
    }
    Ok(())
}

/// The names of all files of a model, in their order, by the name of one of them; none where it has not the form
/// `NAME-00001-of-00003.gguf`.
pub(crate) fn names_of_all(name: &str) -> Option<Vec<String>> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok());
    let (number, count): (u64, u64) = (digits(number)??, digits(count)??);
    let makes_sense = (1..=FILES_MAX).contains(&count) && (1..=count).contains(&number);
    makes_sense.then(|| (1..=count).map(|number| format!("{name}-{number:05}-of-{count:05}.gguf")).collect())
}

/// The name of a model without what says which file of several it is.
pub(crate) fn common_name(stem: &str) -> &str {
    match names_of_all(&format!("{stem}.gguf")) {
        Some(_) => stem.rsplitn(4, '-').nth(3).unwrap_or(stem),
        None => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_training::Architecture;
    use credence_training::tiny;

    #[test]
    fn names_are_llama_cpps() {
        let check = |name: &str, all: Option<&[&str]>| {
            let expected = all.map(|all| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            assert_eq!(names_of_all(name), expected, "{name}");
        };
        check("a-b-00002-of-00002.gguf", Some(&["a-b-00001-of-00002.gguf", "a-b-00002-of-00002.gguf"]));
        check("x-00001-of-00001.gguf", Some(&["x-00001-of-00001.gguf"]));
        for none in
            ["x.gguf", "x-1-of-2.gguf", "x-00003-of-00002.gguf", "x-00000-of-00002.gguf", "x-00001-of-00002.bin"]
        {
            check(none, None);
        }
        assert_eq!(common_name("a-b-00002-of-00002"), "a-b");
        assert_eq!(common_name("a-b"), "a-b");
    }

    #[test]
    fn several_files_are_one_model_whichever_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let whole = folder.path().join("whole.gguf");
        tiny::write(&whole, Architecture::Llama, 1)?;
        let one = ModelFiles::find(&whole)?;
        assert_eq!((one.all().len(), one.blake3()?), (1, crate::cache::blake3_of(&whole)?));

        let files = tiny::split(&whole, &folder.path().join("tiny"), 3)?;
        let first = ModelFiles::find(&files[0])?;
        assert_eq!((first.all(), first.first()), (&files[..], files[0].as_path()));
        assert_eq!((first.head.parameters, first.head.tensors), (one.head.parameters, one.head.tensors));
        assert_eq!(first.head.architecture, "llama");
        for file in &files {
            assert_eq!(ModelFiles::find(file)?, first, "{}", file.display());
        }
        // The last byte of the last file is a weight of another model.
        let identity = first.blake3()?;
        let mut bytes = std::fs::read(&files[2])?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&files[2], &bytes)?;
        assert_ne!(ModelFiles::find(&files[0])?.blake3()?, identity);

        let refused = |path: &Path, words: &str| {
            let said = ModelFiles::find(path).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(words), "{said:?} does not say {words:?}");
        };
        std::fs::copy(&files[0], folder.path().join("other.gguf"))?;
        refused(&folder.path().join("other.gguf"), "one of 3 files");
        std::fs::copy(&files[1], &files[2])?;
        refused(&files[0], "another");
        std::fs::remove_file(&files[2])?;
        refused(&files[0], "missing");
        refused(&files[1], "missing");
        Ok(())
    }
}
