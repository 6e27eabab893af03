//! The instant up to which everything is shown, and playing it on; bookmarks, the time of reference, and what is kept of
//! them beside the capture.

use super::entry::{Entry, Kind};
use super::{Body, Effect, Overlay, State};
use crate::fit;
use crate::worker::Ask;
use afterimage_indexer::Cell;
use afterimage_query::{Filter, Made, Shape, VIEWS, View};

/// How many times as fast as it was: thousandths.
pub const SPEEDS: &[u64] = &[100, 250, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000];

/// The place of the speed of life in [`SPEEDS`].
pub const REAL: usize = 3;

/// A view by its id.
fn view(id: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.id == id)
}

impl State {
    /// Whether the view on screen is one of an instant.
    pub fn is_of_an_instant(&self) -> bool {
        matches!(self.step().view.shape, Shape::Made(made) if made.is_of_an_instant())
    }

    /// The instant that is shown: the one chosen, else the end of what is shown.
    pub fn instant(&self) -> u64 {
        self.at.unwrap_or(self.shown_span().1)
    }

    /// Says that something outside could not be done.
    pub fn complain(&mut self, text: &str) {
        self.say(&fit::plain(text), true);
    }

    /// Stands at an instant, or on an event, from the beginning.
    pub fn start_at(&mut self, at: Option<u64>, event: Option<u64>) {
        match (event, &mut self.step_mut().body) {
            (Some(num), Body::Events(list)) => list.go_to(num),
            (Some(num), _) if at.is_none() => self.open_events_at(num),
            _ => {
                if let Some(at) = at {
                    self.at = Some(at);
                    self.reload();
                }
            }
        }
    }

    /// Starts playing, or stops.
    pub(super) fn play(&mut self) {
        if self.playing {
            self.playing = false;
            return self.say("stopped", false);
        }
        let (first, last) = self.shown_span();
        if self.at.is_none_or(|at| at >= last) {
            self.at = Some(first);
        }
        self.playing = true;
        self.reload();
    }

    /// Time passed while playing, ns.
    pub(super) fn tick(&mut self, passed: u64) {
        if !self.playing || self.working() {
            return;
        }
        let (first, last) = self.shown_span();
        let speed = SPEEDS.get(self.speed).copied().unwrap_or(1000);
        let by = u128::from(passed) * u128::from(speed) / 1000;
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        let at = self.at.unwrap_or(first).saturating_add(by);
        self.at = Some(at.min(last));
        if at >= last {
            self.playing = false;
            self.say("the end", false);
        }
        self.reload();
    }

    pub(super) fn change_speed(&mut self, faster: bool) {
        self.speed = if faster {
            (self.speed + 1).min(SPEEDS.len() - 1)
        } else {
            self.speed.saturating_sub(1)
        };
        self.say(&format!("{} as fast as it was", self.speed_name()), false);
    }

    /// The speed as people write it: `×0.25`.
    pub fn speed_name(&self) -> String {
        let speed = SPEEDS.get(self.speed).copied().unwrap_or(1000);
        let times = if self.ascii { "x" } else { "×" };
        match speed {
            1000.. => format!("{times}{}", speed / 1000),
            _ => format!("{times}{}", speed as f64 / 1000.0),
        }
    }

    /// Moves the instant by a step of the timeline.
    pub(super) fn step_instant(&mut self, on: bool) {
        let (first, last) = self.shown_span();
        let steps = u64::from(self.plan().strip().width.max(20));
        let step = ((last - first) / steps).max(1);
        let before = self.instant();
        let at = if on {
            before.saturating_add(step)
        } else {
            before.saturating_sub(step)
        };
        let at = at.clamp(first, last);
        if at == before {
            self.say(if on { "the end" } else { "the beginning" }, false);
        }
        self.at = Some(at);
        self.reload();
    }

    /// Stands at the instant under the timeline's cursor, where the view is one of an instant.
    pub(super) fn follow_cursor(&mut self) {
        if self.is_of_an_instant() {
            self.at = Some(self.step_span(self.timeline.cursor).1);
            self.reload();
        }
    }

