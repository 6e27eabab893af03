//! What the inspector knows and where the user stands in it. Only [`State::update`] and [`State::receive`] change it;
//! nothing here knows how it is drawn.

mod answers;
mod asking;
mod choosing;
pub mod courses;
pub mod entry;
pub mod events;
mod growing;
pub mod instant;
pub mod look;
pub mod marks;
mod narrow;
mod place;
mod readings;
pub mod table;
#[cfg(test)]
mod tests;
mod told;
mod travel;
mod typing;

use crate::action::{self, Action, Key, Scope};
use crate::facts::Facts;
use crate::notes::Place;
use crate::show;
use crate::worker::{Ask, Lane, Which};
use afterimage_indexer::{self as indexer, Histogram, Span, TimeLook};
use afterimage_query::{Filter, VIEWS, View};
pub use readings::{first_kept, keeping, tree_column};

use courses::Courses;
use entry::{Entry, Kind};
use events::EventList;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use table::Table;

/// What a step of the trail shows.
#[derive(Clone, Debug)]
pub enum Body {
    /// Rows.
    Table(Table),
    /// The event list.
    Events(Box<EventList>),
    /// Tiles.
    Overview(Overview),
}

/// The overview's tiles, one per row of `TILES`, and the selected one.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// What was counted; `None` until it was.
    pub counted: Option<indexer::Overview>,
    /// The selected tile.
    pub cursor: usize,
    /// The first line on screen.
    pub top: usize,
}

impl Overview {
    /// The tiles that are shown.
    pub fn shown(&self) -> Vec<usize> {
        let total = |at: usize| {
            let counted = self.counted.as_ref().and_then(|all| all.tiles.get(at));
            counted.map_or(0, |tile| tile.total)
        };
        crate::board::shown(total)
    }
}

/// A step of the trail: a view, and what it was narrowed to on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// The view.
    pub view: &'static View,
    /// The row that was opened to get here, as its view showed it; empty when the view was opened by name.
    pub from: String,
    /// The filter of that row.
    pub narrowing: Option<Filter>,
    /// The user's own filter for this step.
    pub filter: Option<Filter>,
    /// Its text.
    pub filter_text: String,
    /// Whether what the steps before were narrowed to holds no longer: what a story tells of may be anywhere.
    pub fresh: bool,
    /// What it shows.
    pub body: Body,
}

/// What has the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// The view, or the list of events.
    #[default]
    Body,
    /// What an event's arguments mean.
    Arguments,
    /// An event's bytes.
    Bytes,
    /// The timeline.
    Timeline,
}

/// The timeline.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Counts; `None` until they have come.
    pub histogram: Option<Histogram>,
    /// The selected step.
    pub cursor: usize,
    /// The step marked as one end of a range.
    pub mark: Option<usize>,
    /// How many steps were asked for.
    asked: usize,
}

/// Something laid over the screen until it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help,
    /// The capture's description.
    Description,
    /// Bookmarks and their notes.
    Bookmarks,
    /// The command that leads to this place.
    Link,
    /// The selected row with all its columns.
    Row,
}

/// A sentence for the user, and whether it is bad news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is said.
    pub text: String,
    /// Whether something failed.
    pub bad: bool,
}

/// What is to be done outside, after a change of state.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Ask the worker; the answer carries the ticket.
    Ask(u64, Ask),
    /// Stop long work.
    Cancel,
    /// Stop what was asked in a lane: nobody waits for it any more.
    GiveUp(Lane),
    /// Hand a text to the terminal's clipboard.
    Copy(String),
    /// Write the notes on the capture, to this file.
    Save(PathBuf, String),
    /// Leave the capture for the folder it was opened from.
    Leave,
    /// Leave.
    Quit,
}

/// Everything.
#[derive(Debug)]
pub struct State {
    /// The capture.
    pub facts: Facts,
    /// Only ASCII may be drawn.
    pub ascii: bool,
    /// Nothing may be written to disk.
    pub read_only: bool,
    /// Whether going back from the first step leads to a folder.
    pub from_folder: bool,
    /// How instants are shown.
    pub look: TimeLook,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// From the first view to the one on screen; never empty.
    pub trail: Vec<Step>,
    /// The part of the capture that every view looks at.
    pub span: Span,
    /// The timeline.
    pub timeline: Timeline,
    /// Tiles whose courses the timeline shows.
    pub courses: Courses,
    /// What has the focus.
    pub pane: Pane,
    /// The line being typed.
    pub entry: Option<Entry>,
    /// What lies over the screen, and its first line.
    pub overlay: Option<(Overlay, usize)>,
    /// What was last said.
    pub notice: Option<Notice>,
    /// The text searched for, lower case.
    pub needle: String,
    /// Filters typed before, oldest first.
    pub history: Vec<String>,
    /// Events that the work in progress has looked at.
    pub looked_at: Option<u64>,
    /// Whether the user stopped the work that was asked for last.
    pub stopped: bool,
    /// Why the view on screen could not be made.
    pub failed: Option<String>,
    /// The instant up to which everything is shown, ns since boot; `None` for the end.
    pub at: Option<u64>,
    /// Whether that instant moves by itself.
    pub playing: bool,
    /// How fast, a place in `SPEEDS`.
    pub speed: usize,
    /// Whether what is hidden is shown.
    pub reveal: bool,
    /// Columns that the user does not want to see, by the view's id.
    pub hidden: BTreeMap<&'static str, BTreeSet<usize>>,
    /// Marked events and what was noted of them.
    pub bookmarks: BTreeMap<u64, String>,
    /// When marked events happened, ns since boot, as far as it is known; `None` where there is no such event.
    pub moments: BTreeMap<u64, Option<u64>>,
    /// When rules fired, rising, ns since boot.
    pub alerts: Vec<u64>,
    /// Whether it was asked when rules fired.
    alerts_asked: bool,
    /// Events there were when what is on screen was asked for, where there are more by now.
    behind: Option<u64>,
    /// Where the user was when they left last.
    pub left_at: Place,
    /// The command that leads to where it was last asked for.
    pub link: String,
    /// The file that bookmarks and filters are kept in; `None` where there is no place for one.
    pub notes: Option<PathBuf>,
    /// The instant from which times are measured, ns since boot.
    pub reference: Option<u64>,
    tickets: BTreeMap<Lane, u64>,
    last_ticket: u64,
    effects: Vec<Effect>,
}

