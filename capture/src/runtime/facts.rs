//! Descriptions of containers joined and kept within bounds: what a daemon or a file says is somebody else's word.

use afterimage_model::capability::CAPABILITIES;
use afterimage_model::{Container, ContainerLimits};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Bytes of one text: more than any label needs, less than an attack does.
const MOST_TEXT: usize = 32 << 10;
/// Entries of one list.
const MOST_ITEMS: usize = 1_024;
/// Bytes of one description.
const MOST_BYTES: usize = 512 << 10;

/// Fills in what `of` does not say from `spare`; identity and what the kernel told are `of`'s own.
pub fn filled(of: Container, spare: &Container) -> Container {
    fn text(own: String, spare: &str) -> String {
        if own.is_empty() {
            spare.to_owned()
        } else {
            own
        }
    }
    fn list(own: Vec<String>, spare: &[String]) -> Vec<String> {
        if own.is_empty() { spare.to_vec() } else { own }
    }
    fn pairs(
        own: BTreeMap<String, String>,
        spare: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        if own.is_empty() { spare.clone() } else { own }
    }
    fn number(own: i64, spare: i64) -> i64 {
        if own == 0 { spare } else { own }
    }
    Container {
        id: of.id,
        full_id: text(of.full_id, &spare.full_id),
        runtime: text(of.runtime, &spare.runtime),
        name: text(of.name, &spare.name),
        image: text(of.image, &spare.image),
        image_id: text(of.image_id, &spare.image_id),
        image_digest: text(of.image_digest, &spare.image_digest),
        labels: pairs(of.labels, &spare.labels),
        env_names: list(of.env_names, &spare.env_names),
        mounts: list(of.mounts, &spare.mounts),
        privileged: of.privileged.or(spare.privileged),
        user: text(of.user, &spare.user),
        created_ns: number(of.created_ns, spare.created_ns),
        first_seen_ns: of.first_seen_ns,
        removed_ns: of.removed_ns,
        ip: text(of.ip, &spare.ip),
        cgroup: text(of.cgroup, &spare.cgroup),
        cgroup_id: if of.cgroup_id == 0 {
            spare.cgroup_id
        } else {
            of.cgroup_id
        },
        pod_name: text(of.pod_name, &spare.pod_name),
        pod_namespace: text(of.pod_namespace, &spare.pod_namespace),
        pod_uid: text(of.pod_uid, &spare.pod_uid),
        pod_labels: pairs(of.pod_labels, &spare.pod_labels),
        probes: pairs(of.probes, &spare.probes),
        unresolved: of.unresolved,
        command: list(of.command, &spare.command),
        hostname: text(of.hostname, &spare.hostname),
        cap_add: list(of.cap_add, &spare.cap_add),
        cap_drop: list(of.cap_drop, &spare.cap_drop),
        cap_effective: of.cap_effective.or(spare.cap_effective),
        seccomp: text(of.seccomp, &spare.seccomp),
        apparmor: text(of.apparmor, &spare.apparmor),
        no_new_privileges: of.no_new_privileges.or(spare.no_new_privileges),
        read_only: of.read_only.or(spare.read_only),
        ports: list(of.ports, &spare.ports),
        network_mode: text(of.network_mode, &spare.network_mode),
        pid_mode: text(of.pid_mode, &spare.pid_mode),
        ipc_mode: text(of.ipc_mode, &spare.ipc_mode),
        userns_mode: text(of.userns_mode, &spare.userns_mode),
        restart_policy: text(of.restart_policy, &spare.restart_policy),
        limits: ContainerLimits {
            memory: of.limits.memory.or(spare.limits.memory),
            memory_swap: of.limits.memory_swap.or(spare.limits.memory_swap),
            cpu_milli: of.limits.cpu_milli.or(spare.limits.cpu_milli),
            cpu_shares: of.limits.cpu_shares.or(spare.limits.cpu_shares),
            pids: of.limits.pids.or(spare.limits.pids),
            cpuset: text(of.limits.cpuset, &spare.limits.cpuset),
        },
        annotations: pairs(of.annotations, &spare.annotations),
        sandbox_id: text(of.sandbox_id, &spare.sandbox_id),
        started_ns: number(of.started_ns, spare.started_ns),
        finished_ns: number(of.finished_ns, spare.finished_ns),
        exit_code: of.exit_code.or(spare.exit_code),
        oom_killed: of.oom_killed.or(spare.oom_killed),
        cut: of.cut || spare.cut,
    }
}

/// What is left of the bytes that one description may have.
struct Budget {
    left: usize,
    cut: bool,
}

impl Budget {
    fn text(&mut self, text: &mut String) {
        let most = self.left.min(MOST_TEXT);
        if text.len() > most {
            let end = (0..=most).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or(0));
            self.cut = true;
        }
        self.left = self.left.saturating_sub(text.len());
    }

    fn list(&mut self, list: &mut Vec<String>) {
        self.cut |= list.len() > MOST_ITEMS;
        list.truncate(MOST_ITEMS);
        list.iter_mut().for_each(|text| self.text(text));
    }

    fn pairs(&mut self, pairs: &mut BTreeMap<String, String>) {
        self.cut |= pairs.len() > MOST_ITEMS;
        *pairs = std::mem::take(pairs)
            .into_iter()
            .take(MOST_ITEMS)
            .map(|(mut key, mut value)| {
                self.text(&mut key);
                self.text(&mut value);
                (key, value)
            })
            .collect();
    }
}

