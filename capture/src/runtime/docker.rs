//! The Docker-compatible API of Docker and Podman: what an inspection says, and what an event says. Only what the answer
//! holds is set; a value of the wrong type is as good as none.

use super::facts::{
    bounded, capability_name, cpu_milli, env_names, mount, pairs, text, texts, unix_ns,
};
use afterimage_model::{Container, ContainerLimits};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What an inspect answer says. `None` when it is no such answer.
pub(super) fn described(answer: &Json, runtime: &str) -> Option<Container> {
    let full_id = text(answer, "Id");
    if full_id.is_empty() {
        return None;
    }
    let (config, host, state) = (&answer["Config"], &answer["HostConfig"], &answer["State"]);
    let container = Container {
        full_id,
        runtime: runtime.to_owned(),
        command: std::iter::once(text(answer, "Path"))
            .chain(texts(&answer["Args"]))
            .filter(|word| !word.is_empty())
            .collect(),
        apparmor: text(answer, "AppArmorProfile"),
        mounts: mounts(answer),
        ..configured(answer, config, host, state)
    };
    let networks = &answer["NetworkSettings"];
    let addresses = networks["Networks"].as_object().into_iter().flatten();
    Some(bounded(Container {
        ip: addresses
            .map(|(_, network)| text(network, "IPAddress"))
            .find(|ip| !ip.is_empty())
            .unwrap_or_default(),
        ports: ports(&networks["Ports"]),
        ..container
    }))
}

/// An inspect answer as text, without the values of environment variables: they hold passwords.
pub(super) fn without_values(answer: &Json) -> Vec<u8> {
    let mut answer = answer.clone();
    let variables = answer
        .pointer_mut("/Config/Env")
        .and_then(Json::as_array_mut);
    for variable in variables.into_iter().flatten() {
        let name = variable.as_str().and_then(|text| text.split_once('='));
        *variable = match name {
            Some((name, _)) => Json::String(format!("{name}=(not kept)")),
            None => Json::Null,
        };
    }
    serde_json::to_vec_pretty(&answer).unwrap_or_default()
}

/// What Docker keeps of a container on disk, `config.v2.json` and `hostconfig.json`: nearly what it would answer.
pub(super) fn stored(config: &Json, host: &Json) -> Container {
    let stored = configured(config, &config["Config"], host, &config["State"]);
    Container {
        full_id: text(config, "ID"),
        runtime: "docker".to_owned(),
        command: std::iter::once(text(config, "Path"))
            .chain(texts(&config["Args"]))
            .filter(|word| !word.is_empty())
            .collect(),
        apparmor: text(config, "AppArmorProfile"),
        ..stored
    }
}

fn configured(answer: &Json, config: &Json, host: &Json, state: &Json) -> Container {
    let labels = pairs(&config["Labels"]);
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let privileged = host["Privileged"].as_bool();
    let options = texts(&host["SecurityOpt"]);
    let option = |name: &str| {
        options
            .iter()
            .find_map(|option| option.strip_prefix(name)?.strip_prefix(['=', ':']))
    };
    let running = state["Running"].as_bool() == Some(true);
    let time = |name: &str| state[name].as_str().and_then(unix_ns).unwrap_or(0);
    let caps = |name: &str| {
        texts(&host[name])
            .iter()
            .map(|cap| capability_name(cap))
            .collect()
    };
    Container {
        name: text(answer, "Name").trim_start_matches('/').to_owned(),
        image: text(config, "Image"),
        image_id: text(answer, "Image"),
        env_names: env_names(&config["Env"]),
        privileged,
        user: text(config, "User"),
        created_ns: answer["Created"].as_str().and_then(unix_ns).unwrap_or(0),
        pod_name: label("io.kubernetes.pod.name"),
        pod_namespace: label("io.kubernetes.pod.namespace"),
        pod_uid: label("io.kubernetes.pod.uid"),
        sandbox_id: label("io.kubernetes.sandbox.id"),
        hostname: text(config, "Hostname"),
        cap_add: caps("CapAdd"),
        cap_drop: caps("CapDrop"),
        seccomp: match (option("seccomp"), privileged) {
            // The client sends the profile itself, not its name.
            (Some(profile), _) if profile.trim_start().starts_with('{') => "custom".to_owned(),
            (Some(profile), _) => profile.to_owned(),
            (None, Some(true)) => "unconfined".to_owned(),
            (None, Some(false)) => "default".to_owned(),
            (None, None) => String::new(),
        },
        apparmor: option("apparmor").unwrap_or_default().to_owned(),
        no_new_privileges: host.is_object().then(|| {
            options.iter().any(|o| {
                matches!(
                    o.as_str(),
                    "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true"
                )
            })
        }),
        read_only: host["ReadonlyRootfs"].as_bool(),
        network_mode: text(host, "NetworkMode"),
        pid_mode: mode(host, "PidMode"),
        ipc_mode: mode(host, "IpcMode"),
        userns_mode: mode(host, "UsernsMode"),
        restart_policy: restart_policy(&host["RestartPolicy"]),
        limits: limits(host),
        annotations: pairs(&host["Annotations"]),
        started_ns: time("StartedAt"),
        finished_ns: if running { 0 } else { time("FinishedAt") },
        exit_code: (!running && time("FinishedAt") != 0)
            .then(|| state["ExitCode"].as_i64())
            .flatten(),
        oom_killed: state["OOMKilled"].as_bool(),
        probes: health_check(&config["Healthcheck"]["Test"]),
        labels,
        ..Container::default()
    }
}

