//! What is written is what is read.

use crate::story::{self, Story};
use afterimage_format::{Artifact, Lineage, Reader, Verdict, Writer, WriterOptions, verify_bytes};
use afterimage_model::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn read_all(reader: &Reader) -> Vec<Event> {
    (0..reader.chunks().len())
        .flat_map(|at| reader.chunk(at).unwrap().events)
        .collect()
}

#[test]
fn everything_in_a_small_capture_comes_back() {
    let story = story::story();
    let file = story.write();
    let reader = Reader::from_bytes(file.clone()).unwrap();
    assert_eq!(reader.manifest(), &story.manifest);
    assert_eq!(reader.schema(), &story.schema);
    assert_eq!(reader.gaps(), story.gap.as_slice());
    assert_eq!(reader.state(), &story.tables);
    assert_eq!(reader.totals(), Some(&story.totals));
    assert_eq!(reader.notes()[0].text, "look here");
    assert_eq!(reader.events(), 42);
    assert_eq!(reader.bytes(), file.len() as u64);
    assert!(
        reader
            .names()
            .unwrap()
            .iter()
            .any(|name| name.table == "fields:process" && name.name == "comm")
    );
    assert!(read_all(&reader).iter().eq(story.events()));
    let report = verify_bytes(file).unwrap();
    assert!(
        matches!(report.verdict, Verdict::SealedIntact),
        "{}",
        report.verdict
    );
    assert_eq!((report.chunks, report.events, report.gaps), (3, 42, 1));
}

#[test]
fn the_whole_schema_of_this_version_comes_back_with_its_structures_and_choices() {
    let story = Story {
        schema: Schema::current().clone(),
        ..Story::default()
    };
    let file = story.write();
    let reader = Reader::from_bytes(file).unwrap();
    assert_eq!(reader.schema(), Schema::current());
    let sigaction = |abi| reader.schema().structure("sigaction", abi).unwrap().size;
    assert_eq!((sigaction(Abi::x86_64), sigaction(Abi::i386)), (32, 20));
}

#[test]
fn a_chunk_carries_the_ancestors_containers_files_and_users_of_its_events() {
    let story = story::story();
    let reader = Reader::from_bytes(story.write()).unwrap();
    let chunk = reader.chunk(2).unwrap();
    assert_eq!(chunk.first_num, 29);
    // What was open and mounted at an instant is no part of a chunk.
    let expected = Tables {
        descriptors: Default::default(),
        mounts: Default::default(),
        ..story.tables.clone()
    };
    assert_eq!(chunk.tables, expected);
    let names: Vec<_> = chunk
        .tables
        .ancestors(ProcId(9))
        .map(|process| process.comm.clone())
        .collect();
    assert_eq!(names, [b"nginx".to_vec(), b"init".to_vec()]);
}

#[test]
fn a_zone_map_tells_what_is_in_a_chunk_without_its_events() {
    let story = story::story();
    let reader = Reader::from_bytes(story.write()).unwrap();
    let zone = reader.zone(1).unwrap();
    assert_eq!((zone.first_num, zone.events), (15, 14));
    assert_eq!((zone.start, zone.end), (BootNs(2_140), BootNs(2_270)));
    for ty in 0..3 {
        let count = story.chunks[1]
            .iter()
            .filter(|event| event.ty.0 == ty)
            .count();
        assert_eq!(zone.count_of(TypeId(ty)), count as u64);
    }
    assert_eq!(zone.procs, [ProcId(5), ProcId(9)]);
    assert_eq!(zone.containers, [Some(ContainerId(3))]);
    assert_eq!(
        zone.failed,
        story.chunks[1]
            .iter()
            .filter(|event| event.errno().is_some())
            .count() as u64
    );
}

#[test]
fn chunks_close_by_count_by_span_and_by_bytes() {
    let tables = story::tables();
    let count = |options: WriterOptions, gap_ns: u64| {
        let mut writer = Writer::new(
            Vec::new(),
            &Manifest::default(),
            &Schema::default(),
            options,
        )
        .unwrap();
        for at in 0..100 {
            let mut event = story::event(at);
            event.time = BootNs(at * gap_ns);
            writer.push(event, &tables).unwrap();
        }
        Reader::from_bytes(writer.seal(&Totals::default(), &tables).unwrap())
            .unwrap()
            .chunks()
            .len()
    };
    let many = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    assert_eq!(count(many.clone(), 1), 1);
    assert_eq!(
        count(
            WriterOptions {
                chunk_events: 25,
                ..many.clone()
            },
            1
        ),
        4
    );
    assert_eq!(
        count(
            WriterOptions {
                chunk_span_ns: 999,
                ..many.clone()
            },
            100
        ),
        10
    );
    assert!(
        count(
            WriterOptions {
                chunk_bytes: 100,
                ..many
            },
            1
        ) > 5
    );
}

