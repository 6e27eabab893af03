//! Why a view has no rows, in words, and what would bring some.

use super::Canvas;
use crate::action::Action;
use crate::area::Area;
use crate::fit;
use crate::keymap::bindings;
use crate::state::{Body, State};
use crate::theme::Role;
use crate::worker::Lane;
use afterimage_query::{Made, Shape};

/// The key of an action that works everywhere.
fn key(action: Action) -> String {
    let mut rows = bindings().iter();
    let keys = rows.find(|row| row.action == action).map(|row| row.keys);
    let key = keys.and_then(|keys| keys.first());
    key.map_or(String::new(), ToString::to_string)
}

/// Says below the titles why there are no rows, on as many lines as it takes.
pub fn draw(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    let first = area.height.saturating_sub(1).min(1);
    let room = usize::from(area.width.saturating_sub(4)).max(1);
    /// Lines that the reason may take.
    const MOST: usize = 4;
    let mut text = empty(state);
    // A filter of which only the front is there explains nothing.
    if fit::wrap(&text, room, MOST + 1).len() > MOST
        && let Some((says, _)) = text.split_once(NO_MATCH)
    {
        text = says.to_owned();
    }
    for (line, text) in (first..area.height).zip(fit::wrap(&text, room, MOST)) {
        canvas.text(area, 2, line, &text, Role::Dim);
    }
}

/// Between the reason and the view's own filter.
const NO_MATCH: &str = ": no event matches ";

/// Said where nobody sat at anything.
const NO_TERMINAL: &str = "no terminal was used, and no shell had a socket or a pipe for one";

/// Said where there is none to show anything of.
const NO_CONTAINER: &str = "no container was recorded";

/// Why the view on screen has no rows.
pub fn empty(state: &State) -> String {
    let step = state.step();
    let (loaded, complete) = match &step.body {
        Body::Table(table) => (table.loaded, table.rows.complete),
        Body::Events(list) => (list.last, list.complete),
        Body::Overview(overview) => match &overview.counted {
            Some(counted) => (true, counted.complete),
            None => (false, false),
        },
    };
    if let Some(failed) = &state.failed {
        return format!("this could not be answered: {failed}");
    }
    if !loaded || state.coming(Lane::Body) {
        return "working".into();
    }
    if state.stopped && !complete {
        return "stopped before anything was found".into();
    }
    let says = match step.view.shape {
        Shape::Gaps => "no gaps: nothing is known to be missing",
        Shape::Made(Made::Alerts) if state.facts.rules.is_none() => {
            "no rule files were given: afterimage inspect --rules FILE"
        }
        Shape::Made(Made::Story) if state.which().filter.is_none() => {
            "no event was selected: b on an event tells its story"
        }
        Shape::Made(Made::Mounts) if state.facts.has_no_seal => {
            "captures of other programs do not tell what was mounted"
        }
        _ if state.facts.events == 0 => "the capture holds no events",
        _ => "",
    };
    if !says.is_empty() {
        return says.into();
    }
    if state.is_of_an_instant() && state.which().filter.is_none() {
        let (before, after) = (key(Action::Before), key(Action::After));
        let no_container =
            step.view.shape == Shape::Made(Made::Containers) && state.facts.containers.is_empty();
        return match state.at {
            _ if no_container => NO_CONTAINER.into(),
            None if step.view.shape == Shape::Made(Made::Terminal) => NO_TERMINAL.into(),
            Some(_) => format!("nothing at this instant ({before} and {after} lead to others)"),
            // Where everything is over at the end, it was there before.
            None => format!(
                "nothing was left at the end of what is shown: {before} goes back in time, {} plays it from the beginning",
                key(Action::Play)
            ),
        };
    }
    let mut narrowed = Vec::new();
    if step.filter.is_some() {
        narrowed.push(format!(
            "nothing matches the filter ({} drops it)",
            key(Action::ClearFilter)
        ));
    } else if state.which().filter.is_some() {
        let says = match unrecorded(state) {
            NOTHING => "nothing of this".to_owned(),
            says => format!("{says},"),
        };
        let back = key(Action::Back);
        narrowed.push(format!("{says} in what was opened ({back} leads back)"));
    }
    let nothing = if narrowed.is_empty() { "nothing " } else { "" };
    let whole = key(Action::WholeSpan);
    if state.at.is_some() {
        narrowed.push(format!("{nothing}up to this instant ({whole} shows all)"));
    } else if state.span.is_some() {
        narrowed.push(format!(
            "{nothing}in this part of the capture ({whole} shows all)"
        ));
    }
    if !narrowed.is_empty() {
        return narrowed.join(" ");
    }
    let says = unrecorded(state);
    if step.view.id == "listening" {
        return format!("{says}; the view netstat shows what listened all the time");
    }
    let recorded = fit::plain(&state.facts.manifest.filter);
    match (recorded.as_str(), step.view.filter) {
        ("", "") => says.into(),
        ("", own) => format!("{says}{NO_MATCH}{own}"),
        (kept, _) => format!("{says}; the recorder kept only {kept}"),
    }
}

