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

/// Row of [`CODES`]: the signal it belongs to, 0 for all; number, name, meaning.
type Code = (i64, i64, &'static str, &'static str);

/// What a `si_code` says of where a signal came from (`include/uapi/asm-generic/siginfo.h`). Codes up to 0 and 128 mean the same for
/// every signal, the others depend on it.
const CODES: &[Code] = &[
    (0, 0, "SI_USER", "sent by kill"),
    (0, 0x80, "SI_KERNEL", "sent by the kernel"),
    (0, -1, "SI_QUEUE", "sent by sigqueue"),
    (0, -2, "SI_TIMER", "a timer ran out"),
    (0, -3, "SI_MESGQ", "a message came into an empty queue"),
    (0, -4, "SI_ASYNCIO", "asynchronous I/O was done"),
    (0, -5, "SI_SIGIO", "I/O is possible"),
    (0, -6, "SI_TKILL", "sent by tkill or tgkill"),
    (0, -7, "SI_DETHREAD", "another thread executes a program"),
    (0, -60, "SI_ASYNCNL", "a name was looked up"),
    (4, 1, "ILL_ILLOPC", "illegal instruction"),
    (4, 2, "ILL_ILLOPN", "illegal operand"),
    (4, 3, "ILL_ILLADR", "illegal addressing mode"),
    (4, 4, "ILL_ILLTRP", "illegal trap"),
    (4, 5, "ILL_PRVOPC", "privileged instruction"),
    (4, 6, "ILL_PRVREG", "privileged register"),
    (4, 7, "ILL_COPROC", "error of a coprocessor"),
    (4, 8, "ILL_BADSTK", "error of the internal stack"),
    (5, 1, "TRAP_BRKPT", "a breakpoint was met"),
    (5, 2, "TRAP_TRACE", "one step was traced"),
    (5, 3, "TRAP_BRANCH", "a branch was traced"),
    (5, 4, "TRAP_HWBKPT", "a breakpoint of the processor was met"),
    (7, 1, "BUS_ADRALN", "address not aligned"),
    (
        7,
        2,
        "BUS_ADRERR",
        "address behind the end of a mapped file, or of no memory",
    ),
    (
        7,
        3,
        "BUS_OBJERR",
        "error of the hardware behind the address",
    ),
    (7, 4, "BUS_MCEERR_AR", "broken memory was used"),
    (7, 5, "BUS_MCEERR_AO", "broken memory was found"),
    (8, 1, "FPE_INTDIV", "whole number divided by zero"),
    (8, 2, "FPE_INTOVF", "whole number too large"),
    (8, 3, "FPE_FLTDIV", "number divided by zero"),
    (8, 4, "FPE_FLTOVF", "number too large"),
    (8, 5, "FPE_FLTUND", "number too small"),
    (8, 6, "FPE_FLTRES", "inexact result"),
    (8, 7, "FPE_FLTINV", "invalid operation on numbers"),
    (8, 8, "FPE_FLTSUB", "subscript out of range"),
    (11, 1, "SEGV_MAPERR", "nothing is mapped at the address"),
    (
        11,
        2,
        "SEGV_ACCERR",
        "the address may not be used in this way",
    ),
    (11, 3, "SEGV_BNDERR", "the address is out of its bounds"),
    (11, 4, "SEGV_PKUERR", "a protection key forbids the address"),
    (17, 1, "CLD_EXITED", "a child ended by itself"),
    (17, 2, "CLD_KILLED", "a signal ended a child"),
    (
        17,
        3,
        "CLD_DUMPED",
        "a signal ended a child, which left a core",
    ),
    (17, 4, "CLD_TRAPPED", "a traced child stopped"),
    (17, 5, "CLD_STOPPED", "a child stopped"),
    (17, 6, "CLD_CONTINUED", "a child went on"),
    (29, 1, "POLL_IN", "there is something to read"),
    (29, 2, "POLL_OUT", "there is room to write"),
    (29, 3, "POLL_MSG", "a message came"),
    (29, 4, "POLL_ERR", "I/O failed"),
    (29, 5, "POLL_PRI", "something urgent came"),
    (29, 6, "POLL_HUP", "the other end hung up"),
    (31, 1, "SYS_SECCOMP", "a seccomp filter forbade a call"),
    (
        31,
        2,
        "SYS_USER_DISPATCH",
        "the program catches its own calls",
    ),
];

/// The name of a `si_code` of a signal; a number without a name stays one.
pub fn code_name(signal: i64, code: i64) -> String {
    let is = |row: &&Code| row.1 == code && (row.0 == 0 || row.0 == signal);
    let row = CODES.iter().find(is);
    row.map_or_else(|| code.to_string(), |row| row.2.to_owned())
}

/// What a `si_code` means, by its name.
pub fn code_meaning(name: &[u8]) -> Option<&'static str> {
    let row = CODES.iter().find(|row| row.2.as_bytes() == name);
    row.map(|row| row.3)
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
    fn every_code_has_a_name_of_its_own_and_a_meaning() {
        assert_eq!(code_name(6, -6), "SI_TKILL");
        assert_eq!(code_meaning(b"SI_TKILL"), Some("sent by tkill or tgkill"));
        for (signal, code, name, says) in CODES {
            assert_eq!(code_name(*signal, *code), *name);
            assert_eq!(code_meaning(name.as_bytes()), Some(*says));
        }
        assert_eq!(code_meaning(b"-61"), None);
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
