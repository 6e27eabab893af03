//! The kernel object that is checked in is what its source compiles to. `BLESS=1` checks in what clang makes now.
#![allow(clippy::print_stderr, reason = "says why it skips")]

use std::path::Path;

#[test]
fn the_checked_in_object_is_what_its_source_compiles_to() {
    let compiled = env!("AFTERIMAGE_BPF_COMPILED");
    let bpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
    let (object, source) = (bpf.join("recorder.bpf.o"), bpf.join("recorder.bpf.source"));
    if compiled.is_empty() {
        eprintln!("skipped: the object is compared where clang-19 is installed");
        return;
    }
    let made = std::fs::read(compiled).expect("the build script compiled it");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&object, &made).expect("the object can be written");
        std::fs::write(&source, concat!(env!("AFTERIMAGE_BPF_DIGEST"), "\n"))
            .expect("its source's digest too");
        return;
    }
    let digest = std::fs::read_to_string(&source).unwrap_or_default();
    assert_eq!(
        digest.trim(),
        env!("AFTERIMAGE_BPF_DIGEST"),
        "the source has changed: BLESS=1"
    );
    let kept = std::fs::read(&object).expect("the object is checked in");
    assert!(
        kept == made,
        "the object is not what clang-19 makes of its source: BLESS=1"
    );
}
