//! What the fuzz targets have in common.

pub mod dice;
pub mod language;
pub mod probe;
