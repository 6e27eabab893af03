//! Texts that are looked for in the line of all arguments, told stretch by stretch: a line need not be put together to find that
//! none of its stretches holds them.

use super::{Argument, Bits, Lists, Sift, Split};
use crate::check::Matcher;
use crate::eval::bare_ctx;
use crate::ops::Modifier;
use crate::pattern::contains_any_case;
use afterimage_model::render::{Decides, Stretch, is_of_number};
use afterimage_model::{Abi, Event, EventFlags, FieldValue, TypeDesc, TypeId};
use hashbrown::HashMap;
use std::borrow::Cow;

/// What a stretch says of the lines it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// They hold what is looked for.
    Yes,
    /// They may.
    Maybe,
    /// It is not here.
    No,
}

/// What is looked for anywhere in a line: one of these is enough.
struct Sought<'m> {
    texts: Vec<&'m [u8]>,
    matcher: &'m Matcher,
}

impl<'m> Sought<'m> {
    /// `None` where what holds of a line need not hold of one of its stretches.
    fn of(matcher: &'m Matcher) -> Option<Sought<'m>> {
        let mut texts = Vec::new();
        collect(matcher, &mut texts).then_some(Sought { texts, matcher })
    }

    /// Whether one of them may be neither within one stretch of a line of such events nor absent: it may begin in one and end in
    /// another, or stand in a name.
    fn may_join(&self, ty: &TypeDesc) -> bool {
        let starts = |one: &[u8], other: &[u8]| {
            let both = one.len().min(other.len());
            one.iter()
                .zip(other)
                .take(both)
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        self.texts.iter().any(|text| {
            let behind = |at: usize| text.get(at + 1..).unwrap_or_default();
            let joins = |(at, byte): (usize, &u8)| match byte {
                b' ' => Stretch::names(ty).any(|name| {
                    let name = [name.as_bytes(), b"="].concat();
                    starts(&name, behind(at))
                }),
                b'(' => starts(b"<", behind(at)),
                _ => false,
            };
            let in_name = |name: &str| contains_any_case(&[name.as_bytes(), b"="].concat(), text);
            text.iter().enumerate().any(joins) || Stretch::names(ty).any(in_name)
        })
    }

    /// Whether none of them is to be found among these names, with numbers and marks between.
    fn is_not_among(&self, words: &[&str]) -> bool {
        let is_strange = |run: &[u8]| {
            let is_of_number = |byte: &u8| {
                let [lower, upper] = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
                is_of_number(lower) || is_of_number(upper)
            };
            let in_word = |word: &&str| contains_any_case(word.as_bytes(), run);
            !run.iter().all(is_of_number) && !words.iter().any(in_word)
        };
        let mut texts = self.texts.iter();
        texts.all(|text| text.split(|byte| Stretch::is_mark(*byte)).any(is_strange))
    }
}

/// The texts of which one is looked for; false when there is more to it.
fn collect<'m>(matcher: &'m Matcher, texts: &mut Vec<&'m [u8]>) -> bool {
    match matcher {
        Matcher::Contains(text) | Matcher::ContainsAnyCase(text) if !text.is_empty() => {
            texts.push(text);
            true
        }
        Matcher::Members(Modifier::Anyof, members) => {
            members.iter().all(|member| collect(member, texts))
        }
        _ => false,
    }
}

/// Where the answer for each row goes.
struct Found<'b> {
    rows: &'b Bits,
    holds: Bits,
    fails: Bits,
}

impl Found<'_> {
    /// What is said of a row that was asked.
    fn say(&mut self, row: usize, says: Says) {
        if says != Says::No && self.rows.holds(row) {
            self.holds.put(row);
            if says == Says::Yes {
                self.fails.take(row);
            }
        }
    }
}

