//! The bottom lines: how much there is, what is being worked on or was last said, and the keys that work here.

use super::{Canvas, tile, why};
use crate::action::Action;
use crate::area::Area;
use crate::fit;
use crate::keymap::bindings;
use crate::show;
use crate::state::entry::Kind;
use crate::state::{Body, Overview, State};
use crate::theme::Role;
use crate::worker::{Lane, MOST_MATCHES};
use afterimage_query::{Shape, TILES};

/// Draws the counts of the view, and to their right progress or the last notice.
pub fn status(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    // What the selected tile comes to has a line of its own where there is room.
    if let Body::Overview(overview) = &state.step().body
        && let Some(tile) = TILES.get(overview.cursor)
    {
        let figures = tile::figures(state, tile, overview.counted.as_ref());
        canvas.text(area, 0, 1, &whole(&figures, area.width), Role::Dim);
    }
    let (counts, complete) = counts(state);
    let mut x = 0;
    if state.at.is_some() || state.is_of_an_instant() {
        let at = state.epoch().boot(state.instant());
        let mark = if state.playing {
            canvas.glyph("▶ ", "play ")
        } else {
            ""
        };
        let speed = if state.playing {
            format!(" {}", state.speed_name())
        } else {
            String::new()
        };
        let until = if state.is_of_an_instant() {
            "at "
        } else {
            "until "
        };
        x = canvas.pieces(
            area,
            0,
            0,
            &[
                (mark, Role::Notable),
                (until, Role::Dim),
                (&at, Role::Key),
                (&speed, Role::Notable),
                ("  ", Role::Text),
            ],
        );
    }
    // The count of events gives way where both have no room: half a word says nothing.
    let room = usize::from(area.width.saturating_sub(x));
    let counts = match counts.rsplit_once(", ") {
        Some((rows, _)) if fit::cells(&counts) > room => rows,
        _ => &counts,
    };
    let x = x + canvas.text(area, x, 0, counts, Role::Dim);
    let mut x = x + u16::from(x > 0) * 2;
    // What is said to the user goes before the counts where both have no room.
    if let Some(notice) = &state.notice
        && usize::from(x) + fit::cells(&notice.text) + 2 > usize::from(area.width)
        && (!state.working() || state.playing)
    {
        canvas.clear(Area { height: 1, ..area });
        x = 0;
    }
    if state.working() && !state.playing {
        let looked = state.looked_at.unwrap_or(0);
        let percent = looked
            .saturating_mul(100)
            .checked_div(state.facts.events)
            .unwrap_or(0)
            .min(99);
        let rest = if state.stopped {
            "stopping"
        } else {
            "Esc stops"
        };
        // A search through rows that are at hand looks at no events.
        let text = match (looked, state.coming(Lane::Body)) {
            (0, false) => format!("working; {rest}"),
            _ => format!(
                "working {percent}%, {} looked at; {rest}",
                show::counted(looked, "event")
            ),
        };
        canvas.text(area, x, 0, &text, Role::Notable);
    } else if let Some(sorting) = sorting(state) {
        canvas.text(area, x, 0, &sorting, Role::Notable);
    } else if let Some(notice) = &state.notice {
        let (mark, role) = if notice.bad {
            ("! ", Role::Bad)
        } else {
            ("", Role::Good)
        };
        canvas.pieces(area, x, 0, &[(mark, role), (&notice.text, role)]);
    } else if let Some(rows) = truncated(state) {
        let text = format!(
            "! only the first {} are here: narrow it",
            show::counted(rows, "row")
        );
        canvas.text(area, x, 0, &text, Role::Loss);
    } else if !complete {
        let text = match state.stopped {
            true => "! stopped: what is shown is not all there is",
            false => "! partial: not all of the capture was looked at",
        };
        canvas.text(area, x, 0, text, Role::Loss);
    } else if let Body::Overview(Overview {
        cursor, counted, ..
    }) = &state.step().body
    {
        let empty = counted.as_ref().is_some_and(|all| all.matched == 0);
        let tile = TILES.get(*cursor);
        let text = match tile.filter(|_| !empty) {
            Some(tile) => {
                let mut text = format!("{}: {}", tile.title, tile.doc);
                if state.facts.is_damaged() {
                    text += " What is in damaged parts of the file is not counted.";
                }
                let figures = tile::figures(state, tile, counted.as_ref());
                if area.height < 2 && !figures.is_empty() {
                    text += &format!(" ({figures})");
                }
                if !tile.filter.is_empty() {
                    text += &format!(" Filter: {}", tile.filter);
                }
                text
            }
            None => why::empty(state),
        };
        canvas.text(area, x, 0, &text, Role::Dim);
    }
}

