//! How a case makes its call and says what it did: each argument is given once, as the register's value and as what the
//! event must say of it. What is told reaches the parent through shared memory, also when the call never returns.

use afterimage_model::schema::current_type;
use afterimage_model::{Abi, ArgKind, Schema, Syscall};
use afterimage_tests::child::Shared;
use serde_json::{Value as Json, json};
use std::ffi::CStr;
use std::os::fd::{IntoRawFd, RawFd};

/// The call convention of this build.
pub const ABI: Abi = if cfg!(target_arch = "aarch64") {
    Abi::aarch64
} else {
    Abi::x86_64
};

/// A number no call has, called with [`MAGIC`] right before the call under test: its event is the next of the thread.
pub const MARKER: i64 = 1_000;
/// First argument of the marker.
pub const MAGIC: i64 = 0x0a57_e41a;

/// What the event must say of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// This number.
    Num(i64),
    /// These bytes, or as many of them as the snap length keeps.
    Bytes(Vec<u8>),
    /// Two descriptors.
    Pair(i32, i32),
    /// These strings, NUL between them.
    List(Vec<Vec<u8>>),
    /// Nothing: a null pointer.
    Null,
    /// Memory the kernel may or may not have filled; nothing is claimed.
    Any,
}

/// How many of an output's bytes are valid after the call.
#[derive(Clone, Copy, Debug)]
enum Fill {
    /// As many as the result says; nothing when the call failed.
    Result,
    /// As many as this 32-bit number in memory says after the call.
    LenAt(*const u32),
    /// A pair of descriptors.
    Pair,
}

/// One argument: what goes into the register, and what the event must say.
#[derive(Clone, Debug)]
pub struct Arg {
    raw: u64,
    told: Told,
    fill: Option<Fill>,
    says: Option<&'static str>,
}

impl Arg {
    fn new(raw: u64, told: Told) -> Arg {
        Arg {
            raw,
            told,
            fill: None,
            says: None,
        }
    }

    /// The text of the argument must hold this.
    pub fn says(mut self, text: &'static str) -> Arg {
        self.says = Some(text);
        self
    }
}

/// A number of any kind: descriptor, flags, id.
pub fn n(value: impl Into<i64>) -> Arg {
    let value = value.into();
    Arg::new(value as u64, Told::Num(value))
}

/// A number of the C library's own width: sizes, positions, 64-bit flags.
pub fn wide(value: u64) -> Arg {
    Arg::new(value, Told::Num(value as i64))
}

/// A path or another string.
pub fn text(value: &CStr) -> Arg {
    Arg::new(
        value.as_ptr() as u64,
        Told::Bytes(value.to_bytes().to_vec()),
    )
}

/// An address that the event shows as a number.
pub fn ptr<T: ?Sized>(at: *const T) -> Arg {
    let raw = at.cast::<()>() as u64;
    Arg::new(raw, Told::Num(raw as i64))
}

/// A null pointer.
pub fn null() -> Arg {
    Arg::new(0, Told::Null)
}

/// What is behind a descriptor, by name: no argument of the call's own.
pub fn behind(fd: i32) -> Arg {
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    Arg::new(0, Told::Bytes(name.into_os_string().into_encoded_bytes()))
}

/// Bytes the caller gives: payload, socket address.
pub fn given(bytes: &[u8]) -> Arg {
    Arg::new(bytes.as_ptr() as u64, Told::Bytes(bytes.to_vec()))
}

/// A pointer to something whose contents the event shows as these bytes: a vector of buffers, a message, an argument list.
pub fn gathered<T: ?Sized>(at: *const T, bytes: &[u8]) -> Arg {
    Arg::new(at.cast::<()>() as u64, Told::Bytes(bytes.to_vec()))
}

/// A null-terminated array of strings.
pub fn list(at: &[*const libc::c_char], strings: &[&CStr]) -> Arg {
    Arg::new(
        at.as_ptr() as u64,
        Told::List(strings.iter().map(|s| s.to_bytes().to_vec()).collect()),
    )
}

/// A pointer to something the event shows as this number: a timespec as nanoseconds.
pub fn valued<T: ?Sized>(at: *const T, value: i64) -> Arg {
    Arg::new(at.cast::<()>() as u64, Told::Num(value))
}

