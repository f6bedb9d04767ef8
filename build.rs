//! Hands the kernels' geometry to Rust and gives the shared library its SONAME and symbol versions.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    write_geometry(&Path::new(&root).join("kernels/geometry.cuh"), &Path::new(&out).join("geometry.rs"));
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        link_arguments(&root);
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

fn link_arguments(root: &str) {
    let script = Path::new(root).join("src/capi/exports.map");
    println!("cargo::rerun-if-changed={}", script.display());
    // The SONAME carries the ABI number: before 1.0 that is 0.MINOR, because a minor release may break the ABI.
    let minor = env::var("CARGO_PKG_VERSION_MINOR").expect("cargo sets CARGO_PKG_VERSION_MINOR");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo sets CARGO_PKG_VERSION_MAJOR");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libfused_ssim.so.{major}.{minor}");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={}", script.display());
    // Thread-local error texts and driver handles must outlive a dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
