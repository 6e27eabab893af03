//! Who may read encrypted captures: the identities that open them, named on the command line or in the environment or kept
//! beside the keys, and the recipients that new captures are encrypted to.

use crate::failure::{Failure, shown};
use crate::keyring;
use afterimage_format::age::{Identities, MAX_IDENTITIES, Recipient};
use clap::Args;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where identities are looked for when none is named.
const VARIABLE: &str = "AFTERIMAGE_IDENTITY";
/// The file beside the keys.
const FILE: &str = "identity.txt";

static NAMED: OnceLock<Vec<PathBuf>> = OnceLock::new();
/// Why an identity that nobody named on the command line was not taken.
static REFUSED: OnceLock<Failure> = OnceLock::new();

/// Keeps what the command line names.
pub fn name(files: Vec<PathBuf>) {
    let _ = NAMED.set(files);
}

/// The identities of this run: those of the files that are named, else of the variable, else of the file beside the keys.
/// Most captures need none: what is wrong with a file that was not named for this run is kept for [`refused`].
///
/// # Errors
/// When a file that the command line names cannot be read, is none, or can be read by others.
pub fn identities() -> Result<Identities, Failure> {
    let named = NAMED.get().cloned().unwrap_or_default();
    let is_named = !named.is_empty();
    let files = match (is_named, std::env::var_os(VARIABLE)) {
        (true, _) => named,
        (false, Some(list)) if !list.is_empty() => std::env::split_paths(&list).collect(),
        (false, _) => {
            let own = keyring::folder().join(FILE);
            own.exists().then_some(own).into_iter().collect()
        }
    };
    let mut all = Identities::default();
    for file in &files {
        let failed = |why| {
            Failure::path(
                "reading the identity",
                file,
                why,
                "name a file that age-keygen -o FILE made",
            )
        };
        match read(file).map_err(failed) {
            Ok(found) => all = all.and(&found),
            Err(failure) if is_named => return Err(failure),
            Err(failure) => drop(REFUSED.set(failure)),
        }
    }
    Ok(all)
}

/// What is wrong with an identity of the environment or beside the keys, for who finds that a capture needs one.
pub fn refused() -> Option<&'static Failure> {
    REFUSED.get()
}

fn read(path: &Path) -> Result<Identities, String> {
    let said = |error: io::Error| error.to_string();
    let file = File::open(path).map_err(said)?;
    let meta = file.metadata().map_err(said)?;
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        return Err(format!("others can read it; chmod 600 {}", shown(path)));
    }
    let mut text = String::new();
    let most = MAX_IDENTITIES as u64;
    let read = file.take(most).read_to_string(&mut text).map_err(said)?;
    match read as u64 >= most {
        true => Err("it is too long".to_owned()),
        false => Identities::parse(&text).map_err(|error| error.to_string()),
    }
}

/// Whom a new capture is encrypted to.
#[derive(Args, Debug, Default)]
pub struct EncryptTo {
    /// Encrypt the capture, so that only who has this age identity can read it; may be repeated
    ///
    /// The signatures, the seal and verify need no identity. age-keygen makes one, and prints the recipient.
    #[arg(long, value_name = "age1…", help_heading = "Custody")]
    pub encrypt_to: Vec<Recipient>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_private_small_and_one_of_ages() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("identity");
        let text = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
        let put = |text: &str, mode| {
            std::fs::write(&path, text).expect("a file");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("its mode");
            read(&path)
        };
        assert!(put(text, 0o600).is_ok());
        assert!(put(text, 0o644).is_err_and(|why| why.contains("chmod 600")));
        assert!(put("nonsense\n", 0o600).is_err());
        assert!(put(&"#".repeat(MAX_IDENTITIES), 0o600).is_err());
        assert!(read(folder.path()).is_err() && read(Path::new("/nowhere")).is_err());
    }
}
