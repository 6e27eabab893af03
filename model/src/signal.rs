//! Names of signals (`arch/*/include/uapi/asm/signal.h`, alike on x86 and ARM).

/// Names of signals 1 to 31.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The name of a signal: `SIGKILL`, `SIGRT_3` for real-time signals counted from the kernel's first (32); the number
/// itself when the kernel has no such signal.
pub fn name(signal: i64) -> String {
    let index = usize::try_from(signal).ok().and_then(|n| n.checked_sub(1));
    match (index.and_then(|at| NAMES.get(at)), signal) {
        (Some(name), _) => (*name).to_owned(),
        (None, 32) => "SIGRTMIN".to_owned(),
        (None, 33..=64) => format!("SIGRT_{}", signal - 32),
        _ => signal.to_string(),
    }
}

/// The number of a signal by its name, with or without `SIG`; `None` for other words.
pub fn number(name: &str) -> Option<i64> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    (1..)
        .zip(NAMES)
        .find(|(_, known)| known.strip_prefix("SIG") == Some(name))
        .map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_by_either_spelling() {
        assert_eq!(
            ["SIGTERM", "KILL", "HUP", "x"].map(number),
            [Some(15), Some(9), Some(1), None]
        );
    }

    #[test]
    fn signals_have_the_names_kill_prints() {
        assert_eq!(
            [1, 9, 11, 15, 17, 31].map(name),
            [
                "SIGHUP", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGCHLD", "SIGSYS"
            ]
        );
    }

    #[test]
    fn numbers_that_are_no_signal_stay_numbers() {
        assert_eq!(
            [0, 65, -1, i64::MIN].map(name),
            ["0", "65", "-1", "-9223372036854775808"]
        );
        assert_eq!([32, 34, 64].map(name), ["SIGRTMIN", "SIGRT_2", "SIGRT_32"]);
    }
}
