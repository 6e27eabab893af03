//! What is kept beside the capture, and the way back to where the user was when they left.

use super::{Body, Effect, Pane, State, Step, Table};
use crate::action::Action;
use crate::fit;
use crate::keymap::bindings;
use crate::notes::{self, KeptStep, Notes, Place};
use crate::waste::drop_elsewhere;
use afterimage_query::{Filter, View, view, view_by};

/// The view of a kept step.
fn kept_view(text: &str) -> Option<&'static View> {
    match text.strip_prefix("by ") {
        Some(field) => view_by(field).ok(),
        None => view(text),
    }
}

/// A filter from its text; an empty one is none.
fn kept_filter(text: &str) -> Option<Option<Filter>> {
    match text {
        "" => Some(None),
        text => Filter::parse(text).ok().map(Some),
    }
}

impl State {
    /// The filters of the trail that hold.
    pub(super) fn filters(&self) -> impl Iterator<Item = &Filter> {
        let fresh = self.trail.iter().rposition(|step| step.fresh);
        let steps = self.trail.iter().skip(fresh.unwrap_or(0));
        steps
            .flat_map(|step| [&step.narrowing, &step.filter])
            .flatten()
    }

    /// Takes what was kept of the capture.
    pub fn take_notes(&mut self, notes: Notes) {
        self.bookmarks = notes.bookmarks;
        self.history = notes.filters;
        self.left_at = notes.place;
        let mut rows = bindings().iter();
        let keys = rows.find(|row| row.action == Action::Resume);
        if let Some(key) = keys.and_then(|row| row.keys.first())
            && !self.left_at.steps.is_empty()
        {
            self.say(&format!("{key} leads to where you were last"), false);
        }
    }

    /// Writes bookmarks, filters and the trail beside the capture.
    pub(super) fn save(&mut self) {
        if let (false, Some(path)) = (self.read_only, &self.notes) {
            let notes = Notes {
                bookmarks: self.bookmarks.clone(),
                filters: self.history.clone(),
                place: self.place(),
            };
            let effect = Effect::Save(path.clone(), notes::write(&notes));
            self.effects.push(effect);
        }
    }

    /// Where the user is.
    fn place(&self) -> Place {
        let print = |filter: &Option<Filter>| filter.as_ref().map_or(String::new(), Filter::print);
        let kept = |step: &Step| KeptStep {
            view: match (step.view.id, step.view.keys().next()) {
                ("by", Some(field)) => format!("by {field}"),
                (id, _) => id.to_owned(),
            },
            from: step.from.clone(),
            narrowing: print(&step.narrowing),
            filter: step.filter_text.clone(),
            fresh: step.fresh,
        };
        Place {
            steps: self.trail.iter().map(kept).collect(),
            span: self.span,
            at: self.at,
            event: match &self.step().body {
                Body::Events(list) => list.num(list.cursor),
                Body::Table(_) | Body::Overview(_) => None,
            },
            tiles: self.courses.kept(),
        }
    }

    /// Keeps the trail when the user leaves. Who has marked no event and no tile and typed no filter leaves nothing behind.
    pub(super) fn keep_place(&mut self) {
        let leaves = |effect: &Effect| matches!(effect, Effect::Quit | Effect::Leave);
        let works =
            !self.bookmarks.is_empty() || !self.history.is_empty() || !self.courses.is_empty();
        if let Some(at) = self.effects.iter().position(leaves)
            && works
        {
            let after = self.effects.split_off(at);
            self.save();
            self.effects.extend(after);
        }
    }

    /// Goes to where the user was when they left last, as far as that can be read.
    pub(super) fn resume(&mut self) {
        let place = self.left_at.clone();
        let mut trail = Vec::new();
        for kept in &place.steps {
            let (Some(view), Some(narrowing), Some(filter)) = (
                kept_view(&kept.view),
                kept_filter(&kept.narrowing),
                kept_filter(&kept.filter),
            ) else {
                break;
            };
            trail.push(Step {
                view,
                from: fit::plain(&kept.from),
                narrowing,
                filter,
                filter_text: kept.filter.clone(),
                fresh: kept.fresh,
                body: Body::Table(Table::default()),
            });
        }
        if trail.is_empty() {
            return self.say(
                "nothing is kept of where you were: the way is kept with marks and filters",
                true,
            );
        }
        drop_elsewhere(std::mem::replace(&mut self.trail, trail));
        let tiles = place.tiles.iter();
        self.mark_tiles(tiles.map(|(letter, id)| (*letter, id.as_str())));
        let (first, last) = self.facts.span.unwrap_or((0, 0));
        let inside = |at: &u64| (first..=last).contains(at);
        self.at = place.at.filter(inside);
        self.playing = false;
        self.pane = Pane::Body;
        let span = place.span.filter(|(a, b)| a <= b && inside(a) && inside(b));
        if span != self.span {
            self.span = span;
            self.timeline.mark = None;
            self.timeline.histogram = None;
            self.courses.counted = None;
        }
        self.reload();
        if let (Body::Events(list), Some(num)) = (&mut self.step_mut().body, place.event) {
            list.go_to(num);
        }
    }
}
