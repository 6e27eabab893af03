//! Varints, tagged fields and records: the encoding of everything in a capture that is not a column of events.
//!
//! A record is a run of fields, each a tag, a length and that many bytes. A reader skips tags it does not know, so fields
//! can be added for ever; a field with its default value is not written.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{MAX_ITEMS, SIGNATURE};
use afterimage_model::{
    BootNs, ContainerId, FileId, FileKind, GapCause, Origin, ProcId, Protocol, Role,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Appends a LEB128 varint: seven bits a byte, lowest first, the high bit set on all but the last.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    let bits = 64_u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// Signed to unsigned, small magnitudes to small numbers: 0, -1, 1, -2 … become 0, 1, 2, 3 …
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ (value & 1).wrapping_neg() as i64
}

/// Bytes being taken apart from the front.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Cursor { rest }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], ErrorKind> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(ErrorKind::Short {
            what: "field",
            expected: len as u64,
            found: self.rest.len() as u64,
        })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorKind> {
        self.take(N)?
            .try_into()
            .map_err(|_| malformed("fixed field"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ErrorKind> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ErrorKind> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ErrorKind> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ErrorKind> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, ErrorKind> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                return Err(malformed("varint"));
            };
            self.rest = rest;
            if shift == 63 && *byte > 1 {
                return Err(malformed("varint"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("varint"))
    }

    /// Takes the varints of one byte from here on, at most so many.
    pub(crate) fn run_of_small(&mut self, most: usize) -> &'a [u8] {
        let rest = self.rest.get(..most).unwrap_or(self.rest);
        if rest.first().is_none_or(|byte| byte & 0x80 != 0) {
            return &[];
        }
        let blocks = rest.chunks(16).take_while(|block| {
            let all = block.iter().fold(0, |all, byte| all | byte);
            all & 0x80 == 0
        });
        let len = blocks.map(<[u8]>::len).sum();
        let tail = rest.get(len..).unwrap_or_default();
        let more = tail.iter().take_while(|byte| **byte & 0x80 == 0).count();
        let (run, rest) = self
            .rest
            .split_at_checked(usize::saturating_add(len, more))
            .unwrap_or((&[], self.rest));
        self.rest = rest;
        run
    }

    /// A count of things that each take at least one byte of what is left.
    pub(crate) fn count(&mut self, what: &'static str) -> Result<usize, ErrorKind> {
        let count = self.varint()?;
        limit(what, count, self.left() as u64)?;
        usize::try_from(count).map_err(|_| malformed(what))
    }

    /// The next tagged field, if there is one.
    pub(crate) fn field(&mut self) -> Result<Option<(u64, &'a [u8])>, ErrorKind> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let len = self.count("field length")?;
        Ok(Some((tag, self.take(len)?)))
    }
}

/// What is signed, and the signature.
pub(crate) type Signed<'a> = (&'a [u8], &'a [u8]);

/// Takes a record whose last field is a signature apart. `None` when it has none.
pub(crate) fn split_signature(body: &[u8]) -> Result<Option<Signed<'_>>, ErrorKind> {
    let mut cursor = Cursor::new(body);
    loop {
        let before = cursor.left();
        match cursor.field()? {
            None => return Ok(None),
            Some((SIGNATURE, signature)) => {
                if cursor.left() != 0 {
                    return Err(malformed("fields behind the signature"));
                }
                let signed = body.len().saturating_sub(before);
                return Ok(Some((body.get(..signed).unwrap_or_default(), signature)));
            }
            Some(_) => {}
        }
    }
}

/// Appends a field of any bytes.
pub(crate) fn put_field(out: &mut Vec<u8>, tag: u64, value: &[u8]) {
    put_varint(out, tag);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// One field of a record, as the documents and the schema block describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// Its tag.
    pub tag: u64,
    /// Its name, as in the model.
    pub name: &'static str,
    /// How its bytes are read: `uint`, `int`, `text`, `bytes`, `address`, `record`; `…*` may occur many times.
    pub wire: &'static str,
    /// One sentence.
    pub doc: &'static str,
}

/// A value that is a run of tagged fields.
pub(crate) trait Record: Sized {
    /// The value when no field is there.
    fn blank() -> Self;
    /// The fields, in tag order.
    fn rows() -> Vec<FieldRow>;
    /// Appends every field that is not at its default.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes one field; unknown tags change nothing.
    fn set(&mut self, tag: u64, value: &[u8]) -> Result<(), ErrorKind>;

