//! What stands behind the events.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::Converter;
use crate::error::Error;
use crate::scap::block::Lost;
use crate::scap::stream::Report;
use afterimage_format::{Note, Writer};
use afterimage_model::{BootNs, Tables, Totals};
use std::io::Write;

impl Converter {
    /// What is left to be said behind the last event.
    pub fn close(&mut self) {
        let last = self.last_ts;
        if self.state.refused_threads > 0 {
            let detail = format!(
                "{} threads more than can be followed at once",
                self.state.refused_threads
            );
            self.lose(Lost {
                at: 0,
                torn: false,
                count: Some(0),
                detail,
            });
        }
        self.settle(last);
    }

    /// Everything that is there behind the last event.
    pub fn known(&mut self) -> Tables {
        self.state.catch_up();
        self.rows.opening(&mut self.state)
    }

    /// Writes notes, gaps and the state at the end, and ends the capture.
    pub fn finish<W: Write>(mut self, mut writer: Writer<W>) -> Result<(W, Report), Error> {
        self.close();
        let last = self.last_ts;
        for (about, text) in std::mem::take(&mut self.notes) {
            writer.note(&Note {
                made_ns: i64::try_from(about).unwrap_or(0),
                about: Some(BootNs(about)),
                author: String::new(),
                text: String::from_utf8_lossy(&text).into_owned(),
                ..Note::default()
            })?;
        }
        if self.surplus > 0 {
            writer.note(&Note {
                made_ns: 0,
                about: Some(BootNs(last)),
                author: "afterimage".to_owned(),
                text: format!(
                    "{} parameters of a later version of scap have no names here; evt.surplus shows them",
                    self.surplus
                ),
                ..Note::default()
            })?;
        }
        for gap in &self.report.gaps {
            writer.gap(gap)?;
        }
        let known: u64 = self.report.gaps.iter().filter_map(|gap| gap.count).sum();
        let totals = Totals {
            offered: self.report.events + known,
            written: self.report.events,
            dropped: known,
            ..Totals::default()
        };
        // Who looks at an instant has no event to ask for their names.
        let silent = self.rows.silent(&mut self.state);
        writer.state(BootNs(last), &silent)?;
        let out = writer.seal(&totals, &Tables::default())?;
        Ok((out, self.report))
    }
}
