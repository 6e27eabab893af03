//! Where the overview's tiles stand: groups flow into as many columns as fit, and the arrows find their way among them.

use afterimage_query::TILES;

/// Columns of cells a tile takes, with the space after it.
pub const TILE_WIDTH: u16 = 56;

/// Where a tile or a heading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into `TILES`; for a heading that of its first tile.
    pub tile: usize,
    /// Whether it is the heading.
    pub heading: bool,
    /// Which column of tiles.
    pub column: u16,
    /// Line from the top.
    pub line: usize,
}

/// The tiles that are shown when these totals were counted: those that most captures hold nothing of only where they do.
pub fn shown(total: impl Fn(usize) -> u64) -> Vec<usize> {
    (0..TILES.len())
        .filter(|at| !TILES[*at].is_quiet() || total(*at) > 0)
        .collect()
}

/// Places the tiles that are shown on a board this wide.
pub fn places(width: u16, shown: &[usize]) -> Vec<Place> {
    let columns = usize::from(width / TILE_WIDTH).max(1);
    let groups: Vec<&[usize]> = shown
        .chunk_by(|a, b| TILES[*a].group == TILES[*b].group)
        .collect();
    // A heading above and an empty line below each group.
    let lines = |group: &&[usize]| group.len() + 2;
    let all: usize = groups.iter().map(lines).sum();
    let target = all.div_ceil(columns);
    let (mut out, mut column, mut line) = (Vec::new(), 0, 0);
    for group in &groups {
        if line > 0 && line + lines(group) / 2 > target && column + 1 < columns {
            (column, line) = (column + 1, 0);
        }
        out.push(Place {
            tile: group[0],
            heading: true,
            column: column as u16,
            line,
        });
        for (below, tile) in group.iter().enumerate() {
            out.push(Place {
                tile: *tile,
                heading: false,
                column: column as u16,
                line: line + 1 + below,
            });
        }
        line += lines(group);
    }
    out
}

fn tiles(width: u16, shown: &[usize]) -> Vec<Place> {
    places(width, shown)
        .into_iter()
        .filter(|place| !place.heading)
        .collect()
}

/// The tile `by` lines above or below, in the order of the table.
pub fn step(tile: usize, by: i64, shown: &[usize]) -> usize {
    let by_tiles = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    let place = shown.partition_point(|at| *at < tile);
    let last = shown.len().saturating_sub(1);
    let next = if by < 0 {
        place.saturating_sub(by_tiles)
    } else {
        place.saturating_add(by_tiles).min(last)
    };
    shown.get(next).copied().unwrap_or(tile)
}

/// The tile nearest in the column to the left or to the right; the same when there is none.
pub fn sideways(tile: usize, right: bool, width: u16, shown: &[usize]) -> usize {
    let tiles = tiles(width, shown);
    let Some(here) = tiles.iter().find(|place| place.tile == tile) else {
        return tile;
    };
    let Some(column) = (if right {
        here.column.checked_add(1)
    } else {
        here.column.checked_sub(1)
    }) else {
        return tile;
    };
    let beside = tiles.iter().filter(|place| place.column == column);
    beside
        .min_by_key(|place| place.line.abs_diff(here.line))
        .map_or(tile, |place| place.tile)
}

/// The line a tile stands on, and how many lines there are.
pub fn line_of(tile: usize, width: u16, shown: &[usize]) -> (usize, usize) {
    let tiles = tiles(width, shown);
    let line = tiles
        .iter()
        .find(|place| place.tile == tile)
        .map_or(0, |place| place.line);
    (
        line,
        tiles.iter().map(|place| place.line + 1).max().unwrap_or(0),
    )
}

/// The tile under a cell.
pub fn tile_at(x: u16, line: usize, width: u16, shown: &[usize]) -> Option<usize> {
    let column = x / TILE_WIDTH;
    tiles(width, shown)
        .iter()
        .find(|place| place.column == column && place.line == line)
        .map(|place| place.tile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_stands_somewhere_and_no_two_on_the_same_place() {
        for width in [0, 40, 80, 120, 200, 500] {
            let places = places(width, &shown(|_| 1));
            assert_eq!(
                places.iter().filter(|place| !place.heading).count(),
                TILES.len()
            );
            for (at, place) in places.iter().enumerate() {
                assert!(
                    place.column == 0 || (place.column + 1) * TILE_WIDTH <= width,
                    "{place:?} in {width}"
                );
                assert!(
                    !places[..at]
                        .iter()
                        .any(|p| (p.column, p.line) == (place.column, place.line)),
                    "{place:?}"
                );
            }
        }
    }

    #[test]
    fn a_click_finds_the_tile_that_stands_there() {
        let all = shown(|at| u64::from(at % 2 == 0));
        for place in tiles(200, &all) {
            assert_eq!(
                tile_at(place.column * TILE_WIDTH + 3, place.line, 200, &all),
                Some(place.tile)
            );
        }
    }
}
