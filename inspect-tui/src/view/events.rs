//! The event list with its panes: the list, what the selected event's arguments mean, its bytes.

use super::rows::{Line, Rows};
use super::{Canvas, why};
use crate::area::{Area, Panes};
use crate::detail::{self, Detail};
use crate::fit;
use crate::show;
use crate::state::events::EventList;
use crate::state::{Pane, State};
use crate::theme::Role;
use crate::worker::Lane;
use afterimage_indexer::Cell;
use std::borrow::Cow;

/// Draws the panes there is room for.
pub fn draw(state: &State, list: &EventList, canvas: &mut Canvas<'_>) {
    let panes = state.panes();
    if panes.list.height > 0 {
        draw_list(state, list, panes.list, canvas);
    }
    draw_look(state, panes, canvas);
}

/// Draws the panes of the event that is looked into.
pub fn draw_look(state: &State, panes: Panes, canvas: &mut Canvas<'_>) {
    if panes.arguments.height > 0 {
        draw_arguments(state, panes.arguments, canvas);
    }
    if panes.bytes.height > 0 {
        draw_bytes(state, panes.bytes, canvas);
    }
}

fn draw_list(state: &State, list: &EventList, area: Area, canvas: &mut Canvas<'_>) {
    let columns = state.step().view.columns;
    let rows = Rows {
        columns,
        widths: state.column_widths(),
        hidden: state.hidden_columns().clone(),
        tree: None,
        sort: None,
        cursor: list
            .cursor
            .checked_sub(list.top)
            .filter(|_| !list.is_empty()),
        column: list.column,
        focus: state.pane == Pane::Body,
        style: state.epoch().style,
        reveal: state.reveal,
        most: Vec::new(),
    };
    // Lines that are still to come have their number already.
    let number = columns.iter().position(|column| column.field == "evt.num");
    let kind = columns.iter().position(|column| column.field == "evt.type");
    let coming = |num: u64, unreadable: bool| {
        let cell = |at| match Some(at) {
            at if at == number => Cell::Number(num.into()),
            at if at == kind && unreadable => Cell::Text(b"(not readable)".to_vec()),
            _ => Cell::Missing,
        };
        (0..columns.len()).map(cell).collect::<Vec<_>>()
    };
    rows.draw(area, canvas, |place| {
        let place = list.top + place;
        let num = list.num(place)?;
        let (cells, bad, role) = match list.line(place) {
            Some(line) => (Cow::Borrowed(&line.cells[..]), line.failed, line.role),
            None => {
                let lost = list.is_unreadable(place);
                (Cow::Owned(coming(num, lost)), lost, None)
            }
        };
        Some(Line {
            cells,
            depth: 0,
            fold: None,
            bad,
            role,
            marked: state.bookmarks.contains_key(&num),
        })
    });
    if list.is_empty() {
        why::draw(state, area, canvas);
    }
}

/// The line above a pane, with the name of what it shows.
pub fn title(area: Area, name: &str, more: &str, focus: bool, canvas: &mut Canvas<'_>) {
    let rule = canvas.glyph("─", "-").repeat(usize::from(area.width));
    canvas.text(area, 0, 0, &rule, Role::Dim);
    let mark = if focus {
        canvas.glyph("▸ ", "> ")
    } else {
        "  "
    };
    let role = if focus { Role::Title } else { Role::Text };
    let x = canvas.pieces(area, 1, 0, &[(mark, role), (name, role)]);
    canvas.pieces(
        area,
        x,
        0,
        &[("  ", Role::Text), (more, Role::Dim), (" ", Role::Text)],
    );
}

fn draw_arguments(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    let focus = state.pane == Pane::Arguments;
    let Some((look, detail)) = state
        .look()
        .and_then(|look| Some((look, look.detail.as_ref()?)))
    else {
        title(area, "event", "", focus, canvas);
        let coming = state.coming(Lane::Detail) || state.coming(Lane::Body);
        let says = if coming {
            "working"
        } else {
            "no row is selected above"
        };
        canvas.text(area, 2, 1, says, Role::Dim);
        return;
    };
    let at = state.epoch().boot(detail.at_ns);
    title(area, &format!("event {}", detail.num), &at, focus, canvas);
    for line in 1..area.height {
        let place = look.argument.1 + usize::from(line) - 1;
        draw_line(
            detail,
            place,
            focus && place == look.argument.0,
            area,
            line,
            canvas,
        );
    }
}

fn draw_line(
    detail: &Detail,
    place: usize,
    selected: bool,
    area: Area,
    line: u16,
    canvas: &mut Canvas<'_>,
) {
    /// Cells for names.
    const NAME: u16 = 11;
    let Some(fact) = detail.lines.get(place) else {
        return;
    };
    if fact.heading {
        canvas.text(area, 1, line, &fit::plain(&fact.name), Role::Title);
        if selected {
            canvas.tint(area, 0, line, area.width, Role::Selected);
        }
        return;
    }
    let role = if fact.notable {
        Role::Notable
    } else {
        Role::Text
    };
    let room = usize::from(area.width.saturating_sub(NAME + 4));
    let value = fit::captured(&fact.value, room, canvas.ascii);
    let mark = if fact.notable { "!" } else { " " };
    canvas.text(area, 0, line, mark, role);
    canvas.text(
        area,
        2,
        line,
        &fit::cut(&fit::plain(&fact.name), usize::from(NAME), canvas.ascii),
        Role::Dim,
    );
    let x = NAME + 3;
    let used = canvas.text(area, x, line, &value, role);
    let meaning = fit::captured(
        &fact.meaning,
        room.saturating_sub(usize::from(used) + 2),
        canvas.ascii,
    );
    if !meaning.is_empty() {
        canvas.text(area, x + used + 2, line, &meaning, Role::Dim);
    }
    if selected {
        canvas.tint(area, 0, line, area.width, Role::Selected);
    }
}

/// Draws the bytes of the selected argument.
pub fn draw_bytes(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    let focus = state.pane == Pane::Bytes;
    let look = state.look();
    let Some((look, (name, blob))) = look.and_then(|look| Some((look, look.bytes()?))) else {
        let says = match look.is_some_and(|look| look.detail.is_some()) {
            true => "none were captured",
            false => "",
        };
        return title(area, "bytes", says, focus, canvas);
    };
    let kept = blob.bytes.len() as u64;
    let size = if blob.is_cut() {
        format!(
            "{} of {} bytes kept",
            show::count(kept),
            show::count(blob.full_len)
        )
    } else {
        show::counted(kept, "byte")
    };
    title(
        area,
        &format!("bytes of {}", fit::plain(name)),
        &size,
        focus,
        canvas,
    );
    let per_line = state.bytes_per_line();
    for line in 1..area.height {
        let offset = (look.byte_line + usize::from(line) - 1).saturating_mul(per_line);
        if offset >= blob.bytes.len() {
            break;
        }
        canvas.text(
            area,
            1,
            line,
            &detail::hex_line(&blob.bytes, offset, per_line),
            Role::Text,
        );
    }
}
