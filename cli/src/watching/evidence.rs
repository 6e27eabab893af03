//! The folder that evidence goes to: opened once, never through a symbolic link; new files, private, named by time, trigger
//! and container; and how many there may be.

use crate::anchoring::Anchors;
use crate::custody;
use crate::failure::Failure;
use crate::keyring;
use crate::output::say;
use crate::watching::begun::{self, Begun};
use crate::watching::config::Evidence;
use crate::watching::indexing::Indexer;
use crate::watching::room::{self, Full, Removed};
use afterimage_capture::watch::{Opening, Room, Sealed, Segment, Store as Place};
use afterimage_format::store::Store;
use afterimage_format::{Lineage, Writer, WriterOptions};
use afterimage_model::time::Civil;
use afterimage_model::{Manifest, Safe, Schema};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// With less room no file is begun.
const LEAST_ROOM: u64 = 64 << 10;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The folder.
pub struct Folder {
    path: PathBuf,
    limits: Arc<Mutex<Evidence>>,
    handle: OwnedFd,
    /// Where the window is spilled, and how many segments there were.
    spill: Option<(PathBuf, OwnedFd)>,
    segments: u64,
    /// When files were opened, in the last hour.
    opened: VecDeque<Instant>,
    /// When files were sealed, in the last day, and their bytes.
    sealed: VecDeque<(Instant, u64)>,
    /// The name of the key that signs; `None` for none.
    key: Option<String>,
    /// Bytes that files that are open had when room was asked for last.
    growing: u64,
    /// Files that made room, and are named in no other file yet.
    removed: Vec<Removed>,
    /// Who makes indexes, where that is wanted.
    indexer: Option<Indexer>,
    /// Where anchors go.
    anchors: Anchors,
    quiet: bool,
}

/// A name for a file that no shell and no file system has trouble with.
fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let text: String = text
        .chars()
        .map(|c| if keep(c) { c } else { '_' })
        .take(64)
        .collect();
    text.trim_start_matches('.').to_owned()
}

/// Makes a folder where it is missing, for its owner alone, and opens it, never through a link at its end.
pub fn opened(path: &Path) -> Result<OwnedFd, (&'static str, io::Error)> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.recursive(true).create(path);
    made.map_err(|error| ("making", error))?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| ("opening", error.into()))
}

/// What a watch that did not end well has left of its window becomes evidence: it is copied under a name of its own.
fn keep_left(spill: &OwnedFd, folder: &OwnedFd, quiet: bool) {
    let Ok(entries) = rustix::fs::Dir::read_from(spill) else {
        return;
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned()));
    let segments = names.filter(|name| {
        let name = name.to_bytes();
        name.starts_with(b"segment-") && name.ends_with(b".aft")
    });
    for name in segments {
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let kept = rustix::fs::openat(spill, &name, read, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|from| {
                let mut from = File::from(from);
                if !from.metadata()?.is_file() {
                    return Err(io::Error::other("it is no file"));
                }
                let at = from.metadata()?.modified()?;
                let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let at = i64::try_from(at.as_nanos()).unwrap_or_default();
                let begun = Begun::new(folder, &format!("{}-spill", stamp(at)))?;
                let mut to = begun.file()?;
                io::copy(&mut from, &mut to)?;
                to.sync_all()?;
                let kept = begun.name()?;
                rustix::fs::unlinkat(spill, &name, AtFlags::empty())?;
                Ok(kept)
            });
        match kept {
            Ok(_) if quiet => {}
            Ok(kept) => say(format_args!(
                "the watch before this one did not end by itself; of its window there is {}",
                Safe::new(&kept)
            )),
            Err(why) => say(format_args!(
                "afterimage: keeping {}: {why}",
                Safe::new(name.to_bytes())
            )),
        }
    }
}

/// The one that leaves less.
fn least(one: Room, other: Room) -> Room {
    match other.bytes < one.bytes {
        true => other,
        false => one,
    }
}

