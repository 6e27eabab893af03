//! Where keys lie: a folder of one's own, each key a `NAME.key` that only its owner reads and a `NAME.pub` for everybody.
//! Keys are made on first use, never overwritten, and replaced only by `keys rotate`, which keeps the public halves.

use crate::failure::{Failure, shown};
use crate::output::say;
use afterimage_format::keys::{MAX_KEY_FILE, parse_secret, secret_text};
use afterimage_format::{Card, PublicKey, SecretKey};
use afterimage_model::{Safe, time::Civil};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The key that signs when none is named.
pub const DEFAULT: &str = "default";

/// Keys of this machine, which everybody may use to check.
const SYSTEM: &str = "/var/lib/afterimage/keys";

/// The folder of the keys of whoever runs this.
pub fn folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("AFTERIMAGE_KEYS") {
        return PathBuf::from(folder);
    }
    // Whoever was root when the program began goes on to use the machine's.
    static BEGAN_AS_ROOT: OnceLock<bool> = OnceLock::new();
    if *BEGAN_AS_ROOT.get_or_init(|| rustix::process::geteuid().is_root()) {
        return PathBuf::from(SYSTEM);
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from).or_else(|| {
        let home = PathBuf::from(set("HOME")?);
        Some(home.join(".local/state"))
    });
    state
        .unwrap_or_else(|| PathBuf::from("."))
        .join("afterimage/keys")
}

/// A secret key and its card.
pub struct Pair {
    /// What signs.
    pub secret: SecretKey,
    /// What everybody may see.
    pub card: Card,
}

fn failed(doing: &str, path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::path(
        doing,
        path,
        error,
        "set AFTERIMAGE_KEYS to a folder of your own, or record with --no-sign",
    )
}

/// Names are file names without anything to think about.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Failure::usage(
            format!("{} is no name for a key", Safe::new(name)),
            "use letters, digits, -, _, . and @",
        ));
    }
    Ok(())
}

/// A small text file, which is not reached through a link.
fn read(path: &Path) -> io::Result<(String, std::fs::Metadata)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > MAX_KEY_FILE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a small regular file",
        ));
    }
    let mut text = String::new();
    file.take(MAX_KEY_FILE).read_to_string(&mut text)?;
    Ok((text, meta))
}

/// Writes a file that is either there as a whole or not at all. Where one is there it is an error, unless it may be `replaced`.
fn put(path: &Path, text: &str, mode: Mode, replaced: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let draft = folder.join(format!(".{:016x}", crate::token()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(&draft, flags, mode)?);
    let how = if replaced {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    let done = file
        .write_all(text.as_bytes())
        .and_then(|()| Ok(rustix::fs::fchmod(&file, mode)?))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(rustix::fs::renameat_with(CWD, &draft, CWD, path, how)?));
    if done.is_err() {
        let _ = rustix::fs::unlinkat(CWD, &draft, AtFlags::empty());
        return done;
    }
    File::open(folder)?.sync_all()
}

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
const PUBLIC: Mode = PRIVATE.union(Mode::RGRP).union(Mode::ROTH);

fn now() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Civil::from_unix_ns(i64::try_from(since.as_nanos()).unwrap_or(0)).iso8601()
}

/// What a key is called outside of its folder.
fn full_name(name: &str) -> String {
    let host = rustix::system::uname();
    format!("{name}@{}", Safe::new(host.nodename().to_bytes()))
}

/// Makes a key of this name.
pub fn generate(name: &str) -> Result<Pair, Failure> {
    check_name(name)?;
    let folder = folder();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(|error| failed("making", &folder, error))?;
    let path = folder.join(format!("{name}.key"));
    let secret = SecretKey::generate().map_err(|error| failed("making a key for", &path, error))?;
    put(&path, &secret_text(&secret), PRIVATE, false).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            format!(
                "{} exists already, and a key is never overwritten",
                shown(&path)
            ),
            format!("afterimage keys rotate {name}"),
        ),
        _ => failed("writing", &path, error),
    })?;
    let card = Card::new(&full_name(name), &now(), &secret, None);
    publish(&folder, name, &card)?;
    Ok(Pair { secret, card })
}

fn publish(folder: &Path, name: &str, card: &Card) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.pub"));
    put(&path, &card.to_string(), PUBLIC, true).map_err(|error| failed("writing", &path, error))
}

