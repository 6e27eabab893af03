//! A look ahead over a plain capture: where, and of which threads, an event may lie that somebody wants. Heads of blocks and of
//! events are read, and nothing is followed; who follows afterwards needs to follow no other threads, and no further than to
//! the last such event. Of a capture in which anything is not as it should be nothing is said: it is read in one pass.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::block::{self, Kind};
use super::convert::{parse, type_of};
use super::event::{self, Raw};
use super::lists::{self, Listed};
use super::state::effects::{self, Touch};
use super::threads::CLONE_THREAD;
use super::ties::Ties;
use super::types::{self, CODES, Ty};
use afterimage_model::TypeId;
use afterimage_model::render::scap::printable;
use hashbrown::{HashMap, HashSet};
use memchr::memmem::Finder;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once: what is looked at is still in the cache then.
const STEP: usize = 128 << 10;

/// Threads that are told apart at the most: below it, none finds no room when they are followed.
const MAX_THREADS: usize = 131_072;

/// Ids that Linux gives are less.
const IDS: usize = 1 << 22;

/// Of the events looked at, one in so many may be wanted, unless they are fewer than [`FEW`]: else it is not worth it.
const RARE: u64 = 8;

/// So few events that may be wanted are always worth it.
const FEW: u64 = 4096;

/// What a join of paths makes of one byte less: `a./b` becomes `ab`.
const ODD: &[u8] = b"./";

/// A set of thread ids.
pub struct Ids(Vec<u64>);

impl Ids {
    fn of(ids: impl Iterator<Item = i64>) -> Ids {
        let mut set = Ids(vec![0; IDS / 64]);
        for id in ids {
            if let Some((word, bit)) = Ids::place(id)
                && let Some(word) = set.0.get_mut(word)
            {
                *word |= bit;
            }
        }
        set
    }

    fn place(id: i64) -> Option<(usize, u64)> {
        let id = usize::try_from(id).ok().filter(|id| *id < IDS)?;
        Some((id / 64, 1 << (id % 64)))
    }

    /// Whether an id is in it; those that Linux does not give always are.
    pub fn holds(&self, id: i64) -> bool {
        match Ids::place(id) {
            Some((word, bit)) => self.0.get(word).is_some_and(|word| word & bit != 0),
            None => true,
        }
    }
}

/// What was found in a capture that is whole.
pub struct Found {
    /// Its events.
    pub events: u64,
    /// Its sections.
    pub sections: u64,
    /// The last event that may be wanted, counted from 1; 0 when there is none.
    pub last: u64,
    /// The threads that have to be followed up to there.
    pub ids: Ids,
}

/// What is to be done with events of a code.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// Parameters at the most.
    params: u8,
    /// The head does not tell whether it is sound.
    deep: bool,
    /// None of them is wanted.
    idle: bool,
    /// The call that the first parameter says decides that.
    by_call: bool,
    /// They tell whose thread is whose.
    ties: bool,
    /// They name other threads.
    names: bool,
    /// Of what they hold, bytes that do not print are left out.
    squeezed: bool,
}

fn is_print(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// A thread, and the last event of it that may be wanted.
#[derive(Clone, Copy, Default)]
struct Slot {
    tid: i64,
    last: u64,
}

/// Threads that are found at once.
const SLOTS: usize = 4096;

struct Scout<'s> {
    /// By number of the event type: no event of it is wanted.
    idle: &'s [bool],
    finders: Vec<Finder<'s>>,
    odd: Finder<'static>,
    marks: Vec<Mark>,
    slots: Vec<Slot>,
    others: HashMap<i64, u64>,
    ties: Ties,
    /// Threads in whose events or rows a text was found.
    seeds: HashSet<i64>,
    /// How often.
    hits: u64,
    events: u64,
    sections: u64,
    /// Events that may be wanted.
    wanted: u64,
    ours: bool,
}

