//! What sorting and searching a table of a million rows costs the thread that draws, and how soon they are done:
//! `cargo run --release --example million [ROWS]`. Each key is pressed, each answer taken and each frame drawn here; the work
//! between is done by a thread, as the worker does it.

#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use afterimage_indexer::{Cell, Row, Rows};
use afterimage_inspect_tui::action::Action;
use afterimage_inspect_tui::arrange::arrange;
use afterimage_inspect_tui::facts::Facts;
use afterimage_inspect_tui::state::{Effect, State};
use afterimage_inspect_tui::theme::Theme;
use afterimage_inspect_tui::view;
use afterimage_inspect_tui::worker::{Answer, Ask};
use afterimage_query::VIEWS;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Rows of the view `files`, with paths that have long beginnings in common.
fn rows(count: u64) -> Rows {
    let row = |at: u64| {
        let mixed = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let path = format!("/usr/lib/python3/dist-packages/p{}/m{at}.py", mixed % 4000);
        let mut cells = vec![Cell::Text(path.clone().into_bytes())];
        cells.extend((0..8).map(|column| Cell::Number(i128::from(mixed >> column & 0xFFFF))));
        cells.push(Cell::Text(b"web".to_vec()));
        cells.push(Cell::Number(i128::from(mixed)));
        Row {
            cells,
            depth: 0,
            events: 1,
            first_num: at + 1,
            filter: format!("container.name=web and fd.name={path}"),
        }
    };
    Rows {
        rows: (0..count).map(row).collect(),
        complete: true,
        matched: count,
        ..Rows::default()
    }
}

struct Bench {
    state: State,
    buffer: Buffer,
    worst: Duration,
    frames: u32,
}

impl Bench {
    /// Changes the state and draws it: what is between two looks at the keyboard.
    fn frame(&mut self, change: impl FnOnce(&mut State) -> Vec<Effect>) -> Vec<Effect> {
        let begun = Instant::now();
        let effects = change(&mut self.state);
        view::draw(&self.state, Theme::default(), &mut self.buffer);
        self.worst = self.worst.max(begun.elapsed());
        self.frames += 1;
        effects
    }

    /// Does what was asked for on a thread, and goes on drawing meanwhile.
    fn settle(&mut self, mut effects: Vec<Effect>) -> (Option<Duration>, Duration) {
        let begun = Instant::now();
        let mut first = None;
        while !effects.is_empty() {
            let (tell, answers) = channel();
            for effect in std::mem::take(&mut effects) {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    let never = AtomicBool::new(false);
                    match effect {
                        Effect::Ask(ticket, Ask::Arrange(wanted, stands)) => {
                            let mut part = |part| {
                                let part = Answer::Part(Box::new(Answer::Arranged(part)));
                                drop(tell.send((ticket, part)));
                            };
                            if let Some(whole) = arrange(wanted, &stands, &never, &mut part) {
                                drop(tell.send((ticket, Answer::Arranged(whole))));
                            }
                        }
                        Effect::Ask(ticket, Ask::Hunt(hunt)) => {
                            let found = hunt.next(&never);
                            let answer = Answer::Hunted(hunt.rows, found, hunt.backwards);
                            drop(tell.send((ticket, answer)));
                        }
                        _ => {}
                    }
                });
            }
            drop(tell);
            for (ticket, answer) in answers {
                effects.extend(self.frame(|state| state.receive(ticket, answer)));
                first = first.or(Some(begun.elapsed()));
            }
        }
        (first, begun.elapsed())
    }
}

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let count = count.unwrap_or(1_000_000);
    let Some(files) = VIEWS.iter().find(|view| view.id == "files") else {
        return;
    };
    let mut bench = Bench {
        state: State::new(Facts::default(), files, None, (200, 50)),
        buffer: Buffer::empty(Rect::new(0, 0, 200, 50)),
        worst: Duration::ZERO,
        frames: 0,
    };
    let asked = bench.state.effects();
    let body = asked.iter().find_map(|effect| match effect {
        Effect::Ask(ticket, Ask::Rows(..)) => Some(*ticket),
        _ => None,
    });
    let answer = Answer::Rows(rows(count));
    let report = |bench: &mut Bench, what: &str, took: (Option<Duration>, Duration)| {
        let first = took.0.map_or(String::new(), |took| format!("{took:.1?}"));
        println!(
            "{what:<34} worst frame {:>8.1?} of {}  first {first:>8}  done {:>8.1?}",
            bench.worst, bench.frames, took.1
        );
        (bench.worst, bench.frames) = (Duration::ZERO, 0);
    };
    let more = bench.frame(|state| state.receive(body.unwrap_or(0), answer));
    let took = bench.settle(more);
    report(&mut bench, "rows come", took);
    for (what, column) in [("path", 0), ("number", 1), ("the same of all", 9)] {
        for way in ["largest first", "smallest first", "as the view does"] {
            for _ in 0..20 {
                bench.frame(|state| state.update(Action::Left));
            }
            for _ in 0..column {
                bench.frame(|state| state.update(Action::Right));
            }
            let asked = bench.frame(|state| state.update(Action::Sort));
            let took = bench.settle(asked);
            report(&mut bench, &format!("sort by {what}, {way}"), took);
        }
    }
    for needle in [format!("m{}.py", count - 1), "nowhere".to_owned()] {
        bench.state.needle = needle.clone();
        let asked = bench.frame(|state| state.update(Action::Next));
        let took = bench.settle(asked);
        report(&mut bench, &format!("search for {needle}"), took);
    }
    let asked = bench.frame(|state| state.update(Action::ClearFilter));
    let body = asked.iter().find_map(|effect| match effect {
        Effect::Ask(ticket, Ask::Rows(..)) => Some(*ticket),
        _ => None,
    });
    let answer = Answer::Rows(rows(count));
    let more = bench.frame(|state| state.receive(body.unwrap_or(0), answer));
    let took = bench.settle(more);
    report(&mut bench, "rows come again, one is selected", took);
}
