//! The terminal: the only place that talks to it. It is taken over when the inspector starts and given back when it
//! ends, panics, or is told to end by a signal.

use crate::Error;
use crate::action::{Action, Key};
use crate::state::{Effect, State};
use crate::theme::Theme;
use crate::view;
use crate::worker::Worker;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{IsTerminal, Stdout, stdout};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Gives the terminal back when it goes out of scope.
struct Guard {
    previous_hook: Arc<Hook>,
    /// A thread has panicked, and the terminal is not ours any more.
    panicked: Arc<AtomicBool>,
}

impl Guard {
    fn take_over() -> std::io::Result<Guard> {
        if let Ok(before) = tcgetattr(rustix::stdio::stdout()) {
            // That of the first time is how it was.
            let _ = BEFORE.set(before);
        }
        let taking = Taking::begin();
        enable_raw_mode()?;
        let previous_hook: Arc<Hook> = Arc::new(std::panic::take_hook());
        let hook = previous_hook.clone();
        let panicked = Arc::new(AtomicBool::new(false));
        let seen = panicked.clone();
        // The message of a panic must land on a terminal that shows it.
        std::panic::set_hook(Box::new(move |info| {
            seen.store(true, Ordering::SeqCst);
            give_back();
            hook(info);
        }));
        let guard = Guard {
            previous_hook,
            panicked,
        };
        execute!(
            stdout(),
            EnterAlternateScreen,
            event::EnableMouseCapture,
            event::EnableBracketedPaste,
            cursor::Hide
        )?;
        drop(taking);
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
        // A panicking thread may not touch the hook; the process is about to end then.
        if !std::thread::panicking() {
            let previous = self.previous_hook.clone();
            std::panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

/// The terminal as it was before the inspector had it.
static BEFORE: OnceLock<Termios> = OnceLock::new();
/// Whose it is: one of the states below.
static WHOSE: AtomicU8 = AtomicU8::new(NOT_OURS);
const NOT_OURS: u8 = 0;
/// It is being taken over.
const TAKEN_OVER: u8 = 1;
const OURS: u8 = 2;
/// The process ends at once: nobody may take it over any more.
const LEFT: u8 = 3;

/// The terminal is being taken over while this lives, and ours from then on: well done or not, there is something to undo.
struct Taking;

impl Taking {
    /// Waits for the end of the process where that has begun.
    fn begin() -> Taking {
        while !becomes(TAKEN_OVER, |whose| whose != LEFT) {
            std::thread::park();
        }
        Taking
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        becomes(OURS, |whose| whose == TAKEN_OVER);
    }
}

/// Sets whose the terminal is where that may follow what it is, and says whether it does.
fn becomes(next: u8, follows: impl Fn(u8) -> bool) -> bool {
    let next = |whose| follows(whose).then_some(next);
    WHOSE
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
        .is_ok()
}

/// As [`give_back`], for a process that cannot go on: asks for no memory, and waits for a moment at the most. Does nothing where the
/// terminal is not ours; where it is about to be, that ends first, or the process would end in between and leave it as ours.
pub fn leave_at_once() {
    // No more mouse, pastes in brackets, hidden cursor and second screen: DECRST and DECTCEM of xterm's control sequences.
    const MODES: &[u8] =
        b"\x1b[?2004l\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?25h\x1b[?1049l";
    const MOMENT: Duration = Duration::from_millis(100);
    const STEP: Duration = Duration::from_millis(1);
    // Longer than that takes only who is the one that cannot go on.
    let mut waited = Duration::ZERO;
    while WHOSE.load(Ordering::SeqCst) == TAKEN_OVER && waited < MOMENT {
        std::thread::sleep(STEP);
        waited += STEP;
    }
    let terminal = rustix::stdio::stdout();
    match WHOSE.swap(LEFT, Ordering::SeqCst) {
        TAKEN_OVER | OURS => {
            // Errors are of no use to anybody by now.
            let _ = rustix::io::write(terminal, MODES);
            if let Some(before) = BEFORE.get() {
                let _ = tcsetattr(terminal, OptionalActions::Now, before);
            }
        }
        // Another thread is at it, and ends the process.
        LEFT => std::thread::sleep(MOMENT),
        _ => {}
    }
}

/// Undoes everything; errors are of no use to anybody by now.
fn give_back() {
    let _ = execute!(
        stdout(),
        event::DisableBracketedPaste,
        event::DisableMouseCapture,
        cursor::Show,
        LeaveAlternateScreen
    );
    let _ = disable_raw_mode();
    becomes(NOT_OURS, |whose| whose != LEFT);
}

/// The terminal while it is ours, and what says that it is over.
pub(crate) struct Taken {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    guard: Guard,
    stopped: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Taken {
    /// Takes the terminal over, until this goes out of scope.
    pub fn take_over() -> Result<Taken, Error> {
        if !stdout().is_terminal() {
            return Err(Error::NotATerminal);
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(number, stopped.clone())?;
            signal_hook::flag::register_usize(number, signal.clone(), number as usize)?;
        }
        leave_at_last(stopped.clone(), signal.clone());
        let guard = Guard::take_over()?;
        Ok(Taken {
            terminal: Terminal::new(CrosstermBackend::new(stdout()))?,
            guard,
            stopped,
            signal,
        })
    }

    /// Whether a thread has panicked, and the terminal is not ours any more.
    pub fn has_panicked(&self) -> bool {
        self.guard.panicked.load(Ordering::SeqCst)
    }

    /// Waits for input at most so long.
    pub fn wait(&self, patience: Duration) -> Result<(), Error> {
        match hung_up(patience)? {
            true => Err(Error::Signal(SIGHUP)),
            false => Ok(()),
        }
    }

    /// Whether a signal has ended it.
    pub fn ended(&self) -> Result<(), Error> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(Error::Signal(self.signal.load(Ordering::Relaxed) as i32)),
            false => Ok(()),
        }
    }
}

/// How far the user left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The capture, for the folder it was opened from.
    Capture,
    /// The inspector.
    All,
}

/// Runs until the user leaves or a signal ends it.
pub fn run(state: State, worker: &Worker, theme: Theme) -> Result<(), Error> {
    run_in(&mut Taken::take_over()?, state, worker, theme).map(drop)
}

/// The same on a terminal that was taken over already.
pub(crate) fn run_in(
    taken: &mut Taken,
    mut state: State,
    worker: &Worker,
    theme: Theme,
) -> Result<Left, Error> {
    let size = taken.terminal.size()?;
    let mut effects = state.update(Action::Resize(size.width, size.height));
    let mut ticked = Instant::now();
    let mut drawn = false;
    loop {
        if taken.has_panicked() || worker.is_gone() {
            return Err(Error::WorkerGone);
        }
        match perform(worker, effects) {
            Done::Left(left) => return Ok(left),
            Done::Refused(why) => {
                state.complain(&why);
                drawn = false;
            }
            Done::Went => {}
        }
        // Nothing is drawn again while nothing has changed.
        if !drawn {
            draw(&mut taken.terminal, &state, theme)?;
            drawn = true;
        }
        effects = Vec::new();
        if state.playing {
            let passed = std::mem::replace(&mut ticked, Instant::now()).elapsed();
            let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
            effects.extend(state.update(Action::Tick(passed)));
            drawn = false;
        } else {
            ticked = Instant::now();
        }
        // While answers are on their way they are looked for often; else only keys and signals can happen.
        let patience = match (state.waiting(), state.playing) {
            (true, _) => 15,
            (false, true) => 50,
            (false, false) => 200,
        };
        taken.wait(Duration::from_millis(patience))?;
        if event::poll(Duration::ZERO)? {
            // All that has come is taken before anything is drawn, so that a held key never lags behind.
            drawn = false;
            loop {
                effects.extend(take(&mut state, event::read()?));
                taken.wait(Duration::ZERO)?;
                if !event::poll(Duration::ZERO)? {
                    break;
                }
            }
        }
        while let Some((ticket, answer)) = worker.answer() {
            effects.extend(state.receive(ticket, answer));
            drawn = false;
        }
        let looked_at = worker.looked_at();
        drawn &= looked_at == state.looked_at;
        state.looked_at = looked_at;
        taken.ended()?;
    }
}

/// Waits for input, and says whether the terminal is gone instead. Asked before crossterm, which reads a terminal that
/// hung up for ever (seen in 0.29).
fn hung_up(patience: Duration) -> std::io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let input = std::io::stdin();
    if !input.is_terminal() {
        // Keys then come from /dev/tty, by crossterm.
        return event::poll(patience).map(|_| false);
    }
    let mut watched = [PollFd::new(&input, PollFlags::IN)];
    let patience = Timespec::try_from(patience).map_err(std::io::Error::other)?;
    match poll(&mut watched, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(why) => return Err(why.into()),
    }
    let seen = watched[0].revents();
    Ok(seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

/// How long it may take to give the terminal back when the loop hangs.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Ends the program when a signal asked for it and the loop has not: it hangs in a terminal that is gone. What it holds meanwhile
/// it holds for ever, so nothing that may need it is waited for, and nothing that is to be done at the end is done.
fn leave_at_last(stopped: Arc<AtomicBool>, signal: Arc<AtomicUsize>) {
    std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(250));
        }
        let signal = signal.load(Ordering::Relaxed) as i32;
        // Whoever asks by a signal has a terminal that is to be left well; a loop that reads one that is gone takes a whole processor.
        std::thread::sleep(match signal {
            SIGHUP => Duration::from_millis(250),
            _ => Duration::from_secs(2),
        });
        let given_back = std::thread::spawn(give_back);
        let asked = Instant::now();
        while !given_back.is_finished() && asked.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal_hook::low_level::exit(128 + signal);
    });
}

