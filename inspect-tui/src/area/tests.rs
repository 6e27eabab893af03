//! Plans at every size.

use super::*;

fn widths(cells: &[u16]) -> Vec<Width> {
    let width = |cells: &u16| Width {
        cells: (*cells).max(14),
        wish: (*cells).max(14),
        elastic: *cells == 0,
        least: STUMP,
        short: (*cells).max(14),
        kept: None,
    };
    cells.iter().map(width).collect()
}

#[test]
fn the_selected_column_is_always_on_screen_and_none_leaves_it() {
    let mut widths = widths(&[8, 0, 12, 6, 0, 30]);
    for kept in [&[][..], &[5], &[4, 1], &[2, 0, 3, 5, 1, 4]] {
        for (rank, at) in kept.iter().enumerate() {
            widths[*at].kept = Some(rank);
        }
        for total in 1..140 {
            for selected in 0..widths.len() {
                let placed = columns(&widths, total, selected);
                let inside = |p: &Placed| p.x + p.width <= total;
                assert!(placed.iter().all(inside), "{total}: {placed:?}");
                let apart = |pair: &[Placed]| {
                    pair[0].column < pair[1].column && pair[0].x + pair[0].width < pair[1].x
                };
                assert!(placed.windows(2).all(apart), "{total}: {placed:?}");
                let seen = placed.iter().any(|p| p.column == selected);
                assert!(seen, "{selected} in {total}: {placed:?}");
            }
        }
    }
}

#[test]
fn elastic_columns_share_what_is_left_to_the_last_cell() {
    let placed = columns(&widths(&[10, 0, 0]), 100, 0);
    assert_eq!(placed.last().map(|p| p.x + p.width), Some(100));
}

#[test]
fn a_column_that_would_be_cut_gets_what_elastic_ones_have_no_use_for() {
    let (mut cut, mut rest) = (widths(&[20])[0], widths(&[0])[0]);
    (cut.wish, rest.wish) = (50, 30);
    let of = |total| {
        let placed = columns(&[cut, rest], total, 0);
        placed.iter().map(|p| p.width).collect::<Vec<_>>()
    };
    assert_eq!(of(35), [20, 14], "as narrow as can be");
    assert_eq!(of(51), [20, 30], "what is elastic comes first");
    assert_eq!(of(61), [30, 30]);
    assert_eq!(of(100), [50, 49], "what is left over is at the end");
}

#[test]
fn columns_that_are_kept_stay_and_the_others_come_when_one_goes_to_them() {
    let mut widths = widths(&[14, 14, 14, 14, 0]);
    (widths[4].kept, widths[1].kept) = (Some(0), Some(1));
    let of = |total, selected| {
        let placed = columns(&widths, total, selected);
        let last = placed.last().expect("there are columns");
        assert!(last.column != 4 || last.x + last.width == total);
        placed.iter().map(|p| p.column).collect::<Vec<_>>()
    };
    assert_eq!(of(90, 0), [0, 1, 2, 3, 4], "there is room for all");
    assert_eq!(of(60, 0), [0, 1, 2, 4]);
    assert_eq!(of(60, 3), [1, 2, 3, 4]);
    assert_eq!(of(60, 4), [0, 1, 2, 4]);
    assert_eq!(of(30, 4), [1, 4]);
    assert_eq!(of(30, 0), [0, 4], "the first that is kept goes last");
    assert_eq!(of(20, 2), [2]);
}

#[test]
fn what_is_left_goes_to_the_columns_that_say_most() {
    let mut widths = widths(&[20, 20, 20]);
    for (at, width) in widths.iter_mut().enumerate() {
        width.short = 9;
        width.kept = Some(2 - at);
    }
    let of = |total| {
        let placed = columns(&widths, total, 0);
        placed.iter().map(|p| p.width).collect::<Vec<_>>()
    };
    assert_eq!(of(62), [20, 20, 20]);
    assert_eq!(of(50), [9, 19, 20]);
    assert_eq!(of(29), [9, 9, 9]);
    assert_eq!(of(28), [9, 18], "the selected one and the first");
}

#[test]
fn a_column_that_would_say_too_little_is_not_begun() {
    let mut widths = widths(&[20, 20]);
    widths[1].least = 12;
    assert_eq!(columns(&widths, 32, 0).len(), 1);
    assert_eq!(columns(&widths, 33, 0).len(), 2);
    let selected = columns(&widths, 10, 1);
    assert_eq!(selected.len(), 1, "where it is selected it is there");
}

#[test]
fn every_line_belongs_to_one_part_at_every_size() {
    for height in 0..=60 {
        for gaps in [[false; 3], [true, false, false], [true; 3]] {
            for (bottom, courses) in [(0, 0), (1, 3), (4, 8)] {
                let wanted = Wanted {
                    beside: gaps,
                    courses,
                    bottom,
                };
                let p = plan(80, height, wanted);
                let parts = [p.header, p.timeline, p.trail, p.body, p.status, p.footer];
                let mut line = 0;
                for part in parts {
                    assert_eq!(part.y, line, "{height} lines: {p:?}");
                    line += part.height;
                }
                assert_eq!(line, height);
            }
        }
    }
}

#[test]
fn a_forty_by_twelve_screen_still_has_rows() {
    let wanted = |courses| Wanted {
        beside: [true; 3],
        courses,
        bottom: 0,
    };
    assert!(plan(40, 12, wanted(0)).body.height >= 7);
    assert!(plan(80, 24, wanted(8)).body.height >= 7, "with courses");
}

#[test]
fn a_small_body_shows_only_the_focused_pane() {
    let body = Area {
        x: 0,
        y: 3,
        width: 40,
        height: 8,
    };
    assert_eq!(
        panes(body, 2, 5, false),
        Panes {
            bytes: body,
            ..Panes::default()
        }
    );
}
