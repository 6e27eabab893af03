//! A story: from an event back to how it came to that, and on to what came of it, step by step, each step with its event.
//!
//! Nothing is guessed. What led to the event is what its process and those above it did before; what came of it is what its
//! process and those below it did after. Where the beginning of a process was not recorded, or events are missing, it says so.

use crate::cell::Cell;
use crate::error::Error;
use crate::likely::{Likely, Places, each};
use crate::made::{self, Asked, Columns, called, instant, number, of_process, one, row, text};
use crate::rows::{Row, Rows};
use crate::session::{Session, Span, Visitor};
use afterimage_model::{Ctx, ProcId, Process};
use afterimage_query::{Evaluator, Filter, FilterError, Template};
use std::collections::{HashMap, HashSet};

/// A kind of step: which events, and the sentence about one.
struct Step {
    name: &'static str,
    /// Whether it is told of what led to the event, too.
    leads: bool,
    filter: &'static str,
    sentence: &'static str,
}

/// Whether a step of this name is the beginning of a process.
fn begins(name: &str) -> bool {
    matches!(name, "execute" | "fork")
}

/// Every kind of step; an event is told as the first that it is.
const STEPS: &[Step] = &[
    Step {
        name: "accept",
        leads: true,
        filter: "evt.type in (accept, accept4) and evt.failed=false and fd.type in (ipv4, ipv6)",
        sentence: "*%proc.name (%proc.pid) accepted a connection from %fd.cip port %fd.cport on port %fd.sport",
    },
    Step {
        name: "execute",
        leads: true,
        filter: "evt.type in (execve, execveat) and evt.failed=false and (not proc.exepath exists or proc.exepath='')",
        sentence: "*%proc.pname (%proc.ppid) started a program as %proc.pid: %proc.exeline",
    },
    Step {
        name: "execute",
        leads: true,
        filter: "evt.type in (execve, execveat) and evt.failed=false",
        sentence: "*%proc.pname (%proc.ppid) started %proc.exepath as %proc.pid: %proc.exeline",
    },
    Step {
        name: "fork",
        leads: true,
        filter: "evt.type in (clone, clone3, fork, vfork) and evt.rawres=0",
        sentence: "*%proc.pname (%proc.ppid) made a copy of itself, %proc.pid",
    },
    Step {
        name: "resolve",
        leads: true,
        filter: "dns.question exists and not dns.rcode exists",
        sentence: "*%proc.name (%proc.pid) asked for the address of %dns.question",
    },
    Step {
        name: "connect",
        leads: true,
        filter: "evt.type=connect and fd.type in (ipv4, ipv6) and evt.res in (SUCCESS, EINPROGRESS)",
        sentence: "*%proc.name (%proc.pid) connected to %fd.sip port %fd.sport",
    },
    Step {
        name: "refused",
        leads: false,
        filter: "evt.type=connect and evt.failed=true and fd.sip exists",
        sentence: "*%proc.name (%proc.pid) could not connect to %fd.sip port %fd.sport: %evt.res.meaning (%evt.res)",
    },
    Step {
        name: "refused",
        leads: false,
        filter: "evt.type=connect and evt.failed=true and fd.name exists",
        sentence: "*%proc.name (%proc.pid) could not connect to %fd.name: %evt.res.meaning (%evt.res)",
    },
    Step {
        name: "refused",
        leads: false,
        filter: "evt.type=connect and evt.failed=true",
        sentence: "*%proc.name (%proc.pid) could not connect: %evt.res.meaning (%evt.res)",
    },
    Step {
        name: "listen",
        leads: true,
        filter: "evt.type=listen and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) began to listen on %fd.name",
    },
    Step {
        name: "secret",
        leads: false,
        filter: "evt.type in (open, openat, openat2) and evt.failed=false and fd.name pmatch (/etc/shadow, /etc/gshadow, /etc/sudoers, /etc/sudoers.d, /root/.ssh, '/home/*/.ssh', /var/run/docker.sock, /run/docker.sock, /var/run/secrets, /run/secrets, '/proc/*/environ')",
        sentence: "*%proc.name (%proc.pid) opened the secret %fd.name",
    },
    Step {
        name: "persist",
        leads: true,
        filter: "evt.type in (open, openat, openat2, creat) and evt.failed=false and evt.is_open_write=true and fd.name pmatch (/etc/cron.d, /etc/crontab, /var/spool/cron, /etc/systemd, /etc/init.d, /etc/rc.local, /etc/ld.so.preload, /etc/passwd, '/root/.ssh/authorized_keys', '/home/*/.ssh/authorized_keys', '/root/.bashrc', '/home/*/.bashrc')",
        sentence: "*%proc.name (%proc.pid) opened %fd.name to write: what is there runs again",
    },
    Step {
        name: "identity",
        leads: true,
        filter: "evt.type in (setuid, setgid, setreuid, setregid, setresuid, setresgid, capset) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) changed who it is: %evt.type %evt.args",
    },
    Step {
        name: "namespace",
        leads: true,
        filter: "evt.type in (setns, unshare, pivot_root) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) changed its surroundings: %evt.type %evt.args",
    },
    Step {
        name: "kernel",
        leads: true,
        filter: "evt.type in (init_module, finit_module, bpf, ptrace, kexec_load, mount) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) reached for the kernel: %evt.type %evt.args",
    },
    Step {
        name: "write",
        leads: false,
        filter: "evt.type in (open, openat, openat2, creat) and evt.failed=false and evt.is_open_write=true and fd.type=file",
        sentence: "*%proc.name (%proc.pid) opened %fd.name to write",
    },
    Step {
        name: "read",
        leads: false,
        filter: "evt.type in (open, openat, openat2) and evt.failed=false and fd.type=file",
        sentence: "*%proc.name (%proc.pid) opened %fd.name to read",
    },
    Step {
        name: "mode",
        leads: false,
        filter: "evt.type in (chmod, fchmod, fchmodat, fchmodat2) and evt.failed=false and not evt.arg.mode exists",
        sentence: "*%proc.name (%proc.pid) changed the mode of %fs.path.name: to which was not recorded",
    },
    Step {
        name: "mode",
        leads: false,
        filter: "evt.type in (chmod, fchmod, fchmodat, fchmodat2) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) changed the mode of %fs.path.name: %evt.arg.mode",
    },
    Step {
        name: "link",
        leads: false,
        filter: "evt.type in (symlink, symlinkat) and evt.failed=false and not fs.path.source exists",
        sentence: "*%proc.name (%proc.pid) made the link %fs.path.name to %evt.arg.target",
    },
    Step {
        name: "link",
        leads: false,
        filter: "evt.type in (link, linkat, symlink, symlinkat) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) made the link %fs.path.source to %fs.path.target",
    },
    Step {
        name: "rename",
        leads: false,
        filter: "evt.type in (rename, renameat, renameat2) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) renamed %fs.path.source to %fs.path.target",
    },
    Step {
        name: "delete",
        leads: false,
        filter: "evt.type in (unlink, unlinkat, rmdir) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) removed %fs.path.name",
    },
    Step {
        name: "send",
        leads: false,
        filter: "evt.buflen.net.out>0 and fd.type in (ipv4, ipv6)",
        sentence: "*%proc.name (%proc.pid) sent to %fd.name",
    },
    Step {
        name: "receive",
        leads: false,
        filter: "evt.buflen.net.in>0 and fd.type in (ipv4, ipv6)",
        sentence: "*%proc.name (%proc.pid) received from %fd.name",
    },
    Step {
        name: "signal",
        leads: false,
        filter: "evt.type=kill and evt.failed=false and evt.arg.sig exists and evt.arg.pid exists",
        sentence: "*%proc.name (%proc.pid) sent %evt.arg.sig to %evt.arg.pid, as it numbers processes",
    },
    Step {
        name: "signal",
        leads: false,
        filter: "evt.type in (tkill, tgkill) and evt.failed=false and evt.arg.sig exists and evt.arg.tid exists",
        sentence: "*%proc.name (%proc.pid) sent %evt.arg.sig to the thread %evt.arg.tid, as it numbers threads",
    },
    Step {
        name: "signal",
        leads: false,
        filter: "evt.type in (kill, tkill, tgkill) and evt.failed=false",
        sentence: "*%proc.name (%proc.pid) sent a signal: %evt.asked",
    },
    Step {
        name: "end",
        leads: false,
        filter: "proc.end.signal exists",
        sentence: "*%proc.name (%proc.pid) was ended by %proc.end.signal",
    },
    Step {
        name: "end",
        leads: false,
        filter: "proc.end.code exists",
        sentence: "*%proc.name (%proc.pid) ended with code %proc.end.code",
    },
    Step {
        name: "end",
        leads: false,
        filter: "evt.type=procexit and thread.ismain=true",
        sentence: "*%proc.name (%proc.pid) ended: how was not recorded",
    },
];

