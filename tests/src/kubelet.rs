//! What a kubelet does to a container runtime, as far as tests need it: a pod and a container in it, by the container runtime
//! interface (cri-api `runtime/v1/api.proto`, whose numbers these are).

use afterimage_capture::grpc::{self, Method};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Pairs = BTreeMap<String, String>;

macro_rules! messages {
    ($($name:ident { $([$($kind:tt)*] $field:ident: $of:ty,)* })*) => {
        $(#[derive(Clone, PartialEq, prost::Message)]
        struct $name { $(#[prost($($kind)*)] $field: $of,)* })*
    };
}

messages! {
    RunPodSandboxRequest { [message, tag = "1"] config: Option<PodSandboxConfig>, }
    PodSandboxConfig {
        [message, tag = "1"] metadata: Option<PodSandboxMetadata>,
        [string, tag = "3"] log_directory: String,
        [btree_map = "string, string", tag = "6"] labels: Pairs,
        [btree_map = "string, string", tag = "7"] annotations: Pairs,
        [message, tag = "8"] linux: Option<LinuxPodSandboxConfig>,
    }
    PodSandboxMetadata {
        [string, tag = "1"] name: String,
        [string, tag = "2"] uid: String,
        [string, tag = "3"] namespace: String,
    }
    LinuxPodSandboxConfig {
        [string, tag = "1"] cgroup_parent: String,
        [message, tag = "2"] security_context: Option<SecurityContext>,
    }
    SecurityContext { [message, tag = "1"] namespace_options: Option<NamespaceOption>, }
    NamespaceOption { [int32, tag = "1"] network: i32, }
    RunPodSandboxResponse { [string, tag = "1"] pod_sandbox_id: String, }
    CreateContainerRequest {
        [string, tag = "1"] pod_sandbox_id: String,
        [message, tag = "2"] config: Option<ContainerConfig>,
        [message, tag = "3"] sandbox_config: Option<PodSandboxConfig>,
    }
    ContainerConfig {
        [message, tag = "1"] metadata: Option<Named>,
        [message, tag = "2"] image: Option<Named>,
        [string, repeated, tag = "3"] command: Vec<String>,
        [btree_map = "string, string", tag = "9"] labels: Pairs,
        [message, tag = "15"] linux: Option<LinuxContainerConfig>,
    }
    LinuxContainerConfig { [message, tag = "1"] resources: Option<Resources>, }
    Resources { [int64, tag = "4"] memory_limit_in_bytes: i64, }
    Named { [string, tag = "1"] name: String, }
    Id { [string, tag = "1"] id: String, }
    Nothing { }
}

/// A runtime behind a socket.
pub struct Kubelet {
    socket: PathBuf,
}

/// A pod that runs.
pub struct Pod {
    /// Id of its sandbox.
    pub id: String,
    config: PodSandboxConfig,
}

fn pairs(of: &[(&str, &str)]) -> Pairs {
    of.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

impl Kubelet {
    /// One that speaks to this socket.
    pub fn of(socket: &Path) -> Kubelet {
        Kubelet {
            socket: socket.to_owned(),
        }
    }

    fn call<A: prost::Message + Default>(
        &self,
        method: &str,
        question: &impl prost::Message,
    ) -> Result<A, String> {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let method = Method {
            path: &path,
            namespace: None,
        };
        // Making a container may take longer than any answer about one.
        let patience = std::time::Duration::from_secs(60);
        grpc::wait(&self.socket, method, question, patience).map_err(|why| format!("{path}: {why}"))
    }

    /// A pod in the host's network.
    pub fn pod(
        &self,
        name: &str,
        namespace: &str,
        uid: &str,
        labels: &[(&str, &str)],
    ) -> Result<Pod, String> {
        /// `NODE` of `NamespaceMode`.
        const OF_THE_NODE: i32 = 2;
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: uid.to_owned(),
                namespace: namespace.to_owned(),
            }),
            labels: pairs(labels),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("/kubepods/burstable/pod{uid}"),
                security_context: Some(SecurityContext {
                    namespace_options: Some(NamespaceOption {
                        network: OF_THE_NODE,
                    }),
                }),
            }),
            ..PodSandboxConfig::default()
        };
        let question = RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let answer: RunPodSandboxResponse = self.call("RunPodSandbox", &question)?;
        Ok(Pod {
            id: answer.pod_sandbox_id,
            config,
        })
    }

    /// Starts a container in a pod; gives its id.
    pub fn start(
        &self,
        pod: &Pod,
        name: &str,
        image: &str,
        command: &[&str],
        labels: &[(&str, &str)],
        memory: i64,
    ) -> Result<String, String> {
        let named = |name: &str| {
            Some(Named {
                name: name.to_owned(),
            })
        };
        let question = CreateContainerRequest {
            pod_sandbox_id: pod.id.clone(),
            config: Some(ContainerConfig {
                metadata: named(name),
                image: named(image),
                command: command.iter().map(|&word| word.to_owned()).collect(),
                labels: pairs(labels),
                linux: Some(LinuxContainerConfig {
                    resources: Some(Resources {
                        memory_limit_in_bytes: memory,
                    }),
                }),
            }),
            sandbox_config: Some(pod.config.clone()),
        };
        let created: Id = self.call("CreateContainer", &question)?;
        let _: Nothing = self.call("StartContainer", &created)?;
        Ok(created.id)
    }

    /// Ends a pod and all in it.
    pub fn remove(&self, pod: &Pod) {
        let question = Id { id: pod.id.clone() };
        // What is gone already is as good.
        let _: Result<Nothing, _> = self.call("StopPodSandbox", &question);
        let _: Result<Nothing, _> = self.call("RemovePodSandbox", &question);
    }
}
