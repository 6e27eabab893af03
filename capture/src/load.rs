//! Loads and attaches the kernel programs, and says what that covers.

mod scopes;

use crate::alone;
use crate::btf::Types;
use crate::cgroup;
use crate::decode::{KernelFile, unix_name};
use crate::error::{Error, chain};
use crate::host;
use crate::plan::Plans;
use crate::procfs::OpenFd;
use crate::program_info::{freeze, recursion_misses};
use crate::programs::{
    BY_PERF, CRASHES, INTERRUPTED, MODULES, PROGRAMS, Row, TIMED, URING_SUBMITTED, again,
};
use crate::ring::Rings;
use crate::wire::{
    ChoiceHead, FilePart, Open, OpenFile, Plan, SEGMENT_BYTES, SelfSignal, SideBooks, SocketPart,
    TOLD,
};
use aya::maps::{Array, HashMap as BpfHash, Map, MapData, RingBuf};
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The compiled kernel programs.
pub(crate) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("AFTERIMAGE_BPF"));

// SAFETY: repr(C) without padding (checked in `wire`), any bytes are a value.
unsafe impl aya::Pod for Plan {}
// SAFETY: as above.
unsafe impl aya::Pod for ChoiceHead {}
// SAFETY: as above.
unsafe impl aya::Pod for SideBooks {}
// SAFETY: as above.
unsafe impl aya::Pod for SelfSignal {}

/// What the kernel programs are told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Thread-group id of the recorder.
    pub self_tgid: u32,
    /// A [`crate::wire::ScopeMode`].
    pub scope_mode: u32,
    /// What becomes of a control group that is not in the map: 1 keep, 0 spare.
    pub scope_unknown: u32,
    /// Bytes kept of a payload.
    pub snaplen: u32,
    /// Bytes of each CPU's ring.
    pub ring_bytes: usize,
    /// CPUs that may exist.
    pub cpus: u16,
    /// Whether calls that wait are timed.
    pub latency: bool,
}

impl Settings {
    /// Segments of each CPU's ring: a power of two.
    pub fn segments(&self) -> u32 {
        ((self.ring_bytes / SEGMENT_BYTES as usize).max(1) as u32)
            .next_power_of_two()
            .min(1 << 14)
    }

    /// Segments of each CPU's ring that only calls and happenings that never yield may use: an eighth.
    pub fn reserve(&self) -> u32 {
        self.segments() / 8
    }
}

/// Maps that are filled before anything is recorded, and then stay as they are.
const FILLED: &[&str] = &["plans", "choices", "cases"];

/// The loaded programs. Dropping it detaches them.
pub struct Kernel {
    ebpf: Ebpf,
    /// The kernel's numbers of what programs hang on.
    hooks: Btf,
    /// Names of the programs that the kernel took.
    loaded: BTreeSet<&'static str>,
    /// Whether they are there twice.
    twice: bool,
    /// Records of sources that may interrupt another record.
    side: RingBuf<MapData>,
    given: scopes::Given,
    /// What is seen, a sentence each.
    pub coverage: Vec<String>,
    /// What is not, a sentence each.
    pub not_covered: Vec<String>,
}

fn map_fd<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<BorrowedFd<'a>, Error> {
    match ebpf.map(name) {
        Some(Map::Array(data)) => Ok(data.fd().as_fd()),
        _ => Err(Error::object(name)),
    }
}

/// Why a program is not loaded.
enum NotLoaded {
    SwitchedOff,
    Refused(ProgramError),
}

