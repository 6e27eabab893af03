//! Search in a capture that grows: only what came is looked at, and what is new or was met again is told.

use super::lists::Meant;
use super::rank::Pile;
use super::{Collecting, Hits, Picking};
use crate::error::Error;
use crate::index::{Ask, Gather, apart};
use crate::session::{Progress, Session, Shown, Span};
use afterimage_model::Ctx;

/// What was found so far in a capture that grows.
#[derive(Default)]
pub struct Finding {
    pile: Pile,
}

impl Session {
    /// As [`Session::search`], of a capture that was asked before when it had fewer events: what is found for the first time, and what
    /// more events are about than when it was told last. Conditions on the age of events mean the instant of the first time.
    ///
    /// # Errors
    /// When what is asked for makes no sense.
    pub fn search_on(
        &self,
        ask: &Ask,
        span: Span,
        (finding, shown): (&mut Finding, &mut Shown),
        progress: &Progress,
    ) -> Result<Hits, Error> {
        let filter = self.conditions(ask)?;
        let mut collecting = Collecting::new(self, Meant::new(ask, None), (usize::MAX, None));
        collecting.pile = std::mem::take(&mut finding.pile);
        let asked = (filter.as_ref(), span);
        self.walk_on(asked, shown, progress, &mut collecting);
        collecting.settle();
        finding.pile = collecting.pile;
        if filter.is_none() && span.is_none() {
            // They are told once, however often they are added: no event is about them.
            for (thing, tally) in apart(self) {
                finding.pile.add(ask, &thing, &tally);
            }
        }
        Ok(finding.pile.news(ask))
    }

    /// As [`Session::search_events`], those that were not shown before.
    ///
    /// # Errors
    /// When what is asked for makes no sense.
    pub fn search_events_on(
        &self,
        ask: &Ask,
        span: Span,
        shown: &mut Shown,
        progress: &Progress,
        each: &mut dyn FnMut(&Ctx<'_>) -> bool,
    ) -> Result<(), Error> {
        let filter = self.conditions(ask)?;
        let mut picking = Picking {
            gather: Gather::new(),
            meant: Meant::new(ask, None),
            each,
        };
        let asked = (filter.as_ref(), span);
        self.walk_on(asked, shown, progress, &mut picking);
        Ok(())
    }
}
