//! Where things are on the screen: the plan that views draw by and clicks are found by.

mod beside;
mod hidden;
#[cfg(test)]
mod tests;

pub use beside::beside;
pub use hidden::shown_columns;

/// A rectangle of cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// Left column.
    pub x: u16,
    /// Top line.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

impl Area {
    /// A screen of this size but for its last line, where keys are named.
    pub fn above_keys((width, height): (u16, u16)) -> Area {
        Area {
            x: 0,
            y: 0,
            width,
            height: height.saturating_sub(1),
        }
    }

    /// Whether the cell lies inside.
    pub fn contains(&self, x: u16, y: u16) -> bool {
        x >= self.x
            && x < self.x.saturating_add(self.width)
            && y >= self.y
            && y < self.y.saturating_add(self.height)
    }

    /// The first `lines` lines, and the rest.
    pub fn split_top(self, lines: u16) -> (Area, Area) {
        let lines = lines.min(self.height);
        (
            Area {
                height: lines,
                ..self
            },
            Area {
                y: self.y + lines,
                height: self.height - lines,
                ..self
            },
        )
    }

    /// All but the last `lines` lines, and those.
    pub fn split_bottom(self, lines: u16) -> (Area, Area) {
        self.split_top(self.height - lines.min(self.height))
    }

    /// The first `columns` columns, and the rest.
    pub fn split_left(self, columns: u16) -> (Area, Area) {
        let columns = columns.min(self.width);
        (
            Area {
                width: columns,
                ..self
            },
            Area {
                x: self.x + columns,
                width: self.width - columns,
                ..self
            },
        )
    }
}

/// Columns at the left of the timeline that hold the lanes' names.
pub const LANE_NAME: u16 = 8;

/// Cells at the left of a row that hold its mark.
pub const GUTTER: u16 = 2;

/// Cells between two steps of the trail.
pub const BETWEEN_CRUMBS: u16 = 3;

/// The screen, from top to bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is open, and what is known to be missing from it.
    pub header: Area,
    /// Lanes of activity, the gap lane, courses of tiles and the axis; may have no lines on a small screen.
    pub timeline: Area,
    /// Columns at the left of the timeline that hold the names of what it shows.
    pub names: u16,
    /// Lines of the timeline that are for courses of tiles.
    pub courses: u16,
    /// The trail.
    pub trail: Area,
    /// The view.
    pub body: Area,
    /// Counts, progress and notices, or the line being typed and what is said about it.
    pub status: Area,
    /// Keys.
    pub footer: Area,
}

/// What of a screen depends on what is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Whether the timeline has lines for gaps, alerts and marks.
    pub beside: [bool; 3],
    /// Courses of tiles that the timeline is to show.
    pub courses: u16,
    /// Lines below the body for the line being typed, or for what is said; 0 for as many as are usual.
    pub bottom: u16,
}

/// Cells at the left of the timeline for the names of tiles, and what they come to.
fn course_names(width: u16) -> u16 {
    match width {
        0..60 => 20,
        60..100 => 30,
        _ => 40,
    }
}

/// Plans a screen of `width` × `height`.
pub fn plan(width: u16, height: u16, wanted: Wanted) -> Plan {
    let Wanted { beside, bottom, .. } = wanted;
    let screen = Area {
        x: 0,
        y: 0,
        width,
        height,
    };
    let (header, rest) = screen.split_top(match height {
        0..=6 => 0,
        7..=15 => 1,
        _ => 2,
    });
    let lanes = match height {
        0..=13 => 0,
        14..=19 => 1,
        20..=27 => 3,
        _ => 6,
    };
    let courses = match lanes {
        0 => 0,
        _ => wanted.courses.min(height / 4),
    };
    // Courses take the place of lanes, but for that of all events, above the axis.
    let lanes = match (courses, height) {
        (1.., ..40) => 2,
        _ => lanes,
    };
    let (timeline, rest) = rest.split_top(if lanes == 0 {
        0
    } else {
        lanes
            + courses
            + beside_lines(height, beside)
                .map(u16::from)
                .iter()
                .sum::<u16>()
    });
    let (trail, rest) = rest.split_top(u16::from(height > 3));
    let (rest, footer) = rest.split_bottom(u16::from(height > 4));
    let (body, status) = rest.split_bottom(if bottom > 0 {
        bottom
    } else {
        u16::from(height > 8)
    });
    Plan {
        header,
        timeline,
        names: match courses {
            0 => LANE_NAME,
            _ => course_names(width),
        },
        courses,
        trail,
        body,
        status,
        footer,
    }
}

/// Which of the lines for gaps, alerts and marks there is room for: gaps always.
pub fn beside_lines(height: u16, beside: [bool; 3]) -> [bool; 3] {
    let [gaps, alerts, marks] = beside;
    [gaps, alerts && height >= 20, marks && height >= 20]
}

impl Plan {
    /// The part of the timeline that stands for time.
    pub fn strip(&self) -> Area {
        self.timeline.split_left(self.names).1
    }
}