/// The command that tells whether a container is well, under its name: words, or a line for a shell (Docker Engine API,
/// `HealthConfig.Test`), told as Falco tells it.
fn health_check(test: &Json) -> BTreeMap<String, String> {
    let words = texts(test);
    let command = match words.split_first() {
        Some((how, line)) if how == "CMD-SHELL" => format!("/bin/sh -c {}", line.join(" ")),
        Some((how, words)) if how == "CMD" => words.join(" "),
        // "NONE": what the image has is switched off.
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([("healthcheck".to_owned(), command)])
}

/// A namespace's mode; Docker leaves its own default empty.
fn mode(host: &Json, name: &str) -> String {
    match host[name].as_str() {
        Some("") => "private".to_owned(),
        Some(mode) => mode.to_owned(),
        None => String::new(),
    }
}

fn restart_policy(policy: &Json) -> String {
    let count = policy["MaximumRetryCount"].as_u64().unwrap_or(0);
    match policy["Name"].as_str() {
        Some("") => "no".to_owned(),
        Some(name) if count > 0 => format!("{name}:{count}"),
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}

fn limits(host: &Json) -> ContainerLimits {
    let known = host.is_object();
    // A missing or negative number stands for no limit where the rest of the answer is there.
    let number = |name: &str| match &host[name] {
        Json::Null => known.then_some(0),
        Json::Number(n) => Some(n.as_u64().unwrap_or(0)),
        _ => None,
    };
    let nano = host["NanoCpus"].as_u64().filter(|n| *n > 0);
    ContainerLimits {
        memory: number("Memory"),
        memory_swap: host["MemorySwap"].as_i64(),
        cpu_milli: nano
            .map(|nano| nano / 1_000_000)
            .or_else(|| {
                cpu_milli(
                    host["CpuQuota"].as_i64().filter(|q| *q > 0),
                    host["CpuPeriod"].as_i64(),
                )
            })
            .or_else(|| known.then_some(0)),
        cpu_shares: host["CpuShares"].as_u64().filter(|shares| *shares > 0),
        pids: number("PidsLimit"),
        cpuset: text(host, "CpusetCpus"),
    }
}

fn mounts(answer: &Json) -> Vec<String> {
    let all = answer["Mounts"].as_array().into_iter().flatten();
    all.map(|m| {
        mount(
            &text(m, "Source"),
            &text(m, "Destination"),
            &text(m, "Mode"),
            m["RW"].as_bool().unwrap_or(false),
            &text(m, "Propagation"),
        )
    })
    .collect()
}

fn ports(ports: &Json) -> Vec<String> {
    let mut all = Vec::new();
    for (port, bindings) in ports.as_object().into_iter().flatten() {
        match bindings.as_array() {
            Some(bindings) if !bindings.is_empty() => all.extend(bindings.iter().map(|binding| {
                let (ip, outside) = (text(binding, "HostIp"), text(binding, "HostPort"));
                format!("{ip}:{outside}->{port}")
            })),
            _ => all.push(port.clone()),
        }
    }
    all
}

/// The registry's digest in what an image's inspection says.
pub(super) fn digest(image: &Json) -> String {
    texts(&image["RepoDigests"])
        .iter()
        .find_map(|d| Some(d.split_once('@')?.1.to_owned()))
        .unwrap_or_default()
}

/// A container in a list, as far as a list tells.
pub(super) fn listed(entry: &Json, runtime: &str) -> Option<Container> {
    let full_id = text(entry, "Id");
    let name = texts(&entry["Names"]).first().cloned().unwrap_or_default();
    let labels = pairs(&entry["Labels"]);
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    if full_id.is_empty() {
        return None;
    }
    Some(bounded(Container {
        full_id,
        runtime: runtime.to_owned(),
        name: name.trim_start_matches('/').to_owned(),
        image: text(entry, "Image"),
        image_id: text(entry, "ImageID"),
        pod_name: label("io.kubernetes.pod.name"),
        pod_namespace: label("io.kubernetes.pod.namespace"),
        pod_uid: label("io.kubernetes.pod.uid"),
        labels,
        ..Container::default()
    }))
}

/// An event of a daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What it is about: `container`, `image`, `network`, `volume` …
    pub object: String,
    /// What happened: `create`, `start`, `exec_create: sh -c id` …
    pub action: String,
    /// Id of the thing.
    pub id: String,
    /// Name, image, labels, exit code, all mixed.
    pub attributes: BTreeMap<String, String>,
    /// The daemon's own time, ns since 1970; 0 when it has none.
    pub unix_ns: i64,
}

/// Bytes kept of one text of an event.
const MOST_EVENT_TEXT: usize = 4_096;
/// Attributes kept of an event.
const MOST_ATTRIBUTES: usize = 256;

impl Event {
    /// The event a line holds. `None` when it holds none.
    pub(super) fn of(line: &Json) -> Option<Event> {
        let first = |names: [&Json; 2]| {
            names
                .iter()
                .find_map(|json| json.as_str().filter(|t| !t.is_empty()))
                .unwrap_or_default()
                .to_owned()
        };
        let action = first([&line["Action"], &line["status"]]);
        if action.is_empty() {
            return None;
        }
        let nanos = line["timeNano"].as_i64().filter(|ns| *ns > 0);
        let seconds = line["time"]
            .as_i64()
            .and_then(|s| s.checked_mul(1_000_000_000));
        Some(
            Event {
                object: match text(line, "Type") {
                    none if none.is_empty() => "container".to_owned(),
                    object => object,
                },
                action,
                id: first([&line["Actor"]["ID"], &line["id"]]),
                attributes: pairs(&line["Actor"]["Attributes"]),
                unix_ns: nanos.or(seconds).unwrap_or(0),
            }
            .bounded(),
        )
    }

    /// With every text cut to what an event may have.
    pub(super) fn bounded(self) -> Event {
        let short = |text: String| match text
            .char_indices()
            .find(|(at, c)| at + c.len_utf8() > MOST_EVENT_TEXT)
        {
            Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
            None => text,
        };
        Event {
            object: short(self.object),
            action: short(self.action),
            id: short(self.id),
            attributes: (self.attributes.into_iter())
                .take(MOST_ATTRIBUTES)
                .map(|(key, value)| (short(key), short(value)))
                .collect(),
            unix_ns: self.unix_ns,
        }
    }

    /// An attribute; empty when there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// What the event tells of its container: the only source for one that is gone before it can be asked about.
    pub fn described(&self, runtime: &str) -> Container {
        // Attributes that are no labels, of Docker and of Podman.
        const OWN: &[&str] = &[
            "name",
            "image",
            "containerExitCode",
            "podId",
            "execID",
            "exitCode",
            "signal",
            "execDuration",
        ];
        bounded(Container {
            full_id: self.id.clone(),
            runtime: runtime.to_owned(),
            name: self.attribute("name").to_owned(),
            image: self.attribute("image").to_owned(),
            labels: self
                .attributes
                .iter()
                .filter(|(key, _)| !OWN.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            pod_name: self.attribute("io.kubernetes.pod.name").to_owned(),
            pod_namespace: self.attribute("io.kubernetes.pod.namespace").to_owned(),
            pod_uid: self.attribute("io.kubernetes.pod.uid").to_owned(),
            ..Container::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_inspection_is_read_with_limits_rights_and_ports() {
        let answer = json!({
            "Id": "ab", "Name": "/web", "Image": "sha256:1", "Path": "sleep", "Args": ["9"],
            "Created": "2026-11-26T14:07:24Z", "AppArmorProfile": "docker-default",
            "State": {"Running": false, "ExitCode": 137, "OOMKilled": true, "StartedAt": "2026-11-26T14:07:24Z", "FinishedAt": "2026-11-26T14:07:25Z"},
            "Config": {"Image": "box:1", "User": "7", "Hostname": "h1", "Env": ["A=secret"], "Labels": {"app": "web"},
                "Healthcheck": {"Test": ["CMD-SHELL", "wget -q localhost || exit 1"]}},
            "HostConfig": {"Memory": 67108864, "MemorySwap": -1, "NanoCpus": 500000000, "PidsLimit": 50, "CapAdd": ["NET_ADMIN"],
                "CapDrop": ["CAP_MKNOD"], "ReadonlyRootfs": true, "NetworkMode": "none", "PidMode": "host", "Privileged": false,
                "SecurityOpt": ["no-new-privileges"], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}},
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "9/udp": null}},
            "Mounts": [{"Source": "/tmp", "Destination": "/mnt", "Mode": "ro", "RW": false, "Propagation": "rprivate"}]
        });
        let c = described(&answer, "docker").expect("a container");
        assert_eq!(
            (c.name.as_str(), c.image.as_str(), c.command.as_slice()),
            ("web", "box:1", &["sleep".to_owned(), "9".to_owned()][..])
        );
        assert_eq!(
            (
                c.limits.memory,
                c.limits.memory_swap,
                c.limits.cpu_milli,
                c.limits.pids
            ),
            (Some(64 << 20), Some(-1), Some(500), Some(50))
        );
        assert_eq!(
            (c.cap_add, c.cap_drop),
            (
                vec!["CAP_NET_ADMIN".to_owned()],
                vec!["CAP_MKNOD".to_owned()]
            )
        );
        assert_eq!(
            (c.seccomp.as_str(), c.apparmor.as_str(), c.no_new_privileges),
            ("default", "docker-default", Some(true))
        );
        assert_eq!(
            (c.ports, c.mounts),
            (
                vec!["0.0.0.0:8080->80/tcp".to_owned(), "9/udp".to_owned()],
                vec!["/tmp:/mnt:ro:false:rprivate".to_owned()]
            )
        );
        assert_eq!(
            (
                c.restart_policy.as_str(),
                c.pid_mode.as_str(),
                c.exit_code,
                c.oom_killed
            ),
            ("on-failure:3", "host", Some(137), Some(true))
        );
        assert_eq!(c.env_names, ["A"]);
        assert_eq!(
            c.probes["healthcheck"],
            "/bin/sh -c wget -q localhost || exit 1"
        );
    }

    #[test]
    fn a_health_check_is_words_or_a_line_for_a_shell_or_none() {
        let check = |test: Json| health_check(&test).remove("healthcheck");
        let words = check(json!(["CMD", "curl", "-f", "localhost"]));
        assert_eq!(words.as_deref(), Some("curl -f localhost"));
        for none in [
            json!(["NONE"]),
            json!([]),
            json!("CMD"),
            json!(null),
            json!([7]),
        ] {
            assert_eq!(check(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn an_answer_of_wrong_types_says_nothing_and_breaks_nothing() {
        assert_eq!(described(&json!([1, 2]), "docker"), None);
        let odd = json!({"Id": "ab", "Name": 7, "Config": [], "HostConfig": {"Memory": "much", "CapAdd": {"x": 1}}, "State": null, "Mounts": 3});
        let c = described(&odd, "docker").expect("a container");
        assert_eq!(
            (c.name.as_str(), c.limits.memory, c.cap_add.len()),
            ("", None, 0)
        );
        assert_eq!(Event::of(&json!({"Type": "container"})), None);
    }

    #[test]
    fn an_event_tells_the_name_the_image_and_the_labels() {
        let line = json!({"status": "create", "id": "ab", "Type": "container", "Action": "create",
            "Actor": {"ID": "ab", "Attributes": {"app": "web", "image": "box:1", "name": "web", "podId": ""}}, "timeNano": 5, "time": 1});
        let event = Event::of(&line).expect("an event");
        let told = event.described("podman");
        assert_eq!(
            (told.name.as_str(), told.image.as_str(), event.unix_ns),
            ("web", "box:1", 5)
        );
        assert_eq!(told.labels.keys().collect::<Vec<_>>(), ["app"]);
    }
}
