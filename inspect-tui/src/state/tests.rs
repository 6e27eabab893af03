//! What becomes of keys and answers, without a worker.

use super::*;
use crate::worker::Answer;
use indexer::{Row, Rows};

fn rows(count: u64) -> Answer {
    let row = |num| Row {
        cells: Vec::new(),
        depth: 0,
        events: 1,
        first_num: num,
        filter: format!("evt.num={num}"),
    };
    Answer::Rows(Rows {
        rows: (1..=count).map(row).collect(),
        complete: true,
        ..Rows::default()
    })
}

fn ticket(effects: &[Effect], lane: Lane) -> u64 {
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Ask(ticket, ask) if ask.lane() == lane => Some(*ticket),
        _ => None,
    });
    asked.expect("something was asked for")
}

fn errors() -> (State, Vec<Effect>) {
    let view = VIEWS.iter().find(|view| view.id == "errors");
    let view = view.expect("there is a view of errors");
    let mut state = State::new(Facts::default(), view, None, (100, 30));
    let effects = state.effects();
    (state, effects)
}

fn table(state: &State) -> &Table {
    match &state.step().body {
        Body::Table(table) => table,
        other => panic!("not a table: {other:?}"),
    }
}

#[test]
fn keys_pressed_before_the_rows_come_count_for_them() {
    let (mut state, effects) = errors();
    for _ in 0..3 {
        state.update(Action::Down);
    }
    state.update(Action::Drill);
    assert_eq!(state.trail.len(), 1, "there is no row to open yet");
    state.receive(ticket(&effects, Lane::Body), rows(10));
    assert_eq!(table(&state).selected().map(|row| row.first_num), Some(4));
    state.update(Action::End);
    assert_eq!(table(&state).cursor, 9);
}

#[test]
fn an_answer_to_a_question_that_was_given_up_is_ignored() {
    let (mut state, effects) = errors();
    let old = ticket(&effects, Lane::Body);
    let effects = state.update(Action::ClearFilter);
    state.receive(old, rows(3));
    assert!(!table(&state).loaded);
    state.receive(ticket(&effects, Lane::Body), rows(5));
    assert_eq!(table(&state).order.len(), 5);
    assert!(!state.working());
}

#[test]
fn stopping_is_asked_for_only_while_something_runs() {
    let (mut state, effects) = errors();
    let stops = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Cancel));
    assert!(stops(&state.update(Action::Cancel)));
    assert!(
        state.stopped && state.working(),
        "what was found still comes"
    );
    state.receive(ticket(&effects, Lane::Body), rows(1));
    assert!(!stops(&state.update(Action::Cancel)));
    state.update(Action::ClearFilter);
    assert!(!state.stopped, "what is asked anew is not stopped");
}

#[test]
fn what_failed_says_so_where_the_rows_would_stand() {
    let (mut state, effects) = errors();
    let why = "unknown field\n  proc.nme\n  ^^^^^^^^\ndid you mean proc.name?";
    state.receive(ticket(&effects, Lane::Body), Answer::Failed(why.to_owned()));
    assert!(!state.working());
    let says = crate::view::why::empty(&state);
    assert_eq!(
        says,
        "this could not be answered: unknown field; proc.nme; did you mean proc.name?"
    );
    state.update(Action::ClearFilter);
    assert_eq!(crate::view::why::empty(&state), "working");
}

/// The view of errors with so many rows, which the worker would have to arrange.
fn many_errors() -> State {
    let (mut state, effects) = errors();
    state.receive(ticket(&effects, Lane::Body), rows(10_000));
    state
}

#[test]
fn many_rows_are_sorted_by_the_worker_and_esc_leaves_them_as_they_were() {
    let mut state = many_errors();
    let effects = state.update(Action::Sort);
    let sorting = ticket(&effects, Lane::Order);
    assert!(table(&state).sort.is_none(), "nothing was sorted here");
    let effects = state.update(Action::Cancel);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::GiveUp(Lane::Order))),
        "{effects:?}"
    );
    assert!(table(&state).wanted.is_none() && !state.coming(Lane::Order));
    let wanted = crate::arrange::Wanted {
        rows: table(&state).rows.clone(),
        sort: Some((0, true)),
        ..Default::default()
    };
    let never = std::sync::atomic::AtomicBool::new(false);
    let stands = crate::arrange::Stands::Line(0);
    let arranged = crate::arrange::arrange(wanted, &stands, &never, &mut drop);
    let answer = Answer::Arranged(arranged.expect("it is not cancelled"));
    state.receive(sorting, answer.clone());
    assert!(table(&state).sort.is_none(), "it was given up");
    let sorting = ticket(&state.update(Action::Sort), Lane::Order);
    state.receive(sorting, answer);
    assert_eq!(table(&state).sort, Some((0, true)));
}

#[test]
fn a_text_is_searched_for_by_the_worker_among_many_rows() {
    let mut state = many_errors();
    state.needle = "x".to_owned();
    let searching = ticket(&state.update(Action::Next), Lane::Errand);
    let rows = table(&state).rows.clone();
    state.receive(searching, Answer::Hunted(rows, Some(77), false));
    assert_eq!(table(&state).cursor, 77);
    // What was found among rows that are not there any more is nowhere.
    let searching = ticket(&state.update(Action::Next), Lane::Errand);
    state.receive(
        searching,
        Answer::Hunted(Default::default(), Some(5), false),
    );
    assert_eq!(table(&state).cursor, 77);
}
