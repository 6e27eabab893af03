//! Going deeper and coming back: opening views and rows, filters, the span, searching.

use super::look::Under;
use super::{Body, Effect, Pane, State, Step};
use crate::action::Action;
use crate::fit;
use crate::show;
use crate::state::table::Table;
use crate::waste::drop_elsewhere;
use crate::worker::{Ask, Lane};
use afterimage_indexer::{Cell, Span, latencies_of};
use afterimage_model::fields;
use afterimage_query::{
    Aggregate, Column, Filter, Made, Shape, TILES, Tile, Unit, VIEWS, View, quote,
};
use std::sync::atomic::AtomicBool;

/// What is said where a key is about a row and there is none.
pub(super) const NO_ROW: &str = "there is no row here";

/// Whether a column holds one value of the events behind a row, and not something computed from several.
fn is_value(column: &Column, view: &View) -> bool {
    let one_event = matches!(view.shape, Shape::List | Shape::Events);
    fields::split_name(column.field).is_some()
        && (one_event
            || matches!(
                column.aggregate,
                Aggregate::Key | Aggregate::First | Aggregate::Last
            ))
}

impl State {
    /// Opens a view by name: a new trail, with the filter the user typed for this one.
    pub(super) fn open(&mut self, view: &'static View) {
        // What the user narrowed the last step to is easily dropped, but not easily typed again. What a tile asks is not the user's.
        let step = self.step();
        let of_tile = TILES.iter().any(|tile| tile.filter == step.filter_text);
        let opened = Step {
            view,
            from: String::new(),
            narrowing: None,
            filter: step.filter.clone().filter(|_| !of_tile),
            filter_text: match of_tile {
                true => String::new(),
                false => step.filter_text.clone(),
            },
            fresh: false,
            body: Body::Table(Table::default()),
        };
        drop_elsewhere(std::mem::replace(&mut self.trail, vec![opened]));
        self.pane = Pane::Body;
        self.reload();
    }

    /// Adds a step to the trail.
    pub(super) fn enter(&mut self, view: &'static View, from: String, narrowing: Option<Filter>) {
        let body = Body::Table(Table::default());
        let told = self.step().view.shape == Shape::Made(Made::Story);
        let caused = self.under() == Under::Caused && self.pane == Pane::Arguments;
        // What was said around a request is whole, also where only answers of a kind are looked for.
        let whole = self.step().view.shape == Shape::Made(Made::Http)
            && matches!(view.shape, Shape::Made(Made::Lines | Made::Bytes));
        self.trail.push(Step {
            view,
            from,
            narrowing,
            filter: None,
            filter_text: String::new(),
            fresh: told || caused || whole,
            body,
        });
        self.pane = Pane::Body;
        self.reload();
    }

    /// Opens what is selected.
    pub(super) fn drill(&mut self) {
        match &self.step().body {
            Body::Overview(overview) => {
                let Some(tile) = TILES.get(overview.cursor) else {
                    return;
                };
                if overview
                    .counted
                    .as_ref()
                    .and_then(|all| all.tiles.get(overview.cursor))
                    .is_some_and(|tile| tile.events == 0)
                {
                    return self.say(
                        match self.facts.is_damaged() {
                            true => "there are none in what can be read of the file",
                            false => "there are none",
                        },
                        true,
                    );
                }
                let Some(view) = find_view(tile.view) else {
                    return;
                };
                // Views that are put together from many events would see only a part of each; requests and answers find each other.
                let filter = match view.shape {
                    Shape::Made(Made::Http) => tile.filter,
                    Shape::Made(_) => "",
                    _ => tile.filter,
                };
                self.enter_tile(view, tile, filter);
            }
            Body::Events(_) => self.focus(true),
            Body::Table(table) if self.pane == Pane::Arguments && self.under() == Under::Caused => {
                let said = table.below.said.as_ref().and_then(|said| said.selected());
                let time = said.and_then(|row| row.cells.first()).cloned();
                match (said.map_or(0, |row| row.first_num), time) {
                    (0, _) => self.say("nothing was recorded of it", true),
                    (num, Some(Cell::Number(wall_ns))) => {
                        // What came later is there only when that was.
                        let then = self.boot_of(wall_ns);
                        self.at = self.at.map(|at| at.max(then));
                        self.open_events_at(num);
                    }
                    (num, _) => self.open_events_at(num),
                }
            }
            Body::Table(_) if self.step().view.shape == Shape::Gaps => self.open_gap(),
            // One row is one connection: both its ends belong to what was said, also that of another process.
            Body::Table(table) if self.step().view.id == "connections" => {
                if let Some(num) = table.selected().map(|row| row.first_num) {
                    self.ask(Ask::Follow(num));
                }
            }
            Body::Table(_) => match self.step().view.drill.and_then(find_view) {
                Some(view) => self.enter_row(view),
                None => self.dig(),
            },
        }
    }

