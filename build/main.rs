//! Hands the kernels' geometry and images to Rust and gives the shared library its SONAME and symbol versions.

mod kernels;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    write_geometry(&Path::new(&root).join("kernels/geometry.cuh"), &Path::new(&out).join("geometry.rs"));
    kernels::write_images(&Path::new(&root).join("kernels/ptx"), Path::new(&out));
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        link_arguments(&root, &out);
    }
}

/// Turns every `constexpr int NAME = VALUE;` of the header into a Rust constant documented by the comment above it.
fn write_geometry(header: &Path, generated: &Path) {
    println!("cargo::rerun-if-changed={}", header.display());
    let text = fs::read_to_string(header).expect("kernels/geometry.cuh is part of the package");
    let mut rust = String::new();
    let mut comment = String::new();
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("//") {
            writeln!(comment, "///{words}").expect("writing to a String cannot fail");
        } else if let Some(definition) = line.strip_prefix("constexpr int ") {
            let (name, value) = definition
                .trim_end_matches(';')
                .split_once(" = ")
                .unwrap_or_else(|| panic!("kernels/geometry.cuh: not `constexpr int NAME = VALUE;`: {line}"));
            writeln!(rust, "{comment}pub const {name}: i32 = {value};").expect("writing to a String cannot fail");
            comment.clear();
        } else {
            comment.clear();
        }
    }
    fs::write(generated, rust).expect("OUT_DIR is writable");
}

fn link_arguments(root: &str, out: &str) {
    // The SONAME carries the ABI number: before 1.0 that is 0.MINOR, because a minor release may break the ABI.
    let minor = env::var("CARGO_PKG_VERSION_MINOR").expect("cargo sets CARGO_PKG_VERSION_MINOR");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo sets CARGO_PKG_VERSION_MAJOR");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libfused_ssim.so.{major}.{minor}");
    // Thread-local error texts and driver handles must outlive a dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let exports = Path::new(root).join("src/capi/exports.map");
    println!("cargo::rerun-if-changed={}", exports.display());
    let exports = fs::read_to_string(exports).expect("src/capi/exports.map is part of the package");
    let arguments = symbol_version_arguments(&exports, Path::new(out));
    if linker_accepts(&arguments, Path::new(out)) {
        for argument in arguments {
            println!("cargo::rustc-cdylib-link-arg={argument}");
        }
    } else {
        println!(
            "cargo::warning=this linker cannot give the library's symbols versions beside rustc's own export list; lld can"
        );
    }
}

/// rustc passes a version script of its own, which lists every exported symbol without a version, and the first script
/// to name a symbol wins. So the versions are only declared in a script, and each symbol gets its own by being asked
/// for under its versioned name.
fn symbol_version_arguments(exports: &str, out: &Path) -> Vec<String> {
    let declarations = out.join("versions.map");
    let mut arguments = vec![format!("-Wl,--version-script={}", declarations.display())];
    let mut script = String::new();
    let mut version = "";
    for line in exports.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(" {") {
            version = name;
            writeln!(script, "{version} {{ }};").expect("writing to a String cannot fail");
        } else if let Some(symbol) = line.strip_suffix(';').filter(|symbol| symbol.starts_with("fssim_")) {
            arguments.push(format!("-Wl,-u,{symbol}@@{version}"));
        }
    }
    fs::write(declarations, script).expect("OUT_DIR is writable");
    arguments
}

/// Links a library of one function with the arguments. GNU ld refuses a second version script.
fn linker_accepts(arguments: &[String], out: &Path) -> bool {
    let source = out.join("probe.rs");
    fs::write(&source, "#[unsafe(no_mangle)] pub extern \"C\" fn fssim_version() {}").expect("OUT_DIR is writable");
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let mut rustc = Command::new(variable("RUSTC").expect("cargo sets RUSTC"));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", "probe", "--out-dir"]).arg(out);
    rustc.args(["--target", &variable("TARGET").expect("cargo sets TARGET")]);
    if let Some(linker) = variable("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    if let Some(flags) = variable("CARGO_ENCODED_RUSTFLAGS") {
        rustc.args(flags.split('\u{1f}'));
    }
    // The probe defines one of the library's functions; asking for the others would leave them undefined.
    let wanted = |argument: &&String| !argument.contains("-u,") || argument.contains("fssim_version@");
    rustc.args(arguments.iter().filter(wanted).map(|argument| format!("-Clink-arg={argument}")));
    rustc.arg(source).output().is_ok_and(|output| output.status.success())
}