/// Said of views that have no words of their own.
const NOTHING: &str = "nothing of this was recorded";

/// What of a view's events was not recorded.
fn unrecorded(state: &State) -> &'static str {
    let view = state.step().view;
    match (view.shape, view.id) {
        (Shape::Made(Made::Alerts), _) => "none of the rules fired",
        (Shape::Made(Made::Findings), _) => "nothing was found about how containers were run",
        (Shape::Made(Made::Lives), _) => {
            "nothing was recorded of how containers were made, started, entered or ended"
        }
        (Shape::Made(Made::Talks | Made::Map | Made::Lines | Made::Bytes), _) => {
            "nothing was recorded of sockets and pipes that anybody talked over"
        }
        (Shape::Made(Made::Messages), _) => {
            "nothing that was said is of a protocol that is recognised"
        }
        (Shape::Made(Made::Http | Made::HttpTop), _) => "no request of HTTP/1 was recorded",
        (Shape::Made(Made::Sessions), _) => NO_TERMINAL,
        (_, "listening") => "nothing was bound, began to listen or ceased to",
        (_, "latency" | "slow_files" | "slow_sockets" | "slow_calls") => {
            "no such call is known to have waited so long"
        }
        (_, "page_faults") => "nobody told of page faults: a thread does when it ends",
        (_, "descriptor_use") => "nobody counted open descriptors: captures of sysdig may tell",
        (_, "backlog") => "nobody told how many connections waited to be accepted",
        (_, "usage") => "nobody asked the control groups of containers what they used",
        (_, "pods" | "k8s_namespaces") => "nothing is known to have run in Kubernetes",
        (_, "k8s_controllers" | "k8s_deployments" | "k8s_replicasets" | "k8s_services") => {
            "only captures of sysdig tell this of Kubernetes, and this one does not"
        }
        (_, "notifications") => "only other recorders note these, and this capture has none",
        (_, "syslog") => "nothing was written to /dev/log, as far as it was kept",
        (_, "shellshock") => "nothing was given a variable that holds a function",
        (_, "statsd") => "nothing that was sent looks like metrics of StatsD",
        (_, "dns") => "no name server was asked, or what was said was not kept",
        (_, "containers" | "container_errors") if state.facts.containers.is_empty() => NO_CONTAINER,
        (_, "containers") => "nothing was recorded in a container",
        (_, "container_errors") => "no failed call was recorded in a container",
        (_, "container_events") => {
            "no beginning or end of a container was recorded, and nothing that a runtime told"
        }
        (_, "errors" | "process_errors") => "no failed call was recorded",
        (_, "files" | "directories") => "nothing was recorded of any file",
        (_, "file_opens") => "no attempt to open a file was recorded",
        (_, "connections" | "server_ports") => "nothing was recorded of any socket of the network",
        (_, "new_connections") => "no connection was recorded as it was made or accepted",
        (_, "commands" | "shell_activity") => "no program was recorded as it was executed",
        (_, "login_shells") => "nothing was recorded below a shell",
        (_, "logs") => "nothing was recorded that went to a log file, to output or to errors",
        (_, "identity") => "no change of user, group or capabilities was recorded",
        (_, "ends") => "no end of a process was recorded",
        (_, "io_by_type" | "echo") => "no reading or writing was recorded",
        (_, "signals") => "no signal was seen to reach a process",
        (_, "deletions") => "nothing was removed",
        _ => NOTHING,
    }
}
