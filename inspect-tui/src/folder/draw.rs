//! Draws a folder: its name and what is searched for, when what happened in it, the pages, rows, keys.

use super::state::{FolderState, tabs, widths};
use super::{Activity, PAGES, Page};
use crate::action::Action;
use crate::area::{Area, LANE_NAME};
use crate::fit;
use crate::keymap::bindings;
use crate::show;
use crate::theme::{Role, Theme};
use crate::view::Canvas;
use crate::view::rows::{Line, Rows};
use ratatui::buffer::Buffer;
use std::borrow::Cow;

/// What works here: the word of the footer, and the sentence of help.
const KEYS: &[(Action, &str, &str)] = &[
    (
        Action::Drill,
        "open",
        "Open the selected capture, at the selected event or instant where the row has one; Esc comes back.",
    ),
    (
        Action::Search,
        "search",
        "Search all captures: words, paths, addresses, conditions, as `afterimage search` takes them; nothing, and everything is meant.",
    ),
    (
        Action::NextPane,
        "timeline",
        "To the timeline and back: Left and Right move there, Enter marks one end of a part and then the other, which all pages then show; + and - zoom, = shows all.",
    ),
    (
        Action::Sort,
        "sort",
        "Sort by the selected column; again for the other way round; again for the page's own order.",
    ),
    (
        Action::TimeFormat,
        "time",
        "Change how instants are shown: date and time, time of day, nanoseconds since 1970. All are UTC.",
    ),
    (
        Action::Cancel,
        "back",
        "Stop the work in progress; else go back to the first page.",
    ),
    (Action::Help, "help", "Show this."),
    (Action::Quit, "quit", "Leave the inspector."),
];

/// Draws everything.
pub fn draw(state: &FolderState, theme: Theme, buffer: &mut Buffer) {
    let plan = state.plan();
    let mut canvas = Canvas::new(buffer, theme, state.ascii);
    let canvas = &mut canvas;
    header(state, plan.header, canvas);
    strip(state, plan.timeline, canvas);
    for (at, tab) in tabs(plan.trail) {
        let Some(row) = PAGES.get(at) else { continue };
        let role = if at == state.page {
            Role::Selected
        } else {
            Role::Text
        };
        let mut key = [0; 4];
        let inner = Area {
            width: tab
                .width
                .min((plan.trail.x + plan.trail.width).saturating_sub(tab.x)),
            ..tab
        };
        let x = canvas.text(inner, 0, 0, " ", role);
        let x = x + canvas.text(
            inner,
            x,
            0,
            row.key.encode_utf8(&mut key),
            if at == state.page { role } else { Role::Key },
        );
        canvas.text(inner, x, 0, &format!(" {} ", row.title), role);
    }
    body(state, plan.body, canvas);
    status(state, plan.status, canvas);
    footer(plan.footer, canvas);
    if state.help {
        help(state, canvas);
    }
}

fn header(state: &FolderState, area: Area, canvas: &mut Canvas<'_>) {
    let captures = state.pages.first().map_or(0, |page| page.rows.len());
    let count = show::counted(captures as u64, "capture");
    let name = fit::plain(&state.name);
    let x = canvas.pieces(
        area,
        0,
        0,
        &[
            (&name, Role::Title),
            ("  ", Role::Text),
            (&count, Role::Text),
        ],
    );
    let hosts: std::collections::BTreeSet<&[u8]> = (state.pages.first().into_iter())
        .flat_map(|page| &page.table.rows.rows)
        .filter_map(|row| match row.cells.get(1) {
            Some(afterimage_indexer::Cell::Text(host)) if !host.is_empty() => Some(host.as_slice()),
            _ => None,
        })
        .collect();
    let of = format!(" of {}", show::counted(hosts.len() as u64, "host"));
    canvas.text(
        area,
        x,
        0,
        if hosts.is_empty() { "" } else { &of },
        Role::Text,
    );
    let mut line = match state.words.is_empty() {
        true => "nothing is searched for: all events are meant".to_owned(),
        false => format!("searched for: {}", fit::plain(&state.words)),
    };
    if let Some((from, to)) = state.span {
        let style = state.style();
        line += &format!("; from {} to {}", style.text(from), style.text(to));
    }
    let role = if state.words.is_empty() {
        Role::Dim
    } else {
        Role::Notable
    };
    canvas.text(area, 0, 1, &line, role);
}

/// In which of so many equal steps of a span an instant falls.
fn step(at: i64, (from, to): (i64, i64), steps: usize) -> usize {
    let length = i128::from(to) - i128::from(from) + 1;
    let into = (i128::from(at) - i128::from(from)).clamp(0, length - 1);
    usize::try_from(into * steps as i128 / length).unwrap_or(0)
}

