//! The kernel's types, cut down to those that the programs speak of: aya goes through every type of the kernel for every type
//! of the programs, and there are a hundred thousand.
//!
//! The layout is that of Documentation/bpf/btf.rst. What is not understood is left to aya, which then reads everything.

use crate::alone::{self, Functions};
use crate::error::Error;
use aya::{Btf, Endianness};
use aya_obj::btf::BtfKind;
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Where the kernel shows its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Kinds of include/uapi/linux/btf.h.
const ARRAY: u8 = 3;
const STRUCT: u8 = 4;
const UNION: u8 = 5;
const ENUM: u8 = 6;
const FWD: u8 = 7;
const TYPEDEF: u8 = 8;
const FUNC: u8 = 12;
const ENUM64: u8 = 19;

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;

/// Types of the running kernel, as aya wants them.
pub struct Types {
    /// For fitting the programs to the kernel.
    pub layout: Btf,
    /// For finding what the programs hang on: types have the kernel's numbers here, and only tracepoints and
    /// iterators have names.
    pub hooks: Btf,
    /// What keeps others from a CPU, where the kernel has that.
    pub alone: Option<Functions>,
}

impl Types {
    /// Reads the kernel's types, those that `object` speaks of.
    ///
    /// # Errors
    /// When the kernel has none or they cannot be read.
    pub fn of_kernel(object: &[u8]) -> Result<Types, Error> {
        let all = std::fs::read(VMLINUX);
        let cut = all.ok().and_then(|all| Types::cut(&all, object));
        match cut {
            Some(types) => Ok(types),
            None => {
                let all = Btf::from_sys_fs().map_err(|why| Error::btf(&why))?;
                let number = |name: &str| all.id_by_type_name_kind(name, BtfKind::Func).ok();
                let [hold, give] = alone::NAMES.map(number);
                Ok(Types {
                    alone: functions(hold, give),
                    layout: all.clone(),
                    hooks: all,
                })
            }
        }
    }

    fn cut(all: &[u8], object: &[u8]) -> Option<Types> {
        let object = object::File::parse(object).ok()?;
        let own = object.section_by_name(".BTF")?.data().ok()?;
        let own = Section::read(own)?;
        let names: HashSet<&[u8]> = (own.types().collect::<Option<Vec<_>>>()?.iter())
            .filter_map(|ty| own.name(ty.name).map(plain))
            .filter(|name| !name.is_empty())
            .collect();
        let all = Section::read(all)?;
        let types: Vec<Type<'_>> = all.types().collect::<Option<_>>()?;
        let number = |name: &str| {
            let is_it = |ty: &Type<'_>| {
                ty.kind() == FUNC
                    && all
                        .name(ty.name)
                        .is_some_and(|text| text == name.as_bytes())
            };
            types.iter().position(is_it).map(|at| at as u32 + 1)
        };
        let [hold, give] = alone::NAMES.map(number);
        Some(Types {
            alone: functions(hold, give),
            layout: parse(&layout(&all, &types, &names)?)?,
            hooks: parse(&hooks(&all, &types)?)?,
        })
    }
}

fn functions(hold: Option<u32>, give: Option<u32>) -> Option<Functions> {
    let (hold, give) = hold.zip(give)?;
    Some(Functions { hold, give })
}

fn parse(bytes: &[u8]) -> Option<Btf> {
    Btf::parse(bytes, Endianness::default()).ok()
}

/// A name without what stands behind three underscores: that tells variants of one type apart.
fn plain(name: &[u8]) -> &[u8] {
    let at = name.windows(3).position(|three| three == b"___");
    at.and_then(|at| name.get(..at)).unwrap_or(name)
}

/// A type: its three words and what follows them.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    info: u32,
    /// A size or another type's number, by its kind.
    word: u32,
    rest: &'a [u8],
}

impl Type<'_> {
    fn kind(&self) -> u8 {
        (self.info >> 24) as u8 & 0x1f
    }

    /// Whether `word` is a type's number: of pointers, typedefs, qualifiers, functions, variables and tags.
    fn names_a_type(&self) -> bool {
        matches!(self.kind(), 2 | 8..=12 | 14 | 17 | 18)
    }
}

/// Bytes that follow the three words of a type.
fn follow(info: u32) -> Option<usize> {
    let count = (info & 0xffff) as usize;
    Some(match (info >> 24) as u8 & 0x1f {
        1 | 14 | 17 => 4,
        ARRAY => 12,
        STRUCT | UNION | 15 | ENUM64 => 12 * count,
        ENUM | 13 => 8 * count,
        2 | FWD..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*raw))
}

