//! Whether anything ran below a control group that holds several containers: what runs is counted there, too, so where nothing did
//! one file tells it of them all.

use super::folder::Folder;
use super::{Known, RAN};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// The control groups that hold containers, by path.
#[derive(Default)]
pub(super) struct Parents {
    all: HashMap<PathBuf, Parent>,
}

struct Parent {
    folder: Folder,
    children: usize,
    may_have_run: bool,
}

impl Parents {
    /// Looks at those that hold more than one of `children`; whoever has not been looked at may have run.
    pub(super) fn look<'a>(
        &mut self,
        children: impl Iterator<Item = &'a Known>,
        room: &Arc<AtomicUsize>,
    ) {
        for parent in self.all.values_mut() {
            parent.children = 0;
        }
        for path in children.filter_map(Known::parent) {
            if let Some(parent) = self.all.get_mut(path) {
                parent.children += 1;
                continue;
            }
            let parent = Parent {
                folder: Folder::new(path.to_owned(), &RAN, room),
                children: 1,
                may_have_run: true,
            };
            self.all.insert(path.to_owned(), parent);
        }
        self.all.retain(|_, parent| parent.children > 0);
        for parent in self.all.values_mut() {
            let alone = parent.children < 2;
            let told = |parent: &Parent| RAN.iter().any(|name| parent.folder.has(name));
            parent.may_have_run = alone || parent.folder.look(|_| true) || !told(parent);
        }
    }

    /// Whether something may have run below one of late.
    pub(super) fn may_have_run(&self, path: &Path) -> bool {
        self.all.get(path).is_none_or(|parent| parent.may_have_run)
    }
}
