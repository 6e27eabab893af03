//! Calls on descriptors and on paths as they always were.

use crate::c;
use crate::call::{
    behind, bytes_of, file, filled, folder, gathered, given, n, null, pair, pipe, ptr, text, wide,
};
use libc::{AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR};

/// Room for any structure the kernel fills.
type Room = [u64; 64];

fn iovec(parts: &mut [&mut [u8]]) -> Vec<libc::iovec> {
    parts
        .iter_mut()
        .map(|part| libc::iovec {
            iov_base: part.as_mut_ptr().cast(),
            iov_len: part.len(),
        })
        .collect()
}

crate::cases! {
    read(call) {
        let mut buf = [0u8; 16];
        call.make(&[n(file("f", b"hello there")), filled(&raw mut buf), n(16)]);
    }
    write(call) {
        call.make(&[n(file("f", b"")), given(b"hello \x1b[2J there"), n(16)]);
    }
    open(call) {
        file("f", b"");
        call.make(&[text(c"f"), n(O_RDONLY), n(0)]);
    }
    creat(call) {
        call.make(&[text(c"new"), n(0o640)]);
    }
    close(call) {
        call.make(&[n(file("f", b""))]);
    }
    stat(call) {
        let mut room: Room = [0; 64];
        call.make(&[text(c"/etc/passwd"), ptr(&raw mut room).says("st_mode=S_IFREG|0644, st_nlink=1, st_uid=0, st_gid=0")]);
    }
    lstat(call) {
        let mut room: Room = [0; 64];
        call.make(&[text(c"no such file"), ptr(&raw mut room)]);
    }
    fstat(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(file("f", b"")), ptr(&raw mut room)]);
    }
    lseek(call) {
        call.make(&[n(file("f", b"0123456789")), n(7), n(libc::SEEK_SET)]);
    }
    ioctl(call) {
        let mut pending = 0;
        call.make(&[n(pipe()[0]), wide(libc::FIONREAD).says("FIONREAD"), ptr(&raw mut pending).says("0")]);
    }
    pread64(call) {
        let mut buf = [0u8; 4];
        call.make(&[n(file("f", b"0123456789")), filled(&raw mut buf), n(4), n(3)]);
    }
    pwrite64(call) {
        call.make(&[n(file("f", b"")), given(b"abcd"), n(4), n(1i64 << 33)]);
    }
    readv(call) {
        let (mut a, mut b) = ([0u8; 3], [0u8; 30]);
        let iov = iovec(&mut [&mut a, &mut b]);
        call.make(&[n(file("f", b"0123456789")), gathered(iov.as_ptr(), b"0123456789"), n(2)]);
    }
    writev(call) {
        let (mut a, mut b, mut c) = (*b"abc", [0u8; 0], *b"defg");
        let iov = iovec(&mut [&mut a, &mut b, &mut c]);
        call.make(&[n(file("f", b"")), gathered(iov.as_ptr(), b"abcdefg"), n(3)]);
    }
    preadv(call) {
        let (mut a, mut b) = ([0u8; 3], [0u8; 30]);
        let iov = iovec(&mut [&mut a, &mut b]);
        call.make(&[n(file("f", b"0123456789")), gathered(iov.as_ptr(), b"456789"), n(2), n(4), n(0)]);
    }
    pwritev(call) {
        let mut a = *b"abc";
        let iov = iovec(&mut [&mut a]);
        call.make(&[n(file("f", b"")), gathered(iov.as_ptr(), b"abc"), n(1), n(9), n(0)]);
    }
    preadv2(call) {
        let mut a = [0u8; 3];
        let iov = iovec(&mut [&mut a]);
        call.make(&[n(file("f", b"0123456789")), gathered(iov.as_ptr(), b"012"), n(1), n(0), n(0), n(0)]);
    }
    pwritev2(call) {
        let mut a = *b"abc";
        let iov = iovec(&mut [&mut a]);
        call.make(&[n(file("f", b"")), gathered(iov.as_ptr(), b"abc"), n(1), n(2), n(0), n(libc::RWF_DSYNC)]);
    }
    access(call) {
        call.make(&[text(c"/etc/shadow"), n(libc::R_OK | libc::W_OK)]);
    }
    dup(call) {
        call.make(&[n(file("f", b""))]);
    }
    dup2(call) {
        call.make(&[n(file("f", b"")), n(77)]);
    }
    dup3(call) {
        call.make(&[n(file("f", b"")), n(78), n(libc::O_CLOEXEC)]);
    }
    fcntl(call) {
        call.make(&[n(file("f", b"")), n(libc::F_SETFD), n(libc::FD_CLOEXEC).says("FD_CLOEXEC")]);
    }
    flock(call) {
        call.make(&[n(file("f", b"")), n(libc::LOCK_EX | libc::LOCK_NB)]);
    }
    fsync(call) {
        call.make(&[n(file("f", b"x"))]);
    }
    fdatasync(call) {
        call.make(&[n(file("f", b"x"))]);
    }
    sync(call) {
        call.make(&[]);
    }
    syncfs(call) {
        call.make(&[n(-1)]);
    }
    sync_file_range(call) {
        call.make(&[n(file("f", b"0123456789")), n(2), n(5), n(libc::SYNC_FILE_RANGE_WRITE)]);
    }
    truncate(call) {
        file("f", b"0123456789");
        call.make(&[text(c"f"), n(3)]);
    }
    ftruncate(call) {
        call.make(&[n(file("f", b"0123456789")), n(4)]);
    }
    fallocate(call) {
        call.make(&[n(file("f", b"")), n(libc::FALLOC_FL_KEEP_SIZE), n(4096), n(8192)]);
    }
    getdents(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(folder(".")), ptr(&raw mut room), n(512)]);
    }
    getdents64(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(folder(".")), ptr(&raw mut room), n(512)]);
    }
    getcwd(call) {
        let mut buf = [0u8; 4096];
        call.make(&[filled(&raw mut buf), n(4096)]);
    }
    chdir(call) {
        call.make(&[text(c"/usr/bin")]);
    }
    fchdir(call) {
        call.make(&[n(folder("/usr"))]);
    }
    rename(call) {
        file("old name", b"");
        call.make(&[text(c"old name"), text(c"new\nname")]);
    }
    mkdir(call) {
        call.make(&[text(c"folder"), n(0o750)]);
    }
    rmdir(call) {
        std::fs::create_dir("folder").expect("a folder");
        call.make(&[text(c"folder")]);
    }
    link(call) {
        file("f", b"");
        call.make(&[text(c"f"), text(c"other")]);
    }
    unlink(call) {
        file("f", b"");
        call.make(&[text(c"f")]);
    }
    symlink(call) {
        call.make(&[text(c"/nowhere/at/all"), text(c"link")]);
    }
    readlink(call) {
        std::os::unix::fs::symlink("/nowhere/at/all", "link").expect("a link");
        let mut buf = [0u8; 64];
        call.make(&[text(c"link"), filled(&raw mut buf), n(64)]);
    }
    chmod(call) {
        file("f", b"");
        call.make(&[text(c"f"), n(0o4711)]);
    }
    fchmod(call) {
        call.make(&[n(file("f", b"")), n(0o600)]);
    }
    chown(call) {
        file("f", b"");
        call.make(&[text(c"f"), n(1), n(2)]);
    }
    fchown(call) {
        call.make(&[n(file("f", b"")), n(3), n(4)]);
    }
    lchown(call) {
        file("f", b"");
        call.make(&[text(c"f"), n(5), n(6)]);
    }
    umask(call) {
        call.make(&[n(0o027)]);
    }
    utime(call) {
        file("f", b"");
        call.make(&[text(c"f"), null()]);
    }
    utimes(call) {
        file("f", b"");
        let times = [[1i64, 2], [3, 4]];
        call.make(&[text(c"f"), ptr(&raw const times)]);
    }
    mknod(call) {
        call.make(&[text(c"fifo"), n(libc::S_IFIFO | 0o600), n(0)]);
    }
    ustat(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(0x0801), ptr(&raw mut room)]);
    }
    statfs(call) {
        let mut room: Room = [0; 64];
        call.make(&[text(c"/proc"), ptr(&raw mut room).says("type=PROC_SUPER_MAGIC")]);
    }
    fstatfs(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(folder("/sys")), ptr(&raw mut room)]);
    }
    readahead(call) {
        call.make(&[n(file("f", b"0123456789")), n(1), n(5)]);
    }
    fadvise64(call) {
        call.make(&[n(file("f", b"0123456789")), n(1), n(5), n(libc::POSIX_FADV_DONTNEED)]);
    }
    sendfile(call) {
        let (to, from) = (file("to", b""), file("from", b"0123456789"));
        let mut offset = 3i64;
        call.make(&[n(to), n(from), ptr(&raw mut offset).says("7"), n(4), behind(from)]);
    }
    copy_file_range(call) {
        let (to, from) = (file("to", b""), file("from", b"0123456789"));
        let mut offset = 3i64;
        call.make(&[n(from), ptr(&raw mut offset), n(to), null(), n(4), n(0), behind(to)]);
    }
    splice(call) {
        let from = file("from", b"0123456789");
        let to = pipe()[1];
        call.make(&[n(from), null(), n(to), null(), n(6), n(libc::SPLICE_F_MOVE), behind(to)]);
    }
    memfd_create(call) {
        call.make(&[text(c"payload \x07"), n(libc::MFD_CLOEXEC)]);
    }
    close_range(call) {
        call.make(&[n(100), n(200), n(0)]);
    }
    lookup_dcookie(call) {
        let mut buf = [0u8; 64];
        call.make(&[n(0x1234), filled(&raw mut buf), n(64)]);
    }
    cachestat(call) {
        let fd = file("f", b"0123456789");
        let range = [0u64, 10];
        let mut room: Room = [0; 64];
        call.make(&[n(fd), ptr(&raw const range), ptr(&raw mut room), n(0)]);
    }
    inotify_init(call) {
        call.make(&[]);
    }
    inotify_init1(call) {
        call.make(&[n(libc::IN_NONBLOCK)]);
    }
    inotify_add_watch(call) {
        let fd = c!(inotify_init1(0));
        call.make(&[n(fd), text(c"/tmp"), n(libc::IN_CREATE | libc::IN_DELETE)]);
    }
    inotify_rm_watch(call) {
        let fd = c!(inotify_init1(0));
        let watch = c!(inotify_add_watch(fd, c"/tmp".as_ptr(), libc::IN_CREATE));
        call.make(&[n(fd), n(watch)]);
    }
    fanotify_init(call) {
        call.make(&[n(libc::FAN_CLASS_NOTIF | libc::FAN_NONBLOCK), n(O_RDONLY)]);
    }
    fanotify_mark(call) {
        let group = c!(fanotify_init(libc::FAN_CLASS_NOTIF, 0));
        std::fs::create_dir("watched").expect("a folder");
        call.make(&[n(group), n(libc::FAN_MARK_ADD), wide(libc::FAN_OPEN), n(AT_FDCWD), text(c"watched")]);
    }
    io_setup(call) {
        let mut context = 0u64;
        call.make(&[n(4), ptr(&raw mut context)]);
    }
    io_destroy(call) {
        let mut context = 0u64;
        c!(syscall(libc::SYS_io_setup, 4, &raw mut context));
        call.make(&[wide(context)]);
    }
    io_getevents(call) {
        let mut context = 0u64;
        c!(syscall(libc::SYS_io_setup, 4, &raw mut context));
        let mut room: Room = [0; 64];
        call.make(&[wide(context), n(0), n(1), ptr(&raw mut room), null()]);
    }
    io_pgetevents(call) {
        let mut context = 0u64;
        c!(syscall(libc::SYS_io_setup, 4, &raw mut context));
        let mut room: Room = [0; 64];
        let none = [0i64; 2];
        call.make(&[wide(context), n(0), n(1), ptr(&raw mut room), ptr(&raw const none), null()]);
    }
    io_submit(call) {
        let mut context = 0u64;
        c!(syscall(libc::SYS_io_setup, 4, &raw mut context));
        let none: [u64; 1] = [0];
        call.make(&[wide(context), n(0), ptr(&raw const none)]);
    }
    io_cancel(call) {
        let block = [0u64; 8];
        let mut room: Room = [0; 64];
        call.make(&[n(0x5000), ptr(&raw const block), ptr(&raw mut room)]);
    }
    io_uring_setup(call) {
        let mut params = [0u64; 15];
        call.make(&[n(4), ptr(&raw mut params).says("features=IORING_FEAT_SINGLE_MMAP|")]);
    }
    io_uring_enter(call) {
        let mut params = [0u64; 15];
        let fd = c!(syscall(libc::SYS_io_uring_setup, 4, &raw mut params));
        call.make(&[n(fd), n(0), n(0), n(0), null(), n(0)]);
    }
    io_uring_register(call) {
        let mut params = [0u64; 15];
        let fd = c!(syscall(libc::SYS_io_uring_setup, 4, &raw mut params));
        // 12: IORING_REGISTER_ENABLE_RINGS, of a ring that is enabled already.
        call.make(&[n(fd), n(12), null(), n(0)]);
    }
    openat(call) {
        std::fs::create_dir("d").expect("a folder");
        call.make(&[n(folder("d")), text(c"../new"), n(O_RDWR | O_CREAT), n(0o600)]);
    }
    openat2(call) {
        file("f", b"");
        let how = [u64::from(O_RDONLY.unsigned_abs()), 0, 0x08];
        call.make(&[n(AT_FDCWD), text(c"./f"), given(bytes_of(&how)).says("{flags=O_RDONLY, mode=0, resolve=RESOLVE_BENEATH}"), n(24)]);
    }
    open_by_handle_at(call) {
        let handle = [0u32; 8];
        call.make(&[n(folder(".")), ptr(&raw const handle), n(O_RDONLY)]);
    }
    name_to_handle_at(call) {
        file("f", b"");
        let mut handle = [0u32; 40];
        handle[0] = 128;
        let mut mount = 0;
        call.make(&[n(AT_FDCWD), text(c"f"), ptr(&raw mut handle), ptr(&raw mut mount), n(0)]);
    }
    pipe(call) {
        let mut ends = [0; 2];
        call.make(&[pair(&raw mut ends)]);
    }
    pipe2(call) {
        let mut ends = [0; 2];
        call.make(&[pair(&raw mut ends), n(libc::O_NONBLOCK)]);
    }
    tee(call) {
        let (from, to) = (pipe(), pipe());
        c!(write(from[1], c"abc".as_ptr().cast(), 3));
        call.make(&[n(from[0]), n(to[1]), n(3), n(libc::SPLICE_F_NONBLOCK), behind(to[1])]);
    }
    vmsplice(call) {
        let mut a = *b"abcd";
        let iov = iovec(&mut [&mut a]);
        call.make(&[n(pipe()[1]), gathered(iov.as_ptr(), b"abcd"), n(1), n(0)]);
    }
    uselib(call) {
        call.make(&[text(c"libnothing.so")]);
    }
}
