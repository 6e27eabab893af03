//! Every byte a name may have comes back as it was, wherever names are: paths, folders, arguments, environments, contents.

use crate::inside;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

/// Every byte that a name in a folder may have.
fn bytes() -> impl Iterator<Item = u8> {
    (1..=255).filter(|byte| *byte != b'/')
}

fn c(bytes: &[u8]) -> CString {
    CString::new(bytes).expect("no NUL")
}

fn ended(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn every_byte_of_every_name_is_recorded_as_it_was() {
    needs_recording!();
    let cgroup = Cgroup::fresh("bytes").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().as_os_str().as_bytes().to_vec();
    let program = folder.path().join("program");
    std::fs::copy("/bin/true", &program).expect("a copy");
    let program = c(program.as_os_str().as_bytes());
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            for byte in bytes() {
                let named = |kind: u8| c(&ended(&[&root, b"/", &[kind, byte, b'x']]));
                let number = c(format!("n{byte}").as_bytes());
                // SAFETY: C strings and arrays of this frame that outlive the calls.
                let made = unsafe {
                    libc::mkdir(named(b'd').as_ptr(), 0o700) == 0
                        && libc::link(program.as_ptr(), named(b'p').as_ptr()) == 0
                        && libc::symlink(c(&[b't', byte]).as_ptr(), named(b'l').as_ptr()) == 0
                };
                let file =
                    std::fs::File::create(std::ffi::OsStr::from_bytes(named(b'f').as_bytes()));
                let wrote = file.is_ok_and(|mut file| file.write_all(&[b'w', byte]).is_ok());
                if !made || !wrote {
                    return 1;
                }
                let child = child::fork(|| {
                    let (path, argument) = (named(b'p'), c(&[b'a', byte]));
                    let variable = c(&[b'E', b'=', byte]);
                    let argv = [
                        path.as_ptr(),
                        number.as_ptr(),
                        argument.as_ptr(),
                        std::ptr::null(),
                    ];
                    let envp = [variable.as_ptr(), std::ptr::null()];
                    // SAFETY: as above; it does not return when it succeeds.
                    unsafe {
                        libc::chdir(named(b'd').as_ptr());
                        libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr());
                    }
                    99
                });
                if child.expect("fork").wait() != End::Exited(0) {
                    return 2;
                }
            }
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let in_root = |kind: u8, byte: u8| ended(&[&root, b"/", &[kind, byte, b'x']]);
    let executed = capture.of_type("execve").into_iter();
    let executed: BTreeMap<u8, _> = (executed.filter(|ctx| ctx.event.result == 0))
        .filter_map(|ctx| {
            let row = ctx.proc()?;
            let number = row.argv.split(|byte| *byte == 0).nth(1)?;
            let number = std::str::from_utf8(number).ok()?.strip_prefix('n')?;
            Some((number.parse().ok()?, row))
        })
        .collect();
    let passed = |call: &str, arg: &str| -> Vec<Vec<u8>> {
        let calls = capture.of_type(call);
        calls
            .iter()
            .filter_map(|ctx| Some(ctx.bytes(arg)?.to_vec()))
            .collect()
    };
    let (folders, targets, written) = (
        passed("mkdir", "path"),
        passed("symlink", "target"),
        passed("write", "buf"),
    );
    let opened: Vec<Vec<u8>> = (capture.of_type("openat").iter())
        .filter_map(|ctx| Some(ctx.file()?.path.clone()))
        .collect();
    for byte in bytes() {
        let row = executed
            .get(&byte)
            .unwrap_or_else(|| panic!("no program of {byte:#x}"));
        let path = in_root(b'p', byte);
        assert_eq!(row.exe_path, path, "{byte:#x}");
        let number = format!("n{byte}").into_bytes();
        assert_eq!(
            row.argv,
            ended(&[&path, b"\0", &number, b"\0a", &[byte], b"\0"]),
            "{byte:#x}"
        );
        assert_eq!(row.env, ended(&[b"E=", &[byte], b"\0"]), "{byte:#x}");
        assert_eq!(row.cwd, in_root(b'd', byte), "{byte:#x}");
        assert_eq!(row.comm, [b'p', byte, b'x'], "{byte:#x}");
        assert!(folders.contains(&in_root(b'd', byte)), "mkdir of {byte:#x}");
        assert!(targets.contains(&vec![b't', byte]), "symlink to {byte:#x}");
        assert!(written.contains(&vec![b'w', byte]), "write of {byte:#x}");
        assert!(opened.contains(&in_root(b'f', byte)), "open of {byte:#x}");
    }
}
