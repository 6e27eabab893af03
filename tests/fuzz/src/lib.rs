//! What the fuzz targets have in common.

pub mod language;
pub mod probe;