    /// The number of the event that is selected, or of the first one behind the selected row.
    pub(super) fn selected_num(&self) -> Option<u64> {
        match &self.step().body {
            Body::Events(list) => list.num(list.cursor),
            Body::Table(table) => table
                .selected()
                .map(|row| row.first_num)
                .filter(|num| *num > 0),
            Body::Overview(_) => None,
        }
    }

    /// Begins a note on the selected event; an event that has one is asked for it again.
    pub(super) fn bookmark(&mut self) {
        let Some(num) = self.selected_num() else {
            return self.say("there is no event here to mark", true);
        };
        let note = self.bookmarks.get(&num).cloned().unwrap_or_default();
        let mut entry = Entry::new(Kind::Note, note);
        entry.about = num;
        self.entry = Some(entry);
    }

    /// Takes the note of a bookmark; an event that is marked and whose note is empty again loses its mark.
    pub(super) fn take_note(&mut self, num: u64, note: String) {
        if note.is_empty() && self.bookmarks.remove(&num).is_some() {
            self.say(&format!("event {num} is not marked any more"), false);
        } else {
            let says = match self.read_only || self.notes.is_none() {
                true => format!("event {num} is marked, for as long as this is open"),
                false => format!("event {num} is marked"),
            };
            self.bookmarks.insert(num, note);
            self.say(&says, false);
        }
        self.save();
    }

    /// To the next bookmark.
    pub(super) fn next_bookmark(&mut self) {
        let here = self.selected_num().unwrap_or(0);
        let after = self.bookmarks.range(here.saturating_add(1)..).next();
        let Some((num, note)) = after.or_else(|| self.bookmarks.iter().next()) else {
            return self.say("nothing is marked: m marks an event", true);
        };
        let (num, note) = (*num, fit::plain(note));
        match &mut self.step_mut().body {
            Body::Events(list) => list.go_to(num),
            _ => self.open_events_at(num),
        }
        self.say(&format!("#{num} {note}"), false);
    }

    pub(super) fn list_bookmarks(&mut self) {
        self.overlay = Some((Overlay::Bookmarks, 0));
    }

    /// Shows instants as distances from the selected event, or no longer.
    pub(super) fn reference(&mut self) {
        let at = match &self.step().body {
            Body::Events(list) => list.look.detail.as_ref().map(|detail| detail.at_ns),
            _ => None,
        };
        match at {
            None => self.say("a time is taken from an event of the event list", true),
            Some(at) if self.reference == Some(at) => {
                self.reference = None;
                self.look = afterimage_indexer::TimeLook::Time;
                self.say("times are no longer measured from an event", false);
            }
            Some(at) => {
                self.reference = Some(at);
                self.look = afterimage_indexer::TimeLook::Relative;
                self.say("times are measured from this event", false);
            }
        }
    }

    /// Shows what is hidden, or hides it again.
    pub(super) fn toggle_reveal(&mut self) {
        self.reveal = !self.reveal;
        let says = match self.reveal {
            true => "secrets are shown: R hides them",
            false => "secrets are hidden",
        };
        self.say(says, self.reveal);
    }

    /// Shows every column of the selected row.
    pub(super) fn show_whole(&mut self) {
        match self.chosen() {
            Some(_) => self.overlay = Some((Overlay::Row, 0)),
            None => self.say(super::narrow::NO_ROW, true),
        }
    }

    /// Hands the selected cell to the terminal's clipboard.
    pub(super) fn copy(&mut self) {
        let cell = self.chosen().and_then(|chosen| {
            let cell = chosen.cells.get(chosen.column)?;
            Some((cell, chosen.view.columns.get(chosen.column)?))
        });
        let Some((cell, column)) = cell else {
            return self.say(super::narrow::NO_ROW, true);
        };
        if matches!(cell, Cell::Secret(_)) && !self.reveal {
            return self.say("it is hidden: R shows it", true);
        }
        let text =
            afterimage_indexer::cell_text(&cell.clone().revealed(), column, &self.epoch().style);
        self.effects.push(Effect::Copy(text));
        self.say(
            "handed to the terminal's clipboard, if it has one (OSC 52)",
            false,
        );
    }

