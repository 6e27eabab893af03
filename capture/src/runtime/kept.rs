//! Where runtimes keep what they know of containers: bundles, the store that Podman and CRI-O share, Docker's own files. Those that
//! root runs have their places, and those of each user others.

use super::disk::{from_bundle, json};
use super::docker;
use super::facts::{filled, text, texts, unix_ns};
use crate::cgroup::{BUNDLES, user_of};
use crate::procfs::records;
use afterimage_model::Container;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Folders of one kind that are looked into.
const MOST_FOLDERS: usize = 256;
/// Where Podman and CRI-O keep containers and images, and where they keep what runs.
const STORES: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];
/// Names of the store's drivers.
const DRIVERS: &[&str] = &["overlay", "vfs", "btrfs"];

/// The places of the runtimes of one user.
pub(super) struct Kept {
    /// Folders of namespaces, in which each container has its bundle.
    bundles: Vec<PathBuf>,
    /// See [`STORES`].
    stores: [PathBuf; 2],
    /// Docker's folder of containers.
    docker: PathBuf,
}

impl Kept {
    /// Where those are that root runs.
    pub(super) fn by_root(root: &Path) -> Kept {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        Kept {
            bundles: BUNDLES.iter().map(|path| at(path)).collect(),
            stores: STORES.map(at),
            docker: at("/var/lib/docker/containers"),
        }
    }

    /// Where those are that run for the user whose control group this is; `None` when it is no user's, or that of nobody who is
    /// known here. What is in them is that user's word.
    pub(super) fn by_user(root: &Path, group: &str) -> Option<Kept> {
        let uid = user_of(group)?;
        let users = std::fs::read(root.join("etc/passwd")).ok()?;
        let home = records(&users).into_iter().find_map(|line| {
            let [_, _, of, _, _, home, ..] = line.as_slice() else {
                return None;
            };
            (of.parse() == Ok(uid)).then(|| home.clone())
        });
        let home = root.join(home?.strip_prefix('/')?);
        let running = root.join("run/user").join(uid.to_string());
        Some(Kept {
            bundles: vec![running.join("docker/containerd/daemon/io.containerd.runtime.v2.task")],
            stores: [
                home.join(".local/share/containers/storage"),
                running.join("containers"),
            ],
            docker: home.join(".local/share/docker/containers"),
        })
    }

    /// What there is of a container, whose id is a single component of a path.
    pub(super) fn find(&self, id: &str) -> Option<Container> {
        let bundles = (self.bundles.iter())
            .filter_map(|state| std::fs::read_dir(state).ok())
            .flat_map(|entries| entries.flatten().take(MOST_FOLDERS))
            .map(|namespace| namespace.path().join(id).join("config.json"));
        let stored = self.stores.iter().flat_map(|store| {
            DRIVERS.iter().map(move |driver| {
                store
                    .join(format!("{driver}-containers"))
                    .join(id)
                    .join("userdata/config.json")
            })
        });
        let bundle = bundles.chain(stored).find_map(|path| json(&path));
        let docker = || {
            let folder = self.docker.join(id);
            let config = json(&folder.join("config.v2.json"))?;
            let host = json(&folder.join("hostconfig.json")).unwrap_or(Json::Null);
            Some(docker::stored(&config, &host))
        };
        let parts = [
            self.stored(id),
            docker(),
            bundle.map(|config| from_bundle(&config, id)),
        ];
        parts
            .into_iter()
            .flatten()
            .reduce(|first, next| filled(first, &next))
    }

    /// What the store of Podman and CRI-O says: name, image, digest.
    fn stored(&self, id: &str) -> Option<Container> {
        let [store, _] = &self.stores;
        DRIVERS.iter().find_map(|driver| {
            let all = json(&store.join(format!("{driver}-containers/containers.json")))?;
            let entry = all.as_array()?.iter().find(|c| c["id"] == id)?;
            let about: Json = entry["metadata"]
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or(Json::Null);
            let image_id = text(entry, "image");
            let images = json(&store.join(format!("{driver}-images/images.json")));
            let image = images
                .as_ref()
                .and_then(Json::as_array)
                .and_then(|all| all.iter().find(|image| image["id"] == image_id.as_str()));
            Some(Container {
                name: match texts(&entry["names"]).into_iter().next() {
                    Some(name) => name,
                    None => text(&about, "name"),
                },
                image: text(&about, "image-name"),
                image_digest: image.map(|image| text(image, "digest")).unwrap_or_default(),
                image_id: if image_id.is_empty() {
                    image_id
                } else {
                    format!("sha256:{image_id}")
                },
                created_ns: entry["created"].as_str().and_then(unix_ns).unwrap_or(0),
                ..Container::default()
            })
        })
    }
}
