//! The tiles of the overview as data: which events a tile counts, how, and which view it opens.

use crate::views::Unit;

/// What a tile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Events.
    Events,
    /// The sum of a field.
    Sum(&'static str),
    /// Distinct values of fields taken together.
    Distinct(&'static [&'static str]),
}

/// A tile of the overview.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Short name.
    pub id: &'static str,
    /// Group it stands in.
    pub group: &'static str,
    /// Title.
    pub title: &'static str,
    /// Which events it counts.
    pub filter: &'static str,
    /// What is counted.
    pub counted: Counted,
    /// How the number is shown.
    pub unit: Unit,
    /// The view Enter opens, with the tile's filter.
    pub view: &'static str,
    /// Whether anything but zero deserves a look.
    pub notable: bool,
    /// One sentence.
    pub doc: &'static str,
}

macro_rules! tiles {
    ($($group:literal { $($id:literal $title:literal $filter:literal $counted:expr, $unit:ident $view:literal $notable:literal $doc:literal;)* })*) => {
        &[$($(Tile {
            id: $id, group: $group, title: $title, filter: $filter, counted: $counted,
            unit: Unit::$unit, view: $view, notable: $notable, doc: $doc,
        }),*),*]
    };
}

use Counted::{Distinct, Events, Sum};

/// Every tile, by group.
pub const TILES: &[Tile] = tiles! {
    "general" {
        "events" "Events" "" Events, Plain "syscalls" false "Everything recorded.";
        "containers" "Containers" "container.id!=host" Distinct(&["container.id"]), Plain "containers" false "Containers with events.";
        "processes" "Processes" "proc.pid exists" Distinct(&["proc.pid", "proc.pid.ts"]), Plain "processes" false "Processes with events.";
        "commands" "Commands run" "evt.type in (execve, execveat) and evt.failed=false" Events, Plain "commands" true "Programs executed.";
        "errors" "Failed calls" "evt.failed=true" Events, Plain "errors" false "Calls that returned an error.";
        "killed" "Out of memory" "evt.type=oom_kill" Events, Plain "container_events" true "Processes the kernel killed for lack of memory.";
    }
    "files" {
        "file_bytes" "File bytes" "evt.buflen.file>0" Sum("evt.buflen.file"), Bytes "files" false "Bytes read from and written to files.";
        "files_opened" "Files opened" "evt.type in (open, openat, openat2, creat) and evt.failed=false" Distinct(&["container.id", "fd.name"]), Plain "file_opens" false "Distinct files opened.";
        "files_written" "Files written" "evt.is_io_write=true and fd.type=file" Distinct(&["container.id", "fd.name"]), Plain "files" false "Distinct files written to.";
        "files_deleted" "Files deleted" "evt.type in (unlink, unlinkat, rmdir) and evt.failed=false" Events, Plain "deletions" true "Files and directories removed.";
        "open_errors" "Failed opens" "evt.type in (open, openat, openat2, creat) and evt.failed=true" Events, Plain "file_opens" false "Files that could not be opened.";
    }
    "network" {
        "net_bytes" "Network bytes" "evt.buflen.net>0" Sum("evt.buflen.net"), Bytes "connections" false "Bytes received and sent over sockets.";
        "connections_out" "Connections out" "evt.type=connect and fd.type in (ipv4, ipv6) and evt.res in (SUCCESS, EINPROGRESS)" Events, Plain "new_connections" true "Connections the recorded processes made.";
        "connections_in" "Connections in" "evt.type in (accept, accept4) and fd.type in (ipv4, ipv6) and evt.failed=false" Events, Plain "new_connections" true "Connections the recorded processes accepted.";
        "connections_failed" "Connections refused" "evt.type=connect and evt.failed=true and evt.res!=EINPROGRESS" Events, Plain "new_connections" false "Connections that could not be made.";
        "listening" "New listening ports" "evt.type=listen and fd.type in (ipv4, ipv6) and evt.failed=false" Events, Plain "listening" true "Sockets that began to listen.";
    }
    "security" {
        "sensitive" "Sensitive files" "evt.type in (open, openat, openat2) and fd.name pmatch (/etc/shadow, /etc/gshadow, /etc/sudoers, /etc/sudoers.d, /root/.ssh, '/home/*/.ssh', /var/run/docker.sock, /run/docker.sock, /var/run/secrets, /run/secrets, '/proc/*/environ')" Events, Plain "file_opens" true "Opens of password files, keys, secrets and other processes' environments.";
        "system_files" "System files written" "evt.is_io_write=true and fd.name pmatch (/bin, /sbin, /lib, /lib64, /boot, /etc, /usr/bin, /usr/sbin, /usr/lib, /usr/local/bin, /var/spool/cron)" Distinct(&["container.id", "fd.name"]), Plain "files" true "Distinct files of the system that were written to.";
        "dropped" "Dropped programs run" "evt.type in (execve, execveat) and evt.failed=false and (proc.is_exe_upper_layer=true or proc.is_exe_from_memfd=true or proc.exepath pmatch (/tmp, /var/tmp, /dev/shm, /run))" Events, Plain "commands" true "Programs executed that the container wrote itself, from memory, or from where anybody may write.";
        "namespaces" "Namespace changes" "evt.type in (setns, unshare) and evt.failed=false" Events, Plain "events" true "Processes that entered or made namespaces.";
        "privilege" "Identity changes" "evt.type in (setuid, setgid, setreuid, setregid, setresuid, setresgid, capset) and evt.failed=false" Events, Plain "events" true "Processes that changed user, group or capabilities.";
        "kernel" "Kernel doors" "evt.type in (init_module, finit_module, bpf, ptrace, kexec_load, mount, pivot_root) and evt.failed=false" Events, Plain "events" true "Modules, BPF, tracing of other processes, mounts.";
    }
};

/// The tile with this id.
pub fn tile(id: &str) -> Option<&'static Tile> {
    TILES.iter().find(|tile| tile.id == id)
}
