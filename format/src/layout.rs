//! The numbers of the format: magic, versions, block types, columns, limits. `docs/format.md` says the same in prose, and a
//! test compares the two.

/// First eight bytes of every capture. The high bit and the line ends betray a transfer that altered bytes.
pub const MAGIC: [u8; 8] = *b"\x89AFT\r\n\x1a\n";
/// Major version: a reader refuses a larger one.
pub const VERSION_MAJOR: u16 = 1;
/// Minor version: grows when something is added that older readers may skip.
pub const VERSION_MINOR: u16 = 6;
/// Bytes of the file head: magic, versions, tag, CRC32C.
pub const FILE_HEAD: usize = 24;

/// First four bytes of every block.
pub const SYNC: [u8; 4] = *b"\xa6\xf7BK";
/// Bytes of a block before its body.
pub const BLOCK_HEAD: usize = 32;
/// Bytes of a block after its body.
pub const BLOCK_TAIL: usize = 40;
/// Bit of a block's flags: the body is a length and one zstd frame.
pub const FLAG_ZSTD: u16 = 1;
/// Bit of a block's flags: the body is sealed with the key of the capture.
pub const FLAG_SEALED: u16 = 2;
/// Bit of a state block's flags: a keyframe. Its rows are those of chunks and of other states, as they were at its instant.
pub const FLAG_KEYFRAME: u16 = 4;
/// Bit of the flags of a keyframe in a capture of another program: it begins no section, and what was known before is true behind it.
pub const FLAG_WITHIN: u16 = 8;
/// Bytes of a body that are sealed at once.
pub const SEGMENT: usize = 64 << 10;
/// Block types from here on are private to whoever writes them; this project never assigns them.
pub const PRIVATE_BLOCKS: u16 = 0x8000;

/// Tag of the field that holds a signature, in every record that may have one. It is the last field.
pub const SIGNATURE: u64 = 63;

/// A number of the format with its name and a sentence.
pub type Row = (u16, &'static str, &'static str);

