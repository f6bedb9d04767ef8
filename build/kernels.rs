//! The images of the kernels: the committed PTX cut into one module for each kernel, so that a call loads what it
//! launches and nothing else, and with the feature `machine-code` what ptxas makes of these for each GPU generation.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

use miniz_oxide::deflate::compress_to_vec;

/// What `machine-code` embeds; each serves later minor versions of the same major one, too. In ascending order.
const ARCHITECTURES: [(u32, u32); 7] = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)];

/// The ptxas that tests/setup installs.
const PTXAS: &str = "ptxas-12.9.86/nvidia/cuda_nvcc/bin/ptxas";

/// A kernel and the PTX module that holds it alone.
struct Kernel {
    name: String,
    ptx: PathBuf,
    /// The oldest GPU that its PTX is for.
    target: (u32, u32),
}

/// Writes the modules, the machine code and images.rs, the table of both, to `out`.
pub fn write_images(ptx_folder: &Path, out: &Path) {
    println!("cargo::rerun-if-changed={}", ptx_folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(ptx_folder)
        .expect("kernels/ptx is part of the package")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ptx"))
        .collect();
    files.sort();
    let kernels: Vec<Kernel> = files.iter().flat_map(|file| write_modules(file, out)).collect();
    let architectures: &[(u32, u32)] = if env::var_os("CARGO_FEATURE_MACHINE_CODE").is_some() {
        compile(&kernels, out);
        &ARCHITECTURES
    } else {
        &[]
    };
    fs::write(out.join("images.rs"), table(&kernels, architectures, out)).expect("OUT_DIR is writable");
}

/// Cuts a PTX file into a module for each of its kernels: the file's head, the declarations that the kernel names, and the
/// kernel.
fn write_modules(file: &Path, out: &Path) -> Vec<Kernel> {
    let text = fs::read_to_string(file).expect("kernels/ptx is part of the package");
    let target = text
        .lines()
        .find_map(|line| line.strip_prefix(".target sm_")?.parse::<u32>().ok())
        .unwrap_or_else(|| panic!("{}: no line `.target sm_NN`", file.display()));
    let statements = statements(&text);
    let entries = statements.iter().filter(|statement| statement.contains(".entry "));
    let write_module = |entry: &&str| {
        let (_, head) = entry.split_once(".entry ").expect("the filter found it");
        let name = head.split(|c: char| !is_name(c)).next().unwrap_or_default().to_owned();
        let wanted = |statement: &&&str| match declared(statement) {
            _ if statement.contains(".entry ") => std::ptr::eq(**statement, *entry),
            Some(variable) => entry.split(|c: char| !is_name(c)).any(|word| word == variable),
            None => true,
        };
        let module: Vec<&str> = statements.iter().filter(wanted).copied().collect();
        let ptx = out.join(format!("{name}.ptx"));
        let module = module.join("\n") + "\n";
        fs::write(&ptx, &module).expect("OUT_DIR is writable");
        // The driver takes a C string.
        write_deflated(&ptx, (module + "\0").as_bytes());
        Kernel { name, ptx, target: (target / 10, target % 10) }
    };
    entries.map(write_module).collect()
}

/// The statements of a PTX module, without comments between them: a directive of one line, a declaration up to its
/// semicolon, a kernel up to its closing brace.
fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut position, mut depth) = (None, 0, 0);
    for line in text.split_inclusive('\n') {
        let end = position + line.len();
        let words = line.trim();
        if start.is_some() || !(words.is_empty() || words.starts_with("//")) {
            let begin = *start.get_or_insert(position);
            depth += words.matches('{').count();
            depth -= words.matches('}').count();
            let is_directive = [".version ", ".target ", ".address_size "].iter().any(|name| words.starts_with(name));
            if is_directive || depth == 0 && (words.ends_with(';') || words.ends_with('}')) {
                statements.push(text[begin..end].trim_end());
                start = None;
            }
        }
        position = end;
    }
    statements
}

/// The name of the variable that a statement declares, if it is no more than that.
fn declared(statement: &str) -> Option<&str> {
    let is_variable =
        [".global ", ".const ", ".shared ", ".extern .shared "].iter().any(|space| statement.starts_with(space));
    let before_value = statement.split(['=', '[', ';']).next()?;
    is_variable.then(|| before_value.split_whitespace().last()).flatten()
}

