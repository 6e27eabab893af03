//! Prints the C side of the kernel contract, and chooses the object with the eBPF programs.
//!
//! The object checked in beside the source is used as long as it was made from this very source, so a build needs no
//! clang and every build runs the programs that were tested. When the source has changed, clang compiles it. Where clang
//! is there it always does, for the test that compares. `AFTERIMAGE_BPF_OBJECT` names another object; `CLANG` a compiler.

use afterimage_model::ArgKind;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "src/wire.rs"]
#[allow(dead_code)]
mod wire;

#[path = "src/programs.rs"]
#[expect(dead_code, reason = "only the table is printed here")]
mod programs;

fn contract() -> String {
    let mut text = String::from(
        "/* Printed by build.rs from capture/src/wire.rs, capture/src/programs.rs and the model's tables. */\n",
    );
    for (name, value) in wire::CONSTANTS {
        text += &format!("#define {name} {value}\n");
    }
    for (at, (name, hook, ..)) in programs::PROGRAMS.iter().enumerate() {
        let interrupted = u8::from(programs::INTERRUPTED.contains(hook));
        text += &format!("#define NUMBER_{name} {at}\n#define INTERRUPTED_{name} {interrupted}\n");
    }
    text += &format!("#define PROGRAMS {}\n", programs::PROGRAMS.len());
    for (kind, name, _) in ArgKind::ALL {
        text += &format!(
            "#define KIND_{} {}\n",
            name.to_uppercase().replace('-', "_"),
            *kind as u8
        );
    }
    for declaration in wire::C_STRUCTS {
        text += declaration;
    }
    text
}

fn clang() -> Option<String> {
    let named = env::var("CLANG").ok();
    let known = [
        MADE_WITH, "clang", "clang-22", "clang-21", "clang-20", "clang-18", "clang-17", "clang-16",
        "clang-15", "clang-14",
    ];
    named
        .into_iter()
        .chain(known.map(str::to_owned))
        .find(|name| {
            Command::new(name)
                .arg("--version")
                .output()
                .is_ok_and(|o| o.status.success())
        })
}

fn strip() -> Option<String> {
    let known = [
        "llvm-strip-19",
        "llvm-strip",
        "llvm-strip-16",
        "llvm-strip-15",
        "llvm-strip-14",
    ];
    known.map(str::to_owned).into_iter().find(|name| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    })
}

/// Compiles; returns what went wrong.
fn compile(clang: &str, source: &Path, include: &Path, object: &Path) -> Result<(), String> {
    let output = Command::new(clang)
        .args([
            "-g",
            "-O2",
            "-target",
            "bpf",
            "-mcpu=v3",
            "-D__TARGET_ARCH_x86",
            "-Wall",
            "-Werror",
            "-fms-extensions",
            "-Wno-microsoft-anon-tag",
            "-fno-ident",
        ])
        .arg(format!(
            "-ffile-prefix-map={}=.",
            source.parent().unwrap_or(Path::new(".")).display()
        ))
        .arg(format!("-fdebug-prefix-map={}=.", include.display()))
        .arg(format!("-ffile-prefix-map={}=.", include.display()))
        .arg("-fdebug-compilation-dir=.")
        .arg("-I")
        .arg(include)
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(object)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let Some(strip) = strip() else { return Ok(()) };
    let done = Command::new(strip)
        .arg("-g")
        .arg(object)
        .status()
        .map_err(|e| e.to_string())?;
    if done.success() {
        Ok(())
    } else {
        Err("llvm-strip failed".to_owned())
    }
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let here =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-changed=src/wire.rs");
    println!("cargo::rerun-if-changed=src/programs.rs");
    println!("cargo::rerun-if-env-changed=AFTERIMAGE_BPF_OBJECT");
    println!("cargo::rerun-if-env-changed=CLANG");
    std::fs::write(out.join("contract.h"), contract()).expect("OUT_DIR can be written");

    let object = out.join("recorder.bpf.o");
    let compiled = out.join("compiled.bpf.o");
    let source = here.join("bpf/recorder.bpf.c");
    let digest = digest(&here.join("bpf"));
    let made_from =
        std::fs::read_to_string(here.join("bpf/recorder.bpf.source")).unwrap_or_default();
    let current = made_from.trim() == digest;
    let clang = clang();
    let result = match &clang {
        Some(clang) => compile(clang, &source, &out, &compiled),
        None => Err("there is no clang on the PATH; install clang-19".to_owned()),
    };
    let chosen = match env::var_os("AFTERIMAGE_BPF_OBJECT") {
        Some(named) => PathBuf::from(named),
        None if current => here.join("bpf/recorder.bpf.o"),
        None => {
            if let Err(why) = &result {
                panic!(
                    "{} has changed and cannot be compiled:\n{why}",
                    source.display()
                );
            }
            compiled.clone()
        }
    };
    std::fs::copy(&chosen, &object).unwrap_or_else(|e| panic!("{}: {e}", chosen.display()));
    println!("cargo::rustc-env=AFTERIMAGE_BPF={}", object.display());
    println!("cargo::rustc-env=AFTERIMAGE_BPF_DIGEST={digest}");
    let compared = if result.is_ok() && clang.as_deref() == Some(MADE_WITH) {
        compiled.display().to_string()
    } else {
        String::new()
    };
    println!("cargo::rustc-env=AFTERIMAGE_BPF_COMPILED={compared}");
}

/// The compiler that makes the object that is checked in: others give other bytes.
const MADE_WITH: &str = "clang-19";

/// BLAKE3 over the kernel side's source and the contract, hex.
fn digest(bpf: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in ["kernel.h", "recorder.bpf.c", "sources.bpf.h", "files.bpf.h"] {
        hasher.update(&std::fs::read(bpf.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")));
    }
    hasher.update(contract().as_bytes());
    hasher.finalize().to_hex().to_string()
}
