//! Events on their way into a batch, when another thread has time for the larger half of the work: who reads notes what they
//! are and lays their arguments one behind another, and who takes them looks for what repeats.

use crate::batch::{Arg, Batch, Line, Row};
use crate::error::ErrorKind;
use crate::strings::empty;
use afterimage_model::Tables;

/// How an argument is laid down: there is none, a number follows, or two lengths and bytes do.
mod tag {
    pub const ABSENT: u8 = 0;
    pub const NUM: u8 = 1;
    pub const BYTES: u8 = 2;
}

/// A batch of which the arguments are still to be kept, and these.
pub struct Staged {
    batch: Batch,
    args: Vec<u8>,
}

impl Staged {
    /// Nothing yet, in the memory of a batch and of arguments that are over.
    pub fn new(mut batch: Batch, mut args: Vec<u8>) -> Staged {
        batch.clear();
        empty(&mut args);
        Staged { batch, args }
    }

    /// What is known of its events without their arguments: how many they are, how large they will be, and which rows they need.
    pub fn noted(&self) -> &Batch {
        &self.batch
    }

    /// Adds an event.
    ///
    /// # Errors
    /// As of [`Batch::push`].
    pub fn push(&mut self, row: Row, args: &[Arg<'_>], tables: &Tables) -> Result<(), ErrorKind> {
        self.batch.note(row, args, tables)?;
        for arg in args {
            match *arg {
                Arg::Absent => self.args.push(tag::ABSENT),
                Arg::Num(number) => {
                    let mut laid = [tag::NUM; 9];
                    laid[1..].copy_from_slice(&number.to_le_bytes());
                    self.args.extend_from_slice(&laid);
                }
                Arg::Bytes(bytes, full_len) => {
                    let mut head = [tag::BYTES; 17];
                    head[1..9].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                    head[9..].copy_from_slice(&full_len.to_le_bytes());
                    self.args.extend_from_slice(&head);
                    self.args.extend_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    /// The batch, and the memory that the arguments took.
    pub fn settle(mut self) -> (Batch, Vec<u8>) {
        let mut laid = Laid(&self.args);
        for at in 0..self.batch.lines.len() {
            let line: Line = self.batch.lines[at];
            let args = (0..line.count).map(|_| laid.arg());
            self.batch.keep(&line, args);
        }
        (self.batch, self.args)
    }
}

/// What is left of the arguments that were laid down.
struct Laid<'a>(&'a [u8]);

impl<'a> Laid<'a> {
    /// The next one.
    fn arg(&mut self) -> Arg<'a> {
        self.take().unwrap_or(Arg::Absent)
    }

    fn take(&mut self) -> Option<Arg<'a>> {
        let (tag, rest) = self.0.split_first()?;
        self.0 = rest;
        match *tag {
            tag::NUM => Some(Arg::Num(i64::from_le_bytes(self.word()?))),
            tag::BYTES => {
                let len = usize::try_from(u64::from_le_bytes(self.word()?)).ok()?;
                let full_len = u64::from_le_bytes(self.word()?);
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Some(Arg::Bytes(bytes, full_len))
            }
            _ => None,
        }
    }

    fn word(&mut self) -> Option<[u8; 8]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::{Event, Schema, TypeId};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Given {
        Nothing,
        Number(i64),
        Text(Vec<u8>, u64),
    }

    impl Given {
        fn arg(&self) -> Arg<'_> {
            match self {
                Given::Nothing => Arg::Absent,
                Given::Number(number) => Arg::Num(*number),
                Given::Text(text, more) => Arg::Bytes(text, text.len() as u64 + more),
            }
        }
    }

    fn given() -> impl Strategy<Value = Given> {
        let text = prop::collection::vec(0_u8..3, 0..4);
        prop_oneof![
            Just(Given::Nothing),
            any::<i64>().prop_map(Given::Number),
            (text, 0_u64..2).prop_map(|(text, more)| Given::Text(text, more)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_laid_down_first_is_the_batch_that_it_would_have_been(
            events in prop::collection::vec((0_u16..4, prop::collection::vec(given(), 0..5)), 0..40),
            before in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let schema = Schema::current();
            let mut at_once = Batch::new(schema);
            let mut staged = Staged::new(Batch::new(schema), before);
            let tables = Tables::default();
            for (ty, args) in &events {
                let row = Row::from(&Event::of_type(TypeId(*ty)));
                let args: Vec<Arg<'_>> = args.iter().map(Given::arg).collect();
                at_once.push(row, &args, &tables).unwrap();
                staged.push(row, &args, &tables).unwrap();
                prop_assert_eq!(staged.noted().bytes(), at_once.bytes());
                prop_assert_eq!(staged.noted().values(), at_once.values());
            }
            let (settled, _) = staged.settle();
            let told = |batch: &Batch| -> Vec<String> {
                batch.rows().map(|row| format!("{row:?}")).collect()
            };
            prop_assert_eq!(told(&settled), told(&at_once));
            let strings = |batch: &Batch| -> Vec<Vec<u8>> {
                let all = batch.text.strings().chain(batch.data.strings());
                all.map(<[u8]>::to_vec).collect()
            };
            prop_assert_eq!(strings(&settled), strings(&at_once));
        }
    }
}
