//! Getters of `proc.*`, `thread.*`, `user.*` and `group.*`: who did it, and their ancestors.

use super::{Ctx, FieldValue, told};
use crate::entity::{File, Group, Process, User};
use crate::render;

/// The process as its identity is written: pid, start (ns since boot) and count of execs.
pub fn key(p: &Process) -> String {
    format!("{}:{}:{}", p.key.pid, p.key.start_ns, p.key.exec)
}

/// `argv[0]`.
pub fn exe(p: &Process) -> Option<&[u8]> {
    p.args().next()
}

/// The path of the executed file; `None` for kernel threads.
pub fn exepath(p: &Process) -> Option<&[u8]> {
    Some(p.exe_path.as_slice()).filter(|path| p.is_told() || !path.is_empty())
}

/// The working directory.
pub fn cwd(p: &Process) -> Option<&[u8]> {
    Some(p.cwd.as_slice()).filter(|path| p.is_told() || !path.is_empty())
}

/// An id of a row; what another program told may be -1.
pub fn id(p: &Process, id: u32) -> i64 {
    if p.is_told() {
        i64::from(id as i32)
    } else {
        i64::from(id)
    }
}

/// An id that is 0 when not known; of what another program told, whatever it is.
pub fn known_id(p: &Process, n: u32) -> Option<FieldValue<'static>> {
    if p.is_told() {
        Some(FieldValue::Int(id(p, n)))
    } else {
        known(n)
    }
}

/// The pid inside the pid namespace.
pub fn vpid(p: &Process) -> Option<FieldValue<'static>> {
    known_id(p, p.vpid).filter(|pid| *pid != FieldValue::Int(-1))
}

/// Control groups: the one of the default hierarchy, or all as `subsystem=path`.
pub fn cgroups(p: &Process) -> Option<FieldValue<'_>> {
    if p.is_told() {
        return Some(FieldValue::owned(render::list_text(&p.cgroup)))
            .filter(|_| !p.cgroup.is_empty());
    }
    filled(&p.cgroup)
}

/// The control group of one subsystem.
pub fn cgroup<'a>(p: &'a Process, subsystem: Option<&str>) -> Option<FieldValue<'a>> {
    let (true, Some(subsystem)) = (p.is_told(), subsystem) else {
        return cgroups(p);
    };
    let mut entries = p.cgroup.split(|b| *b == 0);
    entries
        .find_map(|entry| entry.strip_prefix(subsystem.as_bytes())?.strip_prefix(b"="))
        .map(FieldValue::str)
}

/// When the process started, ns on the boot clock; `None` when another program did not know.
pub fn started(p: &Process) -> Option<u64> {
    Some(p.key.start_ns).filter(|ns| !p.is_told() || *ns != 0)
}

/// The hash of the executed file, hex.
pub fn sha256(p: &Process) -> Option<Vec<u8>> {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).map_or(b'?', |c| c as u8);
    let hex = p.exe_sha256.iter().flat_map(|b| [b >> 4, b & 15]);
    Some(hex.map(digit).collect()).filter(|hex: &Vec<u8>| !hex.is_empty())
}

/// An instant that is 0 when not known.
pub fn instant(ns: u64) -> Option<FieldValue<'static>> {
    i64::try_from(ns)
        .ok()
        .filter(|ns| *ns != 0)
        .map(FieldValue::Int)
}

/// The arguments after `argv[0]` with blanks between them; empty where there is none, as the peers do.
pub fn args(p: &Process) -> Vec<u8> {
    p.args().skip(1).collect::<Vec<_>>().join(&b' ')
}

/// One argument, counted from the one after `argv[0]`.
pub fn arg<'a>(p: &'a Process, index: &str) -> Option<&'a [u8]> {
    p.args().nth(index.parse::<usize>().ok()?.checked_add(1)?)
}

/// A first word and the arguments.
fn line(first: &[u8], p: &Process) -> Vec<u8> {
    let args = args(p);
    if args.is_empty() {
        first.to_vec()
    } else {
        [first, &args].join(&b' ')
    }
}

/// The kernel's name and the arguments.
pub fn cmdline(p: &Process) -> Vec<u8> {
    line(&p.comm, p)
}

/// `argv[0]` and the arguments.
pub fn exeline(p: &Process) -> Option<Vec<u8>> {
    exe(p).map(|exe| line(exe, p))
}

/// The environment as text, or the value of one name.
pub fn env<'a>(p: &'a Process, name: Option<&str>) -> Option<FieldValue<'a>> {
    // Of what another program told, an empty one is as good as any.
    if p.env.is_empty() && !p.is_told() {
        return None;
    }
    match name {
        None => Some(FieldValue::owned(render::list_text(&p.env))),
        Some(name) => {
            let value = |entry: &'a [u8]| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
            let found = p.env.split(|b| *b == 0).find_map(value);
            // There, a variable that is not set is an empty one.
            found
                .or_else(|| p.is_told().then_some(b"".as_slice()))
                .map(FieldValue::str)
        }
    }
}

