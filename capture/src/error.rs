//! What can go wrong with a recording, each with what the user can do about it.

use std::fmt;
use std::path::PathBuf;

/// Why a recording could not begin or go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A right is missing.
    Privilege(&'static str),
    /// The recorder sits in a pid namespace of its own, where pids are not the kernel's.
    PidNamespace,
    /// The host forbids it; what, and the remedy.
    Forbidden(String, &'static str),
    /// The kernel does not describe its types.
    Btf(String),
    /// The kernel refused the programs or maps.
    Kernel(String),
    /// A verifier or hook refused one program.
    Program(&'static str, String),
    /// The compiled object lacks something: a broken build.
    Object(&'static str),
    /// The filter that chooses containers is none.
    Filter(String),
    /// A file or folder of the system could not be used.
    System(PathBuf, std::io::Error),
    /// The capture could not be written.
    Write(afterimage_format::Error),
    /// The thread that writes the capture has ended.
    Stopped,
}

impl Error {
    pub(crate) fn btf(why: &dyn std::error::Error) -> Error {
        Error::Btf(chain(why))
    }
    /// Before Linux 5.11 maps count as locked memory: what is refused while that is limited, is refused for that.
    pub(crate) fn load(why: &aya::EbpfError, locked_memory: Option<u64>) -> Error {
        use aya::maps::MapError;
        if let (aya::EbpfError::MapError(MapError::CreateError { name, io_error }), Some(limit)) =
            (why, locked_memory)
            && io_error.raw_os_error() == Some(libc::EPERM)
        {
            return Error::Forbidden(
                format!(
                    "the kernel refused the map {name}, with locked memory limited to {limit} bytes"
                ),
                "lift the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity in a unit",
            );
        }
        Error::Kernel(chain(why))
    }
    pub(crate) fn map(why: aya::maps::MapError) -> Error {
        Error::Kernel(chain(&why))
    }
    pub(crate) fn rings(why: std::io::Error) -> Error {
        Error::Kernel(format!("mapping the rings: {why}"))
    }
    pub(crate) fn program(name: &'static str, why: aya::programs::ProgramError) -> Error {
        Error::Program(name, chain(&why))
    }
    pub(crate) fn object(name: &'static str) -> Error {
        Error::Object(name)
    }

    /// What the user can do.
    pub fn remedy(&self) -> String {
        match self {
            Error::Privilege(_) => "run as root, or give the program CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH".to_owned(),
            Error::PidNamespace => "run it on the host, or in a container with the host's pids (docker run --pid=host --privileged)".to_owned(),
            Error::Forbidden(_, remedy) => (*remedy).to_owned(),
            Error::Btf(_) => "use a kernel built with CONFIG_DEBUG_INFO_BTF (Debian 11 and later, Ubuntu 20.10 and later, RHEL 8.2 and later)".to_owned(),
            Error::Kernel(_) | Error::Program(..) => "`afterimage doctor` lists what this host allows and what to change".to_owned(),
            Error::Object(_) => "rebuild with `cargo clean -p afterimage-capture && cargo build`".to_owned(),
            Error::Filter(_) => "list fields with `afterimage fields container`".to_owned(),
            Error::Stopped => "look for what it said before it ended".to_owned(),
            Error::System(..) => "check that it exists and may be used".to_owned(),
            Error::Write(_) => "check free space and permissions of the output's folder".to_owned(),
        }
    }
}

/// An error with its causes, innermost last; verifier logs cut to their end, which holds the reason.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    let lines: Vec<_> = text.lines().collect();
    match lines.len() {
        0..=6 => text,
        n => [&lines[..1], &lines[n - 4..]].concat().join(" | "),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Privilege(what) => write!(f, "cannot record: {what}"),
            Error::PidNamespace => write!(
                f,
                "cannot record: this process does not see the host's pids"
            ),
            Error::Forbidden(what, _) => write!(f, "cannot record: {what}"),
            Error::Btf(why) => write!(
                f,
                "cannot record: the kernel's type information cannot be had: {why}"
            ),
            Error::Kernel(why) => write!(
                f,
                "cannot record: the kernel refused the eBPF programs: {why}"
            ),
            Error::Program(name, why) => write!(
                f,
                "cannot record: the kernel refused the program {name}: {why}"
            ),
            Error::Object(what) => {
                write!(f, "cannot record: the compiled eBPF object has no {what}")
            }
            Error::Filter(why) => write!(f, "choosing containers: {why}"),
            Error::System(path, why) => write!(
                f,
                "{}: {why}",
                afterimage_model::Safe::new(path.as_os_str().as_encoded_bytes())
            ),
            Error::Write(why) => write!(f, "writing the capture: {why}"),
            Error::Stopped => write!(f, "writing the capture: the thread that does it has ended"),
        }
    }
}

impl std::error::Error for Error {}

impl From<afterimage_format::Error> for Error {
    fn from(why: afterimage_format::Error) -> Error {
        Error::Write(why)
    }
}
