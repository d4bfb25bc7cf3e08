//! Statements that an import says are no opinions, beside what the home says of them.

use super::Compared;
use crate::ids::SourceId;
use crate::import::conversations::Recognised;
use crate::import::{Import, Mark};

/// Which statements change sides: what an import says overrules what an earlier state of the same conversation said, and not what a
/// later one said, what a person decided, or what another conversation says that stands here.
pub(super) fn marks_beside(import: &mut Import, found: &mut Compared, here: &Recognised) {
    let (mut overruled, mut older, mut counted_by_another, mut marked_by_another) = (0, 0, 0, 0);
    for (alternative, mark) in &import.marks {
        match here.marks.get(alternative) {
            Some(MarkHere { quarantined: true, .. }) => {}
            Some(MarkHere { reason, .. }) if Mark::ALL.iter().all(|m| m.lifted() != reason) => overruled += 1,
            _ if here.is_older => older += 1,
            _ if here.elsewhere.contains(alternative) => counted_by_another += 1,
            _ => found.marks.push((*alternative, true, mark.reason().to_owned())),
        }
    }
    for (alternative, unmarked) in &import.unmarked {
        let Some(MarkHere { quarantined: true, reason, by }) = here.marks.get(alternative) else { continue };
        let Some(mark) = unmarked.iter().find(|mark| mark.reason() == reason) else { continue };
        if by.as_ref() != Some(&import.source) {
            marked_by_another += 1;
        } else if here.is_older {
            older += 1;
        } else {
            found.marks.push((*alternative, false, mark.lifted().to_owned()));
        }
    }
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            import.notes.push(format!("{count} {what}"));
        }
    };
    note(overruled, "of the marked statements count all the same, as somebody decided here");
    note(
        counted_by_another,
        "of the marked statements count all the same, here and in another conversation: that one has them too, and did not mark them \
         (credence people quarantine --statement WORDS leaves one out of both)",
    );
    note(
        marked_by_another,
        "statements are not marked in this file and stay left out: another conversation that stands here marked them",
    );
    note(
        older,
        "statements are marked otherwise in this file and stay as they are: its newest vote is older than that of the conversation \
         which stands here (credence people quarantine --statement WORDS leaves one out, with --lift it counts again)",
    );
}

/// Whether a home has a statement in quarantine, or had: why, and which import said so last.
pub(in crate::import) struct MarkHere {
    pub(in crate::import) quarantined: bool,
    pub(in crate::import) reason: String,
    pub(in crate::import) by: Option<SourceId>,
}
