//! Colour rules: which events stand out in the event list, and how. The first rule that matches counts; a failed call keeps
//! its mark whatever its colour.

use crate::theme::Role;
use afterimage_model::Ctx;
use afterimage_query::{Evaluator, Filter};

/// Every rule: a filter and a role.
pub const COLOURS: &[(&str, Role)] = &[
    (
        "evt.type in (oom_kill, runtime_oom) or evt.type=procexit and evt.arg.signal in (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS)",
        Role::Loss,
    ),
    (
        "evt.type in (init_module, finit_module, bpf, ptrace, kexec_load, setns, unshare, pivot_root) and evt.failed=false",
        Role::Notable,
    ),
    (
        "evt.type in (execve, execveat) and evt.failed=false and (proc.is_exe_upper_layer=true or proc.is_exe_from_memfd=true or proc.exepath pmatch (/tmp, /var/tmp, /dev/shm))",
        Role::Notable,
    ),
    (
        "evt.type in (execve, execveat, clone, clone3, fork, vfork, procexit)",
        Role::Title,
    ),
    (
        "evt.type in (connect, accept, accept4, bind, listen) and fd.type in (ipv4, ipv6)",
        Role::Good,
    ),
    (
        "evt.type in (unlink, unlinkat, rmdir, rename, renameat, renameat2, chmod, fchmod, fchmodat)",
        Role::Key,
    ),
];

/// The rules, ready to be asked.
pub struct Colours(Vec<(Evaluator, Role)>);

impl Colours {
    /// Those of the table.
    pub fn new() -> Colours {
        let parsed = COLOURS
            .iter()
            .filter_map(|(filter, role)| Some((Filter::parse(filter).ok()?.evaluator(), *role)));
        Colours(parsed.collect())
    }

    /// The role of an event. Rows of other tables may come with every event: nothing is remembered.
    pub fn role(&mut self, ctx: &Ctx<'_>) -> Option<Role> {
        self.0.iter_mut().find_map(|(filter, role)| {
            filter.forget();
            filter.matches(ctx).then_some(*role)
        })
    }
}

impl Default for Colours {
    fn default() -> Colours {
        Colours::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_filter() {
        assert_eq!(Colours::new().0.len(), COLOURS.len());
    }
}