/// Events of all captures in equal steps, which steps a trigger falls in, and which captures with losses cover.
fn lanes(
    activity: &[Activity],
    span: (i64, i64),
    steps: usize,
) -> (Vec<u64>, Vec<bool>, Vec<bool>) {
    let (mut events, mut triggers, mut losses) =
        (vec![0u64; steps], vec![false; steps], vec![false; steps]);
    for one in activity {
        let length = i128::from(one.span.1) - i128::from(one.span.0) + 1;
        for (at, count) in one.counts.iter().enumerate() {
            let into = length * (2 * at as i128 + 1) / (2 * one.counts.len() as i128);
            let instant = i128::from(one.span.0) + into;
            let instant = i64::try_from(instant).unwrap_or(one.span.1);
            if !(span.0..=span.1).contains(&instant) {
                continue;
            }
            if let Some(sum) = events.get_mut(step(instant, span, steps)) {
                *sum = sum.saturating_add(*count);
            }
        }
        if one.span.0 > span.1 || one.span.1 < span.0 {
            continue;
        }
        let (first, last) = (step(one.span.0, span, steps), step(one.span.1, span, steps));
        if one.triggered
            && one.span.0 >= span.0
            && let Some(mark) = triggers.get_mut(first)
        {
            *mark = true;
        }
        if one.lossy {
            losses
                .iter_mut()
                .take(last + 1)
                .skip(first)
                .for_each(|lost| *lost = true);
        }
    }
    (events, triggers, losses)
}

fn strip(state: &FolderState, area: Area, canvas: &mut Canvas<'_>) {
    if area.height == 0 || area.width <= LANE_NAME {
        return;
    }
    let strip = area.split_left(LANE_NAME).1;
    let Some(span) = state.shown() else {
        return;
    };
    let steps = usize::from(strip.width);
    let (events, triggers, losses) = lanes(&state.activity, span, steps);
    let most = events.iter().copied().max().unwrap_or(0);
    canvas.text(area, 0, 0, "events", Role::Dim);
    for (x, count) in events.iter().enumerate() {
        let glyph = canvas.level(*count, most);
        canvas.text(
            strip,
            x as u16,
            0,
            glyph.encode_utf8(&mut [0; 4]),
            Role::Activity,
        );
    }
    let marks = [
        ("trigger", triggers, "!", "!", Role::Bad),
        ("lost", losses, "▒", "#", Role::Loss),
    ];
    for (line, (name, found, fancy, plain, role)) in marks.into_iter().enumerate() {
        let line = line as u16 + 1;
        canvas.text(area, 0, line, name, Role::Dim);
        let glyph = canvas.glyph(fancy, plain);
        for (x, _) in found.iter().enumerate().filter(|(_, found)| **found) {
            canvas.text(strip, x as u16, line, glyph, role);
        }
    }
    if state.span.is_some() {
        canvas.text(area, 0, 3, "part", Role::Notable);
    }
    if state.on_timeline {
        let mark = state.mark.unwrap_or(state.cursor);
        let (from, to) = (state.cursor.min(mark), state.cursor.max(mark));
        for line in 0..3 {
            canvas.tint(strip, from as u16, line, (to - from + 1) as u16, Role::Mark);
        }
        let at = state.step_span(state.cursor).map_or(span.0, |span| span.0);
        let at = state.style().text(at);
        let width = fit::cells(&at) as u16;
        let room = strip.width.saturating_sub(width);
        let x = (state.cursor as u16).saturating_sub(width / 2).min(room);
        canvas.text(strip, x, 3, &at, Role::Key);
        return;
    }
    let (from, to) = (state.style().text(span.0), state.style().text(span.1));
    let end = fit::cells(&to) as u16;
    canvas.text(strip, 0, 3, &from, Role::Dim);
    canvas.text(strip, strip.width.saturating_sub(end), 3, &to, Role::Dim);
}

