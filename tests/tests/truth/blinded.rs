//! Somebody with every right who wants a recorder to see less, without ending it.

use crate::busy::{Busy, has};
use crate::service::{BASE, Service};
use afterimage_model::GapCause;
use afterimage_tests::harness::Capture;
use afterimage_tests::needs_recording;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Commands of bpf(2) (include/uapi/linux/bpf.h).
const MAP_LOOKUP_ELEM: i64 = 1;
const MAP_UPDATE_ELEM: i64 = 2;
const MAP_DELETE_ELEM: i64 = 3;
const MAP_GET_FD_BY_ID: i64 = 14;
const OBJ_GET_INFO_BY_FD: i64 = 15;

/// The attributes of an element of a map; of other commands the first words have other names.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

fn bpf(command: i64, attributes: &mut Attributes) -> io::Result<i64> {
    // SAFETY: what the attributes point to lives as long as the call, and is as long as the map's keys and values.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<Attributes>(),
        )
    };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}

fn pointer<T>(value: &mut T) -> u64 {
    std::ptr::from_mut(value) as u64
}

/// A map of somebody else's, as whoever has CAP_SYS_ADMIN gets at it.
struct Stranger(OwnedFd);

impl Stranger {
    /// That of a process: by the descriptors it has, and by its name.
    fn of(pid: u32, name: &str) -> Stranger {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("its descriptors");
        let found = entries.into_iter().find_map(|entry| {
            let about = std::fs::read_to_string(entry.ok()?.path()).ok()?;
            let id = about
                .lines()
                .find_map(|line| line.strip_prefix("map_id:"))?;
            let mut by_id = Attributes {
                map: id.trim().parse().ok()?,
                ..Attributes::default()
            };
            let fd = bpf(MAP_GET_FD_BY_ID, &mut by_id).ok()?;
            // SAFETY: a descriptor that was just made.
            let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
            // struct bpf_map_info: the name is behind six words.
            let mut info = [0_u8; 64];
            let mut about = Attributes {
                map: (fd.as_raw_fd() as u64) | (info.len() as u64) << 32,
                key: info.as_mut_ptr() as u64,
                ..Attributes::default()
            };
            bpf(OBJ_GET_INFO_BY_FD, &mut about).expect("the kernel tells of a map");
            let called = CStr::from_bytes_until_nul(&info[24..40]).expect("a name");
            (called.to_bytes() == name.as_bytes()).then_some(Stranger(fd))
        });
        found.unwrap_or_else(|| panic!("there is a map {name}"))
    }

    fn element(&self, key: u64, value: u64) -> Attributes {
        Attributes {
            map: self.0.as_raw_fd() as u64,
            key,
            value,
            flags: 0,
        }
    }
}

#[test]
fn whoever_changes_the_scope_in_the_kernel_is_noticed_and_what_was_missed_is_said() {
    needs_recording!();
    let mut service = Service::start(
        &format!("{BASE}[[trigger]]\nkind = \"command\"\n"),
        &["--no-sign"],
    );
    let busy = Busy::start("blinded");
    service.until("the container is in the window", |service| {
        has(&service.status(), &busy.id)
    });
    let map = Stranger::of(service.process.id(), "cgroup_scope");
    let (mut group, mut kept) = (busy.group_id(), 0_u32);
    let mut element = map.element(pointer(&mut group), pointer(&mut kept));
    bpf(MAP_LOOKUP_ELEM, &mut element).expect("the group is there");
    assert_eq!(kept, 1);
    let mut not = 0_u32;
    bpf(
        MAP_UPDATE_ELEM,
        &mut map.element(pointer(&mut group), pointer(&mut not)),
    )
    .expect("whoever may, may");
    service.until("it is set right", |_| {
        let (mut group, mut now) = (group, 0_u32);
        let found = bpf(
            MAP_LOOKUP_ELEM,
            &mut map.element(pointer(&mut group), pointer(&mut now)),
        );
        found.is_ok() && now == 1
    });
    // And once more, by taking it away.
    bpf(MAP_DELETE_ELEM, &mut map.element(pointer(&mut group), 0)).expect("it was there");
    service.until("it is there again", |_| {
        let (mut group, mut now) = (group, 0_u32);
        bpf(
            MAP_LOOKUP_ELEM,
            &mut map.element(pointer(&mut group), pointer(&mut now)),
        )
        .is_ok()
    });
    let answer = service
        .ask(r#"{"fire":{"container":null,"reason":"x"}}"#)
        .expect("an answer");
    let path = answer["path"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    let capture = Capture::open(Path::new(path));
    let mut blind: Vec<_> = capture
        .gaps
        .iter()
        .filter(|gap| gap.cause == GapCause::Blind)
        .collect();
    blind.sort_by_key(|gap| gap.start);
    let [changed, removed] = blind.as_slice() else {
        panic!("{:?}", capture.gaps)
    };
    for (gap, was) in [(changed, "not recorded"), (removed, "not known")] {
        assert!(gap.detail.contains(&busy.id), "{}", gap.detail);
        assert!(
            gap.detail
                .contains(&format!("was {was}; it is recorded again")),
            "{}",
            gap.detail
        );
        assert!(gap.start < gap.end, "{gap:?}");
    }
    // It goes on to be recorded.
    let last = capture
        .events()
        .filter(|ctx| ctx.container().is_some_and(|c| c.full_id == busy.id))
        .map(|ctx| ctx.event.time)
        .max();
    assert!(last > Some(removed.end), "{last:?}, {removed:?}");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn what_the_kernel_programs_go_by_is_frozen() {
    needs_recording!();
    let service = Service::start(BASE, &["--no-sign"]);
    for (name, mut key) in [("plans", 0_u64), ("choices", 0), ("cases", u64::MAX)] {
        let map = Stranger::of(service.process.id(), name);
        let mut value = [0_u8; 64];
        let mut element = map.element(pointer(&mut key), value.as_mut_ptr() as u64);
        let why = bpf(MAP_UPDATE_ELEM, &mut element).expect_err(name);
        assert_eq!(why.raw_os_error(), Some(libc::EPERM), "{name}: {why}");
    }
    assert_eq!(service.end(), Some(0));
}
