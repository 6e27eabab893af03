//! Cells, and how they are shown: the one place where sizes, durations and instants become text.

use afterimage_model::time::Civil;
use afterimage_model::{FieldValue, Safe};
use afterimage_query::{Aggregate, Column, Unit};
use bincode::{Decode, Encode};
use std::cmp::Ordering;

/// A cell of a row: what is shown, and what it is sorted by.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Cell {
    /// No value.
    Missing,
    /// Captured text, raw.
    Text(Vec<u8>),
    /// A number with a sign.
    Number(i128),
    /// A fraction (means and rates).
    Float(f64),
    /// Captured text that is not shown unless somebody asks for it on purpose.
    Secret(Vec<u8>),
}

impl Cell {
    /// The same with what is hidden shown.
    pub fn revealed(self) -> Cell {
        match self {
            Cell::Secret(text) => Cell::Text(text),
            other => other,
        }
    }

    /// The order of cells in a column, smallest first: missing, then numbers, then text byte by byte, then what is hidden, whose
    /// order would tell what it is.
    pub fn order(&self, other: &Cell) -> Ordering {
        fn rank(cell: &Cell) -> u8 {
            match cell {
                Cell::Missing => 0,
                Cell::Number(_) | Cell::Float(_) => 1,
                Cell::Text(_) => 2,
                Cell::Secret(_) => 3,
            }
        }
        match (self, other) {
            (Cell::Number(a), Cell::Number(b)) => a.cmp(b),
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            (Cell::Float(a), Cell::Float(b)) => a.total_cmp(b),
            // Of numbers too large to be told apart as fractions, whole ones come first: else they would be equal to a fraction and not
            // to each other, which is no order.
            (Cell::Number(a), Cell::Float(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Cell::Float(a), Cell::Number(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// A value that can be a key: a [`Cell`] without fractions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Missing,
    Number(i128),
    Text(Vec<u8>),
}

impl Key {
    pub fn of(value: Option<FieldValue<'_>>) -> Key {
        match value {
            None => Key::Missing,
            Some(FieldValue::Int(n)) => Key::Number(i128::from(n)),
            Some(FieldValue::Uint(n)) => Key::Number(i128::from(n)),
            Some(FieldValue::Str(text)) => Key::Text(text.into_owned()),
            Some(other) => Key::Text(other.text().into_owned()),
        }
    }
}

impl From<&Key> for Cell {
    fn from(key: &Key) -> Cell {
        match key {
            Key::Missing => Cell::Missing,
            Key::Number(n) => Cell::Number(*n),
            Key::Text(text) => Cell::Text(text.clone()),
        }
    }
}

/// What an instant looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeLook {
    /// Time of day, to the nanosecond.
    #[default]
    Time,
    /// Date and time of day.
    Date,
    /// Seconds since the capture's first event.
    Relative,
    /// Nanoseconds since 1970.
    Raw,
}

/// How a reader wants instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeStyle {
    /// What they look like.
    pub look: TimeLook,
    /// The reader's zone, seconds east of UTC.
    pub offset_s: i32,
    /// The capture's first event, ns since 1970.
    pub first_ns: i64,
}

impl TimeStyle {
    /// The text of an instant, ns since 1970.
    pub fn text(&self, ns: i64) -> String {
        let civil =
            || Civil::from_unix_ns(ns.saturating_add(i64::from(self.offset_s) * 1_000_000_000));
        match self.look {
            TimeLook::Time => civil().time_of_day(),
            TimeLook::Date => {
                let c = civil();
                format!(
                    "{:04}-{:02}-{:02} {}",
                    c.year,
                    c.month,
                    c.day,
                    c.time_of_day()
                )
            }
            TimeLook::Relative => {
                let since = i128::from(ns) - i128::from(self.first_ns);
                let sign = if since < 0 { '-' } else { '+' };
                let size = since.unsigned_abs();
                format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
            }
            TimeLook::Raw => ns.to_string(),
        }
    }

    /// Columns that an instant of our century takes.
    pub fn width(&self) -> u16 {
        match self.look {
            TimeLook::Time => 18,
            TimeLook::Date => 29,
            TimeLook::Relative => 16,
            TimeLook::Raw => 19,
        }
    }
}

/// A cell as every reader shows it: escaped, empty when missing.
pub fn cell_text(cell: &Cell, column: &Column, style: &TimeStyle) -> String {
    match (cell, column.unit) {
        (Cell::Missing, Unit::Processor) => "?".to_owned(),
        // A row that stands for all files without one.
        (Cell::Missing, _) if column.field == "fd.name" && column.aggregate == Aggregate::Key => {
            "(path not known)".to_owned()
        }
        (Cell::Missing, _) if column.field == "container.image" => "(no runtime told)".to_owned(),
        (Cell::Missing, _) => String::new(),
        (Cell::Text(text), _) => Safe::new(text).to_string(),
        (Cell::Secret(text), _) => format!("(hidden, {} bytes)", text.len()),
        (Cell::Number(n), Unit::Heat) => n.to_string(),
        (Cell::Float(f), Unit::Heat) => format!("{f:.0}"),
        (Cell::Number(n), Unit::Plain) => n.to_string(),
        (Cell::Number(n), Unit::Bytes) => bytes_text(*n),
        (Cell::Number(n), Unit::Duration | Unit::Processor) => duration_text(*n),
        (Cell::Number(n), Unit::Time) => style.text(clamp(*n)),
        (Cell::Float(f), Unit::Plain) => format!("{f:.1}"),
        (Cell::Float(f), Unit::Bytes) => bytes_text(f.round() as i128),
        (Cell::Float(f), Unit::Duration | Unit::Processor) => duration_text(f.round() as i128),
        (Cell::Float(f), Unit::Time) => style.text(clamp(f.round() as i128)),
    }
}

fn clamp(n: i128) -> i64 {
    n.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// A number of bytes in powers of 1024: `999`, `1.5K`, `23M`.
pub fn bytes_text(bytes: i128) -> String {
    scaled(
        bytes,
        &[
            ("", 1),
            ("K", 1 << 10),
            ("M", 1 << 20),
            ("G", 1 << 30),
            ("T", 1 << 40),
            ("P", 1 << 50),
            ("E", 1 << 60),
        ],
    )
}

/// Nanoseconds as a duration: `15ns`, `1.2ms`, `42s`.
pub fn duration_text(ns: i128) -> String {
    scaled(
        ns,
        &[
            ("ns", 1),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
            ("d", 86_400_000_000_000),
        ],
    )
}

/// The number in the largest unit that leaves it at least one, with one decimal below ten. Rounded half up in tenths, and
/// into the next unit where rounding reaches it.
fn scaled(n: i128, units: &[(&str, i128)]) -> String {
    let sign = if n < 0 { "-" } else { "" };
    let size = n.unsigned_abs();
    let mut text = String::new();
    for (at, (name, scale)) in units.iter().enumerate() {
        let scale = scale.unsigned_abs();
        let tenths = size.saturating_mul(10).saturating_add(scale / 2) / scale;
        text = match (at, tenths) {
            (0, _) => format!("{sign}{size}{name}"),
            (_, ..100) if !tenths.is_multiple_of(10) => {
                format!("{sign}{}.{}{name}", tenths / 10, tenths % 10)
            }
            _ => format!("{sign}{}{name}", (size.saturating_add(scale / 2)) / scale),
        };
        match units.get(at + 1) {
            // Would it be shown as at least one of the next unit?
            Some((_, next))
                if (size.saturating_add(if at == 0 { 0 } else { scale / 2 })) / scale * scale
                    >= next.unsigned_abs() => {}
            _ => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_query::Aggregate;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_are_short() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (10 * 1024, "10K"),
            (1024 * 1024 - 1, "1M"),
            (3 << 20, "3M"),
            (-1536, "-1.5K"),
            (i128::from(u64::MAX), "16E"),
        ] {
            assert_eq!(bytes_text(n), text);
        }
        for (n, text) in [
            (15, "15ns"),
            (1_200_000, "1.2ms"),
            (999_999_999, "1s"),
            (90_000_000_000, "1.5m"),
            (42_000_000_000, "42s"),
        ] {
            assert_eq!(duration_text(n), text);
        }
    }

    #[test]
    fn instants_follow_the_style() {
        let ns = 951_782_400_000_000_001;
        let style = |look, offset_s| TimeStyle {
            look,
            offset_s,
            first_ns: ns - 1_500_000_000,
        };
        assert_eq!(style(TimeLook::Time, 0).text(ns), "00:00:00.000000001");
        assert_eq!(
            style(TimeLook::Date, 3600).text(ns),
            "2000-02-29 01:00:00.000000001"
        );
        assert_eq!(style(TimeLook::Relative, 0).text(ns), "+1.500000000");
        assert_eq!(style(TimeLook::Relative, 0).text(0), "-951782398.500000001");
        for look in [TimeLook::Time, TimeLook::Date] {
            assert_eq!(
                style(look, 0).text(ns).len(),
                usize::from(style(look, 0).width())
            );
        }
    }

    fn any_cell() -> impl Strategy<Value = Cell> {
        // Close enough to each other to be equal now and then, and too large to be told apart as fractions.
        let number = prop_oneof![-3i128..3, (0i128..4).prop_map(|n| (1 << 60) + n)];
        prop_oneof![
            Just(Cell::Missing),
            number.clone().prop_map(Cell::Number),
            number.prop_map(|n| Cell::Float(n as f64)),
            any::<f64>().prop_map(Cell::Float),
            proptest::collection::vec(0u8..3, 0..3).prop_map(Cell::Text),
            proptest::collection::vec(0u8..3, 0..3).prop_map(Cell::Secret),
        ]
    }

    proptest! {
        #[test]
        fn cells_have_one_order(a in any_cell(), b in any_cell(), c in any_cell()) {
            prop_assert_eq!(a.order(&b), b.order(&a).reverse());
            let (ab, bc) = (a.order(&b), b.order(&c));
            if ab == bc || bc == Ordering::Equal {
                prop_assert_eq!(a.order(&c), ab);
            }
        }

        #[test]
        fn no_cell_shows_a_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..40), n in any::<i128>(), f in any::<f64>()) {
            for unit in [Unit::Plain, Unit::Bytes, Unit::Duration, Unit::Time] {
                let column = Column { title: "", field: "proc.name", width: 0, aggregate: Aggregate::Last, unit, doc: "" };
                for cell in [Cell::Text(bytes.clone()), Cell::Number(n), Cell::Float(f), Cell::Missing] {
                    let text = cell_text(&cell, &column, &TimeStyle::default());
                    prop_assert!(text.chars().all(|c| !c.is_control()));
                }
            }
        }
    }
}
