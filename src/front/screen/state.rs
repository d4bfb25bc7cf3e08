//! What the screen knows: a fold of what the session showed and of what was pressed.

use credence_agent::protocol::{
    ConfirmView, MovedView, PersonView, Progress, QuestionView, Said, Shown, SummaryView, ValuesView, WhyView,
};

use super::bars::{AXIS, axis_of};
use super::input::InputLine;
use super::palette::Palette;

/// What the middle of the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The question, or the reading to confirm.
    Question,
    /// Why this question.
    Why,
    /// The values.
    Values,
    /// The keys.
    Help,
    /// The end.
    Summary,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The session's.
    Waiting,
    /// The person's, but what stands there has only just appeared: keys do not answer it yet.
    Fresh,
    /// The person's.
    Open,
}

/// A line to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Whether something could not be used.
    pub(crate) problem: bool,
    /// What.
    pub(crate) text: String,
}

/// Everything that the screen draws from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScreenState {
    /// Colours.
    pub(crate) palette: Palette,
    /// Who sits here.
    pub(crate) name: Option<String>,
    /// What is believed about them beyond the values, once they have answered.
    pub(crate) person: Option<PersonView>,
    /// What goes on in the background, until it is done.
    pub(crate) progress: Option<Progress>,
    /// The question that stands.
    pub(crate) question: Option<QuestionView>,
    /// The one that matters most of several, until the one that matters least is said too.
    pub(crate) best: Option<usize>,
    /// A reading to confirm; it stands before the question.
    pub(crate) confirm: Option<ConfirmView>,
    /// What the last evidence moved.
    pub(crate) moved: Option<MovedView>,
    /// Why the question that stands was chosen, once asked for.
    pub(crate) why: Option<WhyView>,
    /// The values, as last told.
    pub(crate) values: Option<ValuesView>,
    /// Where the axis of their bars ends. It only ever grows, and says so.
    pub(crate) axis: f64,
    /// The last line to the person.
    pub(crate) message: Option<Notice>,
    /// The end.
    pub(crate) summary: Option<SummaryView>,
    /// What the middle shows.
    pub(crate) page: Page,
    /// A statement of importance being typed.
    pub(crate) input: Option<InputLine>,
    /// Whose turn it is.
    pub(crate) turn: Turn,
    /// What was said last.
    pub(crate) last: Option<Said>,
    /// Whether an end was asked for.
    pub(crate) stopping: bool,
    /// Whether a signal asked for it.
    pub(crate) interrupted: bool,
    /// Whether the screen is to be left.
    pub(crate) leave: bool,
    /// Lines scrolled down.
    pub(crate) scroll: usize,
    /// Counts frames; turns the wheel while waiting.
    pub(crate) beat: usize,
}

impl ScreenState {
    /// A screen on which nothing has happened.
    pub(crate) fn new(palette: Palette) -> Self {
        Self {
            palette,
            name: None,
            person: None,
            progress: None,
            question: None,
            best: None,
            confirm: None,
            moved: None,
            why: None,
            values: None,
            axis: AXIS,
            message: None,
            summary: None,
            page: Page::Question,
            input: None,
            turn: Turn::Waiting,
            last: None,
            stopping: false,
            interrupted: false,
            leave: false,
            scroll: 0,
            beat: 0,
        }
    }

    /// Takes in what the session shows; its texts are clean already.
    pub(crate) fn show(&mut self, shown: Shown) {
        if self.turn == Turn::Waiting && shown.gives_turn_after(self.last.as_ref()) {
            self.turn = Turn::Fresh;
        }
        match shown {
            Shown::Opened(view) => {
                self.name = Some(view.name);
                self.person = (view.values.answers > 0).then_some(view.person);
                self.axis = axis_of(&view.values);
                self.values = Some(view.values);
            }
            Shown::Progress(progress) => self.progress = (progress.done < progress.total).then_some(progress),
            Shown::Question(question) => {
                self.turn = Turn::Fresh;
                self.question = Some(question);
                self.best = None;
                self.confirm = None;
                self.why = None;
                self.turn_to(Page::Question);
            }
            Shown::Confirm(confirm) => {
                self.turn = Turn::Fresh;
                self.confirm = Some(confirm);
                self.turn_to(Page::Question);
            }
            Shown::Moved(moved) => {
                self.person = Some(moved.person.clone());
                self.message = None;
                self.take_values(moved.values.clone());
                self.moved = Some(moved);
            }
            Shown::Why(why) => self.why = Some(why),
            Shown::Values(values) => self.take_values(values),
            Shown::Notice { text } => self.message = Some(Notice { problem: false, text }),
            Shown::Problem { text } => {
                self.message = Some(Notice { problem: true, text });
                // Words that were not understood come back to be mended.
                if let Some(Said::Important { words }) = self.last.take() {
                    self.input = Some(InputLine::new(&words));
                }
            }
            Shown::Summary(summary) => {
                self.take_values(summary.values.clone());
                self.person = Some(summary.person.clone());
                self.summary = Some(summary);
                self.progress = None;
                self.input = None;
                // Who asked for the end does not have to ask twice; else the last answer's effect deserves a look.
                self.leave = self.stopping;
                self.turn = Turn::Fresh;
                self.turn_to(Page::Summary);
            }
        }
    }

    fn take_values(&mut self, values: ValuesView) {
        let axis = axis_of(&values);
        if axis > self.axis {
            self.axis = axis;
            let text = format!("the axis of the values is longer now: it ends at {axis:.0}");
            self.message = Some(Notice { problem: false, text });
        }
        self.values = Some(values);
    }

    /// Shows another page from its top.
    pub(crate) fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
    }

    /// The alternative just chosen, while the session takes it in.
    pub(crate) fn chosen(&self) -> Option<usize> {
        match self.last {
            Some(Said::Choose { index }) if self.turn == Turn::Waiting => Some(index),
            Some(Said::Rate { level }) if self.turn == Turn::Waiting => (level as usize).checked_sub(1),
            Some(Said::BestAndWorst { best, .. }) if self.turn == Turn::Waiting => Some(best),
            _ => self.best,
        }
    }
}
