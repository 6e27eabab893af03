//! Queues, semaphores, shared memory, event descriptors, and waiting for any of them.

use crate::c;
use crate::call::{behind, filled, given, n, null, pipe, ptr, text, valued, wide};
use libc::{IPC_CREAT, IPC_PRIVATE, IPC_RMID, IPC_STAT};

/// Room for any structure the kernel fills.
type Room = [u64; 64];

/// An epoll instance that watches the read end of a pipe with a byte in it.
fn ready_epoll() -> i32 {
    let [read, write] = pipe();
    c!(write(write, c"x".as_ptr().cast(), 1));
    let epoll = c!(epoll_create1(0));
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 0,
    };
    assert_eq!(
        c!(epoll_ctl(epoll, libc::EPOLL_CTL_ADD, read, &raw mut event)),
        0
    );
    epoll
}

/// A message queue of this process, its name removed at once.
fn queue() -> i32 {
    let name = c"/afterimage-provoke";
    c!(mq_unlink(name.as_ptr()));
    let queue = c!(mq_open(
        name.as_ptr(),
        libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK,
        0o600,
        std::ptr::null_mut::<u8>()
    ));
    assert!(queue >= 0, "errno {}", crate::call::errno());
    c!(mq_unlink(name.as_ptr()));
    queue
}

fn private(id: i32) -> i32 {
    assert!(id >= 0, "errno {}", crate::call::errno());
    id
}

