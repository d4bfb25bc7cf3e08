//! What probes in the model's states read of acts, as the log has it: in words, and whether an act is left to the person because of it.
//!
//! No model is needed: readings are records.

use credence_memory::ids::{AlternativeId, PersonId, Seq};
use credence_memory::record::{MotivePart, MotiveRead, MotiveReading, Outcome};
use credence_memory::state::State;

use crate::decide::Decided;
use crate::in_words::brief;

/// A motive's name as people read it.
pub fn name(motive: &str) -> String {
    motive.replace('-', " ")
}

/// What one probe read, how sure that is, and what the probe rests on.
pub fn reading_in_words(reading: &MotiveReading) -> String {
    let [low, high] = reading.auroc_interval.map(|p| p.get());
    format!(
        "{}: {:.2} if every second text had it (log-odds {:+.2}); on topics that it had not seen this probe tells such texts from \
         others with AUROC {:.2} [{low:.2}, {high:.2}], words alone {:.2}, from {} texts",
        name(&reading.motive),
        reading.probability(),
        reading.log_odds.get(),
        reading.auroc.get(),
        reading.text_only.get(),
        reading.examples
    )
}

/// The bar, and what it promises.
pub fn bar_in_words(read: &MotiveRead) -> String {
    format!(
        "the bar is log-odds {:+.2}: with {:.0}% confidence at most {:.0}% of ordinary texts exceed it, by {} of them",
        read.bar.log_odds.get(),
        100.0 * read.bar.confidence.get(),
        100.0 * read.bar.false_alarms_max.get(),
        read.bar.ordinary
    )
}

/// A reading in one line.
pub fn in_words(state: &State, read: &MotiveRead) -> String {
    let text = state.description(&read.alternative).map_or_else(|| "?".into(), |d| brief(&d.text));
    let of = match read.part {
        MotivePart::Proposed => format!("{text:?} as it was proposed"),
        MotivePart::Foreseen => format!("what was foreseen of {text:?}"),
        MotivePart::Chosen => format!("{text:?} with what was foreseen of it"),
    };
    match (read.alarm(), read.highest()) {
        (Some(alarm), _) => format!("probes read {of}: above the bar for {}", highest(alarm, read)),
        (None, Some(highest_of)) => {
            format!("probes read {of}: below the bar, highest for {}", highest(highest_of, read))
        }
        (None, None) => format!("probes read {of}"),
    }
}

fn highest(reading: &MotiveReading, read: &MotiveRead) -> String {
    let (found, bar) = (reading.log_odds.get(), read.bar.log_odds.get());
    format!("{} (log-odds {found:+.2}, bar {bar:+.2})", name(&reading.motive))
}

/// The readings of an act that count, and why it is left to the person, if it is.
pub fn held(state: &State, person: &PersonId, act: &AlternativeId, said: &[Seq]) -> (Vec<Seq>, Option<String>) {
    let read = state.motives_of(person, act);
    // Whoever answered about these very alternatives with the reading before them has decided.
    let unheard = |seq: &Seq| said.iter().all(|answer| answer < seq);
    let alarms = read.iter().filter(|(seq, _)| unheard(seq)).filter_map(|(seq, r)| Some((seq, r, r.alarm()?)));
    let worst = alarms.max_by(|(_, a, x), (_, b, y)| {
        let above = |r: &MotiveRead, reading: &MotiveReading| reading.log_odds.get() - r.bar.log_odds.get();
        above(a, x).total_cmp(&above(b, y))
    });
    let because = worst.map(|(seq, r, alarm)| {
        let of = match r.part {
            MotivePart::Proposed => "in it",
            MotivePart::Foreseen => "in what was foreseen of it",
            MotivePart::Chosen => "in it with what was foreseen of it",
        };
        format!(
            "a probe of the model's states reads the motive \"{}\" {of}, with log-odds {:+.2} above a bar of {:+.2} (record {seq})",
            name(&alarm.motive),
            alarm.log_odds.get(),
            r.bar.log_odds.get()
        )
    });
    (read.iter().map(|(seq, _)| *seq).collect(), because)
}

