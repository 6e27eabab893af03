//! Getters of what a capture says outright: a recorder that knows the value of a field keeps it with the event, as an
//! argument of the field's name. Other recorders count memory, descriptors and processor time that way; this one does not.

use super::{Ctx, FieldValue, Looks};
use crate::args::ArgKind;
use crate::event::Value;
use crate::schema::TypeDesc;
use crate::signal;
use std::fmt::Write;

/// Fields of processes and threads whose values are in rows: no recorder keeps them with each event.
const IN_ROWS: &[&str] = &[
    "proc.acmdline",
    "proc.aexe",
    "proc.aexepath",
    "proc.aname",
    "proc.apid",
    "proc.args",
    "proc.cmdline",
    "proc.cwd",
    "proc.exe",
    "proc.exepath",
    "proc.is_container_healthcheck",
    "proc.is_container_liveness_probe",
    "proc.is_container_readiness_probe",
    "proc.loginshellid",
    "proc.name",
    "proc.pcmdline",
    "proc.pexe",
    "proc.pexepath",
    "proc.pid",
    "proc.pname",
    "proc.ppid",
    "proc.sid",
    "proc.sname",
    "proc.vpid",
    "thread.tid",
];

/// Fields whose values stand in arguments of other names than their own, each with all of those.
const IN_ARGS: &[(&str, &[&str])] = &[
    ("container.cpu.percent", &["cpu_percent", "thread.cpu"]),
    ("container.cpu.pressure", &["cpu_some"]),
    ("container.cpu.throttled", &["throttled"]),
    ("container.cpu.throttled_time", &["throttled_ns"]),
    ("container.cpu.time", &["cpu_ns"]),
    ("container.io.pressure", &["io_some"]),
    ("container.io.read", &["io_read"]),
    ("container.io.write", &["io_write"]),
    ("container.memory.current", &["memory"]),
    ("container.memory.limit", &["memory_limit"]),
    ("container.memory.oom_kills", &["oom_kills"]),
    ("container.memory.peak", &["memory_peak"]),
    ("container.memory.percent", &["memory"]),
    ("container.memory.pressure", &["memory_some"]),
    ("container.memory.swap", &["swap"]),
    ("container.pids.current", &["pids"]),
    ("thread.cputime", &["utime_ns", "thread.cputime.user"]),
    (
        "thread.cputime.system",
        &["stime_ns", "thread.cputime.system"],
    ),
    ("thread.cputime.user", &["utime_ns", "thread.cputime.user"]),
    ("thread.pfmajor", &["thread.pfmajor", "majflt"]),
    ("thread.pfminor", &["thread.pfminor", "minflt"]),
    ("thread.vmrss", &["proc.vmrss"]),
    ("thread.vmrss.b", &["proc.vmrss"]),
    ("thread.vmsize", &["proc.vmsize"]),
    ("thread.vmsize.b", &["proc.vmsize"]),
];

/// Fields whose values stand in arguments of their own names and nowhere else.
const IN_OWN: &[&str] = &[
    "evt.pluginname",
    "evt.plugininfo",
    "k8s.deployment.id",
    "k8s.deployment.labels",
    "k8s.deployment.name",
    "k8s.ns.id",
    "k8s.ns.labels",
    "k8s.rc.id",
    "k8s.rc.labels",
    "k8s.rc.name",
    "k8s.rs.id",
    "k8s.rs.labels",
    "k8s.rs.name",
    "k8s.svc.id",
    "k8s.svc.labels",
    "k8s.svc.name",
    "proc.fdlimit",
    "proc.fdopencount",
    "proc.fdusage",
    "proc.is_exe_writable",
    "proc.is_vpgid_leader",
    "proc.nchilds",
    "proc.nthreads",
    "proc.vmrss",
    "proc.vmsize",
    "proc.vmswap",
    "proc.vpgid",
    "thread.cpu",
    "thread.cpu.system",
    "thread.cpu.user",
    "thread.exectime",
    "thread.totexectime",
];

/// What a field that is told with events looks at of events of a type.
pub fn looks(field: &str, ty: &TypeDesc) -> Looks {
    // Arguments whose names have a dot are fields, or structures that hold some.
    let told = |names: &[&str]| {
        let is = |name: &str| name.contains('.') || names.contains(&name);
        ty.args.iter().any(|arg| is(&arg.name))
    };
    let in_args = IN_ARGS.iter().find(|row| row.0 == field);
    match field {
        "proc.end.code" | "proc.end.signal" if ty.name != "procexit" => Looks::Nowhere,
        "thread.vtid" if !told(&[]) => Looks::Who,
        _ if in_args.is_some_and(|row| !told(row.1)) => Looks::Nowhere,
        _ if IN_OWN.contains(&field) && !told(&[]) => Looks::Nowhere,
        _ => Looks::Beyond,
    }
}

/// Whether the value of a field may come from a structure that is kept with each event; said of too many rather than too few.
pub fn may_ask(field: &str) -> bool {
    match field.split_once('.') {
        Some(("proc" | "thread", _)) => IN_ROWS.binary_search(&field).is_err(),
        _ => field == "fd.name_changed",
    }
}

fn value<'a>(c: &Ctx<'a>, field: &str) -> Option<&'a Value> {
    c.arg(field)
}

