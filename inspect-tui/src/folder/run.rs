//! Runs the folder: on the terminal, line by line, or on a screen of text. Whatever takes time is done by a thread, so that the
//! screen never waits.

use super::draw::draw;
use super::state::{FolderState, Want};
use super::{Page, Place, Query, Sheet, Shelf};
use crate::action::Action;
use crate::linear::PAGE;
use crate::play::{self, Player};
use crate::term::{self, Left, Taken};
use crate::theme::Theme;
use crate::{Error, Options, begin, fit, linear, show};
use afterimage_indexer::{Progress, Session};
use crossterm::event::{self, Event};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked whether captures have come, gone or changed.
const EVERY: Duration = Duration::from_secs(2);

enum Job {
    Look,
    Sheet(u64, Page, Query, Progress),
    Open(Box<Place>),
}

enum Answer {
    Looked(Option<u64>),
    Sheet(u64, Result<Sheet, String>),
    Opened(Box<Place>, Box<Result<Session, String>>),
}

/// The thread that asks the shelf.
struct Asker {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    progress: Progress,
    thread: JoinHandle<()>,
}

impl Asker {
    fn start(shelf: Arc<dyn Shelf>) -> std::io::Result<Asker> {
        let (jobs, work) = channel::<Job>();
        let (tell, answers) = channel();
        let serve = move || {
            for job in work {
                let answer = match job {
                    Job::Look => Answer::Looked(shelf.look()),
                    Job::Sheet(ticket, page, query, progress) => {
                        // What was given up before its turn came is not begun.
                        let given_up = progress.cancel.load(Ordering::Relaxed);
                        let sheet = match given_up {
                            true => Ok(Sheet::default()),
                            false => shelf.sheet(page, &query, &progress),
                        };
                        Answer::Sheet(ticket, sheet)
                    }
                    Job::Open(place) => {
                        let session = shelf.open(&place);
                        Answer::Opened(place, Box::new(session))
                    }
                };
                if tell.send(answer).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("inspect-folder".into())
            .spawn(serve)?;
        Ok(Asker {
            jobs: Some(jobs),
            answers,
            progress: Progress::default(),
            thread,
        })
    }

    fn cancel(&self) {
        self.progress.cancel.store(true, Ordering::Relaxed);
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // It is gone only when it panicked, which is looked for elsewhere.
            let _ = jobs.send(job);
        }
    }

    fn ask(&mut self, ticket: u64, page: Page, query: Query) {
        self.cancel();
        self.progress = Progress::default();
        self.send(Job::Sheet(ticket, page, query, self.progress.clone()));
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.cancel();
        self.jobs = None;
    }
}

/// Options for a capture of the folder.
fn of_capture(options: &Options, place: &Place) -> Options {
    let name = place.path.file_name().unwrap_or(place.path.as_os_str());
    Options {
        name: fit::plain(&name.to_string_lossy()),
        view: match place.event {
            Some(_) => "events".to_owned(),
            None => options.view.clone(),
        },
        at: place.at,
        event: place.event,
        path: Some(place.path.clone()),
        from_folder: true,
        keys: None,
        ..options.clone()
    }
}

/// Opens the inspector on a folder and returns when the user leaves it.
///
/// # Errors
/// As [`crate::run`].
pub fn run(shelf: Arc<dyn Shelf>, options: Options) -> Result<(), Error> {
    if let Some(own) = options.keys.clone() {
        crate::keymap::set(own);
    }
    if options.linear {
        let input = std::io::stdin().lock();
        return run_on(&*shelf, &options, input, &mut std::io::stdout().lock());
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return Err(Error::NotATerminal);
    }
    let theme = Theme {
        palette: options.palette,
        ..options.color.theme()
    };
    let mut asker = Asker::start(shelf)?;
    let mut taken = Taken::take_over()?;
    let size = taken.terminal.size()?;
    let mut state = FolderState::new(options.name.clone(), (size.width, size.height));
    state.ascii = options.ascii;
    let mut wants = state.wants();
    // How it is before the first page is made, so that what changes meanwhile is noticed.
    asker.send(Job::Look);
    let mut looked = Instant::now();
    let mut looking = true;
    loop {
        if taken.has_panicked() || asker.thread.is_finished() {
            return Err(Error::WorkerGone);
        }
        for want in wants.drain(..) {
            match want {
                Want::Ask(ticket, page, query) => asker.ask(ticket, page, query),
                Want::Cancel => asker.cancel(),
                Want::Open(place) => {
                    state.say("opening", false);
                    asker.send(Job::Open(Box::new(place)));
                }
                Want::Quit => return Ok(()),
            }
        }
        taken
            .terminal
            .draw(|frame| draw(&state, theme, frame.buffer_mut()))?;
        let patience = if state.working() { 15 } else { 100 };
        taken.wait(Duration::from_millis(patience))?;
        while event::poll(Duration::ZERO)? {
            wants.extend(take(&mut state, event::read()?));
        }
        state.done = asker.progress.done.load(Ordering::Relaxed);
        while let Ok(answer) = asker.answers.try_recv() {
            match answer {
                Answer::Looked(seen) => {
                    (looked, looking) = (Instant::now(), false);
                    state.saw(seen);
                }
                Answer::Sheet(ticket, sheet) => state.receive(ticket, sheet),
                Answer::Opened(place, session) => match *session {
                    Err(why) => state.say(&why, true),
                    Ok(session) => {
                        state.notice = None;
                        let (inner, worker) =
                            begin(session, of_capture(&options, &place), state.size)?;
                        if term::run_in(&mut taken, inner, &worker, theme)? == Left::All {
                            return Ok(());
                        }
                        taken.terminal.clear()?;
                        let size = taken.terminal.size()?;
                        state.refresh();
                        wants.extend(state.update(Action::Resize(size.width, size.height)));
                    }
                },
            }
        }
        if !looking && looked.elapsed() > EVERY && !state.working() {
            looking = true;
            asker.send(Job::Look);
        }
        wants.extend(state.wants());
        taken.ended()?;
    }
}

fn take(state: &mut FolderState, event: Event) -> Vec<Want> {
    if let Event::Paste(text) = event {
        // A letter in it is not a command.
        if state.entry.is_none() {
            return Vec::new();
        }
        return text
            .chars()
            .flat_map(|c| state.update(Action::Type(c)))
            .collect();
    }
    let action = match event {
        Event::Key(event) => term::key_of(event).and_then(|key| state.action(key)),
        other => term::action_of(&other),
    };
    action.map_or_else(Vec::new, |action| state.update(action))
}

/// Does what was asked for at once; gives the capture that is to be opened, and whether the user leaves.
fn perform(
    shelf: &dyn Shelf,
    state: &mut FolderState,
    mut wants: Vec<Want>,
) -> (Option<Place>, bool) {
    let (mut open, mut left) = (None, false);
    while !wants.is_empty() {
        for want in std::mem::take(&mut wants) {
            match want {
                Want::Ask(ticket, page, query) => {
                    let sheet = shelf.sheet(page, &query, &Progress::default());
                    state.receive(ticket, sheet);
                }
                Want::Cancel => {}
                Want::Open(place) => open = Some(place),
                Want::Quit => left = true,
            }
        }
        wants = state.wants();
    }
    (open, left)
}

const HELP: &str = "\
enter: more rows. A number: open that row; q comes back. /WORDS: search all captures. 1 captures, 2 found,
3 timeline, 4 indicators. help: this. quit: leave.";

/// Line by line, on any input and output.
pub(crate) fn run_on(
    shelf: &dyn Shelf,
    options: &Options,
    mut input: impl BufRead,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut state = FolderState::new(options.name.clone(), (200, PAGE as u16 + 12));
    let wants = state.wants();
    perform(shelf, &mut state, wants);
    let mut top = 0;
    writeln!(
        out,
        "{}. Type help for how to go on.",
        fit::plain(&state.name)
    )?;
    print(&state, &mut top, out)?;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let wants = match line.trim() {
            "" => {
                top += PAGE;
                // The last row brings those after it.
                match top + PAGE >= state.standing().table.order.len() {
                    true => state.update(Action::End),
                    false => Vec::new(),
                }
            }
            "help" => {
                writeln!(out, "{HELP}")?;
                continue;
            }
            "q" | "quit" => return Ok(()),
            text => match (text.strip_prefix('/'), text.parse::<i64>()) {
                (Some(words), _) => {
                    top = 0;
                    let keys = format!("<Ctrl-F><Ctrl-U>{words}<Enter>");
                    let keys = play::keys(&keys).into_iter();
                    keys.flat_map(|key| press(&mut state, key)).collect()
                }
                // The digits of pages are theirs; a row has its number with a blank or a zero before it, or is larger.
                (None, Ok(row)) if row > super::PAGES.len() as i64 || text.starts_with('0') => {
                    let mut wants = state.update(Action::Home);
                    for _ in 1..row.min(100_000) {
                        wants.extend(state.update(Action::Down));
                    }
                    wants.extend(state.update(Action::Drill));
                    wants
                }
                _ => {
                    top = 0;
                    let keys = play::keys(text).into_iter();
                    keys.flat_map(|key| press(&mut state, key)).collect()
                }
            },
        };
        let (open, left) = perform(shelf, &mut state, wants);
        if left {
            return Ok(());
        }
        if let Some(place) = open {
            match shelf.open(&place) {
                Err(why) => state.say(&why, true),
                Ok(session) => {
                    linear::run_on(session, of_capture(options, &place), &mut input, out)?
                }
            }
        }
        print(&state, &mut top, out)?;
    }
}

