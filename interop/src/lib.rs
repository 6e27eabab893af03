//! Captures of other programs.
//!
//! A capture that another program wrote becomes one of ours, of another schema: event types, arguments and their names are
//! that program's. So everything that reads a capture reads it too. [`FORMATS`] says what there is.
#![forbid(unsafe_code)]

pub mod copy;
pub mod error;
pub mod open;
pub mod scap;

use afterimage_format::{Deed, Lineage, SecretKey, Writer, WriterOptions};
use afterimage_model::{Manifest, Schema};
use std::io::Write;

pub use error::Error;
pub use open::{open, open_stream, open_stream_with, open_with};

/// Whose a capture is that is made from another file: what that was, what was done to it, and who signs for it.
#[derive(Debug, Default)]
pub struct Provenance<'p> {
    /// What it is made from.
    pub lineage: Lineage,
    /// The first entry of its custody log.
    pub deed: Option<Deed>,
    /// The key that signs it.
    pub key: Option<&'p SecretKey>,
}

impl Provenance<'_> {
    /// A capture of which the header is written, with what its custody log begins with.
    pub(crate) fn writer<W: Write>(
        &self,
        out: W,
        manifest: &Manifest,
        schema: &Schema,
    ) -> Result<Writer<W>, Error> {
        let options = WriterOptions {
            // Numbers and not time decide where a chunk ends: what is converted may hold hours of little.
            chunk_span_ns: u64::MAX,
            made_ns: self.deed.as_ref().map(|deed| deed.made_ns),
            ..WriterOptions::default()
        };
        let mut writer = Writer::signed(out, manifest, &self.lineage, schema, options, self.key)?;
        if let Some(deed) = &self.deed {
            writer.custody(deed, self.key)?;
            writer.ended(&deed.action);
        }
        Ok(writer)
    }
}

/// A kind of file that captures come as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ours.
    Aft,
    /// That of sysdig, Falco and Stratoshark.
    Scap,
    /// One JSON object a line.
    Jsonl,
}

/// A row of [`FORMATS`].
#[derive(Clone, Copy, Debug)]
pub struct FormatRow {
    /// Which.
    pub format: Format,
    /// What it is called, and how its files end.
    pub name: &'static str,
    /// Other ends of names.
    pub endings: &'static [&'static str],
    /// It can be read.
    pub reads: bool,
    /// It can be written.
    pub writes: bool,
    /// One sentence.
    pub doc: &'static str,
}

/// Every format.
pub const FORMATS: &[FormatRow] = &[
    FormatRow {
        format: Format::Aft,
        name: "aft",
        endings: &[],
        reads: true,
        writes: true,
        doc: "Captures of afterimage.",
    },
    FormatRow {
        format: Format::Scap,
        name: "scap",
        endings: &["scap.gz", "scap.zst"],
        reads: true,
        writes: true,
        doc: "Captures of sysdig, Falco and Stratoshark, plain or compressed.",
    },
    FormatRow {
        format: Format::Jsonl,
        name: "jsonl",
        endings: &["json", "ndjson"],
        reads: false,
        writes: true,
        doc: "Events as JSON, one object a line.",
    },
];

impl Format {
    /// Its row.
    pub fn row(self) -> &'static FormatRow {
        FORMATS
            .iter()
            .find(|row| row.format == self)
            .unwrap_or(&FORMATS[0])
    }

    /// Whether its files are no text.
    pub fn is_binary(self) -> bool {
        self != Format::Jsonl
    }

    /// What a capture that is open was.
    pub fn of(reader: &afterimage_format::Reader) -> Format {
        match reader.manifest().tool.as_str() {
            "scap" if reader.lineage().derived_by.is_empty() => Format::Scap,
            _ => Format::Aft,
        }
    }

    /// The format with this name.
    pub fn by_name(name: &str) -> Option<&'static FormatRow> {
        FORMATS
            .iter()
            .find(|row| row.name == name || row.endings.contains(&name))
    }

    /// The format that the end of a file name says.
    pub fn by_path(path: &std::path::Path) -> Option<&'static FormatRow> {
        let name = path.file_name()?.to_str()?;
        let ends = |ending: &&str| {
            name.strip_suffix(*ending)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        FORMATS
            .iter()
            .find(|row| ends(&row.name) || row.endings.iter().any(&ends))
    }
}
