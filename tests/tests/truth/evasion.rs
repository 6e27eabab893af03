//! Ways to be seen as something else: names that lead elsewhere, memory that stalls the kernel, data that moves without a read
//! or a write, and one process acting in another.

use crate::inside;
use afterimage_model::{Ctx, EventFlags, FileKind};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End, Shared};
use afterimage_tests::harness::{self, Capture, Seen};
use afterimage_tests::needs_recording;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

fn c(path: impl AsRef<OsStr>) -> CString {
    CString::new(path.as_ref().as_bytes()).expect("a path without NUL")
}

/// A folder on a file system of its own, for as long as the calling process lives: mounts in a namespace of their own.
fn own_mounts(folder: &Path) {
    // SAFETY: the caller has one thread and no folder entered that it needs.
    assert_eq!(
        unsafe { libc::unshare(libc::CLONE_NEWNS) },
        0,
        "a mount namespace"
    );
    mount(
        "none",
        Path::new("/"),
        "",
        libc::MS_REC | libc::MS_PRIVATE,
        "",
    );
    mount("tmpfs", folder, "tmpfs", 0, "");
}

fn mount(from: impl AsRef<OsStr>, at: &Path, kind: &str, flags: libc::c_ulong, data: &str) {
    try_mount(from, at, kind, flags, data).unwrap_or_else(|why| panic!("mount {at:?}: {why}"));
}

