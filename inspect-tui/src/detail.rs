//! Everything there is to say about one event: its call, its arguments with their meanings, who did it, to what, and the
//! bytes that were captured.

use afterimage_model::{
    ArgDesc, ArgKind, Blob, ContainerId, Ctx, EventFlags, File, Process, Role, TypeDesc, Value,
    errno, render, signal, terminal,
};

/// One event in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Its number.
    pub num: u64,
    /// Its instant, ns since boot.
    pub at_ns: u64,
    /// Lines in order; headings have no value.
    pub lines: Vec<Line>,
    /// Captured bytes that lines point at.
    pub blobs: Vec<Blob>,
}

/// A line: `name  value  meaning`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Our word for it, or the argument's name in the file's schema.
    pub name: String,
    /// The value, captured bytes still raw; empty for headings.
    pub value: Vec<u8>,
    /// What it means, captured bytes still raw.
    pub meaning: Vec<u8>,
    /// Whether it is a heading.
    pub heading: bool,
    /// Whether it deserves a look: a failure, a cut, a claim that is not the truth.
    pub notable: bool,
    /// Its bytes, as an index into [`Detail::blobs`].
    pub blob: Option<usize>,
}

/// Bytes of one value that are looked at for its line; the bytes pane has all of them.
const LINE_BYTES: usize = 8192;

/// Describes an event.
pub fn of(ctx: &Ctx<'_>) -> Detail {
    let mut detail = Detail {
        num: ctx.num,
        at_ns: ctx.event.time.0,
        ..Detail::default()
    };
    detail.call(ctx);
    detail.arguments(ctx);
    if let Some(process) = ctx.proc() {
        detail.process(ctx, process);
    }
    detail.container(ctx);
    if let Some(file) = ctx.file() {
        detail.file(file);
    }
    detail
}

impl Detail {
    fn heading(&mut self, name: &str) {
        self.lines.push(Line {
            name: name.to_owned(),
            heading: true,
            ..Line::default()
        });
    }

    fn line(
        &mut self,
        name: &str,
        value: impl Into<Vec<u8>>,
        meaning: impl Into<Vec<u8>>,
    ) -> &mut Line {
        let (mut value, mut meaning) = (value.into(), meaning.into());
        value.truncate(LINE_BYTES);
        meaning.truncate(LINE_BYTES);
        let at = self.lines.len();
        self.lines.push(Line {
            name: name.to_owned(),
            value,
            meaning,
            ..Line::default()
        });
        &mut self.lines[at]
    }

    /// A line that is only there when it says something.
    fn some(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = value.into();
        if !value.is_empty() {
            self.line(name, value, "");
        }
    }

    fn call(&mut self, ctx: &Ctx<'_>) {
        let event = ctx.event;
        // Types are defined before the first event that has them: only damage takes a definition away.
        const UNDEFINED: &str = "defined in a damaged part";
        let (name, doc) = ctx
            .ty()
            .map_or(("unknown", UNDEFINED), |ty| (&ty.name, &ty.doc));
        self.heading("call");
        self.line("type", name, doc);
        match event.errno() {
            Some(number) => {
                let says = errno::meaning(number).unwrap_or_default();
                let text = render::result_text(event).unwrap_or_default();
                self.line("result", format!("{} {text}", event.result), says)
                    .notable = true;
            }
            None if event.flags.has(EventFlags::NO_RESULT) => {}
            None => {
                self.line("result", event.result.to_string(), "");
            }
        }
        if !event.flags.has(EventFlags::TOLD) {
            self.line("abi", event.abi.name(), "");
            self.line(
                "thread",
                event.tid.to_string(),
                format!("cpu {}, number {} on that cpu", event.cpu, event.seq),
            );
        }
        for (mask, name, says) in [
            (
                EventFlags::CLAIM_DIFFERS,
                "claimed",
                "the path the program passed is not the one the kernel acted on",
            ),
            (
                EventFlags::CUT,
                "cut",
                "part of a text or payload was not kept",
            ),
            (
                EventFlags::PROCESS_UNKNOWN,
                "unknown",
                "the process was not seen starting: only its pid is sure",
            ),
            (
                EventFlags::SNAPSHOT,
                "snapshot",
                "read from /proc when the recording began, not seen happening",
            ),
            (
                EventFlags::TOLD,
                "told",
                "a container runtime or a sample says so; no process did it",
            ),
            (
                EventFlags::IN_FLIGHT,
                "in flight",
                "it had not ended when the recording did",
            ),
        ] {
            if event.flags.has(mask) {
                self.line("mark", name, says).notable = true;
            }
        }
    }

