//! The timeline: lanes of activity, where events are missing, the span and the cursor.

use super::Canvas;
use crate::area::{Area, LANE_NAME};
use crate::state::{Pane, State};
use crate::theme::Role;
use afterimage_indexer::LANES;

/// Draws as many lanes as there are lines; the gap lane and, where there is room, the axis below them.
pub fn draw(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    if area.height == 0 || area.width <= LANE_NAME {
        return;
    }
    let strip = area.split_left(LANE_NAME).1;
    let gap_steps = gap_steps(state, usize::from(strip.width));
    let gap_lines = u16::from(state.facts.gaps().next().is_some());
    let lines = area.height - gap_lines.min(area.height);
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
    if gap_lines > 0 {
        canvas.text(area, 0, below, "lost", Role::Loss);
        let band = canvas.glyph("▒", "#");
        for (x, _) in gap_steps.iter().enumerate().filter(|(_, lost)| **lost) {
            canvas.text(strip, x as u16, below, band, Role::Loss);
        }
        below += 1;
    }
    if axis > 0 {
        draw_axis(state, area, strip, below, canvas);
    }
    // The instant that is shown, and what the user marked.
    if let Some(at) = state.at {
        let step = step_at(state, at, usize::from(strip.width));
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

/// The step in which an instant falls.
fn step_at(state: &State, at: u64, steps: usize) -> usize {
    let (first, last) = state.shown_span();
    let into = u128::from(at.clamp(first, last) - first);
    let step = into * steps as u128 / (u128::from(last - first) + 1);
    (step as usize).min(steps.saturating_sub(1))
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
}
