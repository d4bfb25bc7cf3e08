//! What a person says in words: structured statements, and sentences that are read and confirmed.

use credence_memory::home::Home;
use credence_memory::ids::ValueId;
use credence_memory::record::{ImportanceStated, ReadRow, Record};
use jiff::Timestamp;

use super::{Given, Session, SessionError};
use crate::importance::{Importance, NamedValue};
use crate::protocol::{ConfirmView, MovedView};
use crate::words::telling::{Telling, ToReading};
use crate::words::{self, Listener};

impl Session {
    /// Records a statement of importance in structured words; the open question stays open.
    ///
    /// # Errors
    /// The words are no such statement, or name a value that there is none of; the home would not take the record.
    pub fn importance(&mut self, home: &mut Home, words: &str, now: Timestamp) -> Result<MovedView, SessionError> {
        let row = structured(words, &self.named_values(home))?;
        let said = words::sentence(&row, |id| self.name(id));
        let record = Record::ImportanceStated(ImportanceStated {
            from: self.origin()?,
            more: row.more,
            less: row.less,
            strength: row.strength,
            words: words.to_owned(),
            misreading: None,
            conditions: Vec::new(),
            at_least: true,
        });
        self.evidence(home, record, said, None, None, now)
    }

    /// Reads free words; what they were read as then waits to be confirmed. The open question stays open.
    ///
    /// # Errors
    /// The words cannot be read; the home would not take a record.
    pub fn tell(
        &mut self,
        home: &mut Home,
        listener: &Listener,
        words: &str,
        now: Timestamp,
    ) -> Result<ConfirmView, SessionError> {
        let rows = listener.read(words)?;
        self.leave_readings(home, now)?;
        self.telling = Some(Telling::begin(home, self.origin()?, words, rows, listener.reader(), now)?);
        self.reading().ok_or(SessionError::NothingAsked)
    }

    /// The reading that waits for an answer.
    pub fn reading(&self) -> Option<ConfirmView> {
        let open = self.telling.as_ref()?.open()?;
        let sentence = |row| words::sentence(row, |id| self.name(id));
        Some(ConfirmView {
            text: format!("{}: right?", sentence(&open.row)),
            others: open.others.iter().map(sentence).collect(),
        })
    }

    /// Takes the answer to the open reading; says what moved, if anything did.
    ///
    /// # Errors
    /// No reading is open, or the home would not take a record.
    pub fn answer_reading(
        &mut self,
        home: &mut Home,
        answer: ToReading,
        now: Timestamp,
    ) -> Result<Option<MovedView>, SessionError> {
        let before = self.values(home)?;
        let telling = self.telling.as_mut().ok_or(SessionError::NothingAsked)?;
        let row = telling.open().map(|r| r.row.clone()).ok_or(SessionError::NothingAsked)?;
        let row = if let ToReading::Correct(to) = &answer { to.clone() } else { row };
        let evidence = telling.answer(home, answer, now)?;
        if telling.open().is_none() {
            self.telling = None;
        }
        let Some(seq) = evidence else { return Ok(None) };
        let said = words::sentence(&row, |id| self.name(id));
        self.given.push(Given { seq, question: None, said: Some(said.clone()), open: None, predicted_ln: None });
        self.moved(home, seq, said, None, &before).map(Some)
    }

    /// Another reading of the open words: the one at this place among those shown beside it.
    ///
    /// # Errors
    /// No reading is open, or it has no such place.
    pub fn other_reading(&self, index: usize) -> Result<ToReading, SessionError> {
        let open = self.telling.as_ref().and_then(Telling::open).ok_or(SessionError::NothingAsked)?;
        let row = open.others.get(index).cloned();
        let alternatives = open.others.len();
        row.map(ToReading::Correct).ok_or(SessionError::NoSuchAlternative { chosen: index + 1, alternatives })
    }

    /// What was meant, in structured words, instead of the open reading.
    ///
    /// # Errors
    /// The words are no statement of importance.
    pub fn corrected_reading(&self, home: &Home, words: &str) -> Result<ToReading, SessionError> {
        Ok(ToReading::Correct(structured(words, &self.named_values(home))?))
    }

    /// Nothing is concluded from readings that nobody confirmed.
    ///
    /// # Errors
    /// The home would not take a record.
    pub fn leave_readings(&mut self, home: &mut Home, now: Timestamp) -> Result<(), SessionError> {
        while self.telling.is_some() {
            self.answer_reading(home, ToReading::Leave, now)?;
        }
        Ok(())
    }

    fn named_values(&self, home: &Home) -> Vec<NamedValue> {
        let values = home.state().epoch().map(|e| e.layout.values().to_vec()).unwrap_or_default();
        values.iter().map(|v| NamedValue { id: v.to_string(), name: self.name(v.as_str()) }).collect()
    }
}

/// A statement of importance in structured words, as a row.
///
/// # Errors
/// The words are no such statement, or name a value that there is none of.
pub fn structured(words: &str, values: &[NamedValue]) -> Result<ReadRow, SessionError> {
    let statement = Importance::parse(words, values)?;
    let value = |id: &Option<String>| id.as_deref().map(ValueId::new).transpose();
    Ok(ReadRow {
        more: value(&statement.more)?,
        less: value(&statement.less)?,
        strength: statement.strength,
        conditions: Vec::new(),
    })
}
