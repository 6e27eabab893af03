//! One block with any body in a capture that is otherwise in order, with every checksum and chain value right: whatever the
//! body, the reader and `verify` say what they think of it. The short form of the fuzz targets in the tests uses it, too.

use afterimage_format::layout::{BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, SYNC, block};
use afterimage_format::{Checks, Identities, Reader, Writer, WriterOptions, check_bytes};
use afterimage_model::{BootNs, Manifest, Schema, Tables, Totals};
use std::sync::LazyLock;

/// Made by age-keygen, for captures that are encrypted to it.
pub const IDENTITY: &str =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// A block: type, flags, body.
pub type Block = (u16, u16, Vec<u8>);

/// Takes a file apart whose blocks are whole.
pub fn apart(file: &[u8]) -> Vec<Block> {
    let (mut at, mut blocks) = (FILE_HEAD, Vec::new());
    while let Some(head) = file.get(at..at + BLOCK_HEAD) {
        let two = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let body = at + BLOCK_HEAD;
        blocks.push((two(4), two(6), file[body..body + len].to_vec()));
        at = body + len + BLOCK_TAIL;
    }
    blocks
}

/// Puts blocks together, with right checksums and chain values.
pub fn together(blocks: &[Block]) -> Vec<u8> {
    let header = blocks.first().map_or(&[][..], |block| &block.2);
    let hash = blake3::hash(header);
    let tag = &hash.as_bytes()[..8];
    let mut file = b"\x89AFT\r\n\x1a\n\x01\x00\x03\x00".to_vec();
    file.extend_from_slice(tag);
    file.extend_from_slice(&crc32c::crc32c(&file).to_le_bytes());
    let mut chain = *blake3::hash(&file).as_bytes();
    for (seq, (ty, flags, body)) in blocks.iter().enumerate() {
        let start = file.len();
        let len = (body.len() as u32).to_le_bytes();
        file.extend_from_slice(&SYNC);
        file.extend_from_slice(&ty.to_le_bytes());
        file.extend_from_slice(&flags.to_le_bytes());
        file.extend_from_slice(&len);
        file.extend_from_slice(&(seq as u64).to_le_bytes());
        file.extend_from_slice(tag);
        file.extend_from_slice(&crc32c::crc32c(&file[start..]).to_le_bytes());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&chain).update(&file[start..]).update(body);
        chain = *hasher.finalize().as_bytes();
        file.extend_from_slice(body);
        file.extend_from_slice(&chain);
        file.extend_from_slice(&crc32c::crc32c(&file[start..]).to_le_bytes());
        file.extend_from_slice(&len);
    }
    file
}

/// Header, schema, index and footer of a capture with nothing in it.
pub fn empty() -> Vec<Block> {
    // Made once: it took a fifth of the time of those who look at thousands of bodies.
    static EMPTY: LazyLock<Vec<Block>> = LazyLock::new(|| {
        let (manifest, schema) = (Manifest::default(), Schema::default());
        let made = Writer::new(Vec::new(), &manifest, &schema, WriterOptions::default())
            .and_then(|writer| writer.seal(&Totals::default(), &Tables::default()));
        apart(&made.unwrap_or_default())
    });
    EMPTY.clone()
}

/// Asks everything there is to ask of a capture.
pub fn read(file: Vec<u8>) {
    static OURS: LazyLock<Identities> =
        LazyLock::new(|| Identities::parse(IDENTITY).unwrap_or_default());
    let identities = OURS.clone();
    let checks = Checks {
        identities: identities.clone(),
        ..Checks::thorough()
    };
    let _ = check_bytes(file.clone(), &checks);
    let Ok(reader) = Reader::from_bytes_with(file, &identities) else {
        return;
    };
    for at in 0..reader.chunks().len() {
        let _ = (reader.zone(at), reader.chunk(at), reader.loss(at));
    }
    for at in 0..reader.artifacts() {
        let _ = reader.artifact(at);
    }
    let _ = (
        reader.names(),
        reader.keyframe(BootNs(u64::MAX)),
        reader.keyframe(BootNs(5)),
    );
}

/// Reads captures with a block of this type and body: unsealed, and with the index and footer of another behind it.
pub fn block(ty: u16, body: &[u8]) {
    let empty = empty();
    let place = match ty {
        block::HEADER => 0,
        block::SCHEMA => 1,
        block::INDEX => 2,
        block::FOOTER => 3,
        _ => empty.len(),
    };
    // A first byte of flags, so that compressed and sealed bodies are reached, too.
    let (flags, body) = body
        .split_first()
        .map_or((0, body), |(flags, body)| (u16::from(flags & 7), body));
    let mut blocks = empty;
    match blocks.get_mut(place) {
        Some(other) => *other = (ty, flags, body.to_vec()),
        None => blocks.insert(2, (ty, flags, body.to_vec())),
    }
    read(together(&blocks));
    blocks.truncate(3);
    read(together(&blocks));
}

/// Reads a capture that says it is encrypted with this as its key.
pub fn key(wrapped: &[u8]) {
    let mut blocks = empty();
    let Some((_, _, header)) = blocks.first_mut() else {
        return;
    };
    for (tag, value) in [(68, &b"age1"[..]), (69, wrapped)] {
        header.extend_from_slice(&[tag]);
        let mut len = value.len();
        while len >= 0x80 {
            header.push(len as u8 | 0x80);
            len >>= 7;
        }
        header.push(len as u8);
        header.extend_from_slice(value);
    }
    blocks.insert(2, (block::KEY, 0, wrapped.to_vec()));
    blocks.insert(3, (block::STATE, FLAG_SEALED, vec![0; 16]));
    read(together(&blocks));
}
