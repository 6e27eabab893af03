//! The timeline: lanes of activity, where events are missing, alerts and marks, the span and the cursor.

use super::Canvas;
use crate::area::{self, Area, Plan};
use crate::fit;
use crate::show;
use crate::state::courses;
use crate::state::marks::Mark;
use crate::state::{Pane, State};
use crate::theme::Role;
use crate::worker::Lane;
use afterimage_indexer::LANES;
use afterimage_query::{Counted, Unit};

/// Draws as many lanes as there are lines; below them those of gaps, alerts and marks, courses of tiles and, where there is room,
/// the axis.
pub fn draw(state: &State, plan: &Plan, canvas: &mut Canvas<'_>) {
    let area = plan.timeline;
    if area.height == 0 || area.width <= plan.names {
        return;
    }
    let strip = plan.strip();
    let gap_steps = gap_steps(state, usize::from(strip.width));
    let [gaps, alerts, marks] = area::beside_lines(state.size.1, state.lanes_beside());
    let beside = [gaps, alerts, marks].map(u16::from).iter().sum::<u16>();
    let lines = area.height.saturating_sub(beside + plan.courses);
    let axis = u16::from(lines > 1);
    // On few lines: everything first, then what failed.
    let lanes: &[usize] = match lines - axis {
        0 => &[],
        1 => &[0],
        2 => &[0, 4],
        3 => &[0, 1, 4],
        4 => &[0, 1, 3, 4],
        _ => &[0, 1, 2, 3, 4],
    };
    for (line, lane) in lanes.iter().enumerate() {
        let line = line as u16;
        canvas.text(area, 0, line, LANES.get(*lane).unwrap_or(&""), Role::Dim);
        let counts = state
            .timeline
            .histogram
            .as_ref()
            .and_then(|histogram| histogram.lanes.get(*lane));
        let Some(counts) = counts else {
            if line == 0 {
                canvas.text(strip, 0, line, "counting", Role::Dim);
            }
            continue;
        };
        let role = match *lane {
            4 => Role::Bad,
            _ => Role::Activity,
        };
        draw_course(counts, &gap_steps, role, strip, line, canvas);
    }
    let mut below = lanes.len() as u16;
    if gaps {
        canvas.text(area, 0, below, "lost", Role::Loss);
        let band = canvas.glyph("▒", "#");
        for (x, _) in gap_steps.iter().enumerate().filter(|(_, lost)| **lost) {
            canvas.text(strip, x as u16, below, band, Role::Loss);
        }
        below += 1;
    }
    if alerts {
        let counts = state.alert_steps(usize::from(strip.width));
        canvas.text(area, 0, below, "alerts", Role::Bad);
        let most = counts.iter().copied().max().unwrap_or(0);
        for (x, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let glyph = canvas.level(*count, most);
            let glyph = glyph.encode_utf8(&mut [0; 4]).to_owned();
            canvas.text(strip, x as u16, below, &glyph, Role::Bad);
        }
        below += 1;
    }
    if marks {
        draw_marks(state, area, strip, below, canvas);
        below += 1;
    }
    draw_courses(state, plan, &gap_steps, below, canvas);
    below += plan.courses;
    if axis > 0 {
        draw_axis(state, plan, below, canvas);
    }
    // The instant that is shown, and what the user marked.
    if let Some(at) = state.at {
        let step = state.step_of(at);
        for line in 0..below {
            canvas.tint(strip, step as u16, line, 1, Role::Mark);
        }
    }
    if state.pane == Pane::Timeline {
        let (cursor, mark) = (
            state.timeline.cursor,
            state.timeline.mark.unwrap_or(state.timeline.cursor),
        );
        let (from, to) = (cursor.min(mark) as u16, cursor.max(mark) as u16);
        for line in 0..below {
            canvas.tint(strip, from, line, to - from + 1, Role::Mark);
        }
    }
}

/// Draws counts step by step, up to the most of them; where events are missing, empty steps are hatched.
fn draw_course(
    counts: &[u64],
    gap_steps: &[bool],
    role: Role,
    strip: Area,
    line: u16,
    canvas: &mut Canvas<'_>,
) {
    let most = counts.iter().copied().max().unwrap_or(0);
    let hatch = if canvas.ascii { '/' } else { '╱' };
    for (x, count) in counts.iter().enumerate().take(usize::from(strip.width)) {
        let lost = gap_steps.get(x).copied().unwrap_or(false);
        let glyph = canvas.level(*count, most);
        let (glyph, role) = match (glyph, lost) {
            (' ', true) => (hatch, Role::Loss),
            (glyph, true) => (glyph, Role::Loss),
            (glyph, false) => (glyph, role),
        };
        if glyph != ' ' {
            canvas.text(strip, x as u16, line, glyph.encode_utf8(&mut [0; 4]), role);
        }
    }
}