    /// The whole record.
    fn decode(bytes: &[u8]) -> Result<Self, ErrorKind> {
        let mut record = Self::blank();
        let mut cursor = Cursor::new(bytes);
        while let Some((tag, value)) = cursor.field()? {
            record.set(tag, value)?;
        }
        Ok(record)
    }

    /// The whole record as bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }
}

/// A type that can be a field of a record.
pub(crate) trait Field {
    /// See [`FieldRow::wire`].
    const WIRE: &'static str;
    fn put(&self, tag: u64, out: &mut Vec<u8>);
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind>;
}

/// The wire name of a field, from a value of its type.
pub(crate) fn wire_of<F: Field>(_: &F) -> &'static str {
    F::WIRE
}

/// Declares the fields of a record: one row is encoder, decoder, self-description and document.
macro_rules! record {
    ($ty:ty, $blank:expr; $($tag:literal $($field:ident).+ $doc:literal;)*) => {
        impl $crate::wire::Record for $ty {
            fn blank() -> Self {
                $blank
            }
            fn rows() -> Vec<$crate::wire::FieldRow> {
                let blank = <$ty as $crate::wire::Record>::blank();
                vec![$($crate::wire::FieldRow {
                    tag: $tag,
                    name: stringify!($($field).+),
                    wire: $crate::wire::wire_of(&blank.$($field).+),
                    doc: $doc,
                }),*]
            }
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::wire::Field::put(&self.$($field).+, $tag, out);)*
            }
            fn set(&mut self, tag: u64, value: &[u8]) -> Result<(), $crate::error::ErrorKind> {
                match tag {
                    $($tag => $crate::wire::Field::take(&mut self.$($field).+, value),)*
                    _ => Ok(()),
                }
            }
        }
    };
}
pub(crate) use record;

/// Makes lists of a record type usable as a repeated field.
macro_rules! repeated {
    ($($ty:ty),*) => {$(
        impl $crate::wire::Field for Vec<$ty> {
            const WIRE: &'static str = "record*";
            fn put(&self, tag: u64, out: &mut Vec<u8>) {
                for item in self {
                    $crate::wire::put_field(out, tag, &$crate::wire::Record::encode(item));
                }
            }
            fn take(&mut self, value: &[u8]) -> Result<(), $crate::error::ErrorKind> {
                $crate::error::limit("list", self.len() as u64, $crate::layout::MAX_ITEMS)?;
                self.push(<$ty as $crate::wire::Record>::decode(value)?);
                Ok(())
            }
        }
    )*};
}
pub(crate) use repeated;

/// A type that travels as one number.
pub(crate) trait Scalar: Sized {
    const WIRE: &'static str = "uint";
    fn to_wire(&self) -> u64;
    fn from_wire(value: u64) -> Result<Self, ErrorKind>;
}

fn put_scalar<S: Scalar>(out: &mut Vec<u8>, tag: u64, value: &S) {
    let value = value.to_wire();
    put_varint(out, tag);
    put_varint(out, varint_len(value) as u64);
    put_varint(out, value);
}

fn take_scalar<S: Scalar>(value: &[u8]) -> Result<S, ErrorKind> {
    let mut cursor = Cursor::new(value);
    let number = cursor.varint()?;
    if cursor.left() != 0 {
        return Err(malformed("number"));
    }
    S::from_wire(number)
}

macro_rules! scalar {
    ($($ty:ty, $wire:literal, |$value:ident| $to:expr, |$number:ident| $from:expr;)*) => {$(
        impl Scalar for $ty {
            const WIRE: &'static str = $wire;
            fn to_wire(&self) -> u64 {
                let $value = *self;
                $to
            }
            fn from_wire($number: u64) -> Result<Self, ErrorKind> {
                $from
            }
        }
        impl Field for $ty {
            const WIRE: &'static str = <$ty as Scalar>::WIRE;
            fn put(&self, tag: u64, out: &mut Vec<u8>) {
                if self.to_wire() != 0 {
                    put_scalar(out, tag, self);
                }
            }
            fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
                *self = take_scalar(value)?;
                Ok(())
            }
        }
    )*};
}

fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, ErrorKind> {
    T::try_from(number).map_err(|_| malformed("number"))
}

