//! Encrypted captures: the bodies of their blocks, sealed in segments, so that any part of one is read by opening the
//! segments it lies in. The chain, the signatures and the seal are over what is sealed: whoever checks them needs no key.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::{self, Identities, Recipient, Refusal};
use crate::block::BlockHead;
use crate::chunk_read::Zone;
use crate::error::{ErrorKind, malformed};
use crate::keys::{random, wipe};
use crate::layout::{FLAG_SEALED, MAX_CHUNK_EVENTS, SEGMENT, block};
use crate::records::{Lineage, Note, ZoneRecord};
use crate::wire::{Cursor, Record};
use afterimage_model::{BootNs, Safe};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use std::io;

/// Bytes that a segment grows by.
pub(crate) const TAG: u64 = 16;
/// Bytes of what a sealed chunk says in the clear.
pub(crate) const BRIEF: usize = 36;

/// The key of one capture. It is wiped from memory when it is dropped.
pub(crate) struct FileKey(Box<ChaCha20Poly1305>);

impl FileKey {
    /// A new key, and the age file that hands it to the recipients.
    pub(crate) fn generate(recipients: &[Recipient]) -> io::Result<(FileKey, Vec<u8>)> {
        let mut key = [0; 32];
        random(&mut key)?;
        let wrapped = age::wrap(&key, recipients);
        let file_key = FileKey(Box::new(ChaCha20Poly1305::new(&Key::from(key))));
        wipe(&mut key);
        Ok((file_key, wrapped?))
    }

    /// The key that a header holds, by one of the identities.
    pub(crate) fn open(lineage: &Lineage, identities: &Identities) -> Result<FileKey, ErrorKind> {
        if identities.is_empty() {
            return Err(ErrorKind::Locked(names(lineage)));
        }
        let opened = age::unwrap(&lineage.key, identities).map_err(|refusal| match refusal {
            Refusal::Stranger => ErrorKind::Stranger(names(lineage)),
            Refusal::Damaged => malformed("key of the capture"),
        });
        let mut opened = opened?;
        let key = <[u8; 32]>::try_from(opened.as_slice()).map(Key::from);
        wipe(&mut opened);
        let mut key = key.map_err(|_| malformed("key of the capture"))?;
        let file_key = FileKey(Box::new(ChaCha20Poly1305::new(&key)));
        wipe(&mut key);
        Ok(file_key)
    }

    /// What stands in the file for a body: what is said in the clear, then the segments. The head is that of the block to
    /// be, its length as [`sealed_len`] says.
    pub(crate) fn seal(
        &self,
        head: BlockHead,
        clear: &[u8],
        body: &[u8],
    ) -> Result<Vec<u8>, ErrorKind> {
        let bound = bound(head, clear);
        let mut out = clear.to_vec();
        let mut put = |at: usize, msg: &[u8]| {
            let payload = Payload { msg, aad: &bound };
            let sealed = self.0.encrypt(&nonce(head.seq, at), payload);
            out.extend_from_slice(&sealed.map_err(|_| malformed("sealed body"))?);
            Ok(())
        };
        if body.is_empty() {
            put(0, body)?;
        }
        for (at, segment) in body.chunks(SEGMENT).enumerate() {
            put(at, segment)?;
        }
        Ok(out)
    }

    /// The body of a block that was sealed.
    pub(crate) fn unseal(&self, head: BlockHead, stored: &[u8]) -> Result<Vec<u8>, ErrorKind> {
        let shape = Shape::of(head)?;
        let (clear, sealed) = stored
            .split_at_checked(shape.clear)
            .ok_or(malformed("sealed body"))?;
        let bound = bound(head, clear);
        let mut body = Vec::with_capacity(shape.body);
        for (at, segment) in sealed
            .chunks(SEGMENT.saturating_add(TAG as usize))
            .enumerate()
        {
            body.extend_from_slice(&self.segment(head, &bound, at, segment)?);
        }
        Ok(body)
    }