/// A number that is kept as an argument, or in a structure that is kept as one.
pub fn kept(c: &Ctx<'_>, field: &str) -> Option<i64> {
    if let Some(Value::Num(n)) = value(c, field) {
        return Some(*n);
    }
    let ty = c.ty()?;
    for (arg, value) in ty.args.iter().zip(&c.event.args).rev() {
        if !arg.name.contains('.') {
            break;
        }
        let (Some(ArgKind::Given), Value::Bytes(blob)) = (arg.kind(), value) else {
            continue;
        };
        let row = c.schema.structure(&arg.set, c.event.abi)?;
        let place = row.fields.iter().find(|row| row.name == field)?.offset as usize;
        let bytes = blob.bytes.get(place..)?.first_chunk()?;
        return Some(i64::from_le_bytes(*bytes));
    }
    None
}

/// A number.
pub fn number(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    kept(c, field).map(|n| FieldValue::Uint(n as u64))
}

/// Page faults of a thread: what is told with each event, or when it ends.
pub fn faults(c: &Ctx<'_>, field: &str, at_end: &str) -> Option<FieldValue<'static>> {
    let told = || match c.arg(at_end)? {
        Value::Num(n) => u64::try_from(*n).ok().map(FieldValue::Uint),
        _ => None,
    };
    number(c, field).or_else(told)
}

/// Memory of the process in units of `1 / scale` KiB, as sysdig tells it of threads: on its main one, and 0 on the others.
pub fn of_main(c: &Ctx<'_>, field: &str, scale: u64) -> Option<FieldValue<'static>> {
    let kib = kept(c, field)? as u64;
    let is_main = c.event.tid == c.proc()?.key.pid;
    let held = if is_main { kib } else { 0 };
    Some(FieldValue::Uint(held.saturating_mul(scale)))
}

/// A number that may be negative.
pub fn signed(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    kept(c, field).map(FieldValue::Int)
}

/// How many descriptors a process may have open; sysdig keeps -1 where it did not know.
pub fn limit(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let limit = kept(c, "proc.fdlimit").filter(|limit| *limit >= 0);
    limit.map(FieldValue::Int)
}

/// Open descriptors as percent of their limit, where there is one.
pub fn share_of_limit(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    kept(c, "proc.fdlimit").filter(|limit| *limit > 0)?;
    fraction(c, "proc.fdusage")
}

/// Exit code and signal of a process whose main thread ends with this event. sysdig keeps what the kernel has of both in one number,
/// and since 0.27 both beside it.
fn ended(c: &Ctx<'_>) -> Option<(i64, i64)> {
    let ty = c.ty().filter(|ty| ty.name == "procexit")?;
    if c.event.tid != c.proc()?.key.pid {
        return None;
    }
    let number = |name: &str| match c.arg(name)? {
        Value::Num(n) => Some(*n),
        Value::Absent | Value::Bytes(_) => None,
    };
    if !ty.is(TypeDesc::SCAP) {
        return Some((number("status")?, number("signal")?));
    }
    let status = number("status")?;
    Some((
        number("ret").unwrap_or((status >> 8) & 0xff),
        number("sig").unwrap_or(status & 0x7f),
    ))
}

/// The exit code of a process that no signal ended.
pub fn end_code(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (code, signal) = ended(c)?;
    (signal == 0).then_some(FieldValue::Int(code))
}

/// The signal that ended a process.
pub fn end_signal(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let (_, signal) = ended(c)?;
    (signal != 0).then(|| FieldValue::owned(signal::name(signal)))
}

/// Processor time in the program and in the kernel: what is told when a thread ends, or a sample of what another recorder saw.
pub fn processor_time(c: &Ctx<'_>, user: bool, system: bool) -> Option<FieldValue<'static>> {
    let told = |at_end: &str, sampled: &str| match c.arg(at_end).or_else(|| c.arg(sampled))? {
        Value::Num(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    let parts = [
        (user, "utime_ns", "thread.cputime.user"),
        (system, "stime_ns", "thread.cputime.system"),
    ];
    let mut sum = 0_u64;
    for (_, at_end, sampled) in parts.iter().filter(|part| part.0) {
        sum = sum.saturating_add(told(at_end, sampled)?);
    }
    Some(FieldValue::Uint(sum))
}

/// Yes or no.
pub fn flag(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    kept(c, field).map(|n| FieldValue::Bool(n != 0))
}

/// Parameters that are kept because nobody knew them, each behind its length; in hex.
pub fn surplus(c: &Ctx<'_>) -> Option<String> {
    let Some(Value::Bytes(blob)) = value(c, "evt.surplus") else {
        return None;
    };
    let mut text = String::new();
    let mut rest = blob.bytes.as_slice();
    while let Some((len, tail)) = rest.split_first_chunk() {
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (param, tail) = tail.split_at(len.min(tail.len()));
        if !text.is_empty() {
            text.push(' ');
        }
        if param.is_empty() {
            text.push('-');
        }
        for byte in param {
            let _ = write!(text, "{byte:02x}");
        }
        rest = tail;
    }
    Some(text)
}

/// A number with a fraction, kept as the bits of a double.
pub fn fraction(c: &Ctx<'_>, field: &str) -> Option<FieldValue<'static>> {
    kept(c, field).map(|n| FieldValue::Double(f64::from_bits(n as u64)))
}

/// A text.
pub fn text<'a>(c: &Ctx<'a>, field: &str) -> Option<FieldValue<'a>> {
    match value(c, field)? {
        Value::Bytes(blob) => Some(FieldValue::str(&blob.bytes)),
        Value::Absent | Value::Num(_) => None,
    }
}