    /// Opens the events of what is selected.
    pub(super) fn dig(&mut self) {
        match &self.step().body {
            Body::Events(_) => self.say("these are the events", false),
            Body::Table(_) if self.step().view.shape == Shape::Gaps => self.open_gap(),
            Body::Table(_) => {
                if let Some(view) = events_view() {
                    self.enter_row(view);
                }
            }
            Body::Overview(overview) => {
                let (Some(tile), Some(view)) = (TILES.get(overview.cursor), events_view()) else {
                    return;
                };
                self.enter_tile(view, tile, tile.filter);
            }
        }
    }

    /// Opens a tile: its filter is the step's own, which the user may change.
    pub(super) fn enter_tile(&mut self, view: &'static View, tile: &Tile, filter: &str) {
        self.trail.push(Step {
            view,
            from: tile.title.to_lowercase(),
            narrowing: None,
            filter: Filter::parse(filter).ok().filter(|_| !filter.is_empty()),
            filter_text: filter.to_owned(),
            fresh: false,
            body: Body::Table(Table::default()),
        });
        self.pane = Pane::Body;
        self.reload();
    }

    pub(super) fn enter_row(&mut self, view: &'static View) {
        let Body::Table(table) = &self.step().body else {
            return;
        };
        if !table.loaded {
            return self.say("the rows are still to come", true);
        }
        let Some(row) = table.selected() else {
            return self.say(NO_ROW, true);
        };
        if row.first_num == 0 && self.step().view.shape == Shape::Made(Made::Story) {
            return self.say("nothing was recorded of it", true);
        }
        // One row of a list is one event: there is nothing to narrow further, only a place to stand.
        let single = self.step().view.shape == Shape::List
            || row.filter == format!("evt.num={}", row.first_num);
        if single && view.shape == Shape::Events {
            let num = row.first_num;
            return self.open_events_at(num);
        }
        let mut text = row.filter.clone();
        if self.step().view.shape == Shape::Made(Made::Latencies)
            && let Some(bin) = table.column.checked_sub(1)
        {
            let (least, next) = latencies_of(bin);
            text += &format!(" and evt.latency>={least}");
            if let Some(next) = next {
                text += &format!(" and evt.latency<{next}");
            }
        }
        let narrowing = if text.is_empty() {
            Ok(None)
        } else {
            Filter::parse(&text).map(Some)
        };
        match narrowing {
            Ok(narrowing) => {
                let from = self.name_of_row(row);
                self.enter(view, from, narrowing);
            }
            Err(error) => {
                let text = format!("{}: {}", error.message(), error.remedy());
                self.say(&fit::plain(&text), true);
            }
        }
    }

