//! Getters of `container.*` and `k8s.*`: where it happened, as the runtime describes it.

use super::{Ctx, FieldValue, told};
use crate::entity::{Container, Process};
use crate::event::Value;
use std::collections::BTreeMap;

/// A text of the container; `host` for a process that is in none; `None` when the process is not known.
pub fn or_host<'a>(c: &Ctx<'a>, text: fn(&'a Container) -> &'a str) -> Option<FieldValue<'a>> {
    match c.tables.proc(c.event.proc)?.container {
        Some(_) => filled(text(c.container()?)),
        None => c.known_proc().map(|_| FieldValue::str("host")),
    }
}

/// A text of the container that is empty when not known.
pub fn text<'a>(c: &Ctx<'a>, text: fn(&'a Container) -> &'a str) -> Option<FieldValue<'a>> {
    filled(text(c.container()?))
}

/// The share of a CPU since the sample before: of the container, or of one thread where another program sampled threads.
pub fn cpu_percent(c: &Ctx<'_>) -> Option<FieldValue<'static>> {
    let of_thread = || {
        c.container()?;
        match told::fraction(c, "thread.cpu")? {
            FieldValue::Double(share) => Some(FieldValue::Double(share)),
            _ => None,
        }
    };
    let sampled = sampled(c, "cpu_percent").and_then(|share| match share {
        FieldValue::Uint(n) => Some(FieldValue::Double(n as f64)),
        _ => None,
    });
    sampled.or_else(of_thread)
}

/// The command of a probe; `NONE` where another program told of the container and of no such probe.
pub fn probe<'a>(c: &Ctx<'a>, kind: &str) -> Option<FieldValue<'a>> {
    let container = c.container()?;
    let none = || {
        c.known_proc()
            .is_some_and(Process::is_told)
            .then_some("NONE")
    };
    let command = container.probes.get(kind).map(String::as_str);
    command.or_else(none).map(FieldValue::str)
}

/// Whether a mode that is empty when not known is the host's.
pub fn is_host(c: &Ctx<'_>, mode: fn(&Container) -> &String) -> Option<FieldValue<'static>> {
    let mode = mode(c.container()?);
    (!mode.is_empty()).then(|| FieldValue::Bool(mode == "host"))
}

/// A label of the pod; some runtimes keep it among the container's own.
pub fn pod_label<'a>(c: &Ctx<'a>, key: Option<&str>) -> Option<FieldValue<'a>> {
    let container = c.container().filter(|k| !k.pod_name.is_empty())?;
    let all = [&container.pod_labels, &container.labels];
    let key = key?;
    all.iter()
        .find_map(|labels| labels.get(key))
        .map(FieldValue::str)
}

/// All labels of the pod.
pub fn pod_labels<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    pairs(c, |k| &k.pod_labels)
}

/// The address of the pod: one for all of its containers.
pub fn pod_ip<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let container = c.container().filter(|k| !k.pod_name.is_empty())?;
    filled(&container.ip)
}

fn filled(text: &str) -> Option<FieldValue<'_>> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(FieldValue::str)
}

/// Repository of the image.
pub fn repository(container: &Container) -> &str {
    container.image_parts().0
}

/// Tag of the image.
pub fn tag(container: &Container) -> &str {
    container.image_parts().1
}

/// The image id, without the name of its hash.
pub fn image_id(container: &Container) -> &str {
    container.bare_image_id()
}

/// Labels or annotations as `key:value`.
pub fn pairs<'a>(
    c: &Ctx<'a>,
    of: fn(&'a Container) -> &'a BTreeMap<String, String>,
) -> Option<FieldValue<'a>> {
    let all = of(c.container()?)
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect::<Vec<_>>();
    (!all.is_empty()).then(|| FieldValue::owned(all.join(", ")))
}

/// One label or annotation.
pub fn entry<'a>(
    c: &Ctx<'a>,
    of: fn(&'a Container) -> &'a BTreeMap<String, String>,
    key: Option<&str>,
) -> Option<FieldValue<'a>> {
    of(c.container()?).get(key?).map(FieldValue::str)
}

/// A list with something between its entries.
pub fn list<'a>(
    c: &Ctx<'a>,
    of: fn(&'a Container) -> &'a Vec<String>,
    between: &str,
) -> Option<FieldValue<'a>> {
    let all = of(c.container()?);
    (!all.is_empty()).then(|| FieldValue::owned(all.join(between)))
}

