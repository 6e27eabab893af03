//! Where chunks come from: a capture file, or memory in tests.

use afterimage_format::{Chunk, ChunkInfo, Reader};
use afterimage_model::{Gap, Manifest, Schema, Tables, Totals, TypeId};

/// Something that holds a capture's chunks.
pub(crate) trait Source: Send + Sync {
    fn manifest(&self) -> &Manifest;
    fn schema(&self) -> &Schema;
    fn state(&self) -> &Tables;
    fn gaps(&self) -> &[Gap];
    fn totals(&self) -> Option<&Totals>;
    fn chunks(&self) -> &[ChunkInfo];
    fn chunk(&self, at: usize) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>>;
    /// The types of a chunk's events, where that can be told without decoding it.
    fn types(&self, at: usize) -> Option<Vec<TypeId>>;
}

impl Source for Reader {
    fn manifest(&self) -> &Manifest {
        self.manifest()
    }

    fn schema(&self) -> &Schema {
        self.schema()
    }

    fn state(&self) -> &Tables {
        self.state()
    }

    fn gaps(&self) -> &[Gap] {
        self.gaps()
    }

    fn totals(&self) -> Option<&Totals> {
        self.totals()
    }

    fn chunks(&self) -> &[ChunkInfo] {
        self.chunks()
    }

    fn chunk(&self, at: usize) -> Result<Chunk, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.chunk(at)?)
    }

    fn types(&self, at: usize) -> Option<Vec<TypeId>> {
        let zone = self.zone(at).ok()?;
        Some(zone.types.into_iter().map(|(ty, _)| ty).collect())
    }
}