    /// One segment of a block, by its number.
    pub(crate) fn segment(
        &self,
        head: BlockHead,
        bound: &[u8],
        at: usize,
        sealed: &[u8],
    ) -> Result<Vec<u8>, ErrorKind> {
        let payload = Payload {
            msg: sealed,
            aad: bound,
        };
        self.0
            .decrypt(&nonce(head.seq, at), payload)
            .map_err(|_| ErrorKind::Sealed)
    }
}

/// Each segment of each block has a nonce of its own: a file has one block of a number, and a key of its own.
fn nonce(seq: u64, segment: usize) -> Nonce {
    let mut nonce = [0; 12];
    let (block, part) = nonce.split_at_mut(8);
    block.copy_from_slice(&seq.to_le_bytes());
    part.copy_from_slice(&(segment as u32).to_le_bytes());
    Nonce::from(nonce)
}

/// What a segment is bound to: the head of its block, by which file, place, kind and length are told, and what is said in
/// the clear.
pub(crate) fn bound(head: BlockHead, clear: &[u8]) -> Vec<u8> {
    let mut bound = head.encode().to_vec();
    bound.extend_from_slice(clear);
    bound
}

/// Whether a block of an encrypted capture is sealed. What is not is needed to check the file, or names who may open it.
pub(crate) fn is_secret(ty: u16, is_custody: bool) -> bool {
    match ty {
        block::HEADER
        | block::SCHEMA
        | block::CHECKPOINT
        | block::INDEX
        | block::FOOTER
        | block::KEY => false,
        block::NOTE => !is_custody,
        _ => true,
    }
}

/// Whether a block that is not sealed may stand in an encrypted capture.
pub(crate) fn may_be_clear(ty: u16, body: &[u8]) -> bool {
    let is_custody =
        ty == block::NOTE && Note::decode(body).is_ok_and(|note| !note.action.is_empty());
    !is_secret(ty, is_custody)
}

/// How a sealed body is divided.
pub(crate) struct Shape {
    /// Bytes said in the clear.
    pub clear: usize,
    /// Bytes of the body once it is opened.
    pub body: usize,
}

impl Shape {
    /// By the head of its block.
    pub(crate) fn of(head: BlockHead) -> Result<Shape, ErrorKind> {
        let wrong = || malformed("length of a sealed body");
        let clear = if head.ty == block::CHUNK { BRIEF } else { 0 };
        let sealed = (head.len as usize).checked_sub(clear).ok_or_else(wrong)?;
        let full = SEGMENT.saturating_add(TAG as usize);
        let segments = sealed.div_ceil(full);
        let body = sealed
            .checked_sub(segments.saturating_mul(TAG as usize))
            .ok_or_else(wrong)?;
        // The last segment is empty only where it is the only one.
        let last = sealed.checked_rem(full).unwrap_or(0);
        match segments == 0 || (segments > 1 && (1..=TAG as usize).contains(&last)) {
            true => Err(wrong()),
            false => Ok(Shape { clear, body }),
        }
    }
}

/// Bytes in the file of a body of this length.
pub(crate) fn sealed_len(ty: u16, body: usize) -> usize {
    let clear = if ty == block::CHUNK { BRIEF } else { 0 };
    let tags = body.div_ceil(SEGMENT).max(1).saturating_mul(TAG as usize);
    body.saturating_add(tags).saturating_add(clear)
}

