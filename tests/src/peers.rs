//! Captures of sysdig with known answers, where there are any: in the folder that `AFTERIMAGE_FIXTURES` names, else in
//! `../shared/fixtures` beside the project.

use crate::harness;
use afterimage_indexer::{Progress, Session};
use afterimage_model::Ctx;
use afterimage_query::Filter;
use std::path::{Path, PathBuf};

/// Where they are looked for.
pub fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let root = std::env::var_os("AFTERIMAGE_FIXTURES").map_or(beside, PathBuf::from);
    root.join("scap")
}

/// All of them by name; none, and said, where there are none.
pub fn captures() -> Vec<PathBuf> {
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        harness::skip(&format!("no captures of sysdig in {}", folder.display()));
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "scap"))
        .collect();
    found.sort();
    found
}

/// One that is whole.
pub fn session(capture: &Path) -> Session {
    let reader =
        afterimage_interop::open(capture).unwrap_or_else(|e| panic!("{}: {e}", capture.display()));
    assert_eq!(reader.gaps(), [], "{}", capture.display());
    Session::from_reader(reader)
}

/// Shows every event that a filter lets through.
pub fn scan(session: &Session, filter: Option<&Filter>, mut each: impl FnMut(&Ctx<'_>)) {
    let mut all = |ctx: &Ctx<'_>| {
        each(ctx);
        true
    };
    let scanned = session.scan(filter, None, 1, &Progress::default(), &mut all);
    scanned.unwrap_or_else(|why| panic!("{why}"));
}
