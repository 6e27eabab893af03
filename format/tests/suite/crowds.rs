//! Rows so many or so large that a reader would refuse them together: what is written is read all the same, and what had to be cut
//! says so.

use super::story;
use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{
    BootNs, Container, ContainerId, Event, File, FileId, Manifest, ProcId, ProcKey, Process,
    Schema, Tables, Totals, User,
};
use std::sync::Arc;

/// An event of a process, at a file.
fn event(at: u64, proc: ProcId, file: Option<FileId>) -> Event {
    Event {
        time: BootNs(1_000 + at),
        seq: at,
        proc,
        file,
        ..story::event(2)
    }
}

fn process(id: u32, parent: Option<ProcId>) -> Process {
    Process {
        id: ProcId(id),
        key: ProcKey {
            pid: id,
            start_ns: 1,
            exec: 1,
        },
        parent,
        comm: b"sh".to_vec(),
        ..Process::default()
    }
}

fn put(tables: &mut Tables, process: Process) {
    tables.procs.insert(process.id, Arc::new(process));
}

fn container(id: u32, labels: usize, bytes: usize) -> Container {
    Container {
        id: ContainerId(id),
        full_id: format!("{id:064x}"),
        name: format!("web-{id}"),
        image: "shop:1".to_owned(),
        labels: (0..labels)
            .map(|n| (format!("label-{n}"), "x".repeat(bytes)))
            .collect(),
        ..Container::default()
    }
}

/// What is written of them, read again: every event is there.
fn read(events: Vec<Event>, tables: &Tables) -> (Reader, Vec<afterimage_format::Chunk>) {
    let options = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let (manifest, schema) = (Manifest::default(), Schema::default());
    let mut writer = Writer::new(Vec::new(), &manifest, &schema, options).expect("it begins");
    let count = events.len();
    for event in events {
        writer.push(event, tables).expect("it is taken");
    }
    let file = writer.seal(&Totals::default(), tables).expect("it ends");
    let reader = Reader::from_bytes(file).expect("it opens");
    let chunks: Vec<_> = (0..reader.chunks().len())
        .map(|at| {
            reader
                .chunk(at)
                .unwrap_or_else(|why| panic!("chunk {at}: {why}"))
        })
        .collect();
    let found: usize = chunks.iter().map(|chunk| chunk.events.len()).sum();
    assert_eq!(found, count);
    (reader, chunks)
}

#[test]
fn containers_with_more_labels_than_a_chunk_holds_keep_what_says_who_they_are() {
    let mut tables = Tables::default();
    let mut events = Vec::new();
    for id in 1..=60 {
        // The last ones are as containers usually are.
        let row = match id {
            ..=50 => container(id, 1_000, 400),
            _ => container(id, 3, 20),
        };
        tables.containers.insert(row.id, Arc::new(row));
        let of = Process {
            container: Some(ContainerId(id)),
            ..process(id, None)
        };
        put(&mut tables, of);
        events.push(event(u64::from(id), ProcId(id), None));
    }
    let (_, chunks) = read(events, &tables);
    for id in 1..=60 {
        let mut latest = chunks.iter().rev();
        let row = latest
            .find_map(|chunk| chunk.tables.container(ContainerId(id)))
            .expect("its row");
        let was = tables.container(ContainerId(id)).expect("its row");
        assert_eq!(
            (&row.full_id, &row.name, &row.image),
            (&was.full_id, &was.name, &was.image)
        );
        match id {
            ..=50 => assert!(row.cut && row.labels.len() < 1_000),
            _ => assert_eq!(row, was),
        }
    }
}

#[test]
fn ancestors_with_more_environment_than_a_chunk_holds_say_how_much_they_had() {
    const DEPTH: u32 = 80;
    let mut tables = Tables::default();
    for id in 1..=DEPTH {
        let bytes = |kind: u8| {
            let mut bytes = vec![kind; 1 << 20];
            bytes[..4].copy_from_slice(&id.to_le_bytes());
            bytes
        };
        let of = Process {
            argv: bytes(1),
            argv_full_len: 1 << 20,
            env: bytes(2),
            env_full_len: 1 << 20,
            ..process(id, (id > 1).then(|| ProcId(id - 1)))
        };
        put(&mut tables, of);
    }
    let (_, chunks) = read(vec![event(1, ProcId(DEPTH), None)], &tables);
    let rows = &chunks[0].tables;
    assert_eq!(rows.procs.len(), DEPTH as usize);
    for (id, row) in &rows.procs {
        assert_eq!(
            (row.argv_full_len, row.env_full_len),
            (1 << 20, 1 << 20),
            "{id:?}"
        );
        let was = tables.proc(*id).expect("its row");
        assert!(
            was.argv.starts_with(&row.argv) && row.argv.len() > 100_000,
            "{id:?}"
        );
        assert!(
            was.env.starts_with(&row.env) && row.env.len() < was.env.len(),
            "{id:?}"
        );
    }
}

