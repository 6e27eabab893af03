//! Evaluation of a filter over many events. Parts that depend only on an event's type, process or file are asked once
//! per row of that table and remembered; tests of texts that arguments hold, once per distinct text; the others per event.

mod among;
mod bits;
mod memory;
mod sift;

pub use self::among::Among;
pub use self::memory::Texts;
pub use self::sift::{Argument, Arguments, Lists, Results, Sifted};

use self::memory::{Memory, remembered};
use crate::check::Matcher;
use crate::expr::{Expr, Filter};
use crate::field::FieldRef;
use crate::source::Source;
use afterimage_model::{
    ContainerId, Ctx, Dependency, Event, Field, Manifest, Process, Schema, Tables, TypeId,
    fields::has_none,
};
use std::sync::Arc;

/// A filter's tree in the order of evaluation: what is remembered stands before what is not.
#[derive(Debug)]
pub(crate) struct Plan {
    root: Node,
    /// Number of remembered parts.
    slots: usize,
    /// It asks for the time since the event it was asked of before: then no event may be passed over.
    pub since: bool,
}

#[derive(Debug)]
enum Node {
    All,
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Test(Dependency, Arc<Source>, Arc<Matcher>),
    /// A part that one row decides.
    Once(Dependency, usize, Box<Node>),
    /// A test of the time since the event it was asked of before; always in one that is remembered.
    Since(Box<Node>),
}

/// Whether a field is the time since another event. In a filter that is the one the comparison was asked of before, as sysdig
/// has it: of `evt.type=read and evt.deltatime>1s` the `read` before.
pub(crate) fn is_since(field: &Field) -> bool {
    field.name.starts_with("evt.deltatime")
}

fn asks_since(field: &FieldRef) -> bool {
    is_since(field.field())
}

/// Cheapest first. A type has few rows, a process fewer than a file.
fn rank(on: Dependency) -> u8 {
    match on {
        Dependency::Type => 0,
        Dependency::Process => 1,
        Dependency::File => 2,
        Dependency::Marks => 3,
        Dependency::Cpu => 4,
        Dependency::Thread => 5,
        Dependency::Time => 6,
        Dependency::Latency => 7,
        Dependency::Instant => 8,
        Dependency::Head => 9,
        Dependency::Result => 10,
        Dependency::Outcome => 11,
        Dependency::Event => 12,
    }
}

impl Plan {
    pub fn of(expr: &Expr) -> Plan {
        let mut slots = 0;
        let (on, node) = Plan::node(expr, &mut slots);
        let root = Plan::remember(on, node, &mut slots);
        Plan {
            root,
            slots,
            since: expr.asks_any(&asks_since),
        }
    }

    /// The node, and the row that decides all of it.
    fn node(expr: &Expr, slots: &mut usize) -> (Dependency, Node) {
        match expr {
            Expr::All => (Dependency::Type, Node::All),
            Expr::Test(test) => {
                let left = test.left.on();
                let right = test.matcher.right();
                let on = right.map_or(left, |right| left.with(right.on()));
                let node = Node::Test(on, test.left.clone(), test.matcher.clone());
                if expr.asks_any(&asks_since) {
                    *slots += 1;
                    let since = Node::Since(Box::new(node));
                    return (on, Node::Once(on, *slots - 1, Box::new(since)));
                }
                if on != Dependency::Event || right.is_some() || !test.matcher.is_dear() {
                    return (on, node);
                }
                *slots += 1;
                (on, Node::Once(on, *slots - 1, Box::new(node)))
            }
            Expr::Not(inner) => {
                let (on, node) = Plan::node(inner, slots);
                (on, Node::Not(Box::new(node)))
            }
            Expr::And(parts) => Plan::group(expr, parts, slots, Node::And),
            Expr::Or(parts) => Plan::group(expr, parts, slots, Node::Or),
        }
    }

