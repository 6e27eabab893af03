//! Which of several filters may match an event, found once for each type, process and file: these decide most of what filters
//! ask, and most events have them from others.

use afterimage_model::{Ctx, FileId, ProcId, TypeId};
use hashbrown::HashMap;

/// A set of filters, by their places.
pub(crate) type Places = u128;

/// The places of a set, ascending.
pub(crate) fn each(mut places: Places) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (places != 0).then(|| places.trailing_zeros() as usize)?;
        places &= places - 1;
        Some(at)
    })
}

/// What was found of one chunk.
#[derive(Default)]
pub(crate) struct Likely {
    known: HashMap<(TypeId, ProcId, Option<FileId>), Places>,
}

impl Likely {
    /// The filters that may match an event: `may` says it of each in their order, by type, process and file alone.
    pub fn of<I: Iterator<Item = bool>>(
        &mut self,
        ctx: &Ctx<'_>,
        may: impl FnOnce() -> I,
    ) -> Places {
        let event = ctx.event;
        let of = (event.ty, event.proc, event.file);
        *self.known.entry(of).or_insert_with(|| {
            let each = may().enumerate();
            each.fold(0, |places, (at, may)| places | Places::from(may) << at)
        })
    }

    /// Forgets it: to be called before events that come with other tables.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}
