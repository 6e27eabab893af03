//! Crashes: registers, frames and mappings as text.

use super::{Outcome, World};
use crate::decode::Record;
use crate::procfs::Life;
use crate::wire::{FramePart, RegistersPart};
use afterimage_model::{Blob, Value, signal};

/// Bytes kept of what was mapped.
const MOST_MAPS: usize = 64 << 10;

/// Names of the registers behind the first five.
const REGISTERS: [&str; 14] = [
    "ax", "bx", "cx", "dx", "si", "di", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];

fn text(text: String) -> Value {
    Value::Bytes(Blob::whole(text.into_bytes()))
}

fn registers(part: &RegistersPart) -> String {
    let first = [
        ("ip", part.ip),
        ("sp", part.sp),
        ("bp", part.bp),
        ("flags", part.flags),
    ];
    let others = REGISTERS.into_iter().zip(part.others);
    let all = first.into_iter().chain(others);
    let all: Vec<String> = all
        .map(|(name, value)| format!("{name}={value:#x}"))
        .collect();
    all.join(" ")
}

/// The last name of what is mapped; empty for memory without a file.
fn name(frame: &FramePart) -> String {
    let name = frame.name.split(|byte| *byte == 0).next();
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

/// `libc.so.6+0x3c050`: where in the file it is. An address alone where no file is known.
fn place(frame: &FramePart) -> String {
    match name(frame) {
        none if none.is_empty() => format!("{:#x}", frame.address),
        name => {
            let at = frame
                .address
                .wrapping_sub(frame.start)
                .wrapping_add(frame.offset);
            format!("{name}+{at:#x}")
        }
    }
}

/// A mapping that is known of one frame is that of every other that lies in it.
fn mapped(frames: &[FramePart]) -> Vec<FramePart> {
    let known = |frame: &FramePart| {
        let has = |other: &&FramePart| (other.start..other.end).contains(&frame.address);
        let place = frames.iter().find(has)?;
        Some(FramePart {
            address: frame.address,
            ..*place
        })
    };
    (frames.iter())
        .map(|frame| known(frame).unwrap_or(*frame))
        .collect()
}

/// What the frames lie in, where the process can no longer be asked.
fn mappings(frames: &[FramePart]) -> String {
    let mut found: Vec<String> = Vec::new();
    for frame in frames.iter().filter(|frame| frame.start > 0) {
        let (major, minor) = (frame.dev >> 20, frame.dev & 0xf_ffff);
        let line = format!(
            "{:x} {:08x} {major:02x}:{minor:02x} {} {}",
            frame.start,
            frame.offset,
            frame.ino,
            name(frame)
        );
        if !found.contains(&line) {
            found.push(line);
        }
    }
    found.join("\n")
}

impl World {
    pub(super) fn crash(&mut self, cpu: u16, record: &Record) -> Outcome {
        let (id, known) = self.who(record);
        let [sig, code, ..] = record.head.args;
        let number = |value: u64| Value::Num(value as i64);
        let (addr, ip, sp, all) = match &record.registers {
            None => Default::default(),
            Some(part) => (part.address, part.ip, part.sp, registers(part)),
        };
        let frames = mapped(&record.frames);
        let stack: Vec<String> = frames.iter().map(place).collect();
        // A process that is being dumped can still be asked; most are gone.
        let mut maps = Life::of(record.head.pid, record.head.start_ns)
            .and_then(|life| life.maps(MOST_MAPS))
            .unwrap_or_else(|| Blob::whole(mappings(&frames).into_bytes()));
        maps.bytes.truncate(MOST_MAPS);
        let args = [
            number(sig),
            text(signal::code_name(sig as i64, code as i64)),
            number(addr),
            number(ip),
            number(sp),
            text(all),
            text(stack.join(" ")),
            Value::Bytes(maps),
        ];
        let args = args.into_iter().collect();
        self.finish(cpu, record, id, known, "crash", args, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_by_its_place_in_the_file() {
        let mut frame = FramePart {
            address: 0x5555_5555_6123,
            start: 0x5555_5555_6000,
            end: 0x5555_5555_8000,
            offset: 0x1000,
            ino: 7,
            dev: 8 << 20 | 1,
            name: [0; 40],
        };
        frame.name[..3].copy_from_slice(b"app");
        assert_eq!(place(&frame), "app+0x1123");
        assert_eq!(
            mappings(&[frame, frame]),
            "555555556000 00001000 08:01 7 app"
        );
        let caller = FramePart {
            address: 0x5555_5555_7004,
            start: 0,
            end: 0,
            name: [0; 40],
            ..frame
        };
        let both = mapped(&[frame, caller]);
        assert_eq!(
            both.iter().map(place).collect::<Vec<_>>(),
            ["app+0x1123", "app+0x2004"]
        );
        frame.name = [0; 40];
        assert_eq!(place(&frame), "0x555555556123");
    }
}