    /// What the trail calls a row: a process by name and pid, a container by name, anything else by its keys.
    fn name_of_row(&self, row: &afterimage_indexer::Row) -> String {
        /// Cells of a name; the last step should not push the first off the screen.
        const NAME: usize = 32;
        let columns = self.step().view.columns;
        let shown = |column: &Column, cell: &Cell| show::cell(cell, column, &self.epoch().style);
        let of = |fields: &[&str]| {
            let mut pairs = columns.iter().zip(&row.cells);
            pairs
                .find(|(column, cell)| fields.contains(&column.field) && **cell != Cell::Missing)
                .map(|(column, cell)| shown(column, cell))
        };
        let key = |name: &str| {
            columns
                .iter()
                .any(|column| column.field == name && column.aggregate == Aggregate::Key)
        };
        let name = if key("proc.pid") {
            let command = of(&["proc.name", "proc.cmdline", "proc.exeline"]).unwrap_or_default();
            let word = command.split(|b| *b == b' ').next().unwrap_or_default();
            let word = word.rsplit(|b| *b == b'/').next().unwrap_or_default();
            [word, b"[", &of(&["proc.pid"]).unwrap_or_default(), b"]"].concat()
        } else if key("container.id") {
            of(&["container.name"])
                .or_else(|| of(&["container.id"]))
                .unwrap_or_default()
        } else {
            let keys = columns.iter().zip(&row.cells).filter(|(column, cell)| {
                column.aggregate == Aggregate::Key
                    && column.unit != Unit::Time
                    && **cell != Cell::Missing
            });
            keys.map(|(column, cell)| shown(column, cell))
                .collect::<Vec<_>>()
                .join(&b' ')
        };
        fit::captured(&name, NAME, self.ascii)
    }

    fn open_gap(&mut self) {
        let Body::Table(table) = &self.step().body else {
            return;
        };
        let end = self
            .step()
            .view
            .columns
            .iter()
            .position(|column| column.field == "gap.end");
        if let Some(Cell::Number(wall_ns)) = table
            .selected()
            .zip(end)
            .and_then(|(row, at)| row.cells.get(at))
        {
            let at = self.boot_of(*wall_ns);
            self.ask(Ask::Locate(at));
        }
    }

    /// The instant of the boot clock that was then, ns since 1970.
    fn boot_of(&self, wall_ns: i128) -> u64 {
        let clock = self.facts.manifest.clock;
        let boot_ns = wall_ns - i128::from(clock.real_ns) + i128::from(clock.boot_ns);
        u64::try_from(boot_ns).unwrap_or(0)
    }

    /// Opens the event list with nothing left out, standing on one event.
    pub(super) fn open_events_at(&mut self, num: u64) {
        let Some(view) = events_view() else { return };
        let from = format!("#{num}");
        self.enter(view, from, None);
        let outer = self.which().filter;
        let Body::Events(list) = &mut self.step_mut().body else {
            return;
        };
        list.go_to(num);
        if outer.is_some() {
            self.say("showing what passes the filters of the trail", false);
        }
    }

    /// Back to the step before, as it was left.
    pub(super) fn back(&mut self) {
        if self.trail.len() > 1 {
            self.back_to(self.trail.len() - 2);
        } else if let Some(first) = VIEWS.first()
            && self.step().view.id != first.id
        {
            self.open(first);
        } else if self.from_folder {
            self.effects.push(Effect::Leave);
        } else {
            self.say("this is the first step", false);
        }
    }

    pub(super) fn back_to(&mut self, step: usize) {
        if step + 1 >= self.trail.len() {
            return;
        }
        drop_elsewhere(self.trail.split_off(step + 1));
        self.pane = Pane::Body;
        self.reload();
    }

    /// Stops what runs; with nothing running, takes back what was begun.
    pub(super) fn cancel(&mut self) {
        let arranging = self.stop_arranging();
        if self.working() {
            // Whether anything is left out is known when the answer has come.
            self.effects.push(Effect::Cancel);
            self.stopped = true;
        } else if arranging {
            self.say("stopped: the order is as it was", false);
        } else if self.playing {
            self.playing = false;
        } else if self.timeline.mark.take().is_none() {
            if self.pane != Pane::Body {
                self.pane = Pane::Body;
            } else if self.from_folder {
                self.back();
            }
        }
    }

