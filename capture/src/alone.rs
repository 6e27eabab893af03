//! Whether a kernel program has its CPU for itself until it ends. Up to Linux 6.19 tracepoints see to that. From 7.0 on another
//! task may come in between, on the same CPU, and would write into the middle of a record: there the programs call
//! `bpf_preempt_disable` and `bpf_preempt_enable` (kernel functions since Linux 6.10), for which they have places, and calls are seen
//! by way of perf. Such a call names its function by the number of its type (Documentation/bpf/kfuncs.rst), which every kernel has otherwise.

use crate::wire::Hold;
use object::{Object, ObjectSection, SectionFlags, elf};
use std::path::Path;

/// The first version whose tracepoints let others in between.
const SINCE: (u32, u32) = (7, 0);

/// `call` and `mov` of an immediate (include/uapi/linux/bpf.h).
const CALL: u8 = 0x85;
const MOV: u8 = 0xb7;
/// `BPF_PSEUDO_KFUNC_CALL` where an instruction names its source.
const KERNEL_FUNCTION: u8 = 2 << 4;
const INSTRUCTION: usize = 8;

/// The numbers of the types of the two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Functions {
    /// `bpf_preempt_disable`.
    pub hold: u32,
    /// `bpf_preempt_enable`.
    pub give: u32,
}

/// Their names.
pub const NAMES: [&str; 2] = ["bpf_preempt_disable", "bpf_preempt_enable"];

/// Whether tracepoints of a kernel with this release (`uname -r`) let others in between.
pub fn is_needed(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    next().zip(next()).is_some_and(|version| version >= SINCE)
}

/// Whether the return of calls can be seen by way of perf, which needs the tracepoint's number in tracefs.
pub fn has_perf() -> bool {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .iter()
        .any(|at| {
            Path::new(at)
                .join("events/raw_syscalls/sys_exit/id")
                .exists()
        })
}

/// The programs with the calls in their places; without functions, with nothing there.
pub fn filled(object: &[u8], functions: Option<Functions>) -> Vec<u8> {
    let mut filled = object.to_vec();
    let Ok(parsed) = object::File::parse(object) else {
        // Whoever loads it says what is wrong with it.
        return filled;
    };
    for section in parsed.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        let range = section.file_range().unwrap_or_default();
        let (from, len) = (range.0 as usize, range.1 as usize);
        let code = filled.get_mut(from..from.saturating_add(len));
        if sh_flags & u64::from(elf::SHF_EXECINSTR) == 0 {
            continue;
        }
        for one in code.unwrap_or_default().as_chunks_mut::<INSTRUCTION>().0 {
            let [CALL, 0, 0, 0, number @ ..] = *one else {
                continue;
            };
            let function = match (u32::from_le_bytes(number), functions) {
                (Hold::HOLD, Some(functions)) => functions.hold,
                (Hold::YIELD, Some(functions)) => functions.give,
                (Hold::HOLD | Hold::YIELD, None) => {
                    *one = [MOV, 0, 0, 0, 0, 0, 0, 0];
                    continue;
                }
                _ => continue,
            };
            let [a, b, c, d] = function.to_le_bytes();
            *one = [CALL, KERNEL_FUNCTION, 0, 0, a, b, c, d];
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::OBJECT;

    #[test]
    fn versions_from_7_0_on_need_it() {
        for (release, needed) in [
            ("5.10.0-46-cloud-amd64", false),
            ("6.18.44-fc-v782", false),
            ("6.19.0", false),
            ("7.0.0-rc1", true),
            ("7.3.4+deb13-cloud-amd64", true),
            ("10.0", true),
            ("", false),
            ("linux", false),
        ] {
            assert_eq!(is_needed(release), needed, "{release}");
        }
    }

    #[test]
    fn every_program_that_others_could_interrupt_has_both_places_and_nothing_else_changes() {
        let marks = |object: &[u8]| {
            let calls = object.as_chunks::<INSTRUCTION>().0;
            let count = |wanted: [u8; 8]| calls.iter().filter(|one| **one == wanted).count();
            let place = |number: u32| {
                let [a, b, c, d] = number.to_le_bytes();
                [CALL, 0, 0, 0, a, b, c, d]
            };
            [count(place(Hold::HOLD)), count(place(Hold::YIELD))]
        };
        // Without the one that is told by the scheduler and the one by way of perf, which let nobody in; that of calls is there
        // once, the others twice.
        let programs = 2 * (crate::load::hooks().count() - 2) - 1;
        assert_eq!(marks(OBJECT), [programs, programs]);
        let without = filled(OBJECT, None);
        assert_eq!(marks(&without), [0, 0]);
        let functions = Functions {
            hold: 0x1234,
            give: 0x5678,
        };
        let with = filled(OBJECT, Some(functions));
        assert_eq!(marks(&with), [0, 0]);
        let differ = |a: &[u8], b: &[u8]| {
            let chunks = a.as_chunks::<INSTRUCTION>().0.iter();
            let others = b.as_chunks::<INSTRUCTION>().0;
            let differ: Vec<[u8; 8]> = chunks
                .zip(others)
                .filter(|(a, b)| a != b)
                .map(|(_, b)| *b)
                .collect();
            differ
        };
        assert_eq!(
            differ(OBJECT, &without),
            vec![[MOV, 0, 0, 0, 0, 0, 0, 0]; 2 * programs]
        );
        let changed = differ(OBJECT, &with);
        assert_eq!(changed.len(), 2 * programs);
        for (at, one) in [(0x34, 0x12), (0x78, 0x56)].into_iter().enumerate() {
            let call = [CALL, KERNEL_FUNCTION, 0, 0, one.0, one.1, 0, 0];
            let count = changed.iter().filter(|found| **found == call).count();
            assert_eq!(count, programs, "{}", NAMES[at]);
        }
    }
}