fn try_mount(
    from: impl AsRef<OsStr>,
    at: &Path,
    kind: &str,
    flags: libc::c_ulong,
    data: &str,
) -> std::io::Result<()> {
    let (from, to, kind, data) = (c(from), c(at), c(kind), c(data));
    // SAFETY: NUL-terminated strings that outlive the call.
    let done = unsafe {
        libc::mount(
            from.as_ptr(),
            to.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// One way to a file: its name, the directory descriptor, the path that is passed, and where the file is in truth.
struct Route {
    name: &'static str,
    dirfd: i32,
    path: Vec<u8>,
    truth: PathBuf,
    /// Kept open for the time of the call.
    _held: Option<OwnedFd>,
}

fn route(name: &'static str, path: impl AsRef<OsStr>, truth: impl Into<PathBuf>) -> Route {
    Route {
        name,
        dirfd: libc::AT_FDCWD,
        path: path.as_ref().as_bytes().to_vec(),
        truth: truth.into(),
        _held: None,
    }
}

fn from(
    name: &'static str,
    dir: &Path,
    flags: i32,
    path: &str,
    truth: impl Into<PathBuf>,
) -> Route {
    let dir = open(dir, flags | libc::O_DIRECTORY);
    Route {
        dirfd: dir.as_raw_fd(),
        _held: Some(dir),
        ..route(name, path, truth)
    }
}

fn open(path: &Path, flags: i32) -> OwnedFd {
    let path = c(path);
    // SAFETY: a NUL-terminated string; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::open(path.as_ptr(), flags, 0o644);
        assert!(fd >= 0, "{path:?}: {}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
}

/// Builds what the ways lead through, below a folder of its own file system.
fn routes(top: &Path) -> Vec<Route> {
    let at = |name: &str| top.join(name);
    let dir = |name: &str| {
        std::fs::create_dir_all(at(name)).expect("a folder");
        at(name)
    };
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, at(name)).expect("a link");
    let (real, other) = (dir("real"), dir("other"));
    let secret = real.join("secret");
    write(&secret, "secret");
    write(&other.join("secret"), "another");
    let mut all = vec![
        route("plain", &secret, &secret),
        route("dots", at("other/.././real/./secret"), &secret),
        route(
            "slashes",
            format!("{}//real///secret", top.display()),
            &secret,
        ),
        from("relative to a directory", &real, 0, "secret", &secret),
        from(
            "relative to an O_PATH directory",
            &real,
            libc::O_PATH,
            "secret",
            &secret,
        ),
        from("up from a directory", &other, 0, "../real/secret", &secret),
        from(
            "empty detour",
            &real,
            0,
            "./../real/../other/../real/secret",
            &secret,
        ),
    ];
    link(&secret, "link");
    all.push(route("symbolic link", at("link"), &secret));
    link(&real, "folder");
    all.push(route("link to a folder", at("folder/secret"), &secret));
    all.push(route(
        "up from a link's target",
        at("folder/../other/secret"),
        other.join("secret"),
    ));
    let mut before = secret.clone();
    for n in 0..12 {
        let name = format!("chain{n}");
        link(&before, &name);
        before = at(&name);
    }
    all.push(route("a chain of links", &before, &secret));
    std::os::unix::fs::symlink("real/secret", at("relative")).expect("a link");
    all.push(route("a relative link", at("relative"), &secret));
    std::fs::hard_link(&secret, at("hard")).expect("a second name");
    all.push(route("second name", at("hard"), at("hard")));
    write(&at("bound"), "");
    mount(&secret, &at("bound"), "", libc::MS_BIND, "");
    all.push(route("a file bound elsewhere", at("bound"), at("bound")));
    let bound = dir("bound-folder");
    mount(&real, &bound, "", libc::MS_BIND, "");
    all.push(route(
        "a folder bound elsewhere",
        bound.join("secret"),
        bound.join("secret"),
    ));
    let covered = dir("covered");
    write(&covered.join("secret"), "below");
    let below = open(&covered, libc::O_PATH | libc::O_DIRECTORY);
    mount("tmpfs", &covered, "tmpfs", 0, "");
    write(&covered.join("secret"), "above");
    all.push(route(
        "above a mount",
        covered.join("secret"),
        covered.join("secret"),
    ));
    all.push(Route {
        dirfd: below.as_raw_fd(),
        _held: Some(below),
        ..route("below a mount", "secret", covered.join("secret"))
    });
    let (lower, upper, work, merged) = (dir("lower"), dir("upper"), dir("work"), dir("merged"));
    write(&lower.join("low"), "low");
    write(&lower.join("copied"), "copied");
    write(&upper.join("up"), "up");
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    match try_mount("overlay", &merged, "overlay", 0, &layers) {
        Err(why) if why.raw_os_error() == Some(libc::ENODEV) => {
            harness::skip("this kernel has no layers (overlay)");
        }
        mounted => {
            mounted.unwrap_or_else(|why| panic!("overlay: {why}"));
            write(&merged.join("copied"), "changed");
            for (name, file) in [
                ("a lower layer", "low"),
                ("an upper layer", "up"),
                ("copied up", "copied"),
            ] {
                all.push(route(name, merged.join(file), merged.join(file)));
            }
        }
    }
    for (name, start) in [
        ("/proc/self/root", "/proc/self/root".to_owned()),
        (
            "/proc/PID/root",
            format!("/proc/{}/root", std::process::id()),
        ),
        (
            "/proc/thread-self/root",
            "/proc/thread-self/root".to_owned(),
        ),
    ] {
        all.push(route(name, format!("{start}{}", secret.display()), &secret));
    }
    let held = open(&secret, libc::O_RDONLY);
    for (name, place) in [("/proc/self/fd", "/proc/self/fd"), ("/dev/fd", "/dev/fd")] {
        all.push(route(
            name,
            format!("{place}/{}", held.as_raw_fd()),
            &secret,
        ));
    }
    std::mem::forget(held);
    let folder = open(&real, libc::O_RDONLY | libc::O_DIRECTORY);
    all.push(route(
        "through a descriptor of a folder",
        format!("/proc/self/fd/{}/secret", folder.as_raw_fd()),
        &secret,
    ));
    std::mem::forget(folder);
    let long = "n".repeat(255);
    write(&at(&long), "");
    all.push(route("255 bytes", at(&long), at(&long)));
    let odd = top.join(OsStr::from_bytes(b"\xff\xfe\n\x1b[2J\x80"));
    write(&odd, "");
    all.push(route("bytes that are no text", &odd, &odd));
    let mut deep = top.to_path_buf();
    for n in 0..40 {
        deep.push(format!("{n}"));
    }
    std::fs::create_dir_all(&deep).expect("folders");
    write(&deep.join("end"), "");
    all.push(route("forty deep", deep.join("end"), deep.join("end")));
    // The folder is renamed behind the back of whoever holds it.
    let moved = open(&dir("before"), libc::O_RDONLY | libc::O_DIRECTORY);
    write(&at("before/file"), "");
    std::fs::rename(at("before"), at("after")).expect("renamed");
    all.push(Route {
        dirfd: moved.as_raw_fd(),
        _held: Some(moved),
        ..route("a folder that was renamed", "file", at("after/file"))
    });
    let gone = open(&at("gone"), libc::O_CREAT | libc::O_RDWR);
    std::fs::remove_file(at("gone")).expect("removed");
    all.push(route(
        "removed, through its descriptor",
        format!("/proc/self/fd/{}", gone.as_raw_fd()),
        at("gone"),
    ));
    std::mem::forget(gone);
    all
}

const NOBODY: i32 = 77_777;

/// Says in the stream which case comes next: a call that fails and does nothing.
fn say(case: usize) {
    // SAFETY: asks for the priority of something that there is none of.
    unsafe { libc::syscall(libc::SYS_getpriority, NOBODY, case) };
}

/// The events of each case: what comes behind its mark.
fn cases<'a>(capture: &'a Capture, pid: u32) -> Vec<Vec<Ctx<'a>>> {
    let mut all: Vec<Vec<Ctx<'a>>> = Vec::new();
    for ctx in capture.of_thread(pid) {
        if ctx.name() == "getpriority" && ctx.number("which") == Some(i64::from(NOBODY)) {
            all.push(Vec::new());
        } else if let Some(case) = all.last_mut() {
            case.push(ctx);
        }
    }
    all
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens by each of the calls that can; gives the descriptors.
fn openings(route: &Route) -> [i64; 3] {
    let path = CString::new(route.path.clone()).expect("a path without NUL");
    let how = OpenHow {
        flags: libc::O_RDONLY as u64,
        mode: 0,
        resolve: 0,
    };
    // SAFETY: NUL-terminated strings and a structure that outlive the calls.
    unsafe {
        let at = libc::syscall(libc::SYS_openat, route.dirfd, path.as_ptr(), libc::O_RDONLY);
        let at2 = libc::syscall(
            libc::SYS_openat2,
            route.dirfd,
            path.as_ptr(),
            &raw const how,
            size_of::<OpenHow>(),
        );
        // open() has no directory: one that is needed is entered.
        let entered = route.dirfd >= 0 && libc::fchdir(route.dirfd) == 0;
        let plain = libc::syscall(libc::SYS_open, path.as_ptr(), libc::O_RDONLY);
        if entered {
            libc::chdir(c"/".as_ptr());
        }
        [at, at2, plain]
    }
}

#[test]
fn whichever_way_leads_to_a_file_it_is_that_file() {
    needs_recording!();
    let cgroup = Cgroup::fresh("ways").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let told = Shared::new(1 << 20).expect("memory");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            own_mounts(folder.path());
            let mut truths = Vec::new();
            for (at, route) in routes(folder.path()).iter().enumerate() {
                say(at);
                for fd in openings(route) {
                    assert!(
                        fd >= 0,
                        "{}: {}",
                        route.name,
                        std::io::Error::last_os_error()
                    );
                    // SAFETY: `stat` is filled by fstat.
                    let stat = unsafe {
                        let mut stat: libc::stat = std::mem::zeroed();
                        assert_eq!(libc::fstat(fd as i32, &raw mut stat), 0);
                        stat
                    };
                    truths.push((
                        route.name,
                        route.truth.as_os_str().as_bytes().to_vec(),
                        stat.st_ino,
                        stat.st_dev,
                    ));
                }
            }
            told.put(&serde_json::to_vec(&truths).expect("plain values"));
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    type Truth = (String, Vec<u8>, u64, u64);
    let truths: Vec<Truth> = serde_json::from_slice(&told.take()).expect("what was put");
    let opened: Vec<Ctx<'_>> = cases(&capture, pid)
        .into_iter()
        .flatten()
        .filter(|ctx| matches!(ctx.name(), "open" | "openat" | "openat2"))
        .collect();
    assert_eq!(opened.len(), truths.len());
    assert!(truths.len() >= 60, "{} cases", truths.len());
    let mut wrong = Vec::new();
    for (ctx, (name, path, ino, dev)) in opened.iter().zip(&truths) {
        let file = ctx.file().expect("an open file");
        // The kernel's own number of a device against that of stat (`new_encode_dev`, include/linux/kdev_t.h).
        let (major, minor) = (file.dev >> 20, file.dev & 0xf_ffff);
        let dev_seen = minor & 0xff | major << 8 | (minor & !0xff) << 12;
        if file.path != *path || file.ino != *ino || dev_seen != *dev {
            wrong.push(format!(
                "{name}: {} {} {dev_seen:x} instead of {} {ino} {dev:x}: {}",
                String::from_utf8_lossy(&file.path),
                file.ino,
                String::from_utf8_lossy(path),
                ctx.line()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

/// A path whose end lies in a page that is not there: the kernel has read its beginning, and waits for a thread to bring the
/// page, which first changes the beginning.
#[test]
fn a_path_that_changes_while_the_kernel_waits_for_its_end_is_what_was_opened() {
    needs_recording!();
    const ROUNDS: usize = 50;
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["one", "two"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        write(&folder.path().join(name).join(LONG_NAME), name);
    }
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name).join(LONG_NAME));
    let cgroup = Cgroup::fresh("stalled").expect("a control group");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            // Of its own: the stacks of the threads that are gone in the child are given to new ones.
            let folder = folder.path().to_owned();
            (0..ROUNDS).for_each(|_| stalled_open(&folder));
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let opened: Vec<_> = (capture.of_thread(pid).into_iter())
        .filter(|ctx| ctx.name() == "openat" && ctx.event.result >= 0)
        .filter(|ctx| ctx.bytes("path") == Some(two.as_os_str().as_bytes()))
        .collect();
    assert_eq!(opened.len(), ROUNDS, "what lay there in the end");
    for ctx in opened {
        let file = ctx.file().expect("an open file");
        assert_eq!(file.path, one.as_os_str().as_bytes(), "{}", ctx.line());
        assert!(
            ctx.event.flags.has(EventFlags::CLAIM_DIFFERS),
            "{}",
            ctx.line()
        );
    }
}

/// include/uapi/linux/userfaultfd.h
mod fault {
    pub const API: libc::c_ulong = 0xc018_aa3f;
    pub const REGISTER: libc::c_ulong = 0xc020_aa00;
    pub const COPY: libc::c_ulong = 0xc028_aa03;
}

/// A file's name, of which the last bytes lie in the second page. The kernel reads eight bytes at a time.
const LONG_NAME: &str = "a-name-that-reaches-into-the-next-page";

/// Opens a file of folder `one` by a path that is one in `two` as soon as the kernel has read that far.
fn stalled_open(folder: &Path) {
    const PAGE: usize = 4096;
    const TAIL: usize = 5;
    let whole = folder
        .join("one")
        .join(LONG_NAME)
        .into_os_string()
        .into_encoded_bytes();
    let (front, rest) = whole.split_at(whole.len() - TAIL);
    // SAFETY: two anonymous pages, of which the second is registered with a descriptor that only this function uses; whatever
    // is passed by address lives through its call, and the thread that writes ends before the pages go.
    unsafe {
        let pages = libc::mmap(
            std::ptr::null_mut(),
            2 * PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(pages, libc::MAP_FAILED);
        let second = pages as usize + PAGE;
        let path = second - front.len();
        std::ptr::copy_nonoverlapping(front.as_ptr(), path as *mut u8, front.len());
        let uffd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) as i32;
        assert!(
            uffd >= 0,
            "userfaultfd: {}",
            std::io::Error::last_os_error()
        );
        let mut api = [0xaa_u64, 0, 0];
        assert_eq!(libc::ioctl(uffd, fault::API, &raw mut api), 0);
        let mut range = [second as u64, PAGE as u64, 1, 0];
        assert_eq!(libc::ioctl(uffd, fault::REGISTER, &raw mut range), 0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut message = [0_u8; 32];
                assert_eq!(libc::read(uffd, message.as_mut_ptr().cast(), 32), 32);
                let folder = second + TAIL - LONG_NAME.len() - 4;
                std::ptr::copy_nonoverlapping(b"two".as_ptr(), folder as *mut u8, 3);
                let mut end = [0_u8; PAGE];
                end[..TAIL].copy_from_slice(rest);
                let mut copy = [second as u64, end.as_ptr() as u64, PAGE as u64, 0, 0];
                assert_eq!(libc::ioctl(uffd, fault::COPY, &raw mut copy), 0);
            });
            let fd = libc::openat(libc::AT_FDCWD, path as *const libc::c_char, libc::O_RDONLY);
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            let mut content = [0_u8; 3];
            libc::read(fd, content.as_mut_ptr().cast(), 3);
            assert_eq!(&content, b"one", "the kernel had read the beginning");
            libc::close(fd);
        });
        libc::close(uffd);
        libc::munmap(pages, 2 * PAGE);
    }
}

/// Data that goes from file to file without passing through the program.
#[test]
fn data_that_moves_inside_the_kernel_has_both_its_ends() {
    needs_recording!();
    let folder = tempfile::tempdir().expect("a folder");
    let (source, sink) = (folder.path().join("source"), folder.path().join("sink"));
    write(&source, "what is moved");
    let cgroup = Cgroup::fresh("moves").expect("a control group");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || moves(&source, &sink))
    });
    assert_eq!(end, End::Exited(0));
    let (source, sink) = (
        String::from_utf8_lossy(source.as_os_str().as_bytes()),
        String::from_utf8_lossy(sink.as_os_str().as_bytes()),
    );
    let cases = cases(&capture, pid);
    for (case, (call, first, other)) in cases.iter().zip([
        ("sendfile", sink.as_ref(), source.as_ref()),
        ("splice", source.as_ref(), "pipe:["),
        ("tee", "pipe:[", "pipe:["),
        ("splice", "pipe:[", sink.as_ref()),
        ("vmsplice", "pipe:[", ""),
        ("copy_file_range", source.as_ref(), sink.as_ref()),
        ("sendfile", "127.0.0.1:", source.as_ref()),
        ("epoll_ctl", "[eventpoll]", "pipe:["),
    ]) {
        let ctx = (case.iter().find(|ctx| ctx.name() == call)).unwrap_or_else(|| {
            let lines: Vec<_> = case.iter().map(|ctx| ctx.line()).collect();
            panic!("no {call}: {lines:?}")
        });
        assert!(ctx.event.result >= 0, "{}", ctx.line());
        let file = ctx.file().expect("a file");
        let name = match file.kind {
            FileKind::Pipe => format!("pipe:[{}]", file.ino).into_bytes(),
            _ => file.name(),
        };
        let name = String::from_utf8_lossy(&name);
        assert!(name.contains(first), "{call}: {name} instead of {first}");
        let last = ctx
            .ty()
            .and_then(|ty| ty.args.last())
            .map_or("", |arg| arg.name.as_str());
        let seen = ctx.bytes(last).unwrap_or_default();
        let seen = String::from_utf8_lossy(seen);
        assert!(
            seen.contains(other),
            "{call}: {last} is {seen}, not {other}: {}",
            ctx.line()
        );
    }
    assert_eq!(cases.len(), 8);
}

