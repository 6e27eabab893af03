//! Sockets that a service manager has opened and hands over (sd_listen_fds(3)), and what it is told (sd_notify(3)).

use std::os::fd::FromRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// The listening unix socket that is handed over under this name; once.
pub fn listener(name: &str) -> Option<UnixListener> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let set = |name: &str| std::env::var(name).ok();
    if set("LISTEN_PID")?.parse() != Ok(std::process::id()) {
        return None;
    }
    let count: usize = set("LISTEN_FDS")?.parse().ok()?;
    let names = set("LISTEN_FDNAMES").unwrap_or_default();
    let at = names.split(':').take(count).position(|one| one == name)?;
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    let fd = FIRST.checked_add(i32::try_from(at).ok()?)?;
    // SAFETY: asks for, and sets, a flag of a descriptor; one that is not open is refused.
    let open = unsafe {
        let mut kind = 0;
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        let asked = libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut kind).cast(),
            &raw mut len,
        );
        asked == 0 && kind == 1 && libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) == 0
    };
    // SAFETY: the service manager left it to this process, it is open, it listens, and it is taken once.
    open.then(|| unsafe { UnixListener::from_raw_fd(fd) })
}

/// The service manager, where there is one that wants to be told.
pub struct Manager(Option<UnixDatagram>);

impl Manager {
    /// Connects to it, as whoever starts this: its socket may be closed to others.
    pub fn connect() -> Manager {
        let connected = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let address = match path.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address.ok()?).ok()?;
            Some(socket)
        });
        Manager(connected)
    }

    /// Tells it how this stands, `READY=1` for example.
    pub fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            // Nobody has to listen.
            let _ = socket.send(state.as_bytes());
        }
    }
}