/// Columns of a hex dump with 16 bytes in a line.
pub const WHOLE_DUMP: u16 = 76;

/// Columns of a hex dump with 8 bytes in a line.
pub const HALF_DUMP: u16 = 44;

/// The panes of the event list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    /// The list.
    pub list: Area,
    /// Arguments and what they mean; no lines when there is no room.
    pub arguments: Area,
    /// Bytes.
    pub bytes: Area,
}

/// Divides the body of a view with panes below its rows. Where there is no room for three panes only the one with the
/// `focus` (0 list, 1 arguments, 2 bytes) is there. The list takes half, or less where it has only so many `rows`; where
/// what stands below is `text`, that matters more than bytes.
pub fn panes(body: Area, focus: usize, rows: usize, text: bool) -> Panes {
    /// Lines the list has at least: with its titles room for three rows.
    const LEAST: u16 = 4;
    if body.height < 14 || body.width < 60 {
        let mut panes = Panes::default();
        *[&mut panes.list, &mut panes.arguments, &mut panes.bytes][focus.min(2)] = body;
        return panes;
    }
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    // An empty line below the last row shows that it is the last.
    let lines = rows.saturating_add(2).clamp(LEAST, body.height / 2);
    let (list, below) = body.split_top(lines);
    let dump = match (text, below.width) {
        (false, 136..) | (true, 190..) => WHOLE_DUMP,
        (true, 136..) => HALF_DUMP,
        (_, width) => width * 9 / 20,
    };
    let (arguments, bytes) = below.split_left(below.width - dump);
    Panes {
        list,
        arguments,
        bytes,
    }
}

/// Cells from which on most columns say something.
pub const STUMP: u16 = 8;

/// What a column of a table needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Cells; at least so many for a column that takes what is left.
    pub cells: u16,
    /// Cells in which nothing of it would be cut, where that is known; never fewer than `cells`.
    pub wish: u16,
    /// Whether it takes what is left.
    pub elastic: bool,
    /// Cells with fewer than which it is not begun, where it needs more.
    pub least: u16,
    /// Cells that say enough of it where not all columns fit; never more than `cells`, unless it takes what is left.
    pub short: u16,
    /// Its place among the columns that stay where not all fit; `None` for one that gives way.
    pub kept: Option<usize>,
}

/// Where a column of a table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which column.
    pub column: usize,
    /// Its left edge.
    pub x: u16,
    /// Its cells.
    pub width: u16,
}

/// Places the columns that can be seen, one cell between them. Where not all fit, those that are kept stay, as many of the first of
/// them as have room, and the selected one; the others come as one goes to them.
pub fn columns(widths: &[Width], total: u16, selected: usize) -> Vec<Placed> {
    let last = widths.len().saturating_sub(1);
    let selected = selected.min(last);
    if widths.iter().any(|width| width.kept.is_some()) {
        let whole = columns_from(widths, total, 0);
        /// Cells in which the end of a row says something.
        const ENOUGH: u16 = 2 * STUMP;
        let enough = |(placed, width): (&Placed, &Width)| {
            let least = match (width.kept, width.least) {
                // What answers the question is not cut for the sake of what does not.
                (Some(0), _) => width.short,
                (_, STUMP) => ENOUGH,
                (_, least) => least,
            };
            placed.width >= width.short.min(least)
        };
        return match whole.len() == widths.len() && whole.iter().zip(widths).all(enough) {
            true => whole,
            false => {
                let placed = columns_kept(widths, total, selected);
                match placed.last().is_some_and(|one| one.column < last) {
                    // A cell at the edge is for the mark that says that there are more.
                    true if total > 2 * STUMP => {
                        columns_kept(widths, total.saturating_sub(1), selected)
                    }
                    _ => placed,
                }
            }
        };
    }
    for first in 0..=selected {
        let placed = columns_from(widths, total, first);
        if first == selected || placed.iter().any(|column| column.column == selected) {
            return placed;
        }
    }
    Vec::new()
}

/// Places the selected column, those that are kept as far as there is room, and of the others those from as far to the left as
/// the selected one allows.
fn columns_kept(widths: &[Width], total: u16, selected: usize) -> Vec<Placed> {
    let Some(own) = widths.get(selected) else {
        return Vec::new();
    };
    let mut left = total.saturating_sub(own.short);
    let mut shown = vec![(selected, own.short)];
    let room = |left: &mut u16, width: &Width| match left.checked_sub(width.short + 1) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    };
    let mut kept: Vec<(usize, usize)> = (0..)
        .zip(widths)
        .filter_map(|(at, width)| Some((width.kept?, at)))
        .collect();
    kept.sort_unstable();
    for (_, at) in &kept {
        let width = widths.get(*at).filter(|_| *at != selected);
        if let Some(width) = width.filter(|width| room(&mut left, width)) {
            shown.push((*at, width.short));
        }
    }
    // They get what they need before others come.
    for (at, _) in &shown {
        let width = widths.get(*at).filter(|width| !width.elastic);
        left = left.saturating_sub(width.map_or(0, |width| width.cells - width.short));
    }
    let is_kept = |at: &usize| kept.iter().any(|(_, kept)| kept == at);
    let others: Vec<usize> = (0..widths.len()).filter(|at| !is_kept(at)).collect();
    let standing = others.iter().position(|at| *at == selected).unwrap_or(0);
    // How far to the left of the selected column one can begin without losing it.
    let first = (0..=standing).find(|first| {
        let mut left = left;
        let mut before = others.get(*first..standing).into_iter().flatten();
        before.all(|at| widths.get(*at).is_some_and(|width| room(&mut left, width)))
    });
    for at in others.iter().skip(first.unwrap_or(standing)) {
        let Some(width) = widths.get(*at).filter(|_| *at != selected) else {
            continue;
        };
        if room(&mut left, width) {
            shown.push((*at, width.short));
            continue;
        }
        // A part of it is better than nothing.
        if left > width.least.min(width.cells) {
            shown.push((*at, left - 1));
        }
        break;
    }
    spread(widths, total, shown)
}

