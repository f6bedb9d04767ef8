//! Random calls of every function of the C API, valid and hostile, each compared with what the header says: its status, and
//! if that is FSSIM_OK the oracle's numbers. Nothing but the outputs may change, and they only after a success.
//!
//! Every call has a number from which all of it follows. `FSSIM_RANDOM_CALLS=FIRST:COUNT` runs others than the usual ones, and
//! with `FSSIM_RANDOM_CALLS_TRACE=1` each number is printed first, for calls that end the process.

mod answer;
mod arguments;
mod elements;
mod model;
mod spoil;
mod table;

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, fssim_options, last_error};
use crate::support::Random;
pub use arguments::Arguments;

/// Bytes of the memory that a call's pointers lead to, other than its workspace.
pub const ARENA: usize = 1 << 20;

/// Where the memory of the calls lies.
pub trait World {
    /// Whether that is a CUDA device.
    const CUDA: bool;
    /// What the header promises for gradients, as a share of their norm, where images are constant or differ smoothly.
    const SMOOTH_GRADIENT_TOLERANCE: f64;

    /// The first of ARENA bytes, a multiple of 256.
    fn arena(&self) -> usize;
    fn write(&self, bytes: &[u8]);
    /// The bytes of the arena, after all work is done.
    fn read(&self) -> Vec<u8>;
    /// Memory for a workspace of at least that many bytes, a multiple of 256.
    fn workspace(&self, bytes: usize) -> usize;
    /// Memory of another kind, aligned, that the calls must refuse; None where there is none.
    fn foreign(&self) -> Option<usize>;
    /// A stream for the `_stream` forms.
    fn stream(&self) -> *mut c_void;
    /// Whether a driver answers here, for what has none of its memory.
    fn has_driver(&self) -> bool;
}

/// The calls to make: their first number, and how many.
fn numbers(usual: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("FSSIM_RANDOM_CALLS") else { return 0..usual };
    let (first, count) = text.split_once(':').unwrap_or((&text, "1"));
    let parse = |text: &str| text.parse::<u64>().expect("FSSIM_RANDOM_CALLS is FIRST:COUNT");
    parse(first)..parse(first) + parse(count)
}

/// Whether no others were asked for.
fn is_usual() -> bool {
    std::env::var_os("FSSIM_RANDOM_CALLS").is_none()
}

fn trace(what: &str, number: u64) {
    if std::env::var_os("FSSIM_RANDOM_CALLS_TRACE").is_some() {
        eprintln!("{what} call {number}");
    }
}

/// A random number generator's choices.
pub struct Choices(Random);

impl Choices {
    fn new(number: u64) -> Self {
        Choices(Random::new(number.wrapping_mul(0x2545_f491_4f6c_dd1d)))
    }

    /// 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        ((f64::from(self.0.unit()) * end as f64) as usize).min(end - 1)
    }

    /// `low` to `high`, both of them included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub fn of_mut<'a, T, const N: usize>(&mut self, items: [&'a mut T; N]) -> &'a mut T {
        let chosen = self.below(N);
        items.into_iter().nth(chosen).expect("below N")
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.unit())
    }
}

/// Valid calls of every kind that the README's table has, with their numbers compared.
pub fn valid_calls<W: World>(world: &W, usual: u64) {
    let mut made = table::Made::default();
    for number in numbers(usual) {
        trace("valid", number);
        let mut choices = Choices::new(number);
        let (arguments, memory) = arguments::valid::<W>(&mut choices, world);
        let status = model::status::<W>(&arguments, world);
        assert!(
            status == capi::OK || W::CUDA && arguments.options.img1.dtype == capi::DTYPE_F64,
            "call {number} is not valid: {status}, {arguments:?}"
        );
        check(world, &arguments, &memory, number, true);
        if status == capi::OK {
            made.add(&arguments);
        }
    }
    if is_usual() {
        made.check(W::CUDA);
    }
}

/// Calls of which one to three things are spoilt, most of them in a way that must be refused.
pub fn hostile_calls<W: World>(world: &W, usual: u64) {
    let (mut made, mut refused) = (0, 0);
    for number in numbers(usual) {
        trace("hostile", number);
        let mut choices = Choices::new(number ^ 1 << 40);
        let (mut arguments, memory) = arguments::valid::<W>(&mut choices, world);
        for _ in 0..choices.between(1, 3) {
            spoil::one_thing(&mut choices, &mut arguments, world);
        }
        check_sizes(&arguments, number);
        let status = model::status::<W>(&arguments, world);
        // Pointers to memory that is not there, and sizes that would take for ever, are the caller's affair.
        if status != capi::OK || arguments.stays_inside(world) {
            check(world, &arguments, &memory, number, false);
            made += 1;
            refused += u64::from(status != capi::OK);
        }
    }
    if is_usual() {
        assert!(made > usual * 3 / 4 && refused > usual / 2, "{made} of {usual} calls were made, {refused} refused");
    }
}

