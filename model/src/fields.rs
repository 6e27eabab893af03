//! What can be asked of an event: the table `FIELDS`, with Falco's and sysdig's names and meanings.
//!
//! A new field is one row: name, type, what it depends on, getter, a sentence. The filter, output templates, view columns,
//! JSON keys, completion and documents all read it here.

mod container;
mod dns;
mod evt;
mod fd;
mod kept;
mod looks;
mod proc;
mod retired;
mod syslog;
mod told;

pub use self::evt::is_socket;
pub use self::kept::{Kept, recorded};
pub use self::looks::{Looks, has_none};
pub use self::retired::RETIRED;

use self::container::MountPart;
use self::evt::Direction;
use self::fd::End;
use crate::args::Class;
use crate::capability;
use crate::decimal::Decimal;
use crate::entity::{Container, File, Process, Tables};
use crate::event::{Event, EventFlags, Value};
use crate::manifest::Manifest;
use crate::render;
use crate::schema::{Schema, TypeDesc};
use crate::terminal;
use crate::time::Civil;
use std::borrow::Cow;
use std::net::IpAddr;

/// An event with everything needed to answer for it.
#[derive(Clone, Copy, Debug)]
pub struct Ctx<'a> {
    /// The capture's header.
    pub manifest: &'a Manifest,
    /// What its events look like.
    pub schema: &'a Schema,
    /// Rows the event points at.
    pub tables: &'a Tables,
    /// The event.
    pub event: &'a Event,
    /// Its number in the capture, from 1.
    pub num: u64,
    /// Instant of the capture's first event, ns since boot.
    pub first_ns: u64,
    /// Instant of the previous event that was shown, ns since boot; equal to the event's own when there is none.
    pub previous_ns: u64,
}

impl<'a> Ctx<'a> {
    /// The event's type.
    pub fn ty(&self) -> Option<&'a TypeDesc> {
        self.schema.ty(self.event.ty)
    }

    /// The event's process; `None` for what a runtime told, which no process did.
    pub fn proc(&self) -> Option<&'a Process> {
        self.tables
            .proc(self.event.proc)
            .filter(|row| !row.is_nobody())
    }

    /// The event's process, unless only its pid is sure: then nothing but the pid may be said of it.
    pub fn known_proc(&self) -> Option<&'a Process> {
        self.proc()
            .filter(|_| !self.event.flags.has(EventFlags::PROCESS_UNKNOWN))
    }

    /// The event's container.
    pub fn container(&self) -> Option<&'a Container> {
        self.tables
            .container(self.tables.proc(self.event.proc)?.container?)
    }

    /// The file or socket the event touched.
    pub fn file(&self) -> Option<&'a File> {
        self.tables.file(self.event.file?)
    }

    /// The call's result; `None` for events without one.
    pub fn result(&self) -> Option<i64> {
        Some(self.event.result).filter(|_| !self.event.flags.has(EventFlags::NO_RESULT))
    }

    /// Time since the first event of the capture, ns; 0 for events stamped before it on another CPU.
    pub fn since_first_ns(&self) -> u64 {
        self.event.time.0.saturating_sub(self.first_ns)
    }

    /// Time since the event shown before, ns.
    pub fn since_previous_ns(&self) -> u64 {
        self.event.time.0.saturating_sub(self.previous_ns)
    }

    /// The value of the argument with this name.
    pub fn arg(&self, name: &str) -> Option<&'a Value> {
        self.event.args.get(self.ty()?.arg_index(name)?)
    }
}

/// What a field holds; decides which operators and values fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Str,
    /// Raw bytes (payload).
    Bytes,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// A number with a fraction.
    Double,
    /// Several texts, all of which belong to the value.
    List,
    /// Yes or no.
    Bool,
    /// An address.
    Ip,
    /// An address compared with a CIDR block.
    Net,
    /// A port number.
    Port,
    /// A duration, ns.
    RelTime,
    /// An instant, ns since 1970.
    AbsTime,
}

impl FieldType {
    /// What it is called where fields are listed.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Str => "text",
            FieldType::Bytes => "bytes",
            FieldType::Int => "number",
            FieldType::Uint => "unsigned number",
            FieldType::Double => "number with a fraction",
            FieldType::List => "list of texts",
            FieldType::Bool => "true or false",
            FieldType::Ip => "address",
            FieldType::Net => "address block",
            FieldType::Port => "port",
            FieldType::RelTime => "duration, ns",
            FieldType::AbsTime => "instant, ns since 1970",
        }
    }
}

/// Whether a field takes an argument in brackets or after a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldArg {
    /// It does not.
    None,
    /// It may: `proc.aname[2]`.
    Optional,
    /// It must: `evt.arg[0]`, `evt.arg.flags`.
    Required,
}

/// What a field's value is decided by. The same row gives the same value, so it is asked once per row; and what a single part of
/// an event decides is told from a list of that part alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The event itself.
    Event,
    /// The event without its arguments and result: its number, instant, CPU, thread and marks, and the rows it points at.
    Head,
    /// Its type.
    Type,
    /// Its process row (and that row's ancestors and container).
    Process,
    /// Its file row.
    File,
    /// Its type and marks.
    Marks,
    /// Its type, marks and CPU.
    Cpu,
    /// Its type, marks and thread.
    Thread,
    /// Its type and latency.
    Latency,
    /// Its instant.
    Instant,
    /// Its instant, of which a later one has no lesser value within a day of the recorded host.
    Time,
    /// Its type, marks and result.
    Result,
    /// Its type, marks, file row and result.
    Outcome,
}

impl Dependency {
    /// Whether it is a row of a table.
    pub fn is_row(self) -> bool {
        matches!(
            self,
            Dependency::Type | Dependency::Process | Dependency::File
        )
    }

    /// Whether the event need have neither arguments nor result.
    pub fn is_early(self) -> bool {
        !matches!(
            self,
            Dependency::Event | Dependency::Result | Dependency::Outcome
        )
    }

    /// What decides that which both decide together.
    pub fn with(self, other: Dependency) -> Dependency {
        use Dependency::{Event, File, Head, Instant, Marks, Outcome, Result, Time, Type};
        let is_part = |on: Dependency| !on.is_row() && !matches!(on, Instant | Time);
        match (self, other) {
            (a, b) if a == b => a,
            (Type, part) | (part, Type) if is_part(part) => part,
            (Result, Marks) | (Marks, Result) => Result,
            (Result | Outcome, Marks | File | Result | Outcome)
            | (Marks | File, Result | Outcome) => Outcome,
            (Time | Instant, Time | Instant) => Instant,
            (a, b) if a.is_early() && b.is_early() => Head,
            _ => Event,
        }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Text or bytes, as captured.
    Str(Cow<'a, [u8]>),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A number with a fraction.
    Double(f64),
    /// Yes or no.
    Bool(bool),
    /// An address.
    Ip(IpAddr),
    /// Several values, any of which may match: both ends of `fd.ip`, all ancestors.
    Any(Vec<FieldValue<'a>>),
}

impl<'a> FieldValue<'a> {
    /// Borrowed text.
    pub fn str(text: &'a (impl AsRef<[u8]> + ?Sized)) -> FieldValue<'a> {
        FieldValue::Str(Cow::Borrowed(text.as_ref()))
    }

    /// Owned text.
    pub fn owned(text: impl Into<Vec<u8>>) -> FieldValue<'a> {
        FieldValue::Str(Cow::Owned(text.into()))
    }

    /// The value as a table or a template shows it; captured bytes are still raw.
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self {
            FieldValue::Str(s) => Cow::Borrowed(s),
            FieldValue::Int(n) => Cow::Owned(Decimal::signed(*n).as_bytes().to_vec()),
            FieldValue::Uint(n) => Cow::Owned(Decimal::unsigned(*n).as_bytes().to_vec()),
            FieldValue::Double(n) => Cow::Owned(format!("{n:.1}").into_bytes()),
            FieldValue::Bool(b) => Cow::Borrowed(if *b { b"true" } else { b"false" }),
            FieldValue::Ip(ip) => Cow::Owned(ip.to_string().into_bytes()),
            FieldValue::Any(all) => Cow::Owned(
                all.iter()
                    .map(|v| v.text().into_owned())
                    .collect::<Vec<_>>()
                    .join(&b", "[..]),
            ),
        }
    }
}

/// A row of [`FIELDS`].
#[derive(Clone, Copy)]
pub struct Field {
    /// Dotted name.
    pub name: &'static str,
    /// What it holds.
    pub ty: FieldType,
    /// Whether it takes an argument.
    pub arg: FieldArg,
    /// Which row decides it.
    pub on: Dependency,
    /// The value; `None` when the event has none. The second parameter is the argument.
    pub get: for<'a> fn(&Ctx<'a>, Option<&str>) -> Option<FieldValue<'a>>,
    /// One sentence.
    pub doc: &'static str,
}

impl Field {
    /// Whether the value may be one that another recorder keeps with each event, in a structure behind its arguments.
    pub fn may_be_kept(&self) -> bool {
        told::may_ask(self.name)
    }

