//! Where chunks come from: a capture file, or memory in tests.

use afterimage_format::{
    Choose, Chunk, ChunkInfo, Keyframe, Note, Picked, Pieces, Reader, Section,
};
use afterimage_model::{BootNs, ContainerId, Gap, Manifest, Schema, Tables, Totals, TypeId};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is told of a chunk without decoding it.
pub(crate) struct Told {
    /// The types of its events.
    pub types: Vec<TypeId>,
    /// The containers of their processes.
    pub containers: Vec<Option<ContainerId>>,
    /// Which pieces of texts its strings may hold.
    pub pieces: Pieces,
}

/// Something that holds a capture's chunks.
pub(crate) trait Source: Send + Sync {
    fn manifest(&self) -> &Manifest;
    fn schema(&self) -> &Schema;
    fn state(&self) -> &Tables;
    fn gaps(&self) -> &[Gap];
    /// The public key that it says it is signed with; empty where it is not signed.
    fn signer(&self) -> &[u8] {
        &[]
    }
    /// Whether it is a working copy of another program's capture.
    fn is_copy(&self) -> bool {
        false
    }
    fn totals(&self) -> Option<&Totals>;
    fn chunks(&self) -> &[ChunkInfo];
    fn chunk(&self, at: usize) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>>;
    /// The events of a chunk that `choose` wants; `None` when it wants none.
    fn pick(
        &self,
        at: usize,
        choose: &mut dyn Choose,
    ) -> Result<Option<Picked>, Box<dyn std::error::Error + Send + Sync>> {
        let mut chunk = self.chunk(at)?;
        let places: Vec<u32> = (0..).take(chunk.events.len()).collect();
        let chosen = choose.events(&chunk, &places);
        let of_places = places.into_iter().zip(&chosen);
        let places: Vec<u32> = of_places
            .filter_map(|(place, chosen)| chosen.then_some(place))
            .collect();
        let mut chosen = chosen.iter();
        chunk.events.retain(|_| chosen.next() == Some(&true));
        Ok((!places.is_empty()).then_some(Picked { chunk, places }))
    }
    /// A chunk in which events of types that are not wanted may be without arguments.
    fn chunk_with(
        &self,
        at: usize,
        _wanted: &mut dyn FnMut(TypeId) -> bool,
    ) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>> {
        self.chunk(at)
    }
    /// What is told of a chunk without decoding it.
    fn zone(&self, at: usize) -> Option<Told>;
    fn notes(&self) -> &[Note] {
        &[]
    }
    /// Whether what it holds must not reach a disk in the clear.
    fn is_encrypted(&self) -> bool {
        false
    }
    /// See [`Reader::resume`].
    fn resume(&self, _instant: BootNs, _spared: u64) -> Option<Keyframe> {
        None
    }
    /// See [`Reader::sections`].
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }
    /// See [`Reader::within`].
    fn within(&self, _section: &Section, _instant: BootNs) -> Option<Keyframe> {
        None
    }
    /// When a section begins, and what was there then; `None` where that cannot be read.
    fn section(&self, _section: &Section) -> Option<(BootNs, Tables)> {
        None
    }
    /// Names and hashes of the artifacts that can be read.
    fn artifacts(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        Vec::new()
    }
    /// See [`Reader::may_grow`].
    fn may_grow(&self) -> bool {
        false
    }
    /// See [`Reader::grown`].
    fn grown(&self) -> Result<Option<Box<dyn Source>>, afterimage_format::Error> {
        Ok(None)
    }
    /// See [`Reader::is_at`].
    fn is_at(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }
}

/// Most artifacts that are looked at for their hashes.
const MOST_ARTIFACTS: usize = 4096;

impl Source for Arc<Reader> {
    fn signer(&self) -> &[u8] {
        &self.lineage().signer
    }

    fn is_copy(&self) -> bool {
        self.as_ref().is_copy()
    }

    fn is_encrypted(&self) -> bool {
        self.as_ref().is_encrypted()
    }

    fn manifest(&self) -> &Manifest {
        self.as_ref().manifest()
    }

    fn schema(&self) -> &Schema {
        self.as_ref().schema()
    }

    fn state(&self) -> &Tables {
        self.as_ref().state()
    }

    fn gaps(&self) -> &[Gap] {
        self.as_ref().gaps()
    }

    fn totals(&self) -> Option<&Totals> {
        self.as_ref().totals()
    }

    fn chunks(&self) -> &[ChunkInfo] {
        self.as_ref().chunks()
    }

    fn chunk(&self, at: usize) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.as_ref().chunk(at)?)
    }

    fn pick(
        &self,
        at: usize,
        choose: &mut dyn Choose,
    ) -> Result<Option<Picked>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.as_ref().pick(at, choose)?)
    }

    fn chunk_with(
        &self,
        at: usize,
        wanted: &mut dyn FnMut(TypeId) -> bool,
    ) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.as_ref().chunk_with(at, wanted)?)
    }

    fn zone(&self, at: usize) -> Option<Told> {
        let zone = self.as_ref().zone(at).ok()?;
        Some(Told {
            types: zone.types.into_iter().map(|(ty, _)| ty).collect(),
            containers: zone.containers,
            pieces: zone.pieces,
        })
    }

    fn notes(&self) -> &[Note] {
        self.as_ref().notes()
    }

    fn resume(&self, instant: BootNs, spared: u64) -> Option<Keyframe> {
        // One that cannot be read is told as damage; what it would have spared is read.
        self.as_ref().resume(instant, spared).ok().flatten()
    }

    fn sections(&self) -> Vec<Section> {
        self.as_ref().sections()
    }

    fn within(&self, section: &Section, instant: BootNs) -> Option<Keyframe> {
        // One that cannot be read is told as damage; what it would have spared is read.
        self.as_ref().within(section, instant).ok().flatten()
    }

    fn section(&self, section: &Section) -> Option<(BootNs, Tables)> {
        self.as_ref().section(section).ok()
    }

    fn may_grow(&self) -> bool {
        self.as_ref().may_grow()
    }

    fn grown(&self) -> Result<Option<Box<dyn Source>>, afterimage_format::Error> {
        let grown = self.as_ref().grown()?;
        Ok(grown.map(|reader| Box::new(Arc::new(reader)) as Box<dyn Source>))
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.as_ref().is_at(path)
    }

    fn artifacts(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let all = 0..self.as_ref().artifacts().min(MOST_ARTIFACTS);
        let read = all.filter_map(|at| self.as_ref().artifact(at).ok());
        read.map(|artifact| (artifact.name, artifact.hash))
            .collect()
    }
}