#[test]
fn a_large_state_becomes_several_blocks_and_comes_back_whole() {
    let mut tables = Tables::default();
    for id in 0..3_000 {
        let id = ProcId(id);
        tables.procs.insert(
            id,
            Arc::new(Process {
                id,
                env: vec![id.0 as u8; 4_000],
                ..Process::default()
            }),
        );
    }
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.state(BootNs(9), &tables).unwrap();
    let reader =
        Reader::from_bytes(writer.seal(&Totals::default(), &Tables::default()).unwrap()).unwrap();
    assert_eq!(reader.state(), &tables);
}

#[test]
fn a_later_state_wins_over_an_earlier_one() {
    let mut tables = story::tables();
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.state(BootNs(1), &tables).unwrap();
    let renamed = Container {
        name: "shop".into(),
        ..tables.container(ContainerId(3)).unwrap().clone()
    };
    tables.containers.insert(ContainerId(3), Arc::new(renamed));
    writer.state(BootNs(2), &tables).unwrap();
    let reader = Reader::from_bytes(writer.seal(&Totals::default(), &tables).unwrap()).unwrap();
    assert_eq!(reader.containers()[0].name, "shop");
}

#[test]
fn an_artifact_comes_back_with_its_hash_and_a_derived_file_names_its_parent() {
    let lineage = Lineage {
        parent: vec![7; 32],
        derived_by: "slice".into(),
        ..Lineage::default()
    };
    let mut writer = Writer::derived(
        Vec::new(),
        &Manifest::default(),
        &lineage,
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    let artifact = Artifact {
        name: b"/tmp/x".to_vec(),
        bytes: b"\x7fELF".to_vec(),
        ..Artifact::default()
    };
    writer.artifact(&artifact).unwrap();
    let reader =
        Reader::from_bytes(writer.seal(&Totals::default(), &Tables::default()).unwrap()).unwrap();
    assert_eq!(reader.lineage(), &lineage);
    assert_eq!(reader.artifacts(), 1);
    let found = reader.artifact(0).unwrap();
    assert_eq!(found.bytes, artifact.bytes);
    assert_eq!(found.hash, blake3::hash(&artifact.bytes).as_bytes());
}

#[test]
fn a_stream_reads_like_a_file() {
    let story = story::story();
    let reader = Reader::from_reader(story.write().as_slice()).unwrap();
    assert!(read_all(&reader).iter().eq(story.events()));
}

#[test]
fn an_event_too_large_for_the_format_is_refused_and_the_file_stays_good() {
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    let tables = Tables::default();
    let mut event = story::event(0);
    event.args = (0..65).map(Value::Num).collect();
    assert!(writer.push(event, &tables).is_err());
    writer.push(story::event(1), &tables).unwrap();
    let reader = Reader::from_bytes(writer.seal(&Totals::default(), &tables).unwrap()).unwrap();
    assert_eq!(reader.events(), 1);
}

/// An output that takes so many bytes and then fails, as a full disk does.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_failed_write_every_later_one_fails() {
    let mut writer = Writer::new(
        Full(20_000),
        &Manifest::default(),
        &Schema::default(),
        WriterOptions::default(),
    )
    .unwrap();
    let gap = story::story().gap.unwrap();
    while writer.gap(&gap).is_ok() {}
    writer.get_mut().0 = 1 << 20;
    let error = writer.gap(&gap).unwrap_err();
    assert!(
        error.to_string().contains("an earlier write failed"),
        "{error}"
    );
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        any::<i64>().prop_map(Value::Num),
        (0..4_i64).prop_map(Value::Num),
        (prop::collection::vec(any::<u8>(), 0..12), 0..3_u64).prop_map(|(bytes, more)| {
            Value::Bytes(Blob {
                full_len: bytes.len() as u64 + more,
                bytes,
            })
        }),
    ]
}

prop_compose! {
    fn any_event()(
        time in prop_oneof![any::<u64>(), 0..50_u64],
        cpu in prop_oneof![any::<u16>(), 0..3_u16],
        seq in prop_oneof![any::<u64>(), 0..9_u64],
        ty in prop_oneof![any::<u16>(), 0..4_u16],
        abi in 0..4_u8,
        flags in any::<u16>(),
        tid in prop_oneof![any::<u32>(), 0..4_u32],
        proc in prop_oneof![any::<u32>(), 0..9_u32],
        file in prop::option::of(prop_oneof![any::<u32>(), 0..9_u32]),
        result in any::<i64>(),
        latency_ns in prop_oneof![Just(0), any::<u64>()],
        args in prop::collection::vec(value(), 0..8),
    ) -> Event {
        Event {
            time: BootNs(time), cpu, seq, ty: TypeId(ty), abi: Abi::from_code(abi).unwrap(), flags: EventFlags(flags), tid,
            proc: ProcId(proc), file: file.map(FileId), result, latency_ns, args: args.into_iter().collect(),
        }
    }
}

