//! A capture that others are made from: verified, hashed and open.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::age::{Identities, Recipient};
use crate::error::{Digest, Error, ErrorKind, malformed};
use crate::read::Reader;
use crate::records::Parent;
use crate::source::Source;
use crate::verify::{Checks, Report, Verdict, check_source};
use std::path::Path;
use std::sync::Arc;

/// A capture that others are made from: verified, hashed and open.
pub struct Origin {
    pub(super) reader: Arc<Reader>,
    /// Of a capture of another program none: nothing shows whether that was changed.
    report: Option<Report>,
    pub(super) parent: Parent,
}

impl Origin {
    /// Verifies a capture, hashes its file and opens it. One that is not intact is opened too; what was found is kept.
    pub fn open(path: &Path) -> Result<Origin, Error> {
        Origin::open_with(path, &Identities::default())
    }

    /// As [`Origin::open`], also a capture that is encrypted to one of the identities.
    pub fn open_with(path: &Path, identities: &Identities) -> Result<Origin, Error> {
        let source = Source::open(path)?;
        let report = check_source(&source, &Checks::default())?;
        let hash = hash(&source).map_err(Error::file)?;
        let reader = Reader::from_source(source, identities)?;
        let parent = Parent {
            hash: hash.0.to_vec(),
            capture_id: reader.manifest().capture_id.clone(),
            digest: report.digest.0.to_vec(),
            name: name_of(path),
            verdict: verdict(&report),
            signer: reader.lineage().signer.clone(),
        };
        Ok(Origin {
            reader: Arc::new(reader),
            report: Some(report),
            parent,
        })
    }

    /// The capture of another program at this path, which was read into one of ours: it is named by its own hash.
    pub fn converted(path: &Path, reader: Reader) -> Result<Origin, Error> {
        let parent = Parent {
            hash: hash_of(path)?.0.to_vec(),
            name: name_of(path),
            verdict: "not verified".to_owned(),
            ..Parent::default()
        };
        Ok(Origin {
            reader: Arc::new(reader),
            report: None,
            parent,
        })
    }

    /// The capture.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The capture, for who looks at it for longer.
    pub fn shared(&self) -> Arc<Reader> {
        self.reader.clone()
    }

    /// What was found when it was verified; nothing of the capture of another program.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// BLAKE3 of its whole file.
    pub fn hash(&self) -> Digest {
        Digest(self.parent.hash.as_slice().try_into().unwrap_or_default())
    }

    /// Who may read it; empty when anybody may.
    ///
    /// # Errors
    /// When it names somebody who is no recipient, or is encrypted and names nobody, its header being damaged: what is made
    /// of it could not be kept from others.
    pub fn recipients(&self) -> Result<Vec<Recipient>, Error> {
        let names = self.reader.lineage().recipients.iter();
        if names.len() == 0 && self.reader.is_encrypted() {
            return Err(Error::file(ErrorKind::Missing {
                what: "name of whom the capture is for",
            }));
        }
        names
            .map(|name| name.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| Error::file(malformed("recipient of the capture")))
    }

    /// What a derived capture says of it.
    pub fn parent(&self) -> &Parent {
        &self.parent
    }
}

/// What a derived capture calls the file at this path.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    afterimage_model::Safe::new(name).to_string()
}

fn verdict(report: &Report) -> String {
    let signed = match &report.signing {
        Some(signing) if signing.sealed => ", signed",
        Some(_) => ", signed in part",
        None => ", not signed",
    };
    match report.verdict {
        Verdict::Broken { .. } => report.verdict.to_string(),
        _ => format!("{}{signed}", report.verdict),
    }
}

/// BLAKE3 of a whole file.
fn hash(source: &Source) -> Result<Digest, ErrorKind> {
    let (mut hasher, mut at) = (blake3::Hasher::new(), 0_u64);
    while at < source.len() {
        let bytes = source.bytes(at, source.len().saturating_sub(at).min(1 << 20))?;
        hasher.update(&bytes);
        at = at.saturating_add(bytes.len() as u64);
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// BLAKE3 of the file at this path.
pub fn hash_of(path: &Path) -> Result<Digest, Error> {
    hash(&Source::open(path)?).map_err(Error::file)
}
