//! A capture that is still being written, as it is later.

use super::{Session, lock};
use crate::error::Error;
use std::sync::Mutex;

impl Session {
    /// Whether it may still grow: it is not sealed.
    pub fn may_grow(&self) -> bool {
        self.source.may_grow()
    }

    /// This capture with what was added to its file since, asked as this one is; `None` when nothing whole was, and of a sealed one.
    /// An index is not taken along: it does not know what came.
    ///
    /// # Errors
    /// As [`afterimage_format::Reader::grown`].
    pub fn grown(&self) -> Result<Option<Session>, Error> {
        let Some(source) = self.source.grown()? else {
            return Ok(None);
        };
        let mut grown = Session::from_source(source);
        grown.shows_internal = self.shows_internal;
        grown.rules = self.rules.clone();
        // Chunks stay at their places, but where one was damaged before the index was read that lists it all the same.
        if grown.chunks().starts_with(self.chunks()) {
            grown.kept = Mutex::new(lock(&self.kept).clone());
            grown.unreadable = Mutex::new(lock(&self.unreadable).clone());
        }
        Ok(Some(grown))
    }
}