fn press(state: &mut FolderState, key: crate::action::Key) -> Vec<Want> {
    let action = state.action(key);
    action.map_or_else(Vec::new, |action| state.update(action))
}

fn print(state: &FolderState, top: &mut usize, out: &mut impl Write) -> std::io::Result<()> {
    for line in state.notice.iter().flat_map(|(lines, _)| lines) {
        writeln!(out, "{line}")?;
    }
    let (row, standing) = (state.row(), state.standing());
    if !standing.note.is_empty() {
        writeln!(out, "{}", standing.note)?;
    }
    let rows = standing.table.order.len();
    let last = linear::head(out, row.title, top, rows)?;
    for at in *top..last {
        let cells = standing.table.line(at).map_or(&[][..], |row| &row.cells);
        let words = row.columns.iter().zip(cells).filter_map(|(column, cell)| {
            let shown = show::cell(cell, column, &state.style());
            let shown = fit::captured(&shown, 400, state.ascii);
            (!shown.trim().is_empty()).then(|| format!("{} {shown}", column.title))
        });
        writeln!(out, "{}. {}", at + 1, words.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// The folder on a screen of text: keys in, the screen out. Tests and documents are made with it.
pub struct FolderPlayer {
    shelf: Arc<dyn Shelf>,
    options: Options,
    state: FolderState,
    terminal: Terminal<TestBackend>,
    inner: Option<Player>,
    left: bool,
}

impl FolderPlayer {
    /// Opens a folder on a screen of `width` × `height`.
    pub fn new(shelf: Arc<dyn Shelf>, options: Options, width: u16, height: u16) -> FolderPlayer {
        let mut state = FolderState::new(options.name.clone(), (width, height));
        state.ascii = options.ascii;
        let Ok(terminal) = Terminal::new(TestBackend::new(width, height));
        let wants = state.wants();
        perform(&*shelf, &mut state, wants);
        FolderPlayer {
            shelf,
            options,
            state,
            terminal,
            inner: None,
            left: false,
        }
    }

    /// Presses keys, as [`Player::press`] does.
    ///
    /// # Errors
    /// When a capture cannot be begun with.
    pub fn press(&mut self, keys: &str) -> Result<&mut FolderPlayer, Error> {
        for key in play::keys(keys) {
            if let Some(inner) = &mut self.inner {
                inner.press_key(key);
                if inner.left() {
                    self.left = !inner.is_back();
                    self.inner = None;
                    self.state.refresh();
                    let wants = self.state.wants();
                    perform(&*self.shelf, &mut self.state, wants);
                }
                continue;
            }
            let wants = press(&mut self.state, key);
            let (open, left) = perform(&*self.shelf, &mut self.state, wants);
            self.left |= left;
            if let Some(place) = open {
                match self.shelf.open(&place) {
                    Err(why) => self.state.say(&why, true),
                    Ok(session) => {
                        let (width, height) = self.state.size;
                        let options = of_capture(&self.options, &place);
                        self.inner = Some(Player::new(session, options, width, height)?);
                    }
                }
            }
        }
        Ok(self)
    }

    /// Looks at the folder, as it is done every other second on a terminal.
    pub fn look(&mut self) {
        self.state.saw(self.shelf.look());
        let wants = self.state.wants();
        perform(&*self.shelf, &mut self.state, wants);
    }

    /// Whether the user has left.
    pub fn left(&self) -> bool {
        self.left
    }

    /// The screen as lines of text without the spaces at their ends.
    pub fn screen(&mut self) -> String {
        if let Some(inner) = &mut self.inner {
            return inner.screen();
        }
        let state = &self.state;
        play::text_of(&mut self.terminal, |buffer| {
            let theme = Theme {
                mono: true,
                ..Theme::default()
            };
            draw(state, theme, buffer);
        })
    }
}
