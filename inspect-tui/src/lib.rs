//! The terminal inspector.
//!
//! [`run`] opens a [`Session`] on the terminal; a [`Player`](play::Player) does the same on a screen of text. Inside,
//! [`State`] is what is known and where the user stands; `update` is the only way a user changes it, with an
//! [`Action`](action::Action) from the table [`BINDINGS`](action::BINDINGS), and `receive` the only way an answer does. A
//! [`Worker`] owns the session and does everything that may take time. Views are rows of
//! [`afterimage_query::VIEWS`], drawn by one generic table.
//!
//! Invariants: state never names the drawing library, drawing never changes state, only `term` talks to the terminal,
//! captured bytes are drawn through [`afterimage_model::Safe`] alone, and nothing is written but what the user exports.
//!
//! ```
//! use afterimage_inspect_tui::action::{Action, Key, Scope, action};
//! assert_eq!(action(Key::Char('?'), &[Scope::View, Scope::Everywhere]), Some(Action::Help));
//! ```
#![forbid(unsafe_code)]

pub mod action;
pub mod area;
pub mod arrange;
pub mod board;
mod colours;
pub mod detail;
mod export;
pub mod facts;
mod fit;
pub mod folder;
pub mod keymap;
pub mod linear;
mod notes;
pub mod overlay;
pub mod play;
pub mod show;
pub mod state;
mod term;
pub mod theme;
pub mod view;
mod waste;
pub mod worker;

pub use term::leave_at_once;

use afterimage_indexer::Session;
use afterimage_query::{Filter, FilterError, VIEWS, View};
use facts::Facts;
use state::State;
use std::path::PathBuf;
use theme::{Palette, Theme};
use worker::Worker;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Unless the environment says not to: `NO_COLOR` is set to anything (no-color.org), or `TERM` is `dumb` or not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    fn theme(self) -> Theme {
        let refused = || {
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            no_color
                || std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
        };
        Theme {
            mono: match self {
                ColorChoice::Auto => refused(),
                ColorChoice::Always => false,
                ColorChoice::Never => true,
            },
            palette: Palette::default(),
        }
    }
}

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the header calls the capture: its file's name.
    pub name: String,
    /// Draw ASCII only.
    pub ascii: bool,
    /// Colours.
    pub color: ColorChoice,
    /// Id of the first view; empty for the overview.
    pub view: String,
    /// Filter of the first view; empty for none.
    pub filter: String,
    /// Write nothing, not even what the user asks to export.
    pub read_only: bool,
    /// The instant to stand at, ns since boot.
    pub at: Option<u64>,
    /// The event to stand on.
    pub event: Option<u64>,
    /// Ids of the tiles that are marked.
    pub tiles: Vec<String>,
    /// The capture's file: bookmarks are kept beside it.
    pub path: Option<PathBuf>,
    /// Colours.
    pub palette: Palette,
    /// Plain text, line by line, instead of a screen.
    pub linear: bool,
    /// It was opened from a folder, where going back leads to.
    pub from_folder: bool,
    /// Keys of the user's own, as [`keymap::parse`] gives them.
    pub keys: Option<Vec<action::Binding>>,
}

/// Why the inspector did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to draw on.
    #[error("standard output is not a terminal")]
    NotATerminal,
    /// There is no such view.
    #[error("no view is called `{0}`")]
    NoSuchView(String),
    /// The filter is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The terminal could not be read or written.
    #[error("terminal: {0}")]
    Io(#[from] std::io::Error),
    /// A signal ended it; the terminal was given back first.
    #[error("ended by signal {0}")]
    Signal(i32),
    /// A thread panicked; the terminal was given back before the panic was told.
    #[error("a thread has panicked")]
    WorkerGone,
}

/// Opens the inspector on the terminal and returns when the user leaves it.
pub fn run(session: Session, options: Options) -> Result<(), Error> {
    if options.linear {
        return linear::run(session, options);
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        return Err(Error::NotATerminal);
    }
    let theme = Theme {
        palette: options.palette,
        ..options.color.theme()
    };
    // The real size is known once the terminal is taken over.
    let (state, worker) = begin(session, options, (80, 24))?;
    term::run(state, &worker, theme)
}

fn begin(session: Session, options: Options, size: (u16, u16)) -> Result<(State, Worker), Error> {
    if let Some(own) = options.keys {
        keymap::set(own);
    }
    let filter = match options.filter.trim() {
        "" => None,
        text => Some((text.to_owned(), Filter::parse(text)?)),
    };
    let view = view_called(&options.view)?;
    let facts = Facts::of(&session, options.name);
    let mut state = State::new(facts, view, filter, size);
    state.ascii = options.ascii;
    state.read_only = options.read_only;
    state.from_folder = options.from_folder;
    if let Some(path) = options.path.as_deref().map(notes::path_of) {
        state.take_notes(notes::load(&path));
        state.notes = Some(path);
    }
    state.mark_tiles(options.tiles.iter().map(String::as_str).enumerate());
    state.start_at(options.at, options.event);
    Ok((state, Worker::start(session, options.path)?))
}

fn view_called(id: &str) -> Result<&'static View, Error> {
    let found = if id.is_empty() {
        VIEWS.first()
    } else {
        VIEWS.iter().find(|view| view.id == id)
    };
    found.ok_or_else(|| Error::NoSuchView(fit::plain(id)))
}