fn draw(
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    state: &State,
    theme: Theme,
) -> std::io::Result<()> {
    terminal
        .draw(|frame| view::draw(state, theme, frame.buffer_mut()))
        .map(drop)
}

/// How what was asked for went.
enum Done {
    /// The user leaves.
    Left(Left),
    /// It could not be done, and why.
    Refused(String),
    /// Well.
    Went,
}

/// Does what the state asked for.
fn perform(worker: &Worker, effects: Vec<Effect>) -> Done {
    let mut done = Done::Went;
    for effect in effects {
        match effect {
            Effect::Ask(ticket, ask) => worker.ask(ticket, ask),
            Effect::Cancel => worker.cancel(),
            Effect::GiveUp(lane) => worker.give_up(lane),
            Effect::Quit => return Done::Left(Left::All),
            Effect::Leave => return Done::Left(Left::Capture),
            Effect::Copy(text) => {
                let _ = execute!(stdout(), CopyToClipboard(text));
            }
            Effect::Save(path, text) => {
                if let Err(why) = crate::notes::store(&path, &text) {
                    done = Done::Refused(format!("the notes could not be written: {why}"));
                }
            }
        }
    }
    done
}

/// Hands a text to the terminal's clipboard (OSC 52, xterm's control sequences).
struct CopyToClipboard(String);

