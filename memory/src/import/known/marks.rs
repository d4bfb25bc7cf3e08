//! Statements that an import says are no opinions, beside what the home says of them.

use std::collections::BTreeMap;

use super::Compared;
use crate::ids::{AlternativeId, SourceId};
use crate::import::{Import, Mark};

/// Which statements change sides: what an import says overrules what an earlier one of the same conversation said, and not what a
/// person decided, nor what another conversation's moderators did.
pub(super) fn marks_beside(import: &mut Import, found: &mut Compared, here: &BTreeMap<AlternativeId, MarkHere>) {
    const MARKS: [Mark; 2] = [Mark::ModeratedOut, Mark::AboutTheConversation];
    let (mut overruled, mut kept, mut of_another) = (0, 0, 0);
    for (alternative, mark) in &import.marks {
        match here.get(alternative) {
            Some(MarkHere { quarantined: true, .. }) => {}
            Some(MarkHere { reason, .. }) if MARKS.iter().all(|m| m.lifted() != reason) => overruled += 1,
            _ => found.marks.push((*alternative, true, mark.reason().to_owned())),
        }
    }
    for (alternative, unmarked) in &import.unmarked {
        let Some(MarkHere { quarantined: true, reason, by }) = here.get(alternative) else { continue };
        let Some(mark) = unmarked.iter().find(|mark| mark.reason() == reason) else { continue };
        if by.as_ref() != Some(&import.source) {
            of_another += 1;
        // A file that has older votes than the home is an older state of the conversation.
        } else if found.older > 0 {
            kept += 1;
        } else {
            found.marks.push((*alternative, false, mark.lifted().to_owned()));
        }
    }
    if overruled > 0 {
        import.notes.push(format!("{overruled} of the marked statements count all the same, as somebody decided here"));
    }
    if of_another > 0 {
        import.notes.push(format!(
            "{of_another} statements are not marked in this file and stay left out: another conversation that stands here marked them"
        ));
    }
    if kept > 0 {
        import.notes.push(format!(
            "{kept} statements are not marked in this file and stay left out: it has older votes than what stands here (credence \
             people quarantine --statement WORDS --lift counts one again)"
        ));
    }
}

/// Whether a home has a statement in quarantine, or had: why, and which import said so last.
pub(in crate::import) struct MarkHere {
    pub(in crate::import) quarantined: bool,
    pub(in crate::import) reason: String,
    pub(in crate::import) by: Option<SourceId>,
}