fn moves(source: &Path, sink: &Path) -> i32 {
    let none = std::ptr::null_mut();
    let (from, to) = (
        open(source, libc::O_RDONLY),
        open(sink, libc::O_CREAT | libc::O_RDWR),
    );
    let pipe = || {
        let (read, write) = std::io::pipe().expect("a pipe");
        (OwnedFd::from(read), OwnedFd::from(write))
    };
    let ((read, write), (_copied, copy)) = (pipe(), pipe());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = std::net::TcpStream::connect(listener.local_addr().expect("a port"));
    let stream = stream.expect("a connection");
    let fd = |fd: &OwnedFd| fd.as_raw_fd();
    let vector = libc::iovec {
        iov_base: c"from memory".as_ptr().cast_mut().cast(),
        iov_len: 11,
    };
    let epoll =
        rustix::event::epoll::create(rustix::event::epoll::CreateFlags::empty()).expect("epoll");
    let mut event: libc::epoll_event = libc::epoll_event { events: 1, u64: 7 };
    // SAFETY: descriptors that are open, offsets that are given or none, and a vector of static text.
    unsafe {
        say(0);
        libc::sendfile(fd(&to), fd(&from), &mut 0, 4);
        say(1);
        libc::splice(fd(&from), &mut 0, fd(&write), none, 4, 0);
        say(2);
        libc::tee(fd(&read), fd(&copy), 4, 0);
        say(3);
        libc::splice(fd(&read), none, fd(&to), &mut 4, 4, 0);
        say(4);
        libc::vmsplice(fd(&write), &raw const vector, 1, 0);
        say(5);
        libc::copy_file_range(fd(&from), &mut 0, fd(&to), &mut 8, 4, 0);
        say(6);
        libc::sendfile(stream.as_raw_fd(), fd(&from), &mut 0, 4);
        say(7);
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            fd(&read),
            &raw mut event,
        );
    }
    0
}