impl<L: Lists> Sift<'_, '_, L> {
    /// As stretches of the line decide it; `None` where they do not.
    pub(super) fn by_line(
        &mut self,
        matcher: &Matcher,
        rows: &Bits,
    ) -> Result<Option<Split>, L::Error> {
        let Some(sought) = Sought::of(matcher) else {
            return Ok(None);
        };
        let lists = self.lists;
        let types = lists.types()?;
        let count = self.among.types.len();
        // Of each type whether its rows are among those that are asked, and whether nothing rules them out.
        let (mut asked, mut open) = (vec![false; count], vec![false; count]);
        rows.those(types, |_, ty| {
            if let Some(asked) = asked.get_mut(usize::from(ty)) {
                *asked = true;
            }
            false
        });
        let among = self.among;
        let schema = among.schema;
        let described = |place: usize| among.types.get(place).and_then(|ty| schema.ty(*ty));
        for (place, open) in open.iter_mut().enumerate() {
            *open = described(place).is_none_or(|ty| sought.may_join(ty));
        }
        let mut found = Found {
            rows,
            holds: rows.those(types, |_, ty| {
                open.get(usize::from(ty)).copied().unwrap_or(true)
            }),
            fails: rows.clone(),
        };
        let wanted: Vec<bool> = asked
            .iter()
            .zip(&open)
            .map(|(asked, open)| *asked && !open)
            .collect();
        if !wanted.contains(&true) {
            return Ok(Some(Split {
                holds: found.holds,
                fails: found.fails,
            }));
        }
        if let Some(place) = self.own_type(&wanted) {
            self.become_type(place);
            self.by_file_stretch(&sought, &mut found)?;
            self.by_result_stretch(&sought, &wanted, &mut found)?;
        }
        for place in (0..count).filter(|place| wanted.get(*place) == Some(&true)) {
            let Some(ty) = described(place) else { continue };
            self.become_type(place);
            for at in 0..ty.args.len() {
                self.by_argument_stretch(&sought, (place, at), ty, &mut found)?;
            }
        }
        self.event.args.clear();
        Ok(Some(Split {
            holds: found.holds,
            fails: found.fails,
        }))
    }

    /// Whether a stretch of the line of the event, as it stands, holds what is looked for.
    fn stretch(&mut self, sought: &Sought<'_>, stretch: Stretch) -> Says {
        let says = |event: &Event| {
            let ctx = bare_ctx(
                self.among.manifest,
                self.among.schema,
                self.among.tables,
                event,
            );
            let mut text = Vec::new();
            let decides = stretch.put(&ctx, &mut text);
            let holds = sought.matcher.matches(&FieldValue::Str(Cow::Owned(text)));
            (decides, holds)
        };
        match says(&self.event) {
            (Decides::More, _) => Says::Maybe,
            (Decides::Alone, true) => Says::Yes,
            (Decides::Alone, false) => Says::No,
            (Decides::WithAbi, true) => Says::Maybe,
            (Decides::WithAbi, false) => {
                let own = self.event.abi;
                let mut any = false;
                for (abi, _) in Abi::ALL {
                    self.event.abi = *abi;
                    any |= says(&self.event).1;
                }
                self.event.abi = own;
                if any { Says::Maybe } else { Says::No }
            }
        }
    }

    /// The same of an argument, where it and those that decide what it is hold this.
    fn argument(
        &mut self,
        sought: &Sought<'_>,
        at: usize,
        args: &[(Option<usize>, Argument)],
    ) -> Result<Says, L::Error> {
        self.give(args)?;
        Ok(self.stretch(sought, Stretch::Argument(at)))
    }

