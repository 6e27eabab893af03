//! The folder that evidence goes to: opened once, never through a symbolic link; new files, private, named by time, trigger
//! and container; and how many there may be.

use crate::custody;
use crate::failure::Failure;
use crate::keyring;
use crate::output::say;
use crate::watching::config::Evidence;
use afterimage_capture::watch::{Opening, Sealed, Store as Place};
use afterimage_format::store::Store;
use afterimage_format::{Lineage, Writer, WriterOptions};
use afterimage_model::time::Civil;
use afterimage_model::{Manifest, Safe, Schema};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The folder.
pub struct Folder {
    path: PathBuf,
    limits: Arc<Mutex<Evidence>>,
    handle: OwnedFd,
    /// When files were opened, in the last hour.
    opened: VecDeque<Instant>,
    /// When files were sealed, in the last day, and their bytes.
    sealed: VecDeque<(Instant, u64)>,
    /// The name of the key that signs; `None` for none.
    key: Option<String>,
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

impl Folder {
    /// Makes the folder where it is missing, and opens it.
    ///
    /// # Errors
    /// When it cannot be made or used, or is a symbolic link.
    pub fn open(limits: Evidence, key: Option<String>, quiet: bool) -> Result<Folder, Failure> {
        let path = &limits.folder;
        let wrong = |doing: &str, error: io::Error| {
            Failure::path(
                doing,
                path,
                error,
                "name a folder of your own as evidence.folder in the configuration",
            )
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .recursive(true)
            .create(path)
            .map_err(|error| wrong("making", error))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| wrong("opening", error.into()))?;
        Ok(Folder {
            path: path.clone(),
            limits: Arc::new(Mutex::new(limits)),
            handle,
            opened: VecDeque::new(),
            sealed: VecDeque::new(),
            key,
            quiet,
        })
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

    fn allows(&mut self) -> Result<(), String> {
        self.age();
        let limits = self.limits().clone();
        if self.opened.len() >= limits.files_per_hour {
            return Err(format!(
                "{} files were made within an hour (evidence.files_per_hour)",
                self.opened.len()
            ));
        }
        let bytes: u64 = self.sealed.iter().map(|(_, bytes)| bytes).sum();
        if bytes >= limits.bytes_per_day {
            return Err(format!(
                "{bytes} bytes were written within a day (evidence.bytes_per_day)"
            ));
        }
        let free = self.free().map_err(|error| error.to_string())?;
        if free < limits.free {
            return Err(format!("only {free} bytes are free (evidence.free)"));
        }
        Ok(())
    }

    /// A new file, which nobody else has made before.
    fn create(&self, stem: &str) -> io::Result<(String, File)> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for n in 0..1_000 {
            let name = match n {
                0 => format!("{stem}.aft"),
                n => format!("{stem}-{n}.aft"),
            };
            match rustix::fs::openat(&self.handle, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok((name, File::from(file))),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
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
        let at = Civil::from_unix_ns(opening.wall_ns);
        let mut stem = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z-{}",
            at.year,
            at.month,
            at.day,
            at.hour,
            at.minute,
            at.second,
            plain(&opening.trigger)
        );
        if let Some(container) = &opening.container {
            let name = match container.name.is_empty() {
                true => container.short_id(),
                false => &container.name,
            };
            stem.push('-');
            stem.push_str(&plain(name));
        }
        let (name, file) = self.create(&stem).map_err(|error| error.to_string())?;
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
        let path = self.path(&name);
        let writer = Store::over(file, &path).and_then(|store| {
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
            }
            Ok(writer)
        });
        let writer = writer.map_err(|error| {
            // Nothing is in it.
            let _ = rustix::fs::unlinkat(&self.handle, &name, AtFlags::empty());
            error.to_string()
        })?;
        self.opened.push_back(Instant::now());
        Ok((path, writer))
    }

    fn sealed(&mut self, out: Store, _sealed: &Sealed) -> io::Result<()> {
        let states = out.states();
        let finished = out.finish();
        self.sealed.push_back((Instant::now(), states.written()));
        finished?;
        Ok(rustix::fs::fsync(&self.handle)?)
    }

    fn left(&mut self) -> Vec<(&'static str, u64)> {
        self.age();
        let limits = self.limits().clone();
        let bytes: u64 = self.sealed.iter().map(|(_, bytes)| bytes).sum();
        vec![
            (
                "files_per_hour",
                limits.files_per_hour.saturating_sub(self.opened.len()) as u64,
            ),
            ("bytes_per_day", limits.bytes_per_day.saturating_sub(bytes)),
            ("free", self.free().unwrap_or(0).saturating_sub(limits.free)),
        ]
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
    use std::path::Path;

    fn limits(folder: &Path) -> Evidence {
        Evidence {
            folder: folder.to_owned(),
            files_per_hour: 2,
            bytes_per_day: 1 << 20,
            free: 0,
            encrypt_to: Vec::new(),
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
            Folder::open(limits(&top.path().join("a/b")), None, true).expect("a folder");
        let mut open = || {
            let manifest = Manifest::default();
            Place::open(&mut folder, &opening(), &manifest, WriterOptions::default())
        };
        let (first, _) = open().unwrap_or_else(|why| panic!("{why}"));
        let (second, _) = open().unwrap_or_else(|why| panic!("{why}"));
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
        assert!(Folder::open(limits(&top.path().join("link")), None, true).is_err());
    }

    #[test]
    fn when_room_runs_out_no_file_is_made() {
        let top = tempfile::tempdir().expect("a folder");
        let all = Evidence {
            free: u64::MAX,
            ..limits(top.path())
        };
        let mut folder = Folder::open(all, None, true).expect("a folder");
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
}
