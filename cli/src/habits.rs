//! What fingers know from sysdig and csysdig, and the view here that answers the same question.

use crate::failure::Failure;
use afterimage_model::Safe;

/// Chisel or csysdig view (or how its name begins), and our view.
pub const HABITS: &[(&str, &str)] = &[
    ("procs", "processes"),
    ("ps", "processes"),
    ("topprocs", "processes"),
    ("topprocs_errors", "process_errors"),
    ("proc_exec", "commands"),
    ("spy_users", "commands"),
    ("list_login_shells", "commands"),
    ("conns", "connections"),
    ("connections", "connections"),
    ("topconns", "connections"),
    ("netstat", "connections"),
    ("topports_server", "server_ports"),
    ("server_ports", "server_ports"),
    ("port_bindings", "listening"),
    ("lscontainers", "containers"),
    ("topcontainers", "containers"),
    ("lsof", "files"),
    ("topfiles", "files"),
    ("file_opens", "file_opens"),
    ("dirs", "directories"),
    ("io_by_type", "io_by_type"),
    ("iobytes", "io_by_type"),
    ("topscalls", "syscalls"),
    ("syscalls", "syscalls"),
    ("syscall_procs", "callers"),
    ("threads", "threads"),
    ("errors", "errors"),
    ("stderr", "errors"),
    ("echo_fds", "events"),
    ("events", "events"),
];

/// The view that answers for a name of sysdig's: exact first, else the longest name it begins with.
pub fn view_for(name: &str) -> Option<&'static str> {
    let exact = HABITS.iter().find(|row| row.0 == name);
    let near = || {
        HABITS
            .iter()
            .filter(|row| row.0.len() > 3 && name.starts_with(row.0))
            .max_by_key(|row| row.0.len())
    };
    exact.or_else(near).map(|row| row.1)
}

/// The answer to `-c CHISEL`.
pub fn chisel_hint(chisel: &str) -> Failure {
    Failure::usage(
        format!("there are no chisels here, so no {}", Safe::new(chisel)),
        match view_for(chisel) {
            Some(view) => format!("afterimage view FILE {view}"),
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
            ("topprocs_cpu", "processes"),
            ("topprocs_errors", "process_errors"),
            ("topfiles_bytes", "files"),
            ("procs", "processes"),
            ("ps", "processes"),
        ] {
            assert_eq!(view_for(chisel), Some(view), "{chisel}");
        }
        assert_eq!(view_for("httplog"), None);
        assert!(chisel_hint("\u{1b}[2J").what.ends_with("\\x1b[2J"));
    }
}
