//! How questions are answered: what is asked of the session for each, and what is given back.

use super::{Answer, Ask, Line, MOST_MATCHES, Which};
use crate::arrange::arrange;
use crate::colours::Colours;
use crate::detail;
use crate::export;
use afterimage_indexer::{Cell, Error, Progress, Session, TILE_STEPS};
use afterimage_model::{Ctx, FieldValue};
use afterimage_query::{Column, FieldRef};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Answers a question.
pub(super) fn answer(
    session: &Session,
    ask: Ask,
    progress: &Progress,
    send: &dyn Fn(Answer),
) -> Result<(), Error> {
    match ask {
        Ask::Rows(view, which) => {
            let mut part = |rows| send(Answer::Part(Box::new(Answer::Rows(rows))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let rows = session.view_in_parts(view, filter, which.span, progress, parts)?;
            send(Answer::Rows(rows));
        }
        Ask::Said(view, which) => send(Answer::Said(session.view(
            view,
            which.filter.as_ref(),
            which.span,
            progress,
        )?)),
        Ask::Arrange(wanted, stands) => {
            let mut part = |part| send(Answer::Part(Box::new(Answer::Arranged(part))));
            // Nobody waits for what was cancelled.
            if let Some(arranged) = arrange(wanted, &stands, &progress.cancel, &mut part) {
                send(Answer::Arranged(arranged));
            }
        }
        Ask::Hunt(hunt) => {
            let found = hunt.next(&progress.cancel);
            send(Answer::Hunted(hunt.rows, found, hunt.backwards));
        }
        Ask::Moments(nums) => {
            let mut moments = Vec::with_capacity(nums.len());
            for num in nums {
                // An event that cannot be read is said when it is looked at.
                let at = session.event(num, |ctx| ctx.event.time.0).unwrap_or(None);
                moments.push((num, at));
            }
            send(Answer::Moments(moments));
        }
        Ask::Alerts => {
            let mut part = |at| send(Answer::Part(Box::new(Answer::Alerts(at))));
            let at = session.alert_instants(progress, Some(&mut part));
            send(Answer::Alerts(at));
        }
        Ask::Matches(which, from) => matches(session, &which, from, progress, send)?,
        Ask::Overview(which) => {
            let mut part = |tiles| send(Answer::Part(Box::new(Answer::Overview(tiles))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let tiles = session.tiles_in_parts(filter, which.span, TILE_STEPS, progress, parts)?;
            send(Answer::Overview(tiles));
        }
        Ask::Timeline(which, steps) => {
            let mut part = |counts| send(Answer::Part(Box::new(Answer::Timeline(counts))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let counts = session.histogram_in_parts(filter, which.span, steps, progress, parts)?;
            send(Answer::Timeline(counts));
        }
        Ask::Courses(which, tiles, steps) => {
            let mut part = |counted| send(Answer::Part(Box::new(Answer::Courses(counted))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let counted = session.courses(&tiles, filter, which.span, steps, progress, parts)?;
            send(Answer::Courses(counted));
        }
        Ask::Page {
            which,
            columns,
            from,
            count,
        } => {
            let fields = fields(columns);
            let mut lines = Vec::with_capacity(count.min(1024));
            let mut colours = Colours::new();
            session.scan(
                which.filter.as_ref(),
                which.span,
                from,
                progress,
                &mut |ctx| {
                    let cells = fields
                        .iter()
                        .map(|field| cell(ctx, field.as_ref()))
                        .collect();
                    lines.push(Line {
                        role: colours.role(ctx),
                        num: ctx.num,
                        failed: ctx.event.errno().is_some(),
                        cells,
                    });
                    lines.len() < count
                },
            )?;
            send(Answer::Page(lines));
        }
        Ask::Detail(num) => send(Answer::Detail(
            session.event(num, detail::of)?.map(Box::new),
        )),
        Ask::Find {
            which,
            columns,
            from,
            needle,
            backwards,
        } => {
            let fields = fields(columns);
            let mut found = None;
            let start = if backwards { 1 } else { from.saturating_add(1) };
            session.scan(
                which.filter.as_ref(),
                which.span,
                start,
                progress,
                &mut |ctx| {
                    if backwards && ctx.num >= from {
                        return false;
                    }
                    let hit = fields.iter().any(|field| match cell(ctx, field.as_ref()) {
                        Cell::Text(text) => holds(&text, &needle),
                        Cell::Number(n) => n.to_string().contains(&needle),
                        Cell::Float(_) | Cell::Missing | Cell::Secret(_) => false,
                    });
                    if hit {
                        found = Some(ctx.num);
                    }
                    backwards || !hit
                },
            )?;
            send(Answer::Found(found));
        }
        Ask::Follow(num) => send(Answer::Follow(
            num,
            session.event(num, afterimage_indexer::stream_of)?.flatten(),
        )),
        Ask::Locate(instant) => {
            let mut found = None;
            session.scan(None, Some((instant, u64::MAX)), 1, progress, &mut |ctx| {
                found = Some(ctx.num);
                false
            })?;
            send(Answer::Found(found));
        }
        Ask::Export { view, which, path } => send(
            match export::write(session, view, &which, &path, progress) {
                Ok(rows) => Answer::Exported(rows, path),
                Err(error) => Answer::Failed(error.to_string()),
            },
        ),
    }
    Ok(())
}

/// The fields of columns, ready to be asked.
pub fn fields(columns: &[Column]) -> Vec<Option<FieldRef>> {
    columns
        .iter()
        .map(|column| FieldRef::parse(column.field).ok())
        .collect()
}

/// A field's value as a cell.
pub fn cell(ctx: &Ctx<'_>, field: Option<&FieldRef>) -> Cell {
    match field.and_then(|field| field.value(ctx)) {
        None => Cell::Missing,
        Some(FieldValue::Int(n)) => Cell::Number(n.into()),
        Some(FieldValue::Uint(n)) => Cell::Number(n.into()),
        Some(value) => Cell::Text(value.text().into_owned()),
    }
}

/// Whether captured text, as it is shown, holds a lower-case text.
pub fn holds(text: &[u8], needle: &str) -> bool {
    afterimage_model::Safe::new(text)
        .to_string()
        .to_lowercase()
        .contains(needle)
}

fn matches(
    session: &Session,
    which: &Which,
    from: u64,
    progress: &Progress,
    send: &dyn Fn(Answer),
) -> Result<(), Error> {
    /// How often what was found so far is shown.
    const EVERY: Duration = Duration::from_millis(100);
    let mut nums = Vec::new();
    let mut given = 0;
    let mut sent = Instant::now();
    session.scan(
        which.filter.as_ref(),
        which.span,
        from,
        progress,
        &mut |ctx| {
            nums.push(ctx.num);
            // The first lines appear at once; those that follow, in larger pieces.
            let screenful = given == 0 && nums.len() >= 256;
            if screenful || sent.elapsed() > EVERY {
                given += nums.len();
                sent = Instant::now();
                send(Answer::Matches {
                    nums: std::mem::take(&mut nums),
                    last: false,
                    complete: false,
                });
            }
            given + nums.len() < MOST_MATCHES
        },
    )?;
    let complete = given + nums.len() < MOST_MATCHES && !progress.cancel.load(Ordering::Relaxed);
    send(Answer::Matches {
        nums,
        last: true,
        complete,
    });
    Ok(())
}