impl State {
    /// Stands at the beginning of a view, having asked for what it shows. `filter` is the text of a filter for it.
    pub fn new(
        facts: Facts,
        view: &'static View,
        filter: Option<(String, Filter)>,
        size: (u16, u16),
    ) -> State {
        let (filter_text, filter) =
            filter.map_or((String::new(), None), |(text, filter)| (text, Some(filter)));
        let body = Body::Table(Table::default());
        let mut state = State {
            facts,
            ascii: false,
            read_only: false,
            from_folder: false,
            look: TimeLook::default(),
            size,
            trail: vec![Step {
                view,
                from: String::new(),
                narrowing: None,
                filter,
                filter_text,
                fresh: false,
                body,
            }],
            span: None,
            timeline: Timeline::default(),
            courses: Courses::default(),
            pane: Pane::default(),
            entry: None,
            overlay: None,
            notice: None,
            needle: String::new(),
            history: Vec::new(),
            looked_at: None,
            stopped: false,
            failed: None,
            at: None,
            playing: false,
            speed: instant::REAL,
            reveal: false,
            hidden: BTreeMap::new(),
            bookmarks: BTreeMap::new(),
            moments: BTreeMap::new(),
            alerts: Vec::new(),
            alerts_asked: false,
            behind: None,
            left_at: Place::default(),
            link: String::new(),
            notes: None,
            reference: None,
            tickets: BTreeMap::new(),
            last_ticket: 0,
            effects: Vec::new(),
        };
        state.reload();
        state
    }

    /// What was asked for since the last time, for whoever made the state.
    pub fn effects(&mut self) -> Vec<Effect> {
        self.settle();
        self.keep_place();
        std::mem::take(&mut self.effects)
    }

