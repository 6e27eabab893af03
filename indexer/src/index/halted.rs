//! Where the making of states was halted, as it lies aside until the index is whole: sealed and bound to the capture as that is.

use super::sidecar::{Covered, Holds, Identity, In, Out, Part};
use crate::instant::{MOST_RAW, Pressed, States};
use crate::session::Session;
use std::io;
use std::path::{Path, PathBuf};

/// Compression of what a later run goes on from.
const QUICK: i32 = 1;

/// What was kept, with the states and rows that were made until then.
pub(super) type Kept = (Vec<u8>, Vec<Pressed>, Vec<Pressed>);

/// The file in the folder in which an index is made.
pub(super) fn place(folder: &Path) -> PathBuf {
    folder.join("states")
}

fn covered(session: &Session, chunks: usize) -> Vec<Covered> {
    let infos = session.chunks().iter().take(chunks);
    infos.map(|info| Covered::of(info, false)).collect()
}

/// Keeps it, in place of what was kept before.
pub(super) fn write(
    folder: &Path,
    session: &Session,
    (identity, key): (&Identity, &[u8; 32]),
    (halted, chunks, made): (&[u8], usize, &States),
) -> io::Result<()> {
    let aside = folder.join("states.new");
    let mut out = Out::create(&aside)?;
    out.head.identity = identity.clone();
    out.head.chunks = covered(session, chunks);
    out.head.states = Some(out.part(halted, QUICK)?);
    let mut put = |pressed: &Pressed| out.pressed(&pressed.0, pressed.1);
    let states = made
        .states
        .iter()
        .map(&mut put)
        .collect::<io::Result<_>>()?;
    let rows = made.rows.iter().map(&mut put).collect::<io::Result<_>>()?;
    (out.head.state_parts, out.head.row_parts) = (states, rows);
    out.finish(key, QUICK)?;
    std::fs::rename(&aside, place(folder))
}

/// What was kept, if it is of this capture as it is now: of one that grew other states may hold.
pub(super) fn read(
    folder: &Path,
    session: &Session,
    capture: &Path,
    key: &[u8; 32],
) -> Option<Kept> {
    let file = In::open(&place(folder), key).ok()?;
    let chunks = file.head.chunks.len();
    if file.head.identity.holds(capture).ok()? != Holds::Whole
        || file.head.chunks != covered(session, chunks)
    {
        return None;
    }
    let halted = file.part(file.head.states.as_ref()?, MOST_RAW).ok()?;
    let pressed = |part: &Part| {
        let packed = file.packed(part, MOST_RAW).ok()?;
        Some((packed, usize::try_from(part.raw).ok()?))
    };
    let all = |parts: &[Part]| parts.iter().map(pressed).collect::<Option<Vec<Pressed>>>();
    Some((
        halted,
        all(&file.head.state_parts)?,
        all(&file.head.row_parts)?,
    ))
}
