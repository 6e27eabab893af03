//! A walk for rules: it passes over what no rule can match, and shows the rest to whoever asks them.

use crate::session::Visitor;
use afterimage_detect::Detector;
use afterimage_model::{Ctx, Schema, TypeDesc, TypeId};

/// Types of events that tell of containers and accounts.
const TOLD: [&str; 5] = [
    "container",
    "useradded",
    "userdeleted",
    "groupadded",
    "groupdeleted",
];

/// Shows the detector every event that some rule may match; `each` asks it, and ends the walk with `false`.
pub struct Ruled<E> {
    detector: Detector,
    each: E,
}

impl<E: FnMut(&mut Detector, &Ctx<'_>) -> bool> Ruled<E> {
    /// A walk for the rules of this detector.
    pub fn new(detector: Detector, each: E) -> Ruled<E> {
        Ruled { detector, each }
    }
}

impl<E: FnMut(&mut Detector, &Ctx<'_>) -> bool> Visitor for Ruled<E> {
    fn wants(&mut self, schema: &Schema, ty: TypeId) -> bool {
        self.detector.may_match_type(schema, ty)
    }

    /// Falco asks its rules of what sysdig hides, too, but for what is told of containers and accounts.
    fn wants_internal(&self, ty: &TypeDesc) -> bool {
        ty.is(TypeDesc::SCAP) && !TOLD.contains(&ty.name.as_str())
    }

    fn sifts(&self) -> bool {
        true
    }

    fn may_want(&mut self, ctx: &Ctx<'_>) -> bool {
        self.detector.may_match(ctx)
    }

    fn chunk(&mut self) {
        self.detector.forget();
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        (self.each)(&mut self.detector, ctx)
    }
}