/// What a sentence says where an event has no value for a field.
fn unrecorded(field: &str) -> &'static str {
    match field {
        "proc.name" | "proc.pname" => UNSEEN,
        "proc.exepath" => "a program that was not recorded",
        "proc.exeline" => "its arguments were not recorded",
        "fd.sip" | "fd.cip" => "an address that was not recorded",
        "fd.name" | "fs.path.name" | "fs.path.source" | "fs.path.target" | "evt.arg.target" => {
            "a file that was not recorded"
        }
        _ => "not recorded",
    }
}

/// A process of which nothing but its number is known.
const UNSEEN: &str = "a process that was not recorded";

/// A process as sentences call it, raw.
fn named(process: &Process) -> Vec<u8> {
    match &process.comm[..] {
        b"" | b"<NA>" => format!("{UNSEEN} [{}]", process.key.pid).into_bytes(),
        _ => called(process),
    }
}

/// Most different steps of a story.
const MOST_STEPS: usize = 20_000;

/// A process: its pid and its start, ns since boot.
type Identity = (u32, u64);

fn identity(process: &Process) -> Identity {
    (process.key.pid, process.key.start_ns)
}

/// Where the story is told from.
struct Anchor {
    num: u64,
    time: u64,
    who: Identity,
    /// Those above it, the nearest first: its own identity is the first.
    line: Vec<(Identity, Vec<u8>, String)>,
    /// Whether it is the beginning of its process itself.
    begins: bool,
    sentence: String,
}

