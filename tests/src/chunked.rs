//! A capture of several chunks, which samples are too small to have.

use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::Totals;
use std::path::Path;

/// The events of a sample, a hundred to a chunk.
///
/// # Panics
/// When the sample is not there.
pub fn capture() -> Vec<u8> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/crash-loop.aft");
    let sample = Reader::open(&sample).expect("a sample");
    // The same events in several chunks, as a recorder writes them that runs for longer.
    let mut writer = Writer::new(
        Vec::new(),
        sample.manifest(),
        sample.schema(),
        WriterOptions::default(),
    )
    .expect("it begins");
    let mut written = 0;
    for at in 0..sample.chunks().len() {
        let chunk = sample.chunk(at).expect("it is whole");
        for (at, event) in chunk.events.into_iter().enumerate() {
            if at % 100 == 99 {
                writer.flush(&chunk.tables).expect("a chunk");
            }
            writer.push(event, &chunk.tables).expect("an event");
            written += 1;
        }
        writer.flush(&chunk.tables).expect("a chunk");
    }
    let totals = Totals {
        offered: written,
        written,
        ..Totals::default()
    };
    writer.seal(&totals, sample.state()).expect("it is sealed")
}
