//! Sockets. Everything happens on the loopback device or inside socket pairs.

use crate::c;
use crate::call::{Arg, bytes_of, filled, filled_by_len, gathered, given, n, null, pair, ptr};
use libc::{AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, sockaddr_in};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd};

/// Bytes of `struct sockaddr_in`.
const INET_BYTES: u32 = 16;

fn loopback(port: u16) -> sockaddr_in {
    sockaddr_in {
        sin_family: AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    }
}

/// Connections that may wait at the listener of [`waiting`].
const BACKLOG: u32 = 7;

/// What waits there when the only one that did has been accepted.
fn queue() -> Arg {
    given(bytes_of(&[0, BACKLOG]))
}

/// A listener with one connection waiting: the listener, its port, and the client's end.
fn waiting() -> (TcpListener, u16, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    c!(listen(listener.as_raw_fd(), BACKLOG as i32));
    let client = TcpStream::connect(("127.0.0.1", port)).expect("loopback answers");
    (listener, port, client)
}

/// A bound datagram socket with `payload` waiting in it, and the port it came from.
fn delivered(payload: &[u8]) -> (UdpSocket, u16) {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    sender
        .send_to(payload, receiver.local_addr().expect("bound"))
        .expect("loopback delivers");
    (receiver, sender.local_addr().expect("bound").port())
}

fn unix_pair(kind: i32) -> [i32; 2] {
    let mut ends = [0; 2];
    assert_eq!(c!(socketpair(AF_UNIX, kind, 0, ends.as_mut_ptr())), 0);
    ends
}

fn message(iov: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: all zero is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = iov;
    message.msg_iovlen = 1;
    message
}