/// The marked tiles one below the other: letter, title, the most of a step, and the course.
fn draw_courses(
    state: &State,
    plan: &Plan,
    gap_steps: &[bool],
    first: u16,
    canvas: &mut Canvas<'_>,
) {
    let lines = usize::from(plan.courses);
    let hidden = state.courses.len().saturating_sub(lines);
    let names = plan.timeline.split_left(plan.names).0;
    // On a narrow screen there is room for the number only.
    let unit_fits = plan.names >= 30;
    let number = if unit_fits { 12 } else { 7 };
    let title = usize::from(plan.names).saturating_sub(number + 4);
    for (line, (place, tile)) in (first..).zip(state.courses.marked().take(lines)) {
        let role = Role::Course(place);
        canvas.text(names, 0, line, courses::letter(place), role);
        let more = match hidden {
            // The last line says what has no line of its own.
            1.. if usize::from(line - first) + 1 == lines => format!(" +{hidden} more"),
            _ => String::new(),
        };
        let room = title.saturating_sub(fit::cells(&more));
        let named = fit::cut(tile.title, room, canvas.ascii) + &more;
        canvas.text(names, 2, line, &named, role);
        let Some(total) = state.courses.of(tile) else {
            canvas.text(plan.strip(), 0, line, "counting", Role::Dim);
            continue;
        };
        let most = total.steps.iter().copied().max().unwrap_or(0);
        let unit = match (unit_fits, tile.counted, most) {
            (false, ..) => "",
            (true, Counted::Events, 1) => " event",
            (true, Counted::Events, _) => " events",
            (true, Counted::Distinct(_), _) => " new",
            (true, Counted::Sum(_), _) if tile.unit == Unit::Bytes => " bytes",
            (true, Counted::Sum(_), _) => "",
        };
        let figure = show::figure(most, tile.unit) + unit;
        let figure = fit::pad(&figure, number, true, canvas.ascii);
        canvas.text(names, title as u16 + 3, line, &figure, role);
        draw_course(&total.steps, gap_steps, role, plan.strip(), line, canvas);
    }
}

/// Triggers, bookmarks and remarks, each where it belongs; of several in a step the most telling.
fn draw_marks(state: &State, area: Area, strip: Area, line: u16, canvas: &mut Canvas<'_>) {
    canvas.text(area, 0, line, "marks", Role::Dim);
    let (first, last) = state.shown_span();
    let mut marks: Vec<(usize, Mark)> = state
        .marks()
        .filter(|(at, _)| (first..=last).contains(at))
        .map(|(at, mark)| (state.step_of(at), mark))
        .collect();
    marks.sort_unstable();
    marks.dedup_by_key(|(step, _)| *step);
    for (step, mark) in marks {
        let (glyph, role) = match mark {
            Mark::Trigger => (canvas.glyph("▼", "T"), Role::Bad),
            Mark::Bookmark => (canvas.glyph("◆", "*"), Role::Notable),
            Mark::Remark => (canvas.glyph("•", "o"), Role::Key),
        };
        canvas.text(strip, step as u16, line, glyph, role);
    }
}

/// Which steps hold a gap, or a part of one.
fn gap_steps(state: &State, steps: usize) -> Vec<bool> {
    let (first, last) = state.shown_span();
    let length = u128::from(last - first) + 1;
    let mut out = vec![false; steps];
    for gap in state.gaps() {
        let step = |instant: u64| {
            let into = u128::from(instant.clamp(first, last) - first);
            (into * steps as u128 / length) as usize
        };
        let (from, to) = (step(gap.start.0), step(gap.end.0));
        for lost in out.iter_mut().take(to.max(from) + 1).skip(from) {
            *lost = true;
        }
    }
    out
}

fn draw_axis(state: &State, plan: &Plan, line: u16, canvas: &mut Canvas<'_>) {
    let (area, strip) = (plan.timeline, plan.strip());
    let (first, last) = state.shown_span();
    let epoch = state.epoch();
    let histogram = state.timeline.histogram.as_ref();
    let part = match (histogram.is_none_or(|counts| counts.complete), state.span) {
        (false, _) if state.coming(Lane::Timeline) => "so far",
        (false, _) => "partial",
        (true, Some(_)) => "part",
        (true, None) => "",
    };
    canvas.text(area, 0, line, part, Role::Notable);
    if plan.courses > 0 {
        let (from, to) = state.step_span(0);
        let step = show::time_text(to - from + 1, canvas.ascii);
        let says = format!("most in {step}");
        let x = plan.names.saturating_sub(fit::cells(&says) as u16 + 1);
        canvas.text(area, x, line, &says, Role::Dim);
    }
    if state.facts.span.is_none() {
        canvas.text(strip, 0, line, "no events", Role::Dim);
        return;
    }
    let left = epoch.boot(first);
    let right = epoch.boot(last);
    if state.pane == Pane::Timeline {
        let at = epoch.boot(state.step_span(state.timeline.cursor).0);
        let room = strip.width.saturating_sub(at.len() as u16);
        let x = (state.timeline.cursor as u16)
            .saturating_sub(at.len() as u16 / 2)
            .min(room);
        canvas.text(strip, x, line, &at, Role::Key);
        return;
    }
    canvas.text(strip, 0, line, &left, Role::Dim);
    let x = strip.width.saturating_sub(right.len() as u16);
    if usize::from(x) > left.len() {
        canvas.text(strip, x, line, &right, Role::Dim);
    }
    let untimed = histogram.map_or(0, |counts| counts.untimed);
    let says = format!("{} without a time", show::counted(untimed, "event"));
    let room = usize::from(x).saturating_sub(left.len());
    if untimed > 0 && room > says.len() + 2 {
        let from = left.len() + (room - says.len()) / 2;
        canvas.text(strip, from as u16, line, &says, Role::Loss);
    }
}
