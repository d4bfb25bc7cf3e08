//! What a key means.

use credence_agent::protocol::Said;
use credence_memory::record::QuestionKind;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::input::{Edit, InputLine};
use super::state::{Page, ScreenState, Turn};

/// Lines that Page Up and Page Down move.
const PAGE_LINES: usize = 10;

/// Takes in a key: what it changes on the screen, and what is to be said to the session.
pub(crate) fn press(state: &mut ScreenState, key: KeyEvent) -> Option<Said> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return stop(state);
    }
    if state.input.is_some() {
        return edit(state, key);
    }
    if control || key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    if scroll(state, key.code) {
        return None;
    }
    let code = match key.code {
        KeyCode::Char(char) => KeyCode::Char(char.to_ascii_lowercase()),
        code => code,
    };
    if state.page == Page::Summary {
        // A key still held down from the last question does not close the end unseen.
        state.leave |= state.turn == Turn::Open;
        return None;
    }
    match code {
        KeyCode::Char('q') => stop(state),
        KeyCode::Char('?') => flip(state, Page::Help),
        KeyCode::Char('v') => {
            flip(state, Page::Values);
            (state.page == Page::Values && !state.stopping).then_some(Said::Values)
        }
        KeyCode::Char('w') if state.question.is_some() && state.confirm.is_none() && state.turn != Turn::Waiting => {
            flip(state, Page::Why);
            (state.page == Page::Why && state.why.is_none()).then_some(Said::Why)
        }
        KeyCode::Esc if state.page != Page::Question => flip(state, state.page),
        code => answer(state, code),
    }
}

/// Takes in pasted text: part of a line being typed, and nothing else.
pub(crate) fn paste(state: &mut ScreenState, text: &str) {
    if let Some(input) = &mut state.input {
        input.insert(text);
    }
}

/// The keys that answer what stands open; only where it can be seen, and only in the person's turn.
fn answer(state: &mut ScreenState, code: KeyCode) -> Option<Said> {
    if state.turn != Turn::Open || state.stopping {
        return None;
    }
    let said = if let Some(confirm) = &state.confirm {
        match code {
            KeyCode::Char('y') => Said::Yes,
            KeyCode::Char('n') | KeyCode::Esc => Said::No,
            KeyCode::Char('s') => Said::Skip,
            KeyCode::Char('u') => Said::Undo,
            KeyCode::Char(digit @ '1'..='9') => {
                let index = digit as usize - '1' as usize;
                if index >= confirm.others.len() {
                    return None;
                }
                Said::Choose { index }
            }
            _ => return None,
        }
    } else {
        let visible = matches!(state.page, Page::Question | Page::Why);
        match (code, &state.question) {
            (KeyCode::Char('u'), _) => Said::Undo,
            (KeyCode::Char('i'), _) => {
                state.message = None;
                state.input = Some(InputLine::default());
                return None;
            }
            (KeyCode::Char(digit @ '1'..='9'), Some(question)) if visible => {
                let index = digit as usize - '1' as usize;
                if index >= question.choices().len() {
                    return None;
                }
                match (question.kind, state.best) {
                    (QuestionKind::Choice, _) => Said::Choose { index },
                    (QuestionKind::Portrait, _) => Said::Rate { level: index as u32 + 1 },
                    (QuestionKind::BestAndWorst, Some(best)) if best != index => {
                        Said::BestAndWorst { best, worst: index }
                    }
                    // The same once more takes it back.
                    (QuestionKind::BestAndWorst, best) => {
                        state.best = if best.is_some() { None } else { Some(index) };
                        return None;
                    }
                }
            }
            (KeyCode::Char('='), Some(question)) if visible && question.indifference_offered => Said::NoPreference,
            (KeyCode::Char('s'), Some(_)) if visible => Said::Skip,
            _ => return None,
        }
    };
    Some(say(state, said))
}

fn edit(state: &mut ScreenState, key: KeyEvent) -> Option<Said> {
    let names: Vec<String> =
        state.values.iter().flat_map(|view| &view.values).map(|value| value.name.clone()).collect();
    match state.input.as_mut()?.press(key, &names) {
        Edit::Editing => None,
        Edit::Cancelled => {
            state.input = None;
            None
        }
        Edit::Entered(words) => {
            state.input = None;
            (!state.stopping).then(|| say(state, Said::Important { words }))
        }
    }
}

/// Says something that takes the turn.
fn say(state: &mut ScreenState, said: Said) -> Said {
    state.turn = Turn::Waiting;
    state.message = None;
    state.last = Some(said.clone());
    said
}

/// The first time asks for an end; the second leaves without waiting for it.
fn stop(state: &mut ScreenState) -> Option<Said> {
    state.input = None;
    if state.stopping || state.summary.is_some() {
        state.leave = true;
        return None;
    }
    state.stopping = true;
    Some(say(state, Said::Stop))
}

/// To a page, or back from it.
fn flip(state: &mut ScreenState, page: Page) -> Option<Said> {
    state.turn_to(if state.page == page { Page::Question } else { page });
    None
}

