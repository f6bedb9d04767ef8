//! The names that a C header or the hand-kept declarations define.

use std::collections::BTreeSet;

/// Every `fssim_*` and `FSSIM_*` item that a C header defines: functions, types and macros, without the include guard.
pub fn defined_in_header(header: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in header.lines().filter(|line| !line.starts_with("//")) {
        if let Some(macro_name) = line.strip_prefix("#define ").and_then(|rest| rest.split([' ', '(']).next()) {
            names.extend(item(macro_name));
        } else if line.starts_with("typedef ") && line.ends_with(';') || line.starts_with('}') {
            // `typedef int32_t NAME;` or the `} NAME;` that ends a struct
            names.extend(line.trim_end_matches(';').rsplit([' ', '*']).next().and_then(item));
        } else if let Some((declarator, _)) = line.split_once('(') {
            // `int32_t NAME(...`: what stands before the parenthesis of a declaration at the start of a line
            if !line.starts_with([' ', '#', '*', '/']) {
                names.extend(declarator.rsplit([' ', '*']).next().and_then(item));
            }
        }
    }
    names
}

/// Every `fssim_*` and `FSSIM_*` item that Rust declarations define.
pub fn declared_in_rust(declarations: &str) -> BTreeSet<String> {
    let keywords = ["pub const ", "pub type ", "pub struct ", "pub fn "];
    declarations
        .lines()
        .filter_map(|line| keywords.iter().find_map(|keyword| line.trim_start().strip_prefix(keyword)))
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().and_then(item))
        .collect()
}

fn item(name: &str) -> Option<String> {
    let name = name.trim();
    let ours = name.starts_with("fssim_") || name.starts_with("FSSIM_");
    ours.then(|| name.to_owned())
}