    /// The name with how its argument is written: `evt.arg[…]`, `proc.aname[…]?`.
    pub fn usage(&self) -> String {
        let argument = match self.arg {
            FieldArg::None => "",
            FieldArg::Optional => "[…]?",
            FieldArg::Required => "[…]",
        };
        format!("{}{argument}", self.name)
    }
}

macro_rules! fields {
    (@arg) => { FieldArg::None };
    (@arg $arg:ident) => { FieldArg::$arg };
    ($($name:literal $ty:ident $(($arg:ident))? on $on:ident: $get:expr => $doc:literal;)*) => {
        &[$(Field { name: $name, ty: FieldType::$ty, arg: fields!(@arg $($arg)?), on: Dependency::$on, get: $get, doc: $doc }),*]
    };
}

/// Every field, sorted by name: name, type (and whether it takes an argument), what decides it, getter, sentence.
#[rustfmt::skip]
pub const FIELDS: &[Field] = fields! {
    "container.annotation" Str(Required) on Process: |c, arg| container::entry(c, |k| &k.annotations, arg) => "One annotation of the container, by key: container.annotation[io.kubernetes.cri.container-type].";
    "container.annotations" Str on Process: |c, _| container::pairs(c, |k| &k.annotations) => "All annotations of the container as key:value.";
    "container.apparmor" Str on Process: |c, _| container::text(c, |k| &k.apparmor) => "AppArmor profile of the container.";
    "container.cap_add" Str on Process: |c, _| container::list(c, |k| &k.cap_add, ",") => "Capabilities that were added to the runtime's own choice.";
    "container.cap_drop" Str on Process: |c, _| container::list(c, |k| &k.cap_drop, ",") => "Capabilities that were taken from the runtime's own choice.";
    "container.cap_effective" Str on Process: |c, _| c.container()?.cap_effective.map(|caps| FieldValue::owned(capability::names(caps))) => "Effective capabilities of the container's first program, by name.";
    "container.cgroup" Str on Process: |c, _| container::text(c, |k| &k.cgroup) => "Path of the container's control group.";
    "container.cni.json" Str on Event: |c, _| told::text(c, "container.cni.json") => "What the network plug-in told of the container, as it told it.";
    "container.command" Str on Process: |c, _| container::list(c, |k| &k.command, " ") => "Program and arguments the container was told to run.";
    "container.cpu.percent" Double on Event: |c, _| container::cpu_percent(c) => "Processor time used since the sample before, as percent of one CPU; where another recorder sampled threads, by the thread.";
    "container.cpu.pressure" Uint on Event: |c, _| container::sampled(c, "cpu_some") => "Share of the last ten seconds in which something waited for a CPU, in hundredths of a percent.";
    "container.cpu.throttled" Uint on Event: |c, _| container::sampled(c, "throttled") => "Periods in which the container was held back by its limit, since it was made.";
    "container.cpu.throttled_time" RelTime on Event: |c, _| container::sampled(c, "throttled_ns") => "Time for which the container was held back by its limit, since it was made.";
    "container.cpu.time" RelTime on Event: |c, _| container::sampled(c, "cpu_ns") => "Processor time the container has used since it was made.";
    "container.duration" RelTime on Head: |c, _| u64::try_from(evt::wall_ns(c).saturating_sub(container::start_ns(c)?)).ok().map(FieldValue::Uint) => "Time since the container was made.";
    "container.exit_code" Int on Process: |c, _| c.container()?.exit_code.map(FieldValue::Int) => "Exit code of the container's first program.";
    "container.full_id" Str on Process: |c, _| container::or_host(c, |k| &k.full_id) => "The whole id of the container, or \"host\".";
    "container.healthcheck" Str on Process: |c, _| container::probe(c, "healthcheck") => "Command of the container's health check; NONE where a capture of another program tells of the container and of none.";
    "container.host_ipc" Bool on Process: |c, _| container::is_host(c, |k| &k.ipc_mode) => "Whether the container shares the host's ipc namespace.";
    "container.host_network" Bool on Process: |c, _| container::is_host(c, |k| &k.network_mode) => "Whether the container shares the host's network.";
    "container.host_pid" Bool on Process: |c, _| container::is_host(c, |k| &k.pid_mode) => "Whether the container shares the host's pid namespace.";
    "container.hostname" Str on Process: |c, _| container::text(c, |k| &k.hostname) => "The container's host name.";
    "container.id" Str on Process: |c, _| container::or_host(c, Container::short_id) => "The first 12 characters of the container's id, or \"host\" outside containers.";
    "container.image" Str on Process: |c, _| container::text(c, |k| &k.image) => "The image as the runtime was told, with tag.";
    "container.image.digest" Str on Process: |c, _| container::text(c, |k| &k.image_digest) => "Digest of the image in its registry.";
    "container.image.id" Str on Process: |c, _| container::text(c, container::image_id) => "Id of the image, without the name of its hash.";
    "container.image.repository" Str on Process: |c, _| container::text(c, container::repository) => "The image without tag and digest.";
    "container.image.tag" Str on Process: |c, _| container::text(c, container::tag) => "Tag of the image; `latest` where the runtime was told none, nothing where it was told a digest.";
    "container.io.pressure" Uint on Event: |c, _| container::sampled(c, "io_some") => "Share of the last ten seconds in which something waited for I/O, in hundredths of a percent.";
    "container.io.read" Uint on Event: |c, _| container::sampled(c, "io_read") => "Bytes read from disks since the container was made.";
    "container.io.write" Uint on Event: |c, _| container::sampled(c, "io_write") => "Bytes written to disks since the container was made.";
    "container.ip" Str on Process: |c, _| container::text(c, |k| &k.ip) => "The container's primary address.";
    "container.ipc_mode" Str on Process: |c, _| container::text(c, |k| &k.ipc_mode) => "Ipc namespace of the container: private, shareable, host, container:….";
    "container.label" Str(Required) on Process: |c, arg| container::entry(c, |k| &k.labels, arg) => "One label of the container, by key: container.label.app.";
    "container.labels" Str on Process: |c, _| container::pairs(c, |k| &k.labels) => "All labels of the container as key:value.";
    "container.limit.cpu" Uint on Process: |c, _| c.container()?.limits.cpu_milli.map(FieldValue::Uint) => "Processor time the container may use, in thousandths of a CPU; 0 for no limit.";
    "container.limit.cpu_shares" Uint on Process: |c, _| c.container()?.limits.cpu_shares.map(FieldValue::Uint) => "Weight of the container against others; 1024 is usual.";
    "container.limit.cpuset" Str on Process: |c, _| container::text(c, |k| &k.limits.cpuset) => "CPUs the container may run on.";
    "container.limit.memory" Uint on Process: |c, _| c.container()?.limits.memory.map(FieldValue::Uint) => "Bytes of memory the container may use; 0 for no limit.";
    "container.limit.memory_swap" Int on Process: |c, _| c.container()?.limits.memory_swap.map(FieldValue::Int) => "Bytes of memory and swap the container may use; -1 for no limit.";
    "container.limit.pids" Uint on Process: |c, _| c.container()?.limits.pids.map(FieldValue::Uint) => "Processes and threads the container may have; 0 for no limit.";
    "container.liveness_probe" Str on Process: |c, _| container::probe(c, "liveness_probe") => "Command of the container's liveness probe; NONE where a capture of another program tells of the container and of none.";
    "container.memory.current" Uint on Event: |c, _| container::sampled(c, "memory") => "Bytes of memory in use.";
    "container.memory.limit" Uint on Event: |c, _| container::sampled(c, "memory_limit") => "Bytes of memory that could be used when the sample was taken; 0 for no limit.";
    "container.memory.oom_kills" Uint on Event: |c, _| container::sampled(c, "oom_kills") => "Processes killed for lack of memory since the container was made.";
    "container.memory.peak" Uint on Event: |c, _| container::sampled(c, "memory_peak") => "Most bytes of memory ever in use.";
    "container.memory.percent" Uint on Event: |c, _| container::memory_percent(c) => "Memory in use as percent of its limit; none where there is no limit.";
    "container.memory.pressure" Uint on Event: |c, _| container::sampled(c, "memory_some") => "Share of the last ten seconds in which something waited for memory, in hundredths of a percent.";
    "container.memory.swap" Uint on Event: |c, _| container::sampled(c, "swap") => "Bytes of swap in use.";
    "container.mount" Str(Required) on Process: |c, arg| container::mount(c, None, arg) => "One mount, by number or by a pattern that its source matches.";
    "container.mount.dest" Str(Required) on Process: |c, arg| container::mount(c, Some(MountPart::Destination), arg) => "Where a mount is, by number or by a pattern that its source matches.";
    "container.mount.mode" Str(Required) on Process: |c, arg| container::mount(c, Some(MountPart::Mode), arg) => "Mode of a mount, by number or by a pattern that its source matches.";
    "container.mount.propagation" Str(Required) on Process: |c, arg| container::mount(c, Some(MountPart::Propagation), arg) => "Propagation of a mount, by number or by a pattern that its source matches.";
    "container.mount.rdwr" Str(Required) on Process: |c, arg| container::mount(c, Some(MountPart::ReadWrite), arg) => "Whether a mount can be written, by number or by a pattern that its source matches.";
    "container.mount.source" Str(Required) on Process: |c, arg| container::mount(c, Some(MountPart::Source), arg) => "What a mount shows, by number or by a pattern that its destination matches.";
    "container.mounts" Str on Process: |c, _| container::list(c, |k| &k.mounts, ",") => "All mounts as source:destination:mode:rw:propagation.";
    "container.name" Str on Process: |c, _| container::or_host(c, |k| &k.name) => "The container's name, or \"host\" outside containers.";
    "container.network_mode" Str on Process: |c, _| container::text(c, |k| &k.network_mode) => "Network of the container: none, host, bridge, container:…, or the name of a network.";
    "container.no_new_privileges" Bool on Process: |c, _| c.container()?.no_new_privileges.map(FieldValue::Bool) => "Whether the container's programs can gain no privileges by exec.";
    "container.oom_killed" Bool on Process: |c, _| c.container()?.oom_killed.map(FieldValue::Bool) => "Whether the runtime says the container was killed for lack of memory.";
    "container.pid_mode" Str on Process: |c, _| container::text(c, |k| &k.pid_mode) => "Pid namespace of the container: private, host, container:….";
    "container.pids.current" Uint on Event: |c, _| container::sampled(c, "pids") => "Processes and threads.";
    "container.ports" Str on Process: |c, _| container::list(c, |k| &k.ports, ",") => "Published ports as address:port->port/protocol.";
    "container.privileged" Bool on Process: |c, _| c.container()?.privileged.map(FieldValue::Bool) => "Whether the container was started with every privilege.";
    "container.read_only" Bool on Process: |c, _| c.container()?.read_only.map(FieldValue::Bool) => "Whether the container's root cannot be written.";
    "container.readiness_probe" Str on Process: |c, _| container::probe(c, "readiness_probe") => "Command of the container's readiness probe; NONE where a capture of another program tells of the container and of none.";
    "container.restart_policy" Str on Process: |c, _| container::text(c, |k| &k.restart_policy) => "What the runtime does when the container ends: no, always, unless-stopped, on-failure:3.";
    "container.seccomp" Str on Process: |c, _| container::text(c, |k| &k.seccomp) => "Seccomp profile: default, unconfined, the name of one, or filter when it has no name.";
    "container.start_ts" AbsTime on Process: |c, _| container::start_ns(c).map(FieldValue::Int) => "When the container was made, or first seen.";
    "container.type" Str on Process: |c, _| container::or_host(c, |k| &k.runtime) => "The runtime: docker, containerd, cri-o, podman, lxc, or \"host\".";
    "container.unresolved" Str on Process: |c, _| container::text(c, |k| &k.unresolved) => "Why the container has no name or image.";
    "container.user" Str on Process: |c, _| container::text(c, |k| &k.user) => "The user the container was told to run as.";
    "container.userns_mode" Str on Process: |c, _| container::text(c, |k| &k.userns_mode) => "User namespace of the container: private or host.";
    "dns.answers" Str on Event: |c, _| dns::answers(c) => "Addresses, names and texts in an answer of a name server; any of them may match.";
    "dns.question" Str on Event: |c, _| dns::questions(c) => "The name that a name server is asked for.";
    "dns.question.type" Str on Event: |c, _| dns::types(c) => "The type of record that a name server is asked for, such as AAAA.";
    "dns.rcode" Str on Event: |c, _| dns::code(c) => "What a name server answered, such as NXDOMAIN.";
    "evt.abi" Str on Head: |c, _| Some(FieldValue::str(c.event.abi.name())) => "The call convention: x86_64, i386, aarch64 or x32.";
    "evt.abspath" Str(Optional) on Event: |c, arg| evt::abspath(c, arg) => "The path argument made absolute; evt.abspath.src and evt.abspath.dst for calls with two.";
    "evt.arg" Str(Required) on Event: |c, arg| evt::arg(c, arg) => "One argument as text, by name or by index from 0, or one field of the structure it points at (evt.arg.how.flags); Falco's names res, fd, data, size and name are understood.";
    "evt.args" Str on Event: |c, _| Some(FieldValue::owned(render::args_text(c))) => "The result and all arguments as name=value.";
    "evt.around" RelTime(Required) on Instant: |c, arg| evt::distance(c, arg?).map(FieldValue::Uint) => "How far the event is from an instant (ns since 1970); evt.around[…]=5 is true within 5 ms of it.";
    "evt.asked" Str on Event: |c, _| Some(FieldValue::owned(render::asked_text(c))) => "The same as evt.args; in captures of sysdig, which tell them with the entry only, a return also has what setuid, setgid, setresuid, setresgid, setpgid, kill, ptrace, setns, unshare and mount were asked.";
    "evt.asynctype" Str on Type: |c, _| evt::async_type(c) => "Name of an event that did not come from a thread.";
    "evt.buffer" Bytes on Event: |c, _| evt::buffer(c) => "The captured payload of a read or write.";
    "evt.buflen" Uint on Outcome: |c, _| evt::moved(c, None, None) => "Bytes that a read or write moved.";
    "evt.buflen.file" Uint on Outcome: |c, _| evt::moved(c, None, Some(false)) => "Bytes read from and written to files.";
    "evt.buflen.file.in" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::In), Some(false)) => "Bytes read from files.";
    "evt.buflen.file.out" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::Out), Some(false)) => "Bytes written to files.";
    "evt.buflen.in" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::In), None) => "Bytes read.";
    "evt.buflen.net" Uint on Outcome: |c, _| evt::moved(c, None, Some(true)) => "Bytes received and sent on sockets.";
    "evt.buflen.net.in" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::In), Some(true)) => "Bytes received on sockets.";
    "evt.buflen.net.out" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::Out), Some(true)) => "Bytes sent on sockets.";
    "evt.buflen.out" Uint on Outcome: |c, _| evt::moved(c, Some(Direction::Out), None) => "Bytes written.";
    "evt.category" Str on Head: |c, _| evt::category(c).map(|class| FieldValue::str(class.name())) => "What the event is about: file, net, process, memory …; for reads and writes, what they went through.";
    "evt.cause" Str on Event: |c, _| evt::cause(c).map(FieldValue::str) => "Where a signal came from, in words: what its code means.";
    "evt.claimed_addr" Str on Event: |c, _| evt::claimed_address(c) => "The address the program passed, where the kernel connected to another.";
    "evt.claimed_path" Str on Event: |c, _| if c.event.flags.has(EventFlags::CLAIM_DIFFERS) { evt::raw_path(c) } else { None } => "The path the program passed, where the kernel acted on another.";
    "evt.count" Uint on Type: |_, _| Some(FieldValue::Uint(1)) => "Always 1, for sums.";
    "evt.count.call" Uint on Type: |c, _| evt::call_count(c).map(FieldValue::Uint) => "1 for each call and each happening: where a recorder tells of the entry to a call and of its return, for the return.";
    "evt.count.error" Uint on Outcome: |c, _| evt::error_count(c, |_| true) => "1 for a call that failed.";
    "evt.count.error.file" Uint on Outcome: |c, _| evt::error_count(c, |class| class == Class::File) => "1 for a file call that failed.";
    "evt.count.error.memory" Uint on Outcome: |c, _| evt::error_count(c, |class| class == Class::Memory) => "1 for a memory call that failed.";
    "evt.count.error.net" Uint on Outcome: |c, _| evt::error_count(c, |class| class == Class::Net) => "1 for a network call that failed.";
    "evt.count.error.other" Uint on Outcome: |c, _| evt::error_count(c, |class| !matches!(class, Class::File | Class::Memory | Class::Net)) => "1 for any other call that failed.";
    "evt.count.exit" Uint on Marks: |c, _| evt::dir(c).filter(|dir| *dir == FieldValue::str("<")).map(|_| FieldValue::Uint(1)) => "1 for what was recorded when it was done.";
    "evt.count.procinfo" Uint on Head: |c, _| evt::procinfo(c).filter(|_| c.proc().is_some_and(|p| p.key.pid == c.event.tid)).map(FieldValue::Uint) => "1 for a sample of a process that another recorder took.";
    "evt.count.threadinfo" Uint on Marks: |c, _| evt::procinfo(c).map(FieldValue::Uint) => "1 for a sample of a thread that another recorder took.";
    "evt.cpu" Uint on Cpu: |c, _| Some(c.event.cpu).filter(|cpu| *cpu != Event::NO_CPU).map(|cpu| FieldValue::Uint(u64::from(cpu))) => "The CPU the event was recorded on; none for what a runtime told.";
    "evt.datetime" Str on Time: |c, _| Some(FieldValue::owned(format!("{}.{:09}", evt::date_and_second(evt::local(c)), evt::local(c).nanosecond))) => "Date and time of day on the recorded host, with nanoseconds.";
    "evt.datetime.s" Str on Time: |c, _| Some(FieldValue::owned(evt::date_and_second(evt::local(c)))) => "Date and time of day on the recorded host.";
    "evt.deltatime" RelTime on Event: |c, _| Some(FieldValue::Uint(c.since_previous_ns())) => "Time since the event that was shown before; in a filter, since the event that this comparison was asked of before.";
    "evt.deltatime.ns" Uint on Event: |c, _| Some(FieldValue::Uint(c.since_previous_ns() % evt::SECOND)) => "Nanoseconds within the second of evt.deltatime.";
    "evt.deltatime.s" Uint on Event: |c, _| Some(FieldValue::Uint(c.since_previous_ns() / evt::SECOND)) => "Whole seconds of evt.deltatime.";
    "evt.dir" Str on Marks: |c, _| evt::dir(c) => "\"<\" for what was recorded when it was done, \">\" for calls that never return.";
    "evt.failed" Bool on Result: |c, _| evt::failed(c).map(FieldValue::Bool) => "Whether the call failed.";
    "evt.hostname" Str on Marks: |c, _| proc::filled(&c.manifest.host) => "Name of the recorded host.";
    "evt.info" Str on Event: |c, _| Some(FieldValue::owned(render::args_text(c))) => "The same as evt.args.";
    "evt.infra.docker.container.id" Str on Event: |c, _| told::text(c, "evt.infra.docker.container.id") => "Container that an event of the docker daemon is about.";
    "evt.infra.docker.container.image" Str on Event: |c, _| told::text(c, "evt.infra.docker.container.image") => "Its image.";
    "evt.infra.docker.container.name" Str on Event: |c, _| told::text(c, "evt.infra.docker.container.name") => "Its name.";
    "evt.infra.docker.name" Str on Event: |c, _| told::text(c, "evt.infra.docker.name") => "Name of an event of the docker daemon.";
    "evt.io_dir" Str on Type: |c, _| evt::direction(c).map(|way| FieldValue::str(if way == Direction::In { "read" } else { "write" })) => "\"read\" for calls that read, \"write\" for calls that write.";
    "evt.is_async" Bool on Type: |c, _| Some(FieldValue::Bool(evt::async_type(c).is_some())) => "Whether the event did not come from a thread.";
    "evt.is_cut" Bool on Marks: |c, _| Some(FieldValue::Bool(c.event.flags.has(EventFlags::CUT))) => "Whether a text or payload of the event was too long to be kept whole.";
    "evt.is_in_flight" Bool on Marks: |c, _| Some(FieldValue::Bool(c.event.flags.has(EventFlags::IN_FLIGHT))) => "Whether the event had not ended when the recording did.";
    "evt.is_io" Bool on Type: |c, _| Some(FieldValue::Bool(evt::direction(c).is_some())) => "Whether the call reads or writes a descriptor.";
    "evt.is_io_read" Bool on Type: |c, _| Some(FieldValue::Bool(evt::is_io_read(c))) => "Whether the call reads a descriptor.";
    "evt.is_io_write" Bool on Type: |c, _| Some(FieldValue::Bool(evt::direction(c) == Some(Direction::Out))) => "Whether the call writes a descriptor.";
    "evt.is_open_create" Bool on Event: |c, _| evt::is_open_create(c) => "For open calls, whether the file is to be created when it is not there.";
    "evt.is_open_exec" Bool on Event: |c, _| evt::is_open_exec(c) => "For open calls, whether a file may have been created with an execute bit.";
    "evt.is_open_read" Bool on Event: |c, _| evt::is_open_read(c) => "For open calls, whether they ask to read.";
    "evt.is_open_write" Bool on Event: |c, _| evt::is_open_write(c) => "For open calls, whether they ask to write.";
    "evt.is_snapshot" Bool on Marks: |c, _| Some(FieldValue::Bool(c.event.flags.has(EventFlags::SNAPSHOT))) => "Whether the event was read from /proc when the recording began.";
    "evt.is_syslog" Bool on Head: |c, _| Some(FieldValue::Bool(syslog::is_syslog(c))) => "Whether the event writes to /dev/log.";
    "evt.is_told" Bool on Marks: |c, _| Some(FieldValue::Bool(c.event.flags.has(EventFlags::TOLD))) => "Whether the event comes from a container runtime or a sample, and not from the kernel programs.";
    "evt.is_wait" Bool on Type: |c, _| Some(FieldValue::Bool(evt::waits(c))) => "Whether the call is one that waits: poll, select, epoll_wait, nanosleep and their kin.";
    "evt.latency" RelTime on Latency: |c, _| evt::latency(c).map(FieldValue::Uint) => "How long a call took that gave up the processor, from where it first did to its return.";
    "evt.latency.human" Str on Latency: |c, _| evt::latency(c).map(|ns| FieldValue::owned(evt::human(ns))) => "evt.latency for people, with a unit: 1.53ms.";
    "evt.latency.ns" Uint on Latency: |c, _| evt::latency(c).map(|ns| FieldValue::Uint(ns % evt::SECOND)) => "Nanoseconds within the second of evt.latency.";
    "evt.latency.quantized" Uint on Latency: |c, _| evt::latency(c).map(|ns| FieldValue::Uint(evt::quantized(ns))) => "Ten times the logarithm to base 10 of evt.latency in nanoseconds, for charts.";
    "evt.latency.s" Uint on Latency: |c, _| evt::latency(c).map(|ns| FieldValue::Uint(ns / evt::SECOND)) => "Whole seconds of evt.latency.";
    "evt.moved" Uint on Outcome: |c, _| evt::bytes(c, None) => "Bytes that a read or write moved. evt.buflen is what sysdig says, which in captures of its own takes the results of dup and its like for bytes.";
    "evt.moved.file" Uint on Outcome: |c, _| evt::bytes(c, Some(false)) => "Bytes that reads and writes moved from and to files.";
    "evt.moved.net" Uint on Outcome: |c, _| evt::bytes(c, Some(true)) => "Bytes that reads and writes moved over sockets.";
    "evt.num" Uint on Head: |c, _| Some(FieldValue::Uint(c.num)) => "The event's number in the capture, from 1.";
    "evt.outputtime" Str on Time: |c, _| Some(FieldValue::owned(evt::local(c).time_of_day())) => "The time as the reader wants it (-t); elsewhere the same as evt.time.";
    "evt.plugininfo" Str on Event: |c, _| told::text(c, "evt.plugininfo") => "What a plug-in says of its event in one line.";
    "evt.pluginname" Str on Event: |c, _| told::text(c, "evt.pluginname") => "The plug-in that the event comes from.";
    "evt.rawarg" Int(Required) on Event: |c, arg| evt::raw_arg(c, arg) => "One argument as the number it was, or as the bytes it was, by name or by index from 0.";
    "evt.rawres" Int on Result: |c, _| c.result().map(FieldValue::Int) => "The result as a number; errors are negative.";
    "evt.rawtime" AbsTime on Time: |c, _| Some(FieldValue::Int(evt::wall_ns(c))) => "When, in nanoseconds since 1970.";
    "evt.rawtime.ns" Uint on Instant: |c, _| Some(FieldValue::Uint(evt::wall_ns(c).rem_euclid(evt::SECOND as i64) as u64)) => "Nanoseconds within the second of evt.rawtime.";
    "evt.rawtime.s" Int on Time: |c, _| Some(FieldValue::Int(evt::wall_ns(c).div_euclid(evt::SECOND as i64))) => "Whole seconds of evt.rawtime.";
    "evt.reltime" RelTime on Time: |c, _| Some(FieldValue::Uint(c.since_first_ns())) => "Time since the first event of the capture.";
    "evt.reltime.ns" Uint on Instant: |c, _| Some(FieldValue::Uint(c.since_first_ns() % evt::SECOND)) => "Nanoseconds within the second of evt.reltime.";
    "evt.reltime.s" Uint on Time: |c, _| Some(FieldValue::Uint(c.since_first_ns() / evt::SECOND)) => "Whole seconds of evt.reltime.";
    "evt.res" Str on Result: |c, _| evt::res(c).map(FieldValue::owned) => "SUCCESS, or the name of the error.";
    "evt.res.meaning" Str on Result: |c, _| evt::res_meaning(c).map(FieldValue::str) => "What the error means, in words; nothing of calls that did not fail.";
    "evt.seq" Uint on Head: |c, _| Some(FieldValue::Uint(c.event.seq)) => "The event's number among those offered on its CPU, from 0; a jump is a loss.";
    "evt.source" Str on Type: |_, _| Some(FieldValue::str("syscall")) => "Where events come from: always \"syscall\".";
    "evt.surplus" Str on Event: |c, _| told::surplus(c).map(FieldValue::owned) => "Parameters that a later version of the program that recorded appended to the event, in hex, with blanks between them; - for an empty one.";
    "evt.time" Str on Time: |c, _| Some(FieldValue::owned(evt::local(c).time_of_day())) => "Time of day on the recorded host, with nanoseconds.";
    "evt.time.iso8601" Str on Time: |c, _| Some(FieldValue::owned(Civil::from_unix_ns(evt::wall_ns(c)).iso8601())) => "Date and time, UTC, as ISO 8601 writes it.";
    "evt.time.s" Str on Time: |c, _| Some(FieldValue::owned(evt::second_of_day(evt::local(c)))) => "Time of day on the recorded host.";
    "evt.told" Str on Event: |c, _| Some(FieldValue::owned(render::told_text(c))) => "What was told of a container in words, such as that its program ended with 137: SIGKILL; of all other events the same as evt.args.";
    "evt.type" Str on Type: |c, _| Some(FieldValue::str(&c.ty()?.name)) => "The name of the call or happening.";
    "evt.type.is" Uint(Required) on Type: |c, arg| Some(FieldValue::Uint(u64::from(c.ty()?.name == arg?))) => "1 for events of the type that is named, else 0.";
    "evt.wait_latency" RelTime on Latency: |c, _| evt::wait_latency(c).map(FieldValue::Uint) => "The same as evt.latency: only calls that wait are timed.";
    "fd.cip" Ip on File: |c, _| fd::end(c, End::Client).map(fd::ip) => "Address of the client.";
    "fd.cip.name" Str on Event: |c, _| told::text(c, "fd.cip.name") => "Name of the client's address. No name server is asked; dns.* shows what the capture holds.";
    "fd.cnet" Net on File: |c, _| fd::end(c, End::Client).map(fd::ip) => "Address of the client, compared with a block of addresses.";
    "fd.connected" Bool on File: |c, _| fd::connected(c.file()?).map(FieldValue::Bool) => "Whether an internet socket has a peer.";
    "fd.containerdirectory" Str on Head: |c, _| fd::in_container(c, fd::directory(c.file()?)?) => "Container id, a colon and the directory of the file.";
    "fd.containername" Str on Head: |c, _| fd::in_container(c, &fd::name(c.file()?)?) => "Container id, a colon and the name of the file.";
    "fd.cport" Port on File: |c, _| fd::port_of(c, End::Client) => "Port of the client.";
    "fd.cproto" Str on File: |c, _| fd::service_of(c, End::Client) => "Service name of the client's port, else its number.";
    "fd.dev" Uint on File: |c, _| fd::inode(c.file()?).map(|_| FieldValue::Uint(fd::user_dev(c.file().map_or(0, |f| f.dev)))) => "Device the file is on, as stat shows it.";
    "fd.dev.major" Uint on File: |c, _| fd::inode(c.file()?).map(|_| FieldValue::Uint(fd::major_minor(c.file().map_or(0, |f| f.dev)).0)) => "Major number of that device.";
    "fd.dev.minor" Uint on File: |c, _| fd::inode(c.file()?).map(|_| FieldValue::Uint(fd::major_minor(c.file().map_or(0, |f| f.dev)).1)) => "Minor number of that device.";
    "fd.directory" Str on File: |c, _| fd::directory(c.file()?).map(FieldValue::str) => "The directory that contains the file.";
    "fd.filename" Str on File: |c, _| fd::filename(c.file()?).map(FieldValue::str) => "The file's name without its directory.";
    "fd.ino" Uint on File: |c, _| fd::inode(c.file()?).map(FieldValue::Uint) => "Inode number of the file.";
    "fd.ip" Ip on File: |c, _| fd::ends(c, fd::ip) => "Address of either end.";
    "fd.is_lower_layer" Bool on Event: |c, _| told::flag(c, "fd.is_lower_layer").or_else(|| fd::marked(c, File::LOWER)) => "Whether the file is part of the container's image.";
    "fd.is_server" Bool on File: |c, _| fd::is_server(c.file()?).map(FieldValue::Bool) => "Whether the process is the server of the connection.";
    "fd.is_upper_layer" Bool on Event: |c, _| told::flag(c, "fd.is_upper_layer").or_else(|| fd::marked(c, File::UPPER)) => "Whether the file was written after the container was made.";
    "fd.l4proto" Str on File: |c, _| fd::protocol(c.file()?).map(FieldValue::str) => "The protocol: tcp, udp, icmp, raw.";
    "fd.lip" Ip on File: |c, _| fd::end(c, End::Local).map(fd::ip) => "Address of the process's own end.";
    "fd.lip.name" Str on Event: |c, _| told::text(c, "fd.lip.name") => "Name of the process's own address; see fd.cip.name.";
    "fd.lnet" Net on File: |c, _| fd::end(c, End::Local).map(fd::ip) => "Address of the process's own end, compared with a block of addresses.";
    "fd.lport" Port on File: |c, _| fd::port_of(c, End::Local) => "Port of the process's own end.";
    "fd.lproto" Str on File: |c, _| fd::service_of(c, End::Local) => "Service name of the process's own port, else its number.";
    "fd.name" Str on File: |c, _| fd::name(c.file()?).map(FieldValue::owned) => "The kernel's full name of the file: its path, or the two ends of a connection.";
    "fd.name_changed" Bool on Event: |c, _| fd::name_changed(c).map(FieldValue::Bool) => "Whether the call gave its socket an address or a peer.";
    "fd.nameraw" Str on Event: |c, _| evt::raw_path(c).or_else(|| fd::name(c.file()?).map(FieldValue::owned)) => "The path as the program passed it, else the file's name.";
    "fd.net" Net on File: |c, _| fd::ends(c, fd::ip) => "Address of either end, compared with a block of addresses.";
    "fd.num" Int on Event: |c, _| fd::num(c).map(FieldValue::Int) => "The descriptor: the new one that a call returned, else the first it was given.";
    "fd.peer.pid" Int on File: |c, _| Some(c.file()?.peer_pid).filter(|pid| *pid != 0).map(|pid| FieldValue::Int(i64::from(pid))) => "Process at the other end of a unix socket, as it connected.";
    "fd.peer.uid" Int on File: |c, _| Some(c.file()?).filter(|f| f.peer_pid != 0).map(|f| FieldValue::Int(i64::from(f.peer_uid))) => "Effective user id at the other end of a unix socket, as it connected.";
    "fd.port" Port on File: |c, _| fd::ports(c) => "Port of either end.";
    "fd.proto" Port on File: |c, _| fd::ports(c) => "Port of either end, to be compared with a service name.";
    "fd.rip" Ip on File: |c, _| fd::end(c, End::Remote).map(fd::ip) => "Address of the other end.";
    "fd.rip.name" Str on Event: |c, _| told::text(c, "fd.rip.name") => "Name of the peer's address; see fd.cip.name.";
    "fd.rnet" Net on File: |c, _| fd::end(c, End::Remote).map(fd::ip) => "Address of the other end, compared with a block of addresses.";
    "fd.rport" Port on File: |c, _| fd::port_of(c, End::Remote) => "Port of the other end.";
    "fd.rproto" Str on File: |c, _| fd::service_of(c, End::Remote) => "Service name of the peer's port, else its number.";
    "fd.sip" Ip on File: |c, _| fd::end(c, End::Server).map(fd::ip) => "Address of the server.";
    "fd.sip.name" Str on Event: |c, _| told::text(c, "fd.sip.name") => "Name of the server's address; see fd.cip.name.";
    "fd.snet" Net on File: |c, _| fd::end(c, End::Server).map(fd::ip) => "Address of the server, compared with a block of addresses.";
    "fd.sockfamily" Str on File: |c, _| fd::sock_family(c.file()?).map(FieldValue::str) => "Family of the socket: ip or unix.";
    "fd.sport" Port on File: |c, _| fd::port_of(c, End::Server).or_else(|| fd::listens(c).map(fd::port)) => "Port of the server.";
    "fd.sproto" Str on File: |c, _| fd::service_of(c, End::Server) => "Service name of the server's port, else its number.";
    "fd.type" Str on File: |c, _| fd::type_name(c.file()?).map(FieldValue::str) => "What the descriptor is: file, directory, ipv4, ipv6, unix, pipe, and the kinds of anonymous objects.";
    "fd.typechar" Str on File: |c, _| Some(FieldValue::owned(fd::letter(c.file()?).to_string())) => "What the descriptor is, in one letter.";
    "fd.types" List(Optional) on Event: |c, arg| fd::types(c, arg) => "Types of the descriptors the event is about; with a number, of that one.";
    "fd.uid" Str on Event: |c, _| Some(FieldValue::owned(format!("{}{}", c.event.tid as i32, fd::num(c)?))) => "Thread id and descriptor in one word.";
    "fdlist.cips" Str on Event: |c, _| told::text(c, "fdlist.cips").or_else(|| fd::waited(c, fd::Waited::Cips)) => "Addresses of the clients of the descriptors that are waited for.";
    "fdlist.cports" Str on Event: |c, _| told::text(c, "fdlist.cports").or_else(|| fd::waited(c, fd::Waited::Cports)) => "Ports of the clients of the descriptors that are waited for.";
    "fdlist.names" Str on Event: |c, _| told::text(c, "fdlist.names").or_else(|| fd::waited(c, fd::Waited::Names)) => "Names of the descriptors that are waited for.";
    "fdlist.nums" Str on Event: |c, _| told::text(c, "fdlist.nums").or_else(|| fd::waited(c, fd::Waited::Nums)).or_else(|| fd::polled(c)) => "Numbers of the descriptors that poll and ppoll wait for.";
    "fdlist.sips" Str on Event: |c, _| told::text(c, "fdlist.sips").or_else(|| fd::waited(c, fd::Waited::Sips)) => "Addresses of the servers of the descriptors that are waited for.";
    "fdlist.sports" Str on Event: |c, _| told::text(c, "fdlist.sports").or_else(|| fd::waited(c, fd::Waited::Sports)) => "Ports of the servers of the descriptors that are waited for.";
    "fs.path.name" Str on Event: |c, _| evt::acted_path(c) => "The path a call acted on: the kernel's own, else the program's made absolute; none for calls that failed.";
    "fs.path.nameraw" Str on Event: |c, _| evt::acted_raw_path(c) => "The path a call acted on, as the program passed it.";
    "fs.path.source" Str on Event: |c, _| evt::acted_side(c, true) => "For calls with two paths, the source, made absolute; for links, the new name.";
    "fs.path.sourceraw" Str on Event: |c, _| evt::acted_raw_side(c, true) => "For calls with two paths, the source as the program passed it.";
    "fs.path.target" Str on Event: |c, _| evt::acted_side(c, false) => "For calls with two paths, the target, made absolute; for links, what they point at.";
    "fs.path.targetraw" Str on Event: |c, _| evt::acted_raw_side(c, false) => "For calls with two paths, the target as the program passed it.";
    "group.gid" Uint on Process: |c, _| Some(FieldValue::Uint(u64::from(c.known_proc()?.egid))) => "Effective group id, as the host numbers it.";
    "group.name" Str on Process: |c, _| proc::filled(&proc::group(c)?.name) => "Name of that group in the container's own list, or the host's.";
    "k8s.deployment.id" Str on Event: |c, _| told::text(c, "k8s.deployment.id") => "Id of the Kubernetes deployment.";
    "k8s.deployment.label" Str(Required) on Event: |c, arg| told::text(c, &format!("k8s.deployment.label.{}", arg?)) => "One label of the Kubernetes deployment.";
    "k8s.deployment.labels" Str on Event: |c, _| told::text(c, "k8s.deployment.labels") => "All labels of the Kubernetes deployment.";
    "k8s.deployment.name" Str on Event: |c, _| told::text(c, "k8s.deployment.name") => "Name of the Kubernetes deployment.";
    "k8s.ns.id" Str on Event: |c, _| told::text(c, "k8s.ns.id") => "Id of the Kubernetes namespace.";
    "k8s.ns.label" Str(Required) on Event: |c, arg| told::text(c, &format!("k8s.ns.label.{}", arg?)) => "One label of the Kubernetes namespace.";
    "k8s.ns.labels" Str on Event: |c, _| told::text(c, "k8s.ns.labels") => "All labels of the Kubernetes namespace.";
    "k8s.ns.name" Str on Process: |c, _| container::text(c, |k| &k.pod_namespace) => "Kubernetes namespace of the pod.";
    "k8s.pod.cni.json" Str on Event: |c, _| told::text(c, "k8s.pod.cni.json") => "What the network plug-in told of the pod, as it told it.";
    "k8s.pod.full_sandbox_id" Str on Process: |c, _| container::text(c, |k| &k.sandbox_id) => "The whole id of the pod's sandbox.";
    "k8s.pod.id" Str on Process: |c, _| container::text(c, |k| &k.pod_uid) => "The same as k8s.pod.uid.";
    "k8s.pod.ip" Str on Event: |c, _| told::text(c, "k8s.pod.ip").or_else(|| container::pod_ip(c)) => "Address of the pod.";
    "k8s.pod.label" Str(Required) on Process: |c, arg| container::pod_label(c, arg) => "One label of the pod, by key.";
    "k8s.pod.labels" Str on Event: |c, _| told::text(c, "k8s.pod.labels").or_else(|| container::pod_labels(c)) => "All labels of the pod.";
    "k8s.pod.name" Str on Process: |c, _| container::text(c, |k| &k.pod_name) => "Kubernetes pod name.";
    "k8s.pod.sandbox_id" Str on Process: |c, _| container::text(c, |k| k.sandbox_id.get(..12).unwrap_or(&k.sandbox_id)) => "The first 12 characters of the id of the pod's sandbox.";
    "k8s.pod.uid" Str on Process: |c, _| container::text(c, |k| &k.pod_uid) => "Kubernetes pod uid.";
    "k8s.rc.id" Str on Event: |c, _| told::text(c, "k8s.rc.id") => "Id of the Kubernetes replication controller.";
    "k8s.rc.label" Str(Required) on Event: |c, arg| told::text(c, &format!("k8s.rc.label.{}", arg?)) => "One label of the Kubernetes replication controller.";
    "k8s.rc.labels" Str on Event: |c, _| told::text(c, "k8s.rc.labels") => "All labels of the Kubernetes replication controller.";
    "k8s.rc.name" Str on Event: |c, _| told::text(c, "k8s.rc.name") => "Name of the Kubernetes replication controller.";
    "k8s.rs.id" Str on Event: |c, _| told::text(c, "k8s.rs.id") => "Id of the Kubernetes replica set.";
    "k8s.rs.label" Str(Required) on Event: |c, arg| told::text(c, &format!("k8s.rs.label.{}", arg?)) => "One label of the Kubernetes replica set.";
    "k8s.rs.labels" Str on Event: |c, _| told::text(c, "k8s.rs.labels") => "All labels of the Kubernetes replica set.";
    "k8s.rs.name" Str on Event: |c, _| told::text(c, "k8s.rs.name") => "Name of the Kubernetes replica set.";
    "k8s.svc.id" Str on Event: |c, _| told::text(c, "k8s.svc.id") => "Id of the Kubernetes service.";
    "k8s.svc.label" Str(Required) on Event: |c, arg| told::text(c, &format!("k8s.svc.label.{}", arg?)) => "One label of the Kubernetes service.";
    "k8s.svc.labels" Str on Event: |c, _| told::text(c, "k8s.svc.labels") => "All labels of the Kubernetes service.";
    "k8s.svc.name" Str on Event: |c, _| told::text(c, "k8s.svc.name") => "Name of the Kubernetes service.";
    "proc.aargs" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| Some(FieldValue::owned(proc::args(p)))) => "Arguments of an ancestor: [1] is the parent; without a number, of any.";
    "proc.acmdline" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| Some(FieldValue::owned(proc::cmdline(p)))) => "Command line of an ancestor: [1] is the parent; without a number, of any.";
    "proc.aenv" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| proc::env(p, None)) => "Environment of an ancestor: [1] is the parent; without a number, of any.";
    "proc.aexe" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| proc::exe(p).map(FieldValue::str)) => "First argument (argv[0]) of an ancestor: [1] is the parent; without a number, of any.";
    "proc.aexepath" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| proc::exepath(p).map(FieldValue::str)) => "Path of the program of an ancestor: [1] is the parent; without a number, of any.";
    "proc.aname" Str(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| proc::filled(&p.comm)) => "Name of an ancestor: [1] is the parent; without a number, of any.";
    "proc.apid" Int(Optional) on Process: |c, arg| proc::ancestor(c, arg, |p| Some(FieldValue::Int(proc::id(p, p.key.pid)))) => "Pid of an ancestor: [1] is the parent; without a number, of any.";
    "proc.args" Str(Optional) on Process: |c, arg| match arg { None => Some(FieldValue::owned(proc::args(c.proc()?))), Some(index) => proc::arg(c.proc()?, index).map(FieldValue::str) } => "The arguments after the first, with blanks between them; [0] is the first of these.";
    "proc.cmdlenargs" Uint on Process: |c, _| Some(FieldValue::Uint(c.proc()?.args().skip(1).map(|arg| arg.len() as u64).sum())) => "Bytes of the arguments after the first, without blanks.";
    "proc.cmdline" Str on Process: |c, _| Some(FieldValue::owned(proc::cmdline(c.proc()?))) => "The process's name and its arguments.";
    "proc.cmdnargs" Uint on Process: |c, _| Some(FieldValue::Uint(c.proc()?.args().skip(1).count() as u64)) => "How many arguments follow the first.";
    "proc.cwd" Str on Process: |c, _| proc::cwd(c.proc()?).map(FieldValue::str) => "Working directory.";
    "proc.duration" RelTime on Event: |c, _| proc::age(c, c.known_proc()?).map(FieldValue::Uint) => "Time since the process started.";
    "proc.end.code" Int on Event: |c, _| told::end_code(c) => "Exit code of the process, told with the end of its main thread; missing where a signal ended it.";
    "proc.end.signal" Str on Event: |c, _| told::end_signal(c) => "The signal that ended the process, told with the end of its main thread.";
    "proc.env" Str(Optional) on Process: |c, arg| proc::env(c.proc()?, arg) => "The environment as NAME=value, or the value of one name: proc.env[PATH].";
    "proc.exe" Str on Process: |c, _| proc::exe(c.proc()?).map(FieldValue::str) => "The first argument (argv[0]), which the program that executed it chose.";
    "proc.exe_hash.sha256" Str on Process: |c, _| proc::sha256(c.proc()?).map(FieldValue::owned) => "SHA-256 of the executed file, hex; missing when it was too large, or gone before it could be read.";
    "proc.exe_ino" Uint on Process: |c, _| Some(c.proc()?.exe_ino).filter(|ino| *ino != 0).map(FieldValue::Uint) => "Inode number of the executed file.";
    "proc.exe_ino.ctime" AbsTime on Process: |c, _| proc::instant(c.proc()?.exe_ctime_ns) => "Last change of the executed file's inode.";
    "proc.exe_ino.ctime_duration_pidns_start" RelTime on Event: |c, _| told::number(c, "proc.exe_ino.ctime_duration_pidns_start") => "Time from the start of the pid namespace to the last change of the executed file's inode.";
    "proc.exe_ino.ctime_duration_proc_start" RelTime on Process: |c, _| proc::since_ctime(c).map(FieldValue::Uint) => "Time from the last change of the executed file's inode to the start of the process.";
    "proc.exe_ino.mtime" AbsTime on Process: |c, _| proc::instant(c.proc()?.exe_mtime_ns) => "Last change of the executed file's contents.";
    "proc.exe_size" Uint on Process: |c, _| Some(c.proc()?).filter(|p| p.exe_mtime_ns != 0).map(|p| FieldValue::Uint(p.exe_size)) => "Bytes of the executed file when it was executed.";
    "proc.exec_count" Uint on Process: |c, _| Some(FieldValue::Uint(u64::from(c.known_proc()?.key.exec))) => "How many programs the process has executed since it was first seen.";
    "proc.exeline" Str on Process: |c, _| proc::exeline(c.proc()?).map(FieldValue::owned) => "All arguments, with argv[0].";
    "proc.exepath" Str on Process: |c, _| proc::exepath(c.proc()?).map(FieldValue::str) => "The kernel's path of the executed file.";
    "proc.fdlimit" Int on Event: |c, _| told::limit(c) => "Descriptors the process may have open; missing where the recorder did not know.";
    "proc.fdopencount" Uint on Event: |c, _| told::number(c, "proc.fdopencount") => "Descriptors the process has open.";
    "proc.fdusage" Double on Event: |c, _| told::share_of_limit(c) => "Open descriptors as percent of their limit; missing where that is not known.";
    "proc.interp" Str on Process: |c, _| proc::filled(&c.proc()?.interp) => "The interpreter that the executed script named.";
    "proc.is_container_healthcheck" Bool on Process: |c, _| proc::runs_for(c, Process::HEALTH_CHECK) => "Whether the process runs for the container's health check, where a capture of another program tells.";
    "proc.is_container_liveness_probe" Bool on Process: |c, _| proc::runs_for(c, Process::LIVENESS_PROBE) => "Whether the process runs for the container's liveness probe, where a capture of another program tells.";
    "proc.is_container_readiness_probe" Bool on Process: |c, _| proc::runs_for(c, Process::READINESS_PROBE) => "Whether the process runs for the container's readiness probe, where a capture of another program tells.";
    "proc.is_exe_deleted" Bool on Process: |c, _| proc::exe_is(c, Process::EXE_DELETED) => "Whether the executed file had been unlinked.";
    "proc.is_exe_from_memfd" Bool on Process: |c, _| proc::exe_is(c, Process::EXE_MEMFD) => "Whether the executed file was in anonymous memory.";
    "proc.is_exe_lower_layer" Bool on Process: |c, _| proc::exe_is(c, Process::EXE_LOWER) => "Whether the executed file is part of the container's image.";
    "proc.is_exe_upper_layer" Bool on Process: |c, _| proc::exe_is(c, Process::EXE_UPPER) => "Whether the executed file was written after the container was made.";
    "proc.is_exe_writable" Bool on Event: |c, _| told::flag(c, "proc.is_exe_writable") => "Whether the user who executed the file could write it.";
    "proc.is_new" Bool on Process: |c, _| proc::is_new(c).map(FieldValue::Bool) => "Whether the process was started after the recorder began, not before.";
    "proc.is_pgid_leader" Bool on Process: |c, _| proc::leads(c, |p| p.pgid) => "Whether the process leads its process group.";
    "proc.is_sid_leader" Bool on Process: |c, _| proc::leads(c, |p| p.sid) => "Whether the process leads its session.";
    "proc.is_vpgid_leader" Bool on Event: |c, _| told::flag(c, "proc.is_vpgid_leader") => "Whether the process leads its process group inside its pid namespace.";
    "proc.key" Str on Process: |c, _| Some(FieldValue::owned(proc::key(c.proc()?))) => "What the process is within the capture: pid, start in nanoseconds since boot, count of execs.";
    "proc.loginshellid" Int on Process: |c, _| proc::login_shell(c).map(FieldValue::Int) => "Pid of the oldest shell among the process and its ancestors.";
    "proc.name" Str on Process: |c, _| proc::filled(&c.proc()?.comm) => "The kernel's name of the process, at most 15 bytes.";
    "proc.nchilds" Uint on Event: |c, _| told::number(c, "proc.nchilds") => "Threads of the process that are not its main one.";
    "proc.nthreads" Uint on Event: |c, _| told::number(c, "proc.nthreads") => "Threads of the process.";
    "proc.pcmdline" Str on Process: |c, _| Some(FieldValue::owned(proc::cmdline(proc::parent(c)?))) => "The parent's name and its arguments.";
    "proc.pexe" Str on Process: |c, _| proc::exe(proc::parent(c)?).map(FieldValue::str) => "The parent's first argument (argv[0]).";
    "proc.pexepath" Str on Process: |c, _| proc::exepath(proc::parent(c)?).map(FieldValue::str) => "The kernel's path of the parent's program.";
    "proc.pgid" Int on Process: |c, _| proc::known_id(c.proc()?, c.proc()?.pgid) => "Process group, as the host numbers it.";
    "proc.pgid.exe" Str on Process: |c, _| proc::exe(proc::leader(c, |p| p.pgid)?).map(FieldValue::str) => "First argument (argv[0]) of the leader of the process group, where it is the process or an ancestor.";
    "proc.pgid.exepath" Str on Process: |c, _| proc::exepath(proc::leader(c, |p| p.pgid)?).map(FieldValue::str) => "Program of the leader of the process group, where it is the process or an ancestor.";
    "proc.pgid.name" Str on Process: |c, _| proc::filled(&proc::leader(c, |p| p.pgid)?.comm) => "Name of the leader of the process group, where it is the process or an ancestor.";
    "proc.pid" Int on Process: |c, _| c.proc().map(|p| FieldValue::Int(proc::id(p, p.key.pid))) => "Process id, as the host numbers it.";
    "proc.pid.ts" AbsTime on Process: |c, _| proc::started(c.known_proc()?).map(|ns| FieldValue::Int(c.manifest.wall_ns(ns))) => "When the process started.";
    "proc.pidns_init_start_ts" AbsTime on Event: |c, _| told::signed(c, "proc.pidns_init_start_ts") => "When the first process of the pid namespace started.";
    "proc.pname" Str on Process: |c, _| proc::filled(&proc::parent(c)?.comm) => "The parent's name.";
    "proc.ppid" Int on Process: |c, _| c.known_proc().map(|p| FieldValue::Int(proc::id(p, p.ppid))) => "The parent's pid, as the host numbers it.";
    "proc.ppid.duration" RelTime on Head: |c, _| proc::age(c, proc::parent(c)?).map(FieldValue::Uint) => "Time since the parent started.";
    "proc.ppid.ts" AbsTime on Process: |c, _| proc::started(proc::parent(c)?).map(|ns| FieldValue::Int(c.manifest.wall_ns(ns))) => "When the parent started.";
    "proc.pvpid" Int on Process: |c, _| proc::vpid(proc::parent(c)?) => "The parent's pid inside its own pid namespace.";
    "proc.script" Str on Process: |c, _| proc::filled(&c.proc()?.script) => "The script, as it was named, when the executed file is its interpreter.";
    "proc.sid" Int on Process: |c, _| proc::known_id(c.proc()?, c.proc()?.sid) => "Session id, as the host numbers it.";
    "proc.sid.exe" Str on Process: |c, _| proc::exe(proc::leader(c, |p| p.sid)?).map(FieldValue::str) => "First argument (argv[0]) of the session's leader, where it is the process or an ancestor.";
    "proc.sid.exepath" Str on Process: |c, _| proc::exepath(proc::leader(c, |p| p.sid)?).map(FieldValue::str) => "Program of the session's leader, where it is the process or an ancestor.";
    "proc.sname" Str on Process: |c, _| proc::filled(proc::session_name(c)?) => "Name of the session's leader, where it is the process or an ancestor or another recorder told of it, else of the oldest of these that the session has.";
    "proc.stderr.name" Str on Head: |c, _| proc::stream(c, 2).and_then(fd::name).map(FieldValue::owned) => "Name of descriptor 2, where the capture says what it is.";
    "proc.stderr.type" Str on Head: |c, _| proc::stream(c, 2).map(|file| FieldValue::str(file.kind.name())) => "Type of descriptor 2, where the capture says what it is.";
    "proc.stdin.name" Str on Head: |c, _| proc::stream(c, 0).and_then(fd::name).map(FieldValue::owned) => "Name of descriptor 0, where the capture says what it is.";
    "proc.stdin.type" Str on Head: |c, _| proc::stream(c, 0).map(|file| FieldValue::str(file.kind.name())) => "Type of descriptor 0, where the capture says what it is.";
    "proc.stdout.name" Str on Head: |c, _| proc::stream(c, 1).and_then(fd::name).map(FieldValue::owned) => "Name of descriptor 1, where the capture says what it is.";
    "proc.stdout.type" Str on Head: |c, _| proc::stream(c, 1).map(|file| FieldValue::str(file.kind.name())) => "Type of descriptor 1, where the capture says what it is.";
    "proc.tty" Uint on Process: |c, _| Some(FieldValue::Uint(u64::from(c.known_proc()?.tty))) => "Controlling terminal as the kernel numbers it; 0 for none.";
    "proc.tty.name" Str on Process: |c, _| Some(c.known_proc()?.tty).filter(|tty| *tty != 0).map(|tty| FieldValue::owned(terminal::name(tty))) => "Controlling terminal as ps names it: pts/3, tty1, console.";
    "proc.vmrss" Uint on Event: |c, _| told::number(c, "proc.vmrss") => "Resident memory of the process, KiB.";
    "proc.vmsize" Uint on Event: |c, _| told::number(c, "proc.vmsize") => "Virtual memory of the process, KiB.";
    "proc.vmswap" Uint on Event: |c, _| told::number(c, "proc.vmswap") => "Swapped memory of the process, KiB.";
    "proc.vpgid" Int on Event: |c, _| told::signed(c, "proc.vpgid") => "Process group inside the pid namespace.";
    "proc.vpgid.exe" Str on Event: |c, _| told::text(c, "proc.vpgid.exe") => "First argument (argv[0]) of the leader of that group.";
    "proc.vpgid.exepath" Str on Event: |c, _| told::text(c, "proc.vpgid.exepath") => "Program of the leader of that group.";
    "proc.vpgid.name" Str on Event: |c, _| told::text(c, "proc.vpgid.name") => "Name of the leader of that group.";
    "proc.vpid" Int on Process: |c, _| proc::vpid(c.proc()?) => "Process id inside its own pid namespace.";
    "syscall.class" Str on Type: |c, _| c.ty().map(|ty| FieldValue::str(evt::named_class(ty).name())) => "What calls of this name are about, whoever recorded them: file, net, process, memory …; io for reads and writes, whatever they go through.";
    "syscall.type" Str on Type: |c, _| c.ty().filter(|ty| ty.is_syscall).map(|ty| FieldValue::str(&ty.name)) => "The name of the call; none for happenings.";
    "syslog.facility" Uint on Event: |c, _| syslog::facility(c).map(FieldValue::Uint) => "Facility of a line written to /dev/log, as a number.";
    "syslog.facility.str" Str on Event: |c, _| syslog::facility_name(c).map(FieldValue::str) => "Facility of a line written to /dev/log.";
    "syslog.message" Str on Event: |c, _| syslog::message(c) => "Text of a line written to /dev/log.";
    "syslog.severity" Uint on Event: |c, _| syslog::severity(c).map(FieldValue::Uint) => "Severity of a line written to /dev/log, as a number.";
    "syslog.severity.str" Str on Event: |c, _| syslog::severity_name(c).map(FieldValue::str) => "Severity of a line written to /dev/log.";
    "thread.cap_ambient" Str on Process: |c, _| Some(FieldValue::owned(capability::names(c.known_proc()?.cap_ambient))) => "Capabilities kept over an exec.";
    "thread.cap_bounding" Str on Process: |c, _| Some(FieldValue::owned(capability::names(c.known_proc()?.cap_bounding))) => "Capabilities that can still be gained.";
    "thread.cap_effective" Str on Process: |c, _| Some(FieldValue::owned(capability::names(c.known_proc()?.cap_effective))) => "Effective capabilities, by name.";
    "thread.cap_inheritable" Str on Process: |c, _| Some(FieldValue::owned(capability::names(c.known_proc()?.cap_inheritable))) => "Inheritable capabilities, by name.";
    "thread.cap_permitted" Str on Process: |c, _| Some(FieldValue::owned(capability::names(c.known_proc()?.cap_permitted))) => "Permitted capabilities, by name.";
    "thread.cgroup" Str(Optional) on Process: |c, arg| proc::cgroup(c.proc()?, arg) => "Path of the control group in the default hierarchy.";
    "thread.cgroups" Str on Process: |c, _| proc::cgroups(c.proc()?) => "The same as thread.cgroup.";
    "thread.cpu" Double on Event: |c, _| told::fraction(c, "thread.cpu") => "Processor time of the thread in the last second, percent, in the samples of another recorder.";
    "thread.cpu.system" Double on Event: |c, _| told::fraction(c, "thread.cpu.system") => "The same, in the kernel.";
    "thread.cpu.user" Double on Event: |c, _| told::fraction(c, "thread.cpu.user") => "The same, in the program.";
    "thread.cputime" RelTime on Event: |c, _| told::processor_time(c, true, true) => "Processor time of the thread: all of it where it ends; in samples of another recorder, since the sample before.";
    "thread.cputime.system" RelTime on Event: |c, _| told::processor_time(c, false, true) => "The same, in the kernel.";
    "thread.cputime.user" RelTime on Event: |c, _| told::processor_time(c, true, false) => "The same, in the program.";
    "thread.exectime" RelTime on Event: |c, _| told::number(c, "thread.exectime") => "Processor time since the thread was last scheduled.";
    "thread.ismain" Bool on Head: |c, _| Some(FieldValue::Bool(c.event.tid == c.proc()?.key.pid)) => "Whether the thread is the main one of its process.";
    "thread.nametid" Str on Head: |c, _| Some(FieldValue::owned(format!("{}{}", String::from_utf8_lossy(&c.proc()?.comm), c.event.tid))) => "Name and thread id in one word.";
    "thread.pfmajor" Uint on Event: |c, _| told::faults(c, "thread.pfmajor", "majflt") => "Page faults of the thread that read from a disk.";
    "thread.pfminor" Uint on Event: |c, _| told::faults(c, "thread.pfminor", "minflt") => "Page faults of the thread that read from no disk.";
    "thread.tid" Int on Thread: |c, _| Some(c.event).filter(|event| !event.flags.has(EventFlags::TOLD)).map(|event| FieldValue::Int(i64::from(event.tid as i32))) => "Thread id, as the host numbers it.";
    "thread.totexectime" RelTime on Event: |c, _| told::number(c, "thread.totexectime") => "Processor time of the thread in the capture.";
    "thread.vmrss" Uint on Event: |c, _| told::of_main(c, "proc.vmrss", 1) => "Resident memory of the process, KiB, on its main thread.";
    "thread.vmrss.b" Uint on Event: |c, _| told::of_main(c, "proc.vmrss", 1024) => "The same in bytes.";
    "thread.vmsize" Uint on Event: |c, _| told::of_main(c, "proc.vmsize", 1) => "Virtual memory of the process, KiB, on its main thread.";
    "thread.vmsize.b" Uint on Event: |c, _| told::of_main(c, "proc.vmsize", 1024) => "The same in bytes.";
    "thread.vtid" Int on Event: |c, _| proc::virtual_tid(c) => "Thread id inside the pid namespace, where it is known: of main threads.";
    "user.homedir" Str on Process: |c, _| proc::filled(&proc::user(c, |p| p.euid)?.home) => "Home directory of the user.";
    "user.loginname" Str on Process: |c, _| proc::filled(&proc::user(c, |p| p.loginuid)?.name) => "Name of the user who logged in.";
    "user.loginuid" Int on Process: |c, _| Some(FieldValue::Int(proc::login_uid(c.known_proc()?))) => "Id of the user who logged in; -1 for processes nobody's login led to.";
    "user.name" Str on Process: |c, _| proc::filled(&proc::user(c, |p| p.euid)?.name) => "Name of the user in the container's own list, or the host's.";
    "user.shell" Str on Process: |c, _| proc::filled(&proc::user(c, |p| p.euid)?.shell) => "Login shell of the user.";
    "user.shown" Str on Process: |c, _| proc::shown_user(c) => "Name of the effective user, else the user's id: what ps shows.";
    "user.uid" Uint on Process: |c, _| Some(FieldValue::Uint(u64::from(c.known_proc()?.euid))) => "Effective user id, as the host numbers it.";
    "util.cnt" Uint on Head: |c, _| Some(FieldValue::Uint(c.num)) => "The same as evt.num: a counter that grows with each event.";
};

/// The field with this name. `evt.arg.flags` is found as `evt.arg` with the argument `flags`: see [`split_name`].
pub fn by_name(name: &str) -> Option<&'static Field> {
    FIELDS
        .binary_search_by(|row| row.name.cmp(name))
        .ok()
        .and_then(|at| FIELDS.get(at))
        .or_else(|| RETIRED.iter().find(|row| row.name == name))
}

/// Splits `evt.arg.flags` or `proc.aname[2]` into its row and argument; an exact name wins.
pub fn split_name(text: &str) -> Option<(&'static Field, Option<&str>)> {
    if let Some(field) = by_name(text) {
        return Some((field, None));
    }
    if let Some((name, rest)) = text.split_once('[') {
        return Some((by_name(name)?, Some(rest.strip_suffix(']')?)));
    }
    let (at, _) = text.rmatch_indices('.').find(|(at, _)| {
        text.get(..*at)
            .and_then(by_name)
            .is_some_and(|f| f.arg != FieldArg::None)
    })?;
    Some((by_name(text.get(..at)?)?, text.get(at + 1..)))
}

#[cfg(test)]
mod tests;
