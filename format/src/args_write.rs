//! Arguments to columns: type by type, argument by argument, the integers, strings and payloads of one each in a list.

use crate::batch::Args;
use crate::codec::{Encoder, put_ints};
use crate::layout::value;
use crate::lists::{Context, Parts};
use crate::wire::put_varint;
use std::io;

/// Arguments before one that it may be told from.
const NEAR: usize = 3;

/// One argument of all events of a type: the kinds of their values, the integers, the places.
#[derive(Default)]
struct Slot {
    tags: Vec<u8>,
    nums: Vec<i64>,
    texts: Vec<i64>,
    datas: Vec<i64>,
}

impl Slot {
    fn clear(&mut self) {
        self.tags.clear();
        for list in [&mut self.nums, &mut self.texts, &mut self.datas] {
            list.clear();
        }
    }

    fn push(&mut self, tag: u8, number: i64) {
        self.tags.push(tag);
        match u16::from(tag) {
            value::NUM => self.nums.push(number),
            value::TEXT => self.texts.push(number),
            value::DATA => self.datas.push(number),
            _ => {}
        }
    }

    /// Argument `at` of the events at these places.
    fn take(&mut self, args: &Args, at: usize, events: &[Place]) {
        let Some(slot) = args.slots.get(at) else {
            return;
        };
        let of = |place: u32| slot.values[place as usize];
        let all = events.iter().all(|event| usize::from(event.1) > at);
        match slot.tags.split_first() {
            // Most arguments are of one kind in all events.
            Some((first, rest)) if all && rest.iter().all(|tag| tag == first) => {
                self.tags.resize(events.len(), *first);
                let list = match u16::from(*first) {
                    value::NUM => &mut self.nums,
                    value::TEXT => &mut self.texts,
                    value::DATA => &mut self.datas,
                    _ => return,
                };
                list.extend(events.iter().map(|event| of(event.0)));
            }
            _ => {
                for (place, count) in events {
                    if usize::from(*count) > at {
                        self.push(slot.tags[*place as usize], of(*place));
                    }
                }
            }
        }
    }
}

/// The place of an event among those of its type in a batch, and how many values it has.
type Place = (u32, u8);

/// Appends the arguments of all events of one type, argument by argument.
pub(crate) fn put_args(out: &mut Vec<u8>, events: &[Place], args: &Args) {
    let most = events.iter().map(|event| event.1).max().unwrap_or(0);
    let uniform = events.iter().all(|event| event.1 == most);
    put_varint(out, u64::from(most));
    out.push(u8::from(uniform));
    if !uniform {
        out.extend(events.iter().map(|event| event.1));
    }
    let mut slots: Vec<Slot> = Vec::new();
    slots.resize_with(usize::from(most), Slot::default);
    for (at, slot) in slots.iter_mut().enumerate() {
        slot.take(args, at, events);
    }
    for slot in slots {
        match slot.tags.split_first() {
            Some((first, rest)) if rest.iter().all(|tag| tag == first) => out.push(*first),
            _ => {
                out.push(value::MIXED as u8);
                out.extend_from_slice(&slot.tags);
            }
        }
        put_ints(out, &slot.nums);
        put_ints(out, &slot.texts);
        put_ints(out, &slot.datas);
    }
}

/// The arguments of one type, each of them apart. Keeps its memory.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    gathered: Vec<Vec<i64>>,
}

impl Slots {
    /// Puts the arguments of all events of one type into a column; `files` and `results` are theirs.
    pub(crate) fn put(
        &mut self,
        parts: &mut Parts,
        encoder: &mut Encoder,
        events: &[Place],
        args: &Args,
        files: &[i64],
        results: &[i64],
    ) -> io::Result<()> {
        let most = events.iter().map(|event| event.1).max().unwrap_or(0);
        let uniform = events.iter().all(|event| event.1 == most);
        parts.number(u64::from(most));
        parts.byte(u8::from(uniform));
        if !uniform {
            let counts: Vec<u8> = events.iter().map(|event| event.1).collect();
            parts.bytes(encoder, &counts)?;
        }
        let most = usize::from(most);
        if self.slots.len() < most {
            self.slots.resize_with(most, Slot::default);
        }
        for (at, slot) in self.slots[..most].iter_mut().enumerate() {
            slot.clear();
            slot.take(args, at, events);
        }
        for at in 0..most {
            let (before, rest) = self.slots.split_at(at);
            let Some(slot) = rest.first() else { continue };
            match slot.tags.split_first() {
                Some((first, rest)) if rest.iter().all(|tag| tag == first) => parts.byte(*first),
                _ => {
                    parts.byte(value::MIXED as u8);
                    parts.bytes(encoder, &slot.tags)?;
                }
            }
            let mut contexts = vec![
                Context {
                    number: 0,
                    values: files,
                    minus_only: false,
                },
                Context {
                    number: 1,
                    values: results,
                    minus_only: true,
                },
            ];
            let near = before
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.nums.len() == events.len());
            contexts.extend(near.rev().take(NEAR).map(|(at, slot)| Context {
                number: at as u8 + 2,
                values: &slot.nums,
                minus_only: false,
            }));
            for (values, kind) in [
                (&slot.nums, value::NUM),
                (&slot.texts, value::TEXT),
                (&slot.datas, value::DATA),
            ] {
                if values.len() == events.len() {
                    parts.list(encoder, values, &contexts)?;
                    continue;
                }
                if values.is_empty() {
                    continue;
                }
                let having = (0..events.len()).filter(|row| usize::from(events[*row].1) > at);
                let of_kind = having.zip(&slot.tags);
                let of_kind = of_kind.filter(|(_, tag)| u16::from(**tag) == kind);
                let rows: Vec<usize> = of_kind.map(|(row, _)| row).collect();
                self.gathered.resize_with(contexts.len(), Vec::new);
                for (context, list) in contexts.iter().zip(&mut self.gathered) {
                    list.clear();
                    list.extend(rows.iter().map(|row| context.values[*row]));
                }
                let narrowed: Vec<Context<'_>> = (contexts.iter().zip(&self.gathered))
                    .map(|(context, list)| Context {
                        values: list,
                        ..*context
                    })
                    .collect();
                parts.list(encoder, values, &narrowed)?;
            }
        }
        Ok(())
    }
}