/// A buffer the kernel fills, as far as the result says.
pub fn filled<T: ?Sized>(at: *mut T) -> Arg {
    Arg {
        fill: Some(Fill::Result),
        ..Arg::new(at.cast::<()>() as u64, Told::Any)
    }
}

/// A socket address the kernel fills, with its length in `len`.
pub fn filled_by_len<T: ?Sized>(at: *mut T, len: *const u32) -> Arg {
    Arg {
        fill: Some(Fill::LenAt(len)),
        ..Arg::new(at.cast::<()>() as u64, Told::Any)
    }
}

/// Two descriptors the kernel returns.
pub fn pair(at: *mut [i32; 2]) -> Arg {
    Arg {
        fill: Some(Fill::Pair),
        ..Arg::new(at.cast::<()>() as u64, Told::Any)
    }
}

/// The result that a call must have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What the caller saw.
    Returned(i64),
    /// The call does not return: its event has no result.
    Never,
}

/// What a case did, as its child told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Arguments in order.
    pub args: Vec<Told>,
    /// What the text of each must hold.
    pub says: Vec<Option<String>>,
    /// The result.
    pub outcome: Outcome,
    /// Device and inode of the file the call was about: what it returned, or else its first descriptor.
    pub file: Option<(u64, u64)>,
}

/// The hand a case is given to make its call with.
pub struct Call<'a> {
    row: &'static Syscall,
    shared: &'a Shared,
    made: bool,
}

impl<'a> Call<'a> {
    /// For the call of `row`; what is told goes into `shared`.
    pub fn new(row: &'static Syscall, shared: &'a Shared) -> Call<'a> {
        Call {
            row,
            shared,
            made: false,
        }
    }

    /// Whether the case made its call.
    pub fn made(&self) -> bool {
        self.made
    }

    fn number(&self) -> i64 {
        i64::from(
            self.row
                .number(ABI)
                .expect("only cases with a number are run"),
        )
    }

    fn tell(&mut self, args: &[Arg], outcome: Outcome, file: Option<(u64, u64)>) {
        assert_eq!(
            args.len(),
            self.row.args.len(),
            "{} takes other arguments: {:?}",
            self.row.name,
            self.row.args
        );
        self.made = true;
        let says: Vec<_> = args.iter().map(|arg| arg.says).collect();
        let args: Vec<Json> = args
            .iter()
            .map(|arg| match &arg.told {
                Told::Num(n) => json!(["num", n]),
                Told::Bytes(bytes) => json!(["bytes", bytes]),
                Told::Pair(a, b) => json!(["pair", a, b]),
                Told::List(strings) => json!(["list", strings]),
                Told::Null => json!(["null"]),
                Told::Any => json!(["any"]),
            })
            .collect();
        let outcome = match outcome {
            Outcome::Returned(result) => json!(result),
            Outcome::Never => Json::Null,
        };
        self.shared.put(
            json!({ "args": args, "says": says, "outcome": outcome, "file": file.map(|(dev, ino)| [dev, ino]) })
                .to_string()
                .as_bytes(),
        );
    }

    /// Makes the call and tells what was passed and what came back.
    pub fn make(&mut self, args: &[Arg]) -> i64 {
        self.make_by(args, |nr, raw| {
            // SAFETY: each case passes what its call expects; a child is all there is to break.
            let result =
                unsafe { libc::syscall(nr, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]) };
            if result == -1 {
                -i64::from(errno())
            } else {
                result
            }
        })
    }

    /// Like [`Call::make`], with the case's own way of entering the kernel; `enter` gives the raw result.
    pub fn make_by(&mut self, args: &[Arg], enter: impl FnOnce(i64, [u64; 6]) -> i64) -> i64 {
        let raw = registers(args);
        let takes_fd = self
            .row
            .args
            .first()
            .is_some_and(|arg| arg.kind == ArgKind::Fd);
        let taken = if takes_fd {
            identity(raw[0] as i32)
        } else {
            None
        };
        // Nothing between the marker and the call may enter the kernel: no allocation, no output.
        let nr = self.number();
        mark();
        let result = enter(nr, raw);
        let mut args = args.to_vec();
        for arg in &mut args {
            let at = arg.raw as *const u8;
            match arg.fill {
                // SAFETY: the kernel has just filled that many bytes there.
                Some(Fill::Result) if result >= 0 => {
                    arg.told = Told::Bytes(
                        unsafe { std::slice::from_raw_parts(at, result as usize) }.to_vec(),
                    )
                }
                Some(Fill::LenAt(len)) if result >= 0 && !at.is_null() => {
                    // SAFETY: as above, with the length the kernel wrote.
                    arg.told = Told::Bytes(
                        unsafe { std::slice::from_raw_parts(at, *len as usize) }.to_vec(),
                    );
                }
                Some(Fill::Pair) if result >= 0 => {
                    // SAFETY: a successful call has written both.
                    let [a, b] = unsafe { *at.cast::<[i32; 2]>() };
                    arg.told = Told::Pair(a, b);
                }
                _ => {}
            }
        }
        for (at, arg) in args.iter_mut().enumerate() {
            if let Told::Num(_) | Told::Any = arg.told
                && let Some(told) = memory(self.row, &raw, at, result)
            {
                arg.told = told;
            }
        }
        let made = if self.row.returns_fd && result >= 0 {
            identity(result as i32)
        } else {
            None
        };
        self.tell(&args, Outcome::Returned(result), made.or(taken));
        result
    }

    /// Tells beforehand what a call that replaces or ends the program will have done, then makes it.
    pub fn make_last(&mut self, args: &[Arg], outcome: Outcome) {
        let raw = registers(args);
        self.tell(args, outcome, None);
        let nr = self.number();
        mark();
        // SAFETY: see `make`.
        let result = unsafe { libc::syscall(nr, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]) };
        panic!(
            "{} came back with {result}, errno {}",
            self.row.name,
            errno()
        );
    }

    /// For calls that return twice: the second time in a child, which ends at once and is waited for.
    pub fn make_child(&mut self, args: &[Arg]) -> i64 {
        let result = self.make_by(args, |nr, raw| {
            // SAFETY: the child has its own copy of the memory, and leaves by `_exit`.
            unsafe {
                match libc::syscall(nr, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]) {
                    0 => libc::_exit(0),
                    -1 => -i64::from(errno()),
                    pid => pid,
                }
            }
        });
        // SAFETY: nothing is written.
        unsafe { libc::wait(std::ptr::null_mut()) };
        result
    }

    /// Tells beforehand what is going to happen when somebody else makes the call.
    pub fn announce(&mut self, args: &[Arg], outcome: Outcome) {
        self.tell(args, outcome, None);
    }
}