/// A code of one byte; larger ones belong to later versions and map to what "unknown" maps to.
fn code(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

scalar! {
    u8, "uint", |v| u64::from(v), |n| narrow(n);
    u16, "uint", |v| u64::from(v), |n| narrow(n);
    u32, "uint", |v| u64::from(v), |n| narrow(n);
    u64, "uint", |v| v, |n| Ok(n);
    i64, "int", |v| zigzag(v), |n| Ok(unzigzag(n));
    bool, "uint", |v| u64::from(v), |n| Ok(n != 0);
    ProcId, "uint", |v| u64::from(v.0), |n| narrow(n).map(ProcId);
    ContainerId, "uint", |v| u64::from(v.0), |n| narrow(n).map(ContainerId);
    FileId, "uint", |v| u64::from(v.0), |n| narrow(n).map(FileId);
    BootNs, "uint", |v| v.0, |n| Ok(BootNs(n));
    Protocol, "uint", |v| u64::from(v.0), |n| narrow(n).map(Protocol);
    FileKind, "uint", |v| v as u64, |n| Ok(FileKind::from_code(code(n)));
    GapCause, "uint", |v| v as u64, |n| Ok(GapCause::from_code(code(n)));
    Origin, "uint", |v| v as u64, |n| Ok(match n { 1 => Origin::Procfs, 2 => Origin::Runtime, 3 => Origin::Told, _ => Origin::Kernel });
    Role, "uint", |v| v as u64, |n| Ok(match n { 1 => Role::Client, 2 => Role::Server, _ => Role::Unknown });
}

impl<S: Scalar> Field for Option<S> {
    const WIRE: &'static str = S::WIRE;
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        if let Some(value) = self {
            put_scalar(out, tag, value);
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = Some(take_scalar(value)?);
        Ok(())
    }
}

impl Field for Vec<u8> {
    const WIRE: &'static str = "bytes";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put_field(out, tag, self);
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = value.to_vec();
        Ok(())
    }
}

fn text(value: &[u8]) -> Result<String, ErrorKind> {
    std::str::from_utf8(value)
        .map(str::to_owned)
        .map_err(|_| malformed("UTF-8 text"))
}

impl Field for String {
    const WIRE: &'static str = "text";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put_field(out, tag, self.as_bytes());
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        *self = text(value)?;
        Ok(())
    }
}

impl Field for Vec<String> {
    const WIRE: &'static str = "text*";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        for item in self {
            put_field(out, tag, item.as_bytes());
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        limit("list", self.len() as u64, MAX_ITEMS)?;
        self.push(text(value)?);
        Ok(())
    }
}

impl Field for BTreeMap<String, String> {
    const WIRE: &'static str = "pair*";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        for (key, value) in self {
            let mut pair = Vec::new();
            key.put(1, &mut pair);
            value.put(2, &mut pair);
            put_field(out, tag, &pair);
        }
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        limit("list", self.len() as u64, MAX_ITEMS)?;
        let (mut key, mut text) = (String::new(), String::new());
        let mut cursor = Cursor::new(value);
        while let Some((tag, value)) = cursor.field()? {
            match tag {
                1 => key.take(value)?,
                2 => text.take(value)?,
                _ => {}
            }
        }
        self.insert(key, text);
        Ok(())
    }
}

/// Address, port, and for IPv6 the flow label and scope, little endian except the address itself.
impl Field for SocketAddr {
    const WIRE: &'static str = "address";
    fn put(&self, tag: u64, out: &mut Vec<u8>) {
        let mut value = match self.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        value.extend_from_slice(&self.port().to_le_bytes());
        if let SocketAddr::V6(v6) = self {
            value.extend_from_slice(&v6.flowinfo().to_le_bytes());
            value.extend_from_slice(&v6.scope_id().to_le_bytes());
        }
        put_field(out, tag, &value);
    }
    fn take(&mut self, value: &[u8]) -> Result<(), ErrorKind> {
        let mut cursor = Cursor::new(value);
        *self = match value.len() {
            6 => SocketAddr::from((Ipv4Addr::from(cursor.array::<4>()?), cursor.u16()?)),
            26 => {
                let ip = Ipv6Addr::from(cursor.array::<16>()?);
                SocketAddr::V6(SocketAddrV6::new(
                    ip,
                    cursor.u16()?,
                    cursor.u32()?,
                    cursor.u32()?,
                ))
            }
            _ => return Err(malformed("socket address")),
        };
        Ok(())
    }
}
