//! What is asked of the worker: anew when the step on screen changes, and whatever is on screen and not at hand.

use super::events::EventList;
use super::look::Under;
use super::table::Table;
use super::{Body, Effect, Overview, State, first_kept};
use crate::show::SELECTS;
use crate::waste::drop_elsewhere;
use crate::worker::{Ask, Lane, Which};
use afterimage_query::Shape;

impl State {
    /// Asks again for what the step on screen shows, and for the timeline.
    pub(super) fn reload(&mut self) {
        let view = self.step().view;
        let which = self.which();
        // What is asked no more is worked on no more: it would take time from what is asked next. While the instant moves on the
        // timeline stays as it is.
        let playing = self.playing;
        let caused = self.under() == Under::Caused;
        let stays = |lane: Lane| match lane {
            Lane::Errand | Lane::Marks | Lane::Alerts => true,
            Lane::Timeline | Lane::Courses => playing,
            // What was done at a terminal is the same at every instant.
            Lane::Said => caused,
            _ => false,
        };
        let given_up = self.tickets.keys().filter(|lane| !stays(**lane));
        self.effects.extend(given_up.copied().map(Effect::GiveUp));
        self.tickets.retain(|lane, _| stays(*lane));
        match view.shape {
            Shape::Overview => {
                let cursor = if let Body::Overview(old) = &self.step().body {
                    old.cursor
                } else {
                    0
                };
                self.set_body(Body::Overview(Overview {
                    cursor,
                    ..Overview::default()
                }));
                self.ask(Ask::Overview(which));
            }
            Shape::Events => {
                let which = self.which_of_view();
                // Only where every event is shown are their numbers known without looking.
                let every = which.filter.is_none() && which.span.is_none() && !self.facts.hides;
                let all = every.then_some(self.facts.events);
                let mut list = EventList::new(all);
                if self.size.0 < SELECTS {
                    list.column = first_kept(view.keeps, view.columns);
                }
                if let Body::Events(old) = &self.step().body {
                    list.column = old.column;
                    if let Some(num) = old.num(old.cursor) {
                        list.go_to(num);
                    }
                }
                self.set_body(Body::Events(Box::new(list)));
                if all.is_none() {
                    self.ask(Ask::Matches(which, 1));
                }
            }
            Shape::Table | Shape::List | Shape::Tree | Shape::Gaps | Shape::Made(_) => {
                if !matches!(self.step().body, Body::Table(_)) {
                    self.set_body(Body::Table(Table::default()));
                }
                // Where not all columns fit, the one that says most is selected, as a selected one is always there.
                let narrow = self.size.0 < SELECTS;
                if let Body::Table(table) = &mut self.step_mut().body {
                    // What stood below is asked for again with the new rows.
                    if !caused {
                        table.below.asked = None;
                    }
                    table.below.look.asked = 0;
                    table.forget();
                }
                if let Body::Table(table) = &mut self.step_mut().body
                    && !table.loaded
                    && narrow
                {
                    table.column = first_kept(view.keeps, view.columns);
                }
                self.ask(Ask::Rows(view, which));
            }
        }
        if !self.playing {
            self.timeline.asked = 0;
            self.courses.forget_asked();
        }
    }

    /// Gives the step on screen something else to show.
    pub(super) fn set_body(&mut self, body: Body) {
        drop_elsewhere(std::mem::replace(&mut self.step_mut().body, body));
    }

    /// Has rows arranged that are too many to do it at once.
    fn settle_order(&mut self) {
        if let Body::Table(table) = &mut self.step_mut().body
            && let Some((wanted, stands)) = table.ask()
        {
            self.ask(Ask::Arrange(wanted, stands));
        }
    }

    /// Keeps what is selected on screen, and asks for what is on screen and not at hand.
    pub(super) fn settle(&mut self) {
        self.settle_column();
        self.settle_order();
        self.follow_instant();
        self.keep_in_sight();
        self.settle_marks();
        self.settle_below();
        let steps = usize::from(self.plan().strip().width);
        if steps > 0 && steps != self.timeline.asked {
            self.timeline.asked = steps;
            let which = Which {
                span: self.span,
                ..self.which()
            };
            self.ask(Ask::Timeline(which, steps));
        }
        self.settle_courses();
        let lines = self.list_lines();
        let columns = self.step().view.columns;
        let Body::Events(list) = &mut self.step_mut().body else {
            return;
        };
        let page = list.wants(lines);
        if let Some((first, count)) = page
            && let Some(from) = list.num(first)
        {
            list.asked = page;
            let which = self.which_of_view();
            self.ask(Ask::Page {
                which,
                columns,
                from,
                count,
            });
        }
    }
}