    /// Members of a conjunction or an alternative may be asked in any order: those decided by the same row become one. Where one
    /// depends on what it was asked before, they are asked as they are written.
    fn group(
        whole: &Expr,
        parts: &[Expr],
        slots: &mut usize,
        join: fn(Vec<Node>) -> Node,
    ) -> (Dependency, Node) {
        let mut nodes: Vec<(Dependency, Node)> =
            parts.iter().map(|part| Plan::node(part, slots)).collect();
        if whole.asks_any(&asks_since) {
            let members = nodes.into_iter();
            let members = members.map(|(on, node)| Plan::remember(on, node, slots));
            return (Dependency::Event, join(members.collect()));
        }
        nodes.sort_by_key(|(on, _)| rank(*on));
        let mut groups: Vec<(Dependency, Vec<Node>)> = Vec::new();
        for (on, node) in nodes {
            match groups.last_mut() {
                Some((last, members)) if *last == on => members.push(node),
                _ => groups.push((on, vec![node])),
            }
        }
        if groups.len() == 1
            && let Some((on, members)) = groups.pop()
        {
            return (on, join(members));
        }
        let on = groups
            .iter()
            .map(|group| group.0)
            .fold(Dependency::Type, Dependency::with);
        let members = groups.into_iter().flat_map(|(on, members)| match on {
            on if on.is_row() => vec![Plan::remember(on, join(members), slots)],
            _ => members,
        });
        (on, join(members.collect()))
    }

    fn remember(on: Dependency, node: Node, slots: &mut usize) -> Node {
        if !on.is_row() || matches!(node, Node::All) {
            return node;
        }
        *slots += 1;
        Node::Once(on, *slots - 1, Box::new(node))
    }

    /// Without remembering anything.
    pub fn matches(&self, ctx: &Ctx<'_>) -> bool {
        self.root.matches(ctx, &mut |_, _, node, ask| ask(node))
    }
}

impl Plan {
    /// The answer for every event of the context's type, where the type alone decides it.
    fn by_type(&self, ctx: &Ctx<'_>) -> Option<bool> {
        match self.since {
            true => None,
            false => self.root.by_type(ctx),
        }
    }
}

type Ask<'n> = &'n mut dyn FnMut(&Node) -> bool;

