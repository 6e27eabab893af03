//! A capture that is still being written, as it is later.

use super::{Session, lock};
use crate::error::Error;
use afterimage_format::ChunkInfo;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;

/// What became of the file of a capture that is open. What is read is read of the file itself, whatever its name is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// It is where it was.
    #[default]
    Here,
    /// No file has its name.
    Removed,
    /// Another file has its name.
    Replaced,
}

impl Place {
    /// What happened; nothing where nothing did.
    pub fn says(self) -> Option<&'static str> {
        match self {
            Place::Here => None,
            Place::Removed => Some("the file was removed"),
            Place::Replaced => Some("another file has its name now"),
        }
    }
}

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
        }
        let place = |info: &ChunkInfo| {
            let found = grown
                .chunks()
                .binary_search_by_key(&info.offset, |info| info.offset);
            found.ok()
        };
        let unreadable: BTreeMap<usize, String> = (lock(&self.unreadable).iter())
            .filter_map(|(at, why)| Some((place(self.chunks().get(*at)?)?, why.clone())))
            .collect();
        grown.unreadable = Mutex::new(unreadable);
        Ok(Some(grown))
    }

    /// Looks at the chunks of events before number `next` that this capture did not have when it was `before`: they were damaged when
    /// their turn came, and are told as what cannot be read, should they be so still.
    pub fn look_back(&self, before: &Session, next: u64) {
        let known = before.chunks();
        for info in self.chunks().iter().filter(|info| info.first_num < next) {
            if known
                .binary_search_by_key(&info.offset, |info| info.offset)
                .is_err()
            {
                // What is wrong with it is kept.
                let _ = self.event(info.first_num, |_| ());
            }
        }
    }

    /// What became of the file that is read, which had this name. Of a working copy nothing does: the name is that of what it is made of.
    ///
    /// # Errors
    /// When nothing can be learnt of the name.
    pub fn place(&self, path: &Path) -> io::Result<Place> {
        if self.has_no_seal() {
            return Ok(Place::Here);
        }
        match self.source.is_at(path) {
            Ok(true) => Ok(Place::Here),
            Ok(false) => Ok(Place::Replaced),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Place::Removed),
                _ => Err(error),
            },
        }
    }
}
