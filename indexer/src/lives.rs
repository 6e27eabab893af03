//! The lives of containers: when each was made, started, entered, killed, ended and removed, and why.

use crate::cell::Cell;
use crate::error::Error;
use crate::made::{self, Asked, Columns, number, of_container, one, row, text};
use crate::rows::{Row, Rows};
use crate::session::{Session, Visitor};
use afterimage_model::{Container, ContainerId, Ctx, render};
use afterimage_query::Filter;
use std::collections::HashSet;

/// How far the instant that a runtime keeps of a turn is from that at which it told of it, at the most, ns.
const SAME_NS: u64 = 10_000_000_000;

/// A turn in the life of a container.
struct Turn {
    /// Ns since 1970.
    at: i64,
    num: u64,
    container: ContainerId,
    turn: &'static str,
    what: Vec<u8>,
}

/// Happenings with the turn they are.
const TURNS: &[(&str, &str)] = &[
    ("container_start", "group made"),
    ("runtime_create", "made"),
    ("runtime_start", "started"),
    ("runtime_restart", "restarted"),
    ("runtime_exec_create", "to enter"),
    ("runtime_exec_start", "entered"),
    ("runtime_exec_die", "left"),
    ("runtime_kill", "signalled"),
    ("runtime_pause", "frozen"),
    ("runtime_unpause", "thawed"),
    ("runtime_oom", "no memory"),
    ("oom_kill", "no memory"),
    ("runtime_die", "ended"),
    ("runtime_stop", "stopped"),
    ("runtime_rename", "renamed"),
    ("runtime_update", "limits"),
    ("runtime_destroy", "removed"),
    ("container_stop", "group gone"),
];

/// Calls that execute a program.
pub(crate) const PROGRAM: [&str; 2] = ["execve", "execveat"];

struct Collector<'s> {
    session: &'s Session,
    turns: Vec<Turn>,
    begun: HashSet<ContainerId>,
}

impl Visitor for Collector<'_> {
    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        // What a runtime told has a container and no process.
        let Some((ty, container)) = ctx.ty().zip(ctx.container().map(|one| one.id)) else {
            return true;
        };
        let at = self.session.manifest().wall_ns(ctx.event.time.0);
        let mut add = |turn, what| {
            if self.turns.len() < made::MOST_ROWS {
                self.turns.push(Turn {
                    at,
                    num: ctx.num,
                    container,
                    turn,
                    what,
                });
            }
        };
        if let Some((_, turn)) = TURNS.iter().find(|row| row.0 == ty.name) {
            add(*turn, render::told_text(ctx));
        } else if let Some(process) = ctx.proc()
            && PROGRAM.contains(&ty.name.as_str())
            && ctx.event.errno().is_none()
        {
            // A program whose parent is outside is the container's first, or somebody has entered.
            let parent = process.parent.and_then(|id| ctx.tables.proc(id));
            let outside = parent.is_none_or(|parent| parent.container != process.container);
            if outside {
                let first = self.begun.insert(container);
                let turn = if first { "program" } else { "entered" };
                let line: Vec<&[u8]> = process.args().collect();
                let by = parent.map_or(Vec::new(), |parent| {
                    [b" (started by ", &made::called(parent)[..], b")"].concat()
                });
                add(
                    turn,
                    [&made::called(process)[..], b": ", &line.join(&b' '), &by].concat(),
                );
            }
        }
        true
    }
}

/// What the row of a container says of its life.
fn told(container: &Container, out: &mut Vec<Turn>) {
    let mut add = |at: i64, turn, what: String| {
        // An event that tells the same leads to the evidence; the row often knows more than that.
        let same = |one: &&mut Turn| {
            one.num > 0
                && one.container == container.id
                && one.turn == turn
                && one.at.abs_diff(at) < SAME_NS
        };
        match out
            .iter_mut()
            .filter(same)
            .min_by_key(|one| one.at.abs_diff(at))
        {
            _ if at == 0 => {}
            Some(event) => event.what = what.into_bytes(),
            None => out.push(Turn {
                at,
                num: 0,
                container: container.id,
                turn,
                what: format!("{what}, as its runtime says").into_bytes(),
            }),
        }
    };
    let digest = match (container.image_digest.as_str(), container.image_id.as_str()) {
        ("", "") => String::new(),
        ("", id) => format!(", {id}"),
        (digest, _) => format!(", {digest}"),
    };
    add(
        container.created_ns,
        "made",
        format!("from {}{digest}", container.image),
    );
    let command = container.command.join(" ");
    add(container.started_ns, "started", command);
    let why = match (container.oom_killed, container.exit_code) {
        (Some(true), _) => "the kernel killed it for lack of memory".to_owned(),
        (_, Some(code)) => format!("its program {}", render::exit_text(code)),
        (_, None) => "why is not known".to_owned(),
    };
    add(container.finished_ns, "ended", why);
}

/// What a container is called.
pub(crate) fn name(container: &Container) -> &str {
    match container.name.as_str() {
        "" => container.short_id(),
        name => name,
    }
}

/// The rows of `lives`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Result<Rows, Error> {
    let types: Vec<&str> = TURNS.iter().map(|turn| turn.0).chain(PROGRAM).collect();
    let filter = asked.of_types(&types)?;
    let mut collector = Collector {
        session,
        turns: Vec::new(),
        begun: HashSet::new(),
    };
    let complete = session
        .walk(Some(&filter), asked.span, 1, asked.progress, &mut collector)
        .complete;
    let mut turns = collector.turns;
    let shown: HashSet<ContainerId> = turns.iter().map(|turn| turn.container).collect();
    for container in session.state().containers.values() {
        if asked.filter.is_none_or(Filter::is_all) || shown.contains(&container.id) {
            told(container, &mut turns);
        }
    }
    turns.sort_by_key(|turn| (turn.at, turn.num));
    let columns = Columns::of(asked.view);
    let line = |turn: &Turn| -> Row {
        let container = session.state().container(turn.container);
        let cells = columns.cells(None, |column| match column {
            "first" => number(turn.at),
            "num" if turn.num > 0 => number(turn.num),
            "container" => container.map_or(Cell::Missing, |one| text(name(one))),
            "step" => text(turn.turn),
            "text" => text(&turn.what),
            _ => Cell::Missing,
        });
        let filter = match turn.num {
            0 => container.map_or(String::new(), |one| of_container(one.short_id())),
            num => one(num),
        };
        row(cells, turn.num, u64::from(turn.num > 0), filter)
    };
    let rows: Vec<Row> = turns.iter().map(line).collect();
    let matched = rows.iter().map(|row| row.events).sum();
    Ok(made::answer(rows, matched, complete))
}