/// What became of a row.
type Tried = (&'static Row, Result<(), NotLoaded>);

/// Loads the programs, on several processors at once: the kernel's check of them is most of the time that arming takes. Gives
/// what became of those that were tried, in the order of their table.
fn load_all(
    ebpf: &mut Ebpf,
    btf: &Btf,
    settings: &Settings,
    by_perf: bool,
    twice: bool,
) -> Result<Vec<Tried>, Error> {
    let mut programs: BTreeMap<String, &mut Program> = (ebpf.programs_mut())
        .map(|(name, program)| (name.to_owned(), program))
        .collect();
    // What hangs on one tracepoint is tried in turn, until the kernel takes one. Crashes are told beside their signals.
    let mut hooks: Vec<Vec<(usize, &mut Program, Option<&mut Program>)>> = Vec::new();
    for (at, (name, hook, _, sees)) in PROGRAMS.iter().enumerate() {
        let program = programs.remove(*name).ok_or_else(|| Error::object(name))?;
        let second = programs
            .remove(&again(name))
            .filter(|_| twice || INTERRUPTED.contains(hook));
        let same = |group: &&mut Vec<(usize, _, _)>| {
            let row = group.first().and_then(|(at, _, _)| PROGRAMS.get(*at));
            row.is_some_and(|row| row.1 == *hook && (row.3 == CRASHES) == (*sees == CRASHES))
        };
        match hooks.iter_mut().find(same) {
            Some(group) => group.push((at, program, second)),
            None => hooks.push(vec![(at, program, second)]),
        }
    }
    // A kernel that is of one piece has nothing to see there.
    if !Path::new("/proc/modules").exists() {
        let of_modules = |at: usize| PROGRAMS.get(at).is_some_and(|row| MODULES.contains(&row.1));
        hooks.retain(|group| !group.iter().any(|(at, ..)| of_modules(*at)));
    }
    let hooks = Mutex::new(hooks.into_iter());
    let tried = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(group) = lock(&hooks).next() {
            for (at, program, second) in group {
                let Some((name, hook, _, sees)) = PROGRAMS.get(at) else {
                    continue;
                };
                let unwanted = *sees == TIMED && !settings.latency || *name == BY_PERF && !by_perf;
                let load = |program: &mut Program| match program {
                    Program::TracePoint(program) => program.load(),
                    program => <&mut BtfTracePoint>::try_from(program)
                        .and_then(|program| program.load(hook, btf)),
                };
                let result = match unwanted {
                    true => Err(NotLoaded::SwitchedOff),
                    // What the kernel takes once it takes twice.
                    false => (load(program).and_then(|()| second.map_or(Ok(()), load)))
                        .map_err(NotLoaded::Refused),
                };
                let taken = result.is_ok();
                lock(&tried).insert(at, result);
                if taken {
                    break;
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |cpus| cpus.get().min(4));
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let tried = tried.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tried
        .into_iter()
        .filter_map(|(at, result)| Some((PROGRAMS.get(at)?, result)))
        .collect())
}

fn attach(program: &mut Program) -> Result<(), ProgramError> {
    <&mut BtfTracePoint>::try_from(program).and_then(|program| program.attach().map(|_| ()))
}

/// A loader, and the kernel's types. A new loader reads all of them whether it is to use them or not, so it is made meanwhile.
fn loader() -> Result<(EbpfLoader<'static>, Types), Error> {
    std::thread::scope(|scope| {
        let loader = scope.spawn(EbpfLoader::new);
        let types = Types::of_kernel(OBJECT)?;
        let loader = loader.join();
        let loader = loader.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((loader, types))
    })
}

/// What the programs hang on.
#[cfg(test)]
pub(crate) fn hooks() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(_, hook, _, _)| *hook)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program that is run once for each open file.
const EACH_OPEN_FILE: &str = "each_open_file";

/// By process: the instant of its start, ns since boot, and its open files.
pub type OpenFiles = HashMap<u32, (u64, Vec<OpenFd>)>;

fn each_open_file(
    program: &mut Program,
    hooks: &Btf,
) -> Result<OpenFiles, Box<dyn std::error::Error>> {
    let program = <&mut Iter>::try_from(program)?;
    program.load("task_file", hooks)?;
    let link = program.attach()?;
    let mut bytes = Vec::new();
    let mut list = program.take_link(link)?.into_file()?;
    list.read_to_end(&mut bytes)?;
    let _ = program.unload();
    let mut all = OpenFiles::new();
    let mut rest = bytes.as_slice();
    while let Some(head) = OpenFile::read(rest) {
        let what = rest.get(OpenFile::BYTES..).unwrap_or_default();
        let what = what.get(..head.len as usize).unwrap_or_default();
        rest = (rest.get(OpenFile::BYTES + what.len()..)).unwrap_or_default();
        let (start_ns, of) = all.entry(head.tgid).or_default();
        if std::mem::replace(start_ns, head.start_ns) != head.start_ns {
            // Another process, that has the number now.
            of.clear();
        }
        of.push(open_fd(&head, what));
    }
    Ok(all)
}

/// A descriptor, of what the kernel says of it.
fn open_fd(head: &OpenFile, what: &[u8]) -> OpenFd {
    let is_socket = head.what != Open::NAMED;
    let socket = SocketPart::read(what).filter(|_| is_socket).map(|part| {
        let name = what
            .get(SocketPart::BYTES..)
            .filter(|name| !name.is_empty());
        Box::new(KernelFile {
            part: FilePart {
                file: 0,
                ino: head.ino,
                dev: head.dev,
                rdev: 0,
                mode: head.mode,
                flags: 0,
                magic: 0,
                layer: 0,
            },
            place: None,
            path: None,
            socket: Some(part),
            unix: name.map(|name| (unix_name(name), head.what == Open::PEER)),
        })
    });
    OpenFd {
        fd: head.fd as i32,
        target: if is_socket {
            format!("socket:[{}]", head.ino).into_bytes()
        } else {
            what.strip_suffix(&[0]).unwrap_or(what).to_vec()
        },
        id: (head.dev, head.ino),
        mode: head.mode,
        socket,
    }
}

impl Kernel {
    /// Loads the object and fills in the plans. Nothing is attached yet.
    pub fn load(settings: &Settings) -> Result<(Kernel, Rings), Error> {
        let locked_memory = host::locked_memory();
        let (mut loader, types) = loader()?;
        let segments = settings.segments();
        let cpus = u32::from(settings.cpus);
        let hierarchy = cgroup::followed();
        let controller = hierarchy.and_then(|found| found.controller);
        let controller = controller.map_or(0, |row| row.1);
        let number = hierarchy.map_or(0, |found| found.number);
        let needed = alone::is_needed(&host::release());
        let functions = types.alone.filter(|_| needed);
        let twice = functions.is_some();
        let object = alone::filled(OBJECT, functions);
        let mut ebpf = loader
            .btf(Some(&types.layout))
            .override_global("self_tgid", &settings.self_tgid, true)
            .override_global("scope_mode", &settings.scope_mode, true)
            .override_global("scope_unknown", &settings.scope_unknown, true)
            .override_global("group_controller", &controller, true)
            .override_global("group_hierarchy", &number, true)
            .override_global("segments", &segments, true)
            .override_global("reserve", &settings.reserve(), true)
            .override_global("snaplen", &settings.snaplen, true)
            .override_global("twice", &u32::from(twice), true)
            .map_max_entries("ring", segments.saturating_mul(cpus))
            .map_max_entries("cpus", cpus)
            .map_max_entries("control", cpus)
            .map_max_entries("told", cpus * TOLD)
            .load(&object)
            .map_err(|why| Error::load(&why, locked_memory))?;
        let mut plans: Array<_, Plan> = Array::try_from(
            ebpf.map_mut("plans")
                .ok_or_else(|| Error::object("plans"))?,
        )
        .map_err(Error::map)?;
        let all = Plans::new();
        for (index, plan) in all.plans {
            plans.set(index, plan, 0).map_err(Error::map)?;
        }
        let mut choices: Array<_, ChoiceHead> = Array::try_from(
            ebpf.map_mut("choices")
                .ok_or_else(|| Error::object("choices"))?,
        )
        .map_err(Error::map)?;
        for (index, choice) in all.choices.iter().enumerate() {
            choices.set(index as u32, *choice, 0).map_err(Error::map)?;
        }
        let map = ebpf
            .map_mut("cases")
            .ok_or_else(|| Error::object("cases"))?;
        let mut cases = BpfHash::<&mut MapData, u64, u32>::try_from(map).map_err(Error::map)?;
        for (key, reading) in all.cases {
            cases.insert(key, reading, 0).map_err(Error::map)?;
        }
        let mut loaded: Vec<&'static str> = Vec::new();
        let mut not_covered = Vec::new();
        // Nobody changes what the programs read any more, whatever the rights; variables of the object are frozen by aya.
        for name in FILLED {
            let frozen = match ebpf.map(name) {
                Some(Map::Array(data) | Map::HashMap(data)) => freeze(data.fd().as_fd()),
                _ => return Err(Error::object(name)),
            };
            if let Err(why) = frozen {
                not_covered.push((
                    "",
                    format!("{name}: who may write to the kernel's maps can change it: {why}"),
                ));
            }
        }
        if needed && types.alone.is_none() {
            let why = "records are not kept whole where a task loses its CPU in the middle of one: this kernel lacks bpf_preempt_disable";
            not_covered.push(("", why.to_owned()));
        }
        let mut refused = Vec::new();
        let by_perf = needed && alone::has_perf();
        for ((name, _, needed, sees), tried) in
            load_all(&mut ebpf, &types.hooks, settings, by_perf, twice)?
        {
            match tried {
                Ok(()) => loaded.push(name),
                Err(NotLoaded::SwitchedOff) => {
                    not_covered.push((*sees, format!("{name}: {sees}: switched off")));
                }
                Err(NotLoaded::Refused(why)) if *needed => refused.push((*name, *sees, why)),
                Err(NotLoaded::Refused(why)) => {
                    not_covered.push((*sees, format!("{name}: {sees}: {}", chain(&why))));
                }
            }
        }
        let seen = |name: &&'static str| loaded.contains(name);
        let seen: Vec<_> = (PROGRAMS.iter())
            .filter(|(name, _, _, _)| seen(name))
            .map(|(_, hook, _, sees)| (*hook, *sees))
            .collect();
        for (name, sees, why) in refused {
            if !seen.iter().any(|row| row.1 == sees) {
                return Err(Error::program(name, why));
            }
            not_covered.push((name, format!("{name}: {sees}: {}", chain(&why))));
        }
        if needed && !loaded.contains(&BY_PERF) {
            let why = "calls made while another task has lost the same CPU at the end of a program's run: from Linux 7.0 on the kernel does not run the program then; how often is told as gaps; with tracefs mounted (mount -t tracefs none /sys/kernel/tracing) none are missed";
            not_covered.push(("", why.to_owned()));
        }
        not_covered.retain(|(sees, _)| !seen.iter().any(|row| row.1 == *sees));
        let rings = Rings::map(
            map_fd(&ebpf, "ring")?,
            map_fd(&ebpf, "cpus")?,
            map_fd(&ebpf, "control")?,
            settings.cpus,
            segments,
        )
        .map_err(Error::rings)?;
        let side = ebpf.take_map("side").ok_or_else(|| Error::object("side"))?;
        let side = RingBuf::try_from(side).map_err(Error::map)?;
        Ok((
            Kernel {
                ebpf,
                hooks: types.hooks,
                loaded: loaded.into_iter().collect(),
                twice,
                side,
                given: scopes::Given::default(),
                coverage: hierarchy
                    .filter(|found| found.controller.is_some())
                    .map(|found| format!("control groups: {found}"))
                    .into_iter()
                    .collect(),
                not_covered: not_covered.into_iter().map(|(_, why)| why).collect(),
            },
            rings,
        ))
    }

    /// Attaches every program; recording begins. Optional ones that are refused are noted in `not_covered`.
    pub fn attach(&mut self) -> Result<(), Error> {
        // The exec programs first and the calls last, so that no event comes before the hooks that explain it.
        let (mut seen, mut refused) = (Vec::new(), Vec::new());
        for (name, hook, needed, sees) in PROGRAMS.iter().rev() {
            if !self.loaded.contains(name) {
                continue;
            }
            let program = self
                .ebpf
                .program_mut(name)
                .ok_or_else(|| Error::object(name))?;
            let mut attached = match program {
                Program::TracePoint(program) => {
                    program.attach("raw_syscalls", "sys_exit").map(|_| ())
                }
                program => attach(program),
            };
            // Behind the first: the kernel runs them in the order in which they came.
            if (self.twice || INTERRUPTED.contains(hook))
                && attached.is_ok()
                && let Some(second) = self.ebpf.program_mut(&again(name))
            {
                attached = attach(second);
            }
            match attached {
                Ok(()) => {
                    seen.push(*sees);
                    self.coverage.push(format!("{name}: {sees}"));
                }
                Err(why) if *needed => return Err(Error::program(name, why)),
                Err(why) => refused.push((*sees, format!("{name}: {sees}: {}", chain(&why)))),
            }
        }
        self.coverage.reverse();
        let refused = refused.into_iter().filter(|row| !seen.contains(&row.0));
        self.not_covered.extend(refused.map(|row| row.1));
        if !seen.contains(&URING_SUBMITTED) {
            self.not_covered.push("io_uring: operations submitted through a ring are not system calls; only io_uring_setup and io_uring_enter are seen".to_owned());
        }
        self.not_covered.push(
            "vDSO: clock_gettime, gettimeofday, time and getcpu usually do not enter the kernel"
                .to_owned(),
        );
        Ok(())
    }

    /// How often the kernel did not run a program though its tracepoint was passed, because another run of it had not come to its
    /// end on that CPU (`recursion_misses` of `struct bpf_prog_info`, Linux 5.12), and no second one took its place. Whose call it
    /// was is not known.
    pub fn missed(&self) -> BTreeMap<&'static str, u64> {
        let instead = self.ebpf.map("instead");
        let instead = instead.and_then(|map| Array::<&MapData, u64>::try_from(map).ok());
        let of = |at: usize, name: &str| {
            let fd = self.ebpf.program(name)?.fd().ok()?.as_fd();
            recursion_misses(fd).filter(|missed| *missed > 0)?;
            // Asked for first: of what happens meanwhile too much is told rather than too little.
            let taken = instead.as_ref().map(|map| map.get(&(at as u32), 0));
            let missed =
                recursion_misses(fd)?.saturating_sub(taken.and_then(Result::ok).unwrap_or(0));
            (missed > 0).then_some(missed)
        };
        let all = PROGRAMS.iter().enumerate();
        let loaded = all.filter(|(_, row)| self.loaded.contains(row.0));
        loaded
            .filter_map(|(at, row)| Some((row.0, of(at, row.0)?)))
            .collect()
    }

    /// What is open now. `None` where the kernel refuses to go through it: then /proc
    /// has to be read, which takes a thousand times as long.
    pub fn open_files(&mut self) -> Option<OpenFiles> {
        let program = self.ebpf.program_mut(EACH_OPEN_FILE)?;
        let listed = each_open_file(program, &self.hooks).map_err(|why| chain(&*why));
        match listed {
            Ok(listed) => {
                self.coverage.push(format!(
                    "{EACH_OPEN_FILE}: what was open when the recording began"
                ));
                Some(listed)
            }
            Err(why) => {
                self.not_covered.push(format!(
                    "{EACH_OPEN_FILE}: what was open when the recording began is read from /proc, which takes longer: {why}"
                ));
                None
            }
        }
    }

    /// Detaches every program: nothing more is recorded.
    pub fn detach(&mut self) {
        for (_, program) in self.ebpf.programs_mut() {
            // A program that never loaded has nothing to detach.
            let _ = match program {
                Program::BtfTracePoint(program) => program.unload(),
                Program::TracePoint(program) => program.unload(),
                _ => Ok(()),
            };
        }
    }

    /// The next record that came beside the rings. Records of one processor come in the order of their time.
    pub fn side_record(&mut self) -> Option<Vec<u8>> {
        self.side.next().map(|bytes| bytes.to_vec())
    }

    /// Waits for so long, or until the programs wake whoever waits here: by a record, or by [`crate::ring::Rings::sleep`]. Gives
    /// whether they did.
    pub fn wait(&self, most: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let most = Timespec::try_from(most).ok();
        let mut side = [PollFd::new(&self.side, PollFlags::IN)];
        // A signal ends the wait, too.
        poll(&mut side, most.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// The books of what comes beside the rings.
    pub fn side_books(&self) -> Result<SideBooks, Error> {
        let map = self
            .ebpf
            .map("side_totals")
            .ok_or_else(|| Error::object("side_totals"))?;
        Array::<&MapData, SideBooks>::try_from(map)
            .and_then(|map| map.get(&0, 0))
            .map_err(Error::map)
    }

    /// The last signal that somebody sent the recorder, when there was one.
    pub fn self_signal(&self) -> Option<SelfSignal> {
        let map = self.ebpf.map("self_signal")?;
        let map = Array::<&MapData, SelfSignal>::try_from(map).ok()?;
        map.get(&0, 0).ok().filter(|last| last.time_ns != 0)
    }
}

/// A program that does nothing at the return of every call, attached until it is dropped: what it costs is the floor that a
/// measurement of the recorder is compared with.
pub struct Floor {
    ebpf: Ebpf,
}

impl Floor {
    /// Loads and attaches it.
    pub fn attach() -> Result<Floor, Error> {
        let (mut loader, types) = loader()?;
        let object = alone::filled(OBJECT, None);
        let loaded = loader.btf(Some(&types.layout)).load(&object);
        let mut ebpf = loaded.map_err(|why| Error::load(&why, host::locked_memory()))?;
        let name = "on_nothing";
        let program = ebpf.program_mut(name).ok_or_else(|| Error::object(name))?;
        <&mut BtfTracePoint>::try_from(program)
            .and_then(|program| {
                program.load("sys_exit", &types.hooks)?;
                program.attach()
            })
            .map_err(|why| Error::program(name, why))?;
        Ok(Floor { ebpf })
    }

    /// The program, as `/proc/self/fdinfo` knows it, and how often the kernel says it did not run it; `None` where it does not say.
    pub fn missed(&self) -> Option<(BorrowedFd<'_>, u64)> {
        let fd = self.ebpf.program("on_nothing")?.fd().ok()?.as_fd();
        Some((fd, recursion_misses(fd)?))
    }
}

#[cfg(test)]
mod tests;
