//! What was there when a recording began: descriptors, sockets and mounts, as the state block has them.

use crate::output::Output;
use crate::table::{Align, Table};
use crate::units::plural;
use afterimage_model::{ContainerId, Origin, Process, Safe, Tables};
use std::io::{self, Write};

/// One line that counts it; `None` when nothing was there, or the capture is older than that.
pub fn summary(state: &Tables) -> Option<String> {
    let listed = |row: &Process| match row.origin {
        Origin::Procfs => true,
        // What sysdig lists in front of the events has no start.
        Origin::Told => !row.past && row.key.start_ns == 0,
        _ => false,
    };
    let processes = state.procs.values().filter(|row| listed(row)).count();
    let counted = [
        (processes, "process"),
        (state.descriptors.len(), "descriptor"),
        (state.mounts.len(), "mount"),
    ];
    let told = counted.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, of)| plural(*count as u64, of)).collect();
    (!told.is_empty()).then(|| format!("{} (--state shows them)", told.join(", ")))
}

/// Prints descriptors, then mounts.
pub fn write(out: &mut Output, state: &Tables) -> io::Result<()> {
    let text = |bytes: &[u8]| Safe::new(bytes).to_string();
    let name = |id: Option<ContainerId>| {
        let container = id.and_then(|id| state.container(id));
        container.map_or_else(|| "host".to_owned(), |c| text(c.name.as_bytes()))
    };
    if !state.descriptors.is_empty() {
        writeln!(out)?;
        let mut table = Table::new([
            ("Container", Align::Left),
            ("PID", Align::Right),
            ("Process", Align::Left),
            ("FD", Align::Right),
            ("Type", Align::Left),
            ("Name", Align::Left),
        ]);
        for ((proc, fd), file) in &state.descriptors {
            let (Some(proc), Some(file)) = (state.proc(*proc), state.file(*file)) else {
                continue;
            };
            table.row([
                name(proc.container),
                proc.key.pid.to_string(),
                text(&proc.comm),
                fd.to_string(),
                file.kind.name().to_owned(),
                text(&file.name()),
            ]);
        }
        table.write(out)?;
    }
    if !state.mounts.is_empty() {
        writeln!(out)?;
        let mut table = Table::new([
            ("Container", Align::Left),
            ("Mounted at", Align::Left),
            ("Type", Align::Left),
            ("Source", Align::Left),
            ("Folder", Align::Left),
            ("Options", Align::Left),
        ]);
        for mount in state.mounts.values() {
            table.row([
                name(mount.container),
                text(&mount.point),
                text(&mount.fs_type),
                text(&mount.source),
                text(&mount.root),
                text(&mount.options),
            ]);
        }
        table.write(out)?;
    }
    Ok(())
}