/// The parent's row.
pub fn parent<'a>(c: &Ctx<'a>) -> Option<&'a Process> {
    c.tables.proc(c.proc()?.parent?)
}

/// The process's row; of a thread that another program told of, that of the main one above it.
fn main<'a>(c: &Ctx<'a>) -> Option<&'a Process> {
    let own = c.proc()?;
    if !own.is_told() {
        return Some(own);
    }
    let line = c.tables.ancestors(own.id);
    let same = line.take_while(|row| row.key.pid == own.key.pid);
    Some(same.last().unwrap_or(own))
}

/// A value of one ancestor (0 is the process itself, 1 its parent), or without an index of all, of which any may match.
pub fn ancestor<'a>(
    c: &Ctx<'a>,
    index: Option<&str>,
    value: fn(&'a Process) -> Option<FieldValue<'a>>,
) -> Option<FieldValue<'a>> {
    let own = main(c)?;
    match index {
        Some(index) => {
            let row = match index.parse::<usize>().ok()?.checked_sub(1) {
                None => own,
                Some(above) => c.tables.ancestors(own.id).nth(above)?,
            };
            value(row)
        }
        None => {
            let all = c
                .tables
                .ancestors(own.id)
                .filter_map(value)
                .collect::<Vec<_>>();
            if all.is_empty() {
                None
            } else {
                Some(FieldValue::Any(all))
            }
        }
    }
}

/// The process or ancestor with this pid: the leader of its session or group, where it is one of those.
pub fn leader<'a>(c: &Ctx<'a>, pid: fn(&Process) -> u32) -> Option<&'a Process> {
    let own = c.proc()?;
    let wanted = Some(pid(own)).filter(|pid| *pid != 0)?;
    std::iter::once(own)
        .chain(c.tables.ancestors(own.id))
        .find(|row| row.key.pid == wanted)
}

/// The name of the leader of the process's session. Where that is over, the name of the oldest of the process and its ancestors
/// that are of the session, without one between them that is not.
pub fn session_name<'a>(c: &Ctx<'a>) -> Option<&'a [u8]> {
    let own = c.proc()?;
    if !own.session_comm.is_empty() {
        return Some(&own.session_comm);
    }
    if let Some(leader) = leader(c, |p| p.sid) {
        return Some(name(own, leader));
    }
    let line = std::iter::once(own).chain(c.tables.ancestors(own.id));
    let oldest = line
        .take_while(|row| own.sid != 0 && row.sid == own.sid)
        .last()?;
    Some(name(own, oldest))
}

/// The name of one of a process and its ancestors; of a single thread that of the process it belongs to.
fn name<'a>(own: &'a Process, row: &'a Process) -> &'a [u8] {
    match row.id == own.id && !own.main_comm.is_empty() {
        true => &own.main_comm,
        false => &row.comm,
    }
}

/// Whether the process runs for a probe of its container; only other programs tell.
pub fn runs_for(c: &Ctx<'_>, probe: u32) -> Option<FieldValue<'static>> {
    let process = c.proc().filter(|process| process.is_told())?;
    Some(FieldValue::Bool(process.exe_flags & probe != 0))
}

/// Pid of the oldest shell among the process and its ancestors; a shell is what has a name that ends in `sh`.
pub fn login_shell(c: &Ctx<'_>) -> Option<i64> {
    let own = c.proc()?;
    let line = std::iter::once(own).chain(c.tables.ancestors(own.id));
    line.filter(|row| name(own, row).ends_with(b"sh"))
        .last()
        .map(|row| i64::from(row.key.pid))
}

/// Nanoseconds from a process's start to the event.
pub fn age(c: &Ctx<'_>, p: &Process) -> Option<u64> {
    // The peers count from the start of the thread.
    let own = Some(p.id).filter(|id| p.is_told() && c.event.proc == *id);
    let start = match own.and_then(|_| told::kept(c, "thread.start_ts")) {
        Some(start) => u64::try_from(start).ok().filter(|ns| *ns != 0),
        None => started(p),
    };
    Some(c.event.time.0.saturating_sub(start?))
}

/// Nanoseconds from the last change of the executed file's inode to the start of the process; none for a file that was
/// changed later.
pub fn since_ctime(c: &Ctx<'_>) -> Option<u64> {
    let p = c.known_proc().filter(|p| p.exe_ctime_ns != 0)?;
    let started = u64::try_from(c.manifest.wall_ns(p.key.start_ns)).ok()?;
    started.checked_sub(p.exe_ctime_ns)
}

/// What is behind a descriptor of the process, where a state block or the event itself says it.
pub fn stream<'a>(c: &Ctx<'a>, fd: u32) -> Option<&'a File> {
    let listed = c.tables.descriptors.get(&(c.event.proc, fd));
    c.tables.file(*listed?)
}