/// Finds the first event of the selection that a process made.
struct Finder<'s> {
    session: &'s Session,
    steps: Vec<(Evaluator, Template)>,
    any: Template,
    found: Option<Anchor>,
}

impl Visitor for Finder<'_> {
    fn chunk(&mut self) {
        self.steps
            .iter_mut()
            .for_each(|(filter, _)| filter.forget());
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(process) = ctx.proc().filter(|process| !process.is_nobody()) else {
            return true;
        };
        let mut line = vec![(
            identity(process),
            named(process),
            of_process(self.session, process),
        )];
        for above in ctx.tables.ancestors(process.id) {
            if line.iter().all(|(known, ..)| *known != identity(above)) {
                let filter = of_process(self.session, above);
                line.push((identity(above), named(above), filter));
            }
        }
        self.found = Some(Anchor {
            num: ctx.num,
            time: ctx.event.time.0,
            who: identity(process),
            line,
            begins: (self.steps.iter_mut().zip(STEPS))
                .any(|((filter, _), step)| begins(step.name) && filter.matches(ctx)),
            sentence: self
                .steps
                .iter_mut()
                .find_map(|(filter, sentence)| {
                    filter.matches(ctx).then(|| sentence.tell(ctx, unrecorded))
                })
                .unwrap_or_else(|| self.any.tell(ctx, unrecorded)),
        });
        false
    }
}

