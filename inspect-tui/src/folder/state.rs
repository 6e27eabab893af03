//! What is known of a folder and where the user stands in it. Only [`FolderState::update`] and [`FolderState::receive`] change it.

use super::{Activity, PAGES, Page, PageRow, Place, Query, Sheet, SheetRow, Spot};
use crate::action::{Action, Key, Scope, action};
use crate::area::{Area, Plan, Wanted, plan};
use crate::show;
use crate::state::entry::{Entry, Kind};
use crate::state::table::Table;
use crate::state::{first_kept, keeping};
use afterimage_indexer::{Row, Rows, TimeLook, TimeStyle};
use std::sync::Arc;

/// What is to be done outside.
#[derive(Clone, Debug)]
pub enum Want {
    /// Ask the shelf; the answer carries the ticket. What was asked before is given up.
    Ask(u64, Page, Query),
    /// Give up what was asked.
    Cancel,
    /// Open a capture.
    Open(Place),
    /// Leave.
    Quit,
}

/// A page and where the user stands in it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Rows.
    pub table: Table,
    /// Where each leads, and which are bad news, by their own order.
    pub rows: Vec<(Option<Place>, bool)>,
    /// What else is to be known.
    pub note: String,
    /// What is said where there are no rows.
    pub empty: String,
    /// The last event at hand, where there are more after it.
    pub more: Option<Spot>,
    /// What it was asked; `None` before that.
    asked: Option<Query>,
}

impl Standing {
    /// The beginning of a page. Where not all columns fit, the one that says most is selected: that one is always there.
    fn of(row: &PageRow, width: u16) -> Standing {
        let mut standing = Standing::default();
        if width < show::NARROW {
            standing.table.column = first_kept(row.keeps, row.columns);
        }
        standing
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    ticket: u64,
    /// The page it is for, a place in [`PAGES`]: another may be on screen by then.
    page: usize,
    /// Whether it goes below the rows at hand.
    goes_on: bool,
}

/// Everything.
#[derive(Debug)]
pub struct FolderState {
    /// What the folder is called.
    pub name: String,
    /// Only ASCII may be drawn.
    pub ascii: bool,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// The page on screen, a place in [`PAGES`].
    pub page: usize,
    /// The pages.
    pub pages: Vec<Standing>,
    /// When what happened.
    pub activity: Vec<Activity>,
    /// What is searched for.
    pub words: String,
    /// From when to when, ns since 1970; `None` for all.
    pub span: Option<(i64, i64)>,
    /// Whether the timeline has the focus.
    pub on_timeline: bool,
    /// The selected step of the timeline.
    pub cursor: usize,
    /// The step marked as one end of a range.
    pub mark: Option<usize>,
    /// The line being typed.
    pub entry: Option<Entry>,
    /// Whether help is open.
    pub help: bool,
    /// What was last said, in lines, and whether it is bad news.
    pub notice: Option<(Vec<String>, bool)>,
    /// How instants are shown.
    pub look: TimeLook,
    /// Captures gone through by the work in progress.
    pub done: u64,
    waiting: Option<Awaited>,
    /// Whether the user stopped the fetching of further events and has not moved since.
    paused: bool,
    last_ticket: u64,
    wants: Vec<Want>,
    /// What the folder looked like, as [`super::Shelf::look`] says.
    seen: Option<u64>,
}

impl FolderState {
    /// Stands at the first page, having asked for it.
    pub fn new(name: String, size: (u16, u16)) -> FolderState {
        let mut state = FolderState {
            name,
            ascii: false,
            size,
            page: 0,
            pages: PAGES.iter().map(|row| Standing::of(row, size.0)).collect(),
            activity: Vec::new(),
            words: String::new(),
            span: None,
            on_timeline: false,
            cursor: 0,
            mark: None,
            entry: None,
            help: false,
            notice: None,
            look: TimeLook::Date,
            done: 0,
            waiting: None,
            paused: false,
            last_ticket: 0,
            wants: Vec::new(),
            seen: None,
        };
        state.show(0);
        state
    }

    /// What was asked for since the last time.
    pub fn wants(&mut self) -> Vec<Want> {
        self.keep_in_sight();
        self.go_on();
        std::mem::take(&mut self.wants)
    }

    /// The row of the page on screen.
    pub fn row(&self) -> &'static PageRow {
        PAGES.get(self.page).unwrap_or(&PAGES[0])
    }

    /// The page on screen.
    pub fn standing(&self) -> &Standing {
        &self.pages[self.page.min(self.pages.len() - 1)]
    }

    fn standing_mut(&mut self) -> &mut Standing {
        let last = self.pages.len() - 1;
        &mut self.pages[self.page.min(last)]
    }

