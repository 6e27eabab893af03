//! A capture as a forger sees it: blocks that can be changed, dropped, moved and added, and are then put together again
//! with every length, number, checksum, chain value, index and footer count right. Only signatures cannot be made.

use afterimage_format::layout::{
    self, BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, SYNC, block,
};

/// A block without what follows from its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub ty: u16,
    pub flags: u16,
    pub body: Vec<u8>,
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn take_varint(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a record.
pub fn fields(body: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < body.len() {
        let tag = take_varint(body, &mut at);
        let len = take_varint(body, &mut at) as usize;
        found.push((tag, body[at..at + len].to_vec()));
        at += len;
    }
    found
}

pub fn record(fields: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let one = |(tag, value): &(u64, Vec<u8>)| {
        [varint(*tag), varint(value.len() as u64), value.clone()].concat()
    };
    fields.iter().flat_map(one).collect()
}

/// A record with one field set, or taken out.
pub fn set(body: &[u8], tag: u64, value: Option<Vec<u8>>) -> Vec<u8> {
    let mut all = fields(body);
    all.retain(|field| field.0 != tag);
    all.extend(value.map(|value| (tag, value)));
    all.sort_by_key(|field| field.0);
    record(&all)
}

pub fn get(body: &[u8], tag: u64) -> Option<Vec<u8>> {
    fields(body).into_iter().rfind(|f| f.0 == tag).map(|f| f.1)
}

/// Takes a file apart.
pub fn apart(file: &[u8]) -> Vec<Piece> {
    let (mut at, mut pieces) = (FILE_HEAD, Vec::new());
    while at < file.len() {
        let u16_at = |at: usize| u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        pieces.push(Piece {
            ty: u16_at(at + 4),
            flags: u16_at(at + 6),
            body: file[at + BLOCK_HEAD..at + BLOCK_HEAD + len].to_vec(),
        });
        at += BLOCK_HEAD + len + BLOCK_TAIL;
    }
    pieces
}

fn chain_field(ty: u16) -> Option<u64> {
    match ty {
        block::CHECKPOINT => Some(4),
        block::FOOTER => Some(21),
        block::NOTE => Some(9),
        _ => None,
    }
}

fn zone_number(piece: &Piece, body: &[u8], tag: u64) -> u64 {
    if piece.flags & FLAG_SEALED != 0 {
        let at = [8, 0, 16, 24][tag as usize - 1];
        return u64::from_le_bytes(body[at..at + 8].try_into().unwrap());
    }
    let zone = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
    get(&body[12..12 + zone], tag).map_or(0, |value| take_varint(&value, &mut 0))
}

/// Puts pieces together again. `keep` says of which pieces the fields that follow from their place are left as they are.
pub fn together(pieces: &[Piece], keep: impl Fn(&Piece) -> bool) -> Vec<u8> {
    let tag: [u8; 8] = blake3::hash(&pieces[0].body).as_bytes()[..8]
        .try_into()
        .unwrap();
    let mut file = b"\x89AFT\r\n\x1a\n\x01\x00".to_vec();
    file.extend_from_slice(&layout::VERSION_MINOR.to_le_bytes());
    file.extend_from_slice(&tag);
    file.extend_from_slice(&crc32c::crc32c(&file).to_le_bytes());
    let mut chain = *blake3::hash(&file).as_bytes();
    let (mut index, mut events, mut index_at) = (Vec::new(), 0_u64, 0_u64);
    let (mut num, mut time, mut count) = (0_u64, 0_u64, [0_u64; 16]);
    for (seq, piece) in pieces.iter().enumerate() {
        let mut body = piece.body.clone();
        if !keep(piece) {
            if piece.flags & FLAG_SEALED == 0
                && let Some(field) = chain_field(piece.ty)
                && get(&body, field).is_some()
            {
                body = set(&body, field, Some(chain.to_vec()));
            }
            match piece.ty {
                block::CHECKPOINT => {
                    body = set(&body, 2, Some(varint(seq as u64)));
                    body = set(&body, 3, (events > 0).then(|| varint(events)));
                }
                block::INDEX => body = [varint(seq as u64), index.clone()].concat(),
                block::FOOTER => {
                    for (field, value) in [
                        (16, seq as u64),
                        (17, count[usize::from(block::CHUNK)]),
                        (18, events),
                        (19, count[usize::from(block::GAP)]),
                        (20, index_at),
                    ] {
                        body = set(&body, field, (value > 0).then(|| varint(value)));
                    }
                }
                _ => {}
            }
        }
        if piece.ty == block::INDEX {
            index_at = file.len() as u64;
        }
        count[usize::from(piece.ty)] += 1;
        index.extend(varint(u64::from(piece.ty)));
        index.extend(varint((BLOCK_HEAD + body.len() + BLOCK_TAIL) as u64));
        if piece.ty == block::CHUNK {
            let [n, first, start, end] = [1, 2, 3, 4].map(|tag| zone_number(piece, &body, tag));
            index.extend(varint(first.wrapping_sub(num)));
            index.extend(varint(n));
            index.extend(varint(start.wrapping_sub(time)));
            index.extend(varint(end - start));
            (num, time) = (first + n, start);
            events += n;
        }
        let mut head = SYNC.to_vec();
        head.extend_from_slice(&piece.ty.to_le_bytes());
        head.extend_from_slice(&piece.flags.to_le_bytes());
        head.extend_from_slice(&(body.len() as u32).to_le_bytes());
        head.extend_from_slice(&(seq as u64).to_le_bytes());
        head.extend_from_slice(&tag);
        head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
        let mut hasher = blake3::Hasher::new();
        hasher.update(&chain).update(&head).update(&body);
        chain = *hasher.finalize().as_bytes();
        let start = file.len();
        file.extend_from_slice(&head);
        file.extend_from_slice(&body);
        file.extend_from_slice(&chain);
        let crc = crc32c::crc32c(&file[start..]);
        file.extend_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    }
    file
}
