//! A capture that grows while it is looked at: what is on screen is asked for anew, and the user stays where they are.

use super::{Body, State};
use crate::facts::Facts;
use crate::state::events::Numbers;
use crate::worker::{Ask, Lane};
use afterimage_indexer::Place;
use afterimage_query::Filter;

impl State {
    /// Takes what is known of the capture now.
    pub(super) fn grew(&mut self, facts: Facts) {
        let before = self.facts.events;
        let name = std::mem::take(&mut self.facts.name);
        let place = self.facts.place;
        self.facts = Facts {
            name,
            place,
            ..facts
        };
        if self.facts.events > before {
            self.behind.get_or_insert(before);
        }
        self.catch_up();
    }

    /// Says what became of the file. What was read of it stays, and what is still written to it is shown.
    pub(super) fn moved(&mut self, place: Place) {
        self.facts.place = place;
        match place.says() {
            Some(says) => self.say(&format!("{says}; what was read of it stays"), true),
            None => self.say("the file has its name again", false),
        }
    }

    /// Asks anew for what is on screen when there are more events, once what was asked for before has come: on a large capture that
    /// takes longer than the next events do.
    pub(super) fn catch_up(&mut self) {
        let busy = [Lane::Body, Lane::Timeline, Lane::Courses, Lane::Alerts];
        if busy.iter().any(|lane| self.tickets.contains_key(lane)) {
            return;
        }
        let Some(before) = self.behind.take() else {
            return;
        };
        self.alerts_asked = false;
        // Of what came after it an instant or a stretch that is looked at tells nothing.
        if self.span.is_none() {
            self.timeline.asked = 0;
            self.courses.forget_asked();
        }
        if self.span.is_some() || self.at.is_some() {
            return;
        }
        let (view, which) = (self.step().view, self.which());
        let matching = self.which_of_view();
        let all = self.facts.events;
        match &mut self.step_mut().body {
            Body::Overview(_) => self.ask(Ask::Overview(which)),
            Body::Table(table) => {
                table.forget();
                self.ask(Ask::Rows(view, which));
            }
            Body::Events(list) => match &mut list.numbers {
                Numbers::All(events) => {
                    let at_end = list.cursor > 0 && list.cursor as u64 + 1 >= *events;
                    *events = all;
                    if at_end {
                        list.go_to(all);
                    }
                }
                // What a filter remembers of the events before is known only by asking from the first on.
                Numbers::Some(_) if matching.filter.as_ref().is_some_and(Filter::is_ordered) => {
                    self.reload();
                }
                Numbers::Some(nums) if list.last && list.complete => {
                    list.follows = list.cursor > 0 && list.cursor + 1 >= nums.len();
                    list.last = false;
                    self.ask(Ask::Matches(matching, before.saturating_add(1)));
                }
                Numbers::Some(_) => {}
            },
        }
    }
}
