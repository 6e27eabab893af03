//! Tests that arguments decide, by themselves or with what stands beside them.

use super::{Argument, Bits, Lists, Node, Sift, Split};
use crate::eval::bare_ctx;
use crate::field::FieldRef;
use afterimage_model::fields::has_none;
use afterimage_model::{Blob, EventFlags, Looks, ProcId, Value};
use std::collections::HashMap;

/// How a call ended, as far as the path it acted on depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ended {
    returned: bool,
    failed: bool,
    negative: bool,
}

impl<L: Lists> Sift<'_, '_, L> {
    /// As one argument decides it, together with the type; `None` where that does not.
    pub(super) fn by_argument(
        &mut self,
        node: &Node,
        rows: &Bits,
    ) -> Result<Option<Split>, L::Error> {
        let test = match node {
            Node::Once(_, _, inner) => inner,
            node => node,
        };
        let Node::Test(_, left, matcher) = test else {
            return Ok(None);
        };
        let Some(field) = left.field().filter(|_| matcher.right().is_none()) else {
            return Ok(None);
        };
        let types = self.among.types.iter();
        let looks = types.map(|ty| match self.among.schema.ty(*ty) {
            Some(desc) => Looks::of(field.field(), field.arg(), desc),
            None => Looks::Beyond,
        });
        let looks: Vec<Looks> = looks.collect();
        if looks.iter().all(|looks| *looks == Looks::Beyond) {
            return Ok(None);
        }
        if looks.contains(&Looks::Line) {
            return self.by_line(matcher, rows);
        }
        let list = self.lists.types()?;
        let mut wanted = vec![false; looks.len()];
        // Where nothing decides it, it may hold and may fail.
        let mut fails = rows.clone();
        let mut holds = rows.those(list, |_, ty| match looks.get(usize::from(ty)) {
            Some(Looks::At { .. } | Looks::ResultOr(_) | Looks::Path(_)) => {
                if let Some(wanted) = wanted.get_mut(usize::from(ty)) {
                    *wanted = true;
                }
                false
            }
            Some(Looks::Nowhere) => false,
            _ => true,
        });
        if looks.contains(&Looks::OnFile) {
            self.drop_by_file(field, &looks, &mut holds)?;
        }
        let of_types = looks.iter().zip(wanted).enumerate();
        for (place, (looks, _)) in of_types.filter(|(_, (_, wanted))| *wanted) {
            let (at, bytes) = match *looks {
                Looks::At { at, bytes } => (at, bytes),
                Looks::ResultOr(at) => {
                    self.by_result_or(node, (place, at), rows, (&mut holds, &mut fails))?;
                    continue;
                }
                Looks::Path(at) => {
                    self.by_path(node, (place, at), rows, (&mut holds, &mut fails))?;
                    continue;
                }
                Looks::Nowhere | Looks::Who | Looks::OnFile | Looks::Line | Looks::Beyond => {
                    continue;
                }
            };
            let (of_type, arguments) = self.lists.arguments(place, at)?;
            let mut answers: HashMap<Argument, Option<bool>> = HashMap::new();
            let mut last = None;
            for (row, argument) in of_type.iter().zip(arguments) {
                let row = *row as usize;
                if !rows.holds(row) {
                    continue;
                }
                let answer = match last {
                    Some((same, answer)) if same == argument => answer,
                    _ => match answers.get(&argument) {
                        Some(answer) => *answer,
                        None => {
                            let answer = self.ask_argument(node, place, at, argument, bytes)?;
                            answers.insert(argument, answer);
                            answer
                        }
                    },
                };
                last = Some((argument, answer));
                if answer != Some(false) {
                    holds.put(row);
                }
                if answer == Some(true) {
                    fails.take(row);
                }
            }
        }
        Ok(Some(Split { holds, fails }))
    }

