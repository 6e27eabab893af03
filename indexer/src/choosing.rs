//! Which events of a chunk are to be asked: told first from the rows they may point at, then from what is known of each without
//! arguments and result.

use crate::session::{Session, Visitor};
use afterimage_format::{Choose, Chunk, Zone};
use afterimage_model::{Tables, TypeId};
use afterimage_query::{Among, Evaluator};

/// Asks an evaluator and a visitor.
pub(crate) struct Choosing<'s> {
    session: &'s Session,
    evaluator: &'s mut Option<Evaluator>,
    visitor: &'s mut dyn Visitor,
    /// What the evaluator remembers is of this chunk.
    knows: bool,
}

impl<'s> Choosing<'s> {
    pub fn new(
        session: &'s Session,
        evaluator: &'s mut Option<Evaluator>,
        visitor: &'s mut dyn Visitor,
    ) -> Choosing<'s> {
        Choosing {
            session,
            evaluator,
            visitor,
            knows: false,
        }
    }
}

impl Choose for Choosing<'_> {
    fn rows(&mut self, zone: &Zone, tables: &Tables) -> bool {
        let Some(evaluator) = self.evaluator else {
            return true;
        };
        evaluator.forget();
        self.knows = true;
        let types: Vec<TypeId> = zone.types.iter().map(|row| row.0).collect();
        evaluator.may_match_among(&Among {
            manifest: self.session.manifest(),
            schema: self.session.schema(),
            tables,
            types: &types,
            procs: &zone.procs,
        })
    }

    fn events(&mut self, chunk: &Chunk) -> Vec<bool> {
        self.visitor.chunk();
        if let Some(evaluator) = self.evaluator.as_mut().filter(|_| !self.knows) {
            evaluator.forget();
        }
        let events = chunk.events.iter().enumerate();
        events
            .map(|(place, event)| {
                let num = chunk.first_num.saturating_add(place as u64);
                let ctx = self.session.ctx(chunk, event, num, None);
                self.evaluator
                    .as_mut()
                    .is_none_or(|evaluator| evaluator.by_head(&ctx) != Some(false))
                    && self.visitor.may_want(&ctx)
            })
            .collect()
    }
}
