//! Collections of documents that ship with the program, in our own words.

use super::{Document, parse};

/// A collection.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Its name, which `credence library add` takes.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    files: &'static [(&'static str, &'static str)],
}

impl Collection {
    /// Its documents.
    ///
    /// # Panics
    /// Never: what ships is tested.
    pub fn documents(&self) -> Vec<Document> {
        let parsed = self.files.iter().map(|(name, text)| parse(name, text.as_bytes(), text));
        parsed.map(|document| document.expect("what ships is tested")).collect()
    }
}

/// The collections that ship.
pub fn built_in() -> &'static [Collection] {
    &[
        Collection {
            name: "values-across-cultures",
            title: "published findings on what people value across cultures",
            files: &[
                (
                    "achievement-and-money.md",
                    include_str!("../../data/library/values-across-cultures/achievement-and-money.md"),
                ),
                (
                    "animals-and-nature.md",
                    include_str!("../../data/library/values-across-cultures/animals-and-nature.md"),
                ),
                ("autonomy.md", include_str!("../../data/library/values-across-cultures/autonomy.md")),
                (
                    "care-and-fairness.md",
                    include_str!("../../data/library/values-across-cultures/care-and-fairness.md"),
                ),
                (
                    "children-and-elders.md",
                    include_str!("../../data/library/values-across-cultures/children-and-elders.md"),
                ),
                ("circle-and-order.md", include_str!("../../data/library/values-across-cultures/circle-and-order.md")),
                (
                    "enjoyment-curiosity-thrift.md",
                    include_str!("../../data/library/values-across-cultures/enjoyment-curiosity-thrift.md"),
                ),
                ("honesty.md", include_str!("../../data/library/values-across-cultures/honesty.md")),
                (
                    "loyalty-responsibility-forgiveness.md",
                    include_str!("../../data/library/values-across-cultures/loyalty-responsibility-forgiveness.md"),
                ),
                ("privacy.md", include_str!("../../data/library/values-across-cultures/privacy.md")),
                ("risk-and-safety.md", include_str!("../../data/library/values-across-cultures/risk-and-safety.md")),
                (
                    "technology-and-ai-oversight.md",
                    include_str!("../../data/library/values-across-cultures/technology-and-ai-oversight.md"),
                ),
                (
                    "tradition-authority-law.md",
                    include_str!("../../data/library/values-across-cultures/tradition-authority-law.md"),
                ),
            ],
        },
        Collection {
            name: "duties",
            title: "professional duties: trust, audit, medical confidence",
            files: &[
                ("auditing.md", include_str!("../../data/library/duties/auditing.md")),
                ("fiduciary-duty.md", include_str!("../../data/library/duties/fiduciary-duty.md")),
                ("medical-confidentiality.md", include_str!("../../data/library/duties/medical-confidentiality.md")),
            ],
        },
    ]
}