/// Looks over a whole file, for events of types that are not `idle`, and for `words` of which one must be there. `None` where it
/// has to be read in one pass.
pub fn scout(file: &File, idle: &[bool], words: &[Vec<u8>]) -> io::Result<Option<Found>> {
    let mut scout = Scout::new(idle, words);
    let mut buffer = vec![0; STEP];
    let (mut end, mut offset) = (0, 0);
    loop {
        let room = buffer.get_mut(end..).unwrap_or_default();
        let got = match file.read_at(room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            got => got?,
        };
        if got == 0 {
            break;
        }
        end += got;
        offset += got as u64;
        let have = buffer.get(..end).unwrap_or_default();
        let Some((walked, wanted)) = scout.walk(have) else {
            return Ok(None);
        };
        buffer.copy_within(walked..end, 0);
        end -= walked;
        // A block that is larger, or room for the next step.
        let room = (end + STEP).max(wanted.min(buffer.len() * 4));
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
    }
    Ok((end == 0).then(|| scout.found()).flatten())
}

impl<'s> Scout<'s> {
    fn new(idle: &'s [bool], words: &'s [Vec<u8>]) -> Scout<'s> {
        let has_words = !words.is_empty();
        let is_idle = |ty: TypeId| idle.get(usize::from(ty.0)).copied().unwrap_or(false);
        let mark = |code: u16| {
            let Some(row) = types::row(code) else {
                return Mark {
                    deep: true,
                    by_call: true,
                    ..Mark::default()
                };
            };
            let idle = code > 1 && is_idle(types::type_id(code));
            let touch = effects::touch(code);
            Mark {
                params: u8::try_from(row.params.len()).unwrap_or(0),
                deep: row.large || row.params.len() > usize::from(u8::MAX),
                idle,
                by_call: code < 2,
                ties: touch != Touch::Nothing,
                names: !idle && row.params.iter().any(|param| param.ty == Ty::Pid),
                squeezed: has_words && effects::is_squeezed(code),
            }
        };
        Scout {
            idle,
            finders: words.iter().map(Finder::new).collect(),
            odd: Finder::new(ODD),
            marks: (0..CODES).map(mark).collect(),
            slots: vec![Slot::default(); SLOTS],
            others: HashMap::new(),
            ties: Ties::default(),
            seeds: HashSet::new(),
            hits: 0,
            events: 0,
            sections: 0,
            wanted: 0,
            ours: false,
        }
    }

    fn is_idle(&self, ty: TypeId) -> bool {
        let idle = self.idle.get(usize::from(ty.0)).copied();
        idle.unwrap_or(false)
    }

    /// Walks over the whole blocks of some bytes. Gives how many bytes they are, and how many the next has; `None` when something
    /// is not as it should be, or the look ahead is not worth it.
    fn walk(&mut self, have: &[u8]) -> Option<(usize, usize)> {
        let mut at = 0;
        let wanted = loop {
            let rest = have.get(at..).unwrap_or_default();
            let Some((ty, len)) = block::head(rest) else {
                break 0;
            };
            let kind = block::kind(ty)?;
            if !block::fits(ty, len) {
                return None;
            }
            let Some(whole) = rest.get(..len) else {
                break len;
            };
            if block::word(whole, len - 4) != Some(len as u32) {
                return None;
            }
            let body = whole.get(8..len - 4)?;
            match kind {
                Kind::Event {
                    counted: true,
                    flagged: false,
                    ..
                } => self.event::<true, false>(body, kind)?,
                Kind::Event {
                    counted: true,
                    flagged: true,
                    ..
                } => self.event::<true, true>(body, kind)?,
                Kind::Event { flagged: false, .. } => self.event::<false, false>(body, kind)?,
                Kind::Event { .. } => self.deep(body, kind)?,
                kind => self.list(body, kind)?,
            }
            at += len;
        };
        let found = match self.finders.is_empty() {
            true => self.wanted,
            false => {
                self.search(have.get(..at)?)?;
                self.hits
            }
        };
        if found > FEW && found * RARE > self.events {
            return None;
        }
        Some((at, wanted))
    }

    /// An event.
    #[inline]
    fn event<const COUNTED: bool, const FLAGGED: bool>(
        &mut self,
        whole: &[u8],
        kind: Kind,
    ) -> Option<()> {
        // Flags stand between the CPU and the rest.
        let body = whole.get(if FLAGGED { 4 } else { 0 }..)?;
        let head: &[u8; 24] = body.first_chunk()?;
        let (ts_tid, rest) = (head.get(2..18)?, head.get(18..24)?);
        let tid = i64::from_le_bytes(*ts_tid.last_chunk()?);
        let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        let code = u16::from_le_bytes(*rest.last_chunk()?);
        let Some(mark) = self.marks.get(usize::from(code)).copied() else {
            return self.deep(whole, kind);
        };
        let known = usize::from(mark.params);
        let (count, from) = match COUNTED {
            true => (
                u32::from_le_bytes(*body.get(24..)?.first_chunk()?) as usize,
                28,
            ),
            false => (known, 24),
        };
        let end = len.wrapping_add(2);
        // Behind it is padding, and nothing that would be a comment; else it takes a closer look.
        if mark.deep
            || mark.by_call && self.ours
            || count > known
            || body.len() >= end.wrapping_add(7) & !3
        {
            return self.deep(whole, kind);
        }
        let Some(content) = body.get(from..end) else {
            return self.deep(whole, kind);
        };
        let Some((lengths, values)) = content.split_at_checked(count * 2) else {
            return self.deep(whole, kind);
        };
        let mut sum = 0;
        for length in lengths.as_chunks::<2>().0 {
            sum += usize::from(u16::from_le_bytes(*length));
        }
        if sum > values.len() || (!COUNTED && sum != values.len()) {
            return self.deep(whole, kind);
        }
        self.events += 1;
        let mut idle = mark.idle;
        if mark.by_call {
            let first = lengths
                .first_chunk()
                .map_or(0, |length| u16::from_le_bytes(*length));
            let number = super::bytes::unsigned(values.get(..usize::from(first))?);
            idle = self.is_idle(type_of(code, number));
        }
        self.meet(tid, !idle)?;
        if mark.ties || mark.names || mark.squeezed {
            self.tell(&parse(whole, Some(kind))?, mark);
        }
        Some(())
    }

    /// An event that has to be looked at more closely.
    #[cold]
    fn deep(&mut self, body: &[u8], kind: Kind) -> Option<()> {
        let raw = parse(body, Some(kind)).filter(|raw| !raw.torn)?;
        self.events += 1;
        let known = self.marks.get(usize::from(raw.code)).copied();
        let mark = known.unwrap_or(Mark {
            by_call: true,
            ..Mark::default()
        });
        let idle = match mark.by_call {
            true => !self.ours && self.is_idle(type_of(raw.code, raw.uint(0))),
            false => mark.idle,
        };
        self.meet(raw.tid, !idle)?;
        self.tell(&raw, mark);
        Some(())
    }

    /// An event of a thread.
    #[inline]
    fn meet(&mut self, tid: i64, wanted: bool) -> Option<()> {
        let slot = self.slots.get_mut(tid as usize % SLOTS)?;
        if slot.tid != tid {
            let before = std::mem::replace(slot, Slot { tid, last: 0 });
            let last = self.others.entry(before.tid).or_default();
            *last = before.last.max(*last);
            if self.others.len() >= MAX_THREADS {
                return None;
            }
        }
        if wanted {
            slot.last = self.events;
            self.wanted += 1;
        }
        Some(())
    }

    /// What an event tells of threads.
    fn tell(&mut self, raw: &Raw<'_>, mark: Mark) {
        let Some(row) = types::row(raw.code) else {
            return;
        };
        let tid = raw.tid;
        let int = |name: &str| row.place(name).and_then(|place| raw.int(place));
        let touch = effects::touch(raw.code);
        if mark.names || touch == Touch::Other {
            let pids = row.params.iter().enumerate();
            let pids = pids.filter(|(_, param)| param.ty == Ty::Pid);
            for named in pids.filter_map(|(at, _)| raw.int(at)) {
                self.ties.needs(tid, named);
            }
        }
        let squeezed = |param: &&[u8]| self.is_held_squeezed(param);
        if mark.squeezed && raw.params.iter().any(squeezed) {
            self.seeds.insert(tid);
        }
        match touch {
            Touch::Nothing => {}
            Touch::Other => self.ties.follow(tid),
            Touch::End => self.ties.changes(tid),
            Touch::Session => {
                if let Some(session) = raw.int(0) {
                    self.ties.child(session, tid);
                }
            }
            Touch::Program => {
                if let Some(pid) = int("pid") {
                    self.ties.same(pid, tid);
                }
                if let Some(parent) = int("ptid") {
                    self.ties.child(parent, tid);
                }
            }
            Touch::Thread => {
                let flags = row.place("flags").and_then(|place| raw.word(place));
                let is_thread = flags.is_some_and(|flags| flags & CLONE_THREAD != 0);
                let child = match raw.int(0).filter(|child| *child >= 0) {
                    None => return,
                    Some(0) => tid,
                    Some(child) => {
                        self.ties.child(tid, child);
                        child
                    }
                };
                self.ties.changes(child);
                if let Some(parent) = int("ptid") {
                    self.ties.child(parent, child);
                }
                if let Some(pid) = int("pid") {
                    self.ties.same(pid, tid);
                    if is_thread {
                        self.ties.same(pid, child);
                        self.ties.leads(pid);
                    }
                }
            }
        }
    }

    /// Whether a text is in something once bytes that do not print are left out of it.
    fn is_held_squeezed(&self, bytes: &[u8]) -> bool {
        if bytes.iter().all(|byte| is_print(*byte)) {
            return false;
        }
        let shown = printable(bytes);
        let mut finders = self.finders.iter();
        finders.any(|finder| finder.find(&shown).is_some())
    }

    /// Whether what stands before and behind something odd may be one of the texts once that is left out.
    fn may_join(&self, blocks: &[u8], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| blocks.get(at));
        let Some(before) = before.filter(|byte| is_print(**byte) && !b"/.".contains(byte)) else {
            return false;
        };
        let mut rest = blocks.get(at..).unwrap_or_default();
        while let Some(next) = rest.strip_prefix(ODD) {
            rest = next;
        }
        let after = match rest.first() {
            None | Some(0) => return false,
            Some(byte) if is_print(*byte) => *byte,
            // As it is shown in a path.
            Some(_) => b'.',
        };
        let joined = [*before, after];
        let holds = |finder: &Finder<'_>| finder.needle().windows(2).any(|pair| pair == joined);
        self.finders.iter().any(holds)
    }

    /// Looks for the texts in the bytes of whole blocks.
    fn search(&mut self, blocks: &[u8]) -> Option<()> {
        let mut hits: Vec<(usize, bool)> = Vec::new();
        for finder in &self.finders {
            hits.extend(finder.find_iter(blocks).map(|at| (at, false)));
        }
        let odd = self.odd.find_iter(blocks);
        let odd = odd.filter(|at| self.may_join(blocks, *at));
        hits.extend(odd.map(|at| (at, true)));
        if hits.is_empty() {
            return Some(());
        }
        hits.sort_unstable();
        let mut hits = hits.into_iter().peekable();
        let mut at = 0;
        while hits.peek().is_some() {
            let rest = blocks.get(at..)?;
            let (ty, len) = block::head(rest)?;
            let (mut found, mut odd) = (false, true);
            while let Some(hit) = hits.next_if(|hit| hit.0 < at + len) {
                found = true;
                odd &= hit.1;
            }
            if found {
                self.hits += 1;
                self.hit(block::kind(ty)?, rest.get(8..len.checked_sub(4)?)?, odd);
            }
            at += len;
        }
        Some(())
    }

    /// A text is in a block, or is `odd`.
    fn hit(&mut self, kind: Kind, body: &[u8], odd: bool) {
        match kind {
            Kind::Event { flagged, .. } => {
                let (_, _, tid, code) = event::head(body, flagged).unwrap_or_default();
                if !odd || effects::is_joined(code) {
                    self.seeds.insert(tid);
                }
            }
            // Names there are whole.
            Kind::Descriptors(_) if odd => {}
            Kind::Descriptors(_) => {
                let tid = super::bytes::Cursor::new(body).i64();
                self.seeds.extend(tid);
            }
            Kind::Processes(version) => {
                let (finders, odd) = (&self.finders, &self.odd);
                let holds = |thread: &Listed<'_>| {
                    let texts = [
                        thread.comm,
                        thread.exe,
                        thread.exepath,
                        thread.args,
                        thread.cwd,
                        thread.env,
                        thread.root,
                        thread.cgroups,
                    ];
                    let found =
                        |finder: &Finder<'_>| texts.iter().any(|text| finder.find(text).is_some());
                    finders.iter().any(found) || odd.find(thread.cwd).is_some()
                };
                let seeds = &mut self.seeds;
                lists::processes(body, version, |thread| {
                    if holds(&thread) {
                        seeds.insert(thread.tid);
                    }
                });
            }
            // What is asked of threads and descriptors is not in the others.
            _ => {}
        }
    }

    /// A block that is no event.
    fn list(&mut self, body: &[u8], kind: Kind) -> Option<()> {
        let whole = match kind {
            Kind::Section => {
                self.sections += 1;
                block::word(body, 0) == Some(block::MAGIC)
            }
            Kind::Machine => {
                let machine = lists::machine(body)?;
                self.ours |= machine.ours;
                true
            }
            Kind::Interfaces(_) => true,
            Kind::Users(version) => lists::accounts(body, version, |_| {}),
            Kind::Processes(version) => {
                let again = self.sections > 1;
                let ties = &mut self.ties;
                lists::processes(body, version, |thread| {
                    let Listed {
                        tid,
                        pid,
                        ptid,
                        sid,
                        ..
                    } = thread;
                    ties.same(pid, tid);
                    ties.child(ptid, tid);
                    ties.child(sid, tid);
                    if thread.flags & CLONE_THREAD != 0 || pid != tid {
                        ties.leads(pid);
                    }
                    // One of which nothing is known may be known better later.
                    if again || *thread.comm == *b"<NA>" {
                        ties.changes(tid);
                    } else {
                        ties.listed(tid);
                    }
                })
            }
            Kind::Descriptors(version) => lists::descriptors(body, version, |_| {}).1,
            Kind::Event { .. } => return None,
        };
        whole.then_some(())
    }

    /// What it comes to.
    fn found(mut self) -> Option<Found> {
        for slot in std::mem::take(&mut self.slots) {
            let last = self.others.entry(slot.tid).or_default();
            *last = slot.last.max(*last);
        }
        let mut last = 0;
        let mut asked: Vec<i64> = Vec::new();
        let of = match self.finders.is_empty() {
            true => None,
            false => Some(self.ties.below(self.seeds.into_iter().collect())?),
        };
        for (tid, at) in self.others.iter().filter(|(_, at)| **at > 0) {
            if of.as_ref().is_none_or(|of| of.contains(tid)) {
                last = last.max(*at);
                asked.push(*tid);
            }
        }
        let known = self.others.keys().copied();
        let followed = self.ties.around(asked, known, MAX_THREADS)?;
        Some(Found {
            events: self.events,
            sections: self.sections,
            last,
            ids: Ids::of(followed.into_iter()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::render;

    /// Whether the words may be in what a path of these bytes becomes.
    fn may_be(words: &[&str], path: &[u8]) -> bool {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let scout = Scout::new(&[], &words);
        let found = Finder::new(ODD).find_iter(path).collect::<Vec<_>>();
        found.into_iter().any(|at| scout.may_join(path, at))
    }

    #[test]
    fn a_word_that_a_join_makes_is_looked_for_and_no_other() {
        let shown = |path: &[u8]| render::scap::join_path(b"/", path);
        for path in [&b"sec./ret"[..], b"x/sec././ret", b"s./e./c./ret"] {
            assert!(shown(path).windows(6).any(|part| part == b"secret"));
            assert!(may_be(&["nowhere", "secret"], path), "{path:?}");
        }
        for path in [
            &b"lib./x"[..],
            b"../lib/../x",
            b"sec./",
            b"./sec",
            b"sec./\0ret",
        ] {
            assert!(!may_be(&["secret"], path), "{path:?}");
        }
        assert_eq!(shown(b"a./\x01b"), b"/a.b");
        assert!(may_be(&["a.b"], b"a./\x01b"));
    }
}
