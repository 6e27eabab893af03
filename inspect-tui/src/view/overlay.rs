//! Help and the capture's description, laid over the screen.

use super::Canvas;
use crate::area::Area;
use crate::fit;
use crate::overlay;
use crate::state::{Overlay, State};
use crate::theme::Role;

/// Draws what is open, if anything is.
pub fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let Some((open, top)) = state.overlay else {
        return;
    };
    let width = state.size.0;
    // The footer stays: it says how to close this.
    let area = Area::above_keys(state.size);
    canvas.clear(area);
    let title = match open {
        Overlay::Help => "help",
        Overlay::Description => "capture",
        Overlay::Bookmarks => "marked events",
        Overlay::Link => "this place",
        Overlay::Row => state.chosen().map_or("", |chosen| chosen.view.title),
    };
    let lines = overlay::lines(state);
    let left = overlay::left_cells(&lines, usize::from(width));
    let more = format!("line {} of {}", (top + 1).min(lines.len()), lines.len());
    canvas.pieces(
        area,
        0,
        0,
        &[(title, Role::Title), ("  ", Role::Text), (&more, Role::Dim)],
    );
    let (_, body) = area.split_top(2);
    for (at, line) in lines
        .iter()
        .skip(top)
        .take(usize::from(body.height))
        .enumerate()
    {
        let y = at as u16;
        if line.heading {
            canvas.text(body, 0, y, &line.left, Role::Title);
            continue;
        }
        canvas.text(
            body,
            2,
            y,
            &fit::cut(&line.left, left, canvas.ascii),
            Role::Key,
        );
        let x = (left + overlay::BESIDE_LEFT) as u16;
        canvas.text(body, x, y, &line.right, Role::Text);
    }
}