/// Device, as the kernel writes it inside, and inode of an open file.
fn identity(fd: i32) -> Option<(u64, u64)> {
    // SAFETY: the structure is filled by the call.
    let stat = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut stat) == 0).then_some(stat)?
    };
    Some((
        u64::from(libc::major(stat.st_dev)) << 20 | u64::from(libc::minor(stat.st_dev)),
        stat.st_ino,
    ))
}

/// What the event must say of a structure that an argument points at: the memory as it is after the call, as much of it
/// as the row says; the address where the row says that nothing is read. `None` for what is no structure.
fn memory(row: &Syscall, raw: &[u64; 6], at: usize, result: i64) -> Option<Told> {
    let schema = Schema::current();
    let ty = schema.ty(current_type(row.name)?)?;
    let holds = schema.held(ty, at, |at| raw.get(at).map(|raw| *raw as i64))?;
    let kind = holds.kind()?;
    let count_at = match &*holds.by {
        "" => at + 1,
        by => ty.arg_index(by)?,
    };
    let (address, count) = (raw[at], raw.get(count_at).copied().unwrap_or(0));
    let size = match kind {
        ArgKind::BitSet => 0,
        kind if kind.is_struct() && !holds.set.is_empty() => {
            u64::from(schema.structure(&holds.set, ABI)?.size)
        }
        _ => return None,
    };
    if address == 0 {
        return Some(Told::Null);
    }
    let read = match kind {
        ArgKind::Given => size,
        ArgKind::StructIn => count,
        ArgKind::GivenArray => u64::from(count as u32) * size,
        ArgKind::BitSet => u64::from(count as u32).div_ceil(64) * 8,
        ArgKind::FilledRest if result == -i64::from(libc::EINTR) => size,
        ArgKind::Filled if result >= 0 => size,
        ArgKind::FilledAbove if result > 0 => size,
        ArgKind::FilledArray if result > 0 && (holds.by.is_empty() || count > 0) => {
            result as u64 * size
        }
        ArgKind::StructOut if result > 0 => size.min(count).min(result as u64),
        ArgKind::StructOut if result == 0 => size.min(count),
        // SAFETY: the call has written a length of 32 bits there.
        ArgKind::StructOutLen if result >= 0 => u64::from(unsafe { *(count as *const u32) }),
        _ => 0,
    };
    if read == 0 {
        return Some(Told::Num(address as i64));
    }
    // SAFETY: the case has that much memory there: the call read or wrote it.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, read as usize) };
    Some(Told::Bytes(bytes.to_vec()))
}

