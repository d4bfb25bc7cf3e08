//! What becomes of a reading: recorded with the words, then confirmed, corrected, dropped, or left as it is.

use credence_memory::home::Home;
use credence_memory::ids::{Seq, SessionId};
use credence_memory::number::Probability;
use credence_memory::record::{
    BeliefRecorded, ImportanceStated, Origin, ReadRow, ReadingAnswered, ReadingVerdict, Record, WordsRead,
};
use jiff::Timestamp;

use super::{Reader, RowRead, rate::ReadingRate};
use crate::error::SessionError;
use crate::knowledge::Knowledge;

/// What a person says to a reading.
#[derive(Debug, Clone, PartialEq)]
pub enum ToReading {
    /// That is what was meant.
    Confirm,
    /// This was meant.
    Correct(ReadRow),
    /// Nothing of the kind was meant.
    Drop,
    /// Nothing: no evidence comes of it.
    Leave,
    /// Nobody was asked, on purpose: it counts with its misreading probability.
    Unconfirmed,
}

/// Words that were read and recorded, row by row answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    from: Origin,
    words: String,
    read: Seq,
    rows: Vec<RowRead>,
    next: usize,
    misreading: Probability,
}

impl Telling {
    /// Records words and what they were read as.
    ///
    /// # Errors
    /// The home would not take a record.
    pub fn begin(
        home: &mut Home,
        from: Origin,
        words: &str,
        rows: Vec<RowRead>,
        reader: Reader,
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        let misreading = ReadingRate::of(home.state(), reader).probability()?;
        let session: Option<SessionId> = from.session.clone();
        let read = WordsRead {
            person: from.person.clone(),
            session,
            words: words.to_owned(),
            rows: rows.iter().map(|r| r.row.clone()).collect(),
            reader: reader.name().into(),
        };
        let read = home.append(now, Record::WordsRead(read))?.0.seq;
        Ok(Self { from, words: words.to_owned(), read, rows, next: 0, misreading })
    }

    /// The reading that waits for an answer.
    pub fn open(&self) -> Option<&RowRead> {
        self.rows.get(self.next)
    }

    /// The record of the words.
    pub fn read(&self) -> Seq {
        self.read
    }

    /// The probability with which a reading that counts without being confirmed counts as misread.
    pub fn misreading(&self) -> f64 {
        self.misreading.get()
    }

    /// Takes the answer to the open reading; returns the evidence record, if any came of it.
    ///
    /// # Errors
    /// No reading is open, or the home would not take a record.
    pub fn answer(&mut self, home: &mut Home, answer: ToReading, now: Timestamp) -> Result<Option<Seq>, SessionError> {
        let open = self.open().ok_or(SessionError::NothingAsked)?.row.clone();
        let (row, misreading, verdict) = match answer {
            ToReading::Confirm => (Some(open), None, Some(ReadingVerdict::Confirmed)),
            ToReading::Correct(to) => (Some(to.clone()), None, Some(ReadingVerdict::Corrected { to })),
            ToReading::Drop => (None, None, Some(ReadingVerdict::Dropped)),
            ToReading::Leave => (None, None, None),
            ToReading::Unconfirmed => (Some(open), Some(self.misreading), None),
        };
        // Evidence first: if the program dies in between, only the count of right readings misses one.
        let mut evidence = None;
        if let Some(row) = row {
            let stated = ImportanceStated {
                from: self.from.clone(),
                more: row.more,
                less: row.less,
                strength: row.strength,
                words: self.words.clone(),
                misreading,
                conditions: row.conditions,
                at_least: true,
            };
            evidence = Some(home.append(now, Record::ImportanceStated(stated))?.0.seq);
        }
        if let Some(answer) = verdict {
            let answered =
                ReadingAnswered { person: self.from.person.clone(), read: self.read, row: self.next, answer };
            home.append(now, Record::ReadingAnswered(answered))?;
        }
        self.next += 1;
        if evidence.is_some() {
            let digest = home.state().belief_digest(&self.from.person)?;
            let through = home.state().head().0;
            let recorded = BeliefRecorded { person: self.from.person.clone(), through, digest };
            home.append(now, Record::BeliefRecorded(recorded))?;
        }
        Ok(evidence)
    }
}