macro_rules! numbers {
    ($(#[$doc:meta])* $table:ident; $($name:ident = $number:literal, $text:literal, $sentence:literal;)*) => {
        $(#[doc = $sentence] pub const $name: u16 = $number;)*
        $(#[$doc])*
        pub const $table: &[Row] = &[$(($number, $text, $sentence)),*];
    };
}

/// Block types.
pub mod block {
    use super::Row;
    numbers! {
        /// Every block type this version knows.
        ALL;
        HEADER = 1, "header", "The manifest; the first block of a file.";
        SCHEMA = 2, "schema", "Event types, flag sets and the names of all numbers; the second block.";
        STATE = 3, "state", "Everything known at an instant: processes, files, containers, users, groups, descriptors, mounts.";
        CHUNK = 4, "chunk", "Events in columns, with every row they point at.";
        GAP = 5, "gap", "Events known to be missing.";
        ARTIFACT = 6, "artifact", "A file kept with the capture, named by its hash.";
        NOTE = 7, "note", "A remark by a person or a program.";
        CHECKPOINT = 8, "checkpoint", "How far the capture had come at an instant.";
        INDEX = 9, "index", "Where every block is; the last but one block of a sealed file.";
        FOOTER = 10, "footer", "The totals and the seal; the last block of a sealed file.";
        KEY = 11, "key", "The key of an encrypted file once more, for one whose header is damaged.";
    }
}

/// Columns of a chunk. A column that is not there holds zeros.
pub mod column {
    use super::Row;
    numbers! {
        /// Every column this version knows.
        ALL;
        THREAD = 1, "thread", "Runs of rows by thread.";
        TIME = 2, "time", "Nanoseconds since the row before in the same thread.";
        CPU = 3, "cpu", "The CPU.";
        TYPE = 4, "type", "Place in the zone map's list of types.";
        ABI = 5, "abi", "The call convention.";
        FLAGS = 6, "flags", "The marks.";
        PROC = 7, "proc", "Place in the zone map's list of processes.";
        FILE = 8, "file", "0 for none, else 1 + place in the file list.";
        RESULT = 9, "result", "Results, type by type.";
        ORDER = 10, "order", "How file order differs from time order.";
        SEQ = 11, "seq", "Jumps of the per-CPU number, in file order.";
        ARGS = 12, "args", "Arguments of one type, or of all types without a column of their own.";
        FILE_LIST = 13, "file-list", "The file rows used, ascending.";
        LATENCY = 14, "latency", "Nanoseconds from where a call first waited to its return; 0 for none.";
        TEXT_LEN = 16, "text-len", "Lengths of the distinct strings.";
        TEXT_CUT = 17, "text-cut", "Which strings were cut, and by how much.";
        TEXT_BYTES = 18, "text-bytes", "The distinct strings, one after another.";
        DATA_LEN = 19, "data-len", "Lengths of the distinct payloads.";
        DATA_CUT = 20, "data-cut", "Which payloads were cut, and by how much.";
        DATA_BYTES = 21, "data-bytes", "The distinct payloads, one after another.";
        PROCESS_ROWS = 32, "process-rows", "Process rows: those of events and all their recorded ancestors.";
        CONTAINER_ROWS = 33, "container-rows", "Container rows.";
        FILE_ROWS = 34, "file-rows", "File rows.";
        USER_ROWS = 35, "user-rows", "User rows.";
        GROUP_ROWS = 36, "group-rows", "Group rows.";
        TYPES = 40, "types", "As type, in planes.";
        TIMES = 41, "times", "As time, in lists by what comes after what.";
        CPUS = 42, "cpus", "As cpu, in planes.";
        MARKS = 43, "marks", "As flags, type by type.";
        PROCS = 44, "procs", "As proc, in planes.";
        RANKS = 45, "ranks", "As file, by how long ago the thread last used it.";
        RESULTS = 46, "results", "Results of the types that have values.";
        WAITS = 47, "waits", "As latency, type by type, by the time that it leaves.";
        VALUES = 48, "values", "Arguments of one type.";
        REST = 49, "rest", "Results and arguments of the types that have no values.";
        PROCESS_TABLE = 50, "process-table", "As process-rows, field by field.";
        CONTAINER_TABLE = 51, "container-table", "As container-rows, field by field.";
        FILE_TABLE = 52, "file-table", "As file-rows, field by field.";
        USER_TABLE = 53, "user-table", "As user-rows, field by field.";
        GROUP_TABLE = 54, "group-table", "As group-rows, field by field.";
        ROW_LEN = 55, "row-len", "Lengths of the distinct strings of rows.";
        ROW_BYTES = 56, "row-bytes", "The distinct strings of rows, one after another.";
    }
}

/// Tags of the rows inside a state block and the row columns of a chunk.
pub mod row {
    use super::Row;
    numbers! {
        /// Every kind of row this version knows.
        ALL;
        AT = 1, "at", "The instant of a state block.";
        PROCESS = 2, "process", "A process row.";
        CONTAINER = 3, "container", "A container row.";
        FILE = 4, "file", "A file row.";
        USER = 5, "user", "A user row.";
        GROUP = 6, "group", "A group row.";
        DESCRIPTOR = 7, "descriptor", "A descriptor that was open; only in state blocks.";
        MOUNT = 8, "mount", "A mount; only in state blocks.";
    }
}

/// Tags of an argument's value.
pub mod value {
    use super::Row;
    numbers! {
        /// Every kind of value.
        ALL;
        ABSENT = 0, "absent", "Not captured.";
        NUM = 1, "num", "An integer.";
        TEXT = 2, "text", "Place of a string.";
        DATA = 3, "data", "Place of a payload.";
        MIXED = 255, "mixed", "Each value has a tag of its own.";
    }
}

/// Ways to store a list of integers.
pub mod ints {
    use super::Row;
    numbers! {
        /// Every way.
        ALL;
        CONSTANT = 1, "constant", "One integer stands for all.";
        PLAIN = 2, "plain", "Each integer.";
        DELTA = 3, "delta", "Each integer less the one before, wrapping.";
    }
}

/// Ways to tell an integer of a list in planes.
pub mod way {
    use super::Row;
    numbers! {
        /// Every way; from the last on, two for each context.
        ALL;
        PLAIN = 0, "plain", "Each integer.";
        DELTA = 1, "delta", "Each integer less the one before, wrapping.";
        CONTEXT = 2, "context", "2 + 2 c: each integer less the one that last came with the same value of context c; 3 + 2 c: less that value.";
    }
}

/// Values of a context that are told apart.
pub const CONTEXTS: u64 = 4096;
/// Files of a thread that are told by their rank.
pub const RANKS: usize = 64;
/// Rows from which what follows what has a list of times of its own.
pub const PAIR_LANE: u32 = 1024;
/// Rows from which a type has a list of times of its own.
pub const TYPE_LANE: u32 = 512;
/// Types of a chunk up to which it is asked what follows what.
pub const PAIR_TYPES: usize = 256;

/// Bits of the filter of texts that writers take for each piece of it, where that is no more than its share of the chunk.
pub const PIECE_BITS: u64 = 6;
/// Bits for each piece below which they write none.
pub const LEAST_PIECE_BITS: u64 = 2;
/// The filter of texts takes at most one of so many bytes of its chunk.
pub const PIECE_SHARE: u64 = 100;

/// Tag of the field of bytes of a process that is no text: the hash of its program.
pub const PROCESS_HASH: u64 = 47;

/// Bytes of a block body at most.
pub const MAX_BODY: u64 = 256 << 20;
/// Bytes of one column before compression at most.
pub const MAX_COLUMN: u64 = 128 << 20;
/// Bytes of the container rows of a chunk before compression at most: their lists multiply in memory.
pub const MAX_CONTAINER_ROWS: u64 = 8 << 20;
/// Bytes of all columns of a chunk before compression, and of all its values once repeated, at most.
pub const MAX_CHUNK: u64 = 256 << 20;
/// Events in a chunk at most.
pub const MAX_CHUNK_EVENTS: u64 = 1 << 18;
/// Arguments of all events of a chunk at most.
pub const MAX_CHUNK_VALUES: u64 = 1 << 21;
/// Arguments of one event at most.
pub const MAX_ARGS: u64 = 64;
/// Columns of a chunk at most.
pub const MAX_COLUMNS: u64 = 1 << 16;
/// Bytes of a zone map at most.
pub const MAX_ZONE: u64 = 4 << 20;
/// Bytes of the filter of texts of a chunk at most.
pub const MAX_PIECE_BITS: u64 = 1 << 17;
/// Bits for each piece of it at most.
pub const MAX_PIECE_HASHES: u64 = 16;
/// Bytes of a compressed record (schema, note …) once decompressed, at most.
pub const MAX_RECORD: u64 = 4 << 20;
/// Bytes of a state block once decompressed, at most.
pub const MAX_STATE: u64 = 16 << 20;
/// Bytes of all records and states of a file once decompressed, at most.
pub const MAX_STATES: u64 = 256 << 20;
/// Rows of one kind at most.
pub const MAX_ROWS: u64 = 1 << 18;
/// Items of one repeated field at most.
pub const MAX_ITEMS: u64 = 1 << 16;
/// Blocks of a file at most.
pub const MAX_BLOCKS: u64 = 1 << 22;
/// Notes after the footer at most.
pub const MAX_CUSTODY: u64 = 1 << 12;

/// Every limit with its name, for documents and tests.
pub const LIMITS: &[(&str, u64)] = &[
    ("MAX_BODY", MAX_BODY),
    ("MAX_COLUMN", MAX_COLUMN),
    ("MAX_CONTAINER_ROWS", MAX_CONTAINER_ROWS),
    ("MAX_CHUNK", MAX_CHUNK),
    ("MAX_CHUNK_EVENTS", MAX_CHUNK_EVENTS),
    ("MAX_CHUNK_VALUES", MAX_CHUNK_VALUES),
    ("MAX_ARGS", MAX_ARGS),
    ("MAX_COLUMNS", MAX_COLUMNS),
    ("MAX_ZONE", MAX_ZONE),
    ("MAX_PIECE_BITS", MAX_PIECE_BITS),
    ("MAX_PIECE_HASHES", MAX_PIECE_HASHES),
    ("MAX_RECORD", MAX_RECORD),
    ("MAX_STATE", MAX_STATE),
    ("MAX_STATES", MAX_STATES),
    ("MAX_ROWS", MAX_ROWS),
    ("MAX_ITEMS", MAX_ITEMS),
    ("MAX_BLOCKS", MAX_BLOCKS),
    ("MAX_CUSTODY", MAX_CUSTODY),
];
