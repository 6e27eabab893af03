//! One of our captures as scap, so that sysdig, Falco and Stratoshark open it.
//!
//! Readers of scap know what they were told: the lists in front, and what events did since. So what a reader would make of
//! the capture is followed here, too, and where it would be wrong, events that are not to be shown put it right first. What
//! we record when a call returns is written as a pair of which only the return is shown.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod correct;
mod lists;

pub use lists::{cgroups_of, split_argv};

use super::event;
use super::params::Maker;
use super::state::State;
use super::types::{self, CODES};
use crate::copy;
use crate::error::Error;
use afterimage_format::Reader;
use afterimage_model::{Ctx, Event, EventFlags, Schema, TypeDesc, Value, render};
use flate2::Compression;
use flate2::write::GzEncoder;
use lists::{Survey, cut};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Bytes of a parameter at the most.
const MAX_PARAM: usize = 65_535;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events that are shown.
    pub events: u64,
    /// Events that only tell readers what they would not know.
    pub hidden: u64,
    /// Events that scap has no words for, by type.
    pub left_out: BTreeMap<String, u64>,
}

/// Writes the events that `keep` wants, packed with gzip or not.
///
/// # Errors
/// When the output cannot be written.
pub fn write<W: Write>(
    reader: &Reader,
    out: W,
    packed: bool,
    keep: &mut dyn FnMut(&Ctx<'_>) -> bool,
) -> Result<(W, Written), Error> {
    let out = if packed {
        Output::Packed(Box::new(GzEncoder::new(out, Compression::default())))
    } else {
        Output::Plain(out)
    };
    let mut survey = Survey::default();
    let mut look = |survey: &mut Survey, ctx: &Ctx<'_>| {
        if keep(ctx) {
            survey.look(ctx);
        }
        Ok(())
    };
    copy::each(reader, &mut survey, &mut look, &mut |_, _| Ok(()))?;
    let mut scribe = Scribe {
        out,
        sim: State::new(),
        written: Written::default(),
        body: Vec::new(),
        told: BTreeSet::new(),
    };
    scribe.lists(reader, &survey)?;
    let mut look = |scribe: &mut Scribe<W>, ctx: &Ctx<'_>| match keep(ctx) {
        true => scribe.event(ctx),
        false => Ok(()),
    };
    copy::each(reader, &mut scribe, &mut look, &mut |_, _| Ok(()))?;
    let out = match scribe.out {
        Output::Plain(out) => Ok(out),
        Output::Packed(out) => out.finish(),
    };
    let mut out = out.map_err(Error::Write)?;
    out.flush().map_err(Error::Write)?;
    Ok((out, scribe.written))
}

/// Where blocks go.
enum Output<W: Write> {
    Plain(W),
    Packed(Box<GzEncoder<W>>),
}

impl<W: Write> Output<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = match self {
            Output::Plain(out) => out.write_all(bytes),
            Output::Packed(out) => out.write_all(bytes),
        };
        written.map_err(Error::Write)
    }
}

/// The type of a block for an event that says how many parameters it has or not, that is shown or not, and whose lengths have
/// 32 bits or not.
fn event_block(counted: bool, hidden: bool, large: bool) -> u32 {
    match (counted, hidden, large) {
        (false, false, _) => 0x204,
        (false, true, _) => 0x208,
        (true, false, false) => 0x216,
        (true, true, false) => 0x217,
        (true, false, true) => 0x221,
        (true, true, true) => 0x222,
    }
}

/// Whether the capture came from scap.
fn is_scap(schema: &Schema) -> bool {
    schema.types.first().is_some_and(|ty| ty.is(TypeDesc::SCAP))
}

fn tid_of(event: &Event) -> i64 {
    i64::from(event.tid as i32)
}

/// An instant and a place.
#[derive(Clone, Copy)]
struct Stamp {
    ts: u64,
    tid: i64,
    cpu: u16,
}

struct Scribe<W: Write> {
    out: Output<W>,
    sim: State,
    written: Written,
    body: Vec<u8>,
    /// Containers that were told.
    told: BTreeSet<String>,
}

impl<W: Write> Scribe<W> {
    fn block(&mut self, ty: u32, body: &[u8]) -> Result<(), Error> {
        let padding = body.len().next_multiple_of(4) - body.len();
        let len = (body.len() + padding + 12) as u32;
        let mut write = |bytes: &[u8]| self.out.write_all(bytes);
        write(&ty.to_le_bytes())?;
        write(&len.to_le_bytes())?;
        write(body)?;
        write([0; 3].get(..padding).unwrap_or_default())?;
        write(&len.to_le_bytes())
    }