    /// Whether an answer is on its way.
    pub fn working(&self) -> bool {
        self.waiting.is_some()
    }

    /// How instants are shown.
    pub fn style(&self) -> TimeStyle {
        TimeStyle {
            look: self.look,
            ..TimeStyle::default()
        }
    }

    /// Where things are on the screen.
    pub fn plan(&self) -> Plan {
        let said = match (&self.entry, &self.notice) {
            (Some(_), _) => 2,
            (None, Some((lines, _))) => lines.len().min(6) as u16,
            (None, None) => 0,
        };
        let wanted = Wanted {
            beside: [true, false, false],
            bottom: said,
            ..Wanted::default()
        };
        plan(self.size.0, self.size.1, wanted)
    }

    /// What a key means now.
    pub fn action(&self, key: Key) -> Option<Action> {
        let scopes: &[Scope] = match (self.help, &self.entry, self.on_timeline) {
            (true, ..) => &[Scope::Overlay],
            (false, Some(_), _) => &[Scope::Entry],
            (false, None, true) => &[Scope::Timeline, Scope::Everywhere],
            (false, None, false) => &[Scope::Rows, Scope::View, Scope::Everywhere],
        };
        if let Key::Char(c) = key
            && self.entry.is_none()
            && !self.help
            && PAGES.iter().any(|row| row.key == c)
        {
            return Some(Action::OpenView(c));
        }
        action(key, scopes)
    }

    /// Does what the user wants, and says what is to be done outside.
    pub fn update(&mut self, action: Action) -> Vec<Want> {
        if action.is_meant() {
            self.notice = None;
        }
        match action {
            Action::Resize(width, height) => self.size = (width, height),
            Action::Quit => self.wants.push(Want::Quit),
            _ if self.help => {
                self.help = !matches!(action, Action::Cancel | Action::Back | Action::Help);
            }
            action if self.entry.is_some() => self.type_in(action),
            Action::Help => self.help = true,
            Action::Search | Action::Filter => {
                self.entry = Some(Entry::new(Kind::Search, self.words.clone()));
            }
            Action::ClearFilter => self.search(String::new()),
            Action::OpenView(key) => {
                match PAGES.iter().position(|row| row.key == key) {
                    // Once more: captures may have come or gone.
                    Some(page) if page == self.page => self.refresh(),
                    Some(page) => self.show(page),
                    None => {}
                }
            }
            Action::NextPane | Action::PreviousPane => self.focus(),
            Action::ZoomIn => self.zoom(true),
            Action::ZoomOut => self.zoom(false),
            Action::WholeSpan => self.set_span(None),
            Action::Mark => self.mark(),
            Action::Drag(x, _) => self.drag(x),
            Action::Release(..) => self.release(),
            Action::TimeFormat => {
                self.look = match self.look {
                    TimeLook::Date => TimeLook::Time,
                    TimeLook::Time => TimeLook::Raw,
                    TimeLook::Relative | TimeLook::Raw => TimeLook::Date,
                };
            }
            Action::Cancel if self.working() => self.stop(),
            Action::Cancel if self.on_timeline => {
                (self.on_timeline, self.mark) = (false, None);
            }
            Action::Cancel | Action::Back if self.page != 0 => self.show(0),
            Action::Left if self.on_timeline => self.move_cursor(-1),
            Action::Right if self.on_timeline => self.move_cursor(1),
            Action::Home if self.on_timeline => self.move_cursor(i64::MIN),
            Action::End if self.on_timeline => self.move_cursor(i64::MAX),
            Action::Drill | Action::Dig => self.open(),
            Action::Up => self.travel(-1),
            Action::Down => self.travel(1),
            Action::Wheel(lines) => self.travel(i64::from(lines)),
            Action::PageUp => self.travel(-self.lines()),
            Action::PageDown => self.travel(self.lines()),
            Action::Home => self.travel(i64::MIN),
            Action::End => self.travel(i64::MAX),
            Action::Left => {
                let table = &mut self.standing_mut().table;
                table.column = table.column.saturating_sub(1);
            }
            Action::Right => {
                let last = self.row().columns.len().saturating_sub(1);
                let table = &mut self.standing_mut().table;
                table.column = (table.column + 1).min(last);
            }
            Action::Sort => {
                let table = &mut self.standing_mut().table;
                table.sort_by(table.column);
                table.arrange_now(&[]);
            }
            Action::Press(x, y) => self.press(x, y),
            _ => {}
        }
        self.wants()
    }

