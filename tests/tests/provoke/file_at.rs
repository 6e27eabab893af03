//! Calls that start from a directory descriptor, and extended attributes.

use crate::c;
use crate::call::{bytes_of, file, filled, folder, given, n, null, ptr, text};
use libc::AT_FDCWD;

/// Room for any structure the kernel fills.
type Room = [u64; 64];

/// A file `f` with the attribute `user.colour`, where the file system takes one.
fn coloured() -> i32 {
    let fd = file("f", b"");
    c!(setxattr(
        c"f".as_ptr(),
        c"user.colour".as_ptr(),
        c"blue".as_ptr().cast(),
        4,
        0
    ));
    fd
}

/// `struct xattr_args` of setxattrat and getxattrat, Linux 6.13.
#[derive(Clone, Copy)]
#[repr(C)]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

crate::cases! {
    mkdirat(call) {
        call.make(&[n(folder(".")), text(c"sub"), n(0o711)]);
    }
    mknodat(call) {
        call.make(&[n(folder(".")), text(c"fifo"), n(libc::S_IFIFO | 0o644), n(0)]);
    }
    fchownat(call) {
        file("f", b"");
        call.make(&[n(folder(".")), text(c"f"), n(7), n(8), n(libc::AT_SYMLINK_NOFOLLOW)]);
    }
    futimesat(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"f"), null()]);
    }
    newfstatat(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(folder("/etc")), text(c"passwd"), ptr(&raw mut room).says("st_mode=S_IFREG|0"), n(0)]);
    }
    unlinkat(call) {
        std::fs::create_dir("d").expect("a folder");
        call.make(&[n(folder(".")), text(c"d"), n(libc::AT_REMOVEDIR)]);
    }
    renameat(call) {
        file("f", b"");
        call.make(&[n(folder(".")), text(c"f"), n(AT_FDCWD), text(c"g")]);
    }
    renameat2(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"f"), n(folder(".")), text(c"g"), n(libc::RENAME_NOREPLACE)]);
    }
    linkat(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"f"), n(folder(".")), text(c"g"), n(0)]);
    }
    symlinkat(call) {
        call.make(&[text(c"aim"), n(folder(".")), text(c"link")]);
    }
    readlinkat(call) {
        std::os::unix::fs::symlink("aim", "link").expect("a link");
        let mut buf = [0u8; 16];
        call.make(&[n(folder(".")), text(c"link"), filled(&raw mut buf), n(16)]);
    }
    fchmodat(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"f"), n(0o666)]);
    }
    fchmodat2(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"f"), n(0o640), n(libc::AT_SYMLINK_NOFOLLOW)]);
    }
    faccessat(call) {
        call.make(&[n(folder("/etc")), text(c"shadow"), n(libc::R_OK)]);
    }
    faccessat2(call) {
        call.make(&[n(folder("/etc")), text(c"nothing here"), n(libc::F_OK), n(libc::AT_EACCESS)]);
    }
    utimensat(call) {
        file("f", b"");
        let times = [[5i64, 6], [7, 8]];
        let told = "{atime=1970-01-01T00:00:05.000000006+0000, mtime=1970-01-01T00:00:07.000000008+0000}";
        call.make(&[n(AT_FDCWD), text(c"f"), ptr(&raw const times).says(told), n(0)]);
    }
    statx(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(AT_FDCWD), text(c"/proc/self/exe"), n(libc::AT_SYMLINK_NOFOLLOW), n(0xfff).says("STATX_MODE"), ptr(&raw mut room).says("mode=S_IFLNK|0777")]);
    }
    file_getattr(call) {
        file("f", b"");
        let mut room: Room = [0; 64];
        call.make(&[n(AT_FDCWD), text(c"f"), ptr(&raw mut room), n(24), n(0)]);
    }
    file_setattr(call) {
        file("f", b"");
        call.make(&[n(AT_FDCWD), text(c"missing"), given(&[0; 24]), n(24), n(0)]);
    }
    setxattr(call) {
        file("f", b"");
        call.make(&[text(c"f"), text(c"user.colour"), given(b"blue\0green"), n(10), n(libc::XATTR_CREATE)]);
    }
    lsetxattr(call) {
        file("f", b"");
        call.make(&[text(c"f"), text(c"user.colour"), given(b"red"), n(3), n(0)]);
    }
    fsetxattr(call) {
        call.make(&[n(file("f", b"")), text(c"user.colour"), given(b"red"), n(3), n(libc::XATTR_REPLACE)]);
    }
    getxattr(call) {
        coloured();
        let mut buf = [0u8; 16];
        call.make(&[text(c"f"), text(c"user.colour"), filled(&raw mut buf), n(16)]);
    }
    lgetxattr(call) {
        coloured();
        let mut buf = [0u8; 16];
        call.make(&[text(c"f"), text(c"user.colour"), filled(&raw mut buf), n(16)]);
    }
    fgetxattr(call) {
        let fd = coloured();
        let mut buf = [0u8; 16];
        call.make(&[n(fd), text(c"user.colour"), filled(&raw mut buf), n(16)]);
    }
    listxattr(call) {
        coloured();
        let mut buf = [0u8; 64];
        call.make(&[text(c"f"), filled(&raw mut buf), n(64)]);
    }
    llistxattr(call) {
        coloured();
        let mut buf = [0u8; 64];
        call.make(&[text(c"f"), filled(&raw mut buf), n(64)]);
    }
    flistxattr(call) {
        let fd = coloured();
        let mut buf = [0u8; 64];
        call.make(&[n(fd), filled(&raw mut buf), n(64)]);
    }
    removexattr(call) {
        coloured();
        call.make(&[text(c"f"), text(c"user.colour")]);
    }
    lremovexattr(call) {
        coloured();
        call.make(&[text(c"f"), text(c"user.shape")]);
    }
    fremovexattr(call) {
        call.make(&[n(coloured()), text(c"user.colour")]);
    }
    setxattrat(call) {
        file("f", b"");
        let args = XattrArgs { value: c"blue".as_ptr() as u64, size: 4, flags: 0 };
        call.make(&[n(AT_FDCWD), text(c"f"), n(0), text(c"user.colour"), given(bytes_of(&args)), n(16)]);
    }
    getxattrat(call) {
        coloured();
        let mut buf = [0u8; 16];
        let args = XattrArgs { value: buf.as_mut_ptr() as u64, size: 16, flags: 0 };
        call.make(&[n(AT_FDCWD), text(c"f"), n(0), text(c"user.colour"), given(bytes_of(&args)), n(16)]);
    }
    listxattrat(call) {
        coloured();
        let mut buf = [0u8; 64];
        call.make(&[n(AT_FDCWD), text(c"f"), n(0), filled(&raw mut buf), n(64)]);
    }
    removexattrat(call) {
        coloured();
        call.make(&[n(AT_FDCWD), text(c"f"), n(0), text(c"user.colour")]);
    }
    pivot_root(call) {
        call.make(&[text(c"no such root"), text(c"no such place")]);
    }
    chroot(call) {
        std::fs::create_dir("root").expect("a folder");
        call.make(&[text(c"root")]);
    }
    mount(call) {
        call.make(&[text(c"nothing"), text(c"nowhere"), text(c"tmpfs"), n(libc::MS_RDONLY as i64), text(c"size=1k")]);
    }
    umount2(call) {
        call.make(&[text(c"nowhere"), n(libc::MNT_DETACH)]);
    }
    open_tree(call) {
        call.make(&[n(AT_FDCWD), text(c"/proc"), n(0)]);
    }
    open_tree_attr(call) {
        let attr = [0u64; 4];
        call.make(&[n(AT_FDCWD), text(c"/proc"), n(0), given(bytes_of(&attr)), n(32)]);
    }
    move_mount(call) {
        call.make(&[n(AT_FDCWD), text(c"nothing"), n(AT_FDCWD), text(c"nowhere"), n(0)]);
    }
    fsopen(call) {
        call.make(&[text(c"tmpfs"), n(1)]);
    }
    fsconfig(call) {
        let fd = c!(syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0));
        // 1: FSCONFIG_SET_STRING.
        call.make(&[n(fd), n(1), text(c"size"), text(c"4k"), n(0)]);
    }
    fsmount(call) {
        let fd = c!(syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0));
        // 6: FSCONFIG_CMD_CREATE; 8: MOUNT_ATTR_NOEXEC.
        c!(syscall(libc::SYS_fsconfig, fd, 6, 0, 0, 0));
        call.make(&[n(fd), n(1), n(8)]);
    }
    fspick(call) {
        call.make(&[n(AT_FDCWD), text(c"nowhere"), n(1)]);
    }
    mount_setattr(call) {
        let attr = [1u64, 2, 1 << 18, 0];
        let told = "{attr_set=MOUNT_ATTR_RDONLY, attr_clr=MOUNT_ATTR_NOSUID, propagation=MS_PRIVATE, userns_fd=0}";
        call.make(&[n(AT_FDCWD), text(c"nowhere"), n(0), given(bytes_of(&attr)).says(told), n(32)]);
    }
    statmount(call) {
        let request = [24u64, 0, 0];
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw const request), ptr(&raw mut room), n(512), n(0)]);
    }
    listmount(call) {
        // Size 24, then LSMT_ROOT: the mounts of the root.
        let request = [24u64, u64::MAX, 0];
        let mut room: Room = [0; 64];
        call.make(&[ptr(&raw const request), ptr(&raw mut room), n(64), n(0)]);
    }
}