/// The number a sample of use has under this name; `None` for other events and for what could not be read.
fn sample(c: &Ctx<'_>, name: &str) -> Option<u64> {
    if c.ty()?.name != "container_usage" {
        return None;
    }
    match c.arg(name)? {
        Value::Num(n) => Some(*n as u64),
        _ => None,
    }
}

/// As [`sample`], as a field.
pub fn sampled<'a>(c: &Ctx<'a>, name: &str) -> Option<FieldValue<'a>> {
    sample(c, name).map(FieldValue::Uint)
}

/// Memory in use against its limit.
pub fn memory_percent<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    let limit = sample(c, "memory_limit").filter(|limit| *limit > 0)?;
    let used = sample(c, "memory")?;
    u64::try_from(u128::from(used) * 100 / u128::from(limit))
        .ok()
        .map(FieldValue::Uint)
}

/// The parts of a mount, in the order they are written.
#[derive(Clone, Copy)]
pub enum MountPart {
    /// What is mounted.
    Source = 0,
    /// Where.
    Destination = 1,
    /// Mode.
    Mode = 2,
    /// Whether it can be written.
    ReadWrite = 3,
    /// Propagation.
    Propagation = 4,
}

/// `source:destination:mode:rw:propagation` in parts; only the source may hold colons.
fn mount_parts(mount: &str) -> Option<[&str; 5]> {
    let mut parts = mount.rsplitn(5, ':');
    let mut next = || parts.next();
    let (propagation, rdwr, mode, destination, source) =
        (next()?, next()?, next()?, next()?, next()?);
    Some([source, destination, mode, rdwr, propagation])
}

/// One mount, or a part of it: chosen by number, or by a pattern (`*`, `?`) that its source matches; where the source
/// itself is asked for, its destination.
pub fn mount<'a>(
    c: &Ctx<'a>,
    part: Option<MountPart>,
    which: Option<&str>,
) -> Option<FieldValue<'a>> {
    let mounts = &c.container()?.mounts;
    let which = which?;
    let by = if matches!(part, Some(MountPart::Source)) {
        MountPart::Destination
    } else {
        MountPart::Source
    };
    let chosen = match which.parse::<usize>() {
        Ok(index) => mounts.get(index)?,
        Err(_) => mounts.iter().find(|mount| {
            mount_parts(mount)
                .and_then(|parts| parts.get(by as usize).copied())
                .is_some_and(|text| glob(which.as_bytes(), text.as_bytes()))
        })?,
    };
    match part {
        None => Some(FieldValue::str(chosen)),
        Some(part) => mount_parts(chosen)?
            .get(part as usize)
            .copied()
            .and_then(filled),
    }
}

/// Whether a text matches a pattern with `*` and `?`; linear in text times pattern.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(b) if *b == b'?' || text.get(t) == Some(b) => {
                p += 1;
                t += 1;
            }
            _ => {
                // Let the last star take one more byte.
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|b| *b == b'*')
}

/// When the container was made, ns since 1970; before that is known, when it was first seen.
pub fn start_ns(c: &Ctx<'_>) -> Option<i64> {
    let container = c.container()?;
    match (container.created_ns, container.first_seen_ns) {
        (0, 0) => None,
        (0, seen) => Some(c.manifest.wall_ns(seen)),
        (created, _) => Some(created),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_keeps_the_colons_of_its_source() {
        assert_eq!(
            mount_parts("/data:x:/mnt:z:true:rprivate"),
            Some(["/data:x", "/mnt", "z", "true", "rprivate"])
        );
        assert_eq!(
            mount_parts("/a:/b::false:"),
            Some(["/a", "/b", "", "false", ""])
        );
        assert_eq!(mount_parts("nonsense"), None);
    }

    #[test]
    fn patterns_match_whole_texts() {
        assert!(
            glob(b"/etc*", b"/etc/passwd")
                && glob(b"/etc*", b"/etc")
                && glob(b"*", b"")
                && glob(b"/?/*c", b"/a/bcc")
        );
        assert!(
            !glob(b"/etc", b"/etc/passwd")
                && !glob(b"?", b"")
                && !glob(b"", b"x")
                && !glob(b"*x", b"xy")
        );
    }
}
