//! Captures of sysdig that are cut, bent or nothing of the kind: never a panic, and what is whole is read.

use afterimage_format::Reader;
use afterimage_interop::{Error, Provenance, open, scap};
use afterimage_model::{Ctx, Event};
use proptest::prelude::*;
use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// A capture of a few events, as scap.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
        let reader = Reader::open(&sample).unwrap();
        let mut some = |ctx: &Ctx<'_>| ctx.num.is_multiple_of(16);
        scap::write(&reader, Vec::new(), false, &mut some)
            .unwrap()
            .0
    })
}

fn read(bytes: &[u8]) -> Result<Reader, Error> {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let (made, report) =
        scap::convert(input, Vec::new(), open::manifest(), &Provenance::default())?;
    let reader = Reader::from_bytes(made).unwrap();
    assert_eq!(reader.events(), report.events);
    Ok(reader)
}

/// The events, as far as they are told by themselves.
fn events(reader: &Reader) -> Vec<(u64, u32, u16)> {
    let chunks = (0..reader.chunks().len()).map(|at| reader.chunk(at).unwrap());
    let events = chunks.flat_map(|chunk| chunk.events);
    events
        .map(|event| (event.time.0, event.tid, event.ty.0))
        .collect()
}

#[test]
fn a_capture_after_a_capture_is_read_too() {
    let once = read(whole()).unwrap();
    let twice = read(&[whole(), whole()].concat()).unwrap();
    assert_eq!(twice.gaps(), []);
    assert_eq!(twice.events(), once.events() * 2);
}

#[test]
fn what_is_handed_over_as_it_comes_is_what_is_handed_over_in_whole_chunks() {
    let convert = |patience: Option<Duration>| {
        let stream = scap::Stream::open(Box::new(whole()), open::manifest()).unwrap();
        let mut writer = stream.writer(Vec::new(), &Provenance::default()).unwrap();
        let take = &mut |stretch: &scap::Stretch| stretch.write(&mut writer).map(|()| true);
        let ended = match patience {
            Some(patience) => stream.chunks_as_they_come(patience, take),
            None => stream.chunks(take),
        };
        let (made, _) = ended.unwrap().unwrap().seal(writer).unwrap();
        Reader::from_bytes(made).unwrap()
    };
    let chunks = convert(None);
    assert_eq!(chunks.chunks().len(), 1);
    // With each event, but for the first one, which is read before, to learn when it all began; and later than any capture takes.
    for (patience, number) in [
        (Duration::ZERO, chunks.events() as usize - 1),
        (Duration::MAX, 1),
    ] {
        let pieces = convert(Some(patience));
        assert_eq!(pieces.chunks().len(), number);
        assert_eq!(events(&pieces), events(&chunks));
        assert_eq!(told(&pieces), told(&chunks));
    }
}

/// Who did what to which file, event by event.
fn told(reader: &Reader) -> Vec<String> {
    let chunks = (0..reader.chunks().len()).map(|at| reader.chunk(at).unwrap());
    let of = |chunk: afterimage_format::Chunk| {
        let tell = |event: &Event| {
            let proc = chunk.tables.proc(event.proc).unwrap();
            let file = event.file.and_then(|file| chunk.tables.file(file));
            let file = file.map(|file| (file.kind, file.name()));
            format!("{:?} {:?} {file:?} {:?}", proc.key, proc.comm, event.args)
        };
        chunk.events.iter().map(tell).collect::<Vec<_>>()
    };
    chunks.flat_map(of).collect()
}

/// A block of an event: its stamp, its code, its one parameter.
fn block(ts: u64, code: u16, parameter: &[u8]) -> Vec<u8> {
    let mut event = 0u16.to_le_bytes().to_vec();
    event.extend(ts.to_le_bytes());
    event.extend(u64::MAX.to_le_bytes());
    let len = 26 + 2 + parameter.len() as u32;
    event.extend(len.to_le_bytes());
    event.extend(code.to_le_bytes());
    event.extend(1u32.to_le_bytes());
    event.extend((parameter.len() as u16).to_le_bytes());
    event.extend(parameter);
    event.resize(event.len().next_multiple_of(4), 0);
    let around = (event.len() as u32 + 12).to_le_bytes();
    let ty = 0x216u32.to_le_bytes();
    [&ty[..], &around, &event, &around].concat()
}