    /// Drops the rows that have no value of a field because of what they go through.
    fn drop_by_file(
        &mut self,
        field: &FieldRef,
        looks: &[Looks],
        rows: &mut Bits,
    ) -> Result<(), L::Error> {
        let types = self.lists.types()?;
        let (files, known) = self.lists.files()?;
        // By type and file, once somebody has asked.
        let mut answers: Vec<Option<bool>> = vec![None; looks.len() * (known.len() + 1)];
        let kept = rows.those(files, |row, file| {
            let place = types.get(row).map_or(0, |place| usize::from(*place));
            if looks.get(place) != Some(&Looks::OnFile) {
                return true;
            }
            let Some(answer) = answers.get_mut(place * (known.len() + 1) + file as usize) else {
                return true;
            };
            *answer.get_or_insert_with(|| {
                self.become_type(place);
                let number = (file as usize).checked_sub(1);
                self.event.file = number.and_then(|number| known.get(number)).copied();
                let ctx = bare_ctx(
                    self.among.manifest,
                    self.among.schema,
                    self.among.tables,
                    &self.event,
                );
                !has_none(field.field(), field.arg(), &ctx)
            })
        });
        self.event.file = None;
        *rows = kept;
        Ok(())
    }

    /// Sorts out the rows of a type by their results, where those are not negative, else by an argument, if there is one.
    fn by_result_or(
        &mut self,
        node: &Node,
        (place, at): (usize, Option<usize>),
        rows: &Bits,
        (holds, fails): (&mut Bits, &mut Bits),
    ) -> Result<(), L::Error> {
        let mut wanted = vec![false; self.among.types.len()];
        if let Some(wanted) = wanted.get_mut(place) {
            *wanted = true;
        }
        let lists = self.lists;
        let found = lists.results(&wanted)?.into_iter().nth(place).flatten();
        let (of_type, results) = found.unwrap_or_default();
        let arguments = match at {
            Some(at) => lists.arguments(place, at)?.1,
            None => Vec::new(),
        };
        let marks = lists.marks()?;
        let mut answers: HashMap<(Option<i64>, Argument), Option<bool>> = HashMap::new();
        for (nth, (row, result)) in of_type.iter().zip(results).enumerate() {
            let row = *row as usize;
            if !rows.holds(row) {
                continue;
            }
            let flags = EventFlags(marks.get(row).copied().unwrap_or(0));
            let given = Some(*result).filter(|n| *n >= 0 && !flags.has(EventFlags::NO_RESULT));
            let argument = arguments.get(nth).copied().unwrap_or(Argument::Nothing);
            let key = match given {
                Some(_) => (given, Argument::Nothing),
                None => (None, argument),
            };
            let answer = match answers.get(&key) {
                Some(answer) => *answer,
                None => {
                    let answer = match given {
                        Some(result) => {
                            (self.event.result, self.event.flags) = (result, EventFlags(0));
                            let ty = u16::try_from(place).unwrap_or(u16::MAX);
                            Some(self.ask_type(node, ty))
                        }
                        None => {
                            self.event.flags = EventFlags(EventFlags::NO_RESULT);
                            self.ask_argument(node, place, at.unwrap_or(0), argument, false)?
                        }
                    };
                    (self.event.result, self.event.flags) = (0, EventFlags(0));
                    answers.insert(key, answer);
                    answer
                }
            };
            if answer != Some(false) {
                holds.put(row);
            }
            if answer == Some(true) {
                fails.take(row);
            }
        }
        Ok(())
    }