/// Types and their names.
struct Section<'a> {
    types: &'a [u8],
    names: &'a [u8],
}

impl<'a> Section<'a> {
    fn read(bytes: &'a [u8]) -> Option<Section<'a>> {
        if bytes.get(..2)? != MAGIC.to_ne_bytes() {
            return None;
        }
        let body = bytes.get(word(bytes, 4)? as usize..)?;
        let part = |at: usize| {
            let (from, len) = (word(bytes, at)? as usize, word(bytes, at + 4)? as usize);
            body.get(from..from.checked_add(len)?)
        };
        Some(Section {
            types: part(8)?,
            names: part(16)?,
        })
    }

    /// Every type, in their order; the first has number 1. `None` where one is not understood.
    fn types(&self) -> impl Iterator<Item = Option<Type<'a>>> + use<'a> {
        let mut left = self.types;
        let mut next = move || {
            let (name, info) = (word(left, 0)?, word(left, 4)?);
            let (rest, behind) = left.get(12..)?.split_at_checked(follow(info)?)?;
            let ty = Type {
                name,
                info,
                word: word(left, 8)?,
                rest,
            };
            left = behind;
            Some((ty, behind.is_empty()))
        };
        let mut ended = self.types.is_empty();
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let one = next();
            ended = one.is_none_or(|(_, last)| last);
            Some(one.map(|(ty, _)| ty))
        })
    }

    fn name(&self, at: u32) -> Option<&'a [u8]> {
        let from = self.names.get(at as usize..)?;
        from.get(..from.iter().position(|byte| *byte == 0)?)
    }
}

/// Types and names as they are put together anew.
struct Made {
    types: Vec<u8>,
    names: Vec<u8>,
}

impl Made {
    fn new() -> Made {
        Made {
            types: Vec::new(),
            // Offset 0 is no name.
            names: vec![0],
        }
    }

    fn name(&mut self, name: &[u8]) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.names.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend(word.to_ne_bytes());
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.types.len() + self.names.len());
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        let (types, names) = (self.types.len() as u32, self.names.len() as u32);
        for word in [HEADER as u32, 0, types, types, names] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(self.types);
        bytes.extend(self.names);
        bytes
    }
}

/// The types that have one of the names, and whatever lies in them; what they merely point at is not there.
fn layout(all: &Section<'_>, types: &[Type<'_>], names: &HashSet<&[u8]>) -> Option<Vec<u8>> {
    let of = |id: u32| types.get((id as usize).checked_sub(1)?);
    let mut wanted = BTreeSet::new();
    let mut open: Vec<u32> = Vec::new();
    for (at, ty) in types.iter().enumerate() {
        let rooted = matches!(ty.kind(), 1 | STRUCT | UNION | ENUM | TYPEDEF | ENUM64);
        if rooted && names.contains(plain(all.name(ty.name)?)) {
            open.push(at as u32 + 1);
        }
    }
    while let Some(id) = open.pop() {
        let Some(ty) = of(id).filter(|_| wanted.insert(id)) else {
            continue;
        };
        match ty.kind() {
            STRUCT | UNION => {
                let members = ty.rest.as_chunks::<12>().0;
                open.extend(members.iter().filter_map(|member| word(member, 4)));
            }
            ARRAY => open.extend([word(ty.rest, 0)?, word(ty.rest, 4)?]),
            // A pointer is as long whatever it points at.
            2 => {}
            _ if ty.names_a_type() => open.push(ty.word),
            _ => {}
        }
    }
    let number: BTreeMap<u32, u32> = wanted.iter().copied().zip(1..).collect();
    let number = |id: u32| number.get(&id).copied().unwrap_or(0);
    let mut made = Made::new();
    for ty in wanted.iter().filter_map(|id| of(*id)) {
        let name = made.name(all.name(ty.name)?);
        let word_of = if ty.names_a_type() {
            number(ty.word)
        } else {
            ty.word
        };
        made.words(&[name, ty.info, word_of]);
        match ty.kind() {
            STRUCT | UNION => {
                for member in ty.rest.as_chunks::<12>().0 {
                    let name = made.name(all.name(word(member, 0)?)?);
                    made.words(&[name, number(word(member, 4)?), word(member, 8)?]);
                }
            }
            ENUM => {
                for value in ty.rest.as_chunks::<8>().0 {
                    let name = made.name(all.name(word(value, 0)?)?);
                    made.words(&[name, word(value, 4)?]);
                }
            }
            ENUM64 => {
                for value in ty.rest.as_chunks::<12>().0 {
                    let name = made.name(all.name(word(value, 0)?)?);
                    made.words(&[name, word(value, 4)?, word(value, 8)?]);
                }
            }
            ARRAY => made.words(&[
                number(word(ty.rest, 0)?),
                number(word(ty.rest, 4)?),
                word(ty.rest, 8)?,
            ]),
            _ => made.types.extend_from_slice(ty.rest),
        }
    }
    Some(made.finish())
}

