//! The code in the Markdown files is code that is tested: a block that names a file has to be that file, byte for byte,
//! in README.md every block of code has to name one, and files that the texts link to have to exist.
//!
//! A block names its file in the line that opens it: ```` ```c file=examples/c/minimal.c ````. Refresh the blocks with
//! `FSSIM_BLESS=1 cargo test --test readme`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Code in these languages is taken from a file; commands need not be.
const COMPILED: [&str; 5] = ["c", "cpp", "julia", "python", "rust"];
const FENCE: &str = "```";
/// Held by whoever works with the documents: one test may write them.
static DOCUMENTS: Mutex<()> = Mutex::new(());

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/images/README.md", "kernels/README.md"]
            .into_iter()
            .map(|name| root().join(name))
            .collect();
    for binding in fs::read_dir(root().join("bindings")).into_iter().flatten() {
        found.push(binding.expect("the folder can be read").path().join("README.md"));
    }
    found.retain(|path| path.exists());
    found
}

/// Parts of a document: text, and blocks of code with the words after their opening fence.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Code { info: String, body: String },
}

fn parts(document: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut lines = document.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix(FENCE) else {
            text.push_str(line);
            continue;
        };
        let body = lines.by_ref().take_while(|line| !line.starts_with(FENCE)).collect();
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Code { info: info.trim().to_owned(), body });
    }
    parts.push(Part::Text(text));
    parts
}

fn joined(parts: &[Part]) -> String {
    let write = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Code { info, body } => format!("{FENCE}{info}\n{body}{FENCE}\n"),
    };
    parts.iter().map(write).collect()
}

fn named_file(info: &str) -> Option<&str> {
    info.split_whitespace().find_map(|word| word.strip_prefix("file="))
}

/// Where the links and pictures of a text lead, other sites and places on the same page left out.
fn linked_files(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://") && !target.starts_with('#')).collect()
}

#[test]
fn blocks_that_name_a_file_are_that_file() {
    let _guard = DOCUMENTS.lock();
    let mut compared = 0;
    for path in documents() {
        let document = fs::read_to_string(&path).expect("the document can be read");
        let name = path.strip_prefix(root()).expect("it is in the repository").display().to_string();
        let mut parts = parts(&document);
        assert_eq!(joined(&parts), document, "{name}: a block is not closed, or its fences are indented");
        for part in &mut parts {
            let Part::Code { info, body } = part else { continue };
            let Some(file) = named_file(info) else {
                let language = info.split_whitespace().next().unwrap_or("");
                let may_be_a_fragment = name != "README.md" || !COMPILED.contains(&language);
                assert!(may_be_a_fragment, "{name}: a block of {language} that names no file:\n{body}");
                continue;
            };
            let source =
                fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
            if std::env::var_os("FSSIM_BLESS").is_some() {
                *body = source;
            } else {
                assert!(
                    *body == source,
                    "{name}: the block is not {file}; refresh it with: FSSIM_BLESS=1 cargo test --test readme"
                );
            }
            compared += 1;
        }
        if std::env::var_os("FSSIM_BLESS").is_some() {
            fs::write(&path, joined(&parts)).expect("the document can be written");
        }
    }
    assert!(compared >= 1, "the README shows no code");
}

#[test]
fn linked_files_exist() {
    let _guard = DOCUMENTS.lock();
    let mut followed = 0;
    for path in documents() {
        let document = fs::read_to_string(&path).expect("the document can be read");
        for part in parts(&document) {
            let Part::Text(text) = part else { continue };
            for target in linked_files(&text) {
                let file = target.split('#').next().expect("split gives at least one part");
                let linked = path.parent().expect("a file has a folder").join(file);
                assert!(linked.exists(), "{} links to {target}, which is missing", path.display());
                followed += 1;
            }
        }
    }
    assert!(followed >= 5, "only {followed} links found");
}

#[test]
fn a_document_is_taken_apart_and_put_together() {
    let document = "a\n```c file=x.c\nint x;\n```\n[b](c.md#d) [e](https://f) ![g](h/i.png) [j](#k)\n";
    let parts = parts(document);
    assert_eq!(parts[1], Part::Code { info: "c file=x.c".to_owned(), body: "int x;\n".to_owned() });
    assert_eq!(named_file("c file=x.c"), Some("x.c"));
    assert_eq!(joined(&parts), document);
    let Part::Text(text) = &parts[2] else { panic!("{parts:?}") };
    assert_eq!(linked_files(text), ["c.md#d", "h/i.png"]);
}
