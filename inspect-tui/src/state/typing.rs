//! Typing, and what lies over the screen.

use super::entry::{Entry, Kind};
use super::{Body, Effect, State};
use crate::action::Action;
use crate::worker::Ask;
use afterimage_query::Filter;
use std::path::PathBuf;

impl State {
    pub(super) fn update_entry(&mut self, action: Action) {
        let Some(entry) = &mut self.entry else { return };
        if entry.edit(action) {
            return;
        }
        match action {
            Action::Complete => entry.complete(),
            Action::Cancel => self.entry = None,
            Action::Up => self.recall(true),
            Action::Down => self.recall(false),
            Action::Accept => self.accept(),
            _ => {}
        }
    }

    /// The entry above or below in the list of views, or the filter typed before or after.
    fn recall(&mut self, up: bool) {
        let Some(entry) = &mut self.entry else { return };
        match entry.kind {
            Kind::View | Kind::Through | Kind::Column => {
                let view = self.trail.last().map(|step| step.view);
                let choices = view.map_or(0, |view| entry.choices(view));
                let last = choices.saturating_sub(1);
                entry.choice = if up {
                    entry.choice.saturating_sub(1)
                } else {
                    (entry.choice + 1).min(last)
                };
            }
            Kind::Filter => {
                // `choice` counts back from the newest; 0 is the line that was there at first.
                let choice = if up {
                    entry.choice + 1
                } else {
                    entry.choice.saturating_sub(1)
                };
                if choice == 0 {
                    entry.choice = 0;
                    entry.set(String::new());
                } else if let Some(text) = self
                    .history
                    .len()
                    .checked_sub(choice)
                    .and_then(|at| self.history.get(at))
                {
                    entry.set(text.clone());
                    entry.choice = choice;
                }
            }
            Kind::Search | Kind::GoTo | Kind::Export | Kind::Note => {}
        }
    }

    fn accept(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let text = entry.text.trim().to_owned();
        match entry.kind {
            Kind::Filter => match if text.is_empty() {
                None
            } else {
                Filter::parse(&text).err()
            } {
                Some(error) => {
                    entry.text = text;
                    entry.caret = entry.text.len();
                    entry.hints.clear();
                    entry.error = Some(error);
                    self.entry = Some(entry);
                }
                None => {
                    if !text.is_empty() && self.history.last() != Some(&text) {
                        self.history.push(text.clone());
                        self.save();
                    }
                    self.set_filter(text);
                }
            },
            Kind::Search => {
                self.needle = text.to_lowercase();
                if !self.needle.is_empty() {
                    self.find(false);
                }
            }
            Kind::GoTo => self.go_to_text(&text),
            Kind::Export => {
                if !text.is_empty() {
                    let view = self.step().view;
                    let which = if matches!(self.step().body, Body::Events(_)) {
                        self.which_of_view()
                    } else {
                        self.which()
                    };
                    self.ask(Ask::Export {
                        view,
                        which,
                        path: PathBuf::from(text),
                    });
                }
            }
            Kind::Note => self.take_note(entry.about, text),
            Kind::View => match entry.views().get(entry.choice) {
                Some(view) => self.open(view),
                None => self.say("there is no such view", true),
            },
            Kind::Through => match entry.views().get(entry.choice) {
                Some(view) => self.go_into(view),
                None => self.say("there is no such view", true),
            },
            Kind::Column => {
                let view = self.step().view;
                match entry.columns(view).get(entry.choice) {
                    Some(column) => self.toggle_column(*column),
                    None => self.say("there is no such column", true),
                }
                // One rarely wants to be rid of one only: Esc leaves.
                self.entry = Some(entry);
            }
        }
    }

    pub(super) fn update_overlay(&mut self, action: Action) {
        let page = usize::from(self.size.1).saturating_sub(4).max(1);
        let last = crate::overlay::lines(self).len().saturating_sub(page);
        let Some((_, top)) = &mut self.overlay else {
            return;
        };
        match action {
            Action::Up => *top = top.saturating_sub(1),
            Action::Down => *top = (*top + 1).min(last),
            Action::PageUp => *top = top.saturating_sub(page),
            Action::PageDown => *top = (*top + page).min(last),
            Action::Wheel(by) if by < 0 => *top = top.saturating_sub(3),
            Action::Wheel(_) => *top = (*top + 3).min(last),
            Action::Home => *top = 0,
            Action::End => *top = last,
            Action::Cancel | Action::Press(..) => self.overlay = None,
            Action::Quit => self.effects.push(Effect::Quit),
            _ => {}
        }
    }
}

impl Entry {
    /// The first line of the list of views on screen, when there is room for so many.
    pub fn first_choice(&self, lines: usize) -> usize {
        (self.choice + 1).saturating_sub(lines)
    }
}
