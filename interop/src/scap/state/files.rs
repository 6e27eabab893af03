//! Descriptors that calls open, duplicate and close.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

impl State {
    /// Where a relative path of an open starts.
    pub(super) fn directory(&mut self, tid: i64, dirfd: i64, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") {
            return b".".to_vec();
        }
        if dirfd == AT_FDCWD {
            return self.cwd(tid).to_vec();
        }
        match self.fd_of(tid, dirfd) {
            Some(fd) => [&*fd.name, b"/"].concat(),
            None => b"<UNKNOWN>".to_vec(),
        }
    }

    pub(super) fn opened(&mut self, at: &mut At<'_, '_>) {
        let Some((number, path, flags, dev)) = self.opening(at).filter(|_| at.has_thread) else {
            return;
        };
        if number < 0 {
            return;
        }
        let ty = if flags & O_DIRECTORY != 0 {
            ty::DIRECTORY
        } else {
            ty::FILE_V2
        };
        let mut fd = Fd::new(ty, &path);
        fd.flags = flags;
        fd.dev = dev;
        fd.ino = at.int("ino").unwrap_or(0) as u64;
        // What the return says of overlays is in its own flags.
        let own = at.word("creat_flags").map(|flags| (flags & 1, flags & 2));
        let own = own.or(at
            .word("flags")
            .map(|flags| (flags & UPPER_LAYER, flags & LOWER_LAYER)));
        fd.layers = own.map_or([false; 2], |(upper, lower)| [upper != 0, lower != 0]);
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    /// Descriptor, path, flags and device of an open that returned.
    pub(super) fn opening(&mut self, at: &At<'_, '_>) -> Option<(i64, Vec<u8>, u32, u32)> {
        let raw = at.raw;
        let entry = at.entry_raw();
        let number = raw.int(0)?;
        let (place_name, place_flags, place_dirfd) = match raw.code {
            3 => (1, Some(2), None),
            59 => (1, None, None),
            103 => (1, Some(2), Some(0)),
            _ => (2, Some(3), Some(1)),
        };
        let from = |raw: &Raw<'_>, back: usize| {
            let at = |place: usize| place.checked_sub(back);
            let path = at(place_name).and_then(|place| raw.text(place))?.to_vec();
            let flags = place_flags
                .and_then(at)
                .and_then(|place| raw.word(place))
                .unwrap_or(0);
            let dirfd = place_dirfd
                .and_then(at)
                .and_then(|place| raw.int(place))
                .unwrap_or(AT_FDCWD);
            Some((path, flags, dirfd))
        };
        let of_entry = entry
            .as_ref()
            .and_then(|entry| from(entry, usize::from(raw.code != 103)))
            .filter(|(path, ..)| !path.is_empty() && path != b"(NULL)" && path != b"<NA>");
        let of_return = if raw.code == 103 { None } else { from(raw, 0) };
        let (path, flags, dirfd) = of_entry.or(of_return)?;
        let base = self.directory(at.tid, dirfd, &path);
        Some((
            number,
            join_path(&base, &path),
            flags,
            at.word("dev").unwrap_or(0),
        ))
    }

    /// The path of an open that returned, also of one that failed.
    pub fn opened_path(&mut self, raw: &Raw<'_>) -> Option<Vec<u8>> {
        let row = types::row(raw.code)?;
        let at = At {
            raw,
            row,
            tid: raw.tid,
            has_thread: true,
            file: None,
            name_before: None,
            entry: None,
            used: None,
        };
        let path = self.opening(&at)?.1;
        Some(path)
    }

    pub(super) fn opened_by_handle(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 {
            return;
        }
        let path = at
            .row
            .place("path")
            .and_then(|place| at.raw.text(place))
            .unwrap_or_default()
            .to_vec();
        let flags = at.word("flags").unwrap_or(0);
        let mut fd = Fd::new(
            if flags & O_DIRECTORY != 0 {
                ty::DIRECTORY
            } else {
                ty::FILE_V2
            },
            &path,
        );
        fd.flags = flags;
        fd.dev = at.word("dev").unwrap_or(0);
        fd.ino = at.int("ino").unwrap_or(0) as u64;
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    pub(super) fn made(&mut self, at: &mut At<'_, '_>, ty: u8, name: &[u8]) {
        let number = at.result();
        if number >= 0 {
            at.name_before = None;
            self.add_fd(at, number, Fd::new(ty, name));
        }
    }

    pub(super) fn piped(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 {
            return;
        }
        for name in ["fd1", "fd2"] {
            if let Some(number) = at.int(name) {
                let mut fd = Fd::new(ty::FIFO, b"");
                fd.ino = at.int("ino").unwrap_or(0) as u64;
                at.name_before = None;
                self.add_fd(at, number, fd);
            }
        }
    }

    pub(super) fn paired(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 {
            return;
        }
        for name in ["fd2", "fd1"] {
            if let Some(number) = at.int(name) {
                at.name_before = None;
                self.add_fd(at, number, Fd::new(ty::UNIX, b""));
            }
        }
        // The peers ask for the one that was added last, and name the first.
        if let (Some(second), Some(thread)) = (at.int("fd2"), self.thread(at)) {
            thread.last_fd = second;
        }
    }

    pub(super) fn closed(&mut self, at: &mut At<'_, '_>) {
        if at.result() < 0 || !at.has_thread || at.file.is_none() {
            return;
        }
        let last = self
            .threads
            .get(&at.tid)
            .map_or(-1, |thread| thread.last_fd);
        self.closing = Some((at.tid, last));
    }

    pub(super) fn closed_range(&mut self, at: &mut At<'_, '_>) {
        let (first, last) = (
            at.word("first").unwrap_or(u32::MAX),
            at.word("last").unwrap_or(0),
        );
        // CLOSE_RANGE_CLOEXEC only marks them.
        if at.word("flags").unwrap_or(0) & 4 != 0 {
            return;
        }
        if let Some(owner) = self
            .owner(at.tid)
            .and_then(|owner| self.threads.get_mut(&owner))
        {
            let range = i64::from(first)..=i64::from(last);
            let inside = owner.fds.keys().filter(|fd| range.contains(fd));
            let inside: Vec<i64> = inside.copied().collect();
            for fd in inside {
                owner.fds.remove(&fd);
            }
        }
    }

    pub(super) fn duplicated(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        if at.file.is_none()
            && let Some(old) = at.int("oldfd")
        {
            self.point(at, old);
        }
        let Some(fd) = at.file.and_then(|place| self.fd(place)).cloned() else {
            return;
        };
        self.add_fd(at, number, fd);
    }

    pub(super) fn fcntled(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        let duplicates = at.entry_raw().is_some()
            || matches!(at.word("cmd"), Some(1 | 26)) && at.raw.params.len() > 2;
        if !duplicates || number < 0 {
            return;
        }
        if let Some(fd) = at.file.and_then(|place| self.fd(place)).cloned() {
            self.add_fd(at, number, fd);
        }
    }
}
