//! What sorts of events tell of what is meant, as lists do of events.

use super::{Meant, One, Said, Told, is_odd};
use crate::alike::Alike;
use crate::index::Gather;
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{ArgKind, FileId};
use afterimage_query::Among;
use smallvec::SmallVec;

impl Meant<'_> {
    /// What the sorts of a chunk's events, the so-maniest, tell; `None` where only events can tell.
    pub fn told_of_sorts(
        &mut self,
        gather: &mut Gather,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
        alike: &Alike,
    ) -> Result<Option<Told>, ErrorKind> {
        let [in_procs, in_files, in_paths, in_payload] = self.parts(chunk);
        let mut told = self.told_by_rows(gather, (in_procs, in_files), heads, among)?;
        if !in_paths && !in_payload {
            return Ok(Some(told));
        }
        let mut is_odd_in = vec![false; alike.said()];
        if in_payload {
            let is = |file: &FileId| among.tables.file(*file).is_some_and(is_odd);
            let odd: Vec<bool> = heads.file_list()?.iter().map(is).collect();
            let all = (0..alike.len()).filter_map(|sort| alike.who(sort));
            for (_, file, says) in all {
                let file = (file.checked_sub(1)).and_then(|file| odd.get(file as usize));
                if let Some(slot) = says.and_then(|says| is_odd_in.get_mut(says)) {
                    *slot |= file.copied().unwrap_or(false);
                }
            }
        }
        let mut values = None;
        for (number, is_odd) in is_odd_in.into_iter().enumerate() {
            let says = alike.says(number);
            let ty = says.as_ref().and_then(|says| among.types.get(says.0));
            let desc = ty.and_then(|ty| among.schema.ty(*ty));
            let Some((((place, is_second, args), ty), desc)) = says.as_ref().zip(ty).zip(desc)
            else {
                continue;
            };
            let is_asked = |kind: ArgKind| match kind {
                ArgKind::Path => in_paths,
                _ => in_payload,
            };
            let steps = gather.steps(among.schema, *ty).iter().copied();
            let steps: SmallVec<[(usize, ArgKind); 4]> =
                steps.filter(|step| is_asked(step.1)).collect();
            let one = One {
                desc,
                is_second: *is_second,
                is_odd,
            };
            let held = |slot| args.iter().find(|arg| arg.0 == slot).map(|arg| arg.1);
            let values = match &mut values {
                Some(values) => values,
                none => none.insert(self.values(heads)?),
            };
            let Some(said) = self.said_by(gather, heads, values, &one, &steps, &held)? else {
                return Ok(None);
            };
            if !said.is_empty() {
                told.says.push(Said {
                    ty: *place,
                    is_second: *is_second,
                    args: said,
                });
                told.of_sorts.resize(number + 1, 0);
                if let Some(slot) = told.of_sorts.last_mut() {
                    *slot = u32::try_from(told.says.len()).unwrap_or(u32::MAX);
                }
            }
        }
        Ok(Some(told))
    }
}

impl Told {
    /// Whether what sorts of events say under this number is meant.
    pub fn says_meant(&self, number: usize) -> bool {
        self.of_sorts.get(number).is_some_and(|place| *place > 0)
    }

    /// The number for [`Told::let_say`] of what sorts of events say under theirs.
    pub fn place_of_says(&self, number: usize) -> u32 {
        let place = self.of_sorts.get(number).copied().unwrap_or(0);
        place.checked_sub(1).unwrap_or(u32::MAX)
    }
}