    /// Takes an answer. One that nobody waits for any more is ignored.
    pub fn receive(&mut self, ticket: u64, answer: Result<Sheet, String>) {
        let Some(Awaited { page, goes_on, .. }) =
            self.waiting.take_if(|awaited| awaited.ticket == ticket)
        else {
            return;
        };
        let row = PAGES.get(page).unwrap_or(&PAGES[0]);
        let Some(standing) = self.pages.get_mut(page) else {
            return;
        };
        let sheet = match answer {
            Ok(sheet) => sheet,
            // What is at hand stays; it is not asked for again and again.
            Err(why) if goes_on => {
                standing.more = None;
                let lines = why.lines().map(crate::fit::plain).collect();
                self.notice = Some((lines, true));
                return;
            }
            Err(why) => {
                *standing = Standing {
                    asked: standing.asked.take(),
                    ..Standing::default()
                };
                standing.table.loaded = true;
                let lines = why.lines().map(crate::fit::plain).collect();
                self.notice = Some((lines, true));
                return;
            }
        };
        if row.page == Page::Captures {
            self.activity = sheet.activity;
        }
        standing.note = sheet.note;
        standing.empty = sheet.empty;
        standing.more = sheet.more;
        let mut rows = Rows {
            complete: true,
            ..Rows::default()
        };
        if goes_on {
            rows.rows = std::mem::take(&mut Arc::make_mut(&mut standing.table.rows).rows);
        } else {
            standing.rows.clear();
        }
        for SheetRow { cells, place, bad } in sheet.rows {
            // A capture stays selected when others come or go.
            let of = place.as_ref().filter(|_| row.page == Page::Captures);
            let filter = of.map_or_else(String::new, |of| of.path.display().to_string());
            rows.rows.push(Row {
                cells,
                depth: 0,
                events: 0,
                first_num: standing.rows.len() as u64,
                filter,
            });
            standing.rows.push((place, bad));
        }
        standing.table.fill(rows, row.columns);
        standing.table.arrange_now(row.columns);
        self.keep_in_sight();
    }

    /// Says something.
    pub fn say(&mut self, text: &str, bad: bool) {
        self.notice = Some((vec![crate::fit::plain(text)], bad));
    }

    /// Asks for the page on screen once more: captures may have come or gone.
    pub fn refresh(&mut self) {
        for standing in &mut self.pages {
            standing.asked = None;
        }
        self.show(self.page);
    }

    /// Takes what the folder looks like now. When it has changed, the catalogue is asked for again; what was searched for stays as it
    /// is until it is asked for again.
    pub fn saw(&mut self, seen: Option<u64>) {
        let before = std::mem::replace(&mut self.seen, seen);
        if before.is_none() || before == seen {
            return;
        }
        for (row, standing) in PAGES.iter().zip(&mut self.pages) {
            if row.page == Page::Captures {
                standing.asked = None;
            }
        }
        if self.row().page == Page::Captures {
            self.show(self.page);
        }
    }

    pub(super) fn show(&mut self, page: usize) {
        self.page = page.min(PAGES.len() - 1);
        self.paused = false;
        // The catalogue and the list of indicators are of everything, and what is known of those is not by instants.
        let query = match self.row().page {
            Page::Captures => Query {
                span: self.span,
                ..Query::default()
            },
            Page::Indicators => Query::default(),
            Page::Found | Page::Events => Query {
                words: self.words.clone(),
                span: self.span,
                after: None,
            },
        };
        let (page, standing) = (self.row().page, self.standing_mut());
        if standing.asked.as_ref() == Some(&query) && standing.table.loaded {
            return;
        }
        let column = standing.table.column;
        let keep = page == Page::Captures;
        if !keep {
            standing.table = Table {
                column,
                ..Table::default()
            };
            standing.rows.clear();
            standing.note.clear();
            standing.more = None;
        }
        standing.asked = Some(query.clone());
        self.ask(page, query, false);
    }

    fn ask(&mut self, page: Page, query: Query, goes_on: bool) {
        self.give_up();
        self.last_ticket += 1;
        self.waiting = Some(Awaited {
            ticket: self.last_ticket,
            page: self.page,
            goes_on,
        });
        self.wants.push(Want::Ask(self.last_ticket, page, query));
    }

    /// Waits for nothing any more. A page that was not made is asked for again when it is shown again.
    fn give_up(&mut self) -> Option<Awaited> {
        let given_up = self.waiting.take()?;
        let other = given_up.page != self.page;
        if let Some(standing) = self.pages.get_mut(given_up.page)
            && other
            && !given_up.goes_on
        {
            standing.asked = None;
        }
        Some(given_up)
    }