/// One process that acts in another.
#[test]
fn what_one_process_does_in_another_names_both() {
    needs_recording!();
    let cgroup = Cgroup::fresh("inject").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("taken");
    write(&taken, "a secret");
    let told = Shared::new(4096).expect("memory");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let target = victim(&taken);
            told.put(&target.to_ne_bytes());
            inject(target);
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let target = i32::from_ne_bytes(told.take().try_into().expect("a pid"));
    let cases = cases(&capture, pid);
    let find = |case: usize, call: &str| -> &Ctx<'_> {
        let case = cases.get(case).expect("a case");
        (case
            .iter()
            .find(|ctx| ctx.name() == call && ctx.event.result >= 0))
        .unwrap_or_else(|| {
            let lines: Vec<_> = case.iter().map(|ctx| ctx.line()).collect();
            panic!("no {call}: {lines:?}")
        })
    };
    assert_eq!(find(0, "ptrace").number("pid"), Some(i64::from(target)));
    assert_eq!(
        find(1, "process_vm_writev").number("pid"),
        Some(i64::from(target))
    );
    let written = find(2, "pwrite64").file().expect("a file").clone();
    assert_eq!(
        String::from_utf8_lossy(&written.path),
        format!("/proc/{target}/mem")
    );
    let got = find(3, "pidfd_getfd");
    let file = got.file().expect("what was taken");
    assert_eq!(
        (file.path.as_slice(), file.kind),
        (taken.as_os_str().as_bytes(), FileKind::File)
    );
    assert_eq!(find(3, "pidfd_open").number("pid"), Some(i64::from(target)));
    // And what is read by it, in the hands of who took it.
    let read = find(3, "read");
    assert_eq!(
        read.file().map(|file| file.path.clone()),
        Some(taken.as_os_str().as_bytes().to_vec())
    );
    assert_eq!(read.pid(), pid);
}

