//! Columns where the user does not want to see all of them.

use super::{Placed, Width, columns};
use std::collections::BTreeSet;

/// Places the columns that are not hidden; at least one of them must not be.
pub fn shown_columns(
    widths: &[Width],
    hidden: &BTreeSet<usize>,
    total: u16,
    selected: usize,
) -> Vec<Placed> {
    if hidden.is_empty() {
        return columns(widths, total, selected);
    }
    let all = widths.iter().enumerate();
    let shown: Vec<(usize, Width)> = all
        .filter(|(at, _)| !hidden.contains(at))
        .map(|(at, width)| (at, *width))
        .collect();
    let widths: Vec<Width> = shown.iter().map(|(_, width)| *width).collect();
    let selected = shown.iter().position(|(at, _)| *at >= selected);
    let placed = columns(&widths, total, selected.unwrap_or(usize::MAX));
    let named = |one: Placed| {
        let column = shown.get(one.column)?.0;
        Some(Placed { column, ..one })
    };
    placed.into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::super::STUMP;
    use super::*;

    #[test]
    fn what_is_hidden_is_nowhere_and_the_others_keep_their_names() {
        let width = Width {
            cells: 10,
            wish: 10,
            elastic: false,
            least: STUMP,
            short: 10,
            kept: None,
        };
        let of = |hidden: &[usize], selected| {
            let hidden = hidden.iter().copied().collect();
            let placed = shown_columns(&[width; 4], &hidden, 32, selected);
            placed.iter().map(|one| one.column).collect::<Vec<_>>()
        };
        assert_eq!(of(&[], 0), [0, 1, 2]);
        assert_eq!(of(&[1], 0), [0, 2, 3]);
        assert_eq!(of(&[0, 2], 3), [1, 3]);
        assert_eq!(of(&[0], 0), [1, 2, 3], "the next one is selected");
        assert_eq!(of(&[3], 3), [0, 1, 2], "or the last");
    }
}
