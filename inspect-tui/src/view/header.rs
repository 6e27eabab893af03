//! The top lines: what is open, what is missing from it, whether it is whole; and the trail.

use super::Canvas;
use crate::area::{Area, BETWEEN_CRUMBS};
use crate::fit;
use crate::show;
use crate::state::State;
use crate::theme::Role;
use afterimage_indexer::{TimeLook, duration_text};

/// Draws the header on one line or two. Losses come first wherever they are.
pub fn draw(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    let facts = &state.facts;
    let losses = facts.losses(canvas.ascii);
    let (integrity, whole) = facts.integrity();
    let (mark, integrity_role) = match whole {
        Some(true) => (canvas.glyph(" ✓", " ok"), Role::Good),
        Some(false) => (" !", Role::Loss),
        None => ("", Role::Dim),
    };
    let integrity = format!("{integrity}{mark}");
    let name = fit::plain(&facts.name);
    // What became of the file comes before all that may not fit.
    let place = (facts.place.says()).map_or_else(String::new, |says| format!("  {says} !"));
    let mut x = 0;
    if area.height == 1 {
        if let Some(losses) = &losses {
            x = canvas.pieces(area, x, 0, &[(losses, Role::Loss), ("  ", Role::Text)]);
        }
        canvas.pieces(
            area,
            x,
            0,
            &[
                (&name, Role::Title),
                ("  ", Role::Text),
                (&integrity, integrity_role),
                (&place, Role::Loss),
            ],
        );
        return;
    }
    x = canvas.pieces(
        area,
        x,
        0,
        &[("afterimage ", Role::Dim), (&name, Role::Title)],
    );
    if !facts.manifest.host.is_empty() {
        x = canvas.pieces(
            area,
            x,
            0,
            &[
                ("  on ", Role::Dim),
                (&fit::plain(&facts.manifest.host), Role::Text),
            ],
        );
    }
    if let Some((first, last)) = facts.span {
        let mut epoch = state.epoch();
        epoch.style.look = TimeLook::Date;
        let second = |instant: u64| {
            epoch
                .boot(instant)
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let length = duration_text(i128::from(last) - i128::from(first));
        x = canvas.pieces(
            area,
            x,
            0,
            &[
                ("  ", Role::Text),
                (&second(first), Role::Text),
                (" UTC, ", Role::Dim),
                (&length, Role::Text),
            ],
        );
    }
    if !facts.manifest.scope.is_empty() {
        canvas.pieces(
            area,
            x,
            0,
            &[
                ("  scope ", Role::Dim),
                (&fit::plain(&facts.manifest.scope), Role::Text),
            ],
        );
    }
    let mut x = match &losses {
        Some(losses) => canvas.text(area, 0, 1, losses, Role::Loss),
        None => canvas.text(area, 0, 1, "no known loss", Role::Good),
    };
    x = canvas.pieces(
        area,
        x,
        1,
        &[
            ("  ", Role::Text),
            (&integrity, integrity_role),
            (&place, Role::Loss),
        ],
    );
    let signature = facts.signature();
    if !signature.is_empty() {
        x = canvas.pieces(area, x, 1, &[("  ", Role::Text), (&signature, Role::Dim)]);
    }
    let containers = match facts.containers.len() as u64 {
        // A capture without a state block does not list them, which is not the same as none.
        0 => String::new(),
        number => show::counted(number, "container"),
    };
    let mut events = show::counted(facts.events, "event");
    if facts.recording {
        events.push_str(" so far");
    }
    if facts.hides && facts.events > 0 {
        events.push_str(", some hidden");
    }
    canvas.pieces(
        area,
        x,
        1,
        &[
            ("  ", Role::Text),
            (&events, Role::Text),
            ("  ", Role::Text),
            (containers.as_str(), Role::Text),
        ],
    );
}

/// Draws the trail, its end in sight, and the filter of the step.
pub fn trail(state: &State, area: Area, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    let crumbs = state.crumbs();
    let last = state.trail.len() - 1;
    let between = canvas.glyph(" › ", " > ");
    debug_assert_eq!(fit::cells(between), usize::from(BETWEEN_CRUMBS));
    let filter = &state.step().filter_text;
    let filter = if filter.is_empty() {
        String::new()
    } else {
        format!("  / {}", fit::plain(filter))
    };
    let room = usize::from(area.width);
    let all: usize = crumbs
        .iter()
        .map(|(crumb, _)| fit::cells(crumb) + usize::from(BETWEEN_CRUMBS))
        .sum();
    if all > room {
        let names: Vec<String> = crumbs.into_iter().map(|(name, _)| name).collect();
        canvas.text(
            area,
            0,
            0,
            &fit::tail(&names.join(between), room, canvas.ascii),
            Role::Title,
        );
        return;
    }
    let mut x = 0;
    for (at, (crumb, step)) in crumbs.iter().enumerate() {
        if at > 0 {
            x += canvas.text(area, x, 0, between, Role::Dim);
        }
        x += canvas.text(
            area,
            x,
            0,
            crumb,
            if *step == last {
                Role::Title
            } else {
                Role::Text
            },
        );
    }
    canvas.text(area, x, 0, &filter, Role::Notable);
}