    /// Does what the user wants, and says what is to be done outside.
    pub fn update(&mut self, action: Action) -> Vec<Effect> {
        if action.is_meant() {
            self.notice = None;
        }
        match action {
            Action::Resize(width, height) => self.size = (width, height),
            Action::Quit => self.effects.push(Effect::Quit),
            action if self.overlay.is_some() => self.update_overlay(action),
            action if self.entry.is_some() => self.update_entry(action),
            Action::Help => self.overlay = Some((Overlay::Help, 0)),
            Action::Describe => self.overlay = Some((Overlay::Description, 0)),
            Action::Views => self.entry = Some(Entry::new(Kind::View, String::new())),
            Action::Search => {
                self.entry = Some(Entry::proposing(Kind::Search, self.needle.clone()))
            }
            Action::GoTo => self.entry = Some(Entry::new(Kind::GoTo, String::new())),
            Action::Filter => {
                self.entry = Some(Entry::new(Kind::Filter, self.step().filter_text.clone()))
            }
            // Where something is under way, was stopped or failed it is asked for anew.
            Action::ClearFilter
                if self.step().filter_text.is_empty()
                    && !self.working()
                    && !self.stopped
                    && self.failed.is_none() =>
            {
                self.say("this step has no filter of its own", false)
            }
            Action::ClearFilter => self.set_filter(String::new()),
            Action::Export if self.read_only => self.say("read-only: nothing is written", true),
            Action::Export => {
                self.entry = Some(Entry::proposing(
                    Kind::Export,
                    format!("{}.csv", self.step().view.id),
                ))
            }
            Action::TimeFormat => {
                self.look = show::next_look(self.look);
                self.say(show::look_name(self.look), false);
            }
            Action::NextPane => self.focus(true),
            Action::PreviousPane => self.focus(false),
            Action::Next => self.find(false),
            Action::Previous => self.find(true),
            Action::Cancel => self.cancel(),
            Action::Back => self.back(),
            Action::Drill => self.drill(),
            Action::Dig => self.dig(),
            Action::Through => self.pick(Kind::Through),
            Action::Spectrum => {
                if let Some(view) = afterimage_query::view("latency") {
                    self.go_into(view);
                }
            }
            Action::Columns => self.pick(Kind::Column),
            Action::Whole => self.show_whole(),
            Action::OpenView(key) => {
                if let Some(view) = VIEWS.iter().find(|view| view.key == key) {
                    self.open(view);
                }
            }
            Action::Sort | Action::SortLeft | Action::SortRight => self.sort(action),
            Action::FilterCell => self.filter_cell(true),
            Action::ExcludeCell => self.filter_cell(false),
            Action::Fold => self.fold_or_play(),
            Action::ZoomIn => self.zoom(true),
            Action::ZoomOut if self.span.is_none() => {
                self.say("all of the capture is shown", false)
            }
            Action::ZoomOut => self.zoom(false),
            Action::WholeSpan if self.at.is_none() && self.span.is_none() => {
                self.say("all of the capture is shown", false)
            }
            Action::WholeSpan => {
                self.playing = false;
                if self.at.take().is_some() && self.span.is_none() {
                    self.reload();
                }
                self.set_span(None);
            }
            Action::Mark => self.mark(),
            Action::Pin => self.pin(),
            Action::Unpin => self.unpin(),
            Action::Press(x, y) => self.press(x, y),
            Action::Drag(x, _) => self.drag(x),
            Action::Release(..) => self.release(),
            Action::Wheel(lines) => self.travel(i64::from(lines)),
            Action::Up => self.travel(-1),
            Action::Down => self.travel(1),
            Action::PageUp => self.travel(-self.page_lines()),
            Action::PageDown => self.travel(self.page_lines()),
            Action::Home => self.travel_to_edge(true),
            Action::End => self.travel_to_edge(false),
            Action::Left => self.sideways(false),
            Action::Right => self.sideways(true),
            Action::Play => self.play(),
            Action::Tick(passed) => self.tick(passed),
            Action::Slower => self.change_speed(false),
            Action::Faster => self.change_speed(true),
            Action::Before => self.step_instant(false),
            Action::After => self.step_instant(true),
            Action::Bookmark => self.bookmark(),
            Action::NextBookmark => self.next_bookmark(),
            Action::Bookmarks => self.list_bookmarks(),
            Action::Resume => self.resume(),
            Action::Reference => self.reference(),
            Action::Reveal => self.toggle_reveal(),
            Action::Copy => self.copy(),
            Action::Link => self.link(),
            Action::Echo => self.echo(),
            Action::Tell => self.tell(),
            Action::Group => self.group(),
            Action::OtherForm => self.other_form(),
            Action::Accept
            | Action::Complete
            | Action::Erase
            | Action::EraseNext
            | Action::EraseWord
            | Action::EraseLine
            | Action::Type(_) => {}
        }
        self.effects()
    }

    /// What a key means now.
    pub fn action(&self, key: Key) -> Option<Action> {
        action::action(key, self.scopes())
    }

    /// Where bindings are looked for now, nearest first.
    pub fn scopes(&self) -> &'static [Scope] {
        match (&self.overlay, &self.entry, self.pane) {
            (Some(_), _, _) => &[Scope::Overlay],
            (None, Some(_), _) => &[Scope::Entry],
            (None, None, Pane::Timeline) => &[Scope::Timeline, Scope::Everywhere],
            (None, None, _) if matches!(self.step().body, Body::Overview(_)) => {
                &[Scope::Tiles, Scope::View, Scope::Everywhere]
            }
            (None, None, _) => &[Scope::Rows, Scope::View, Scope::Everywhere],
        }
    }

    /// The step on screen.
    pub fn step(&self) -> &Step {
        &self.trail[self.trail.len() - 1]
    }

    fn step_mut(&mut self) -> &mut Step {
        let last = self.trail.len() - 1;
        &mut self.trail[last]
    }

    /// Which events the step on screen looks at, beyond what its view says itself.
    pub fn which(&self) -> Which {
        Which {
            filter: self.filters().cloned().reduce(Filter::and),
            span: match self.at {
                Some(at) => Some((self.shown_span().0.min(at), at)),
                None => self.span,
            },
        }
    }

    /// The same with the view's own filter, for what is not asked of the session as a view.
    fn which_of_view(&self) -> Which {
        let mut which = self.which();
        if let Ok(own) = Filter::parse(self.step().view.filter)
            && !self.step().view.filter.is_empty()
        {
            which.filter = Some(match which.filter {
                Some(filter) => own.and(filter),
                None => own,
            });
        }
        which
    }

    fn say(&mut self, text: &str, bad: bool) {
        self.notice = Some(Notice {
            text: text.to_owned(),
            bad,
        });
    }

    fn ask(&mut self, ask: Ask) {
        self.last_ticket += 1;
        if matches!(ask.lane(), Lane::Body | Lane::Errand) {
            self.stopped = false;
        }
        if ask.lane() == Lane::Body {
            self.failed = None;
        }
        self.tickets.insert(ask.lane(), self.last_ticket);
        self.effects.push(Effect::Ask(self.last_ticket, ask));
    }
}
