//! The timeline: lanes of activity, where events are missing, alerts and marks, the span and the cursor.

use super::Canvas;
use crate::area::{self, Area, LANE_NAME};
use crate::show;
use crate::state::marks::Mark;
use crate::state::{Pane, State};
use crate::theme::Role;
use crate::worker::Lane;
use afterimage_indexer::LANES;

/// Draws as many lanes as there are lines; below them those of gaps, alerts and marks and, where there is room, the axis.
pub fn draw(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    if area.height == 0 || area.width <= LANE_NAME {
        return;
    }
    let strip = area.split_left(LANE_NAME).1;
    let gap_steps = gap_steps(state, usize::from(strip.width));
    let [gaps, alerts, marks] = area::beside_lines(state.size.1, state.lanes_beside());
    let beside = [gaps, alerts, marks].map(u16::from).iter().sum::<u16>();
    let lines = area.height - beside.min(area.height);
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
        let most = counts.iter().copied().max().unwrap_or(0);
        let hatch = if canvas.ascii { '/' } else { '╱' };
        for (x, count) in counts.iter().enumerate().take(usize::from(strip.width)) {
            let lost = gap_steps.get(x).copied().unwrap_or(false);
            let glyph = canvas.level(*count, most);
            let (glyph, role) = match (glyph, lost) {
                (' ', true) => (hatch, Role::Loss),
                (glyph, true) => (glyph, Role::Loss),
                (glyph, false) if *lane == 4 => (glyph, Role::Bad),
                (glyph, false) => (glyph, Role::Activity),
            };
            if glyph != ' ' {
                canvas.text(strip, x as u16, line, glyph.encode_utf8(&mut [0; 4]), role);
            }
        }
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
    if axis > 0 {
        draw_axis(state, area, strip, below, canvas);
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

fn draw_axis(state: &State, area: Area, strip: Area, line: u16, canvas: &mut Canvas<'_>) {
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
