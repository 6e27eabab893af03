//! What a runtime told of a container, and the kernel of its control group, as words.

use super::{arg_text, args_text};
use crate::event::Value;
use crate::fields::Ctx;
use crate::signal;

/// What happened to a container in a few words, without its name; of every other event the line of its arguments.
pub fn told_text(ctx: &Ctx<'_>) -> Vec<u8> {
    ctx.ty()
        .and_then(|ty| words(ctx, &ty.name))
        .unwrap_or_else(|| args_text(ctx))
}

fn words(ctx: &Ctx<'_>, ty: &str) -> Option<Vec<u8>> {
    let text = |name: &str| {
        let at = ctx.ty()?.arg_index(name)?;
        arg_text(ctx, at).filter(|text| !text.is_empty())
    };
    let said = |front: &str, name: &str| Some([front.as_bytes(), &text(name)?].concat());
    let of_image = || said("from the image ", "image");
    match ty {
        "container_start" | "container_stop" => said("its control group: ", "cgroup"),
        "oom_kill" => said("the kernel killed a process for lack of memory: ", "pid"),
        "runtime_connect" => told_by(
            &text("runtime")?,
            " tells what happens from here on",
            &text("socket"),
        ),
        "runtime_disconnect" => {
            let mut line = told_by(
                &text("runtime")?,
                " tells nothing from here on",
                &text("socket"),
            )?;
            line.extend(said(": ", "reason").unwrap_or_default());
            Some(line)
        }
        "runtime_create" | "runtime_start" | "runtime_destroy" => of_image(),
        "runtime_exec_create" | "runtime_exec_start" => {
            said("", "command").or_else(|| said("a program that its runtime calls ", "exec_id"))
        }
        "runtime_exec_die" => Some(ended("what had been started in it", number(ctx, "status"))),
        "runtime_die" => Some(ended("its program", number(ctx, "status"))),
        "runtime_oom" => Some(b"it ran out of memory".to_vec()),
        "runtime_kill" => said("its runtime sent ", "signal"),
        "runtime_stop" => Some(b"its runtime stopped it".to_vec()),
        "runtime_restart" => Some(b"its runtime started it again".to_vec()),
        "runtime_pause" => Some(b"its runtime froze it".to_vec()),
        "runtime_unpause" => Some(b"its runtime let it go on".to_vec()),
        "runtime_rename" => said("before it was called ", "old_name"),
        "runtime_update" => Some(b"its limits were changed".to_vec()),
        "runtime_pull" => said("the image ", "image"),
        "runtime_event" => {
            let mut line = [&text("object")?[..], b": ", &text("action")?].concat();
            line.extend(said(", ", "name").unwrap_or_default());
            Some(line)
        }
        _ => None,
    }
}

fn told_by(runtime: &[u8], what: &str, socket: &Option<Vec<u8>>) -> Option<Vec<u8>> {
    let socket = socket
        .as_ref()
        .map_or(Vec::new(), |path| [b" at ", &path[..]].concat());
    Some([runtime, &socket, what.as_bytes()].concat())
}

fn number(ctx: &Ctx<'_>, name: &str) -> Option<i64> {
    match ctx.arg(name)? {
        Value::Num(n) => Some(*n),
        Value::Absent | Value::Bytes(_) => None,
    }
}

/// How a program ended, by the status that a runtime tells: above 128 it is a signal's number and 128.
fn ended(who: &str, status: Option<i64>) -> Vec<u8> {
    match status {
        Some(code) => format!("{who} {}", exit_text(code)),
        None => format!("{who} ended, with what status was not told"),
    }
    .into_bytes()
}

/// `ended with 0`; of a status above 128 with the signal it stands for: `ended with 137: SIGKILL`.
pub fn exit_text(code: i64) -> String {
    match code {
        129..=192 => format!("ended with {code}: {}", signal::name(code - 128)),
        _ => format!("ended with {code}"),
    }
}
