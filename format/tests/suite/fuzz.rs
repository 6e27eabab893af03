//! The short form of the fuzz targets: bodies of every kind of block as they are written, changed a few thousand times by a
//! seeded generator, with every checksum right. Nothing panics, hangs, or takes memory for what is not there. With
//! `AFTERIMAGE_SEEDS` naming a folder, the bodies are also written there, as seeds for the long form.

use crate::evidence::{key, signed};
use crate::story::story;
use afterimage_format::layout::block;
use afterimage_format::{Artifact, Identities, Note, Reader, Recipient, Writer, WriterOptions};
use afterimage_model::{BootNs, Totals};
use std::path::PathBuf;

#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/probe.rs"]
mod probe;

use dice::Dice;

impl Dice {
    /// Flips, overwrites, inserts, removes or doubles some bytes.
    fn change(&mut self, body: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(body.len() + 1);
            match (self.roll(6), body.get_mut(at)) {
                (0, Some(byte)) => *byte ^= 1 << self.roll(8),
                (1, Some(byte)) => *byte = [0, 1, 0x7f, 0x80, 0xff][self.roll(5)],
                (2, _) => body.insert(at, self.roll(256) as u8),
                (3, Some(_)) => {
                    body.remove(at);
                }
                (4, _) => body.truncate(at),
                _ => {
                    let end = (at + self.roll(16)).min(body.len());
                    let again = body[at.min(end)..end].to_vec();
                    body.splice(at..at, again);
                }
            }
        }
    }
}

#[test]
fn bodies_of_every_kind_of_block_may_be_anything() {
    let story = story();
    let mut writer = Writer::new(
        Vec::new(),
        &story.manifest,
        &story.schema,
        WriterOptions::default(),
    )
    .unwrap();
    writer.keyframe(BootNs(1), &story.tables).unwrap();
    writer
        .artifact(&Artifact {
            bytes: vec![7; 30],
            ..Artifact::default()
        })
        .unwrap();
    writer.note(&Note::default()).unwrap();
    let more = writer.seal(&Totals::default(), &story.tables).unwrap();
    let texts = crate::pieces::capture();
    let mut bodies: Vec<probe::Block> = [story.write(), signed(&story, &key(1)).0, more, texts]
        .iter()
        .flat_map(|file| probe::apart(file))
        .collect();
    bodies.sort();
    bodies.dedup();
    for (ty, _, _) in block::ALL.iter().filter(|row| row.0 != block::KEY) {
        assert!(
            bodies.iter().any(|body| body.0 == *ty),
            "no block of type {ty}"
        );
    }
    let seeds = std::env::var_os("AFTERIMAGE_SEEDS").map(PathBuf::from);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (at, (ty, flags, body)) in bodies.iter().enumerate() {
        let body = [&[*flags as u8][..], body].concat();
        if let Some(seeds) = &seeds {
            let name = block::ALL
                .iter()
                .find(|row| row.0 == *ty)
                .map_or("", |row| row.1);
            std::fs::create_dir_all(seeds.join(name)).unwrap();
            std::fs::write(seeds.join(name).join(format!("{at}")), &body).unwrap();
        }
        for _ in 0..120 {
            let mut changed = body.clone();
            dice.change(&mut changed);
            probe::block(*ty, &changed);
        }
    }
}

#[test]
fn the_key_of_an_encrypted_capture_may_be_anything() {
    let recipients: Vec<Recipient> = Identities::parse(probe::IDENTITY).unwrap().recipients();
    let options = WriterOptions {
        recipients,
        ..WriterOptions::default()
    };
    let story = story();
    let writer = Writer::new(Vec::new(), &story.manifest, &story.schema, options).unwrap();
    let file = writer.seal(&Totals::default(), &story.tables).unwrap();
    let reader =
        Reader::from_bytes_with(file, &Identities::parse(probe::IDENTITY).unwrap()).unwrap();
    let mut dice = Dice(77);
    for _ in 0..2_000 {
        let mut changed = reader.lineage().key.clone();
        dice.change(&mut changed);
        probe::key(&changed);
    }
}