crate::cases! {
    shmget(call) {
        let id = call.make(&[n(IPC_PRIVATE), n(4096), n(IPC_CREAT | 0o600)]);
        c!(shmctl(i32::try_from(id).expect("an id"), IPC_RMID, std::ptr::null_mut()));
    }
    shmat(call) {
        let id = private(c!(shmget(IPC_PRIVATE, 4096, 0o600)));
        call.make(&[n(id), null(), n(libc::SHM_RDONLY)]);
        c!(shmctl(id, IPC_RMID, std::ptr::null_mut()));
    }
    shmdt(call) {
        let id = private(c!(shmget(IPC_PRIVATE, 4096, 0o600)));
        let at = c!(shmat(id, std::ptr::null(), 0));
        c!(shmctl(id, IPC_RMID, std::ptr::null_mut()));
        call.make(&[ptr(at)]);
    }
    shmctl(call) {
        let id = private(c!(shmget(IPC_PRIVATE, 4096, 0o600)));
        call.make(&[n(id), n(IPC_RMID), null()]);
    }
    semget(call) {
        let id = call.make(&[n(IPC_PRIVATE), n(2), n(IPC_CREAT | 0o600)]);
        c!(semctl(i32::try_from(id).expect("an id"), 0, IPC_RMID));
    }
    semop(call) {
        let id = private(c!(semget(IPC_PRIVATE, 1, 0o600)));
        let mut operation = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
        call.make(&[n(id), ptr(&raw mut operation).says("[{num=0, op=1, flg=0}]"), n(1)]);
        c!(semctl(id, 0, IPC_RMID));
    }
    semtimedop(call) {
        let id = private(c!(semget(IPC_PRIVATE, 1, 0o600)));
        let mut operation = libc::sembuf { sem_num: 0, sem_op: -1, sem_flg: 0 };
        let time = [0i64, 1_000_000];
        call.make(&[n(id), ptr(&raw mut operation), n(1), valued(&raw const time, 1_000_000)]);
        c!(semctl(id, 0, IPC_RMID));
    }
    semctl(call) {
        let id = private(c!(semget(IPC_PRIVATE, 1, 0o600)));
        call.make(&[n(id), n(0), n(IPC_RMID), n(0)]);
    }
    msgget(call) {
        let id = call.make(&[n(IPC_PRIVATE), n(IPC_CREAT | 0o600)]);
        c!(msgctl(i32::try_from(id).expect("an id"), IPC_RMID, std::ptr::null_mut()));
    }
    msgsnd(call) {
        let id = private(c!(msgget(IPC_PRIVATE, 0o600)));
        let message = [1u64, 2];
        call.make(&[n(id), ptr(&raw const message), n(8), n(libc::IPC_NOWAIT)]);
        c!(msgctl(id, IPC_RMID, std::ptr::null_mut()));
    }
    msgrcv(call) {
        let id = private(c!(msgget(IPC_PRIVATE, 0o600)));
        let mut room: Room = [0; 64];
        call.make(&[n(id), ptr(&raw mut room), n(64), n(0), n(libc::IPC_NOWAIT)]);
        c!(msgctl(id, IPC_RMID, std::ptr::null_mut()));
    }
    msgctl(call) {
        let id = private(c!(msgget(IPC_PRIVATE, 0o600)));
        let mut room: Room = [0; 64];
        call.make(&[n(id), n(IPC_STAT), ptr(&raw mut room)]);
        c!(msgctl(id, IPC_RMID, std::ptr::null_mut()));
    }
    mq_open(call) {
        call.make(&[text(c"no-such-queue"), n(libc::O_RDONLY), n(0), null()]);
    }
    mq_unlink(call) {
        call.make(&[text(c"no-such-queue")]);
    }
    mq_timedsend(call) {
        call.make(&[n(queue()), given(b"a message"), n(9), n(3), null()]);
    }
    mq_timedreceive(call) {
        let queue = queue();
        assert_eq!(c!(mq_send(queue, c"a message".as_ptr(), 9, 1)), 0);
        let mut buf = [0u8; 8192];
        let mut priority = 0u32;
        let until = [1i64, 500];
        call.make(&[n(queue), filled(&raw mut buf), n(8192), ptr(&raw mut priority), valued(&raw const until, 1_000_000_500)]);
    }
    mq_notify(call) {
        call.make(&[n(queue()), null()]);
    }
    mq_getsetattr(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(queue()), null(), ptr(&raw mut room).says("{flags=O_NONBLOCK, maxmsg=")]);
    }
    eventfd(call) {
        call.make(&[n(3)]);
    }
    eventfd2(call) {
        call.make(&[n(4), n(libc::EFD_SEMAPHORE)]);
    }
    poll(call) {
        let mut waited = libc::pollfd { fd: pipe()[0], events: libc::POLLIN, revents: 0 };
        call.make(&[ptr(&raw mut waited).says("events=POLLIN, revents=0}]"), n(1), n(1)]);
    }
    ppoll(call) {
        let mut waited = libc::pollfd { fd: pipe()[1], events: libc::POLLOUT, revents: 0 };
        let mut time = [0i64, 1_000_000];
        call.make(&[ptr(&raw mut waited).says("events=POLLOUT, revents=POLLOUT}]"), n(1), ptr(&raw mut time), null(), n(8)]);
    }
    select(call) {
        let [read, write] = pipe();
        c!(write(write, c"x".as_ptr().cast(), 1));
        let mut set: Room = [0; 64];
        // Whoever runs the tests may have left more than a word of descriptors open.
        set[read as usize / 64] = 1 << (read % 64);
        let mut time = [0i64, 1000];
        call.make(&[n(read + 1), ptr(&raw mut set).says("["), null(), null(), ptr(&raw mut time)]);
    }
    pselect6(call) {
        let mut set: Room = [0; 64];
        let mut time = [0i64, 1_000_000];
        call.make(&[n(0), null(), ptr(&raw mut set), null(), ptr(&raw mut time), null()]);
    }
    epoll_create(call) {
        call.make(&[n(1)]);
    }
    epoll_create1(call) {
        call.make(&[n(libc::EPOLL_CLOEXEC)]);
    }
    epoll_ctl(call) {
        let epoll = c!(epoll_create1(0));
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 7 };
        let read = pipe()[0];
        let shown = ptr(&raw mut event).says("{events=EPOLLIN, data=0x7}");
        call.make(&[n(epoll), n(libc::EPOLL_CTL_ADD), n(read), shown, behind(read)]);
    }
    epoll_wait(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(ready_epoll()), ptr(&raw mut room).says("[{events=EPOLLIN, data=0x0}]"), n(4), n(100)]);
    }
    epoll_pwait(call) {
        let mut room: Room = [0; 64];
        call.make(&[n(ready_epoll()), ptr(&raw mut room), n(4), n(100), null(), n(8)]);
    }
    epoll_pwait2(call) {
        let mut room: Room = [0; 64];
        let time = [0i64, 1_000_000];
        call.make(&[n(ready_epoll()), ptr(&raw mut room), n(4), ptr(&raw const time), null(), n(8)]);
    }
    futex(call) {
        let word = 0u32;
        call.make(&[ptr(&raw const word), n(libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG), n(1), null(), null(), n(0)]);
    }
    futex_wake(call) {
        let word = 0u32;
        // 2: words of 32 bits.
        call.make(&[ptr(&raw const word), wide(0xffff_ffff), n(1), n(2)]);
    }
    futex_wait(call) {
        let word = 5u32;
        // The word holds something else: EAGAIN.
        call.make(&[ptr(&raw const word), n(6), wide(0xffff_ffff), n(2), null(), n(1)]);
    }
    futex_requeue(call) {
        call.make(&[null(), n(0), n(1), n(1)]);
    }
    futex_waitv(call) {
        let word = 5u32;
        // value, address, flags.
        let waiters = [6u64, (&raw const word) as u64, 2];
        call.make(&[ptr(&raw const waiters).says("[{val=6, uaddr=0x"), n(1), n(0), null(), n(1)]);
    }
}