    fn arguments(&mut self, ctx: &Ctx<'_>) {
        let args = ctx.ty().map_or(&[][..], TypeDesc::shown_args);
        if args.is_empty() {
            return;
        }
        self.heading("arguments");
        for (at, arg) in args.iter().enumerate() {
            let value = ctx.event.args.get(at).unwrap_or(&Value::Absent);
            // What a return in a capture of sysdig does not say may have been said when the call was entered, and else stands there.
            if *value == Value::Absent && ctx.ty().is_some_and(|ty| ty.is(TypeDesc::SCAP)) {
                if let Some(text) = render::asked_arg(ctx, &arg.name) {
                    self.line(&arg.name, text, "said when the call was entered");
                }
                continue;
            }
            let text = render::arg_text(ctx, at);
            let holds = render::held(ctx, at).map_or(arg, |(holds, _)| holds);
            let says = meaning(ctx, holds, value);
            let blob = match value {
                Value::Bytes(blob) => Some(blob),
                Value::Absent | Value::Num(_) => None,
            };
            let place = self.blobs.len();
            let line = self.line(
                &arg.name,
                text.unwrap_or_else(|| b"not captured".to_vec()),
                says,
            );
            if let Some(blob) = blob {
                line.blob = Some(place);
                line.notable = blob.is_cut();
                self.blobs.push(blob.clone());
            }
        }
    }

    fn process(&mut self, ctx: &Ctx<'_>, process: &Process) {
        self.heading("process");
        // What another recorder did not know it wrote as this name and as numbers of ones.
        let unseen = process.comm == UNSEEN;
        let name = match unseen {
            true => b"not recorded".to_vec(),
            false => process.comm.clone(),
        };
        let says = match process.vpid {
            0 | u32::MAX => format!("pid {}", process.key.pid),
            vpid => format!("pid {}, {vpid} inside", process.key.pid),
        };
        self.line("name", name, says).notable = unseen;
        let place = self.blobs.len();
        let argv: Vec<u8> = process.args().take(1024).collect::<Vec<_>>().join(&b' ');
        if !argv.is_empty() && argv != UNSEEN {
            self.line(
                "argv",
                argv,
                kept(process.argv.len(), process.argv_full_len),
            )
            .blob = Some(place);
            self.blobs.push(Blob {
                bytes: process.argv.clone(),
                full_len: process.argv_full_len,
            });
        }
        let mut marks = Vec::new();
        for (bit, says) in [
            (Process::EXE_MEMFD, "run from memory"),
            (Process::EXE_DELETED, "deleted file"),
            (
                Process::EXE_UPPER,
                "written after the container was created",
            ),
            (Process::EXE_LOWER, "part of the image"),
        ] {
            if process.exe_flags & bit != 0 {
                marks.push(says);
            }
        }
        let notable = process.exe_flags
            & (Process::EXE_MEMFD | Process::EXE_DELETED | Process::EXE_UPPER)
            != 0;
        if !process.exe_path.is_empty() {
            self.line("exe", process.exe_path.clone(), marks.join(", "))
                .notable = notable;
        }
        self.some("cwd", process.cwd.clone());
        self.some("terminal", terminal::name(process.tty));
        let container = process.container;
        self.line(
            "user",
            known(process.uid),
            user(ctx, container, process.uid),
        );
        if process.euid != process.uid {
            self.line(
                "effective",
                process.euid.to_string(),
                user(ctx, container, process.euid),
            )
            .notable = true;
        }
        self.line("parent", known(process.ppid), "");
        for ancestor in ctx.tables.ancestors(process.id).take(64) {
            let argv: Vec<u8> = ancestor.args().take(64).collect::<Vec<_>>().join(&b' ');
            self.line(
                "  from",
                [
                    &ancestor.comm[..],
                    format!("[{}]", ancestor.key.pid).as_bytes(),
                ]
                .concat(),
                argv,
            );
        }
        if !process.env.is_empty() {
            let place = self.blobs.len();
            let entries = process
                .env
                .split(|b| *b == 0)
                .filter(|entry| !entry.is_empty())
                .count();
            let says = kept(process.env.len(), process.env_full_len);
            self.line("env", format!("{entries} variables"), says).blob = Some(place);
            self.blobs.push(Blob {
                bytes: process.env.clone(),
                full_len: process.env_full_len,
            });
        }
    }