/// A step that was taken, perhaps often.
struct Taken {
    part: &'static str,
    name: &'static str,
    sentence: String,
    time: u64,
    num: u64,
    count: u64,
}

const _: () = assert!(STEPS.len() <= Places::BITS as usize);

struct Teller<'a> {
    anchor: &'a Anchor,
    steps: Vec<(Evaluator, Template)>,
    likely: Likely,
    /// Whether a row's process is the anchor's, or below it.
    below: HashMap<ProcId, bool>,
    taken: Vec<Taken>,
    known: HashMap<(&'static str, &'static str, String), usize>,
    /// Processes whose beginning is among the steps.
    begun: HashSet<Identity>,
    truncated: bool,
}

impl Teller<'_> {
    fn is_below(&mut self, ctx: &Ctx<'_>, process: &Process) -> bool {
        if let Some(known) = self.below.get(&process.id) {
            return *known;
        }
        let who = self.anchor.who;
        let below = identity(process) == who
            || ctx
                .tables
                .ancestors(process.id)
                .any(|above| identity(above) == who);
        self.below.insert(process.id, below);
        below
    }
}

impl Visitor for Teller<'_> {
    fn chunk(&mut self) {
        self.likely.forget();
        self.steps
            .iter_mut()
            .for_each(|(filter, _)| filter.forget());
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(process) = ctx.proc() else {
            return true;
        };
        let part = if ctx.num < self.anchor.num {
            let above = &self.anchor.line;
            if !above.iter().any(|(who, ..)| *who == identity(process)) {
                return true;
            }
            "before"
        } else if ctx.num == self.anchor.num {
            return true;
        } else if self.is_below(ctx, process) {
            "after"
        } else {
            return true;
        };
        let steps = &mut self.steps;
        let likely = self.likely.of(ctx, || {
            let filters = steps.iter_mut().map(|(filter, _)| filter);
            filters.map(|filter| filter.by_rows(ctx) != Some(false))
        });
        let hit = each(likely).find_map(|at| {
            let ((filter, sentence), step) = steps.get_mut(at).zip(STEPS.get(at))?;
            let told = (part == "after" || step.leads) && filter.matches(ctx);
            told.then(|| (step.name, sentence.tell(ctx, unrecorded)))
        });
        let Some((name, sentence)) = hit else {
            return true;
        };
        // A copy that goes on to execute a program is told by that; what came of an event has enough of them.
        if name == "fork" && part == "after" {
            return true;
        }
        if begins(name) && part == "before" {
            self.begun.insert(identity(process));
        }
        let key = (part, name, sentence);
        if let Some(taken) = self.known.get(&key).and_then(|at| self.taken.get_mut(*at)) {
            taken.count += 1;
            return true;
        }
        if self.taken.len() >= MOST_STEPS {
            self.truncated = true;
            return true;
        }
        self.known.insert(key.clone(), self.taken.len());
        self.taken.push(Taken {
            part,
            name,
            sentence: key.2,
            time: ctx.event.time.0,
            num: ctx.num,
            count: 1,
        });
        true
    }
}

/// A filter of ours that is wrong.
fn wrong(source: FilterError) -> Error {
    Error::View {
        view: "story",
        source,
    }
}

/// A call is one step, also where its entry is told apart from its return.
fn once() -> Result<Filter, FilterError> {
    Filter::parse("evt.count.call=1")
}

fn steps() -> Result<Vec<(Evaluator, Template)>, Error> {
    let made = STEPS.iter().map(|step| {
        let filter = Filter::parse(step.filter)?.and(once()?);
        Ok((filter.evaluator(), Template::parse(step.sentence)?))
    });
    made.collect::<Result<_, _>>().map_err(wrong)
}

/// The events that are a step of any kind.
fn any_step() -> Result<Filter, Error> {
    let each: Vec<String> = (STEPS.iter())
        .map(|step| format!("({})", step.filter))
        .collect();
    let any = Filter::parse(&each.join(" or "));
    any.and_then(|any| Ok(any.and(once()?))).map_err(wrong)
}