impl Node {
    fn matches(
        &self,
        ctx: &Ctx<'_>,
        once: &mut dyn FnMut(Dependency, usize, &Node, Ask<'_>) -> bool,
    ) -> bool {
        match self {
            Node::All => true,
            Node::Or(parts) => parts.iter().any(|part| part.matches(ctx, once)),
            Node::And(parts) => parts.iter().all(|part| part.matches(ctx, once)),
            Node::Not(inner) => !inner.matches(ctx, once),
            Node::Test(_, left, matcher) => left
                .value(ctx)
                .is_some_and(|value| matcher.holds(ctx, &value)),
            Node::Since(test) => test.matches(ctx, once),
            // Inside a part that one row decides there is no other such part.
            Node::Once(on, slot, node) => once(*on, *slot, node, &mut |node| {
                node.matches(ctx, &mut |_, _, inner, ask| ask(inner))
            }),
        }
    }
}

/// Three-valued: what one member that answers `decisive` settles, and what all others do not.
fn joined(
    parts: &[Node],
    decisive: bool,
    mut ask: impl FnMut(&Node) -> Option<bool>,
) -> Option<bool> {
    let mut answer = Some(!decisive);
    for part in parts {
        match ask(part) {
            Some(found) if found == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl Node {
    /// Three-valued: what depends on something that is not `known` is not known, such as arguments that were not read.
    fn by_part(
        &self,
        ctx: &Ctx<'_>,
        known: fn(Dependency) -> bool,
        once: &mut dyn FnMut(Dependency, usize, &Node, Ask<'_>) -> bool,
    ) -> Option<bool> {
        match self {
            Node::Or(parts) => joined(parts, true, |part| part.by_part(ctx, known, once)),
            Node::And(parts) => joined(parts, false, |part| part.by_part(ctx, known, once)),
            Node::Not(inner) => inner.by_part(ctx, known, once).map(|answer| !answer),
            Node::Test(on, ..) | Node::Once(on, ..) if !known(*on) => None,
            Node::Since(_) => None,
            Node::All | Node::Test(..) | Node::Once(..) => Some(self.matches(ctx, once)),
        }
    }

    /// As [`Node::by_part`] of what lists tell; of arguments it is known where a field has no value.
    fn by_lists(
        &self,
        ctx: &Ctx<'_>,
        once: &mut dyn FnMut(Dependency, usize, &Node, Ask<'_>) -> bool,
    ) -> Option<bool> {
        use Dependency::{Event, File, Latency, Marks, Outcome, Process, Result, Type};
        match self {
            Node::Or(parts) => joined(parts, true, |part| part.by_lists(ctx, once)),
            Node::And(parts) => joined(parts, false, |part| part.by_lists(ctx, once)),
            Node::Not(inner) => inner.by_lists(ctx, once).map(|answer| !answer),
            Node::Test(Event, left, _) => {
                let field = left.field()?;
                has_none(field.field(), field.arg(), ctx).then_some(false)
            }
            Node::Once(Event, _, inner) => inner.by_lists(ctx, once),
            Node::All
            | Node::Test(Type | Marks | Process | File | Latency | Result | Outcome, ..)
            | Node::Once(Type | Marks | Process | File | Latency | Result | Outcome, ..) => {
                Some(self.matches(ctx, once))
            }
            Node::Test(..) | Node::Once(..) | Node::Since(_) => None,
        }
    }

    /// Three-valued: a test of anything but a container is not known.
    fn by_container(&self, ctx: &Ctx<'_>) -> Option<bool> {
        match self {
            Node::All => Some(true),
            Node::Or(parts) => joined(parts, true, |part| part.by_container(ctx)),
            Node::And(parts) => joined(parts, false, |part| part.by_container(ctx)),
            Node::Not(inner) => inner.by_container(ctx).map(|answer| !answer),
            Node::Once(_, _, node) | Node::Since(node) => node.by_container(ctx),
            Node::Test(on, left, matcher) => {
                // The id is what a container never changes.
                let mut only = *on == Dependency::Process;
                let mut see = |field: &FieldRef| {
                    only &= matches!(field.field().name, "container.id" | "container.full_id");
                };
                left.fields(&mut see);
                if let Some(right) = matcher.right() {
                    right.fields(&mut see);
                }
                only.then(|| self.matches(ctx, &mut |_, _, node, ask| ask(node)))
            }
        }
    }

    /// Three-valued: a test of anything but the type is not known.
    fn by_type(&self, ctx: &Ctx<'_>) -> Option<bool> {
        match self {
            Node::All => Some(true),
            Node::Or(parts) => joined(parts, true, |part| part.by_type(ctx)),
            Node::And(parts) => joined(parts, false, |part| part.by_type(ctx)),
            Node::Not(inner) => inner.by_type(ctx).map(|answer| !answer),
            // Events are numbered from 1: rule files write `evt.num=0` for never.
            Node::Test(_, left, matcher)
                if left.field().is_some_and(|f| f.field().name == "evt.num")
                    && matcher.is_only_zero() =>
            {
                Some(false)
            }
            Node::Test(on, ..) if *on != Dependency::Type => None,
            Node::Test(..) => Some(self.matches(ctx, &mut |_, _, node, ask| ask(node))),
            Node::Once(_, _, node) | Node::Since(node) => node.by_type(ctx),
        }
    }
}

/// Asks a filter about many events of one capture (one schema).
#[derive(Debug)]
pub struct Evaluator {
    filter: Filter,
    memories: Vec<Memory>,
    texts: Texts,
}

impl Evaluator {
    /// Starts with nothing remembered.
    pub fn new(filter: &Filter) -> Evaluator {
        Evaluator {
            memories: (0..filter.plan.slots).map(|_| Memory::default()).collect(),
            filter: filter.clone(),
            texts: Texts::default(),
        }
    }

    /// What tests of texts in arguments came to so far.
    pub fn texts(&self) -> Texts {
        self.texts
    }

    /// Whether an event matches.
    pub fn matches(&mut self, ctx: &Ctx<'_>) -> bool {
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        root.matches(ctx, &mut |on, slot, node, ask| {
            remembered(memories, counts, ctx, on, slot, node, ask)
        })
    }

    /// As [`Evaluator::matches`], for events whose rows may be of any chunk: nothing is remembered but when a comparison was asked.
    pub fn matches_anew(&mut self, ctx: &Ctx<'_>) -> bool {
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        root.matches(ctx, &mut |on, slot, node, ask| match node {
            Node::Since(_) => remembered(memories, counts, ctx, on, slot, node, ask),
            node => ask(node),
        })
    }

    /// Whether an event matches, as far as that can be told without its arguments and its result: they need not be there.
    pub fn by_head(&mut self, ctx: &Ctx<'_>) -> Option<bool> {
        if self.filter.plan.since {
            return None;
        }
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        root.by_part(ctx, Dependency::is_early, &mut |on, slot, node, ask| {
            remembered(memories, counts, ctx, on, slot, node, ask)
        })
    }

    /// Whether an event matches, as far as that can be told by its type, marks, process, file, latency and result: nothing else of it
    /// need be there.
    pub fn by_lists(&mut self, ctx: &Ctx<'_>) -> Option<bool> {
        if self.filter.plan.since {
            return None;
        }
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        root.by_lists(ctx, &mut |on, slot, node, ask| {
            remembered(memories, counts, ctx, on, slot, node, ask)
        })
    }

    /// Whether events of the context's process match, as far as that can be told by their process alone.
    pub fn by_process(&mut self, ctx: &Ctx<'_>) -> Option<bool> {
        self.by_part(ctx, |on| on == Dependency::Process)
    }

    /// Whether events of the context's type, process and file match, as far as that can be told by these alone.
    pub fn by_rows(&mut self, ctx: &Ctx<'_>) -> Option<bool> {
        use Dependency::{File, Process, Type};
        self.by_part(ctx, |on| matches!(on, Type | Process | File))
    }

    fn by_part(&mut self, ctx: &Ctx<'_>, known: fn(Dependency) -> bool) -> Option<bool> {
        if self.filter.plan.since {
            return None;
        }
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        root.by_part(ctx, known, &mut |on, slot, node, ask| {
            remembered(memories, counts, ctx, on, slot, node, ask)
        })
    }

    /// Whether an event of any of these types, of any of these processes and with any file row or none could match: false only
    /// when that alone rules it out. What is learnt of the rows is remembered.
    pub fn may_match_among(&mut self, among: &Among<'_>) -> bool {
        if self.filter.plan.since {
            return true;
        }
        let (memories, counts) = (&mut self.memories, &mut self.texts);
        let root = &self.filter.plan.root;
        let mut ask = |ctx: &Ctx<'_>, node: &Node| {
            node.matches(ctx, &mut |on, slot, node, ask| {
                remembered(memories, counts, ctx, on, slot, node, ask)
            })
        };
        root.among(among, &mut ask).holds
    }

    /// Forgets what was learnt of processes and files: to be called before events that come with other tables (another chunk).
    pub fn forget(&mut self) {
        self.memories.iter_mut().for_each(Memory::forget);
    }
}

impl Filter {
    /// Whether an event of a process in this container could match: false only when the container's id alone rules it out.
    /// Containers that `tables` do not know, and processes that may be on the host or not known at all, rule
    /// nothing out.
    pub fn may_match_container(
        &self,
        manifest: &Manifest,
        schema: &Schema,
        tables: &Tables,
        container: Option<ContainerId>,
    ) -> bool {
        let known = container.filter(|id| tables.containers.contains_key(id));
        let Some(id) = known.filter(|_| !self.plan.since) else {
            return true;
        };
        let mut own = Tables::default();
        own.containers
            .extend(tables.containers.get(&id).map(|row| (id, row.clone())));
        let process = Process {
            container: Some(id),
            ..Process::default()
        };
        own.procs.insert(process.id, Arc::new(process));
        let event = Event::of_type(TypeId(0));
        let ctx = bare_ctx(manifest, schema, &own, &event);
        self.plan.root.by_container(&ctx) != Some(false)
    }

    /// An evaluator for many events.
    pub fn evaluator(&self) -> Evaluator {
        Evaluator::new(self)
    }

    /// Whether an event of this type could match: false only when the type alone rules it out. Lets a reader pass over
    /// parts of a capture by the types they hold.
    pub fn may_match_type(&self, schema: &Schema, ty: TypeId) -> bool {
        let (manifest, tables) = (Manifest::default(), Tables::default());
        let event = Event::of_type(ty);
        let ctx = bare_ctx(&manifest, schema, &tables, &event);
        self.plan.by_type(&ctx) != Some(false)
    }
}

fn bare_ctx<'a>(
    manifest: &'a Manifest,
    schema: &'a Schema,
    tables: &'a Tables,
    event: &'a Event,
) -> Ctx<'a> {
    Ctx {
        manifest,
        schema,
        tables,
        event,
        num: 0,
        first_ns: 0,
        previous_ns: 0,
    }
}
