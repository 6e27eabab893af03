//! Numbers and instants as the screen says them, on top of how every reader shows a cell.

use crate::area::{STUMP, Width};
use crate::fit;
use afterimage_indexer::{Cell, TimeLook, TimeStyle, bytes_text, cell_text, duration_text};
use afterimage_model::{FieldType, Manifest, fields};
use afterimage_query::{Aggregate, Column, Unit};

/// The next way to show instants.
pub fn next_look(look: TimeLook) -> TimeLook {
    match look {
        TimeLook::Time => TimeLook::Date,
        TimeLook::Date => TimeLook::Relative,
        TimeLook::Relative => TimeLook::Raw,
        TimeLook::Raw => TimeLook::Time,
    }
}

/// What a way to show instants is called.
pub fn look_name(look: TimeLook) -> &'static str {
    match look {
        TimeLook::Time => "time of day, UTC",
        TimeLook::Date => "date and time, UTC",
        TimeLook::Relative => "seconds since the first event",
        TimeLook::Raw => "nanoseconds since 1970",
    }
}

/// What is needed to show an instant.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// The capture's header, for its clock pair.
    pub manifest: &'a Manifest,
    /// The style.
    pub style: TimeStyle,
}

impl Epoch<'_> {
    /// An instant on the boot clock.
    pub fn boot(&self, boot_ns: u64) -> String {
        self.style.text(self.manifest.wall_ns(boot_ns))
    }
}

/// A cell as bytes: captured text still raw, so that only what fits the screen need be made printable.
pub fn cell(cell: &Cell, column: &Column, style: &TimeStyle) -> Vec<u8> {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(0) if column.unit == Unit::Heat => Vec::new(),
        other => cell_text(other, column, style).into_bytes(),
    }
}

/// The widest cell of each column, as shown. Instants are not measured: how wide they are depends on their style.
pub fn measure<'r>(columns: &[Column], rows: impl Iterator<Item = &'r [Cell]>) -> Vec<u16> {
    /// Wider than this no column needs to be known to be.
    const WIDEST: usize = 160;
    let style = TimeStyle::default();
    let mut widest = vec![0u16; columns.len()];
    for row in rows {
        for ((column, found), widest) in columns.iter().zip(row).zip(&mut widest) {
            if column.unit != Unit::Time {
                let text = fit::captured(&cell(found, column, &style), WIDEST, false);
                *widest = (*widest).max(fit::cells(&text) as u16);
            }
        }
    }
    widest
}

/// Columns of a terminal that is so narrow that most views do not fit.
pub const NARROW: u16 = 70;

/// Columns of a terminal on which not all columns of most views fit: what answers the view's question is selected there at first,
/// for what is selected is always there.
pub const SELECTS: u16 = 120;

/// Columns of a terminal on which the fraction of an instant gives way to what stays.
const CUTS: u16 = 100;

/// Whether a column's cells stand to the right.
pub fn is_number(column: &Column) -> bool {
    let counted = !matches!(
        column.aggregate,
        Aggregate::Key | Aggregate::First | Aggregate::Last
    );
    let field = fields::split_name(column.field).map(|(field, _)| field.ty);
    let number = matches!(
        field,
        Some(
            FieldType::Int
                | FieldType::Uint
                | FieldType::Double
                | FieldType::Port
                | FieldType::RelTime
        )
    );
    let gap = matches!(column.field, "gap.count" | "gap.cpu");
    column.unit != Unit::Time
        && (counted
            || number
            || gap
            || matches!(
                column.unit,
                Unit::Bytes | Unit::Duration | Unit::Processor | Unit::Heat
            ))
}

/// What a column needs: what its view gives it, or less when its widest cell is narrower.
pub fn width(column: &Column, widest: Option<u16>, style: &TimeStyle, total: u16) -> Width {
    /// Cells of an instant's fraction that may be cut: it then still tells tenths of a second.
    const FRACTION: u16 = 7;
    /// Columns from this width on hold texts, shorter ones names; so many cells of a text say what it is.
    const TEXT: u16 = 24;
    // One cell more than the title is for the mark of sorting.
    let title = fit::cells(column.title) as u16 + 1;
    if column.unit == Unit::Time {
        let cells = style.width().max(title);
        let least = cells.saturating_sub(FRACTION);
        return Width {
            cells,
            wish: cells,
            elastic: false,
            least,
            short: if total < CUTS { least } else { cells },
            kept: None,
        };
    }
    let elastic = column.width == 0;
    let cells = match elastic {
        true => widest.unwrap_or(total / 3).min(total / 3).max(title),
        false => {
            let cells = widest.map_or(column.width, |widest| widest.min(column.width));
            cells.max(title.min(column.width))
        }
    };
    let short = match is_number(column) {
        // Half of a number is another number.
        true => cells,
        false if elastic || column.width >= TEXT => cells.min((total / 3).clamp(STUMP, TEXT)),
        false => cells.min((total / 4).max(STUMP)),
    };
    Width {
        cells,
        wish: widest.unwrap_or(cells).max(cells),
        elastic,
        least: STUMP,
        short,
        kept: None,
    }
}

/// A count with separators: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What a tile has come to, or a part of it, in its unit.
pub fn figure(n: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => bytes_text(n.into()),
        Unit::Duration | Unit::Processor => duration_text(n.into()),
        Unit::Plain | Unit::Time | Unit::Heat => count(n),
    }
}

/// A length of time, ns, on a screen that may have ASCII only.
pub fn time_text(ns: u64, ascii: bool) -> String {
    let text = duration_text(ns.into());
    match ascii {
        true => text.replace('µ', "u"),
        false => text,
    }
}

/// A count and its noun, in the plural where it is not one: `1 gap`, `2 gaps`.
pub fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [counted(1, "gap"), counted(2, "gap"), counted(0, "event")],
            ["1 gap", "2 gaps", "0 events"]
        );
    }

    #[test]
    fn every_way_to_show_instants_comes_round() {
        let mut look = TimeLook::Time;
        let names: Vec<&str> = std::iter::repeat_with(|| {
            look = next_look(look);
            look_name(look)
        })
        .take(4)
        .collect();
        assert_eq!(look, TimeLook::Time);
        assert!(
            names
                .iter()
                .all(|name| names.iter().filter(|other| other == &name).count() == 1)
        );
    }
}
