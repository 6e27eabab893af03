//! Samples that were written once, one for each version that added something: whoever reads later versions reads them, too.

use afterimage_format::{Reader, Verdict, twin, verify_bytes};
use std::path::PathBuf;

/// A sample, which has to be intact and to print its twin. `BLESS=1` makes it where it is not there; it is never written again.
pub fn sample(version: &str, name: &str, make: impl FnOnce() -> Vec<u8>) -> Reader {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../samples")
        .join(version);
    let (sample, told) = (
        folder.join(format!("{name}.aft")),
        folder.join(format!("{name}.json")),
    );
    let printed = |file: Vec<u8>| {
        let mut out = Vec::new();
        twin::write(&Reader::from_bytes(file).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    if std::env::var_os("BLESS").is_some() && !sample.exists() {
        let file = make();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&told, printed(file.clone())).unwrap();
        std::fs::write(&sample, file).unwrap();
    }
    let file = std::fs::read(&sample).unwrap();
    let verdict = verify_bytes(file.clone()).unwrap().verdict;
    assert!(matches!(verdict, Verdict::SealedIntact), "{verdict:?}");
    let twin = std::fs::read_to_string(&told).unwrap();
    let now = printed(file.clone());
    for (line, (is, was)) in now.lines().zip(twin.lines()).enumerate() {
        assert_eq!(is, was, "{name}: line {}", line + 1);
    }
    assert_eq!(now.lines().count(), twin.lines().count(), "{name}");
    Reader::from_bytes(file).unwrap()
}
