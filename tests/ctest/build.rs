//! Has ctest2 write and compile, for every declaration of abi.rs, C code that holds it against the header.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=FSSIM_ABI");
    println!("cargo:rerun-if-changed=../../include/fused_ssim.h");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // tests/ctest/run names declarations with a planted fault here.
    let abi = env::var("FSSIM_ABI").unwrap_or_else(|_| format!("{root}/src/abi.rs"));
    println!("cargo:rerun-if-changed={abi}");
    println!("cargo:rustc-env=FSSIM_ABI={abi}");

    let mut config = ctest2::TestGenerator::new();
    config.header("fused_ssim.h").include(Path::new(&root).join("../../include"));
    config.type_name(|name, is_struct, _| match name {
        "f32" => "float".to_owned(),
        "f64" => "double".to_owned(),
        _ if is_struct => format!("struct {name}"),
        _ => name.to_owned(),
    });
    config.generate(abi, "all.rs");
}