impl crossterm::Command for CopyToClipboard {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        let text = STANDARD.encode(&self.0);
        write!(f, "\x1b]52;c;{text}\x07")
    }
}

/// Turns what the terminal reports into actions.
fn take(state: &mut State, event: Event) -> Vec<Effect> {
    let action = match event {
        Event::Key(event) => key_of(event).and_then(|key| state.action(key)),
        // Pasted text is typed where something is typed, and nowhere else: a letter in it is not a command.
        Event::Paste(text) if state.entry.is_some() && state.overlay.is_none() => {
            return text
                .chars()
                .flat_map(|c| state.update(Action::Type(c)))
                .collect();
        }
        other => action_of(&other),
    };
    action.map_or_else(Vec::new, |action| state.update(action))
}

/// What the mouse and the window do.
pub(crate) fn action_of(event: &Event) -> Option<Action> {
    match event {
        Event::Mouse(event) => match event.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Action::Press(event.column, event.row)),
            MouseEventKind::Drag(MouseButton::Left) => Some(Action::Drag(event.column, event.row)),
            MouseEventKind::Up(MouseButton::Left) => Some(Action::Release(event.column, event.row)),
            MouseEventKind::ScrollUp => Some(Action::Wheel(-3)),
            MouseEventKind::ScrollDown => Some(Action::Wheel(3)),
            _ => None,
        },
        Event::Resize(width, height) => Some(Action::Resize(*width, *height)),
        _ => None,
    }
}

/// The key that was pressed; `None` when it was let go, or is none of ours.
pub(crate) fn key_of(event: KeyEvent) -> Option<Key> {
    (event.kind != KeyEventKind::Release).then(|| key(event))?
}

fn key(event: KeyEvent) -> Option<Key> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char(c) if control => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::F(n) => Key::F(n),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
