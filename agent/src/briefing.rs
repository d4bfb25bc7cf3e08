//! Briefings: documents as background, cut into passages, of which those that bear on a situation come into the model's context.

use std::path::{Path, PathBuf};

use credence_memory::ids::{BriefingId, Hash, IdError};
use credence_memory::record::{BriefingAdded, DocumentAdded, LibraryPassageUsed, Passage, PassageUsed};
use credence_priors::LanguageModel;
use credence_priors::meaning::{MeaningError, States, nearness, standardised};

use crate::document::{self, Problem};

/// A passage has about so many words: three of them leave room in a small model's context.
const PASSAGE_WORDS: usize = 90;
/// Passages put into the context, at most.
pub const PASSAGES_MAX: usize = 3;
/// Why a document cannot be a briefing.
#[derive(Debug, thiserror::Error)]
pub enum BriefingError {
    /// The file cannot be read.
    #[error("briefing {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no document that can be read.
    #[error("briefing {} cannot be used: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Its name cannot be one.
    #[error("a briefing cannot have this name")]
    Name(#[from] IdError),
}

/// Reads a document: text, Markdown or HTML in UTF-8, or a PDF with text in it. Without a name it gets that of the file.
///
/// # Errors
/// A file that cannot be read, or has no text.
pub fn load(path: &Path, name: Option<&str>) -> Result<BriefingAdded, BriefingError> {
    let (bytes, text) = document::text(path).map_err(|problem| match problem {
        Problem::Unreadable(source) => BriefingError::Unreadable { path: path.to_owned(), source },
        Problem::Unusable(problem) => BriefingError::Unusable { path: path.to_owned(), problem },
    })?;
    let unusable = |problem: &str| BriefingError::Unusable { path: path.to_owned(), problem: problem.to_owned() };
    let passages = passages(&text);
    if passages.is_empty() {
        return Err(unusable("there is no text in it"));
    }
    let stem = path.file_stem().map_or_else(|| "briefing".into(), |s| s.to_string_lossy().into_owned());
    Ok(BriefingAdded {
        briefing: BriefingId::new(name.unwrap_or(&stem))?,
        source: path.display().to_string(),
        content_hash: Hash::of(&bytes),
        passages,
    })
}

/// Cuts a text at headings, paragraphs and, where those are long, sentences.
pub fn passages(text: &str) -> Vec<Passage> {
    let text = document::normalised(text);
    let mut found: Vec<Passage> = Vec::new();
    let mut heading = String::new();
    for block in document::blocks(&text) {
        let mut lines = block.into_iter().peekable();
        while let Some(title) = lines.peek().and_then(|l| l.trim().strip_prefix('#')) {
            heading = title.trim_start_matches('#').trim().to_owned();
            lines.next();
        }
        let block: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        for piece in document::pieces(&block, PASSAGE_WORDS) {
            let joins = found.last().is_some_and(|last| {
                last.heading == heading && count_words(&last.text) + count_words(&piece) <= PASSAGE_WORDS
            });
            match found.last_mut().filter(|_| joins) {
                Some(last) => {
                    last.text.push(' ');
                    last.text.push_str(&piece);
                }
                None => found.push(Passage { heading: heading.clone(), text: piece }),
            }
        }
    }
    found
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Where a passage stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cited {
    /// In a briefing.
    Briefing(PassageUsed),
    /// In a document of the library.
    Library(LibraryPassageUsed),
}

/// A passage that bears on a situation.
#[derive(Debug, Clone, PartialEq)]
pub struct Relevant {
    /// Where it stands.
    pub used: Cited,
    /// The document and heading it is from.
    pub source: String,
    /// Its text.
    pub text: String,
    /// How near its meaning is to the situation's, in [-1, 1].
    pub nearness: f64,
}

/// The passages of briefings, and of documents of the library, whose meaning is nearest to the situation's, nearest first.
///
/// # Errors
/// If the model fails.
#[allow(clippy::missing_panics_doc, reason = "the situation is the last of the rows")]
pub fn relevant<'a>(
    briefings: impl IntoIterator<Item = &'a BriefingAdded>,
    library: impl IntoIterator<Item = &'a DocumentAdded>,
    model: &mut dyn LanguageModel,
    states: &mut States,
    situation: &str,
    most: usize,
) -> Result<Vec<Relevant>, MeaningError> {
    let source = |name: &dyn std::fmt::Display, heading: &str| {
        if heading.is_empty() { name.to_string() } else { format!("{name}, {heading}") }
    };
    let mut all: Vec<Relevant> = briefings
        .into_iter()
        .flat_map(|b| {
            b.passages.iter().enumerate().map(move |(passage, p)| Relevant {
                used: Cited::Briefing(PassageUsed { briefing: b.briefing.clone(), passage }),
                source: source(&b.briefing, &p.heading),
                text: p.text.clone(),
                nearness: 0.0,
            })
        })
        .collect();
    all.extend(library.into_iter().flat_map(|d| {
        d.passages.iter().enumerate().map(move |(passage, p)| Relevant {
            used: Cited::Library(LibraryPassageUsed { document: d.document, passage }),
            source: source(&d.title, &p.heading),
            text: p.text.clone(),
            nearness: 0.0,
        })
    }));
    if all.is_empty() {
        return Ok(all);
    }
    let mut texts: Vec<String> = all.iter().map(|p| p.text.clone()).collect();
    texts.push(situation.to_owned());
    let rows = standardised(&states.of(model, &texts)?);
    let (query, passages) = rows.split_last().expect("the situation is the last of them");
    all.iter_mut().zip(passages).for_each(|(p, row)| p.nearness = nearness(row, query));
    all.sort_by(|a, b| b.nearness.total_cmp(&a.nearness));
    all.truncate(most);
    Ok(all)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_is_cut_at_headings_and_keeps_every_word() {
        let text = "# Money\n\nKeep it apart.\n\nPay it back.\n\n## Who asks\nAnyone may.\n\n".to_owned()
            + &"word ".repeat(200);
        let found = passages(&text);
        assert_eq!((found[0].heading.as_str(), found[0].text.as_str()), ("Money", "Keep it apart. Pay it back."));
        assert_eq!(found[1].heading, "Who asks");
        assert!(found.iter().all(|p| count_words(&p.text) <= PASSAGE_WORDS));
        assert_eq!(found.iter().map(|p| count_words(&p.text)).sum::<usize>(), 6 + 2 + 200);
    }

    #[test]
    fn line_ends_and_marks_of_other_systems_change_nothing() {
        let unix = "# One\n\nFirst text is here.\n\n# Two\n\nSecond text is here.\n";
        let expected = passages(unix);
        assert_eq!(expected.len(), 2);
        for other in [
            unix.replace('\n', "\r\n"),
            unix.replace('\n', "\r"),
            format!("\u{feff}{unix}"),
            format!("\u{feff}{}", unix.replace('\n', "\r\n")),
            unix.replace("\n\n", "\n \t\n"),
            unix.replace("\n\n", "\r\n\n"),
            unix.replace("\n\n", "\u{2029}"),
            unix.replace('\n', "\u{2028}"),
        ] {
            assert_eq!(passages(&other), expected, "{other:?}");
        }
    }

    #[test]
    fn joined_letters_are_letters() {
        let found =
            passages("The e\u{fb00}ect of \u{fb01}nding a \u{fb02}at near the o\u{fb03}ce, wa\u{fb04}es, \u{fb06}op.");
        assert_eq!(found[0].text, "The effect of finding a flat near the office, waffles, stop.");
    }

    /// A PDF of one page with this content.
    pub(crate) fn pdf(content: &str) -> Vec<u8> {
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
                .to_owned(),
            format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        ];
        let mut file = "%PDF-1.4\n".to_owned();
        let mut table = "0000000000 65535 f \n".to_owned();
        for (i, object) in objects.iter().enumerate() {
            table.push_str(&format!("{:010} 00000 n \n", file.len()));
            file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", i + 1));
        }
        let start = file.len();
        let count = objects.len() + 1;
        file.push_str(&format!(
            "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        ));
        file.into_bytes()
    }

    #[test]
    fn a_pdf_with_text_is_read_and_one_without_is_taken_for_a_scan() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("deposits.pdf");
        let text = "BT /F1 12 Tf 72 700 Td (Keep deposits apart from all other money.) Tj ET";
        std::fs::write(&path, pdf(text)).expect("written");
        let briefing = load(&path, Some("rules")).expect("a document");
        assert_eq!((briefing.briefing.as_str(), briefing.passages.len()), ("rules", 1));
        assert!(briefing.passages[0].text.contains("deposits apart"), "{:?}", briefing.passages);
        std::fs::write(&path, pdf("0 0 m 100 100 l S")).expect("written");
        let error = load(&path, None).expect_err("nothing to read").to_string();
        assert!(error.contains("deposits.pdf") && error.contains("scan"), "{error}");
    }

    #[test]
    fn files_that_are_no_documents_are_refused_with_what_was_expected() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, bytes, says) in [
            ("empty.md", &b" \n"[..], "no text"),
            ("latin.txt", &b"caf\xe9"[..], "UTF-8"),
            ("broken.pdf", &b"%PDF-1.4 nothing more"[..], "PDF"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            let error = load(&path, None).expect_err("no document").to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
        assert!(matches!(load(&dir.path().join("none"), None), Err(BriefingError::Unreadable { .. })));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_word_is_lost(text in "[a-z#\n .]{0,200}") {
            let words = |t: &str| t.split_whitespace().filter(|w| !w.starts_with('#')).count();
            let headings_apart = !text.contains('#');
            let found: usize = passages(&text).iter().map(|p| words(&p.text)).sum();
            if headings_apart {
                prop_assert_eq!(found, words(&text));
            }
        }
    }
}