/// A control message that passes one descriptor: length, level and type, the descriptor.
fn rights(fd: i32) -> [u8; 24] {
    let mut control = [0; 24];
    control[..8].copy_from_slice(&20u64.to_ne_bytes());
    control[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
    control[12..16].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
    control[16..20].copy_from_slice(&fd.to_ne_bytes());
    control
}

/// One message without an address, as an event keeps it.
fn several(len: u32, payload: &[u8]) -> Vec<u8> {
    [&len.to_le_bytes(), &[0; 4], &len.to_le_bytes(), payload].concat()
}

crate::cases! {
    socket(call) {
        call.make(&[n(AF_INET), n(SOCK_STREAM | libc::SOCK_CLOEXEC), n(libc::IPPROTO_TCP).says("IPPROTO_TCP")]);
    }
    socketpair(call) {
        let mut ends = [0; 2];
        call.make(&[n(AF_UNIX), n(SOCK_DGRAM), n(0), pair(&raw mut ends)]);
    }
    bind(call) {
        let fd = c!(socket(AF_INET, SOCK_DGRAM, 0));
        call.make(&[n(fd), given(bytes_of(&loopback(0))), n(INET_BYTES)]);
    }
    listen(call) {
        let fd = c!(socket(AF_INET, SOCK_STREAM, 0));
        call.make(&[n(fd), n(5)]);
    }
    connect(call) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let fd = c!(socket(AF_INET, SOCK_STREAM, 0));
        call.make(&[n(fd), given(bytes_of(&loopback(port))), n(INET_BYTES)]);
    }
    accept(call) {
        let (listener, _, _client) = waiting();
        let mut room = [0u8; 128];
        let mut len = 128u32;
        call.make(&[n(listener.as_raw_fd()), filled_by_len(&raw mut room, &raw const len), ptr(&raw mut len), queue()]);
    }
    accept4(call) {
        let (listener, _, _client) = waiting();
        let mut room = [0u8; 128];
        let mut len = 128u32;
        call.make(&[n(listener.as_raw_fd()), filled_by_len(&raw mut room, &raw const len), ptr(&raw mut len), n(libc::SOCK_NONBLOCK), queue()]);
    }
    getsockname(call) {
        let (listener, ..) = waiting();
        let mut room = [0u8; 128];
        let mut len = 128u32;
        call.make(&[n(listener.as_raw_fd()), filled_by_len(&raw mut room, &raw const len), ptr(&raw mut len)]);
    }
    getpeername(call) {
        let (_listener, _, client) = waiting();
        let mut room = [0u8; 128];
        let mut len = 128u32;
        call.make(&[n(client.as_raw_fd()), filled_by_len(&raw mut room, &raw const len), ptr(&raw mut len)]);
    }
    sendto(call) {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let to = loopback(receiver.local_addr().expect("bound").port());
        let fd = c!(socket(AF_INET, SOCK_DGRAM, 0));
        call.make(&[n(fd), given(b"who goes there"), n(14), n(libc::MSG_NOSIGNAL), given(bytes_of(&to)), n(INET_BYTES)]);
    }
    recvfrom(call) {
        let (receiver, _) = delivered(b"a friend");
        let (mut buf, mut room) = ([0u8; 64], [0u8; 128]);
        let mut len = 128u32;
        let from = filled_by_len(&raw mut room, &raw const len);
        call.make(&[n(receiver.as_raw_fd()), filled(&raw mut buf), n(64), n(0), from, ptr(&raw mut len)]);
    }
    sendmsg(call) {
        let [a, _] = unix_pair(SOCK_STREAM);
        let mut iov = libc::iovec { iov_base: b"message".as_ptr().cast_mut().cast(), iov_len: 7 };
        let message = message(&mut iov);
        let control = rights(a);
        let mut message = message;
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = 20;
        let parts = [null(), given(&control[..20]).says("type=SCM_RIGHTS, fds=[")];
        let [name, passed] = parts;
        call.make(&[n(a), gathered(&raw const message, b"message"), n(libc::MSG_NOSIGNAL), name, passed]);
    }
    recvmsg(call) {
        let [a, b] = unix_pair(SOCK_STREAM);
        c!(write(b, c"message".as_ptr().cast(), 7));
        let mut buf = [0u8; 32];
        let mut iov = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 32 };
        let mut message = message(&mut iov);
        call.make(&[n(a), gathered(&raw mut message, b"message"), n(0), null(), null()]);
    }
    sendmmsg(call) {
        let [a, _] = unix_pair(SOCK_DGRAM);
        let mut iov = libc::iovec { iov_base: b"several".as_ptr().cast_mut().cast(), iov_len: 7 };
        let mut messages = [libc::mmsghdr { msg_hdr: message(&mut iov), msg_len: 0 }];
        let told = several(7, b"several");
        call.make(&[n(a), gathered(&raw mut messages, &told).says("{len=7, data=\"several\"}"), n(1), n(0)]);
    }
    recvmmsg(call) {
        let [a, b] = unix_pair(SOCK_DGRAM);
        c!(write(b, c"several".as_ptr().cast(), 7));
        let mut buf = [0u8; 32];
        let mut iov = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 32 };
        let mut messages = [libc::mmsghdr { msg_hdr: message(&mut iov), msg_len: 0 }];
        let told = several(7, b"several");
        call.make(&[n(a), gathered(&raw mut messages, &told), n(1), n(libc::MSG_DONTWAIT), null()]);
    }
    shutdown(call) {
        let [a, _] = unix_pair(SOCK_STREAM);
        call.make(&[n(a), n(libc::SHUT_WR)]);
    }
    setsockopt(call) {
        let (listener, ..) = waiting();
        let value = 1i32;
        call.make(&[n(listener.into_raw_fd()), n(libc::SOL_SOCKET), n(libc::SO_KEEPALIVE).says("SO_KEEPALIVE"), given(bytes_of(&value)).says("1"), n(4)]);
    }
    getsockopt(call) {
        let (listener, ..) = waiting();
        let (mut value, mut len) = (0i32, 4u32);
        call.make(&[n(listener.as_raw_fd()), n(libc::SOL_SOCKET), n(libc::SO_TYPE).says("SO_TYPE"), ptr(&raw mut value).says("1"), ptr(&raw mut len).says("4")]);
    }
}