    /// Writes an event, and follows what it does to readers.
    fn emit(
        &mut self,
        at: Stamp,
        code: u16,
        params: &[Vec<u8>],
        hidden: bool,
    ) -> Result<(), Error> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.extend_from_slice(&at.cpu.to_le_bytes());
        if hidden {
            body.extend_from_slice(&1_u32.to_le_bytes());
        }
        let large = types::row(code).is_some_and(|row| row.large);
        let width = if large { 4 } else { 2 };
        let most = if large {
            super::block::MAX_EVENT / 2
        } else {
            MAX_PARAM
        };
        let values: usize = params.iter().map(|param| param.len().min(most)).sum();
        let len = 26 + params.len() * width + values;
        body.extend_from_slice(&at.ts.to_le_bytes());
        body.extend_from_slice(&at.tid.to_le_bytes());
        body.extend_from_slice(&(len as u32).to_le_bytes());
        body.extend_from_slice(&code.to_le_bytes());
        body.extend_from_slice(&(params.len() as u32).to_le_bytes());
        for param in params {
            let len = param.len().min(most);
            if large {
                body.extend_from_slice(&(len as u32).to_le_bytes());
            } else {
                body.extend_from_slice(&(len as u16).to_le_bytes());
            }
        }
        for param in params {
            body.extend_from_slice(cut(param, most));
        }
        self.block(event_block(true, hidden, large), &body)?;
        if hidden {
            self.written.hidden += 1;
        } else {
            self.written.events += 1;
        }
        if let Some(raw) = event::parse(&body, true, hidden, large) {
            self.sim.follow(&raw);
        }
        self.body = body;
        Ok(())
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> Result<(), Error> {
        let Some(ty) = ctx.ty() else {
            // The schema of a capture that is damaged, or was made by hand, may lack it.
            self.leave_out("?");
            return Ok(());
        };
        let event = ctx.event;
        let ts = u64::try_from(ctx.manifest.wall_ns(event.time.0)).unwrap_or(0);
        let at = Stamp {
            ts,
            tid: tid_of(event),
            cpu: if event.cpu == Event::NO_CPU {
                0
            } else {
                event.cpu
            },
        };
        if is_scap(ctx.schema) {
            return self.again(ctx, at);
        }
        if event.flags.has(EventFlags::TOLD) {
            self.leave_out(&ty.name);
            return Ok(());
        }
        self.container(ctx, at)?;
        let maker = Maker { ctx };
        let code = match ty.name.as_str() {
            "procexit" => 186,
            "signaldeliver" => 232,
            "clone_child" => 223,
            name if ty.is_syscall => types::written(name),
            _ => {
                self.leave_out(&ty.name);
                return Ok(());
            }
        };
        self.correct(ctx, at, code)?;
        if code % 2 == 0 {
            let params = maker.params(code);
            return self.emit(at, code, &params, false);
        }
        let entered = Stamp {
            ts: ts.saturating_sub(event.latency_ns),
            ..at
        };
        if event.flags.has(EventFlags::NO_RESULT) && ty.is_syscall {
            // It was recorded as it was entered.
            return self.emit(at, code - 1, &maker.params(code - 1), false);
        }
        let mut entry = maker.params(code - 1);
        let mut exit = maker.params(code);
        self.resolve(ctx, at, code, &mut entry, &mut exit);
        self.emit(entered, code - 1, &entry, true)?;
        self.emit(at, code, &exit, false)
    }

    /// Readers find the path of what is opened from what was asked for, and know nothing of links: where they would be wrong,
    /// the path that was opened stands in its place.
    fn resolve(
        &mut self,
        ctx: &Ctx<'_>,
        at: Stamp,
        code: u16,
        entry: &mut [Vec<u8>],
        exit: &mut [Vec<u8>],
    ) {
        let Some(file) = ctx.file().filter(|_| ctx.event.result >= 0) else {
            return;
        };
        let path = file.name();
        let (dirfd, in_entry, in_exit) = match code {
            3 | 59 => (None, 0, 1),
            307 | 327 => (exit.get(1).and_then(|fd| super::bytes::signed(fd)), 1, 2),
            _ => return,
        };
        let base = match dirfd {
            Some(fd) if fd >= 0 => {
                let known = self.sim.fd_of(at.tid, fd);
                known.map_or_else(Vec::new, |known| known.name.to_vec())
            }
            _ => self.sim.cwd(at.tid).to_vec(),
        };
        let found = exit
            .get(in_exit)
            .map(|asked| render::scap::join_path(&base, asked));
        if !path.starts_with(b"/") || found.is_some_and(|found| found == *path) {
            return;
        }
        let path = [path.as_slice(), &[0]].concat();
        if let (Some(entry), Some(exit)) = (entry.get_mut(in_entry), exit.get_mut(in_exit)) {
            entry.clone_from(&path);
            *exit = path;
        }
    }

