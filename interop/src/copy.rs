//! A capture of ours as another of ours, with fewer events.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::Provenance;
use crate::error::Error;
use afterimage_format::{Chunk, Reader, Section, Writer};
use afterimage_model::{BootNs, Ctx, Tables, Totals};
use std::io::Write;
use std::sync::mpsc::sync_channel;

/// Calls `look` with every event that can be read, in order, and `close` after each chunk.
///
/// # Errors
/// Those of the two.
pub fn each<T>(
    reader: &Reader,
    to: &mut T,
    look: &mut dyn FnMut(&mut T, &Ctx<'_>) -> Result<(), Error>,
    close: &mut dyn FnMut(&mut T, &Chunk) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut first, mut previous) = (None, None);
    // One chunk is put together while the one before is looked at.
    std::thread::scope(|scope| {
        let (ahead, chunks) = sync_channel(1);
        scope.spawn(move || {
            // What is damaged is among the gaps; nobody takes any more once something failed.
            let mut all = (0..reader.chunks().len()).filter_map(|at| reader.chunk(at).ok());
            while all.next().is_some_and(|chunk| ahead.send(chunk).is_ok()) {}
        });
        for chunk in chunks {
            for (num, event) in (chunk.first_num..).zip(&chunk.events) {
                let time = event.time.0;
                let ctx = Ctx {
                    manifest: reader.manifest(),
                    schema: reader.schema(),
                    tables: &chunk.tables,
                    event,
                    num,
                    first_ns: *first.get_or_insert(time),
                    previous_ns: previous.replace(time).unwrap_or(time),
                };
                look(to, &ctx)?;
            }
            close(to, &chunk)?;
        }
        Ok(())
    })
}

/// What a capture has lost: its gaps, and chunks of it that cannot be read.
pub fn gaps(reader: &Reader) -> Vec<afterimage_model::Gap> {
    let mut gaps = reader.gaps().to_vec();
    let damaged = (0..reader.chunks().len()).filter(|at| reader.chunk(*at).is_err());
    gaps.extend(damaged.filter_map(|at| reader.loss(at)));
    gaps
}

/// Writes the events that `keep` wants, numbered anew, with what was there when it began, and when each section of it did, and with
/// the gaps, remarks and artifacts. Gives how many there are.
///
/// # Errors
/// When the output cannot be written.
pub fn copy<W: Write>(
    reader: &Reader,
    out: W,
    provenance: &Provenance<'_>,
    keep: &mut dyn FnMut(&Ctx<'_>) -> bool,
) -> Result<(W, u64), Error> {
    let mut writer = provenance.writer(out, reader.manifest(), reader.schema())?;
    writer.state(BootNs(reader.manifest().clock.boot_ns), &reader.opening())?;
    let sections = match reader.has_sections() {
        true => reader.sections(),
        false => Vec::new(),
    };
    let mut later = sections.iter().skip(1).peekable();
    let mut left = 0;
    let mut look = |writer: &mut Writer<W>, ctx: &Ctx<'_>| {
        let begins = |section: &&Section| {
            let first = reader.chunks().get(section.chunks.start);
            first.is_some_and(|chunk| chunk.first_num <= ctx.num)
        };
        while let Some(section) = later.next_if(begins) {
            // One that cannot be read is among the gaps.
            if let Ok((at, tables)) = reader.section(section) {
                writer.keyframe(at, &tables)?;
            }
        }
        if keep(ctx) {
            writer.push(ctx.event.clone(), ctx.tables)?;
        } else {
            left += 1;
        }
        Ok(())
    };
    // Rows are numbered in one chunk as in all, but each has only its own.
    each(reader, &mut writer, &mut look, &mut |writer, chunk| {
        Ok(writer.flush(&chunk.tables)?)
    })?;
    for section in later {
        if let Ok((at, tables)) = reader.section(section) {
            writer.keyframe(at, &tables)?;
        }
    }
    for note in reader.remarks() {
        writer.note(note)?;
    }
    // One that cannot be read is told of by `verify`.
    for artifact in (0..reader.artifacts()).filter_map(|at| reader.artifact(at).ok()) {
        writer.artifact(&artifact)?;
    }
    for gap in gaps(reader) {
        writer.gap(&gap)?;
    }
    let written = writer.events();
    let totals = Totals {
        written,
        filtered: reader.totals().map_or(0, |totals| totals.filtered) + left,
        ..reader.totals().cloned().unwrap_or_default()
    };
    let out = writer.seal(&totals, &Tables::default())?;
    Ok((out, written))
}