    /// The command that leads here.
    pub(super) fn link(&mut self) {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut parts = vec![
            "afterimage inspect".to_owned(),
            quoted(&fit::plain(&match &self.notes {
                // The file of notes is named after the capture's, with its whole path.
                Some(notes) => notes.with_extension("").display().to_string(),
                None => self.facts.name.clone(),
            })),
            format!("--view {}", self.step().view.id),
        ];
        let event = matches!(self.step().body, Body::Events(_));
        match (self.at, self.selected_num().filter(|_| event)) {
            (_, Some(num)) => parts.push(format!("--at '#{num}'")),
            (Some(at), None) => {
                let ns = self.facts.manifest.wall_ns(at);
                parts.push(format!(
                    "--at {}.{:09}",
                    ns.div_euclid(1_000_000_000),
                    ns.rem_euclid(1_000_000_000)
                ));
            }
            (None, None) => {}
        }
        let tiles: Vec<&str> = self.courses.marked().map(|(_, tile)| tile.id).collect();
        if !tiles.is_empty() {
            parts.push(format!("--mark {}", tiles.join(",")));
        }
        if let Some(filter) = self.which_of_trail() {
            parts.push(quoted(&filter));
        }
        let text = parts.join(" ");
        self.effects.push(Effect::Copy(text.clone()));
        // The bottom line has counts beside it; what has no room there is shown whole.
        match fit::cells(&text) > usize::from(self.size.0) / 2 {
            true => self.overlay = Some((Overlay::Link, 0)),
            false => self.say(&text, false),
        }
        self.link = text;
    }

    /// The filters of the trail as text.
    fn which_of_trail(&self) -> Option<String> {
        let all = self.filters().cloned().reduce(Filter::and)?;
        (!all.is_all()).then(|| all.print())
    }

    /// What the selected row or event is about, said out: the conversation it belongs to.
    pub(super) fn echo(&mut self) {
        let Some(conversation) = view("conversation") else {
            return;
        };
        match &self.step().body {
            Body::Table(_) if self.step().view.id == "connections" => self.drill(),
            Body::Table(table) if table.loaded => self.enter_row(conversation),
            Body::Events(list) => {
                if let Some(num) = list.num(list.cursor) {
                    self.ask(Ask::Follow(num));
                }
            }
            Body::Table(_) => self.say("the rows are still to come", true),
            Body::Overview(_) => self.say("pick a row first", true),
        }
    }

    /// Opens the conversation of an event that was asked for.
    pub(super) fn followed(&mut self, num: u64, filter: Option<String>) {
        let parsed = filter.and_then(|text| Filter::parse(&text).ok());
        match (parsed, view("conversation")) {
            (Some(filter), Some(view)) => self.enter(view, format!("#{num}"), Some(filter)),
            _ => self.say("this event is about no connection, pipe or terminal", true),
        }
    }

    /// How it came to the selected row or event, and what came of it.
    pub(super) fn tell(&mut self) {
        let (Some(story), Some(num)) = (view("story"), self.selected_num()) else {
            return self.say("pick a row with events first", true);
        };
        let filter = Filter::parse(&format!("evt.num={num}")).ok();
        // What led to an event may be anywhere: the trail's filters do not hold in a story.
        self.enter(story, format!("#{num}"), filter);
    }

    /// Groups the events of this step by the field of the selected column.
    pub(super) fn group(&mut self) {
        let column = match &self.step().body {
            Body::Table(table) => table.column,
            Body::Events(list) => list.column,
            Body::Overview(_) => return,
        };
        let Some(column) = self.step().view.columns.get(column) else {
            return;
        };
        match afterimage_query::view_by(column.field) {
            Ok(view) => {
                let from = column.title.to_lowercase();
                let own = Filter::parse(self.step().view.filter).ok();
                self.enter(view, from, own.filter(|own| !own.is_all()));
            }
            Err(_) => self.say(&format!("{} is no field of events", column.title), true),
        }
    }

    /// The other form of a conversation: bytes for lines, lines for bytes.
    pub(super) fn other_form(&mut self) {
        let other = match self.step().view.shape {
            Shape::Made(Made::Lines) => view("conversation_bytes"),
            Shape::Made(Made::Bytes) => view("conversation"),
            _ => return self.say("only conversations are shown as text and in hex", true),
        };
        if let Some(other) = other {
            self.step_mut().view = other;
            self.set_body(Body::Table(super::Table::default()));
            self.reload();
        }
    }
}
