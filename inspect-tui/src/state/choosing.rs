//! What the user picks: another view of a row, the columns that are shown, an event or an instant to stand at.

use super::entry::{Entry, Kind};
use super::{Body, State};
use crate::worker::Ask;
use afterimage_model::time::Civil;
use afterimage_query::{Filter, Shape, TILES, View, duration_ns, instant_ns};
use std::collections::BTreeSet;

/// No column is hidden.
const NONE: &BTreeSet<usize> = &BTreeSet::new();

/// What an instant may look like.
const FORMS: &str = "a number, a time such as 17:19:46.5 or 2026-11-22 17:19:46 (UTC), or +90s after the first event";

impl State {
    /// Begins to pick from a list.
    pub(super) fn pick(&mut self, kind: Kind) {
        let mut entry = Entry::new(kind, String::new());
        entry.choice = match (kind, &self.step().body) {
            (Kind::Column, Body::Table(table)) => table.column,
            (Kind::Column, Body::Events(list)) => list.column,
            _ => 0,
        };
        self.entry = Some(entry);
    }

    /// Goes into what is selected with a view that need not be the one Enter leads to.
    pub(super) fn go_into(&mut self, view: &'static View) {
        match &self.step().body {
            Body::Table(_) if self.step().view.shape == Shape::Gaps => {
                self.say("no event belongs to a gap", true)
            }
            Body::Table(_) => self.enter_row(view),
            Body::Events(list) => match list.num(list.cursor) {
                Some(num) => {
                    let filter = Filter::parse(&format!("evt.num={num}")).ok();
                    self.enter(view, format!("#{num}"), filter);
                }
                None => self.say("there is no event here", true),
            },
            Body::Overview(overview) => {
                let Some(tile) = TILES.get(overview.cursor) else {
                    return;
                };
                self.enter_tile(view, tile, tile.filter);
            }
        }
    }

    /// Folds the selected row of a tree; elsewhere, and where something plays, starts playing or stops.
    pub(super) fn fold_or_play(&mut self) {
        let playing = self.playing;
        match &mut self.step_mut().body {
            Body::Table(table) if table_folds(table) && !playing => table.fold(),
            Body::Overview(_) if !playing => self.pin(),
            _ => self.play(),
        }
    }

    /// The columns of the view on screen that are not shown.
    pub fn hidden_columns(&self) -> &BTreeSet<usize> {
        self.hidden.get(self.step().view.id).unwrap_or(NONE)
    }

    /// Whether a column of the view on screen is not shown.
    pub fn is_hidden(&self, column: usize) -> bool {
        self.hidden_columns().contains(&column)
    }

    /// Shows a column of the view on screen, or hides it; the last one stays.
    pub(super) fn toggle_column(&mut self, column: usize) {
        let view = self.step().view;
        let hidden = self.hidden.entry(view.id).or_default();
        if hidden.remove(&column) {
            return;
        }
        if hidden.len() + 1 < view.columns.len() {
            hidden.insert(column);
        }
    }

    /// The shown column beside one, or itself where there is none.
    pub(super) fn column_beside(&self, column: usize, right: bool) -> usize {
        let last = self.step().view.columns.len().saturating_sub(1);
        let shown = |at: &usize| !self.is_hidden(*at);
        let beside = match right {
            true => (column + 1..=last).find(shown),
            false => (0..column).rev().find(shown),
        };
        beside.unwrap_or(column.min(last))
    }

    /// Selects a column that is shown.
    pub(super) fn settle_column(&mut self) {
        let column = match &self.step().body {
            Body::Table(table) => table.column,
            Body::Events(list) => list.column,
            Body::Overview(_) => return,
        };
        if !self.is_hidden(column) {
            return;
        }
        let right = self.column_beside(column, true);
        let next = match right == column {
            true => self.column_beside(column, false),
            false => right,
        };
        match &mut self.step_mut().body {
            Body::Table(table) => table.column = next,
            Body::Events(list) => list.column = next,
            Body::Overview(_) => {}
        }
    }

    /// Goes to an event by its number, or to an instant.
    pub(super) fn go_to_text(&mut self, text: &str) {
        let number = text.trim_start_matches('#').replace(',', "").parse::<u64>();
        match number {
            Ok(num) if (1..=self.facts.events).contains(&num) => match &mut self.step_mut().body {
                Body::Events(list) => list.go_to(num),
                Body::Table(_) | Body::Overview(_) => self.open_events_at(num),
            },
            Ok(_) => self.say(
                &format!("events are numbered from 1 to {}", self.facts.events),
                true,
            ),
            Err(_) => match self.instant_of(text) {
                Some(at) => self.go_to_instant(at),
                None => self.say(&format!("neither an event nor an instant: {FORMS}"), true),
            },
        }
    }

    /// Views of an instant, and what is shown up to one, move to it; everything else goes to the first event from then on.
    fn go_to_instant(&mut self, at: u64) {
        let (first, last) = self.facts.span.unwrap_or((0, 0));
        if at > last {
            return self.say("the capture ends before that", true);
        }
        if self.is_of_an_instant() || self.at.is_some() {
            self.at = Some(at.max(first));
            self.reload();
        } else {
            self.ask(Ask::Locate(at));
        }
    }

    /// The instant that a text names, ns since boot; times of day are those of the first event's day, or of the next one.
    fn instant_of(&self, text: &str) -> Option<u64> {
        const DAY: i128 = 86_400_000_000_000;
        let text = text.trim();
        let (first, _) = self.facts.span?;
        let manifest = &self.facts.manifest;
        if let Some(after) = text.strip_prefix('+') {
            // A bare number would be nanoseconds, which nobody means.
            let bare = after
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            let after = match bare {
                true => duration_ns(&format!("{after}s"))?,
                false => duration_ns(after)?,
            };
            return first.checked_add(u64::try_from(after).ok()?);
        }
        let first_ns = manifest.wall_ns(first);
        let of_day = text.get(..5).is_some_and(|text| !text.contains('-'));
        let wall_ns = match of_day {
            true => {
                let day = Civil::from_unix_ns(first_ns).iso8601();
                let date = day.split('T').next().unwrap_or_default();
                let same = instant_ns(&format!("{date}T{text}"))?;
                // Whoever asks for a time before the recording began means the day after.
                let ended = self.facts.span.map_or(0, |span| manifest.wall_ns(span.1));
                match same < i128::from(first_ns) && same + DAY <= i128::from(ended) {
                    true => same + DAY,
                    false => same,
                }
            }
            false => instant_ns(text)?,
        };
        let boot =
            wall_ns - i128::from(manifest.clock.real_ns) + i128::from(manifest.clock.boot_ns);
        Some(u64::try_from(boot.max(0)).unwrap_or(u64::MAX))
    }
}

/// Whether rows of this table have others below them.
fn table_folds(table: &super::Table) -> bool {
    table.rows.rows.iter().any(|row| row.depth > 0)
}