/// Gives the columns that are shown what is left, the first of them first: what they need, then what those wish for that take what
/// is left, then what the others wish for.
fn spread(widths: &[Width], total: u16, mut shown: Vec<(usize, u16)>) -> Vec<Placed> {
    // What is kept comes before what happens to be selected.
    shown.sort_by_key(|(at, _)| {
        let kept = widths.get(*at).and_then(|width| width.kept);
        kept.unwrap_or(usize::MAX)
    });
    let with_width = |(at, short): (usize, u16)| Some((at, *widths.get(at)?, short.min(total)));
    let mut cells: Vec<(usize, Width, u16)> = shown.into_iter().filter_map(with_width).collect();
    let used: u32 = cells
        .iter()
        .map(|(_, _, cells)| u32::from(*cells) + 1)
        .sum();
    let mut left = (u32::from(total) + 1).saturating_sub(used);
    let mut grow = |cells: &mut u16, to: u16| {
        let by = u32::from(to.saturating_sub(*cells)).min(left);
        left -= by;
        *cells = cells.saturating_add(u16::try_from(by).unwrap_or(0));
    };
    for (_, width, cells) in &mut cells {
        grow(cells, width.cells);
    }
    for elastic in [true, false] {
        for (_, width, cells) in cells.iter_mut().filter(|one| one.1.elastic == elastic) {
            grow(cells, width.wish);
        }
    }
    cells.sort_unstable_by_key(|(at, ..)| *at);
    if let Some((_, _, cells)) = cells.iter_mut().rfind(|one| one.1.elastic) {
        grow(cells, u16::MAX);
    }
    let mut x = 0u16;
    let place = |(column, _, cells): (usize, Width, u16)| {
        let width = cells.min(total.saturating_sub(x));
        let placed = Placed { column, x, width };
        x = x.saturating_add(width).saturating_add(1);
        placed
    };
    cells
        .into_iter()
        .map(place)
        .filter(|one| one.width > 0)
        .collect()
}

fn columns_from(widths: &[Width], total: u16, first: usize) -> Vec<Placed> {
    let shown = widths.get(first..).unwrap_or_default();
    let sum =
        |of: &dyn Fn(&Width) -> u16| shown.iter().map(|width| u32::from(of(width))).sum::<u32>();
    let needed = sum(&|width| width.cells + 1);
    let spare = (u32::from(total) + 1).saturating_sub(needed);
    let elastic = shown.iter().filter(|width| width.elastic).count() as u32;
    // Columns that would be cut get what elastic ones have no use for.
    let more = |width: &Width| width.wish.saturating_sub(width.cells);
    let used = sum(&|width| if width.elastic { more(width) } else { 0 });
    let mut lent = spare.saturating_sub(used);
    let grows = |width: &Width, lent: &mut u32| {
        let by = match width.elastic {
            true => 0,
            false => u32::from(more(width)).min(*lent),
        };
        *lent -= by;
        by
    };
    let grown: Vec<u32> = shown.iter().map(|width| grows(width, &mut lent)).collect();
    let spare = spare - grown.iter().sum::<u32>();
    let mut placed = Vec::new();
    let (mut x, mut elastic_seen) = (0u16, 0u32);
    for (at, wish) in shown.iter().enumerate() {
        let by = grown.get(at).copied().unwrap_or(0);
        let mut width = wish
            .cells
            .saturating_add(u16::try_from(by).unwrap_or(u16::MAX));
        if wish.elastic {
            // The last elastic column takes the remainder of the division.
            elastic_seen += 1;
            let share = if elastic_seen == elastic {
                spare - spare / elastic * (elastic - 1)
            } else {
                spare / elastic
            };
            width = width.saturating_add(u16::try_from(share).unwrap_or(u16::MAX));
        }
        let left = total.saturating_sub(x);
        if left == 0 || (at > 0 && left < width.min(wish.least)) {
            break;
        }
        let width = width.min(left);
        placed.push(Placed {
            column: first + at,
            x,
            width,
        });
        x = x.saturating_add(width).saturating_add(1);
    }
    placed
}