/// Whether a character can be part of a name in PTX.
fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_$%".contains(character)
}

/// Whether a GPU can run a kernel.
fn runs(kernel: &Kernel, architecture: (u32, u32)) -> bool {
    kernel.target <= architecture
}

/// Where an image is, deflated, for the library; as it is it would take three times the space.
fn deflated(image: &Path) -> PathBuf {
    let mut path = image.as_os_str().to_owned();
    path.push(".deflated");
    path.into()
}

fn write_deflated(image: &Path, content: &[u8]) {
    fs::write(deflated(image), compress_to_vec(content, 6)).expect("OUT_DIR is writable");
}

fn cubin(kernel: &Kernel, (major, minor): (u32, u32), out: &Path) -> PathBuf {
    out.join(format!("{}.sm_{major}{minor}.cubin", kernel.name))
}

/// Makes machine code of every kernel for every architecture, as many at a time as cargo allows.
fn compile(kernels: &[Kernel], out: &Path) {
    let ptxas = find_ptxas();
    let all = kernels.iter().flat_map(|kernel| ARCHITECTURES.map(|architecture| (kernel, architecture)));
    let jobs = Mutex::new(all.filter(|&(kernel, architecture)| runs(kernel, architecture)));
    let next = || jobs.lock().expect("no job panics while it holds the lock").next();
    let at_a_time = env::var("NUM_JOBS").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some((kernel, architecture)) = next() {
                    assemble(&ptxas, kernel, architecture, out);
                }
            });
        }
    });
}

fn assemble(ptxas: &Path, kernel: &Kernel, architecture: (u32, u32), out: &Path) {
    let (major, minor) = architecture;
    let mut command = Command::new(ptxas);
    command.arg(format!("--gpu-name=sm_{major}{minor}")).arg("--output-file").arg(cubin(kernel, architecture, out));
    let output = command.arg(&kernel.ptx).output().unwrap_or_else(|error| panic!("{}: {error}", ptxas.display()));
    assert!(
        output.status.success(),
        "ptxas failed with {} for {} on sm_{major}{minor}:\n{}{}",
        output.status,
        kernel.name,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let image = cubin(kernel, architecture, out);
    write_deflated(&image, &fs::read(&image).expect("ptxas wrote it"));
}

/// FSSIM_PTXAS, or what tests/setup put into the tools folder.
fn find_ptxas() -> PathBuf {
    for variable in ["FSSIM_PTXAS", "FSSIM_TOOLS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let tools = || set("FSSIM_TOOLS").or_else(|| Some(cache()?.join("fused-ssim")));
    let ptxas = set("FSSIM_PTXAS").or_else(|| Some(tools()?.join(PTXAS))).unwrap_or_default();
    let advice =
        "the feature machine-code takes ptxas of CUDA 12.8 or 12.9: run tests/setup ptxas, or set FSSIM_PTXAS to it";
    let version = Command::new(&ptxas).arg("--version").output();
    let version = version.unwrap_or_else(|error| panic!("{advice} ({}: {error})", ptxas.display())).stdout;
    // Older ones do not know sm_120, and what newer ones make is refused by the drivers of CUDA 12.
    let version = String::from_utf8_lossy(&version);
    let suits = ["release 12.8,", "release 12.9,"].iter().any(|release| version.contains(release));
    assert!(suits, "{advice} ({} is: {version})", ptxas.display());
    ptxas
}

/// The table as Rust source.
fn table(kernels: &[Kernel], architectures: &[(u32, u32)], out: &Path) -> String {
    let mut rust = String::new();
    let mut line = |text: String| writeln!(rust, "{text}").expect("writing to a String cannot fail");
    line(format!("const ARCHITECTURES: [(i32, i32); {}] = {architectures:?};", architectures.len()));
    line("static IMAGES: &[Images] = &[".to_owned());
    for kernel in kernels {
        let ptx = deflated(&kernel.ptx);
        line(format!("Images {{ kernel: c{:?}, ptx: include_bytes!({ptx:?}), machine_code: [", kernel.name));
        for &architecture in architectures {
            line(match runs(kernel, architecture) {
                true => format!("Some(include_bytes!({:?})),", deflated(&cubin(kernel, architecture, out))),
                false => "None,".to_owned(),
            });
        }
        line("] },".to_owned());
    }
    line("];".to_owned());
    rust
}
