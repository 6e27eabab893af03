//! The tables of the model as the kernel programs read them: a plan per call number, and what one argument decides of another.

use crate::wire::{CHOICES_MAX, ChoiceHead, NOT_COUNTED, PLAN_STRIDE, Plan, PlanMark};
use afterimage_model::structs::{Choice, choice, structure};
use afterimage_model::syscalls::{Precedence, Syscall, When};
use afterimage_model::{Abi, ArgKind, ArgSpec, Class, SYSCALLS};
use std::collections::BTreeMap;

/// What goes into the maps before the programs are attached.
#[derive(Default)]
pub struct Plans {
    /// Plans by their index in the map.
    pub plans: Vec<(u32, Plan)>,
    /// Choices; the place is the index in the map.
    pub choices: Vec<ChoiceHead>,
    /// Cases: choice << 32 | value, and kind, counting argument << 8, size << 16.
    pub cases: BTreeMap<u64, u32>,
    /// Choices that are there already, with the arguments that decide and count: rows share them.
    known: BTreeMap<(&'static str, bool, Vec<&'static str>), u16>,
}

impl Plans {
    /// Those of `SYSCALLS`.
    pub fn new() -> Plans {
        let mut all = Plans::default();
        for row in SYSCALLS {
            for (abi, number) in row.numbers {
                // x32 uses the 64-bit table's numbers below 512.
                let tables: &[u32] = match abi {
                    Abi::x86_64 if *number < 512 => &[Abi::x86_64 as u32, Abi::x32 as u32],
                    Abi::x86_64 | Abi::i386 => &[*abi as u32],
                    Abi::aarch64 | Abi::x32 => continue,
                };
                if *number >= PLAN_STRIDE - 1 {
                    continue;
                }
                let plan = all.plan(row, *abi);
                for table in tables {
                    all.plans.push((table * PLAN_STRIDE + number, plan));
                }
            }
        }
        all
    }

    fn plan(&mut self, row: &'static Syscall, abi: Abi) -> Plan {
        let reads = (row.args.iter().enumerate())
            .filter(|(_, arg)| arg.kind.is_read())
            .fold(0, |bits, (at, _)| bits | 1 << at);
        let marks = [
            (row.when == When::Enter, PlanMark::ENTER),
            (row.returns_fd, PlanMark::RETURNS_FD),
            (row.changes_task, PlanMark::CHANGES_TASK),
            (
                row.args.iter().any(|arg| arg.kind == ArgKind::Argv),
                PlanMark::EXECS,
            ),
            (row.precedence() == Precedence::Never, PlanMark::CRITICAL),
            (row.precedence() == Precedence::First, PlanMark::BULK),
            (
                row.class == Class::Net && !row.args.iter().any(|arg| arg.kind.is_payload()),
                PlanMark::NAMES_SOCKET,
            ),
        ];
        let marks = marks
            .into_iter()
            .filter(|(set, _)| *set)
            .fold(0, |bits, (_, bit)| bits | bit);
        let mut readings = [0; 6];
        for (at, (reading, arg)) in readings.iter_mut().zip(row.args).enumerate() {
            *reading = self.reading(row, at, arg, abi);
        }
        Plan {
            present: 1,
            // What is part of another argument has no register of its own.
            count: row.args.len().min(6) as u8,
            marks: marks as u8,
            reads,
            class: row.class as u32,
            readings,
        }
    }

    /// Kind, counting argument << 8, size or choice << 16.
    fn reading(&mut self, row: &'static Syscall, at: usize, holds: &ArgSpec, abi: Abi) -> u32 {
        let place = |name: &str| row.args.iter().position(|arg| arg.name == name);
        let by = match holds.by {
            "" if holds.kind.is_counted() => Some(at + 1),
            "" => None,
            name => place(name),
        };
        let size = match holds.kind {
            ArgKind::Choice => choice(holds.set).map_or(u16::MAX, |c| self.choice(row, at, c, abi)),
            kind if kind.is_struct() => structure(holds.set).map_or(0, |s| s.bytes(abi)),
            _ => 0,
        };
        let by = by.map_or(u32::from(NOT_COUNTED), |by| by as u32);
        u32::from(holds.kind as u8) | by << 8 | u32::from(size) << 16
    }

    fn choice(
        &mut self,
        row: &'static Syscall,
        at: usize,
        choice: &'static Choice,
        abi: Abi,
    ) -> u16 {
        let key = (
            choice.name,
            abi == Abi::i386,
            row.args.iter().map(|arg| arg.name).collect::<Vec<_>>(),
        );
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let id = self.choices.len();
        let (Ok(id), true) = (u16::try_from(id), id < CHOICES_MAX as usize) else {
            return u16::MAX;
        };
        let selector = row.args.iter().position(|arg| arg.name == choice.by);
        self.choices.push(ChoiceHead {
            mask: choice.mask as u32,
            selector: selector.unwrap_or(usize::from(NOT_COUNTED)) as u32,
            otherwise: 0,
        });
        self.known.insert(key, id);
        let otherwise = self.reading(row, at, &choice.otherwise, abi);
        if let Some(head) = self.choices.get_mut(usize::from(id)) {
            head.otherwise = otherwise;
        }
        for case in choice.cases {
            let reading = self.reading(row, at, &case.holds, abi);
            if let Some(value) = choice.number(case) {
                let key = u64::from(id) << 32 | value & u64::from(u32::MAX);
                self.cases.insert(key, reading);
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{CASES_MAX, STRUCT_MAX};
    use afterimage_model::STRUCTS;

    #[test]
    fn the_maps_have_room_for_every_choice_and_case_and_a_record_for_every_structure() {
        let all = Plans::new();
        assert!(
            all.choices.len() < CHOICES_MAX as usize,
            "{}",
            all.choices.len()
        );
        assert!(
            all.cases.len() < CASES_MAX as usize / 2,
            "{}",
            all.cases.len()
        );
        for row in STRUCTS {
            assert!(u32::from(row.size) <= STRUCT_MAX, "{}", row.name);
        }
        for (_, plan) in &all.plans {
            for reading in plan.readings {
                let choice = reading & 0xff == ArgKind::Choice as u32;
                assert!(!choice || ((reading >> 16) as usize) < all.choices.len());
            }
        }
    }

    #[test]
    fn a_structure_is_as_large_as_the_convention_has_it() {
        let all = Plans::new();
        let size = |abi: Abi, number: u32, at: usize| {
            let index = abi as u32 * PLAN_STRIDE + number;
            let row = all.plans.iter().find(|row| row.0 == index);
            row.map(|row| row.1.readings[at] >> 16)
        };
        assert_eq!(size(Abi::x86_64, 13, 1), Some(32), "rt_sigaction");
        assert_eq!(size(Abi::i386, 174, 1), Some(20), "rt_sigaction");
    }
}