#[test]
fn processes_that_fit_are_not_cut_for_others() {
    let mut tables = Tables::default();
    for id in 1..=300 {
        let size = if id % 3 == 0 { 1 << 20 } else { 1_000 };
        let mut env = vec![b'e'; size];
        env[..4].copy_from_slice(&u32::to_le_bytes(id));
        let of = Process {
            env_full_len: env.len() as u64,
            env,
            ..process(id, (id > 1).then(|| ProcId(id - 1)))
        };
        put(&mut tables, of);
    }
    let (_, chunks) = read(vec![event(1, ProcId(300), None)], &tables);
    for (id, row) in &chunks[0].tables.procs {
        let was = tables.proc(*id).expect("its row");
        assert_eq!(
            was.env.len() == 1_000,
            row.env.len() as u64 == row.env_full_len,
            "{id:?}"
        );
    }
}

#[test]
fn names_as_no_kernel_gives_them_do_not_make_a_chunk_that_nobody_reads() {
    let mut tables = Tables::default();
    for id in 1..=2_000_u32 {
        let name = |kind: u8| {
            let mut name = vec![kind; 60_000];
            name[..4].copy_from_slice(&id.to_le_bytes());
            name
        };
        let of = Process {
            comm: name(1),
            main_comm: name(2),
            session_comm: name(3),
            ..process(id, (id > 1).then(|| ProcId(id - 1)))
        };
        put(&mut tables, of);
    }
    let (_, chunks) = read(vec![event(1, ProcId(2_000), None)], &tables);
    let rows = &chunks[0].tables.procs;
    assert_eq!(rows.len(), 2_000);
    let begins = |(id, row): (&ProcId, &Arc<Process>)| row.comm.starts_with(&id.0.to_le_bytes());
    assert!(rows.iter().all(begins));
}

#[test]
fn long_paths_of_many_files_close_a_chunk() {
    let mut tables = Tables::default();
    put(&mut tables, process(1, None));
    let mut events = Vec::new();
    // As short calls reach them from a directory that lies deep.
    for id in 1..=65_000 {
        let mut path = vec![b'd'; 4_000];
        path.extend_from_slice(format!("/{id}").as_bytes());
        let file = File {
            id: FileId(id),
            path,
            ..File::default()
        };
        tables.files.insert(file.id, Arc::new(file));
        events.push(event(u64::from(id), ProcId(1), Some(FileId(id))));
    }
    let (_, chunks) = read(events, &tables);
    assert!(chunks.len() > 1);
    for chunk in &chunks {
        for event in &chunk.events {
            let file = event.file.expect("it has one");
            assert_eq!(chunk.tables.file(file), tables.file(file));
        }
    }
}

#[test]
fn users_with_long_names_are_there_by_number() {
    let mut tables = Tables::default();
    let mut events = Vec::new();
    for uid in 1..=3_000 {
        let of = Process {
            uid,
            euid: uid,
            loginuid: uid,
            ..process(uid, None)
        };
        put(&mut tables, of);
        let user = User {
            uid,
            name: format!("{uid}-{}", "n".repeat(30_000)),
            home: "h".repeat(30_000),
            ..User::default()
        };
        tables.users.insert((None, uid), Arc::new(user));
        events.push(event(u64::from(uid), ProcId(uid), None));
    }
    let (_, chunks) = read(events, &tables);
    for uid in 1..=3_000 {
        let mut latest = chunks.iter().rev();
        let row = latest
            .find_map(|chunk| chunk.tables.user(None, uid))
            .expect("its row");
        assert!(row.name.starts_with(&format!("{uid}-n")), "{uid}");
    }
}
