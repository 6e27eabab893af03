//! What lies over the screen, as text: the keys with what this view means, and the capture's description.

use crate::action::Scope;
use crate::fit;
use crate::keymap::bindings;
use crate::show;
use crate::state::{Overlay, State};
use afterimage_indexer::Cell;

/// A line: a heading when `left` is empty and `heading` is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Key or name.
    pub left: String,
    /// What it means.
    pub right: String,
    /// Whether it is a heading.
    pub heading: bool,
}

fn line(left: &str, right: &str) -> Line {
    Line {
        left: left.to_owned(),
        right: right.to_owned(),
        heading: false,
    }
}

fn heading(text: &str) -> Line {
    Line {
        left: text.to_owned(),
        right: String::new(),
        heading: true,
    }
}

/// The lines of what is open, broken to fit the screen; nothing when nothing is.
pub fn lines(state: &State) -> Vec<Line> {
    let all = match state.overlay {
        Some((Overlay::Help, _)) => help(state),
        Some((Overlay::Description, _)) => state
            .facts
            .description()
            .iter()
            .map(|(name, value)| line(name, &fit::plain(value)))
            .collect(),
        Some((Overlay::Bookmarks, _)) if state.bookmarks.is_empty() => {
            vec![line("", "Nothing is marked: m marks an event.")]
        }
        Some((Overlay::Bookmarks, _)) => state
            .bookmarks
            .iter()
            .map(|(num, note)| line(&format!("#{num}"), &fit::plain(note)))
            .collect(),
        Some((Overlay::Link, _)) => vec![
            line("", &state.link),
            line("", ""),
            line(
                "",
                "The command that leads back here; the terminal's clipboard has it too, if there is one (OSC 52).",
            ),
        ],
        Some((Overlay::Row, _)) => row(state),
        None => Vec::new(),
    };
    let width = usize::from(state.size.0);
    let room = width.saturating_sub(left_cells(&all, width) + BESIDE_LEFT);
    let mut out = Vec::with_capacity(all.len());
    for whole in all {
        let mut left = whole.left;
        for right in fit::wrap(&whole.right, room, MOST_LINES) {
            out.push(Line {
                left: std::mem::take(&mut left),
                right,
                heading: whole.heading,
            });
        }
    }
    out
}

/// Lines one value may take: a capture may claim a command line of megabytes.
const MOST_LINES: usize = 80;

/// Cells of a line that are neither key nor meaning: the margin and the space between.
pub const BESIDE_LEFT: usize = 4;

/// Cells the keys or names take, at most a third of the screen.
pub fn left_cells(lines: &[Line], width: usize) -> usize {
    let widest = lines.iter().filter(|line| !line.heading);
    let widest = widest.map(|line| fit::cells(&line.left)).max();
    widest.unwrap_or(0).min(width / 3)
}

/// The selected row: its columns that say something, then which say nothing.
fn row(state: &State) -> Vec<Line> {
    let (mut said, mut empty) = (Vec::new(), Vec::new());
    // Names and breaks at blanks take three quarters of the lines at the most: what is cut is cut here, and said to be.
    let most = usize::from(state.size.0).saturating_mul(MOST_LINES / 4);
    let style = state.epoch().style;
    let Some(chosen) = state.chosen() else {
        return said;
    };
    for (column, cell) in chosen.view.columns.iter().zip(chosen.cells) {
        let bytes = match cell {
            Cell::Secret(text) if state.reveal => text.clone(),
            cell => show::cell(cell, column, &style),
        };
        let text = fit::captured(&bytes, most, state.ascii);
        match text.is_empty() {
            true => empty.push(column.title),
            false => said.push(line(column.title, &text)),
        }
        if bytes.len() > most {
            let all = show::counted(bytes.len() as u64, "byte");
            said.push(line("", &format!("{all} in all: x writes them to a file")));
        }
    }
    if !empty.is_empty() {
        said.push(line("", ""));
        said.push(line("empty", &empty.join(", ")));
    }
    said
}

fn help(state: &State) -> Vec<Line> {
    let view = state.step().view;
    let mut out = vec![heading(view.title), line("", view.doc)];
    for column in view.columns {
        out.push(line(column.title, column.doc));
    }
    for (scope, title) in Scope::ALL.iter().filter(|row| row.0 != Scope::Overlay) {
        out.push(line("", ""));
        out.push(heading(title));
        for row in bindings()
            .iter()
            .filter(|row| row.scope == *scope && !row.keys.is_empty())
        {
            let keys: Vec<String> = row.keys.iter().map(ToString::to_string).collect();
            out.push(line(&keys.join(" "), row.doc));
        }
    }
    out.push(line("", ""));
    out.push(heading("Views"));
    for view in afterimage_query::VIEWS.iter() {
        let key = if view.key == '\0' {
            String::new()
        } else {
            view.key.to_string()
        };
        out.push(line(&key, &format!("{}: {}", view.title, view.doc)));
    }
    out
}
