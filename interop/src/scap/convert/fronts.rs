//! What stands in front of the events, and begins a section anew.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::Converter;
use crate::error::Error;
use crate::scap::block::{self, Block, Kind, Lost};
use crate::scap::bytes::Cursor;
use crate::scap::lists;
use crate::scap::state::State;

impl Converter {
    /// A block in front of the events, or one that starts a section.
    pub fn list(&mut self, block: &Block<'_>) -> Result<(), Error> {
        let whole = match block.kind {
            Some(Kind::Section) => {
                self.section(block)?;
                true
            }
            Some(Kind::Machine) => {
                self.state.machine = lists::machine(block.body);
                self.state.machine.is_some()
            }
            Some(Kind::Interfaces(version)) => {
                self.state
                    .interfaces
                    .extend(lists::interfaces(block.body, version));
                true
            }
            Some(Kind::Users(version)) => {
                let state = &mut self.state;
                let opening = &mut self.opening;
                lists::accounts(block.body, version, |account| {
                    opening.listed(1);
                    state.add_account(&account);
                })
            }
            Some(Kind::Processes(version)) => {
                let state = &mut self.state;
                let opening = &mut self.opening;
                lists::processes(block.body, version, |thread| {
                    opening.listed(1);
                    state.add_listed(&thread);
                })
            }
            Some(Kind::Descriptors(version)) => {
                let (count, whole) = self.state.add_descriptors(block.body, version);
                self.opening.listed(count);
                whole
            }
            Some(Kind::Event { .. }) => true,
            None => return self.stranger(block),
        };
        if !whole {
            self.lose(Lost {
                at: block.at,
                torn: false,
                count: None,
                detail: format!("a list of type {:#x} ends in the middle", block.ty),
            });
        }
        Ok(())
    }

    fn section(&mut self, block: &Block<'_>) -> Result<(), Error> {
        let mut cursor = Cursor::new(block.body);
        let magic = cursor.u32().unwrap_or(0);
        let major = cursor.u16().unwrap_or(0);
        let _ = (cursor.u16(), cursor.u64());
        if magic == block::MAGIC.swap_bytes() {
            return Err(Error::Not(
                "the capture was written on a machine with the other byte order, which no writer of scap is known to do".to_owned(),
            ));
        }
        if major > 1 && self.report.sections == 0 {
            return Err(Error::Not(format!(
                "the capture has version {major} of scap; known is version 1"
            )));
        }
        self.report.sections += 1;
        self.latest = 0;
        self.opening.section();
        self.notes.extend(
            lists::comments(cursor.rest())
                .into_iter()
                .map(|text| (self.last_ts, text)),
        );
        if self.report.sections > 1 {
            // Nothing of the section before is true here.
            let silent = self.rows.silent(&mut self.state);
            self.opening.section_ended(silent);
            self.state = State::new();
            let before = std::mem::take(&mut self.rows);
            self.rows.go_on(before);
        }
        Ok(())
    }

    fn stranger(&mut self, block: &Block<'_>) -> Result<(), Error> {
        // An interface description behind a section header is what network captures have there.
        if block.ty == 1
            && self.report.events == 0
            && self.state.machine.is_none()
            && self.state.threads.is_empty()
        {
            return Err(Error::Not(
                "this is a capture of network packets (pcapng), not of system calls".to_owned(),
            ));
        }
        let detail = format!(
            "a block of {} bytes has the unknown type {:#x}",
            block.body.len() + 12,
            block.ty
        );
        self.lose(Lost {
            at: block.at,
            torn: false,
            count: Some(0),
            detail,
        });
        Ok(())
    }
}