/// The rows of `story`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Result<Rows, Error> {
    let any = Template::parse("*%proc.name (%proc.pid) %evt.type %evt.args");
    let mut finder = Finder {
        session,
        steps: steps()?,
        any: any.map_err(wrong)?,
        found: None,
    };
    let walked = session.walk(asked.filter, asked.span, 1, asked.progress, &mut finder);
    let Some(anchor) = finder.found else {
        return Ok(made::answer(Vec::new(), 0, walked.complete));
    };
    let mut teller = Teller {
        anchor: &anchor,
        steps: steps()?,
        likely: Likely::default(),
        below: HashMap::new(),
        taken: Vec::new(),
        known: HashMap::new(),
        begun: (anchor.begins.then_some(anchor.who).into_iter()).collect(),
        truncated: false,
    };
    // What led to it may lie before the part that is looked at.
    let any = any_step()?;
    let complete = session
        .walk(Some(&any), None, 1, asked.progress, &mut teller)
        .complete;
    let Teller {
        taken,
        begun,
        truncated,
        ..
    } = teller;
    let columns = Columns::of(asked.view);
    let line = |time: Option<u64>,
                num: u64,
                part: &str,
                step: &str,
                count: u64,
                what: &[u8],
                filter: String| {
        let cells = columns.cells(None, |name| match name {
            "first" => time.map_or(Cell::Missing, |time| instant(session, time)),
            "num" if num > 0 => number(num),
            "part" => text(part),
            "step" => text(step),
            "count" if count > 1 => number(count),
            "text" => text(what),
            _ => Cell::Missing,
        });
        row(cells, num, count, filter)
    };
    let mut rows: Vec<(u64, Row)> = Vec::new();
    // Those above, the oldest first, whose beginning is not in the capture.
    for (who, name, filter) in anchor.line.iter().rev() {
        if !begun.contains(who) {
            let what = [
                &name[..],
                b" was there before: how it was started was not recorded",
            ]
            .concat();
            rows.push((
                0,
                line(None, 0, "before", "unknown", 0, &what, filter.clone()),
            ));
        }
    }
    for step in &taken {
        let what = step.sentence.as_bytes();
        rows.push((
            step.num,
            line(
                Some(step.time),
                step.num,
                step.part,
                step.name,
                step.count,
                what,
                one(step.num),
            ),
        ));
    }
    let here = anchor.sentence.as_bytes();
    rows.push((
        anchor.num,
        line(
            Some(anchor.time),
            anchor.num,
            "here",
            "here",
            1,
            here,
            one(anchor.num),
        ),
    ));
    rows.sort_by_key(|(num, _)| *num);
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let span: Span = session.span();
    for gap in session.gaps() {
        let inside = span.is_none_or(|(from, to)| gap.start.0 <= to && gap.end.0 >= from);
        if inside && gap.count != Some(0) {
            let many = gap
                .count
                .map_or("an unknown number of".to_owned(), |n| n.to_string());
            let what = format!(
                "{many} events are missing ({}): a step may be among them",
                gap.cause.name()
            );
            rows.push(line(
                Some(gap.start.0),
                0,
                "",
                "gap",
                0,
                what.as_bytes(),
                String::new(),
            ));
        }
    }
    let matched = rows.iter().map(|row| row.events).sum();
    let mut answer = made::answer(rows, matched, complete);
    answer.truncated |= truncated;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_step_can_be_asked_and_told() {
        super::steps().unwrap();
    }

    #[test]
    fn what_is_missing_is_said_in_words() {
        for step in super::STEPS {
            let template = super::Template::parse(step.sentence).unwrap();
            for field in template.shown().filter_map(|shown| shown.field()) {
                assert!(super::unrecorded(field.field().name).contains("not recorded"));
            }
        }
    }
}
