//! The overview: what was counted, where in time, and what deserves a look.

use super::Canvas;
use crate::area::Area;
use crate::board::{self, TILE_WIDTH};
use crate::fit;
use crate::show;
use crate::state::courses;
use crate::state::{Overview, Pane, State};
use crate::theme::Role;
use afterimage_indexer::TILE_STEPS;
use afterimage_query::TILES;

/// Cells of a tile's sparkline.
const SPARK: usize = 16;

/// Draws the tiles that are in sight.
pub fn draw(state: &State, overview: &Overview, area: Area, canvas: &mut Canvas<'_>) {
    let damaged = state.facts.is_damaged();
    for place in board::places(area.width, &overview.shown()) {
        let Some(line) = place
            .line
            .checked_sub(overview.top)
            .and_then(|line| u16::try_from(line).ok())
        else {
            continue;
        };
        if line >= area.height {
            continue;
        }
        let x = place.column * TILE_WIDTH;
        let cell = area.split_left(x).1.split_left(TILE_WIDTH).0;
        let tile = &TILES[place.tile];
        if place.heading {
            canvas.text(cell, 1, line, tile.group, Role::Title);
            continue;
        }
        let tally = overview
            .counted
            .as_ref()
            .and_then(|all| all.tiles.get(place.tile));
        let total = tally.map_or(0, |tally| tally.total);
        let notable = tile.notable && total > 0;
        let selected = overview.cursor == place.tile && state.pane == Pane::Body;
        let role = match (notable, total) {
            (true, _) => Role::Notable,
            (false, 0) => Role::Dim,
            (false, _) => Role::Text,
        };
        let letter = state.courses.letter_of(place.tile);
        let mark = match (selected, notable) {
            (true, _) => canvas.glyph("▸", ">"),
            (false, true) => "!",
            (false, false) => " ",
        };
        let mut number = match tally {
            None => String::new(),
            // Where a part of the file cannot be read, nothing found is not nothing there.
            Some(_) if damaged && total == 0 => "?".to_owned(),
            Some(_) => show::figure(total, tile.unit),
        };
        if damaged && total > 0 {
            number.insert_str(0, canvas.glyph("≥ ", ">= "));
        }
        canvas.text(cell, u16::from(letter.is_none()), line, mark, role);
        if let Some(place) = letter {
            canvas.text(cell, 1, line, courses::letter(place), Role::Course(place));
        }
        canvas.text(
            cell,
            3,
            line,
            &fit::pad(tile.title, 22, false, canvas.ascii),
            role,
        );
        canvas.text(
            cell,
            25,
            line,
            &fit::pad(&number, 13, true, canvas.ascii),
            role,
        );
        if let Some(tally) = tally.filter(|_| cell.width >= 39 + SPARK as u16 / 2) {
            // Joined steps are those that would have been counted in so few.
            let joined = tally.steps.chunks((TILE_STEPS / SPARK).max(1));
            let steps: Vec<u64> = joined.map(|steps| steps.iter().sum()).collect();
            let most = steps.iter().copied().max().unwrap_or(0);
            let spark: String = steps.iter().map(|step| canvas.level(*step, most)).collect();
            canvas.text(
                cell,
                39,
                line,
                &spark,
                if notable {
                    Role::Notable
                } else {
                    Role::Activity
                },
            );
        }
        if selected {
            canvas.tint(cell, 0, line, 39 + SPARK as u16, Role::Selected);
        }
    }
}
