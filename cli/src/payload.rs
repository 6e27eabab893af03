//! Payload under the line of its event: what was read and written, as text, in hex or in base64.

use crate::output::Output;
use afterimage_model::{Ctx, Safe, Value, render};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::io::{self, Write};

/// How payload is printed.
#[derive(Clone, Copy)]
pub enum Bytes {
    Ascii,
    Hex,
    HexAscii,
    Base64,
}

/// The payload of an event, under its line.
pub fn print_bytes(out: &mut Output, ctx: &Ctx<'_>, form: Bytes) -> io::Result<()> {
    let Some(ty) = ctx.ty() else { return Ok(()) };
    for (desc, value) in ty.args.iter().zip(&ctx.event.args) {
        let kind = desc.kind().filter(|kind| kind.is_payload());
        let (Some(kind), Value::Bytes(blob)) = (kind, value) else {
            continue;
        };
        if blob.bytes.is_empty() {
            continue;
        }
        for line in dump(&render::payload(kind, &blob.bytes), form) {
            writeln!(out, "    {line}")?;
        }
        if blob.is_cut() {
            writeln!(
                out,
                "    … {} of {} bytes kept",
                blob.bytes.len(),
                blob.full_len
            )?;
        }
    }
    Ok(())
}

/// Bytes as printable lines.
fn dump(bytes: &[u8], form: Bytes) -> Vec<String> {
    match form {
        Bytes::Ascii => {
            let lines = bytes
                .strip_suffix(b"\n")
                .unwrap_or(bytes)
                .split(|b| *b == b'\n');
            lines.map(|line| Safe::new(line).to_string()).collect()
        }
        Bytes::Base64 => vec![BASE64_STANDARD.encode(bytes)],
        Bytes::Hex | Bytes::HexAscii => bytes
            .chunks(16)
            .enumerate()
            .map(|(row, chunk)| {
                let mut line = format!("{:04x} ", row * 16);
                for at in 0..16 {
                    if at == 8 {
                        line.push(' ');
                    }
                    line.push_str(
                        &chunk
                            .get(at)
                            .map_or_else(|| "   ".to_owned(), |byte| format!(" {byte:02x}")),
                    );
                }
                if matches!(form, Bytes::HexAscii) {
                    line.push_str("  ");
                    line.extend(chunk.iter().map(|b| {
                        if b.is_ascii_graphic() || *b == b' ' {
                            char::from(*b)
                        } else {
                            '.'
                        }
                    }));
                }
                line.truncate(line.trim_end().len());
                line
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_printed_without_what_a_terminal_would_obey() {
        assert_eq!(
            dump(b"GET /\r\n\x1b[2J\n", Bytes::Ascii),
            ["GET /\\r", "\\x1b[2J"]
        );
        assert_eq!(
            dump(b"\x1bAB", Bytes::HexAscii),
            ["0000  1b 41 42                                          .AB"]
        );
        assert_eq!(
            dump(&[0; 17], Bytes::Hex),
            [
                "0000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00",
                "0010  00"
            ]
        );
    }
}
