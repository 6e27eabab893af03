//! A terminal with what was done at it beside it.

use super::{Area, Panes};

/// Columns of a terminal's lines with their numbers: most terminals have eighty.
const TERMINAL: u16 = 90;

/// Columns from which on sentences can be read.
const SENTENCES: u16 = 60;

/// The terminal to the left, and where there is room for sentences those to the right.
pub fn beside(body: Area) -> Panes {
    if body.width < TERMINAL + SENTENCES {
        return Panes {
            list: body,
            ..Panes::default()
        };
    }
    let (list, arguments) = body.split_left(TERMINAL);
    Panes {
        list,
        arguments,
        ..Panes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stand_beside_a_terminal_where_there_is_room() {
        let body = |width| Area {
            x: 0,
            y: 9,
            width,
            height: 30,
        };
        assert_eq!(beside(body(149)).list, body(149));
        let wide = beside(body(150));
        assert_eq!((wide.list.width, wide.arguments.width), (90, 60));
        assert_eq!((wide.arguments.x, wide.arguments.height), (90, 30));
        assert_eq!(wide.bytes.height, 0);
    }
}
