//! Events that change nothing but which call their thread is in: most of them, followed without telling their parameters
//! apart. What is done here is what [`State::follow`] does of them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::effects::{Effect, effect};
use super::*;
use crate::scap::event::Glance;

impl State {
    /// Follows an event if it is such a one; else false, and nothing is done.
    pub fn follow_quiet(&mut self, raw: &Glance<'_>) -> bool {
        let row = raw.row;
        let moved = match effect(raw.code) {
            Effect::Nothing => false,
            // Those that carry addresses may name their socket.
            Effect::Moved if matches!(raw.code, 31 | 35 | 49 | 53) => return false,
            Effect::Moved => true,
            _ => return false,
        };
        // The old switch keeps the books of its CPU, and copies of descriptors are about the one they copy.
        if row.skips || matches!(raw.code, 146 | 333) || !self.ready || !self.listed.is_empty() {
            return false;
        }
        self.catch_up();
        let Some(thread) = self.threads.get(&raw.tid) else {
            return false;
        };
        let paired = thread.last_code + 1 == i32::from(raw.code);
        if !raw.is_entry() && !paired && row.fd.is_some() {
            return false;
        }
        let shares = thread.flags & CLONE_FILES != 0 && !thread.is_main();
        if shares || moved {
            let owner = match shares && is_about_fd(row) {
                true => self.threads.get(&thread.pid),
                false => Some(thread),
            };
            let Some(owner) = owner else { return false };
            if moved && paired && raw.int().is_none_or(|result| result >= 0) {
                let fd = owner.fds.get(&thread.last_fd);
                if fd.is_some_and(|fd| fd.is_pair() && !fd.connected) {
                    return false;
                }
            }
        }
        let Some(thread) = self.threads.get_mut(&raw.tid) else {
            return false;
        };
        if raw.is_entry() {
            thread.last_fd = match row.uses {
                true => raw.int().unwrap_or(-1),
                false => -1,
            };
            thread.last_code = i32::from(raw.code);
            thread.latency = 0;
            thread.entered = raw.ts;
        } else {
            if thread.entered != 0 {
                thread.latency = raw.ts.saturating_sub(thread.entered);
            }
            thread.paired = paired;
            thread.entry = None;
        }
        true
    }
}