    fn container(&mut self, ctx: &Ctx<'_>) {
        let Some(container) = ctx.container() else {
            return;
        };
        self.heading("container");
        self.some("name", container.name.as_str());
        self.line("id", container.short_id(), container.runtime.as_str());
        self.some("image", container.image.as_str());
        self.some("digest", container.image_digest.as_str());
        if !container.pod_name.is_empty() {
            let pod = format!("{}/{}", container.pod_namespace, container.pod_name);
            self.line("pod", pod, "namespace and name");
        }
        self.some("command", container.command.join(" "));
        if container.privileged == Some(true) {
            self.line("privileged", "yes", "started with every privilege")
                .notable = true;
        }
        self.some("added", container.cap_add.join(" "));
        self.some("taken", container.cap_drop.join(" "));
        self.some("seccomp", container.seccomp.as_str());
        self.some("apparmor", container.apparmor.as_str());
        self.some("ports", container.ports.join(" "));
        for (name, limit) in [
            ("memory limit", container.limits.memory),
            ("pids limit", container.limits.pids),
        ] {
            if let Some(limit) = limit.filter(|limit| *limit > 0) {
                self.line(name, limit.to_string(), "");
            }
        }
        if let Some(code) = container.exit_code {
            let oom = container.oom_killed == Some(true);
            let says = if oom { "killed for lack of memory" } else { "" };
            self.line("exit code", code.to_string(), says);
        }
        self.some("unresolved", container.unresolved.as_str());
    }

    fn file(&mut self, file: &File) {
        self.heading("file");
        self.line("name", file.shown_name(), file.kind.name());
        if file.ino != 0 {
            // The kernel's own dev_t: 12 bits of major above 20 of minor (include/linux/kdev_t.h).
            self.line(
                "inode",
                file.ino.to_string(),
                format!("device {}:{}", file.dev >> 20, file.dev & 0xf_ffff),
            );
        }
        if let Some(flow) = file.flow {
            self.line(
                "local",
                flow.local_text(),
                flow.protocol.name().unwrap_or(""),
            );
            let role = match flow.role {
                Role::Client => "this end connected",
                Role::Server => "this end accepted or listens",
                Role::Unknown => "",
            };
            if flow.is_connected() {
                self.line("remote", flow.remote.to_string(), role);
            }
        }
    }
}

/// The name that sysdig gives to a process of which it knows none.
const UNSEEN: &[u8] = b"<NA>";

/// A number of which all bits are set stands for none.
fn known(number: u32) -> String {
    match number {
        u32::MAX => "not recorded".to_owned(),
        number => number.to_string(),
    }
}

/// How much of a blob was kept, when not all.
fn kept(len: usize, full_len: u64) -> String {
    if full_len > len as u64 {
        format!("{len} of {full_len} bytes kept")
    } else {
        String::new()
    }
}

fn user<'a>(ctx: &Ctx<'a>, container: Option<ContainerId>, uid: u32) -> &'a str {
    ctx.tables
        .user(container, uid)
        .map_or("", |user| &user.name)
}

