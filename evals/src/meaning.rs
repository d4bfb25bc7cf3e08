//! How well hidden states tell meanings apart: proposals that say the same, and passages that bear on a situation.

use credence_agent::briefing::{self, Cited, relevant};
use credence_agent::propose::nearness_of;
use credence_memory::ids::{BriefingId, Hash};
use credence_memory::record::BriefingAdded;
use credence_priors::LanguageModel;
use credence_priors::meaning::{MeaningError, States};
use credence_priors::share::Share;
use serde::{Deserialize, Serialize};

use crate::figures::{Figure, Measured};

/// Two phrasings of one proposal, and one that differs from both.
const PROPOSALS: [[&str; 3]; 16] = [
    [
        "phone the landlord about the heating",
        "give the landlord a call because of the heating",
        "buy an electric heater",
    ],
    ["ask a friend for a loan", "borrow the money from a friend", "sell the old car"],
    ["say sorry to your sister", "apologise to your sister", "stop talking to your sister"],
    ["hire a lawyer", "get legal help", "settle it among yourselves"],
    ["cancel the trip", "call off the journey", "take a later train"],
    ["tell your boss the truth", "be honest with your manager", "blame the supplier"],
    ["look for another flat", "search for a new place to live", "negotiate a lower rent"],
    ["take the dog to the vet", "have a vet look at the dog", "give the dog to a neighbour"],
    ["complain to the town council", "make a complaint to the council", "plant a hedge along the fence"],
    ["put the money in the bank", "deposit the money at the bank", "spend the money on a holiday"],
    ["talk to the teacher", "have a word with the teacher", "change to another school"],
    ["mend the roof yourself", "repair the roof on your own", "pay a builder for the roof"],
    ["wait until next week", "leave it for a week", "decide this evening"],
    ["report the theft to the police", "go to the police about the theft", "look for the thief yourself"],
    ["share the inheritance equally", "split the inheritance into equal parts", "give the house to the eldest"],
    ["turn down the job offer", "decline the position", "accept the job offer"],
];

/// Situations, with the briefing that bears on each.
const SITUATIONS: [(&str, &str); 12] = [
    ("fiduciary-duty", "The treasurer of a club wants to borrow from the members' savings for a week."),
    (
        "fiduciary-duty",
        "You manage your aunt's money and a friend offers you a share of a deal if you invest it with him.",
    ),
    ("fiduciary-duty", "A lawyer holds a deposit for a buyer, and his own office is short of cash."),
    ("fiduciary-duty", "The trustee of a fund for two children would like to sell his own house to the fund."),
    ("auditing", "The accountant asks you to move a loan off the books until the inspectors have left."),
    ("auditing", "A director wants an invoice dated back to December before the yearly accounts are examined."),
    ("auditing", "You are told not to mention the missing stock to those who check the figures."),
    (
        "auditing",
        "The finance team is asked to confirm in writing that all records were handed over, and some were not.",
    ),
    (
        "medical-confidentiality",
        "A nurse sees her neighbour's test results, and the neighbour's husband asks about them.",
    ),
    (
        "medical-confidentiality",
        "A patient with epilepsy keeps driving, and the doctor wonders whether to tell anyone.",
    ),
    ("medical-confidentiality", "An employer calls the clinic to learn why a worker has been ill for so long."),
    ("medical-confidentiality", "A mother wants to know what her sixteen-year-old son told the doctor."),
];

const BRIEFINGS: [(&str, &str); 3] = [
    ("fiduciary-duty", include_str!("../../priors/data/briefings/fiduciary-duty.md")),
    ("auditing", include_str!("../../priors/data/briefings/auditing.md")),
    ("medical-confidentiality", include_str!("../../priors/data/briefings/medical-confidentiality.md")),
];

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MeaningReport {
    /// Nearness of each pair that says the same.
    pub same: Vec<f64>,
    /// Nearness of each pair that differs.
    pub different: Vec<f64>,
    /// Pairs that say the same and would be merged.
    pub merged: Share,
    /// Pairs that differ and would be merged all the same.
    pub wrongly_merged: Share,
    /// Situations whose nearest passage is of the briefing that bears on them; one of three by chance.
    pub retrieved: Share,
}

impl Measured for MeaningReport {
    fn figures(&self) -> Vec<Figure> {
        let reader = "hidden states";
        let mut figures = Vec::new();
        for (data, nearness, merged) in [
            ("proposals that say the same", &self.same, self.merged),
            ("proposals that differ", &self.different, self.wrongly_merged),
        ] {
            let mut sorted = nearness.clone();
            sorted.sort_by(f64::total_cmp);
            let median = sorted.get(sorted.len() / 2);
            figures.push(Figure::share(data, reader, "", "share merged", merged));
            figures.extend(median.map(|median| Figure::bare(data, reader, "", "median nearness", *median)));
        }
        figures.push(Figure::share(
            "situations",
            reader,
            "",
            "share led to the briefing that bears on them",
            self.retrieved,
        ));
        figures
    }
}

/// Measures both with the thresholds in use.
///
/// # Errors
/// If the model fails.
#[allow(clippy::missing_panics_doc, reason = "names of briefings are tested")]
pub fn measure(model: &mut dyn LanguageModel) -> Result<MeaningReport, MeaningError> {
    let mut states = States::default();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for [one, again, other] in PROPOSALS {
        let known = [one.to_owned()];
        same.extend(nearness_of(model, &mut states, &known, again)?);
        different.extend(nearness_of(model, &mut states, &known, other)?);
    }
    let threshold = credence_agent::propose::SAME_MEANING;
    let added: Vec<BriefingAdded> = BRIEFINGS
        .iter()
        .map(|(name, text)| BriefingAdded {
            briefing: BriefingId::new(name).expect("a good name"),
            source: (*name).into(),
            content_hash: Hash::of(text.as_bytes()),
            passages: briefing::passages(text),
        })
        .collect();
    let mut right = Vec::new();
    for (name, situation) in SITUATIONS {
        let nearest = relevant(&added, None, model, &mut states, situation, 1)?;
        let is_right = |cited: &Cited| matches!(cited, Cited::Briefing(used) if used.briefing.as_str() == name);
        right.push(nearest.first().is_some_and(|p| is_right(&p.used)));
    }
    Ok(MeaningReport {
        merged: Share::of(same.iter().map(|n| *n >= threshold)),
        wrongly_merged: Share::of(different.iter().map(|n| *n >= threshold)),
        same,
        different,
        retrieved: Share::of(right.into_iter()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_kept_as_figures() {
        let report = MeaningReport {
            same: vec![0.9, 0.5, 0.8],
            different: vec![0.3, 0.1, 0.2],
            merged: Share::new(2, 3),
            wrongly_merged: Share::new(0, 3),
            retrieved: Share::new(9, 12),
        };
        let figures = crate::figures::kept(&report);
        let of = |data: &str, measure: &str| crate::figures::of(&figures, [data, "hidden states", "", measure]);
        assert_eq!(of("proposals that say the same", "median nearness").mean, 0.8);
        assert_eq!(of("proposals that differ", "share merged").high, Some(report.wrongly_merged.high));
        assert_eq!(of("situations", "share led to the briefing that bears on them").mean, 0.75);
    }
}
