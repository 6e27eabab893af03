//! Where a story is entered: on the event that it is told of, with what led to it above.

use super::{Body, State};
use afterimage_indexer::{Cell, Row};
use afterimage_query::{Made, Shape};

/// Where somebody stood in a story before its rows came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stood {
    /// In no story, or on another row of it.
    Elsewhere,
    /// There were no rows yet.
    Nowhere,
    /// On the event of this number, of which it was told.
    Told(u64),
}

impl State {
    /// The line of the event that the story on screen is told of, and its number.
    fn told(&self) -> Option<(usize, u64)> {
        let step = self.step();
        let Body::Table(table) = &step.body else {
            return None;
        };
        if step.view.shape != Shape::Made(Made::Story) {
            return None;
        }
        let part = (step.view.columns.iter()).position(|column| column.field == "of.part")?;
        let is_told =
            |row: &Row| matches!(row.cells.get(part), Some(Cell::Text(text)) if text == b"here");
        let line = (0..table.order.len()).find(|line| table.line(*line).is_some_and(is_told))?;
        Some((line, table.line(line)?.first_num))
    }

    /// Where the user stands, before rows are taken.
    pub(super) fn stood(&self) -> Stood {
        match (&self.step().body, self.told()) {
            (Body::Table(table), _) if !table.loaded && table.cursor == 0 => Stood::Nowhere,
            (Body::Table(table), Some((line, num))) if table.cursor == line => Stood::Told(num),
            _ => Stood::Elsewhere,
        }
    }

    /// Stands on the event of which the story is told, unless the user has gone elsewhere, and says so.
    pub(super) fn stand_on_told(&mut self, stood: Stood) {
        let Some((line, num)) = self.told() else {
            return;
        };
        if stood == Stood::Elsewhere || stood == Stood::Told(num) {
            return;
        }
        let half = self.list_lines() / 2;
        let asked = self.step().narrowing.is_some() || !self.step().filter_text.is_empty();
        if let Body::Table(table) = &mut self.step_mut().body {
            table.cursor = line;
            table.top = line.saturating_sub(half);
        }
        self.say(
            match asked {
                true => "told of this event: above it what led to it, below it what came of it",
                false => "told of the first event: above it what led to it, below what came of it",
            },
            false,
        );
    }
}
