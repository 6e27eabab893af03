//! Who is meant: names, ids and control groups as the user gives them, against what there is.

use crate::cgroup;
use crate::error::Error;
use crate::runtime::{self, Endpoint};
use afterimage_model::Container;
use afterimage_query::Filter;
use std::collections::HashMap;
use std::path::PathBuf;

/// The containers there are now: those that daemons list, and those that only their control groups and files tell of.
pub(super) fn present(endpoints: &[Endpoint]) -> Vec<Container> {
    let mut known = runtime::running(endpoints);
    let groups = cgroup::followed()
        .map(|hierarchy| cgroup::scan(&hierarchy.mount))
        .unwrap_or_default();
    for path in groups.values() {
        if let Some(named) = cgroup::container_of(path).or_else(|| cgroup::bundled(path))
            && !known.iter().any(|c| c.full_id == named.id)
            && let Some(found) = runtime::on_disk(&named.id, named.runtime, path)
        {
            known.push(found);
        }
    }
    known
}

/// Containers chosen by name.
pub(super) struct Chosen {
    /// Those to come.
    pub(super) filter: Filter,
    /// Of those there are, by whole id: whether they are chosen.
    pub(super) known: HashMap<String, bool>,
    /// Names that none has.
    pub(super) missing: Vec<String>,
}

/// Names, ids and prefixes as a filter for containers to come, and a verdict on those there are.
pub(super) fn resolve(names: &[String], endpoints: &[Endpoint]) -> Result<Chosen, Error> {
    let known = present(endpoints);
    let groups = cgroup::followed()
        .map(|hierarchy| cgroup::scan(&hierarchy.mount))
        .unwrap_or_default();
    let mut ids: HashMap<String, bool> = known.iter().map(|c| (c.full_id.clone(), false)).collect();
    let named = groups
        .values()
        .filter_map(|path| cgroup::container_of(path).or_else(|| cgroup::bundled(path)));
    ids.extend(named.map(|named| (named.id, false)));
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (mut later, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let exact: Vec<String> = ids
            .keys()
            .filter(|id| *id == name || known.iter().any(|c| c.full_id == **id && c.name == *name))
            .cloned()
            .collect();
        let found: Vec<String> = if exact.is_empty() && name.len() >= 3 {
            ids.keys()
                .filter(|id| id.starts_with(name.as_str()))
                .cloned()
                .collect()
        } else {
            exact
        };
        if found.is_empty() {
            missing.push(name.clone());
        }
        for id in found {
            ids.insert(id, true);
        }
        later.push(format!("container.name = {}", quoted(name)));
        // Short beginnings of ids are for what is there to choose from; a container to come may begin with anything.
        if name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            later.push(format!("container.full_id startswith {}", quoted(name)));
        }
    }
    let filter =
        Filter::parse(&later.join(" or ")).map_err(|why| Error::Filter(why.to_string()))?;
    Ok(Chosen {
        filter,
        known: ids,
        missing,
    })
}

/// The path of a control group from the mount point, from either form.
pub(super) fn group_path(given: &std::path::Path) -> Result<String, Error> {
    let hierarchy = cgroup::followed().ok_or_else(|| {
        Error::System(
            PathBuf::from("/sys/fs/cgroup"),
            std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no control groups are mounted",
            ),
        )
    })?;
    let relative = given
        .strip_prefix(&hierarchy.mount)
        .unwrap_or(given)
        .to_string_lossy()
        .trim_matches('/')
        .to_owned();
    let folder = hierarchy.mount.join(&relative);
    if !folder.is_dir() {
        return Err(Error::System(
            folder,
            std::io::Error::new(std::io::ErrorKind::NotFound, "no such control group"),
        ));
    }
    Ok(format!("/{relative}"))
}