/// A child that holds a file open and waits to be killed; gives its pid.
fn victim(file: &Path) -> i32 {
    let held = open(file, libc::O_RDONLY);
    assert_eq!(rustix::io::dup(&held).map(|_| ()), Ok(()));
    let child = child::fork(|| {
        // SAFETY: waits for a signal; the parent asks to be told of nothing else.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::dup2(held.as_raw_fd(), 200);
            loop {
                libc::pause();
            }
        }
    })
    .expect("fork");
    let pid = child.pid().cast_signed();
    // Until it has the descriptor.
    while !Path::new(&format!("/proc/{pid}/fd/200")).exists() {
        std::thread::yield_now();
    }
    pid
}

fn inject(pid: i32) {
    // The child is a copy of this process: what lies at an address here does there too.
    let word = Box::new(7_u64);
    let at = (&raw const *word).cast_mut();
    // SAFETY: writes into memory of the child that is a copy of `word`, by addresses that both have; the descriptors are this
    // process's own.
    unsafe {
        say(0);
        assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0), 0);
        libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0);
        say(1);
        let (local, remote) = (
            libc::iovec {
                iov_base: at.cast(),
                iov_len: 8,
            },
            libc::iovec {
                iov_base: at.cast(),
                iov_len: 8,
            },
        );
        assert_eq!(
            libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0),
            8
        );
        say(2);
        let memory = open(Path::new(&format!("/proc/{pid}/mem")), libc::O_RDWR);
        assert_eq!(
            libc::pwrite(memory.as_raw_fd(), at.cast(), 8, at as libc::off_t),
            8
        );
        say(3);
        let pidfd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        let taken = libc::syscall(libc::SYS_pidfd_getfd, pidfd, 200, 0) as i32;
        assert!(taken >= 0, "{}", std::io::Error::last_os_error());
        let mut text = [0_u8; 8];
        assert_eq!(libc::read(taken, text.as_mut_ptr().cast(), 8), 8);
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}