/// The thread id inside the pid namespace, of main threads: it is the process id there.
pub fn virtual_tid(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    if let Some(tid) = told::kept(c, "thread.vtid") {
        return Some(FieldValue::Int(tid)).filter(|_| tid != -1);
    }
    let p = c.proc().filter(|p| p.key.pid == c.event.tid)?;
    known(p.vpid)
}

/// A number that is 0 when not known.
pub fn known(n: u32) -> Option<FieldValue<'static>> {
    Some(n)
        .filter(|n| *n != 0)
        .map(|n| FieldValue::Int(i64::from(n)))
}

/// Whether the process leads what has this id; `None` when that is not known.
pub fn leads(c: &Ctx<'_>, id: fn(&Process) -> u32) -> Option<FieldValue<'static>> {
    let own = c.proc()?;
    let id = Some(id(own)).filter(|id| own.is_told() || *id != 0)?;
    Some(FieldValue::Bool(id == own.key.pid))
}

/// Whether all bits are set in the flags of the executed file.
pub fn exe_is(c: &Ctx<'_>, bits: u32) -> Option<FieldValue<'static>> {
    c.known_proc()
        .map(|p| FieldValue::Bool(p.exe_flags & bits == bits))
}

/// A user id as `user.loginuid` shows it: -1 when never set.
pub fn login_uid(p: &Process) -> i64 {
    if p.loginuid == u32::MAX {
        -1
    } else {
        i64::from(p.loginuid)
    }
}

/// The row of a user in the list of the process's container, or on the host in the host's: the same number names
/// different people in different lists, so one is never looked up in the other's.
pub fn user<'a>(c: &Ctx<'a>, id: fn(&Process) -> u32) -> Option<&'a User> {
    let p = c.known_proc()?;
    c.tables.user(p.container, id(p))
}

/// Whether a process was started after the recorder had begun, of which the capture's clock is; nothing where it is not known when it
/// was.
pub fn is_new(c: &Ctx<'_>) -> Option<bool> {
    let started = c.known_proc()?.key.start_ns;
    (started > 0).then_some(started >= c.manifest.clock.boot_ns)
}

/// The name of the effective user, else its number; nothing where not even that was recorded.
pub fn shown_user<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let uid = c.known_proc()?.euid;
    let named = user(c, |p| p.euid).and_then(|row| filled(&row.name));
    let number = || (uid != u32::MAX).then(|| FieldValue::owned(uid.to_string()));
    named.or_else(number)
}

/// The row of the effective group, in the same list as the user.
pub fn group<'a>(c: &Ctx<'a>) -> Option<&'a Group> {
    let p = c.known_proc()?;
    c.tables.group(p.container, p.egid)
}

/// Text that is empty when not known.
pub fn filled(text: &(impl AsRef<[u8]> + ?Sized)) -> Option<FieldValue<'_>> {
    Some(text.as_ref())
        .filter(|text| !text.is_empty())
        .map(FieldValue::str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(argv: &[u8]) -> Process {
        Process {
            comm: b"python3".to_vec(),
            argv: argv.to_vec(),
            env: b"A=1\0PATH=/bin:/usr/bin\0AB=\0".to_vec(),
            ..Process::default()
        }
    }

    #[test]
    fn the_command_line_is_the_name_and_the_arguments() {
        let p = process(b"/usr/bin/python3\0-c\0print(1)\0");
        assert_eq!(cmdline(&p), b"python3 -c print(1)");
        assert_eq!(
            exeline(&p).as_deref(),
            Some(&b"/usr/bin/python3 -c print(1)"[..])
        );
        assert_eq!(args(&p), b"-c print(1)");
        assert_eq!(arg(&p, "1"), Some(&b"print(1)"[..]));
        assert_eq!(arg(&p, "2"), None);
        assert_eq!(arg(&p, "18446744073709551615"), None);
    }

    #[test]
    fn a_kernel_thread_has_a_name_and_no_program() {
        let p = process(b"");
        assert_eq!(cmdline(&p), b"python3");
        assert_eq!((exe(&p), exeline(&p), args(&p)), (None, None, Vec::new()));
    }

    #[test]
    fn one_variable_is_found_by_its_whole_name() {
        let p = process(b"x\0");
        assert_eq!(
            env(&p, Some("PATH")),
            Some(FieldValue::str("/bin:/usr/bin"))
        );
        assert_eq!(env(&p, Some("AB")), Some(FieldValue::str("")));
        assert_eq!(env(&p, Some("P")), None);
        assert_eq!(
            env(&p, None),
            Some(FieldValue::str("A=1 PATH=/bin:/usr/bin AB="))
        );
    }
}