    /// Sorts out the rows of a type by a path and what it starts at: the argument before it, process and file, and how the call ended.
    fn by_path(
        &mut self,
        node: &Node,
        (place, at): (usize, usize),
        rows: &Bits,
        (holds, fails): (&mut Bits, &mut Bits),
    ) -> Result<(), L::Error> {
        let lists = self.lists;
        let mut wanted = vec![false; self.among.types.len()];
        if let Some(wanted) = wanted.get_mut(place) {
            *wanted = true;
        }
        let results = lists.results(&wanted)?.into_iter().nth(place).flatten();
        let (of_type, paths) = lists.arguments(place, at)?;
        let starts = match at.checked_sub(1) {
            Some(before) => lists.arguments(place, before)?.1,
            None => Vec::new(),
        };
        let (procs, marks, (files, known)) = (lists.procs()?, lists.marks()?, lists.files()?);
        let mut answers: HashMap<(Argument, Argument, u32, u32, Ended), bool> = HashMap::new();
        for (nth, (row, path)) in of_type.iter().zip(paths).enumerate() {
            let row = *row as usize;
            if !rows.holds(row) {
                continue;
            }
            let start = starts.get(nth).copied().unwrap_or(Argument::Nothing);
            let proc = procs.get(row).copied().unwrap_or(0);
            let file = files.get(row).copied().unwrap_or(0);
            let result = results.and_then(|(_, results)| results.get(nth)).copied();
            let result = result.unwrap_or(0);
            let flags = EventFlags(marks.get(row).copied().unwrap_or(0));
            (self.event.result, self.event.flags) = (result, flags);
            let ended = Ended {
                returned: !flags.has(EventFlags::NO_RESULT),
                failed: self.event.errno().is_some(),
                negative: result < 0,
            };
            let key = (path, start, proc, file, ended);
            let answer = match answers.get(&key) {
                Some(answer) => *answer,
                None => {
                    self.event.proc = self
                        .among
                        .procs
                        .get(proc as usize)
                        .copied()
                        .unwrap_or_default();
                    let number = (file as usize).checked_sub(1);
                    self.event.file = number.and_then(|number| known.get(number)).copied();
                    let args = [(at.checked_sub(1), start), (Some(at), path)];
                    let answer = self.ask_with(node, place, &args)?;
                    answers.insert(key, answer);
                    answer
                }
            };
            if answer {
                holds.put(row);
                fails.take(row);
            }
        }
        (self.event.result, self.event.flags) = (0, EventFlags(0));
        (self.event.proc, self.event.file) = (ProcId::default(), None);
        Ok(())
    }

    /// What a node answers for events of a type some of whose arguments hold this, the last of them last.
    fn ask_with(
        &mut self,
        node: &Node,
        place: usize,
        args: &[(Option<usize>, Argument)],
    ) -> Result<bool, L::Error> {
        self.give(args)?;
        let answer = self.ask_type(node, u16::try_from(place).unwrap_or(u16::MAX));
        self.event.args.clear();
        Ok(answer)
    }

    /// Lets some arguments of the event hold this, the last of them last, and no others.
    pub(super) fn give(&mut self, args: &[(Option<usize>, Argument)]) -> Result<(), L::Error> {
        self.event.args.clear();
        for (at, argument) in args {
            let Some(at) = *at else { continue };
            let value = match *argument {
                Argument::Nothing => Value::Absent,
                Argument::Number(number) => Value::Num(number),
                Argument::Bytes(_) => {
                    let (bytes, full_len) = self.lists.bytes(*argument)?;
                    Value::Bytes(Blob {
                        bytes: bytes.to_vec(),
                        full_len,
                    })
                }
            };
            let missing = at.saturating_sub(self.event.args.len());
            let missing = std::iter::repeat_n(Value::Absent, missing);
            self.event.args.extend(missing);
            self.event.args.push(value);
        }
        Ok(())
    }

    /// What a node answers for events of a type whose argument of a number holds this; `None` where that does not decide it.
    fn ask_argument(
        &mut self,
        node: &Node,
        place: usize,
        at: usize,
        argument: Argument,
        by_bytes: bool,
    ) -> Result<Option<bool>, L::Error> {
        match argument {
            Argument::Nothing => Ok(Some(false)),
            Argument::Bytes(_) if !by_bytes => Ok(None),
            _ => Ok(Some(self.ask_with(node, place, &[(Some(at), argument)])?)),
        }
    }
}
