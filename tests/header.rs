//! `include/fused_ssim.h` is generated from `src/capi` and checked in. This test generates it again in memory.
//!
//! Refresh the file with `FSSIM_BLESS=1 cargo test --test header`.

use std::fs;
use std::path::Path;

const HEADER: &str = "include/fused_ssim.h";

fn generate(root: &Path) -> String {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let read = |path| fs::read_to_string(root.join(path)).expect("part of the package");
    config.header = Some(read("src/capi/preamble.h").trim_end().to_owned());
    config.after_includes = Some(version_macros());
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi/types.rs"))
        .with_src(root.join("src/capi/query.rs"))
        .with_src(root.join("src/capi/functions.rs"))
        .generate()
        .expect("cbindgen reads the ABI files")
        .write(&mut text);
    String::from_utf8(text).expect("cbindgen writes UTF-8")
}

fn version_macros() -> String {
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    format!(
        "\n// Version of this header; fssim_version() is that of the library.\n\
         #define FSSIM_VERSION_MAJOR {major}\n\
         #define FSSIM_VERSION_MINOR {minor}\n\
         #define FSSIM_VERSION_PATCH {patch}\n\
         #define FSSIM_VERSION (FSSIM_VERSION_MAJOR * 10000 + FSSIM_VERSION_MINOR * 100 + FSSIM_VERSION_PATCH)\n"
    )
}

#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = generate(root);
    let path = root.join(HEADER);
    if std::env::var_os("FSSIM_BLESS").is_some() {
        fs::write(&path, &generated).expect("the header can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, (old, new))) =
        committed.lines().zip(generated.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!(
            "{HEADER} is out of date at line {}:\n  committed: {old}\n  generated: {new}\n\
             refresh it with: FSSIM_BLESS=1 cargo test --test header",
            number + 1
        );
    }
    assert!(
        committed == generated,
        "{HEADER} differs in length; refresh it with: FSSIM_BLESS=1 cargo test --test header"
    );
}
