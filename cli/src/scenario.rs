//! The stories that `demo` tells and the samples hold: scripts that run inside a container of nothing but busybox.

/// A story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name: of the script, and of the sample it leaves.
    pub name: &'static str,
    /// The script, for the container's `/bin/sh`.
    pub script: &'static str,
    /// What happens, in one sentence.
    pub doc: &'static str,
    /// The events worth showing first, as a filter.
    pub worth_a_look: &'static str,
}

/// Every story.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "break-in",
        script: include_str!("../../samples/scenarios/break-in.sh"),
        doc: "A web server is asked for a shell; it reads /etc/shadow, drops and runs a program, plants a cron job and cleans up.",
        worth_a_look: "evt.res=SUCCESS and (evt.type=execve or (evt.type=connect and fd.type=ipv4) \
                       or (fd.name in (/etc/shadow, /etc/cron.d/logrotate) and evt.type in (open, openat)) \
                       or fd.name startswith /tmp/.x and evt.type in (open, openat, chmod, fchmodat) \
                       or evt.type in (unlink, unlinkat, symlink, symlinkat))",
    },
    Scenario {
        name: "crash-loop",
        script: include_str!("../../samples/scenarios/crash-loop.sh"),
        doc: "A service fails to start four times for want of its configuration, then dies of SIGSEGV.",
        worth_a_look: "evt.type in (execve, exit_group, procexit) or (evt.failed=true and evt.type in (open, openat))",
    },
    Scenario {
        name: "quiet-web",
        script: include_str!("../../samples/scenarios/quiet-web.sh"),
        doc: "A web server serves five requests, one of them for a page that does not exist, and stops in order.",
        worth_a_look: "evt.type=execve or evt.type in (accept, accept4, connect)",
    },
];

/// The story with this name.
pub fn by_name(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_is_a_shell_script_with_a_filter_that_parses() {
        for scenario in SCENARIOS {
            assert!(
                scenario.script.starts_with("#!/bin/sh\n"),
                "{}",
                scenario.name
            );
            if let Err(error) = afterimage_query::Filter::parse(scenario.worth_a_look) {
                panic!("{}: {error}", scenario.name);
            }
        }
    }
}