/// What a sealed chunk says in the clear: what the index says of it, and a checksum of that.
pub(crate) fn brief(zone: &ZoneRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(BRIEF);
    for number in [zone.first_num, zone.events, zone.start.0, zone.end.0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// The same read back: a zone map without what is secret.
pub(crate) fn take_brief(stored: &[u8]) -> Result<Zone, ErrorKind> {
    let mut cursor = Cursor::new(stored);
    let mut number = || cursor.u64();
    let (first_num, events, start, end) = (number()?, number()?, number()?, number()?);
    let expected = cursor.u32()?;
    let found = crc32c::crc32c(stored.get(..BRIEF.saturating_sub(4)).unwrap_or_default());
    if expected != found {
        return Err(ErrorKind::Checksum {
            what: "brief of a sealed chunk",
            expected,
            found,
        });
    }
    crate::error::limit("events of a chunk", events, MAX_CHUNK_EVENTS)?;
    if events == 0 || first_num == 0 || start > end || first_num.checked_add(events).is_none() {
        return Err(malformed("brief of a sealed chunk"));
    }
    Ok(Zone {
        events,
        first_num,
        start: BootNs(start),
        end: BootNs(end),
        ..Zone::default()
    })
}

/// Whom a capture is encrypted to, in words.
pub(crate) fn names(lineage: &Lineage) -> String {
    match lineage.recipients.as_slice() {
        [] => "nobody who is named".to_owned(),
        names => Safe::new(&names.join(", ")).to_string(),
    }
}

/// A block's flags without that of being sealed.
pub(crate) fn opened(head: BlockHead) -> BlockHead {
    BlockHead {
        flags: head.flags & !FLAG_SEALED,
        ..head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(ty: u16, body: usize) -> BlockHead {
        BlockHead {
            ty,
            flags: FLAG_SEALED,
            len: sealed_len(ty, body) as u32,
            seq: 7,
            tag: 9,
        }
    }

    fn key() -> FileKey {
        FileKey(Box::new(ChaCha20Poly1305::new(&Key::from([5; 32]))))
    }

    #[test]
    fn a_body_of_any_length_comes_back_and_its_length_is_known_before() {
        for len in [
            0,
            1,
            SEGMENT - 1,
            SEGMENT,
            SEGMENT + 1,
            3 * SEGMENT,
            3 * SEGMENT + 17,
        ] {
            let body: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for ty in [block::CHUNK, block::STATE] {
                let head = head(ty, len);
                let clear = vec![1; Shape::of(head).expect("a shape").clear];
                let stored = key().seal(head, &clear, &body).expect("sealed");
                assert_eq!(stored.len(), head.len as usize, "{len}");
                assert_eq!(Shape::of(head).expect("a shape").body, len);
                assert_eq!(key().unseal(head, &stored).expect("opened"), body);
            }
        }
    }

    #[test]
    fn a_body_opens_only_where_it_was_put_and_as_it_was() {
        let (head, body) = (head(block::STATE, 100), vec![3; 100]);
        let stored = key().seal(head, &[], &body).expect("sealed");
        let other = FileKey(Box::new(ChaCha20Poly1305::new(&Key::from([6; 32]))));
        assert!(other.unseal(head, &stored).is_err());
        for moved in [
            BlockHead { seq: 8, ..head },
            BlockHead { tag: 8, ..head },
            BlockHead {
                ty: block::NOTE,
                ..head
            },
            BlockHead {
                flags: FLAG_SEALED | 1,
                ..head
            },
        ] {
            assert!(key().unseal(moved, &stored).is_err(), "{moved:?}");
        }
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            *changed.get_mut(at).expect("inside") ^= 1;
            assert!(key().unseal(head, &changed).is_err(), "{at}");
        }
    }

    #[test]
    fn segments_cannot_be_moved_left_out_or_cut() {
        let len = 2 * SEGMENT + 5;
        let (head, body) = (head(block::STATE, len), vec![3; len]);
        let stored = key().seal(head, &[], &body).expect("sealed");
        let (first, rest) = stored.split_at(SEGMENT + TAG as usize);
        let (second, third) = rest.split_at(SEGMENT + TAG as usize);
        assert!(
            key()
                .unseal(head, &[second, first, third].concat())
                .is_err()
        );
        for short in [[first, second].concat(), [first, third].concat()] {
            let cut = BlockHead {
                len: short.len() as u32,
                ..head
            };
            assert!(key().unseal(cut, &short).is_err());
        }
    }

    #[test]
    fn lengths_that_no_body_has_are_refused() {
        let of = |ty, len| Shape::of(BlockHead { len, ..head(ty, 0) }).is_ok();
        assert!(of(block::STATE, 16) && !of(block::STATE, 15) && !of(block::STATE, 0));
        assert!(of(block::CHUNK, 52) && !of(block::CHUNK, 51) && !of(block::CHUNK, 3));
        let full = (SEGMENT + TAG as usize) as u32;
        assert!(
            of(block::STATE, full) && !of(block::STATE, full + 16) && of(block::STATE, full + 17)
        );
    }
}
