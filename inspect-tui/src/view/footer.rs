//! The bottom lines: how much there is, what is being worked on or was last said, and the keys that work here.

use super::{Canvas, why};
use crate::area::Area;
use crate::fit;
use crate::keymap::bindings;
use crate::show;
use crate::state::{Body, Overview, State};
use crate::theme::Role;
use crate::worker::{Lane, MOST_MATCHES};
use afterimage_indexer::{self as indexer, bytes_text};
use afterimage_query::{Counted, Shape, TILES, Tile, Unit};

/// Draws the counts of the view, and to their right progress or the last notice.
pub fn status(state: &State, area: Area, canvas: &mut Canvas<'_>) {
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
    let x = x + canvas.text(area, x, 0, &counts, Role::Dim);
    let x = x + u16::from(x > 0) * 2;
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
            Some(tile) if state.facts.is_damaged() => format!(
                "{}: {} What is in damaged parts of the file is not counted.",
                tile.title, tile.doc
            ),
            Some(tile) => format!(
                "{}: {}{}",
                tile.title,
                tile.doc,
                more_of_tile(state, tile, counted.as_ref())
            ),
            None => why::empty(state),
        };
        canvas.text(area, x, 0, &text, Role::Dim);
    }
}

/// How much of it there is a second, where it begins and where it is most, and what is asked for it.
fn more_of_tile(state: &State, tile: &Tile, counted: Option<&indexer::Overview>) -> String {
    let tally = counted.and_then(|all| {
        let tally = all.tiles.iter().find(|tally| tally.tile.id == tile.id)?;
        Some((tally, all.span))
    });
    let mut says = Vec::new();
    if let Some((tally, (from, to))) = tally
        && let Some(first) = tally.first_num
    {
        let seconds = to.saturating_sub(from) as f64 / 1e9;
        if seconds > 0.0 && !matches!(tile.counted, Counted::Distinct(_)) {
            let rate = tally.total as f64 / seconds;
            says.push(match tile.unit {
                Unit::Bytes => format!("{} a second", bytes_text(rate as i128)),
                _ if rate >= 100.0 => format!("{} a second", show::count(rate as u64)),
                _ => format!("{rate:.1} a second"),
            });
        }
        says.push(format!("first in #{first}"));
        if let Some((step, above)) = peak(&tally.steps) {
            let length = u128::from(to.saturating_sub(from)) + 1;
            let into = length * step as u128 / tally.steps.len() as u128;
            let at = from.saturating_add(u64::try_from(into).unwrap_or(u64::MAX));
            let sigma = how_far(state, above);
            says.push(format!("most from {}{sigma}", state.epoch().boot(at)));
        }
    }
    let mut out = match says.is_empty() {
        true => String::new(),
        false => format!(" ({})", says.join(", ")),
    };
    if !tile.filter.is_empty() {
        out += &format!(" Filter: {}", tile.filter);
    }
    out
}

/// How far a peak stands out, where it does.
fn how_far(state: &State, above: f64) -> String {
    /// So many deviations above the mean are seldom by chance.
    const FAR: f64 = 3.0;
    match (above >= FAR, state.ascii) {
        (false, _) => String::new(),
        (true, false) => format!(", {above:.1}σ above the mean"),
        (true, true) => format!(", {above:.1} sigma above the mean"),
    }
}

/// The step with most, and by how many standard deviations it is above the mean; nothing where all are alike.
fn peak(steps: &[u64]) -> Option<(usize, f64)> {
    let (at, most) = steps
        .iter()
        .enumerate()
        .rev()
        .max_by_key(|(_, count)| **count)?;
    let number = steps.len() as f64;
    let mean = steps.iter().map(|count| *count as f64).sum::<f64>() / number;
    let spread = steps.iter().map(|count| (*count as f64 - mean).powi(2));
    let deviation = (spread.sum::<f64>() / number).sqrt();
    (deviation > 0.0).then(|| (at, (*most as f64 - mean) / deviation))
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
            let text = format!(
                "{} of {rows}, {}",
                show::count(place as u64),
                show::counted(table.rows.matched, "event")
            );
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
    for row in here {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_where_most_is_and_says_how_far_it_stands_out() {
        assert_eq!(peak(&[]), None);
        assert_eq!(peak(&[3, 3, 3]), None);
        let (at, above) = peak(&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
        assert!(at == 3 && above < 3.0, "the first of two: {at} {above}");
        let (at, above) = peak(&[1, 0, 1, 0, 1, 0, 40, 0, 1, 0, 1, 0, 1, 0, 1, 0]).unwrap();
        assert!(at == 6 && above > 3.0, "{at} {above}");
    }
}