    /// Stops the arranging of rows; whether there was any.
    fn stop_arranging(&mut self) -> bool {
        if self.tickets.remove(&Lane::Order).is_none() {
            return false;
        }
        self.effects.push(Effect::GiveUp(Lane::Order));
        let columns = self.step().view.columns;
        if let Body::Table(table) = &mut self.step_mut().body {
            table.give_up(columns);
        }
        true
    }

    pub(super) fn sort(&mut self, action: Action) {
        let beside = match &self.step().body {
            Body::Table(table) => {
                let sort = table.wanted.as_ref().map_or(table.sort, |next| next.sort);
                let at = sort.map_or(table.column, |sort| sort.0);
                self.column_beside(at, action == Action::SortRight)
            }
            _ => 0,
        };
        match &mut self.step_mut().body {
            Body::Table(table) => {
                let sort = table.wanted.as_ref().map_or(table.sort, |next| next.sort);
                if action != Action::Sort {
                    table.column = beside;
                }
                let column = table.column;
                if action == Action::Sort || sort.is_none_or(|sort| sort.0 != column) {
                    table.sort_by(column);
                } else {
                    self.say("there is no column further to that side", true);
                }
            }
            Body::Events(_) => self.say("events are in the order they happened", true),
            Body::Overview(_) => {}
        }
    }

    /// Narrows the step to the value of the selected cell, or to all others.
    pub(super) fn filter_cell(&mut self, only: bool) {
        let view = self.step().view;
        let (column, cell) = match &self.step().body {
            Body::Table(table) => (
                table.column,
                table.selected().and_then(|row| row.cells.get(table.column)),
            ),
            Body::Events(list) => (
                list.column,
                list.line(list.cursor)
                    .and_then(|line| line.cells.get(list.column)),
            ),
            Body::Overview(_) => return,
        };
        let (Some(column), Some(cell)) = (view.columns.get(column), cell) else {
            return self.say(NO_ROW, true);
        };
        if !is_value(column, view) {
            return self.say(
                &format!(
                    "{} is not a value of one event: pick another column",
                    column.title
                ),
                true,
            );
        }
        let field = column.field;
        let text = match cell {
            Cell::Missing => format!("{}{field} exists", if only { "not " } else { "" }),
            Cell::Secret(_) => return self.say("it is hidden", true),
            Cell::Text(text) => equation(field, &quote(text), only),
            Cell::Number(n) => equation(field, &n.to_string(), only),
            Cell::Float(x) => equation(field, &x.to_string(), only),
        };
        let old = &self.step().filter_text;
        let joined = match old.trim() {
            "" => text,
            old if old.contains(" or ") => format!("({old}) and {text}"),
            old => format!("{old} and {text}"),
        };
        self.set_filter(joined);
    }

    /// Gives the step a filter; one that does not parse is said and changes nothing.
    pub(super) fn set_filter(&mut self, text: String) {
        let text = text.trim().to_owned();
        let parsed = if text.is_empty() {
            Ok(None)
        } else {
            Filter::parse(&text).map(Some)
        };
        match parsed {
            Ok(filter) => {
                let step = self.step_mut();
                step.filter = filter;
                step.filter_text = text;
                self.reload();
            }
            Err(error) => {
                let text = format!("{}: {}", error.message(), error.remedy());
                self.say(&fit::plain(&text), true);
            }
        }
    }

    /// Searches on for the text searched for last.
    pub(super) fn find(&mut self, backwards: bool) {
        let needle = self.needle.clone();
        if needle.is_empty() {
            return self.say("nothing was searched for: Ctrl-F", true);
        }
        let columns = self.step().view.columns;
        match &self.step().body {
            Body::Table(table) => {
                let style = self.epoch().style;
                let (hunt, at_once) = table.hunt(needle, backwards, columns, style);
                if !at_once {
                    return self.ask(Ask::Hunt(Box::new(hunt)));
                }
                match hunt.next(&AtomicBool::new(false)) {
                    Some(place) => {
                        if let Body::Table(table) = &mut self.step_mut().body
                            && table.stand_on(&hunt.rows, place, backwards) == Some(true)
                        {
                            self.say("searched round the end", false);
                        }
                    }
                    None => self.say_not_found(),
                }
            }
            Body::Events(list) => {
                let from = list.num(list.cursor).unwrap_or(0);
                let which = self.which_of_view();
                self.ask(Ask::Find {
                    which,
                    columns,
                    from,
                    needle,
                    backwards,
                });
            }
            Body::Overview(_) => self.say("there are no rows to search here", true),
        }
    }