#[test]
fn the_clock_starts_with_the_first_event_that_says_when_it_happened() {
    const EVENT: [u32; 4] = [0x204, 0x208, 0x216, 0x217];
    let word = |at: usize| u32::from_le_bytes(whole()[at..at + 4].try_into().unwrap());
    let mut at = 0;
    while !EVENT.contains(&word(at)) {
        at += word(at + 4) as usize;
    }
    let json = br#"{"container":{"id":"5d146d898ce4","name":"web","type":0}}"#;
    let (front, events) = whole().split_at(at);
    let before = [
        block(0, 272, json),
        block(7, 272, json),
        block(u64::MAX, 0, b""),
    ]
    .concat();
    let (plain, told) = (
        read(whole()).unwrap(),
        read(&[front, &before, events].concat()).unwrap(),
    );
    assert_eq!(told.gaps(), []);
    assert_eq!(told.events(), plain.events() + 3);
    assert!(plain.manifest().clock.boot_ns > 0);
    assert_eq!(told.manifest().clock, plain.manifest().clock);
    // Nothing in it says when.
    let none = read(&[front, &block(0, 272, json)].concat()).unwrap();
    assert_eq!((none.events(), none.manifest().clock.boot_ns), (1, 0));
}

#[test]
fn of_damaged_gzip_what_lies_in_front_of_the_damage_is_read() {
    let mut packed = Vec::new();
    let mut encoder = flate2::bufread::GzEncoder::new(whole(), flate2::Compression::fast());
    std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
    let all = events(&read(whole()).unwrap());
    assert_eq!(events(&read(&packed).unwrap()), all);
    // A block of a type that there is not, in the last quarter: nothing behind it can be unpacked.
    let at = packed.len() * 3 / 4;
    packed.truncate(at);
    packed.extend([0xff; 64]);
    let reader = read(&packed).unwrap();
    let some = events(&reader);
    assert!(
        all.starts_with(&some) && some.len() * 2 > all.len(),
        "{} of {}",
        some.len(),
        all.len()
    );
    assert!(!reader.gaps().is_empty());
    // What cannot be unpacked at all is not called empty.
    let error = read(&[&packed[..10], &[0xff; 40]].concat()).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("could be unpacked"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_beginning_holds_the_first_events_and_says_that_it_is_torn(cut in 0..whole().len()) {
        if let Ok(reader) = read(&whole()[..cut]) {
            let (all, some) = (events(&read(whole()).unwrap()), events(&reader));
            prop_assert!(all.starts_with(&some), "{} of {}", some.len(), all.len());
        }
    }

    #[test]
    fn bent_bytes_never_make_it_fail(bent in prop::collection::vec((0..whole().len(), any::<u8>()), 1..8)) {
        let mut bytes = whole().to_vec();
        for (at, byte) in bent {
            bytes[at] = byte;
        }
        if let Ok(reader) = read(&bytes) {
            events(&reader);
        }
    }

    #[test]
    fn what_is_put_in_between_is_passed_over(at in 0..whole().len(), noise in prop::collection::vec(any::<u8>(), 1..200)) {
        let (before, after) = whole().split_at(at);
        if let Ok(reader) = read(&[before, &noise, after].concat()) {
            let all = read(whole()).unwrap().events();
            prop_assert!(reader.events() <= all + 4, "{} of {all}", reader.events());
        }
    }

    #[test]
    fn noise_is_no_capture(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&noise);
        // With the first bytes of a section, of gzip and of zstd before it.
        for magic in [&whole()[..28], &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd]] {
            let _ = read(&[magic, &noise].concat());
        }
    }
}