fn registers(args: &[Arg]) -> [u64; 6] {
    let mut raw = [0; 6];
    for (register, arg) in raw.iter_mut().zip(args) {
        *register = arg.raw;
    }
    raw
}

/// Makes the marker call.
pub fn mark() {
    // SAFETY: a number without a call: ENOSYS.
    unsafe { libc::syscall(MARKER, MAGIC) };
}

/// The last error of the C library.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Reads what a child told.
pub fn account(bytes: &[u8]) -> Option<Account> {
    fn number(value: &Json) -> Option<i32> {
        value.as_i64().and_then(|n| i32::try_from(n).ok())
    }
    fn bytes_of(value: &Json) -> Option<Vec<u8>> {
        value
            .as_array()?
            .iter()
            .map(|b| b.as_u64().and_then(|b| u8::try_from(b).ok()))
            .collect()
    }
    let told: Json = serde_json::from_slice(bytes).ok()?;
    let args = told["args"].as_array()?.iter().map(|arg| {
        Some(match arg[0].as_str()? {
            "num" => Told::Num(arg[1].as_i64()?),
            "bytes" => Told::Bytes(bytes_of(&arg[1])?),
            "pair" => Told::Pair(number(&arg[1])?, number(&arg[2])?),
            "list" => Told::List(
                arg[1]
                    .as_array()?
                    .iter()
                    .map(bytes_of)
                    .collect::<Option<_>>()?,
            ),
            "null" => Told::Null,
            _ => Told::Any,
        })
    });
    let says = told["says"].as_array()?.iter();
    Some(Account {
        args: args.collect::<Option<_>>()?,
        says: says.map(|text| text.as_str().map(str::to_owned)).collect(),
        outcome: told["outcome"]
            .as_i64()
            .map_or(Outcome::Never, Outcome::Returned),
        file: told["file"][0].as_u64().zip(told["file"][1].as_u64()),
    })
}

/// A file in the case's own folder with these contents, open for reading and writing.
pub fn file(name: &str, contents: &[u8]) -> RawFd {
    std::fs::write(name, contents).expect("the case's folder takes a file");
    std::fs::File::options()
        .read(true)
        .write(true)
        .open(name)
        .expect("it opens again")
        .into_raw_fd()
}

/// A folder opened as a descriptor.
pub fn folder(name: &str) -> RawFd {
    std::fs::File::open(name)
        .expect("the folder opens")
        .into_raw_fd()
}

/// A pipe: read end, write end.
pub fn pipe() -> [RawFd; 2] {
    let mut ends = [0; 2];
    // SAFETY: two descriptors are written there.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "pipe");
    ends
}

/// A value's memory as bytes, for structures the caller gives.
pub fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: the callers' structures are plain numbers, laid out as the kernel reads them.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// Calls the C library.
#[macro_export]
macro_rules! c {
    ($name:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: a case passes what the function expects; its child is all there is to break.
        unsafe { libc::$name($($arg),*) }
    };
}

/// Lets SIGALRM interrupt the caller every few milliseconds from soon on, without ending it.
pub fn interrupt_soon() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: a handler that does nothing, and a timer that outlives nobody.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 30_000,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
}

/// Declares the cases of one file: each is the name of a row and what to do.
#[macro_export]
macro_rules! cases {
    ($($name:ident($call:ident) $body:block)*) => {
        /// Rows and how each is provoked.
        pub const CASES: &[$crate::Case] = &[$((stringify!($name), |$call: &mut $crate::call::Call<'_>| $body)),*];
    };
}