/// The key of this name; the default one is made when it is not there.
pub fn load(name: &str) -> Result<Pair, Failure> {
    check_name(name)?;
    let folder = folder();
    let path = folder.join(format!("{name}.key"));
    let (text, meta) = match read(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound && name == DEFAULT => {
            let pair = match generate(name) {
                // Somebody else was faster.
                Err(_) if path.exists() => return load(name),
                made => made?,
            };
            say(format_args!(
                "made a key to sign with: {} ({})",
                pair.card.key,
                shown(&path)
            ));
            return Ok(pair);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::path(
                "reading",
                &path,
                error,
                format!("afterimage keys generate {name}"),
            ));
        }
        Err(error) => return Err(failed("reading", &path, error)),
    };
    // What is root's is nobody's who is not.
    let own = meta.uid() == 0 || meta.uid() == rustix::process::geteuid().as_raw();
    if meta.mode() & 0o077 != 0 || !own {
        return Err(Failure::new(
            format!(
                "{} can be read or belongs to somebody else: what it signs proves nothing",
                shown(&path)
            ),
            format!(
                "make a new one with afterimage keys rotate {name}, or chmod 600 if nobody can have read it"
            ),
        ));
    }
    let secret = parse_secret(&text)
        .map_err(|error| failed("reading", &path, Safe::new(&error.to_string())))?;
    let card = card_of(&folder, name, &secret)?;
    Ok(Pair { secret, card })
}

/// The card of a secret key. Where making it was interrupted, it is finished.
fn card_of(folder: &Path, name: &str, secret: &SecretKey) -> Result<Card, Failure> {
    for file in [format!("{name}.pub"), format!("{name}.pub.next")] {
        if let Ok((text, _)) = read(&folder.join(&file))
            && let Ok(card) = Card::parse(&text)
            && card.key == secret.public()
        {
            if file.ends_with(".next") {
                publish(folder, name, &card)?;
                let _ = std::fs::remove_file(folder.join(&file));
            }
            return Ok(card);
        }
    }
    let card = Card::new(&full_name(name), &now(), secret, None);
    publish(folder, name, &card)?;
    Ok(card)
}

/// Puts a new key in the place of an old one. The old secret is destroyed; its public half stays, and the new key vouches
/// for it, so that what it signed can still be checked.
pub fn rotate(name: &str) -> Result<(Card, Card), Failure> {
    let old = load(name)?;
    let folder = folder();
    let path = folder.join(format!("{name}.key"));
    let secret = SecretKey::generate().map_err(|error| failed("making a key for", &path, error))?;
    let card = Card::new(&full_name(name), &now(), &secret, Some(&old.card));
    let kept = folder.join(format!("{name}-{}.pub", old.card.key.short()));
    let next = folder.join(format!("{name}.pub.next"));
    put(&kept, &old.card.to_string(), PUBLIC, true)
        .map_err(|error| failed("writing", &kept, error))?;
    put(&next, &card.to_string(), PUBLIC, true).map_err(|error| failed("writing", &next, error))?;
    // Also where the file system keeps the old blocks under no name, as far as it writes in place.
    let overwritten = rustix::fs::open(
        &path,
        OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    );
    put(&path, &secret_text(&secret), PRIVATE, true)
        .map_err(|error| failed("writing", &path, error))?;
    if let Ok(old) = overwritten {
        let mut old = File::from(old);
        let wiped = old.write_all(&[0; 256]).and_then(|()| old.sync_all());
        if let Err(error) = wiped {
            say(format_args!("afterimage: wiping the old key: {error}"));
        }
    }
    publish(&folder, name, &card)?;
    let _ = std::fs::remove_file(&next);
    Ok((old.card, card))
}

/// The cards of all keys known here: one's own and those of the machine. A file that is none is told of and left out.
pub fn known() -> Vec<(PathBuf, Card)> {
    let mut found = Vec::new();
    let mut folders = vec![folder()];
    if !folders.contains(&PathBuf::from(SYSTEM)) {
        folders.push(PathBuf::from(SYSTEM));
    }
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "pub"))
            .collect();
        paths.sort();
        for path in paths {
            match read_card(&path) {
                Ok(card) => found.push((path, card)),
                Err(why) => say(format_args!("afterimage: {}: {why}", shown(&path))),
            }
        }
    }
    found
}

fn read_card(path: &Path) -> Result<Card, String> {
    let (text, _) = read(path).map_err(|error| error.to_string())?;
    Card::parse(&text).map_err(|error| Safe::new(&error.to_string()).to_string())
}

/// The keys that `--key` means: a public key file, a key known here by name, or the key itself in hex digits.
pub fn meant(given: &str) -> Result<Vec<PublicKey>, Failure> {
    if let Ok(key) = PublicKey::from_hex(given) {
        return Ok(vec![key]);
    }
    let own = folder().join(format!("{given}.pub"));
    let path = match check_name(given).is_ok() && own.exists() {
        true => own,
        false => PathBuf::from(given),
    };
    let card = read_card(&path).map_err(|why| {
        Failure::path(
            "reading the key",
            &path,
            why,
            "name a public key file, as afterimage keys show prints it, or 64 hex digits",
        )
    })?;
    Ok(std::iter::once(card.key).chain(card.before).collect())
}

/// What a key is called here; `None` when it is not known.
pub fn name_of(key: &PublicKey, known: &[(PathBuf, Card)]) -> Option<String> {
    let own = known.iter().find(|(_, card)| card.key == *key);
    let found = own.or_else(|| known.iter().find(|(_, card)| card.covers(key)));
    found.map(|(_, card)| Safe::new(&card.name).to_string())
}
