//! Names of signals, of sets of them, and of the ways a child ends (`arch/*/include/uapi/asm/signal.h`, alike on x86 and ARM).

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

/// A set of signals, signal 1 in bit 0, `width` bits wide: `[SIGUSR1|SIGUSR2]`; more than half of all by what is missing,
/// `~[SIGKILL|SIGSTOP]`.
pub fn set_text(set: u64, width: u32) -> String {
    let all = if width >= 64 {
        u64::MAX
    } else {
        (1 << width) - 1
    };
    let set = set & all;
    let inverted = set.count_ones() > width / 2;
    let shown = if inverted { !set & all } else { set };
    let bits = (0..64).filter(|bit| shown >> bit & 1 == 1);
    let names: Vec<String> = bits.map(|bit| name(bit + 1)).collect();
    format!("{}[{}]", if inverted { "~" } else { "" }, names.join("|"))
}

/// How a child ended or stopped, from the number of wait4 (`include/uapi/linux/wait.h`, and `WIFEXITED` and its like):
/// `exited(1)`, `signaled(SIGSEGV)`, `signaled(SIGSEGV, core)`, `stopped(SIGSTOP)`, `continued`.
pub fn wait_status_text(status: u32) -> String {
    let (low, high) = (status & 0x7f, i64::from(status >> 8 & 0xff));
    match low {
        0 => format!("exited({high})"),
        0x7f if status & 0xffff == 0xffff => "continued".to_owned(),
        0x7f => format!("stopped({})", name(high)),
        _ if status & 0x80 != 0 => format!("signaled({}, core)", name(i64::from(low))),
        _ => format!("signaled({})", name(i64::from(low))),
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
    fn sets_name_what_is_in_them_or_what_is_not() {
        assert_eq!(set_text(0, 64), "[]");
        assert_eq!(set_text(1 << 9 | 1 << 11, 64), "[SIGUSR1|SIGUSR2]");
        assert_eq!(set_text(!(1 << 8 | 1 << 18), 64), "~[SIGKILL|SIGSTOP]");
        assert_eq!(set_text(u64::MAX, 32), "~[]");
        assert_eq!(set_text(1, 32), "[SIGHUP]");
    }

    #[test]
    fn a_wait_status_says_how_the_child_ended() {
        assert_eq!(
            [0, 0x700, 9, 0x8b, 0x137f, 0xffff].map(wait_status_text),
            [
                "exited(0)",
                "exited(7)",
                "signaled(SIGKILL)",
                "signaled(SIGSEGV, core)",
                "stopped(SIGSTOP)",
                "continued"
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
