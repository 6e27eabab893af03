//! Prints the C side of the kernel contract and compiles the eBPF programs with clang.
//!
//! Where there is no clang the object checked in beside the source is used, so a plain `cargo build` needs none.
//! `AFTERIMAGE_BPF_OBJECT` names another object to use; `CLANG` another compiler.

use afterimage_model::ArgKind;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "src/wire.rs"]
#[allow(dead_code)]
mod wire;

fn contract() -> String {
    let mut text = String::from(
        "/* Printed by build.rs from capture/src/wire.rs and the model's tables. */\n",
    );
    for (name, value) in wire::CONSTANTS {
        text += &format!("#define {name} {value}\n");
    }
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
        "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17",
        "clang-16", "clang-15", "clang-14",
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
        "llvm-strip",
        "llvm-strip-19",
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
    println!("cargo::rerun-if-env-changed=AFTERIMAGE_BPF_OBJECT");
    println!("cargo::rerun-if-env-changed=CLANG");
    std::fs::write(out.join("contract.h"), contract()).expect("OUT_DIR can be written");

    let object = out.join("recorder.bpf.o");
    let source = here.join("bpf/recorder.bpf.c");
    let checked_in = here.join("bpf/recorder.bpf.o");
    if let Some(named) = env::var_os("AFTERIMAGE_BPF_OBJECT") {
        std::fs::copy(&named, &object)
            .unwrap_or_else(|e| panic!("AFTERIMAGE_BPF_OBJECT: {}: {e}", named.display()));
    } else if let Some(clang) = clang() {
        if let Err(why) = compile(&clang, &source, &out, &object) {
            panic!("{clang} could not compile {}:\n{why}", source.display());
        }
    } else {
        std::fs::copy(&checked_in, &object).unwrap_or_else(|e| {
            panic!(
                "no clang on the PATH and {} cannot be used: {e}; install clang",
                checked_in.display()
            )
        });
    }
    println!("cargo::rustc-env=AFTERIMAGE_BPF={}", object.display());
}
