//! Names of bits and numbers, by set. Values are those of the Linux uapi headers, which are the same on x86-64, i386
//! and aarch64 unless a set says otherwise.

/// A named set of bits or numbers.
#[derive(Clone, Copy, Debug)]
pub struct FlagSet {
    /// Name, as rows of `SYSCALLS` refer to it.
    pub name: &'static str,
    /// Name, value, mask: the name applies when `argument & mask == value`. For plain bits mask is value; for numbers it is all ones.
    pub entries: &'static [(&'static str, u64, u64)],
}

/// All ones: the entry names the whole number.
const ALL: u64 = u64::MAX;

/// Every flag set.
pub const FLAG_SETS: &[FlagSet] = &[
    FlagSet {
        name: "open",
        entries: &[
            ("O_RDONLY", 0, 3),
            ("O_WRONLY", 1, 3),
            ("O_RDWR", 2, 3),
            ("O_CREAT", 0o100, 0o100),
            ("O_EXCL", 0o200, 0o200),
            ("O_NOCTTY", 0o400, 0o400),
            ("O_TRUNC", 0o1000, 0o1000),
            ("O_APPEND", 0o2000, 0o2000),
            ("O_NONBLOCK", 0o4000, 0o4000),
            ("O_DSYNC", 0o10000, 0o10000),
            ("O_DIRECT", 0o40000, 0o40000),
            ("O_DIRECTORY", 0o200000, 0o200000),
            ("O_NOFOLLOW", 0o400000, 0o400000),
            ("O_NOATIME", 0o1000000, 0o1000000),
            ("O_CLOEXEC", 0o2000000, 0o2000000),
            ("O_PATH", 0o10000000, 0o10000000),
            ("O_TMPFILE", 0o20000000, 0o20000000),
        ],
    },
    FlagSet { name: "domain", entries: &[("AF_UNIX", 1, ALL), ("AF_INET", 2, ALL), ("AF_INET6", 10, ALL), ("AF_NETLINK", 16, ALL), ("AF_PACKET", 17, ALL)] },
];

/// The set with this name.
pub fn flag_set(name: &str) -> Option<&'static FlagSet> {
    FLAG_SETS.iter().find(|set| set.name == name)
}