/// Makes a call and compares everything that can be seen of it. `exact`: whether the numbers are those of ordinary images, on
/// which the promised accuracy holds.
fn check<W: World>(world: &W, arguments: &Arguments, memory: &[u8], number: u64, exact: bool) {
    let mut memory = memory.to_vec();
    let want = model::status::<W>(arguments, world);
    if want == capi::OK && arguments.saved != 0 && arguments.function == Function::Backward {
        // What backward reads must come from a forward call.
        world.write(&memory);
        let nobody_looks_here = world.arena();
        let forward = Arguments { function: Function::Forward, ssim: nobody_looks_here, ..arguments.clone() };
        let status = forward.invoke();
        // What backward only reads may overlap what it reads; forward writes it.
        assert!(status == capi::OK || !exact, "call {number}: forward: {}\n{arguments:#?}", last_error());
        let after = world.read();
        let saved = arguments.saved - world.arena();
        let bytes = capi::saved_bytes(arguments.shape, &arguments.effective_options());
        memory[saved..saved + bytes].copy_from_slice(&after[saved..saved + bytes]);
    }
    world.write(&memory);
    let got = arguments.invoke();
    let message = last_error();
    assert_eq!(got, want, "call {number}: \"{message}\"\n{arguments:#?}");
    let after = world.read();
    if got != capi::OK {
        assert!(message.len() > 10, "call {number} is refused without a reason: \"{message}\"");
        assert!(after == memory, "call {number} was refused and wrote: \"{message}\"\n{arguments:#?}");
        return;
    }
    assert!(message.is_empty(), "call {number} succeeded and said \"{message}\"");
    answer::compare::<W>(world.arena(), arguments, &memory, &after, exact)
        .unwrap_or_else(|fault| panic!("call {number}: {fault}\n{arguments:#?}"));
    assert_eq!(arguments.invoke(), capi::OK, "call {number}, a second time: {}", last_error());
    assert!(world.read() == after, "call {number} gave other bits the second time\n{arguments:#?}");
}

/// `fssim_saved_size` and `fssim_workspace_size` say of shape and options what the calls say.
fn check_sizes(arguments: &Arguments, number: u64) {
    let want = model::sizes_status(arguments);
    let [n, c, h, w] = arguments.shape;
    let options = arguments.options_pointer();
    for function in [capi::fssim_saved_size, capi::fssim_workspace_size] {
        let mut bytes = usize::MAX;
        // SAFETY: the options are readable, and the result has a place.
        let status = unsafe { function(n, c, h, w, options, &mut bytes) };
        assert_eq!(status, want, "call {number}: \"{}\" of a size\n{arguments:#?}", last_error());
        assert_eq!(status == capi::OK, bytes != usize::MAX, "call {number}: {status} and {bytes} bytes");
        // SAFETY: the options are readable.
        let status = unsafe { function(n, c, h, w, options, ptr::null_mut()) };
        assert_eq!(status, capi::ERROR_NULL_POINTER, "call {number}");
    }
}

/// The functions that compute nothing, with whatever numbers.
pub fn other_functions(usual: u64) {
    for number in numbers(usual) {
        trace("other", number);
        let mut choices = Choices::new(number ^ 1 << 41);
        let any = spoil::any_i32(&mut choices);
        // SAFETY: returns a static string.
        let name = unsafe { std::ffi::CStr::from_ptr(capi::fssim_status_string(any)) };
        assert!(!name.is_empty(), "status {any} has no name");

        let mut options = fssim_options::default();
        let before = format!("{options:?}");
        let struct_size = spoil::any_struct_size(&mut choices);
        // SAFETY: the struct is as large as the only size that is not refused.
        let status = unsafe { capi::fssim_options_init(&mut options, struct_size) };
        let right = struct_size == size_of::<fssim_options>();
        assert_eq!(status, if right { capi::OK } else { capi::ERROR_STRUCT_SIZE }, "struct_size {struct_size}");
        assert_eq!(format!("{options:?}"), before);
        // SAFETY: NULL is refused.
        assert_eq!(unsafe { capi::fssim_options_init(ptr::null_mut(), struct_size) }, capi::ERROR_NULL_POINTER);

        let (mut text, length) = ([0x5au8; 300], choices.below(300));
        let mut needed = 0;
        // SAFETY: the buffer is at least as long as said.
        let status = unsafe { capi::fssim_backend_info(text.as_mut_ptr().cast(), length, &mut needed) };
        assert_eq!(status, capi::OK, "{}", last_error());
        assert!(text[length..].iter().all(|&byte| byte == 0x5a), "more than {length} bytes were written");
        let terminated = text[..length].iter().position(|&byte| byte == 0);
        assert_eq!(terminated, (length > 0).then(|| (length - 1).min(needed - 1)));

        let device = spoil::any_i32(&mut choices);
        let known = (0..capi::device_count().unwrap_or(0)).contains(&device);
        assert_eq!(capi::preload(device) == capi::OK, known, "device {device}: {}", last_error());
    }
}

/// Which function a call is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Forward,
    Backward,
    ValueAndGrad,
    Loss,
}