/// An instant as names have it.
fn stamp(ns: i64) -> String {
    let at = Civil::from_unix_ns(ns);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

impl Folder {
    /// Makes the folder where it is missing, and opens it.
    ///
    /// # Errors
    /// When it cannot be made or used, or is a symbolic link.
    pub fn open(
        limits: Evidence,
        key: Option<String>,
        indexer: Option<Indexer>,
        quiet: bool,
    ) -> Result<Folder, Failure> {
        let path = &limits.folder;
        let wrong = |doing: &str, error: io::Error| {
            Failure::path(
                doing,
                path,
                error,
                "name a folder of your own as evidence.folder in the configuration",
            )
        };
        let handle = opened(path).map_err(|(doing, error)| wrong(doing, error))?;
        let spill = match &limits.spill {
            None => None,
            Some(path) => {
                let handle = opened(path).map_err(|(doing, error)| {
                    let remedy = "name a folder of your own as window.spill in the configuration";
                    Failure::path(doing, path, error, remedy)
                })?;
                Some((path.clone(), handle))
            }
        };
        begun::sweep(&handle);
        if let Some((_, spill)) = &spill {
            begun::sweep(spill);
            keep_left(spill, &handle, quiet);
        }
        Ok(Folder {
            path: path.clone(),
            limits: Arc::new(Mutex::new(limits)),
            handle,
            spill,
            segments: 0,
            opened: VecDeque::new(),
            sealed: VecDeque::new(),
            key,
            growing: 0,
            removed: Vec::new(),
            indexer,
            anchors: Anchors::default(),
            quiet,
        })
    }

    /// Has anchors of each file go there.
    pub fn anchored(self, anchors: Anchors) -> Folder {
        Folder { anchors, ..self }
    }

    /// The limits, which may be changed while it is used; all but the folder.
    pub fn shared_limits(&self) -> Arc<Mutex<Evidence>> {
        self.limits.clone()
    }

    fn limits(&self) -> MutexGuard<'_, Evidence> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was long ago.
    fn age(&mut self) {
        while self.opened.front().is_some_and(|at| at.elapsed() > HOUR) {
            self.opened.pop_front();
        }
        while self
            .sealed
            .front()
            .is_some_and(|(at, _)| at.elapsed() > DAY)
        {
            self.sealed.pop_front();
        }
    }

    /// Bytes that are free for others than root, too.
    fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Bytes that were sealed within a day.
    fn today(&self) -> u64 {
        self.sealed.iter().map(|(_, bytes)| bytes).sum()
    }

    /// What the file system and the folder have room for.
    fn space(&self, limits: &Evidence) -> Result<Room, String> {
        let free = match limits.free {
            // A full disk is noticed by who writes to it.
            0 => Room::default(),
            floor => Room {
                bytes: (self.free().map_err(|error| error.to_string())?).saturating_sub(floor),
                quota: "evidence.free",
            },
        };
        if limits.bytes == 0 {
            return Ok(free);
        }
        let there: u64 = (room::files(&self.handle).iter())
            .map(|(_, bytes)| bytes)
            .sum();
        Ok(least(
            free,
            Room {
                bytes: limits.bytes.saturating_sub(there),
                quota: "evidence.bytes",
            },
        ))
    }

    /// Makes room for another file, where there is none.
    fn allows(&mut self) -> Result<Room, String> {
        self.age();
        if self.opened.len() >= self.limits().files_per_hour {
            return Err(format!(
                "{} files were made within an hour (evidence.files_per_hour)",
                self.opened.len()
            ));
        }
        self.make_room(LEAST_ROOM)
    }

    /// Room for so many bytes at least; the oldest files go for it where that is wanted.
    fn make_room(&mut self, least_bytes: u64) -> Result<Room, String> {
        self.age();
        let limits = self.limits().clone();
        let today = self.today().saturating_add(self.growing);
        let day = Room {
            bytes: limits.bytes_per_day.saturating_sub(today),
            quota: "evidence.bytes_per_day",
        };
        loop {
            let room = least(day, self.space(&limits)?);
            if room.bytes >= least_bytes {
                return Ok(room);
            }
            let why = match room.bytes {
                0 => format!("nothing is left of {}", room.quota),
                few => format!("{few} bytes are left of {}, too few for a file", room.quota),
            };
            if limits.full == Full::Stop || room.quota == day.quota {
                return Err(why);
            }
            let Some(one) = room::remove_oldest(&self.handle)? else {
                return Err(format!(
                    "{why}; every file there is held, or not sealed and whole"
                ));
            };
            self.say(&format!(
                "removed {}, {} bytes, the oldest that nobody holds: {why}",
                one.name, one.bytes
            ));
            self.removed.push(one);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Place for Folder {
    type Out = Store;

    fn open(
        &mut self,
        opening: &Opening,
        manifest: &Manifest,
        options: WriterOptions,
    ) -> Result<(PathBuf, Writer<Store>), String> {
        self.allows()?;
        let mut stem = format!("{}-{}", stamp(opening.wall_ns), plain(&opening.trigger));
        if let Some(container) = &opening.container {
            let name = match container.name.is_empty() {
                true => container.short_id(),
                false => &container.name,
            };
            stem.push('-');
            stem.push_str(&plain(name));
        }
        let begun = Begun::new(&self.handle, &stem).map_err(|error| error.to_string())?;
        let file = begun.file().map_err(|error| error.to_string())?;
        // Loaded for each file: it lies in memory no longer than it takes to sign the beginning. Without it there is still
        // evidence.
        let pair = self.key.as_deref().map(keyring::load).and_then(|loaded| {
            loaded
                .inspect_err(|failure| say(format_args!("not signed: {}", failure.what)))
                .ok()
        });
        let secret = pair.as_ref().map(|pair| &pair.secret);
        let lineage = Lineage::default();
        let options = WriterOptions {
            recipients: self.limits().encrypt_to.clone(),
            ..options
        };
        let writer = Store::over(file, &self.path(begun.future())).and_then(|store| {
            let room = store.room();
            let mut writer = Writer::signed(
                store,
                manifest,
                &lineage,
                Schema::current(),
                options,
                secret,
            )?;
            // The end of the file has its room before its events do.
            if let Ok(room) = room {
                writer.guard(room);
            }
            if secret.is_some() {
                let operator = Some(manifest.operator.clone()).filter(|name| !name.is_empty());
                writer.custody(
                    &custody::deed("created", operator, String::new(), None),
                    secret,
                )?;
                // What is gone is named where it can be found.
                for one in &self.removed {
                    let text = format!("{} (digest {}), to make room", one.name, one.digest);
                    writer.custody(&custody::deed("removed", None, text, None), secret)?;
                }
            }
            Ok(writer)
        });
        let mut writer = writer.map_err(|error| error.to_string())?;
        let path = self.path(&begun.name().map_err(|error| error.to_string())?);
        writer.on_anchor(self.anchors.follow(path.clone()));
        self.opened.push_back(Instant::now());
        // Without a key there is no file that could name them.
        if secret.is_some() || self.key.is_none() {
            self.removed.clear();
        }
        Ok((path, writer))
    }

    fn room(&mut self, open: u64) -> Result<Room, String> {
        self.growing = open;
        self.make_room(1)
    }

    fn sealed(&mut self, out: Store, sealed: &Sealed) -> io::Result<()> {
        let states = out.states();
        let finished = out.finish();
        self.sealed.push_back((Instant::now(), states.written()));
        self.growing = self.growing.saturating_sub(states.written());
        finished?;
        rustix::fs::fsync(&self.handle)?;
        if let Some(indexer) = &mut self.indexer {
            indexer.tell(&sealed.path);
        }
        Ok(())
    }

    fn left(&mut self) -> Vec<(&'static str, u64)> {
        self.age();
        let limits = self.limits().clone();
        let bytes = self.today().saturating_add(self.growing);
        vec![
            (
                "files_per_hour",
                limits.files_per_hour.saturating_sub(self.opened.len()) as u64,
            ),
            ("bytes_per_day", limits.bytes_per_day.saturating_sub(bytes)),
            ("free", self.free().unwrap_or(0).saturating_sub(limits.free)),
        ]
    }

    fn segment(&mut self, manifest: &Manifest, options: WriterOptions) -> Option<Segment<Store>> {
        let options = WriterOptions {
            recipients: self.limits().encrypt_to.clone(),
            ..options
        };
        let (path, handle) = self.spill.as_ref()?;
        self.segments += 1;
        let stem = format!("segment-{}", self.segments);
        let open = || {
            let begun = Begun::new(handle, &stem).map_err(|error| error.to_string())?;
            let file = begun.file().map_err(|error| error.to_string())?;
            let writer = Store::over(file, &path.join(begun.future()))
                .and_then(|store| Writer::new(store, manifest, Schema::current(), options));
            let writer = writer.map_err(|error| error.to_string())?;
            let name = begun.name().map_err(|error| error.to_string())?;
            Ok((path.join(name), writer))
        };
        Some(open())
    }

    fn forget(&mut self, segment: &Path) {
        if let (Some((_, handle)), Some(name)) = (&self.spill, segment.file_name()) {
            // Gone already is as good.
            let _ = rustix::fs::unlinkat(handle, name, AtFlags::empty());
        }
    }

    fn say(&mut self, what: &str) {
        if !self.quiet {
            say(Safe::new(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(folder: &Path) -> Evidence {
        Evidence {
            folder: folder.to_owned(),
            files_per_hour: 2,
            bytes_per_day: 1 << 20,
            free: 0,
            bytes: 0,
            full: Full::Stop,
            encrypt_to: Vec::new(),
            index: false,
            spill: None,
            anchor: None,
        }
    }

    fn opening() -> Opening {
        Opening {
            trigger: "../../etc/x\u{1b}".to_owned(),
            container: None,
            wall_ns: 0,
        }
    }

    #[test]
    fn files_are_new_private_and_in_the_folder_whatever_triggers_are_called() {
        use std::os::unix::fs::PermissionsExt;
        let top = tempfile::tempdir().expect("a folder");
        let mut folder =
            Folder::open(limits(&top.path().join("a/b")), None, None, true).expect("a folder");
        let mut open = || {
            let manifest = Manifest::default();
            Place::open(&mut folder, &opening(), &manifest, WriterOptions::default())
        };
        let mut made = || {
            let (path, writer) = open().unwrap_or_else(|why| panic!("{why}"));
            let begun = std::fs::metadata(&path).expect("a file").len();
            assert!(begun > 0, "it has a beginning as soon as it has a name");
            let (totals, tables) = Default::default();
            let out = writer.seal(&totals, &tables).expect("it is sealed");
            // Which finds the file where it is said to be.
            out.finish().expect("it is synced");
            path
        };
        let (first, second) = (made(), made());
        assert_ne!(first, second);
        for path in [&first, &second] {
            assert!(path.starts_with(top.path().join("a/b")), "{path:?}");
            let mode = std::fs::metadata(path)
                .expect("a file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(
            first.ends_with("19700101T000000Z-_.._etc_x_.aft"),
            "{first:?}"
        );
        let why = open().err().unwrap_or_default();
        assert!(why.contains("files_per_hour"), "{why}");
    }

    #[test]
    fn a_folder_behind_a_link_is_refused() {
        let top = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(top.path().join("real")).expect("a folder");
        std::os::unix::fs::symlink(top.path().join("real"), top.path().join("link"))
            .expect("a link");
        assert!(Folder::open(limits(&top.path().join("link")), None, None, true).is_err());
    }

    #[test]
    fn when_room_runs_out_no_file_is_made() {
        let top = tempfile::tempdir().expect("a folder");
        let all = Evidence {
            free: u64::MAX,
            ..limits(top.path())
        };
        let mut folder = Folder::open(all, None, None, true).expect("a folder");
        let opened = Place::open(
            &mut folder,
            &opening(),
            &Manifest::default(),
            WriterOptions::default(),
        );
        let why = opened.err().unwrap_or_default();
        assert!(why.contains("evidence.free"), "{why}");
        assert_eq!(std::fs::read_dir(top.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn the_oldest_that_nobody_holds_makes_room() {
        let top = tempfile::tempdir().expect("a folder");
        let all = Evidence {
            files_per_hour: 100,
            bytes: LEAST_ROOM + 1,
            full: Full::Oldest,
            ..limits(top.path())
        };
        let mut folder = Folder::open(all, None, None, true).expect("a folder");
        let mut make = |wall_ns: i64| {
            let opening = Opening {
                wall_ns,
                trigger: "canary".to_owned(),
                ..opening()
            };
            let opened = Place::open(
                &mut folder,
                &opening,
                &Manifest::default(),
                WriterOptions::default(),
            );
            let (path, writer) = opened?;
            let (totals, tables) = Default::default();
            let out = writer.seal(&totals, &tables).expect("it is sealed");
            out.finish().expect("it is synced");
            Ok::<_, String>(path)
        };
        let hold = |path: &Path, action: &str| {
            let deed = custody::deed(action, None, "case 17".to_owned(), None);
            let key = afterimage_format::SecretKey::generate().expect("a key");
            let checks = afterimage_format::Checks::default();
            afterimage_format::custody::append(path, &deed, &key, &checks).expect("it is added");
        };
        let first = make(1_000_000_000).expect("there is room");
        hold(&first, custody::HELD[0]);
        // What is held stays, and so does what is none of ours, and what is not sealed.
        std::fs::write(top.path().join("mine.aft"), b"notes").expect("a file");
        std::fs::write(top.path().join("19700101T000000Z-torn.aft"), b"torn").expect("a file");
        let why = make(2_000_000_000).err().unwrap_or_default();
        assert!(
            why.contains("evidence.bytes") && why.contains("held"),
            "{why}"
        );
        hold(&first, custody::HELD[1]);
        let second = make(3_000_000_000).err().unwrap_or_default();
        assert!(second.contains("not sealed"), "{second}");
        assert!(!first.exists());
        std::fs::remove_file(top.path().join("19700101T000000Z-torn.aft")).expect("it stayed");
        let third = make(4_000_000_000).expect("there is room");
        let fourth = make(5_000_000_000).expect("room is made");
        assert!(!third.exists() && fourth.exists() && top.path().join("mine.aft").exists());
    }
}
