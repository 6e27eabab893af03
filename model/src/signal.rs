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

/// What a `si_code` says of where a signal came from, by its name in `include/uapi/asm-generic/siginfo.h`; a number without
/// a name stays one. Codes up to 0 and 128 mean the same for every signal, the others depend on it.
pub fn code_name(signal: i64, code: i64) -> String {
    let of_signal: &[&str] = match signal {
        4 => &[
            "ILL_ILLOPC",
            "ILL_ILLOPN",
            "ILL_ILLADR",
            "ILL_ILLTRP",
            "ILL_PRVOPC",
            "ILL_PRVREG",
            "ILL_COPROC",
            "ILL_BADSTK",
        ],
        5 => &["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT"],
        7 => &[
            "BUS_ADRALN",
            "BUS_ADRERR",
            "BUS_OBJERR",
            "BUS_MCEERR_AR",
            "BUS_MCEERR_AO",
        ],
        8 => &[
            "FPE_INTDIV",
            "FPE_INTOVF",
            "FPE_FLTDIV",
            "FPE_FLTOVF",
            "FPE_FLTUND",
            "FPE_FLTRES",
            "FPE_FLTINV",
            "FPE_FLTSUB",
        ],
        11 => &["SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"],
        17 => &[
            "CLD_EXITED",
            "CLD_KILLED",
            "CLD_DUMPED",
            "CLD_TRAPPED",
            "CLD_STOPPED",
            "CLD_CONTINUED",
        ],
        29 => &[
            "POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP",
        ],
        31 => &["SYS_SECCOMP", "SYS_USER_DISPATCH"],
        _ => &[],
    };
    let name = match code {
        0 => Some("SI_USER"),
        0x80 => Some("SI_KERNEL"),
        -1 => Some("SI_QUEUE"),
        -2 => Some("SI_TIMER"),
        -3 => Some("SI_MESGQ"),
        -4 => Some("SI_ASYNCIO"),
        -5 => Some("SI_SIGIO"),
        -6 => Some("SI_TKILL"),
        -7 => Some("SI_DETHREAD"),
        -60 => Some("SI_ASYNCNL"),
        _ => usize::try_from(code)
            .ok()
            .and_then(|n| of_signal.get(n.checked_sub(1)?).copied()),
    };
    name.map_or_else(|| code.to_string(), str::to_owned)
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
    fn a_code_is_named_by_its_signal() {
        assert_eq!(code_name(11, 1), "SEGV_MAPERR");
        assert_eq!(code_name(17, 1), "CLD_EXITED");
        assert_eq!(code_name(15, 0), "SI_USER");
        assert_eq!(code_name(15, 1), "1");
        assert_eq!(code_name(9, 0x80), "SI_KERNEL");
        assert_eq!(code_name(11, i64::MIN), i64::MIN.to_string());
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
