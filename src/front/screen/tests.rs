//! Screens as people see them.

use credence_agent::protocol::Shown;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::palette::Palette;
use super::state::{ScreenState, Turn};
use super::{draw, keys};
use crate::front::samples;

fn backend(state: &ScreenState, columns: u16, rows: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a test has a terminal");
    terminal.draw(|frame| _ = draw::draw(state, frame)).expect("a test's terminal draws");
    terminal.backend().clone()
}

fn state(messages: impl IntoIterator<Item = Shown>) -> ScreenState {
    let mut state = ScreenState::new(Palette { colour: true });
    for shown in messages {
        state.show(shown);
    }
    if state.turn == Turn::Fresh {
        state.turn = Turn::Open;
    }
    state
}

fn asked() -> ScreenState {
    state([Shown::Opened(samples::opened()), Shown::Moved(samples::moved()), Shown::Question(samples::question())])
}

fn press(mut state: ScreenState, keys: &str) -> ScreenState {
    for char in keys.chars() {
        keys::press(&mut state, KeyEvent::new(KeyCode::Char(char), KeyModifiers::NONE));
    }
    state
}

#[test]
fn a_question_on_an_ordinary_terminal() {
    let mut state = asked();
    state.show(Shown::Progress(samples::progress()));
    insta::assert_snapshot!(backend(&state, 100, 30));
}

#[test]
fn a_question_on_the_smallest_terminal_meant() {
    insta::assert_snapshot!(backend(&asked(), 60, 20));
}

#[test]
fn a_question_on_a_wide_terminal() {
    insta::assert_snapshot!(backend(&asked(), 150, 40));
}

#[test]
fn a_question_on_hardly_any_terminal() {
    insta::assert_snapshot!(backend(&asked(), 30, 10));
}

#[test]
fn the_answer_just_given() {
    insta::assert_snapshot!(backend(&press(asked(), "2"), 80, 24));
}

#[test]
fn the_values() {
    insta::assert_snapshot!(backend(&press(asked(), "v"), 80, 24));
}

#[test]
fn the_values_with_little_room() {
    insta::assert_snapshot!(backend(&press(asked(), "v"), 60, 18));
}

#[test]
fn why_this_question() {
    let mut state = press(asked(), "w");
    state.show(Shown::Why(samples::why()));
    insta::assert_snapshot!(backend(&state, 80, 30));
}

#[test]
fn the_keys() {
    insta::assert_snapshot!(backend(&press(asked(), "?"), 80, 24));
}

#[test]
fn a_statement_being_typed() {
    insta::assert_snapshot!(backend(&press(asked(), "ihonesty > comfort"), 80, 24));
}

#[test]
fn a_statement_not_understood() {
    let mut state = press(asked(), "ihonnesty");
    keys::press(&mut state, KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    state.show(Shown::Problem {
        text: "\"honnesty\" is no value of this schema; expected one of honesty, care for others, fairness".to_owned(),
    });
    insta::assert_snapshot!(backend(&state, 80, 24));
}

#[test]
fn a_reading_to_confirm() {
    insta::assert_snapshot!(backend(
        &state([Shown::Question(samples::question()), Shown::Confirm(samples::confirm())]),
        60,
        20
    ));
}

#[test]
fn before_the_first_question() {
    insta::assert_snapshot!(backend(&state([Shown::Progress(samples::progress())]), 60, 20));
}

#[test]
fn the_end() {
    insta::assert_snapshot!(backend(
        &state([Shown::Opened(samples::opened()), Shown::Summary(samples::summary())]),
        80,
        24
    ));
}

#[test]
fn any_state_can_be_drawn_at_any_size() {
    let mut long = samples::question();
    long.situation = "A long story. ".repeat(200);
    long.alternatives = vec!["一".repeat(300), "x".repeat(500), "short".to_owned()];
    let mut odd = samples::values();
    odd.values[0].mean = f64::NAN;
    let mut empty = samples::question();
    empty.situation.clear();
    let states = [
        asked(),
        state([Shown::Question(long)]),
        state([Shown::Values(odd), Shown::Question(empty)]),
        state(samples::one_of_each()),
        press(asked(), "v"),
        press(asked(), "w"),
        press(asked(), "?"),
        press(asked(), "ihonesty"),
        press(asked(), "q"),
        state([]),
    ];
    for state in states {
        for (columns, rows) in [1, 2, 15, 16, 17, 23, 37, 55, 61]
            .into_iter()
            .flat_map(|columns| [1, 4, 5, 6, 7, 9, 12, 17, 18, 20].map(move |rows| (columns, rows)))
            .chain([(300, 80), (120, 5)])
        {
            backend(&state, columns, rows);
        }
    }
}

#[test]
fn a_long_question_is_scrolled_to_its_end_and_no_further() {
    let mut long = samples::question();
    long.situation = "A long story. ".repeat(60);
    let mut state = state([Shown::Question(long)]);
    assert!(!backend(&state, 60, 20).to_string().contains("no preference    s"));
    keys::press(&mut state, KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    let mut terminal = Terminal::new(TestBackend::new(60, 20)).expect("a test has a terminal");
    let mut scroll_max = 0;
    terminal.draw(|frame| scroll_max = draw::draw(&state, frame)).expect("a test's terminal draws");
    assert!(terminal.backend().to_string().contains("no preference    s"));
    assert!((1..40).contains(&scroll_max), "{scroll_max}");
}

#[test]
fn without_colour_weight_carries_the_meaning() {
    let mut state = asked();
    state.palette = Palette { colour: false };
    state.show(Shown::Progress(samples::progress()));
    let drawn = backend(&state, 150, 40);
    let cells = drawn.buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(cells.iter().any(|cell| cell.modifier.contains(Modifier::DIM)));
    assert!(cells.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
}
