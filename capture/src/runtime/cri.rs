//! containerd and CRI-O: what the container runtime interface of Kubernetes says of a container and its pod, what containerd
//! itself says of containers that Kubernetes did not make, and the events of both. Messages hold only the fields that are
//! used; their numbers are those of `runtime/v1/api.proto` (cri-api) and of containerd's `api/` folder.

use super::disk;
use super::docker::Event;
use super::facts::{bounded, filled, mount};
use super::grpc::{Answers, Method, call};
use super::http::Trouble;
use afterimage_model::{Container, ContainerLimits};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The namespace of containerd that Docker keeps its containers in: Docker tells of them itself.
const DOCKERS: &str = "moby";
/// The one that Kubernetes' are in: its own interface tells of them.
const KUBERNETES: &str = "k8s.io";
/// Namespaces asked about a container.
const MOST_NAMESPACES: usize = 16;

/// The messages, by the name that each has in its description.
mod message {
    use std::collections::BTreeMap;

    /// `prost::Message` for structures of optional fields, a line each.
    macro_rules! messages {
        ($($(#[$doc:meta])* $name:ident { $([$($kind:tt)*] $field:ident: $of:ty,)* })*) => {
            $($(#[$doc])* #[derive(Clone, PartialEq, prost::Message)]
            pub(super) struct $name { $(#[prost($($kind)*)] pub $field: $of,)* })*
        };
    }

    type Pairs = BTreeMap<String, String>;

    messages! {
        /// Asks for a list; the filter may be missing.
        ListContainersRequest { [message, tag = "1"] filter: Option<ContainerFilter>, }
        ContainerFilter { [string, tag = "1"] id: String, }
        ListContainersResponse { [message, repeated, tag = "1"] containers: Vec<Listed>, }
        /// `Container` of the interface.
        Listed {
            [string, tag = "1"] id: String,
            [string, tag = "2"] pod_sandbox_id: String,
            [message, tag = "3"] metadata: Option<ContainerMetadata>,
            [message, tag = "4"] image: Option<ImageSpec>,
            [string, tag = "5"] image_ref: String,
            [int64, tag = "7"] created_at: i64,
            [btree_map = "string, string", tag = "8"] labels: Pairs,
            [btree_map = "string, string", tag = "9"] annotations: Pairs,
        }
        ContainerMetadata { [string, tag = "1"] name: String, }
        ImageSpec { [string, tag = "1"] image: String, [string, tag = "18"] user_specified_image: String, }
        ContainerStatusRequest { [string, tag = "1"] container_id: String, [bool, tag = "2"] verbose: bool, }
        ContainerStatusResponse {
            [message, tag = "1"] status: Option<ContainerStatus>,
            [btree_map = "string, string", tag = "2"] info: Pairs,
        }
        ContainerStatus {
            [string, tag = "1"] id: String,
            [message, tag = "2"] metadata: Option<ContainerMetadata>,
            [int32, tag = "3"] state: i32,
            [int64, tag = "4"] created_at: i64,
            [int64, tag = "5"] started_at: i64,
            [int64, tag = "6"] finished_at: i64,
            [int32, tag = "7"] exit_code: i32,
            [message, tag = "8"] image: Option<ImageSpec>,
            [string, tag = "9"] image_ref: String,
            [string, tag = "10"] reason: String,
            [btree_map = "string, string", tag = "12"] labels: Pairs,
            [btree_map = "string, string", tag = "13"] annotations: Pairs,
            [message, repeated, tag = "14"] mounts: Vec<Mount>,
            [message, tag = "16"] resources: Option<ContainerResources>,
        }
        Mount {
            [string, tag = "1"] container_path: String,
            [string, tag = "2"] host_path: String,
            [bool, tag = "3"] readonly: bool,
            [int32, tag = "5"] propagation: i32,
        }
        ContainerResources { [message, tag = "1"] linux: Option<LinuxContainerResources>, }
        LinuxContainerResources {
            [int64, tag = "1"] cpu_period: i64,
            [int64, tag = "2"] cpu_quota: i64,
            [int64, tag = "3"] cpu_shares: i64,
            [int64, tag = "4"] memory_limit_in_bytes: i64,
            [string, tag = "6"] cpuset_cpus: String,
        }
        PodSandboxStatusRequest { [string, tag = "1"] pod_sandbox_id: String, }
        PodSandboxStatusResponse { [message, tag = "1"] status: Option<PodSandboxStatus>, }
        PodSandboxStatus {
            [string, tag = "1"] id: String,
            [message, tag = "2"] metadata: Option<PodSandboxMetadata>,
            [int64, tag = "4"] created_at: i64,
            [message, tag = "5"] network: Option<PodSandboxNetworkStatus>,
            [btree_map = "string, string", tag = "7"] labels: Pairs,
            [btree_map = "string, string", tag = "8"] annotations: Pairs,
        }
        PodSandboxMetadata {
            [string, tag = "1"] name: String,
            [string, tag = "2"] uid: String,
            [string, tag = "3"] namespace: String,
        }
        PodSandboxNetworkStatus { [string, tag = "1"] ip: String, }
        GetEventsRequest { }
        ContainerEventResponse {
            [string, tag = "1"] container_id: String,
            [int32, tag = "2"] container_event_type: i32,
            [int64, tag = "3"] created_at: i64,
            [message, tag = "4"] pod_sandbox_status: Option<PodSandboxStatus>,
            [message, repeated, tag = "5"] containers_statuses: Vec<ContainerStatus>,
        }
        /// containerd's own: `services/namespaces/v1`.
        ListNamespacesRequest { [string, tag = "1"] filter: String, }
        ListNamespacesResponse { [message, repeated, tag = "1"] namespaces: Vec<Namespace>, }
        Namespace { [string, tag = "1"] name: String, }
        /// `services/containers/v1`.
        GetContainerRequest { [string, tag = "1"] id: String, }
        GetContainerResponse { [message, tag = "1"] container: Option<Kept>, }
        /// `Container` of containerd.
        Kept {
            [string, tag = "1"] id: String,
            [btree_map = "string, string", tag = "2"] labels: Pairs,
            [string, tag = "3"] image: String,
            [message, tag = "5"] spec: Option<Any>,
            [message, tag = "8"] created_at: Option<Timestamp>,
        }
        Any { [string, tag = "1"] type_url: String, [bytes = "vec", tag = "2"] value: Vec<u8>, }
        Timestamp { [int64, tag = "1"] seconds: i64, [int32, tag = "2"] nanos: i32, }
        /// `services/events/v1`.
        SubscribeRequest { [string, repeated, tag = "1"] filters: Vec<String>, }
        Envelope {
            [message, tag = "1"] timestamp: Option<Timestamp>,
            [string, tag = "2"] namespace: String,
            [string, tag = "3"] topic: String,
            [message, tag = "4"] event: Option<Any>,
        }
        /// Of a task's event: the first two numbers mean the same in all of them that have them.
        TaskEvent { [string, tag = "1"] container_id: String, [string, tag = "2"] exec_id: String, }
        TaskExit {
            [string, tag = "1"] container_id: String,
            [string, tag = "2"] id: String,
            [uint32, tag = "4"] exit_status: u32,
        }
        /// Of the events of containers and images.
        Named { [string, tag = "1"] id: String, [string, tag = "2"] image: String, }
    }
}
use message::*;

/// The methods that are called.
const LIST: &str = "/runtime.v1.RuntimeService/ListContainers";
const STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const POD: &str = "/runtime.v1.RuntimeService/PodSandboxStatus";
const POD_EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
const NAMESPACES: &str = "/containerd.services.namespaces.v1.Namespaces/List";
const GET: &str = "/containerd.services.containers.v1.Containers/Get";
const SUBSCRIBE: &str = "/containerd.services.events.v1.Events/Subscribe";

/// A method of the interface of Kubernetes.
fn plain(path: &str) -> Method<'_> {
    Method {
        path,
        namespace: None,
    }
}

/// What is known of a container. The interface of Kubernetes is asked first; containerd knows others besides.
pub(super) async fn inspect(socket: &Path, id: &str, runtime: &str) -> Result<Container, Trouble> {
    match in_kubernetes(socket, id, runtime).await {
        Err(Trouble::Unknown) if runtime == "containerd" => in_containerd(socket, id).await,
        answer => answer,
    }
}

async fn in_kubernetes(socket: &Path, id: &str, runtime: &str) -> Result<Container, Trouble> {
    let question = ListContainersRequest {
        filter: Some(ContainerFilter { id: id.to_owned() }),
    };
    let list: ListContainersResponse = call(socket, plain(LIST), &question).await?;
    // The filter takes beginnings of ids too.
    let Some(listed) = list.containers.into_iter().find(|c| c.id == id) else {
        let pod = pod(socket, id).await?;
        return Ok(bounded(Container {
            name: metadata(&pod).name,
            annotations: pod.annotations.clone(),
            created_ns: pod.created_at,
            ..of_pod(pod, runtime, id)
        }));
    };
    let question = ContainerStatusRequest {
        container_id: id.to_owned(),
        verbose: true,
    };
    let answer: ContainerStatusResponse = call(socket, plain(STATUS), &question).await?;
    let container = described(
        &answer.status.unwrap_or_default(),
        described_by_list(listed, runtime),
    );
    let container = match answer.info.get("info").and_then(|info| bundle(info, id)) {
        Some(bundle) => filled(container, &bundle),
        None => container,
    };
    Ok(bounded(
        match pod(socket, &container.sandbox_id.clone()).await {
            Ok(pod) => filled(container, &of_pod(pod, runtime, id)),
            Err(_) => container,
        },
    ))
}

/// What the runtime says of the bundle, among what it says for the sake of debugging.
fn bundle(info: &str, id: &str) -> Option<Container> {
    let info: serde_json::Value = serde_json::from_str(info).ok()?;
    let spec = &info["runtimeSpec"];
    spec.is_object().then(|| disk::from_bundle(spec, id))
}

async fn pod(socket: &Path, id: &str) -> Result<PodSandboxStatus, Trouble> {
    let question = PodSandboxStatusRequest {
        pod_sandbox_id: id.to_owned(),
    };
    let answer: PodSandboxStatusResponse = call(socket, plain(POD), &question).await?;
    answer
        .status
        // Beginnings of ids are taken for ids.
        .filter(|pod| pod.id == id)
        .ok_or(Trouble::Unknown)
}

fn metadata(pod: &PodSandboxStatus) -> PodSandboxMetadata {
    pod.metadata.clone().unwrap_or_default()
}

/// What a pod says of a container in it.
fn of_pod(pod: PodSandboxStatus, runtime: &str, id: &str) -> Container {
    let metadata = metadata(&pod);
    Container {
        full_id: id.to_owned(),
        runtime: runtime.to_owned(),
        pod_name: metadata.name,
        pod_namespace: metadata.namespace,
        pod_uid: metadata.uid,
        sandbox_id: pod.id,
        ip: pod.network.unwrap_or_default().ip,
        pod_labels: pod.labels,
        ..Container::default()
    }
}

/// A container in a list, as far as a list tells.
fn described_by_list(listed: Listed, runtime: &str) -> Container {
    let label = |name: &str| listed.labels.get(name).cloned().unwrap_or_default();
    Container {
        runtime: runtime.to_owned(),
        name: listed.metadata.unwrap_or_default().name,
        created_ns: listed.created_at,
        pod_name: label("io.kubernetes.pod.name"),
        pod_namespace: label("io.kubernetes.pod.namespace"),
        pod_uid: label("io.kubernetes.pod.uid"),
        image_digest: digest(&listed.image_ref),
        image: image(listed.image),
        annotations: listed.annotations,
        labels: listed.labels,
        sandbox_id: listed.pod_sandbox_id,
        full_id: listed.id,
        ..Container::default()
    }
}

/// The name that was asked for, where it is told; a bare hash is no name.
fn image(spec: Option<ImageSpec>) -> String {
    let spec = spec.unwrap_or_default();
    match spec.user_specified_image {
        asked if !asked.is_empty() => asked,
        _ => Some(spec.image)
            .filter(|image| !image.starts_with("sha256:"))
            .unwrap_or_default(),
    }
}

/// The digest in a reference to an image.
fn digest(reference: &str) -> String {
    reference
        .split_once('@')
        .map_or(String::new(), |(_, digest)| digest.to_owned())
}

/// States of a container (`ContainerState`).
const EXITED: i32 = 2;
/// How mounts spread (`MountPropagation`).
const SPREADS: [&str; 3] = ["private", "rslave", "rshared"];

fn described(status: &ContainerStatus, listed: Container) -> Container {
    let over = status.state == EXITED;
    let resources = status.resources.clone().unwrap_or_default();
    let resources = resources.linux.unwrap_or_default();
    let some = |n: i64| u64::try_from(n).ok().filter(|n| *n > 0);
    let mounts = status.mounts.iter().map(|m| {
        let spread = usize::try_from(m.propagation).ok();
        let spread = spread.and_then(|n| SPREADS.get(n)).unwrap_or(&"");
        mount(&m.host_path, &m.container_path, "", !m.readonly, spread)
    });
    let own = Container {
        full_id: status.id.clone(),
        name: status.metadata.clone().unwrap_or_default().name,
        image: image(status.image.clone()),
        image_digest: digest(&status.image_ref),
        labels: status.labels.clone(),
        annotations: status.annotations.clone(),
        mounts: mounts.collect(),
        created_ns: status.created_at,
        started_ns: status.started_at,
        finished_ns: if over { status.finished_at } else { 0 },
        exit_code: over.then_some(i64::from(status.exit_code)),
        oom_killed: over.then_some(status.reason == "OOMKilled"),
        limits: ContainerLimits {
            memory: some(resources.memory_limit_in_bytes),
            cpu_milli: super::facts::cpu_milli(
                Some(resources.cpu_quota).filter(|quota| *quota > 0),
                Some(resources.cpu_period).filter(|period| *period > 0),
            ),
            cpu_shares: some(resources.cpu_shares),
            cpuset: resources.cpuset_cpus,
            ..ContainerLimits::default()
        },
        ..Container::default()
    };
    filled(own, &listed)
}

/// A container that containerd runs for somebody else than Kubernetes: nerdctl, ctr, BuildKit.
async fn in_containerd(socket: &Path, id: &str) -> Result<Container, Trouble> {
    let question = ListNamespacesRequest::default();
    let all: ListNamespacesResponse = call(socket, plain(NAMESPACES), &question).await?;
    let others = (all.namespaces.iter().map(|namespace| &namespace.name))
        // It becomes a header: what is none cannot be asked for.
        .filter(|name| *name != DOCKERS && name.bytes().all(|b| b.is_ascii_graphic()));
    for namespace in others.take(MOST_NAMESPACES) {
        let method = Method {
            path: GET,
            namespace: Some(namespace),
        };
        let question = GetContainerRequest { id: id.to_owned() };
        let answer: GetContainerResponse = match call(socket, method, &question).await {
            Err(Trouble::Unknown) => continue,
            answer => answer?,
        };
        if let Some(kept) = answer.container.filter(|kept| kept.id == id) {
            return Ok(bounded(of_containerd(kept)));
        }
    }
    Err(Trouble::Unknown)
}

fn unix_ns(time: Option<Timestamp>) -> i64 {
    let time = time.unwrap_or_default();
    time.seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(time.nanos))
}

fn of_containerd(kept: Kept) -> Container {
    let spec = kept.spec.unwrap_or_default();
    let bundle = serde_json::from_slice(&spec.value)
        .map(|spec| disk::from_bundle(&spec, &kept.id))
        .unwrap_or_default();
    let own = Container {
        // The name that nerdctl gives; the id is its name for ctr.
        name: match kept.labels.get("nerdctl/name") {
            Some(name) => name.clone(),
            None if kept.id.len() < 32 => kept.id.clone(),
            None => String::new(),
        },
        full_id: kept.id,
        runtime: "containerd".to_owned(),
        image: kept.image,
        labels: kept.labels,
        created_ns: unix_ns(kept.created_at),
        ..Container::default()
    };
    filled(own, &bundle)
}

/// The containers of Kubernetes that there are now.
pub(super) async fn running(socket: &Path, runtime: &str) -> Vec<Container> {
    let question = ListContainersRequest { filter: None };
    let list: Result<ListContainersResponse, _> = call(socket, plain(LIST), &question).await;
    let all = list.unwrap_or_default().containers;
    all.into_iter()
        .map(|listed| bounded(described_by_list(listed, runtime)))
        .collect()
}

/// Topics of containerd's events, and what Docker calls the same.
const TOPICS: &[(&str, &str, &str)] = &[
    ("/containers/create", "container", "create"),
    ("/containers/update", "container", "update"),
    ("/containers/delete", "container", "destroy"),
    ("/tasks/start", "container", "start"),
    ("/tasks/exit", "container", "die"),
    ("/tasks/oom", "container", "oom"),
    ("/tasks/paused", "container", "pause"),
    ("/tasks/resumed", "container", "unpause"),
    ("/tasks/exec-added", "container", "exec_create"),
    ("/tasks/exec-started", "container", "exec_start"),
    ("/images/create", "image", "pull"),
    ("/images/delete", "image", "delete"),
];
/// What CRI-O tells, by `ContainerEventType`.
const POD_ACTIONS: [&str; 4] = ["create", "start", "die", "destroy"];

/// A daemon's stream of events.
pub(super) enum Events {
    /// containerd's own.
    Containerd(Answers),
    /// Those of the interface, which CRI-O has.
    Pods(Answers),
}

impl Events {
    /// Begins.
    pub(super) async fn open(socket: &Path, runtime: &str) -> Result<Events, Trouble> {
        if runtime == "containerd" {
            let all = SubscribeRequest::default();
            Answers::open(socket, plain(SUBSCRIBE), &all)
                .await
                .map(Events::Containerd)
        } else {
            let all = GetEventsRequest::default();
            Answers::open(socket, plain(POD_EVENTS), &all)
                .await
                .map(Events::Pods)
        }
    }

    /// The next event; `None` for one that is of no interest.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        let over = || Trouble::Useless("the daemon ended it".to_owned());
        match self {
            Events::Containerd(answers) => {
                let envelope = answers.next().await?.ok_or_else(over)?;
                Ok(enveloped(envelope))
            }
            Events::Pods(answers) => {
                let told = answers.next().await?.ok_or_else(over)?;
                Ok(of_pods(told))
            }
        }
    }
}

fn enveloped(envelope: Envelope) -> Option<Event> {
    let (_, object, action) = TOPICS.iter().find(|(topic, ..)| *topic == envelope.topic)?;
    if envelope.namespace == DOCKERS {
        return None;
    }
    let bytes = envelope.event.unwrap_or_default().value;
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            attributes.insert(name.to_owned(), value);
        }
    };
    let mut action = (*action).to_owned();
    let id = match action.as_str() {
        "die" => {
            let exit: TaskExit = prost::Message::decode(bytes.as_slice()).ok()?;
            set("exitCode", exit.exit_status.to_string());
            // The first program has the container's own id.
            if exit.id != exit.container_id && !exit.id.is_empty() {
                action = "exec_die".to_owned();
                set("execID", exit.id);
            }
            exit.container_id
        }
        "exec_create" | "exec_start" => {
            let task: TaskEvent = prost::Message::decode(bytes.as_slice()).ok()?;
            set("execID", task.exec_id);
            task.container_id
        }
        "create" | "update" => {
            let named: Named = prost::Message::decode(bytes.as_slice()).ok()?;
            set("image", named.image);
            named.id
        }
        // The second field is a number in these.
        _ => first_text(&bytes)?,
    };
    if envelope.namespace != KUBERNETES {
        set("namespace", envelope.namespace);
    }
    Some(
        Event {
            object: (*object).to_owned(),
            action,
            id,
            attributes,
            unix_ns: unix_ns(envelope.timestamp),
        }
        .bounded(),
    )
}

/// The first field alone.
fn first_text(bytes: &[u8]) -> Option<String> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct First {
        #[prost(string, tag = "1")]
        text: String,
    }
    let first: First = prost::Message::decode(bytes).ok()?;
    Some(first.text)
}

fn of_pods(told: ContainerEventResponse) -> Option<Event> {
    let action = usize::try_from(told.container_event_type).ok();
    let action = action.and_then(|n| POD_ACTIONS.get(n))?;
    let mut attributes: HashMap<&str, String> = HashMap::new();
    let status = (told.containers_statuses.iter()).find(|status| status.id == told.container_id);
    if let Some(status) = status {
        attributes.insert("name", status.metadata.clone().unwrap_or_default().name);
        attributes.insert("image", image(status.image.clone()));
        if *action == "die" {
            attributes.insert("exitCode", status.exit_code.to_string());
        }
    }
    if let Some(pod) = told.pod_sandbox_status.as_ref().map(metadata) {
        attributes.insert("io.kubernetes.pod.name", pod.name);
        attributes.insert("io.kubernetes.pod.namespace", pod.namespace);
        attributes.insert("io.kubernetes.pod.uid", pod.uid);
    }
    let attributes = attributes
        .into_iter()
        .filter(|(_, value)| !value.is_empty());
    Some(
        Event {
            object: "container".to_owned(),
            action: (*action).to_owned(),
            id: told.container_id,
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            unix_ns: told.created_at,
        }
        .bounded(),
    )
}