    /// Stops what is under way.
    fn stop(&mut self) {
        let Some(stopped) = self.give_up() else {
            return;
        };
        self.wants.push(Want::Cancel);
        self.paused = stopped.goes_on;
        match stopped.goes_on {
            true => self.say(
                "stopped: there are more events; moving down fetches them",
                true,
            ),
            false => self.say("stopped: this page was not made", true),
        }
    }

    /// Asks for further events before the end of those at hand is reached.
    fn go_on(&mut self) {
        /// Rows below the selected one.
        const NEAR: usize = 200;
        /// Rows that are kept at most.
        const MOST: usize = 50_000;
        let page = self.row().page;
        let standing = self.standing();
        let rows = standing.table.order.len();
        if self.paused || self.working() || rows >= MOST || standing.table.cursor + NEAR < rows {
            return;
        }
        let query = standing.asked.clone().zip(standing.more.clone());
        if let Some((query, after)) = query {
            let after = Some(after);
            self.ask(page, Query { after, ..query }, true);
        }
    }

    fn search(&mut self, words: String) {
        self.words = words;
        let found = PAGES
            .iter()
            .position(|row| row.page == Page::Found)
            .unwrap_or(0);
        let page = match self.row().page {
            Page::Events => self.page,
            _ if self.words.is_empty() => 0,
            _ => found,
        };
        self.show(page);
    }

    fn type_in(&mut self, action: Action) {
        let Some(entry) = &mut self.entry else { return };
        if entry.edit(action) {
            return;
        }
        match action {
            Action::Cancel => self.entry = None,
            Action::Accept => {
                let words = entry.text.trim().to_owned();
                self.entry = None;
                self.search(words);
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        let standing = self.standing();
        let at = standing.table.order.get(standing.table.cursor);
        let place = at.and_then(|at| standing.rows.get(*at)?.0.clone());
        match place {
            Some(place) => self.wants.push(Want::Open(place)),
            None if standing.table.order.is_empty() => {}
            None => self.say("this one cannot be opened", true),
        }
    }

    fn lines(&self) -> i64 {
        i64::from(self.plan().body.height.saturating_sub(1)).max(1)
    }

    fn travel(&mut self, lines: i64) {
        self.paused &= lines <= 0;
        let table = &mut self.standing_mut().table;
        let last = table.order.len().saturating_sub(1);
        let cursor = i64::try_from(table.cursor)
            .unwrap_or(0)
            .saturating_add(lines);
        table.cursor = usize::try_from(cursor.max(0)).unwrap_or(0).min(last);
    }

    fn keep_in_sight(&mut self) {
        let lines = usize::try_from(self.lines()).unwrap_or(1);
        let table = &mut self.standing_mut().table;
        if table.cursor < table.top {
            table.top = table.cursor;
        } else if table.cursor >= table.top + lines {
            table.top = table.cursor + 1 - lines;
        }
        table.top = table.top.min(table.order.len().saturating_sub(lines));
    }

    /// A click on a page's name opens it, one on a row selects it, one on the selected row opens it.
    fn press(&mut self, x: u16, y: u16) {
        let plan = self.plan();
        if plan.strip().contains(x, y) && !self.activity.is_empty() {
            self.on_timeline = true;
            self.cursor = usize::from(x - plan.strip().x);
            self.mark = Some(self.cursor);
            return;
        }
        self.on_timeline = false;
        if plan.trail.contains(x, y) {
            let hit = tabs(plan.trail).find(|(_, area)| area.contains(x, y));
            if let Some((page, _)) = hit {
                self.show(page);
            }
            return;
        }
        let (_, rows) = plan.body.split_top(1);
        if !rows.contains(x, y) {
            return;
        }
        let table = &mut self.standing_mut().table;
        let line = table.top + usize::from(y - rows.y);
        if line == table.cursor && line < table.order.len() {
            self.open();
        } else if line < table.order.len() {
            table.cursor = line;
        }
    }
}

/// Where the names of the pages stand.
pub(super) fn tabs(area: Area) -> impl Iterator<Item = (usize, Area)> {
    let mut x = area.x;
    PAGES.iter().enumerate().map(move |(at, row)| {
        let width = (row.title.len() + 4) as u16;
        let tab = Area {
            x,
            width,
            height: 1,
            ..area
        };
        x = x.saturating_add(width + 1);
        (at, tab)
    })
}

/// What the columns of the page on screen need.
pub(super) fn widths(state: &FolderState) -> Vec<crate::area::Width> {
    let (columns, widest) = (state.row().columns, &state.standing().table.widest);
    let style = state.style();
    let total = state.size.0;
    let of = |(at, column)| show::width(column, widest.get(at).copied(), &style, total);
    let widths = columns.iter().enumerate().map(of);
    keeping(state.row().keeps, columns, widths, total)
}