    fn leave_out(&mut self, name: &str) {
        *self.written.left_out.entry(name.to_owned()).or_default() += 1;
    }

    /// An event that came from scap, as it was there.
    fn again(&mut self, ctx: &Ctx<'_>, at: Stamp) -> Result<(), Error> {
        if ctx.ty().is_some_and(|ty| ty.name == "unrecognized") {
            return self.unrecognized(ctx, at);
        }
        let number = ctx.event.ty.0;
        let calls = number.checked_sub(CODES);
        let code = match calls {
            Some(calls) => calls % 2,
            None if number < CODES => number,
            None => {
                if let Some(ty) = ctx.ty() {
                    self.leave_out(&ty.name);
                }
                return Ok(());
            }
        };
        let hidden = ctx.event.flags.has(EventFlags::INTERNAL);
        let params = Maker { ctx }.same(code);
        self.correct(ctx, at, code)?;
        self.emit(at, code, &params, hidden)
    }

    /// An event of a type that nobody knew when it was read, as it lay there.
    fn unrecognized(&mut self, ctx: &Ctx<'_>, at: Stamp) -> Result<(), Error> {
        let Some(ty) = ctx.ty() else { return Ok(()) };
        let value = |name: &str| ty.arg_index(name).and_then(|at| ctx.event.args.get(at));
        let number = |name: &str| match value(name) {
            Some(Value::Num(number)) => Some(*number),
            _ => None,
        };
        let bytes = |name: &str| match value(name) {
            Some(Value::Bytes(blob)) => Some(blob.bytes.as_slice()),
            _ => None,
        };
        let (Some(code), Some(width)) = (number("code"), number("width")) else {
            self.leave_out(&ty.name);
            return Ok(());
        };
        let (count, is_large) = (number("count"), width == 4);
        let mut content = bytes("raw").unwrap_or_default().to_vec();
        if content.is_empty() {
            let names = (1..=event::MAX_UNKNOWN).map(|at| format!("p{at}"));
            let params: Vec<&[u8]> = names.map_while(|name| bytes(&name)).collect();
            for param in &params {
                let len = param.len().to_le_bytes();
                content.extend_from_slice(len.get(..if is_large { 4 } else { 2 }).unwrap_or(&len));
            }
            params
                .iter()
                .for_each(|param| content.extend_from_slice(param));
        }
        let hidden = ctx.event.flags.has(EventFlags::INTERNAL);
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.extend_from_slice(&at.cpu.to_le_bytes());
        if hidden {
            body.extend_from_slice(&1_u32.to_le_bytes());
        }
        let head = if count.is_some() { 26 } else { 22 };
        body.extend_from_slice(&at.ts.to_le_bytes());
        body.extend_from_slice(&at.tid.to_le_bytes());
        body.extend_from_slice(&((head + content.len()) as u32).to_le_bytes());
        body.extend_from_slice(&(code as u16).to_le_bytes());
        if let Some(count) = count {
            body.extend_from_slice(&(count as u32).to_le_bytes());
        }
        body.extend_from_slice(&content);
        let written = self.block(event_block(count.is_some(), hidden, is_large), &body);
        self.body = body;
        match hidden {
            true => self.written.hidden += 1,
            false => self.written.events += 1,
        }
        written
    }

    /// Tells of a container before anything happens in it.
    fn container(&mut self, ctx: &Ctx<'_>, at: Stamp) -> Result<(), Error> {
        let Some(container) = ctx.container() else {
            return Ok(());
        };
        if container.full_id.len() != 64 || !self.told.insert(container.full_id.clone()) {
            return Ok(());
        }
        let mut json = super::containers::json(container).into_bytes();
        json.push(0);
        let at = Stamp {
            tid: 0,
            cpu: 0,
            ..at
        };
        self.emit(at, 272, &[json], true)
    }
}
