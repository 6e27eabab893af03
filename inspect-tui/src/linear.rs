//! The inspector line by line: rows in plain text, one under the other, for screen readers, for terminals that only print,
//! and for pipes. Lines typed are the same keys as on the screen; a few words do what a screen does by itself.

use crate::action::Action;
use crate::show;
use crate::state::courses;
use crate::state::{Body, Effect, State};
use crate::worker::Worker;
use crate::{Error, Options, begin, fit, notes, play};
use afterimage_indexer::{Cell, Session};
use afterimage_query::{Column, TILES, VIEWS};
use std::io::{BufRead, Write};

/// Rows that are printed at once.
pub(crate) const PAGE: usize = 20;

const HELP: &str = "\
enter: more rows. A number: stand on that row. Anything else is keys, as the screen has them, with names in
angle brackets: 3 opens processes, <Enter> goes deeper, <Backspace> back, /proc.name=sh<Enter> filters, q leaves.
views: list the views. help: this. where: the trail.";

/// Runs until the input ends or the user leaves.
pub fn run(session: Session, options: Options) -> Result<(), Error> {
    let input = std::io::stdin().lock();
    run_on(session, options, input, &mut std::io::stdout().lock())
}

/// The same on any input and output.
pub fn run_on(
    session: Session,
    options: Options,
    input: impl BufRead,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (mut state, worker) = begin(session, options, (200, PAGE as u16 + 12))?;
    let effects = state.effects();
    let mut left = perform(&mut state, &worker, effects)?;
    let mut top = 0;
    writeln!(out, "{}. Type help for how to go on.", state.facts.name)?;
    print(&state, &mut top, out)?;
    for line in input.lines() {
        let line = line?;
        match line.trim() {
            "" => top += PAGE,
            "help" => writeln!(out, "{HELP}")?,
            "views" => {
                for view in VIEWS {
                    writeln!(out, "{}: {}", view.id, view.doc)?;
                }
                continue;
            }
            "where" => {
                let crumbs: Vec<String> = state.crumbs().into_iter().map(|one| one.0).collect();
                writeln!(out, "{}", crumbs.join(" > "))?;
                continue;
            }
            text => {
                top = 0;
                let row: Option<i64> = text.parse().ok();
                // A digit alone is the key of a view; other numbers are rows.
                match row.filter(|row| *row > 9) {
                    Some(row) => {
                        left |= act(&mut state, &worker, Action::Home)?;
                        left |= act(&mut state, &worker, Action::Wheel(0))?;
                        for _ in 1..row.min(100_000) {
                            left |= act(&mut state, &worker, Action::Down)?;
                        }
                        top = usize::try_from(row - 1).unwrap_or(0);
                    }
                    None => {
                        for key in play::keys(text) {
                            if let Some(action) = state.action(key) {
                                left |= act(&mut state, &worker, action)?;
                            }
                        }
                    }
                }
            }
        }
        if left {
            break;
        }
        print(&state, &mut top, out)?;
    }
    Ok(())
}

fn act(state: &mut State, worker: &Worker, action: Action) -> Result<bool, Error> {
    let effects = state.update(action);
    perform(state, worker, effects)
}

/// Does what was asked for until nothing is left to do; true when that is to leave.
fn perform(state: &mut State, worker: &Worker, mut effects: Vec<Effect>) -> Result<bool, Error> {
    let mut left = false;
    while !effects.is_empty() {
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Ask(ticket, ask) => worker.ask(ticket, ask),
                Effect::Cancel => worker.cancel(),
                Effect::GiveUp(lane) => worker.give_up(lane),
                Effect::Quit | Effect::Leave => left = true,
                Effect::Copy(_) => {}
                Effect::Save(path, text) => notes::store(&path, &text)?,
            }
        }
        for (ticket, answer) in worker.settle() {
            effects.extend(state.receive(ticket, answer));
        }
        if worker.is_gone() {
            return Err(Error::WorkerGone);
        }
    }
    Ok(left)
}

/// A row in words: `COLUMN value, COLUMN value`.
fn words(state: &State, columns: &[Column], cells: &[Cell]) -> String {
    let style = state.epoch().style;
    let words = columns.iter().zip(cells).filter_map(|(column, cell)| {
        let shown = show::cell(cell, column, &style);
        let shown = fit::captured(&shown, 400, state.ascii);
        (!shown.trim().is_empty()).then(|| format!("{} {shown}", column.title))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Prints what is on, from a row on.
fn print(state: &State, top: &mut usize, out: &mut impl Write) -> std::io::Result<()> {
    if let Some(entry) = &state.entry {
        return writeln!(out, "{}{}", entry.kind.prompt(), fit::plain(&entry.text));
    }
    if state.overlay.is_some() {
        for line in crate::overlay::lines(state) {
            writeln!(out, "{} {}", line.left, line.right)?;
        }
        return Ok(());
    }
    if let Some(notice) = &state.notice {
        writeln!(out, "{}", notice.text)?;
    }
    if let Some(losses) = state.facts.losses(true) {
        writeln!(out, "{losses}")?;
    }
    let view = state.step().view;
    let rows = match &state.step().body {
        Body::Overview(overview) => {
            let counted = overview.counted.iter().flat_map(|all| &all.tiles);
            for (place, total) in counted.enumerate() {
                if total.total > 0 || TILES.get(place).is_some_and(|tile| !tile.is_quiet()) {
                    let cell = Cell::Number(total.total.into());
                    let column = Column {
                        title: "",
                        field: "tile.total",
                        width: 0,
                        aggregate: afterimage_query::Aggregate::Sum,
                        unit: total.tile.unit,
                        doc: "",
                    };
                    let number = show::cell(&cell, &column, &state.epoch().style);
                    let number = fit::captured(&number, 40, state.ascii);
                    writeln!(out, "{}: {number}", total.tile.title)?;
                }
            }
            for (place, tile) in state.courses.marked() {
                let all = overview.counted.as_ref();
                let figures = crate::view::tile::figures(state, tile, all);
                writeln!(out, "{} {}: {figures}", courses::letter(place), tile.title)?;
            }
            return Ok(());
        }
        Body::Table(table) => table.order.len(),
        Body::Events(list) => list.len(),
    };
    let last = head(out, view.title, top, rows)?;
    for at in *top..last {
        let line = match &state.step().body {
            Body::Table(table) => {
                let cells = table.line(at).map_or(&[][..], |row| &row.cells);
                let depth = table.line(at).map_or(0, |row| row.depth);
                let below = if depth > 0 {
                    format!("level {depth}, ")
                } else {
                    String::new()
                };
                format!("{below}{}", words(state, view.columns, cells))
            }
            Body::Events(list) => match list.line(at) {
                Some(line) => words(state, view.columns, &line.cells),
                None => format!("NUM {}", list.num(at).unwrap_or(0)),
            },
            Body::Overview(_) => String::new(),
        };
        writeln!(out, "{}. {line}", at + 1)?;
    }
    Ok(())
}

/// Says which rows of a page follow, from `top` on, which is put right; gives where they end.
pub(crate) fn head(
    out: &mut impl Write,
    title: &str,
    top: &mut usize,
    rows: usize,
) -> std::io::Result<usize> {
    *top = (*top).min(rows.saturating_sub(1));
    let last = rows.min(*top + PAGE);
    let first = (*top + 1).min(rows);
    writeln!(out, "{title}: rows {first} to {last} of {rows}")?;
    Ok(last)
}