/// The description cut to what a row may hold; it says so when it was.
pub fn bounded(mut c: Container) -> Container {
    let mut budget = Budget {
        left: MOST_BYTES,
        cut: c.cut,
    };
    // What says who it is comes first, so that a flood of labels cannot push it out.
    c.texts_mut().into_iter().for_each(|text| budget.text(text));
    c.lists_mut().into_iter().for_each(|list| budget.list(list));
    c.pairs_mut()
        .into_iter()
        .for_each(|pairs| budget.pairs(pairs));
    c.cut = budget.cut;
    c
}

/// `2026-11-22T16:52:55.123456789Z` as nanoseconds since 1970; `None` for other texts and for the year 1, which Go writes for "never".
pub(super) fn unix_ns(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if !(1970..=2261).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset) = zone(rest)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let digits: String = fraction
        .chars()
        .take_while(char::is_ascii_digit)
        .take(9)
        .collect();
    let nanos = format!("{digits:0<9}").parse::<i64>().ok()?;
    // Days from civil date (years start in March).
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    let clock = hour
        .checked_mul(3600)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?
        .checked_sub(offset)?;
    days.checked_mul(86_400)?
        .checked_add(clock)?
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
}

/// The clock and the zone's offset in seconds: `16:52:55Z`, `16:52:55+01:00`.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, offset) = text.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()?.checked_mul(3600)?;
    Some((
        clock,
        sign * seconds.checked_add(minutes.parse::<i64>().ok()?.checked_mul(60)?)?,
    ))
}

/// The text behind a name; empty when there is none.
pub(super) fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

/// The texts of a list; what is no text is left out.
pub(super) fn texts(json: &Json) -> Vec<String> {
    let items = json.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// The texts of an object.
pub(super) fn pairs(json: &Json) -> BTreeMap<String, String> {
    let entries = json.as_object().into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Names of environment variables; their values are never kept.
pub(super) fn env_names(json: &Json) -> Vec<String> {
    texts(json)
        .iter()
        .map(|entry| entry.split('=').next().unwrap_or_default().to_owned())
        .collect()
}

/// `NET_ADMIN` and `cap_net_admin` as `CAP_NET_ADMIN`; `ALL` as it is.
pub(super) fn capability_name(given: &str) -> String {
    let name = given.to_ascii_uppercase();
    if name == "ALL" || name.starts_with("CAP_") {
        name
    } else {
        format!("CAP_{name}")
    }
}

/// The mask of capabilities by name.
pub(super) fn capability_mask(names: &[String]) -> u64 {
    CAPABILITIES
        .iter()
        .zip(0_u32..)
        .filter(|(name, _)| names.iter().any(|given| capability_name(given) == **name))
        .fold(0, |mask, (_, bit)| mask | 1 << bit)
}

/// `source:destination:mode:rw:propagation`.
pub(super) fn mount(source: &str, destination: &str, mode: &str, rw: bool, spread: &str) -> String {
    format!("{source}:{destination}:{mode}:{rw}:{spread}")
}

/// Quota and period of processor time as thousandths of a CPU.
pub(super) fn cpu_milli(quota: Option<i64>, period: Option<i64>) -> Option<u64> {
    let quota = u64::try_from(quota?).ok()?;
    let period = u64::try_from(period.filter(|p| *p > 0).unwrap_or(100_000)).ok()?;
    quota.checked_mul(1_000)?.checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond_and_in_any_zone() {
        assert_eq!(unix_ns("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(
            unix_ns("2026-11-22T16:52:55.123456789Z"),
            Some(1_795_366_375_123_456_789)
        );
        assert_eq!(
            unix_ns("2026-11-22T18:52:55.123456789+02:00"),
            unix_ns("2026-11-22T16:52:55.123456789Z")
        );
        for never in [
            "yesterday",
            "0001-01-01T00:00:00Z",
            "9999-99-99T99:99:99Z",
            "2026-11-22T9223372036854775807:1:1Z",
        ] {
            assert_eq!(unix_ns(never), None, "{never}");
        }
    }

    #[test]
    fn a_flood_of_labels_is_cut_and_leaves_the_name() {
        let flood = Container {
            name: "web".to_owned(),
            labels: (0..5_000)
                .map(|n| (format!("{n:05}"), "é".repeat(40_000)))
                .collect(),
            ..Container::default()
        };
        let kept = bounded(flood);
        let bytes: usize = kept.labels.iter().map(|(k, v)| k.len() + v.len()).sum();
        assert!(kept.cut && bytes <= MOST_BYTES, "{bytes}");
        assert_eq!(kept.name, "web");
        let small = Container {
            name: "web".to_owned(),
            ..Container::default()
        };
        assert_eq!(bounded(small.clone()), small);
    }

    #[test]
    fn what_one_source_does_not_say_is_filled_in_from_another() {
        let told = Container {
            name: "web".to_owned(),
            ..Container::default()
        };
        let disk = Container {
            name: "other".to_owned(),
            image: "box:1".to_owned(),
            privileged: Some(true),
            ..Container::default()
        };
        let joined = filled(told, &disk);
        assert_eq!(
            (
                joined.name.as_str(),
                joined.image.as_str(),
                joined.privileged
            ),
            ("web", "box:1", Some(true))
        );
    }

    #[test]
    fn capabilities_are_known_by_any_spelling() {
        assert_eq!(
            capability_mask(&["NET_ADMIN".to_owned(), "cap_chown".to_owned()]),
            1 << 12 | 1
        );
    }
}