/// What is said while rows are brought into another order.
fn sorting(state: &State) -> Option<String> {
    let Body::Table(table) = &state.step().body else {
        return None;
    };
    let wanted = table.wanted.as_ref().filter(|_| table.is_asking())?;
    let columns = state.step().view.columns;
    let by = wanted.sort.and_then(|(column, _)| columns.get(column));
    Some(match by {
        Some(column) => format!("sorting by {}; Esc stops", column.title),
        None => "bringing the rows into order; Esc stops".to_owned(),
    })
}

/// How many rows there are when there would be more.
fn truncated(state: &State) -> Option<u64> {
    match &state.step().body {
        Body::Table(table) if table.rows.truncated => Some(table.rows.rows.len() as u64),
        Body::Table(_) | Body::Events(_) | Body::Overview(_) => None,
    }
}

/// As many of the parts of a text, which `; ` parts, as there is room for.
fn whole(text: &str, width: u16) -> String {
    let mut rest = text;
    while fit::cells(rest) > usize::from(width) {
        match rest.rsplit_once("; ") {
            Some((front, _)) => rest = front,
            None => break,
        }
    }
    rest.to_owned()
}

/// How much there is, and whether everything was looked at.
fn counts(state: &State) -> (String, bool) {
    match &state.step().body {
        Body::Table(table) if state.step().view.shape == Shape::Gaps => {
            (show::counted(table.order.len() as u64, "gap"), true)
        }
        Body::Table(table) if !table.loaded => (String::new(), true),
        Body::Table(table) => {
            let place = if table.order.is_empty() {
                0
            } else {
                table.cursor + 1
            };
            let rows = show::counted(table.order.len() as u64, "row");
            let mut text = format!("{} of {rows}", show::count(place as u64));
            // What was there at an instant is no count of events.
            if !state.is_of_an_instant() {
                text += &format!(", {}", show::counted(table.rows.matched, "event"));
            }
            (text, table.rows.complete)
        }
        Body::Events(list) => {
            let place = if list.is_empty() { 0 } else { list.cursor + 1 };
            let at_least = if list.last && list.complete {
                ""
            } else {
                "at least "
            };
            let full = if list.len() >= MOST_MATCHES {
                ", the most a list holds: narrow it"
            } else {
                ""
            };
            let all = show::counted(list.len() as u64, "event");
            (
                format!("{} of {at_least}{all}{full}", show::count(place as u64)),
                !list.last || list.complete,
            )
        }
        Body::Overview(overview) => (
            String::new(),
            overview.counted.as_ref().is_none_or(|all| all.complete),
        ),
    }
}

/// Draws the keys that work here, as many as fit.
pub fn draw(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    let scopes = state.scopes();
    let mut x = 0;
    let mut seen = Vec::new();
    let here = bindings()
        .iter()
        .filter(|row| scopes.contains(&row.scope) && !row.short.is_empty() && !row.keys.is_empty());
    // Names are completed in filters alone.
    let entry = state.entry.as_ref().map(|entry| entry.kind);
    let completes = entry.is_none_or(|kind| kind == Kind::Filter);
    for row in here.filter(|row| completes || row.action != Action::Complete) {
        if seen.contains(&row.short) {
            continue;
        }
        seen.push(row.short);
        let key = row
            .keys
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let needs = fit::cells(&key) + fit::cells(row.short) + 3;
        if usize::from(x) + needs > usize::from(area.width) + 2 {
            break;
        }
        x = canvas.pieces(
            area,
            x,
            0,
            &[
                (&key, Role::Key),
                (" ", Role::Text),
                (row.short, Role::Dim),
                ("  ", Role::Text),
            ],
        );
    }
}
