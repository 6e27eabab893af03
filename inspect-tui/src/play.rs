//! The inspector without a terminal: keystrokes in, the screen as text out. Tests and documents are made with it.

use crate::action::{Action, Key};
use crate::state::{Effect, State};
use crate::theme::Theme;
use crate::worker::Worker;
use crate::{Error, Options, begin, view};
use afterimage_indexer::Session;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::time::Duration;

/// An inspector on a screen of text.
pub struct Player {
    state: State,
    worker: Worker,
    terminal: Terminal<TestBackend>,
    left: bool,
    back: bool,
    /// What was asked for and is not done, while answers are held back.
    held: Option<Vec<Effect>>,
    copied: Option<String>,
}

impl Player {
    /// Opens a session on a screen of `width` × `height`.
    pub fn new(
        session: Session,
        options: Options,
        width: u16,
        height: u16,
    ) -> Result<Player, Error> {
        let (state, worker) = begin(session, options, (width, height))?;
        let Ok(terminal) = Terminal::new(TestBackend::new(width, height));
        let mut player = Player {
            state,
            worker,
            terminal,
            left: false,
            back: false,
            held: None,
            copied: None,
        };
        let effects = player.state.effects();
        player.perform(effects);
        Ok(player)
    }

    /// Presses keys: characters are themselves, other keys are named in angle brackets as help names them
    /// (`<Enter>`, `<Ctrl-F>`, `<PgDn>`, `<Space>`); a name that is no key is ignored.
    pub fn press(&mut self, keys: &str) -> &mut Player {
        for key in self::keys(keys) {
            self.press_key(key);
        }
        self
    }

    pub(crate) fn press_key(&mut self, key: Key) {
        if let Some(action) = self.state.action(key) {
            self.act(action);
        }
    }

    /// Does what no key does: the mouse, a resize.
    pub fn act(&mut self, action: Action) -> &mut Player {
        if let Action::Resize(width, height) = action {
            self.terminal.backend_mut().resize(width, height);
        }
        let effects = self.state.update(action);
        self.perform(effects);
        self
    }

    /// Holds back all answers from now on: the screen is that of work that has not come to anything yet, after so many events.
    pub fn hold(&mut self, looked_at: u64) -> &mut Player {
        self.held.get_or_insert_default();
        self.state.looked_at = Some(looked_at);
        self
    }

    /// Lets the answers come that were held back.
    pub fn release(&mut self) -> &mut Player {
        if let Some(effects) = self.held.take() {
            self.perform(effects);
        }
        self
    }

    /// Waits until the capture is found to have grown, and shows it; false when that did not happen in so long.
    pub fn grow(&mut self, patience: Duration) -> bool {
        let Some((ticket, answer)) = self.worker.next_answer(patience) else {
            return false;
        };
        let effects = self.state.receive(ticket, answer);
        self.perform(effects);
        true
    }

    /// Whether the user has left.
    pub fn left(&self) -> bool {
        self.left
    }

    /// Whether that was for the folder the capture was opened from.
    pub fn is_back(&self) -> bool {
        self.back
    }

    /// What was handed to the clipboard last.
    pub fn copied(&self) -> Option<&str> {
        self.copied.as_deref()
    }

    /// The screen as lines of text without the spaces at their ends.
    pub fn screen(&mut self) -> String {
        let state = &self.state;
        text_of(&mut self.terminal, |buffer| {
            let theme = Theme {
                mono: true,
                ..Theme::default()
            };
            view::draw(state, theme, buffer);
        })
    }

    /// Does what was asked for until nothing is left to do.
    fn perform(&mut self, mut effects: Vec<Effect>) {
        if let Some(held) = &mut self.held {
            held.append(&mut effects);
        }
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Ask(ticket, ask) => self.worker.ask(ticket, ask),
                    Effect::Cancel => self.worker.cancel(),
                    Effect::GiveUp(lane) => self.worker.give_up(lane),
                    Effect::Quit => self.left = true,
                    Effect::Leave => (self.left, self.back) = (true, true),
                    Effect::Copy(text) => self.copied = Some(text),
                    Effect::Save(path, text) => {
                        // What cannot be written is said on a terminal; a test looks for the file.
                        let _ = crate::notes::store(&path, &text);
                    }
                }
            }
            for (ticket, answer) in self.worker.settle() {
                effects.extend(self.state.receive(ticket, answer));
            }
        }
    }
}

/// What is drawn as lines of text without the spaces at their ends.
pub(crate) fn text_of(
    terminal: &mut Terminal<TestBackend>,
    draw: impl FnOnce(&mut Buffer),
) -> String {
    let Ok(frame) = terminal.draw(|frame| draw(frame.buffer_mut()));
    let (buffer, area) = (frame.buffer, frame.area);
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            // A wide character also fills the cell after it.
            x += (crate::fit::cells(symbol) as u16).max(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The keys of a text, as [`Player::press`] reads them.
pub fn keys(text: &str) -> Vec<Key> {
    let mut rest = text;
    let mut keys = Vec::new();
    while let Some(c) = rest.chars().next() {
        let (key, len) = named_key(rest).unwrap_or((Some(Key::Char(c)), c.len_utf8()));
        rest = rest.get(len..).unwrap_or_default();
        keys.extend(key);
    }
    keys
}

/// A key in angle brackets at the beginning, and the bytes it takes.
fn named_key(text: &str) -> Option<(Option<Key>, usize)> {
    let name = text.strip_prefix('<')?.split_once('>')?.0;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return None;
    }
    let named = [
        Key::Char(' '),
        Key::Enter,
        Key::Esc,
        Key::Backspace,
        Key::Delete,
        Key::Tab,
        Key::BackTab,
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
    ];
    let control = ('a'..='z').map(Key::Ctrl);
    let key = named
        .into_iter()
        .chain(control)
        .chain((1..=12).map(Key::F))
        .find(|key| key.to_string() == name);
    Some((key, name.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_as_help_names_them() {
        assert_eq!(named_key("<Enter>x"), Some((Some(Key::Enter), 7)));
        assert_eq!(named_key("<Ctrl-F>"), Some((Some(Key::Ctrl('f')), 8)));
        assert_eq!(named_key("<F10>"), Some((Some(Key::F(10)), 5)));
        assert_eq!(named_key("<Nonsense>"), Some((None, 10)));
        assert_eq!(named_key("< "), None);
    }
}