fn body(state: &FolderState, area: Area, canvas: &mut Canvas<'_>) {
    let (row, standing) = (state.row(), state.standing());
    let table = &standing.table;
    let rows = Rows {
        columns: row.columns,
        widths: widths(state),
        hidden: Default::default(),
        tree: None,
        sort: table.sort,
        cursor: table.cursor.checked_sub(table.top),
        column: table.column,
        focus: !state.on_timeline,
        style: state.style(),
        reveal: false,
        most: Vec::new(),
    };
    rows.draw(area, canvas, |place| {
        let line = table.line(table.top + place)?;
        let at = *table.order.get(table.top + place)?;
        Some(Line {
            cells: Cow::Borrowed(&line.cells),
            depth: 0,
            fold: None,
            bad: standing.rows.get(at).is_some_and(|(_, bad)| *bad),
            role: None,
            marked: false,
        })
    });
    if table.order.is_empty() {
        let says = match (table.loaded, row.page) {
            (false, _) if state.working() => "working",
            (false, _) => "stopped",
            (true, _) if !standing.empty.is_empty() => &standing.empty,
            (true, Page::Captures) if state.span.is_some() => {
                "no capture has anything in this part of the time (= shows all)"
            }
            (true, Page::Captures) => "there is no capture in this folder",
            (true, _) => "nothing was found",
        };
        canvas.text(area, 2, 1, says, Role::Dim);
    }
}

fn status(state: &FolderState, area: Area, canvas: &mut Canvas<'_>) {
    if let Some(entry) = &state.entry {
        let x = canvas.text(area, 0, 0, entry.kind.prompt(), Role::Key);
        let (before, after) = entry.text.split_at(entry.caret.min(entry.text.len()));
        let room = usize::from(area.width.saturating_sub(x + 1));
        let before = fit::tail(&fit::plain(before), room, canvas.ascii);
        let x = x + canvas.text(area, x, 0, &before, Role::Text);
        let after = if after.is_empty() {
            " ".to_owned()
        } else {
            fit::plain(after)
        };
        canvas.text(area, x, 0, &after, Role::Text);
        canvas.tint(area, x, 0, 1, Role::Mark);
        let hint = "words, \"a phrase\", cur*, curl~1, 10.0.0.0/8, re:PATTERN; AND proc.name=sh AND evt.time>-5m";
        canvas.text(area, 0, 1, hint, Role::Dim);
        return;
    }
    if let Some((lines, bad)) = &state.notice {
        let role = if *bad { Role::Bad } else { Role::Good };
        for (line, text) in lines.iter().enumerate() {
            let mark = if *bad && line == 0 { "! " } else { "" };
            canvas.pieces(area, 0, line as u16, &[(mark, role), (text, role)]);
        }
        return;
    }
    if state.working() {
        let text = format!(
            "working, {} gone through; Esc stops",
            show::counted(state.done, "capture")
        );
        canvas.text(area, 0, 0, &text, Role::Notable);
        return;
    }
    let standing = state.standing();
    let all = standing.table.order.len();
    let at = if all == 0 {
        0
    } else {
        standing.table.cursor + 1
    };
    let more = match standing.more {
        Some(_) => " and more",
        None => "",
    };
    let counts = format!(
        "{} of {}{more}",
        show::count(at as u64),
        show::counted(all as u64, "row")
    );
    let x = canvas.text(area, 0, 0, &counts, Role::Dim) + 2;
    let (text, role) = match standing.note.is_empty() {
        true => (state.row().doc, Role::Dim),
        false => (standing.note.as_str(), Role::Notable),
    };
    canvas.text(area, x, 0, text, role);
}

/// The first key that does something here.
fn key_of(action: Action) -> String {
    let row = bindings()
        .iter()
        .find(|row| row.action == action && !row.keys.is_empty());
    row.and_then(|row| row.keys.first())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn footer(area: Area, canvas: &mut Canvas<'_>) {
    let mut x = 0;
    for (action, short, _) in KEYS {
        let key = key_of(*action);
        let needs = (fit::cells(&key) + fit::cells(short) + 3) as u16;
        if x + needs > area.width + 2 {
            break;
        }
        x = canvas.pieces(
            area,
            x,
            0,
            &[
                (&key, Role::Key),
                (" ", Role::Text),
                (short, Role::Text),
                ("  ", Role::Text),
            ],
        );
    }
}

fn help(state: &FolderState, canvas: &mut Canvas<'_>) {
    let width = state.size.0;
    let area = Area::above_keys(state.size);
    canvas.clear(area);
    canvas.text(area, 0, 0, "help", Role::Title);
    let pages = PAGES.iter().map(|row| (row.key.to_string(), row.doc));
    let keys = KEYS.iter().map(|(action, _, doc)| (key_of(*action), *doc));
    let mut line = 2;
    for (key, doc) in pages.chain(keys) {
        canvas.text(area, 2, line, &key, Role::Key);
        for part in fit::wrap(doc, usize::from(width.saturating_sub(14)), 4) {
            canvas.text(area, 12, line, &part, Role::Text);
            line += 1;
        }
    }
}