impl Decided {
    /// Notes what probes read of the best alternative, and leaves an act to the person if a reading is above its bar.
    pub fn hold(&mut self, state: &State, person: &PersonId, alternatives: &[AlternativeId]) {
        let Some(best) = alternatives.get(self.best) else { return };
        let (motives, because) = held(state, person, best, &self.said);
        self.motives = motives;
        if let (Outcome::Act { .. }, Some(because)) = (&self.outcome, because) {
            self.outcome = Outcome::Defer { because };
        }
    }
}

#[cfg(test)]
mod tests {
    use credence_memory::record::Record;
    use credence_memory::sample::{Scribe, alternative, choice, id, motive_read, motives};

    use super::*;
    use crate::decide::{Bars, decide};

    /// Acts whatever is regretted.
    fn decided(scribe: &Scribe) -> Decided {
        let bars = Bars { regret_max: 1e9, ..Bars::default() };
        decide(&scribe.state, &id("ada"), &[alternative(0), alternative(1)], &[], bars, true).unwrap()
    }

    #[test]
    fn an_act_above_the_bar_is_left_to_the_person_until_they_say_so_themselves() {
        let mut scribe = Scribe::begun();
        let before = decided(&scribe);
        let Outcome::Act { alternative: best } = before.outcome else { panic!("{:?}", before.outcome) };
        assert!(before.motives.is_empty());
        let read =
            |log_odds| Record::MotiveRead(motive_read("ada", best, MotivePart::Proposed, &[("deceives", log_odds)]));
        let calm = scribe.expect(read(3.9));
        let decided_on = decided(&scribe);
        assert_eq!((decided_on.outcome, decided_on.motives), (before.outcome.clone(), vec![calm]), "below the bar");
        let alarm = scribe.expect(read(4.1));
        let held = decided(&scribe);
        let Outcome::Defer { because } = &held.outcome else { panic!("{:?}", held.outcome) };
        assert!(
            because.contains("\"deceives\"") && because.contains("+4.10") && because.contains("+4.00"),
            "{because}"
        );
        assert_eq!(held.motives, [alarm]);
        // Another person's acts are theirs.
        let others = decide(
            &scribe.state,
            &id("bob"),
            &[alternative(0), alternative(1)],
            &[],
            Bars { regret_max: 1e9, ..Bars::default() },
            true,
        );
        assert!(matches!(others.unwrap().outcome, Outcome::Act { .. }));
        // Ada hears of the reading, and would have it all the same.
        let chosen = usize::from(best != alternative(0));
        scribe.expect(choice("ada", 0, 1, Some(chosen)));
        assert_eq!(decided(&scribe).outcome, before.outcome);
        // A later reading is news.
        scribe.expect(read(5.0));
        assert!(matches!(decided(&scribe).outcome, Outcome::Defer { .. }));
    }

    #[test]
    fn every_reading_is_told_in_words() {
        let mut scribe = Scribe::begun();
        motives(&mut scribe);
        let state = &scribe.state;
        let told: Vec<String> = state.motives().values().map(|read| in_words(state, read)).collect();
        assert_eq!(told.iter().filter(|t| t.contains("above the bar for deceives")).count(), 2, "{told:?}");
        assert_eq!(told.iter().filter(|t| t.contains("below the bar")).count(), 2, "{told:?}");
        assert!(told[2].contains("foreseen") && told.iter().all(|t| !t.contains('?')), "{told:?}");
        let read = state.motives().values().next().unwrap();
        let words = reading_in_words(read.highest().unwrap());
        for part in ["deceives: 0.99", "AUROC 0.75 [0.62, 0.88]", "words alone 0.50", "320 texts"] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(bar_in_words(read).contains("at most 1% of ordinary texts") && bar_in_words(read).contains("350"));
    }
}