/// What an argument's value means beyond its text.
fn meaning(ctx: &Ctx<'_>, arg: &ArgDesc, value: &Value) -> Vec<u8> {
    /// `AT_FDCWD`: relative paths start at the working directory.
    const AT_FDCWD: i64 = -100;
    let value = match value {
        Value::Num(n) => &Value::Num(render::number(arg.kind(), *n)),
        other => other,
    };
    match (arg.kind(), value) {
        (Some(ArgKind::Path), Value::Bytes(_))
            if ctx.event.flags.has(EventFlags::CLAIM_DIFFERS) =>
        {
            let truth = ctx.file().map(File::shown_name).unwrap_or_default();
            [b"claimed; the kernel acted on ".as_slice(), &truth].concat()
        }
        (_, Value::Bytes(blob)) if blob.is_cut() => {
            kept(blob.bytes.len(), blob.full_len).into_bytes()
        }
        (Some(ArgKind::BufIn | ArgKind::BufOut), Value::Bytes(blob)) => {
            format!("{} bytes", blob.bytes.len()).into_bytes()
        }
        (Some(ArgKind::DirFd), Value::Num(AT_FDCWD)) => ctx
            .proc()
            .map(|process| process.cwd.clone())
            .unwrap_or_default(),
        (Some(ArgKind::Str), Value::Bytes(blob)) if arg.name == "code" => {
            let says = signal::code_meaning(&blob.bytes);
            says.unwrap_or_default().into()
        }
        // The argument that sysdig's captures have of what is executed.
        (_, Value::Num(number)) if arg.name == "tty" => {
            u32::try_from(*number).map_or_else(|_| Vec::new(), |tty| terminal::name(tty).into())
        }
        (Some(ArgKind::Fd), Value::Num(_)) => ctx.file().map(File::shown_name).unwrap_or_default(),
        (Some(ArgKind::Flags | ArgKind::Enum), Value::Num(n)) => format!("{n:#x}").into_bytes(),
        (Some(ArgKind::Mode), Value::Num(n)) => permissions(*n as u64).into_bytes(),
        (Some(ArgKind::Uid), Value::Num(n)) => {
            let container = ctx.proc().and_then(|process| process.container);
            u32::try_from(*n)
                .map_or("unchanged", |uid| user(ctx, container, uid))
                .into()
        }
        (Some(ArgKind::Size), Value::Num(n)) if *n >= 1024 => {
            afterimage_indexer::bytes_text((*n).into()).into_bytes()
        }

        (Some(ArgKind::Ptr), Value::Num(0)) => b"NULL".to_vec(),
        _ => Vec::new(),
    }
}

/// Permission bits the way `ls -l` writes them.
fn permissions(mode: u64) -> String {
    let mut out = String::new();
    for (at, letter) in "rwxrwxrwx".chars().enumerate() {
        out.push(if mode & (0o400 >> at) != 0 {
            letter
        } else {
            '-'
        });
    }
    for (bit, says) in [
        (0o4000, " setuid"),
        (0o2000, " setgid"),
        (0o1000, " sticky"),
    ] {
        if mode & bit != 0 {
            out += says;
        }
    }
    out
}

/// A line of a hex dump: offset, hex, and the printable characters.
pub fn hex_line(bytes: &[u8], offset: usize, per_line: usize) -> String {
    let here = bytes.get(offset..).unwrap_or_default();
    let here = here.get(..per_line.min(here.len())).unwrap_or_default();
    let mut hex = String::new();
    for at in 0..per_line {
        if at > 0 && at % 8 == 0 {
            hex.push(' ');
        }
        match here.get(at) {
            Some(byte) => hex += &format!("{byte:02x} "),
            None => hex += "   ",
        }
    }
    let text: String = here
        .iter()
        .map(|b| {
            if (0x20..0x7f).contains(b) {
                char::from(*b)
            } else {
                '.'
            }
        })
        .collect();
    format!("{offset:06x}  {hex} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_ls_writes_them() {
        assert_eq!(permissions(0o644), "rw-r--r--");
        assert_eq!(permissions(0o4755), "rwxr-xr-x setuid");
    }

    #[test]
    fn a_hex_line_has_the_same_width_whatever_is_left() {
        assert_eq!(
            hex_line(b"GET / HTTP/1.1\r\n", 0, 16),
            "000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1.."
        );
        assert_eq!(hex_line(b"GET", 2, 8), "000002  54                       T");
        assert_eq!(hex_line(b"", 64, 8).trim_end(), "000040");
    }
}