    /// Marks one end of a range on the timeline, or makes the range between two marks the span.
    pub(super) fn mark(&mut self) {
        let cursor = self.timeline.cursor;
        let Some(mark) = self.timeline.mark.take() else {
            self.timeline.mark = Some(cursor);
            return self.say("marked; move on and mark the other end", false);
        };
        let (from, _) = self.step_span(mark.min(cursor));
        let (_, to) = self.step_span(mark.max(cursor));
        self.set_span(Some((from, to)));
    }

    /// The instants that one step of the timeline stands for.
    pub fn step_span(&self, step: usize) -> (u64, u64) {
        let (first, last) = self.shown_span();
        let steps = u128::from(self.plan().strip().width.max(1));
        let length = u128::from(last - first) + 1;
        let at =
            |step: usize| first.saturating_add((length * (step as u128).min(steps) / steps) as u64);
        (
            at(step),
            at(step + 1).saturating_sub(1).max(at(step)).min(last),
        )
    }

    /// The step of the timeline in which an instant falls.
    pub fn step_of(&self, at: u64) -> usize {
        let (first, last) = self.shown_span();
        let steps = usize::from(self.plan().strip().width);
        let into = u128::from(at.clamp(first, last) - first);
        let step = into * steps as u128 / (u128::from(last - first) + 1);
        (step as usize).min(steps.saturating_sub(1))
    }

    /// The span on screen, first instant first.
    pub fn shown_span(&self) -> (u64, u64) {
        let (first, last) = self.span.or(self.facts.span).unwrap_or((0, 0));
        (first, last.max(first))
    }

    pub(super) fn zoom(&mut self, closer: bool) {
        let (first, last) = self.shown_span();
        let length = last - first;
        let selected = self.look().and_then(|look| look.detail.as_ref());
        let middle = match (self.pane, selected) {
            (Pane::Timeline, _) => self.step_span(self.timeline.cursor).0,
            (_, Some(detail)) => detail.at_ns,
            (_, None) => first + length / 2,
        };
        /// Closer than this there is nothing more to tell apart, ns.
        const LEAST: u64 = 1000;
        let half = if closer {
            (length / 4).max(LEAST / 2)
        } else {
            length.max(LEAST)
        };
        self.set_span(Some((
            middle.saturating_sub(half),
            middle.saturating_add(half),
        )));
        // The cursor stays at its instant, so that one can go on closer.
        self.timeline.cursor = self.step_of(middle);
    }

    /// Makes every view look at a part of the capture; a part that holds all of it is none.
    pub(super) fn set_span(&mut self, span: Span) {
        let whole = self.facts.span.unwrap_or((0, 0));
        let span = span.map(|(first, last)| (first.max(whole.0), last.min(whole.1)));
        let span = span.filter(|span| *span != whole && span.0 <= span.1);
        if span != self.span {
            self.span = span;
            self.timeline.mark = None;
            self.timeline.histogram = None;
            self.courses.counted = None;
            self.reload();
        }
    }
}

/// A test of a field; other than `!=`, `not … =` also holds for events that do not have the field.
fn equation(field: &str, value: &str, only: bool) -> String {
    format!("{}{field} = {value}", if only { "" } else { "not " })
}

fn find_view(id: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.id == id)
}

fn events_view() -> Option<&'static View> {
    VIEWS.iter().find(|view| view.shape == Shape::Events)
}
