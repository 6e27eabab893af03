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
    /// What tells it best: a view and a filter of its events.
    pub worth_a_look: (&'static str, &'static str),
}

/// Every story.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "break-in",
        script: include_str!("../../samples/scenarios/break-in.sh"),
        doc: "A web server is asked for a shell; it reads /etc/shadow, drops and runs a program, plants a cron job and cleans up.",
        worth_a_look: (
            "story",
            "evt.type=connect and evt.failed=false and fd.sport=4444",
        ),
    },
    Scenario {
        name: "crash-loop",
        script: include_str!("../../samples/scenarios/crash-loop.sh"),
        doc: "A service fails to start four times for want of its configuration, then dies of SIGSEGV.",
        worth_a_look: ("ends", ""),
    },
    Scenario {
        name: "quiet-web",
        script: include_str!("../../samples/scenarios/quiet-web.sh"),
        doc: "A web server serves five requests, one of them for a page that does not exist, and stops in order.",
        worth_a_look: ("http", ""),
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
    fn every_story_is_a_shell_script_and_told_by_a_view() {
        for scenario in SCENARIOS {
            assert!(
                scenario.script.starts_with("#!/bin/sh\n"),
                "{}",
                scenario.name
            );
            let (view, filter) = scenario.worth_a_look;
            let known = afterimage_query::VIEWS.iter().any(|row| row.id == view);
            assert!(known, "{view}");
            if let Err(error) = afterimage_query::Filter::parse(filter) {
                panic!("{}: {error}", scenario.name);
            }
        }
    }
}
