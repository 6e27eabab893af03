//! Searching a capture that is still being written: what is found is shown as it comes.

use super::{Printing, Search};
use crate::failure::{Exit, Outcome};
use crate::following::Followed;
use crate::found;
use crate::output::{Output, say};
use crate::source::{explain, unreadable};
use afterimage_indexer::{Ask, Finding};
use afterimage_model::Ctx;
use std::io::Write;

impl Search {
    /// Shows what is found until the capture is sealed, or nobody wants to see more.
    pub(super) fn followed(&self, out: &mut Output, ask: &Ask) -> Outcome {
        let mut followed = Followed::open(&self.place)?;
        let (from, to) = (self.when.from.as_deref(), self.when.to.as_deref());
        let progress = followed.progress();
        let limit = self.number.unwrap_or(usize::MAX);
        let mut printing = Printing::new(self, followed.session.schema(), limit)?;
        let mut finding = Finding::default();
        let (mut found, mut truncated) = (0, false);
        loop {
            let span = followed.span(from, to, self.when.tz)?;
            if followed.has_begun() && found < limit {
                let (session, shown) = followed.asked();
                let failed = |error| unreadable(&self.place, &error);
                if self.events {
                    let mut each = |ctx: &Ctx<'_>| printing.event(out, ctx);
                    session
                        .search_events_on(ask, span, shown, &progress, &mut each)
                        .map_err(failed)?;
                    found = printing.done()?;
                } else {
                    let asked = (&mut finding, shown);
                    let hits = session.search_on(ask, span, asked, &progress);
                    let mut hits = hits.map_err(failed)?;
                    truncated |= hits.truncated;
                    hits.hits.truncate(limit - found);
                    found += hits.hits.len();
                    let manifest = session.manifest();
                    if self.json && !self.quiet {
                        for hit in &hits.hits {
                            writeln!(out, "{}", found::json(hit, manifest, None))?;
                        }
                    } else if !self.quiet {
                        found::write(out, &hits.hits, manifest, self.when.tz, self.by)?;
                    }
                }
                out.flush()?;
            }
            if found >= limit || self.quiet && found > 0 || !followed.goes_on()? {
                break;
            }
        }
        if truncated {
            say("afterimage: more things were found than can be kept: of some nothing was shown");
        }
        let exit = followed.report_loss(&progress);
        if self.explain {
            explain(&progress.work);
        }
        Ok(match (self.quiet, found) {
            (false, _) => exit,
            (true, 0) => Exit::Failed,
            (true, _) => Exit::Done,
        })
    }
}