/// The typedefs of tracepoints and the functions of iterators at their own numbers, and nothing between them that has a name.
fn hooks(all: &Section<'_>, types: &[Type<'_>]) -> Option<Vec<u8>> {
    let mut made = Made::new();
    let mut filled = 0;
    for (at, ty) in types.iter().enumerate() {
        let prefix: &[u8] = match ty.kind() {
            TYPEDEF => b"btf_trace_",
            FUNC => b"bpf_iter_",
            _ => continue,
        };
        let name = all.name(ty.name)?;
        if !name.starts_with(prefix) {
            continue;
        }
        for _ in filled..at {
            made.words(&[0, u32::from(FWD) << 24, 0]);
        }
        let name = made.name(name);
        made.words(&[name, ty.info, 0]);
        filled = at + 1;
    }
    Some(made.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::OBJECT;
    use aya_obj::btf::BtfKind;

    #[test]
    fn programs_fit_the_kernel_by_few_types_as_by_all() {
        let Ok(raw) = std::fs::read(VMLINUX) else {
            return skip("this kernel shows no types");
        };
        let all = Btf::from_sys_fs().unwrap();
        let cut = Types::cut(&raw, OBJECT).expect("every kind of type here is understood");
        let fitted = |types: &Btf| {
            let mut object = aya_obj::Object::parse(OBJECT).unwrap();
            object.relocate_btf(types).unwrap();
            let words = |function: &aya_obj::Function| {
                let code = function.instructions.iter();
                code.map(|one| (one.code, one._bitfield_1, one.off, one.imm))
                    .map(|(code, registers, off, imm)| (code, registers.get(0, 8), off, imm))
                    .collect::<Vec<_>>()
            };
            let functions = object.functions.values();
            functions
                .map(|function| (function.name.clone(), words(function)))
                .collect::<Vec<_>>()
        };
        let (by_all, by_few) = (fitted(&all), fitted(&cut.layout));
        assert!(by_all.len() > 20, "{} functions", by_all.len());
        assert_eq!(by_all, by_few);
    }

    #[test]
    fn tracepoints_keep_the_numbers_that_the_kernel_knows_them_by() {
        let Ok(raw) = std::fs::read(VMLINUX) else {
            return skip("this kernel shows no types");
        };
        let all = Btf::from_sys_fs().unwrap();
        let cut = Types::cut(&raw, OBJECT).unwrap();
        for hook in crate::load::hooks() {
            let name = format!("btf_trace_{hook}");
            let number = |types: &Btf| types.id_by_type_name_kind(&name, BtfKind::Typedef).ok();
            assert_eq!(number(&all), number(&cut.hooks), "{hook}");
        }
        let number = |types: &Btf| types.id_by_type_name_kind("bpf_iter_task_file", BtfKind::Func);
        assert_eq!(number(&all).ok(), number(&cut.hooks).ok());
    }

    #[test]
    fn what_is_no_list_of_types_is_left_to_others() {
        let raw = std::fs::read(VMLINUX).unwrap_or_default();
        for end in [0, 1, 2, 23, 24, 100, raw.len() / 2] {
            let part = raw.get(..end).unwrap_or_default();
            assert!(Types::cut(part, OBJECT).is_none(), "{end} bytes");
        }
        assert!(Types::cut(&raw, b"no object").is_none());
        let mut made = Made::new();
        made.words(&[0, 31 << 24, 0]);
        let unknown = made.finish();
        assert!(
            Types::cut(&unknown, OBJECT).is_none(),
            "a kind of later kernels"
        );
    }

    fn skip(why: &str) {
        let line = format!("skipped: {why}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
}
