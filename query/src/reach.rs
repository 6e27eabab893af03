//! Where a filter may match, told from the values that fields have there: how an index passes over parts of a capture.

use crate::expr::{Expr, Filter};
use crate::field::FieldRef;
use afterimage_model::FieldValue;

/// A set of places.
pub trait Places: Sized {
    /// Places of both.
    fn both(self, other: Self) -> Self;
    /// Places of either.
    fn either(self, other: Self) -> Self;
}

/// Whether a value of a field fits a comparison.
pub type Fits<'f> = &'f dyn Fn(&FieldValue<'_>) -> bool;

impl Filter {
    /// Whether what it says of an event depends on which it was asked of before, so that events must come in order, each once.
    pub fn is_ordered(&self) -> bool {
        self.plan.since
    }

    /// The places outside which no event matches; `None` when every place may hold one. `of` is asked for the places where a
    /// field may have a value that fits, and says `None` when it does not know.
    pub fn reach<P: Places>(
        &self,
        of: &mut dyn FnMut(&FieldRef, Fits<'_>) -> Option<P>,
    ) -> Option<P> {
        // What was asked before counts: then every event is asked.
        if self.plan.since {
            return None;
        }
        reach(&self.expr, of)
    }
}

fn reach<P: Places>(
    expr: &Expr,
    of: &mut dyn FnMut(&FieldRef, Fits<'_>) -> Option<P>,
) -> Option<P> {
    match expr {
        // What does not hold of one value may hold of another in the same place.
        Expr::All | Expr::Not(_) => None,
        Expr::And(parts) => parts
            .iter()
            .filter_map(|part| reach(part, of))
            .reduce(P::both),
        Expr::Or(parts) => {
            let mut parts = parts.iter();
            let first = reach(parts.next()?, of)?;
            parts.try_fold(first, |found, part| Some(found.either(reach(part, of)?)))
        }
        Expr::Test(test) => {
            if test.matcher.right().is_some() {
                return None;
            }
            let matcher = &test.matcher;
            of(test.left.field()?, &|value| matcher.matches(value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    impl Places for BTreeSet<u32> {
        fn both(self, other: Self) -> Self {
            self.intersection(&other).copied().collect()
        }
        fn either(self, other: Self) -> Self {
            self.union(&other).copied().collect()
        }
    }

    fn places(filter: &str) -> Option<Vec<u32>> {
        let names: [(&str, u32); 3] = [("sh", 1), ("sshd", 2), ("nginx", 3)];
        let mut of = |field: &FieldRef, fits: Fits<'_>| {
            let known = field.field().name == "proc.name";
            known.then(|| {
                let fitting = names
                    .iter()
                    .filter(|(name, _)| fits(&FieldValue::str(name)));
                fitting.map(|(_, place)| *place).collect::<BTreeSet<u32>>()
            })
        };
        let filter = Filter::parse(filter).unwrap();
        filter
            .reach(&mut of)
            .map(|found| found.into_iter().collect())
    }

    #[test]
    fn places_are_joined_as_conditions_are_and_doubt_is_everywhere() {
        assert_eq!(places("proc.name=sh"), Some(vec![1]));
        assert_eq!(places("proc.name contains s"), Some(vec![1, 2]));
        assert_eq!(places("proc.name in (sh, nginx)"), Some(vec![1, 3]));
        assert_eq!(places("proc.name=sh and fd.name=x"), Some(vec![1]));
        assert_eq!(places("proc.name=sh or fd.name=x"), None);
        assert_eq!(places("proc.name=sh or proc.name=sshd"), Some(vec![1, 2]));
        assert_eq!(places("not proc.name=sh"), None);
        assert_eq!(places("proc.name=val(proc.pname)"), None);
        assert_eq!(places("tolower(proc.name)=sh"), None);
        assert_eq!(places("proc.name=bash"), Some(vec![]));
        assert_eq!(places(""), None);
    }
}
