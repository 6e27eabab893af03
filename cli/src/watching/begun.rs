//! A new file that has no name of its own before it has a beginning: whoever is killed in between leaves nothing that looks like a
//! capture and is none.

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// How the names of drafts end.
const END: &str = ".begun";

/// The file. It is gone when it is dropped without having been named.
pub struct Begun<'f> {
    folder: &'f OwnedFd,
    draft: String,
    name: String,
    file: File,
}

impl<'f> Begun<'f> {
    /// A new file, for its owner alone, that will be called by its stem, with a number where there is such a file already.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &'f OwnedFd, stem: &str) -> io::Result<Begun<'f>> {
        let name = free_name(folder, stem)?;
        let draft = format!(".{stem}.{}{END}", std::process::id());
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, &draft, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Begun {
            folder,
            draft,
            name,
            file: File::from(file),
        })
    }

    /// The open file.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The name it will have.
    pub fn future(&self) -> &str {
        &self.name
    }

    /// Gives it its name, never taking the place of another file, and makes that durable; gives the name.
    ///
    /// # Errors
    /// When the folder does not take it, or there is such a file by now.
    pub fn name(self) -> io::Result<String> {
        self.rename(&self.name)?;
        rustix::fs::fsync(self.folder)?;
        Ok(self.name.clone())
    }

    fn rename(&self, name: &str) -> Result<(), Errno> {
        let (folder, draft) = (self.folder, &self.draft);
        match rustix::fs::renameat_with(folder, draft, folder, name, RenameFlags::NOREPLACE) {
            // Not every file system can do that (man 2 rename); a second name is as exclusive. The draft's goes with this.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(folder, draft, folder, name, AtFlags::empty())
            }
            done => done,
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        // It has another name, or none is wanted.
        let _ = rustix::fs::unlinkat(self.folder, &self.draft, AtFlags::empty());
    }
}

fn free_name(folder: &OwnedFd, stem: &str) -> io::Result<String> {
    for n in 0..1_000 {
        let name = match n {
            0 => format!("{stem}.aft"),
            n => format!("{stem}-{n}.aft"),
        };
        match rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(name),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// Removes the drafts that those left who were killed.
pub fn sweep(folder: &OwnedFd) {
    let Ok(entries) = rustix::fs::Dir::read_from(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if bytes.starts_with(b".") && bytes.ends_with(END.as_bytes()) {
            // What stays is hidden, and no capture.
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_has_a_name_once_it_has_a_beginning_and_never_that_of_another() {
        let top = tempfile::tempdir().expect("a folder");
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(top.path(), flags, Mode::empty()).expect("it opens");
        let names = || {
            let entries = std::fs::read_dir(top.path()).expect("a folder");
            let mut names: Vec<String> = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        std::fs::write(top.path().join("x.aft"), b"before").expect("a file");
        let begun = Begun::new(&folder, "x").expect("a draft");
        assert!(
            names()
                .iter()
                .all(|name| name == "x.aft" || name.starts_with('.'))
        );
        begun
            .file()
            .expect("it is open")
            .write_all(b"head")
            .expect("it is written");
        assert_eq!(begun.name().expect("it is named"), "x-1.aft");
        assert_eq!(names(), ["x-1.aft", "x.aft"]);
        let kept = std::fs::read(top.path().join("x.aft")).expect("it is there");
        assert_eq!(kept, b"before");
        let late = Begun::new(&folder, "w").expect("a draft");
        std::fs::write(top.path().join("w.aft"), b"first").expect("a file");
        assert!(late.name().is_err(), "somebody else was faster");
        std::fs::remove_file(top.path().join("w.aft")).expect("theirs is there");
        drop(Begun::new(&folder, "y").expect("a draft"));
        assert_eq!(names(), ["x-1.aft", "x.aft"]);
        std::mem::forget(Begun::new(&folder, "z").expect("a draft"));
        assert_eq!(names().len(), 3);
        sweep(&folder);
        assert_eq!(names(), ["x-1.aft", "x.aft"]);
    }
}