    fn by_argument_stretch(
        &mut self,
        sought: &Sought<'_>,
        (place, at): (usize, usize),
        ty: &TypeDesc,
        found: &mut Found<'_>,
    ) -> Result<(), L::Error> {
        let lists = self.lists;
        let schema = self.among.schema;
        let strange = |bytes| {
            let words = Stretch::words(schema, ty, at, bytes);
            words.is_some_and(|words| sought.is_not_among(&words))
        };
        let strange = (strange(false), strange(true));
        let (numbers, bytes) = lists.kinds(place, at)?;
        if (!numbers || strange.0) && (!bytes || strange.1) {
            return Ok(());
        }
        let passes_over = |argument: &Argument| match argument {
            Argument::Nothing => true,
            Argument::Number(_) => strange.0,
            Argument::Bytes(_) => strange.1,
        };
        let (of_type, arguments) = lists.arguments(place, at)?;
        let deciders = schema.deciders(ty, at);
        let each = of_type.iter().zip(arguments).enumerate();
        let each = each.filter(|(_, (row, argument))| {
            found.rows.holds(**row as usize) && !passes_over(argument)
        });
        if deciders.is_empty() {
            let mut answers: HashMap<Argument, Says> = HashMap::new();
            let mut last = (Argument::Nothing, Says::No);
            for (_, (row, argument)) in each {
                if argument != last.0 {
                    let says = match answers.get(&argument) {
                        Some(says) => *says,
                        None => {
                            let says = self.argument(sought, at, &[(Some(at), argument)])?;
                            answers.insert(argument, says);
                            says
                        }
                    };
                    last = (argument, says);
                }
                found.say(*row as usize, last.1);
            }
            return Ok(());
        }
        let mut others: Vec<Vec<Argument>> = Vec::new();
        for decider in &deciders {
            others.push(lists.arguments(place, *decider)?.1);
        }
        let mut answers: HashMap<Vec<(usize, Argument)>, Says> = HashMap::new();
        for (nth, (row, argument)) in each {
            let beside = deciders
                .iter()
                .zip(&others)
                .map(|(at, other)| (*at, other.get(nth).copied().unwrap_or(Argument::Nothing)));
            let mut args: Vec<(usize, Argument)> = beside.chain([(at, argument)]).collect();
            args.sort_by_key(|(at, _)| *at);
            let says = match answers.get(&args) {
                Some(says) => *says,
                None => {
                    let given: Vec<_> = args
                        .iter()
                        .map(|(at, argument)| (Some(*at), *argument))
                        .collect();
                    let says = self.argument(sought, at, &given)?;
                    answers.insert(args, says);
                    says
                }
            };
            found.say(*row as usize, says);
        }
        Ok(())
    }

    /// The file is in some lines, and not in others.
    fn by_file_stretch(
        &mut self,
        sought: &Sought<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), L::Error> {
        let (files, known) = self.lists.files()?;
        let mut answers = vec![false];
        for file in known {
            self.event.file = Some(*file);
            answers.push(self.stretch(sought, Stretch::File) != Says::No);
        }
        self.event.file = None;
        if answers.contains(&true) {
            for (row, file) in files.iter().enumerate() {
                if answers.get(*file as usize) == Some(&true) {
                    found.say(row, Says::Maybe);
                }
            }
        }
        Ok(())
    }

    /// One of these types whose lines name results and files.
    fn own_type(&self, wanted: &[bool]) -> Option<usize> {
        let types = self.among.types.iter().zip(wanted);
        let is_own = |(ty, wanted): (&TypeId, &bool)| {
            *wanted && (self.among.schema.ty(*ty)).is_some_and(|ty| !ty.is(TypeDesc::SCAP))
        };
        types.map(is_own).position(|is| is)
    }

    fn by_result_stretch(
        &mut self,
        sought: &Sought<'_>,
        wanted: &[bool],
        found: &mut Found<'_>,
    ) -> Result<(), L::Error> {
        let is_no_number = sought.is_not_among(&Stretch::RESULT_NAMES);
        let lists = self.lists;
        let results = lists.results(wanted)?;
        for (place, of_type) in results.into_iter().enumerate() {
            let Some((of_type, results)) = of_type else {
                continue;
            };
            self.become_type(place);
            let mut answers: HashMap<i64, Says> = HashMap::new();
            for (row, result) in of_type.iter().zip(results) {
                if *result >= 0 && is_no_number {
                    continue;
                }
                let says = match answers.get(result) {
                    Some(says) => *says,
                    None => {
                        (self.event.result, self.event.flags) = (*result, EventFlags(0));
                        let says = self.stretch(sought, Stretch::Result);
                        answers.insert(*result, says);
                        says
                    }
                };
                // Some have none.
                let says = if says == Says::No {
                    Says::No
                } else {
                    Says::Maybe
                };
                found.say(*row as usize, says);
            }
        }
        (self.event.result, self.event.flags) = (0, EventFlags(0));
        Ok(())
    }
}