fn scroll(state: &mut ScreenState, code: KeyCode) -> bool {
    state.scroll = match code {
        KeyCode::Up => state.scroll.saturating_sub(1),
        KeyCode::Down => state.scroll + 1,
        KeyCode::PageUp => state.scroll.saturating_sub(PAGE_LINES),
        KeyCode::PageDown => state.scroll + PAGE_LINES,
        KeyCode::Home => 0,
        // Drawing brings it back to the last line.
        KeyCode::End => usize::MAX / 2,
        _ => return false,
    };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::samples;
    use crate::front::screen::palette::Palette;
    use credence_agent::protocol::Shown;

    fn asked() -> ScreenState {
        let mut state = ScreenState::new(Palette { colour: true });
        state.show(Shown::Opened(samples::opened()));
        state.show(Shown::Question(samples::question()));
        state.turn = Turn::Open;
        state
    }

    fn key(state: &mut ScreenState, code: KeyCode) -> Option<Said> {
        press(state, KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn typed(state: &mut ScreenState, text: &str) -> Vec<Said> {
        text.chars().filter_map(|char| key(state, KeyCode::Char(char))).collect()
    }

    #[test]
    fn each_key_says_one_thing() {
        for (pressed, said) in [
            ('1', Some(Said::Choose { index: 0 })),
            ('2', Some(Said::Choose { index: 1 })),
            ('3', None),
            ('0', None),
            ('=', Some(Said::NoPreference)),
            ('s', Some(Said::Skip)),
            ('S', Some(Said::Skip)),
            ('u', Some(Said::Undo)),
            ('w', Some(Said::Why)),
            ('v', Some(Said::Values)),
            ('q', Some(Said::Stop)),
            ('?', None),
            ('i', None),
            ('y', None),
            ('x', None),
        ] {
            assert_eq!(key(&mut asked(), KeyCode::Char(pressed)), said, "{pressed}");
        }
    }

    #[test]
    fn a_portrait_takes_a_level_and_a_set_takes_two_keys() {
        let mut state = asked();
        state.show(Shown::Question(samples::portrait()));
        state.turn = Turn::Open;
        assert_eq!(typed(&mut state, "75"), [Said::Rate { level: 5 }]);
        state.show(Shown::Question(samples::best_and_worst()));
        state.turn = Turn::Open;
        assert_eq!(typed(&mut state, "2"), []);
        assert_eq!(state.chosen(), Some(1));
        assert_eq!(typed(&mut state, "2"), [], "taken back");
        assert_eq!(state.chosen(), None);
        assert_eq!(typed(&mut state, "34"), [Said::BestAndWorst { best: 2, worst: 3 }]);
        state.show(Shown::Question(samples::best_and_worst()));
        assert_eq!(state.best, None, "a new question begins anew");
    }

    #[test]
    fn one_question_takes_one_answer_and_a_fresh_one_none() {
        let mut state = asked();
        assert_eq!(typed(&mut state, "112="), [Said::Choose { index: 0 }]);
        state.show(Shown::Moved(samples::moved()));
        assert_eq!(typed(&mut state, "1"), []);
        state.show(Shown::Question(samples::question()));
        assert_eq!(typed(&mut state, "1"), [], "nobody reads that fast");
        state.turn = Turn::Open;
        assert_eq!(typed(&mut state, "2"), [Said::Choose { index: 1 }]);
    }

    #[test]
    fn a_question_out_of_sight_is_not_answered() {
        let mut state = asked();
        assert_eq!(typed(&mut state, "v12=s"), [Said::Values]);
        assert_eq!((key(&mut state, KeyCode::Esc), state.page), (None, Page::Question));
        assert_eq!(typed(&mut state, "?1?w1"), [Said::Why, Said::Choose { index: 0 }]);
    }

    #[test]
    fn importance_is_typed_and_comes_back_when_not_understood() {
        let mut state = asked();
        assert_eq!(typed(&mut state, "iq = 1 > w"), []);
        let words = "q = 1 > w".to_owned();
        assert_eq!(key(&mut state, KeyCode::Enter), Some(Said::Important { words: words.clone() }));
        state.show(Shown::Problem { text: "no such value".to_owned() });
        assert_eq!(state.input.as_ref().map(InputLine::words), Some(words));
        assert_eq!(key(&mut state, KeyCode::Esc), None);
        assert_eq!(state.input, None);
        state.turn = Turn::Open;
        assert_eq!(typed(&mut state, "1"), [Said::Choose { index: 0 }]);
    }

    #[test]
    fn a_reading_is_confirmed_before_anything_else() {
        let mut state = asked();
        state.show(Shown::Confirm(samples::confirm()));
        assert_eq!(typed(&mut state, "y"), []);
        state.turn = Turn::Open;
        assert_eq!(typed(&mut state, "2=iwy"), [Said::Yes]);
        for (key, said) in [("1", Said::Choose { index: 0 }), ("n", Said::No), ("s", Said::Skip)] {
            state.show(Shown::Confirm(samples::confirm()));
            state.turn = Turn::Open;
            assert_eq!(typed(&mut state, key), [said]);
        }
    }

    #[test]
    fn stopping_asks_nothing_and_a_second_time_leaves() {
        for code in ["q", "iab"] {
            let mut state = asked();
            typed(&mut state, &code[..code.len() - 1]);
            let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
            assert_eq!(press(&mut state, control_c), Some(Said::Stop));
            assert!(!state.leave);
            assert_eq!(typed(&mut state, "1=su"), []);
            assert_eq!(press(&mut state, control_c), None);
            assert!(state.leave);
        }
        let mut state = asked();
        typed(&mut state, "q");
        state.show(Shown::Summary(samples::summary()));
        assert!(state.leave, "who stopped sees the summary on the terminal, not one more page");
    }

    #[test]
    fn a_paste_never_answers() {
        let mut state = asked();
        paste(&mut state, "1\n2\n");
        assert_eq!(state, asked());
        typed(&mut state, "i");
        paste(&mut state, "honesty\n> care");
        assert_eq!(state.input.map(|input| input.words()), Some("honesty > care".to_owned()));
    }
}
