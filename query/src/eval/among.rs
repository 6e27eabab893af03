//! What may come of a filter among events of which only the rows they may point at are known.

use super::{Node, bare_ctx};
use afterimage_model::{Ctx, Dependency, Event, Manifest, ProcId, Schema, Tables, TypeId};

/// What is known of the events of a part of a capture without looking at any.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    /// The capture's header.
    pub manifest: &'a Manifest,
    /// The capture's schema.
    pub schema: &'a Schema,
    /// Every row that one of the events may point at.
    pub tables: &'a Tables,
    /// Their types.
    pub types: &'a [TypeId],
    /// Their processes.
    pub procs: &'a [ProcId],
    /// Instant of the capture's first event, ns since boot.
    pub first_ns: u64,
}

impl<'a> Among<'a> {
    /// An event that is one of them, or never was, with all that is known.
    pub fn ctx(&self, event: &'a Event) -> Ctx<'a> {
        Ctx {
            first_ns: self.first_ns,
            ..bare_ctx(self.manifest, self.schema, self.tables, event)
        }
    }
}

/// What may come of a condition among several events.
#[derive(Clone, Copy)]
pub(super) struct Outcomes {
    pub holds: bool,
    fails: bool,
}

impl Node {
    /// What may come of it among events that are not looked at.
    pub(super) fn among(
        &self,
        among: &Among<'_>,
        ask: &mut dyn FnMut(&Ctx<'_>, &Node) -> bool,
    ) -> Outcomes {
        let either = Outcomes {
            holds: true,
            fails: true,
        };
        match self {
            Node::All => Outcomes {
                holds: true,
                fails: false,
            },
            Node::Not(inner) => {
                let Outcomes { holds, fails } = inner.among(among, ask);
                Outcomes {
                    holds: fails,
                    fails: holds,
                }
            }
            Node::Or(parts) => parts.iter().fold(
                Outcomes {
                    holds: false,
                    fails: true,
                },
                |all, part| {
                    let one = part.among(among, ask);
                    Outcomes {
                        holds: all.holds || one.holds,
                        fails: all.fails && one.fails,
                    }
                },
            ),
            Node::And(parts) => parts.iter().fold(
                Outcomes {
                    holds: true,
                    fails: false,
                },
                |all, part| {
                    // What no event can make hold is not changed by the others, which may be dear to ask.
                    let one = if all.holds {
                        part.among(among, ask)
                    } else {
                        either
                    };
                    Outcomes {
                        holds: all.holds && one.holds,
                        fails: all.fails || one.fails,
                    }
                },
            ),
            Node::Since(_) => either,
            Node::Test(on, ..) | Node::Once(on, ..) => {
                let mut event = Event::of_type(TypeId(0));
                let mut found = Outcomes {
                    holds: false,
                    fails: false,
                };
                let mut see = |event: &Event| {
                    let ctx = bare_ctx(among.manifest, among.schema, among.tables, event);
                    match ask(&ctx, self) {
                        true => found.holds = true,
                        false => found.fails = true,
                    }
                    found.holds && found.fails
                };
                match on {
                    Dependency::Type => {
                        among.types.iter().any(|ty| {
                            event.ty = *ty;
                            see(&event)
                        });
                    }
                    Dependency::Process => {
                        among.procs.iter().any(|proc| {
                            event.proc = *proc;
                            see(&event)
                        });
                    }
                    // A file whose row is not there is as none.
                    Dependency::File => {
                        let known = among.tables.files.keys().copied().map(Some);
                        known.chain([None]).any(|file| {
                            event.file = file;
                            see(&event)
                        });
                    }
                    _ => return either,
                }
                found
            }
        }
    }
}
