//! What a capture says against what is known to have happened: by another tracer, by the workload's own account, or by
//! arithmetic. Every recording here also has its books checked by the harness.
#![allow(clippy::print_stderr, reason = "tests say what they counted")]

mod anchored;
mod blinded;
mod bounds;
mod busy;
mod bytes;
mod containers;
mod conventions;
mod crashes;
mod doors;
mod endings;
mod engines;
mod evasion;
mod firing;
mod following;
mod identity;
mod kernel;
mod lasting;
mod late;
mod legacy;
mod loss;
mod memory;
mod opening;
mod paths;
mod programs;
mod rings;
mod runtimes;
mod service;
mod soak;
mod strain;
mod structs;
mod tracer;
mod unit;
mod waits;
mod watching;
mod worlds;

use afterimage_capture::{Options, Scope};
use afterimage_tests::cgroup::Cgroup;

/// Everything in a group, with rings that take all a test makes while an unoptimised consumer falls behind.
pub fn inside(cgroup: &Cgroup) -> Options {
    Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        ring_bytes: 128 << 20,
        ..Options::default()
    }
}
