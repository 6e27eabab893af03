//! What fingers know from sysdig and csysdig besides the exact names of views and chisels, which are rows of `PARITY`, and the
//! view here that answers the same question.

use crate::failure::Failure;
use afterimage_model::Safe;
use afterimage_query::view_of_peer;

/// Chisel or csysdig view (or how its name begins), and our view.
pub const HABITS: &[(&str, &str)] = &[
    ("topprocs", "processes"),
    ("topconns", "connections"),
    ("conns", "connections"),
    ("server_ports", "server_ports"),
    ("topcontainers", "containers"),
    ("topfiles", "files"),
    ("dirs", "directories"),
    ("topscalls", "syscalls"),
    ("proc_exec", "commands"),
    ("events", "events"),
];

/// The view that answers for a name of sysdig's, and the filter and the column of order that the name stands for: exact first, else
/// the longest name it begins with.
pub fn view_for(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let exact = || HABITS.iter().find(|row| row.0 == name);
    let near = || {
        HABITS
            .iter()
            .filter(|row| row.0.len() > 3 && name.starts_with(row.0))
            .max_by_key(|row| row.0.len())
    };
    view_of_peer(name).or_else(|| exact().or_else(near).map(|row| (row.1, "", "")))
}

/// The answer to `-c CHISEL`.
pub fn chisel_hint(chisel: &str) -> Failure {
    Failure::usage(
        format!("there are no chisels here, so no {}", Safe::new(chisel)),
        match view_for(chisel) {
            Some((view, filter, sort)) => {
                let filter = match filter {
                    "" => String::new(),
                    filter => format!(" '{filter}'"),
                };
                let sort = match sort {
                    "" => String::new(),
                    sort => format!(" --sort {sort}"),
                };
                format!("afterimage view FILE {view}{filter}{sort}")
            }
            None => "afterimage views lists what can be shown".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_habit_leads_to_a_view_that_exists() {
        for (name, view) in HABITS {
            assert!(
                afterimage_query::VIEWS.iter().any(|row| row.id == *view),
                "{name} -> {view}"
            );
        }
    }

    #[test]
    fn a_chisel_is_answered_with_its_view() {
        for (chisel, view) in [
            ("topprocs_cpu", "processor"),
            ("topprocs_errors", "process_errors"),
            ("topfiles_bytes", "files"),
            ("procs", "processes"),
            ("ps", "ps"),
            ("httplog", "http"),
        ] {
            assert_eq!(
                view_for(chisel).map(|found| found.0),
                Some(view),
                "{chisel}"
            );
        }
        assert_eq!(view_for("flame"), None);
        assert!(chisel_hint("\u{1b}[2J").what.ends_with("\\x1b[2J"));
    }
}
