//! The line being typed, its caret, and what is said below it.

use super::Canvas;
use crate::area::Area;
use crate::fit;
use crate::state::State;
use crate::state::entry::{Entry, Kind};
use crate::theme::Role;

/// Draws the line and what belongs to it.
pub fn draw(state: &State, entry: &Entry, area: Area, canvas: &mut Canvas<'_>) {
    let prompt = canvas.text(area, 0, 0, entry.kind.prompt(), Role::Key);
    let before = fit::plain(entry.text.get(..entry.caret).unwrap_or_default());
    let after = fit::plain(entry.text.get(entry.caret..).unwrap_or_default());
    let room = usize::from(area.width.saturating_sub(prompt + 1));
    // A long line is shown up to its caret.
    let x = prompt
        + canvas.text(
            area,
            prompt,
            0,
            &fit::tail(&before, room, canvas.ascii),
            Role::Text,
        );
    let after = if after.is_empty() {
        " ".to_owned()
    } else {
        after
    };
    canvas.text(area, x, 0, &after, Role::Text);
    canvas.tint(area, x, 0, 1, Role::Mark);
    match entry.kind {
        Kind::View | Kind::Through => return draw_views(entry, area, canvas),
        Kind::Column => return draw_columns(state, entry, area, canvas),
        _ => {}
    }
    let role = if entry.error.is_some() {
        Role::Bad
    } else {
        Role::Dim
    };
    for (line, text) in state.said(entry).iter().enumerate() {
        canvas.text(area, 0, line as u16 + 1, text, role);
    }
}

fn draw_views(entry: &Entry, area: Area, canvas: &mut Canvas<'_>) {
    let first = entry.first_choice(usize::from(area.height.saturating_sub(1)));
    let titles = entry
        .views()
        .iter()
        .map(|view| fit::cells(view.title))
        .max();
    let wide = titles.unwrap_or(0).max(18);
    for (at, view) in entry.views().iter().enumerate().skip(first) {
        let line = (at - first) as u16 + 1;
        let key = if view.key == '\0' { ' ' } else { view.key };
        let text = format!("  {key}  {:<wide$} {}", view.title, view.doc);
        draw_choice(entry, at, line, &text, area, canvas);
    }
}

/// The columns of the view on screen, those that are shown with a mark.
fn draw_columns(state: &State, entry: &Entry, area: Area, canvas: &mut Canvas<'_>) {
    let view = state.step().view;
    let first = entry.first_choice(usize::from(area.height.saturating_sub(1)));
    for (at, place) in entry.columns(view).into_iter().enumerate().skip(first) {
        let (line, Some(column)) = ((at - first) as u16 + 1, view.columns.get(place)) else {
            continue;
        };
        let mark = match state.is_hidden(place) {
            true => "[ ]",
            false => "[x]",
        };
        let text = format!("  {mark} {:<14} {}", column.title, column.doc);
        draw_choice(entry, at, line, &text, area, canvas);
    }
}

fn draw_choice(
    entry: &Entry,
    at: usize,
    line: u16,
    text: &str,
    area: Area,
    canvas: &mut Canvas<'_>,
) {
    canvas.text(area, 0, line, text, Role::Text);
    if at == entry.choice {
        canvas.text(area, 0, line, canvas.glyph("▸", ">"), Role::Text);
        canvas.tint(area, 0, line, area.width, Role::Selected);
    }
}
