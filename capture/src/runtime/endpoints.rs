//! The sockets at which container runtimes may listen.

use std::path::PathBuf;

/// A socket that a runtime may listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The runtime behind it: `docker` and `podman` speak the Docker API, `containerd` and `cri-o` gRPC.
    pub runtime: &'static str,
    /// Its path.
    pub socket: PathBuf,
}

impl Endpoint {
    /// Whether it speaks gRPC.
    pub(super) fn speaks_grpc(&self) -> bool {
        matches!(self.runtime, "containerd" | "cri-o")
    }
}

/// Where runtimes put their sockets.
const SOCKETS: &[(&str, &str)] = &[
    ("docker", "/run/docker.sock"),
    ("podman", "/run/podman/podman.sock"),
    ("containerd", "/run/containerd/containerd.sock"),
    ("containerd", "/run/k3s/containerd/containerd.sock"),
    (
        "containerd",
        "/var/snap/microk8s/common/run/containerd.sock",
    ),
    ("cri-o", "/run/crio/crio.sock"),
];
/// Where users without rights put theirs, below `/run/user/UID`.
const OF_USERS: &[(&str, &str)] = &[("docker", "docker.sock"), ("podman", "podman/podman.sock")];
/// Variables that name one, and what may be behind it.
const VARIABLES: &[(&str, &str)] = &[
    ("docker", "DOCKER_HOST"),
    ("containerd", "CONTAINERD_ADDRESS"),
    ("containerd", "CONTAINER_RUNTIME_ENDPOINT"),
];

/// The sockets of this host, also those where nobody listens yet: named by variables, and where runtimes put them.
pub fn endpoints() -> Vec<Endpoint> {
    let mut sockets: Vec<(&'static str, PathBuf)> = Vec::new();
    for (runtime, variable) in VARIABLES {
        let named = std::env::var(variable).unwrap_or_default();
        let path = named.strip_prefix("unix://").unwrap_or(&named);
        if path.starts_with('/') {
            sockets.push((runtime, PathBuf::from(path)));
        }
    }
    sockets.extend(
        SOCKETS
            .iter()
            .map(|(runtime, path)| (*runtime, path.into())),
    );
    let users = std::fs::read_dir("/run/user")
        .into_iter()
        .flatten()
        .flatten();
    for user in users.take(64).map(|entry| entry.path()) {
        let theirs = OF_USERS
            .iter()
            .map(|(runtime, name)| (*runtime, user.join(name)));
        sockets.extend(theirs.filter(|(_, path)| path.exists()));
    }
    let mut all: Vec<Endpoint> = Vec::new();
    for (runtime, socket) in sockets {
        let socket = std::fs::canonicalize(&socket).unwrap_or(socket);
        if all.iter().all(|other| other.socket != socket) {
            // A variable may name another's socket.
            let path = socket.to_string_lossy();
            let runtime = match (path.contains("podman"), path.contains("crio")) {
                (true, _) => "podman",
                (_, true) => "cri-o",
                _ => runtime,
            };
            all.push(Endpoint { runtime, socket });
        }
    }
    all
}
