//! What was answered before: of the row of a table, of a text, and when a comparison was asked.

use super::{Ask, Node};
use afterimage_model::{Ctx, Dependency, FieldValue};
use std::borrow::Cow;
use std::collections::HashMap;

/// Row numbers below this are looked up by place.
const NEAR: usize = 1 << 16;

/// The answers of one remembered part.
#[derive(Debug, Default)]
pub(super) struct Memory {
    last: Option<(u32, bool)>,
    /// By row number, where that is small, as it nearly always is.
    near: Vec<Option<bool>>,
    known: HashMap<u32, bool>,
    /// By event type, of which there are few: indexed.
    types: Vec<Option<bool>>,
    texts: HashMap<Box<[u8]>, bool>,
    /// Instant of the event it was asked of before.
    since: Option<u64>,
}

/// Texts whose answers are remembered at the most, and their length.
const MAX_TEXTS: usize = 4096;
const MAX_TEXT_LEN: usize = 512;

/// How often tests of texts in arguments were asked, and how often one had to be looked at to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Asked.
    pub asked: u64,
    /// Looked at.
    pub tested: u64,
}

impl Memory {
    /// Forgets what was learnt of rows.
    pub fn forget(&mut self) {
        self.last = None;
        self.near.clear();
        self.known.clear();
    }

    fn ty(&mut self, ty: u16, ask: impl FnOnce() -> bool) -> bool {
        let at = usize::from(ty);
        if self.types.len() <= at {
            self.types.resize(at + 1, None);
        }
        match self.types.get_mut(at) {
            Some(slot) => *slot.get_or_insert_with(ask),
            None => ask(),
        }
    }

    /// What holds of a text held of it before, whatever event it stood in.
    fn text(&mut self, text: &[u8], counts: &mut Texts, ask: impl FnOnce() -> bool) -> bool {
        counts.asked += 1;
        if let Some(answer) = self.texts.get(text) {
            return *answer;
        }
        counts.tested += 1;
        let answer = ask();
        if text.len() <= MAX_TEXT_LEN {
            if self.texts.len() >= MAX_TEXTS {
                self.texts.clear();
            }
            self.texts.insert(text.into(), answer);
        }
        answer
    }

    fn row(&mut self, row: u32, ask: impl FnOnce() -> bool) -> bool {
        if let Some((last, answer)) = self.last
            && last == row
        {
            return answer;
        }
        let answer = match usize::try_from(row).ok().filter(|at| *at < NEAR) {
            Some(at) => {
                if self.near.len() <= at {
                    self.near.resize(at + 1, None);
                }
                match self.near.get_mut(at) {
                    Some(slot) => *slot.get_or_insert_with(ask),
                    None => ask(),
                }
            }
            None => *self.known.entry(row).or_insert_with(ask),
        };
        self.last = Some((row, answer));
        answer
    }
}

/// The answer of a part that one row decides, asked once.
pub(super) fn remembered(
    memories: &mut [Memory],
    counts: &mut Texts,
    ctx: &Ctx<'_>,
    on: Dependency,
    slot: usize,
    node: &Node,
    ask: Ask<'_>,
) -> bool {
    let Some(memory) = memories.get_mut(slot) else {
        return ask(node);
    };
    match (on, ctx.event.file) {
        (Dependency::Type, _) => memory.ty(ctx.event.ty.0, || ask(node)),
        (Dependency::Process, _) => memory.row(ctx.event.proc.0, || ask(node)),
        (Dependency::File, Some(file)) => memory.row(file.0, || ask(node)),
        (Dependency::Event, _) => match node {
            Node::Test(_, left, matcher) => match left.value(ctx) {
                Some(FieldValue::Str(text)) => memory.text(&text, counts, || {
                    matcher.matches(&FieldValue::Str(Cow::Borrowed(&text)))
                }),
                Some(value) => matcher.holds(ctx, &value),
                None => false,
            },
            Node::Since(test) => {
                let now = ctx.event.time.0;
                let previous_ns = memory.since.replace(now).unwrap_or(now);
                let ctx = Ctx {
                    previous_ns,
                    ..*ctx
                };
                test.matches(&ctx, &mut |_, _, node, ask| ask(node))
            }
            node => ask(node),
        },
        _ => ask(node),
    }
}
