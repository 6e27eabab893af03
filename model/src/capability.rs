//! Names of capabilities (`include/uapi/linux/capability.h`).

/// Names by number.
pub const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Names of the capabilities in a mask with a blank between them; those without a name as `CAP_41`. Empty for none.
pub fn names(mask: u64) -> String {
    let held = (0..u64::BITS).filter(|bit| mask >> bit & 1 == 1);
    let name = |bit: u32| {
        CAPABILITIES
            .get(bit as usize)
            .map_or_else(|| format!("CAP_{bit}"), |name| (*name).to_owned())
    };
    held.map(name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_named_from_the_lowest_bit_up() {
        assert_eq!(names(0), "");
        assert_eq!(names(1 << 21 | 1), "CAP_CHOWN CAP_SYS_ADMIN");
        assert_eq!(names(1 << 63), "CAP_63");
        assert_eq!(names(1 << 40), "CAP_CHECKPOINT_RESTORE");
    }
}