prop_compose! {
    fn any_gap()(cause in 0..GapCause::ALL.len(), start in any::<u64>(), cpu in any::<Option<u16>>(), count in any::<Option<u64>>(), detail in ".*") -> Gap {
        Gap { cause: GapCause::ALL[cause].0, start: BootNs(start), end: BootNs(start ^ 5), cpu, count, first_seq: count.map(|n| n / 2), detail }
    }
}

prop_compose! {
    fn any_manifest()(texts in prop::collection::vec(".*", 6), lists in prop::collection::vec(".*", 0..5), limits in prop::collection::btree_map(".*", ".*", 0..4), clock in any::<(u64, u64, i64)>(), cpus in any::<u32>()) -> Manifest {
        Manifest {
            capture_id: texts[0].clone(), tool: texts[1].clone(), host: texts[2].clone(), scope: texts[3].clone(),
            filter: texts[4].clone(), case_id: texts[5].clone(), cpus,
            clock: ClockPair { boot_ns: clock.0, mono_ns: clock.1, real_ns: clock.2 },
            coverage: lists.clone(), command: lists, limits, ..Manifest::default()
        }
    }
}

prop_compose! {
    fn any_process()(id in 0..9_u32, parent in prop::option::of(0..9_u32), numbers in any::<[u32; 12]>(), long in any::<[u64; 6]>(), bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 5), container in prop::option::of(0..4_u32)) -> Process {
        Process {
            id: ProcId(id), key: ProcKey { pid: numbers[0], start_ns: long[0], exec: numbers[1] }, parent: parent.map(ProcId),
            ppid: numbers[2], vpid: numbers[3], sid: numbers[4], pgid: numbers[5], tty: numbers[6], comm: bytes[0].clone(),
            exe_path: bytes[1].clone(), exe_dev: long[1], exe_ino: long[2], exe_flags: numbers[7], argv: bytes[2].clone(),
            argv_full_len: long[3], env: bytes[3].clone(), env_full_len: long[4], cwd: bytes[4].clone(), uid: numbers[8],
            gid: numbers[9], euid: numbers[10], egid: numbers[11], loginuid: numbers[0], cap_effective: long[5],
            cap_permitted: long[0], cap_inheritable: long[1], container: container.map(ContainerId), cgroup_id: long[2],
            cgroup: bytes[0].clone(), ns_pid: numbers[1], ns_mnt: numbers[2], ns_net: numbers[3], ns_user: numbers[4],
            origin: [Origin::Kernel, Origin::Procfs, Origin::Runtime][(numbers[5] % 3) as usize],
            cap_bounding: long[3], cap_ambient: long[4], securebits: numbers[6], ns_uts: numbers[7], ns_ipc: numbers[8],
            ns_cgroup: numbers[9], ns_time: numbers[10], exe_size: long[5], exe_mtime_ns: long[0], exe_ctime_ns: long[1],
            exe_sha256: bytes[1].clone(), script: bytes[2].clone(), interp: bytes[3].clone(), past: numbers[0] % 2 == 1,
            main_comm: bytes[4].clone(), session_comm: bytes[0].clone(),
        }
    }
}

fn any_tables() -> impl Strategy<Value = Tables> {
    (
        prop::collection::vec(any_process(), 0..6),
        ".*",
        any::<Option<bool>>(),
    )
        .prop_map(|(procs, name, privileged)| {
            let mut tables = story::tables();
            tables.procs = procs
                .into_iter()
                .map(|process| (process.id, Arc::new(process)))
                .collect::<BTreeMap<_, _>>();
            let container = Container {
                id: ContainerId(2),
                name,
                privileged,
                ..Container::default()
            };
            tables.containers.insert(container.id, Arc::new(container));
            tables
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_events_rows_gaps_and_manifest_come_back(
        manifest in any_manifest(), tables in any_tables(), gap in any_gap(),
        chunks in prop::collection::vec(prop::collection::vec(any_event(), 1..24), 0..4),
    ) {
        let story = Story { manifest, schema: story::story().schema, tables, chunks, gap: Some(gap), totals: Totals { offered: 1, ..Totals::default() } };
        let file = story.write();
        let reader = Reader::from_bytes(file.clone()).unwrap();
        prop_assert_eq!(reader.manifest(), &story.manifest);
        prop_assert_eq!(reader.state(), &story.tables);
        prop_assert!(read_all(&reader).iter().eq(story.events()));
        if !story.chunks.is_empty() {
            prop_assert_eq!(reader.gaps(), story.gap.as_slice());
        }
        for at in 0..reader.chunks().len() {
            let chunk = reader.chunk(at).unwrap();
            for event in &chunk.events {
                let row = story.tables.proc(event.proc);
                prop_assert_eq!(chunk.tables.proc(event.proc), row);
                let ancestors = |tables: &Tables| tables.ancestors(event.proc).cloned().collect::<Vec<_>>();
                prop_assert_eq!(ancestors(&chunk.tables), ancestors(&story.tables));
            }
        }
        let report = verify_bytes(file).unwrap();
        prop_assert!(matches!(report.verdict, Verdict::SealedIntact), "{}", report.verdict);
    }
}
