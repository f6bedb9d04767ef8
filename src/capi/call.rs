//! One call from C, from raw pointers to a backend.
//!
//! The order of the checks is part of the contract: NULL, struct_size, shape, options, dtype and strides, what is not
//! supported, alignment, overlap, the device of each pointer, what only the CPU computes, stream, workspace. Nothing is
//! written before all passed.

use std::ffi::c_void;
use std::slice;

use super::options::{Demands, DeviceChoice, Request, read_problem};
use super::status::null_argument;
use super::types::fssim_options;
use crate::cpu::{self, Inputs};
use crate::cuda::{self, DevicePtr, Execution, Location};
use crate::layout::{Dtype, Sink, Source};
use crate::loss::Loss;
use crate::mask::Mask;
use crate::pixels::{Values, ValuesMut};
use crate::problem::Problem;
use crate::status::{Error, Result};

/// What to compute, with the pointers that only this operation has.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Forward { ssim: *mut c_void, saved: *mut c_void },
    Backward { saved: *const c_void, grad_ssim: *const c_void, grad_img1: *mut c_void, grad_img2: *mut c_void },
    ValueAndGrad { ssim: *mut c_void, grad_img1: *mut c_void, grad_img2: *mut c_void },
    Loss { pixel_loss: i32, lambda: f64, loss: *mut c_void, grad_img1: *mut c_void, grad_img2: *mut c_void },
}

/// The arguments of a call, as C gave them.
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) img1: *const c_void,
    pub(super) img2: *const c_void,
    pub(super) shape: [i64; 4],
    pub(super) options: *const fssim_options,
}

/// The arguments that only the `_stream` forms have.
pub(super) struct StreamArguments {
    pub(super) workspace: *mut c_void,
    pub(super) workspace_bytes: usize,
    pub(super) stream: *mut c_void,
}

impl Call {
    pub(super) fn new(operation: Operation) -> Self {
        Call { operation, img1: std::ptr::null(), img2: std::ptr::null(), shape: [0; 4], options: std::ptr::null() }
    }
}

/// Alignment that `saved` and the workspace need, so that kernels may use 16-byte accesses.
const BUFFER_ALIGNMENT: usize = 16;

/// One argument as a range of memory.
#[derive(Clone)]
struct Argument {
    name: &'static str,
    address: usize,
    bytes: usize,
    alignment: usize,
    output: bool,
}

/// Checks everything and runs the call.
///
/// # Safety
/// Every pointer is NULL or valid, for as long as the call runs (on a stream: until its work has completed), for the
/// number of bytes that the shape and the options imply; outputs are not touched by anybody else meanwhile.
pub(super) unsafe fn run(call: &Call, stream: Option<&StreamArguments>) -> Result<()> {
    check_null(call)?;
    // SAFETY: options is NULL or valid, the caller's promise.
    let Request { problem, device, mask, terms } = unsafe { read_problem(call.options, call.shape, &demands(call)) }?;
    let arguments = arguments(call, &problem, mask);
    check_addresses(&arguments)?;
    match locate(&arguments, device)? {
        Location::Host => {
            if let Some(stream) = stream
                && !stream.stream.is_null()
            {
                return Err(Error::Stream(
                    "stream is not NULL, but the pointers are in host memory, where work runs at once".to_owned(),
                ));
            }
            // SAFETY: all checks passed, and the pointers are host memory.
            unsafe { run_on_cpu(call, &problem, mask, terms) }
        }
        Location::Device(ordinal) => run_on_cuda(call, &problem, mask, terms, &arguments, ordinal, stream),
    }
}

fn check_null(call: &Call) -> Result<()> {
    let require = |name, missing| if missing { Err(null_argument(name)) } else { Ok(()) };
    require("img1", call.img1.is_null())?;
    require("img2", call.img2.is_null())?;
    match call.operation {
        Operation::Forward { ssim, .. } => require("ssim", ssim.is_null()),
        Operation::Backward { grad_img1, grad_img2, .. } => require(
            "grad_img1 and grad_img2: at least one is required, and each",
            grad_img1.is_null() && grad_img2.is_null(),
        ),
        Operation::ValueAndGrad { ssim, grad_img1, grad_img2 } => {
            require("ssim", ssim.is_null())?;
            require(
                "grad_img1 and grad_img2: at least one is required, and each",
                grad_img1.is_null() && grad_img2.is_null(),
            )
        }
        Operation::Loss { loss, .. } => require("loss", loss.is_null()),
    }
}

/// The gradients that this call asks for.
fn gradients(call: &Call) -> [bool; 2] {
    match call.operation {
        Operation::Forward { .. } => [false; 2],
        Operation::Backward { grad_img1, grad_img2, .. }
        | Operation::ValueAndGrad { grad_img1, grad_img2, .. }
        | Operation::Loss { grad_img1, grad_img2, .. } => [!grad_img1.is_null(), !grad_img2.is_null()],
    }
}

/// What this call asks of its options.
fn demands(call: &Call) -> Demands {
    let gradients = gradients(call);
    match call.operation {
        Operation::Backward { saved, grad_ssim, .. } => Demands {
            gradients,
            from_saved: if saved.is_null() { [false; 2] } else { gradients },
            upstream: !grad_ssim.is_null(),
            ..Demands::NONE
        },
        Operation::Loss { pixel_loss, lambda, .. } => {
            Demands { gradients, loss: Some((pixel_loss, lambda)), ..Demands::NONE }
        }
        _ => Demands { gradients, ..Demands::NONE },
    }
}

fn arguments(call: &Call, problem: &Problem, mask: *const c_void) -> Vec<Argument> {
    let mut list = Vec::with_capacity(8);
    if let Some(spec) = &problem.mask {
        let bytes = spec.element.bytes();
        list.push(Argument {
            name: "mask",
            address: mask as usize,
            bytes: spec.strides.extent * bytes,
            alignment: bytes,
            output: false,
        });
    }
    let mut push = |name, pointer: *const c_void, elements: usize, size: usize, alignment, output| {
        if !pointer.is_null() {
            list.push(Argument { name, address: pointer as usize, bytes: elements * size, alignment, output });
        }
    };
    let [size1, size2] = problem.dtypes.map(Dtype::size);
    let [grad_size1, grad_size2] = problem.grad_dtypes.map(Dtype::size);
    let value = problem.precision().size();
    push("img1", call.img1, problem.img1.extent, size1, size1, false);
    push("img2", call.img2, problem.img2.extent, size2, size2, false);
    match call.operation {
        Operation::Forward { ssim, saved } => {
            push("ssim", ssim, problem.values(), value, value, true);
            push("saved", saved, problem.saved_elements(), value, BUFFER_ALIGNMENT, true);
        }
        Operation::Backward { saved, grad_ssim, grad_img1, grad_img2 } => {
            push("saved", saved, problem.saved_elements(), value, BUFFER_ALIGNMENT, false);
            push("grad_ssim", grad_ssim, problem.values(), value, value, false);
            push("grad_img1", grad_img1, problem.grad_img1.extent, grad_size1, grad_size1, true);
            push("grad_img2", grad_img2, problem.grad_img2.extent, grad_size2, grad_size2, true);
        }
        Operation::ValueAndGrad { ssim, grad_img1, grad_img2 } => {
            push("ssim", ssim, problem.values(), value, value, true);
            push("grad_img1", grad_img1, problem.grad_img1.extent, grad_size1, grad_size1, true);
            push("grad_img2", grad_img2, problem.grad_img2.extent, grad_size2, grad_size2, true);
        }
        Operation::Loss { loss, grad_img1, grad_img2, .. } => {
            push("loss", loss, Loss::values(problem), value, value, true);
            push("grad_img1", grad_img1, problem.grad_img1.extent, grad_size1, grad_size1, true);
            push("grad_img2", grad_img2, problem.grad_img2.extent, grad_size2, grad_size2, true);
        }
    }
    list
}

fn check_addresses(arguments: &[Argument]) -> Result<()> {
    for argument in arguments {
        if argument.address.checked_add(argument.bytes).is_none() {
            return Err(Error::Layout(format!(
                "{} is at {:#x} and {} bytes long, which is past the end of the address space",
                argument.name, argument.address, argument.bytes
            )));
        }
    }
    for argument in arguments {
        if argument.address % argument.alignment != 0 {
            return Err(Error::Alignment(format!(
                "{} is at {:#x}; it must be a multiple of {}",
                argument.name, argument.address, argument.alignment
            )));
        }
    }
    check_overlap(arguments)
}

fn check_overlap(arguments: &[Argument]) -> Result<()> {
    for (i, output) in arguments.iter().enumerate().filter(|(_, argument)| argument.output) {
        for (j, other) in arguments.iter().enumerate() {
            // Nothing is written to a buffer of no bytes.
            let apart = output.bytes == 0
                || other.bytes == 0
                || output.address + output.bytes <= other.address
                || other.address + other.bytes <= output.address;
            if i != j && !apart {
                return Err(Error::Overlap(format!(
                    "{} ({:#x}, {} bytes) overlaps {} ({:#x}, {} bytes); an output needs memory of its own",
                    output.name, output.address, output.bytes, other.name, other.address, other.bytes
                )));
            }
        }
    }
    Ok(())
}

/// Where the call runs: the place that all pointers share and that the options allow.
fn locate(arguments: &[Argument], choice: DeviceChoice) -> Result<Location> {
    let pointers: Vec<(&str, usize)> = arguments.iter().map(|argument| (argument.name, argument.address)).collect();
    match choice {
        DeviceChoice::Auto => cuda::locate(&pointers),
        DeviceChoice::Cpu => cuda::require_host(&pointers).map(|()| Location::Host),
        DeviceChoice::Cuda => cuda::require_device(&pointers).map(Location::Device),
    }
}

unsafe fn run_on_cpu(call: &Call, problem: &Problem, mask: *const c_void, terms: Option<Loss>) -> Result<()> {
    // Every pointer below was checked for NULL where it is required and for alignment, lies in host memory, and is valid
    // for the extent of its layout, or for its length in the precision of the problem, by the promise of `run`.
    let double = problem.precision() == Dtype::F64;
    let source = |pointer: *const c_void, dtype, strides| {
        // SAFETY: see above.
        unsafe { Source::from_raw(pointer.cast(), dtype, strides) }
    };
    let sink = |pointer: *mut c_void, dtype, strides| {
        // SAFETY: see above.
        (!pointer.is_null()).then(|| unsafe { Sink::from_raw(pointer.cast(), dtype, strides) })
    };
    let values = |pointer: *const c_void, length| {
        // SAFETY: see above.
        (!pointer.is_null()).then(|| unsafe {
            match double {
                true => Values::F64(slice::from_raw_parts(pointer.cast(), length)),
                false => Values::F32(slice::from_raw_parts(pointer.cast(), length)),
            }
        })
    };
    let values_mut = |pointer: *mut c_void, length| {
        // SAFETY: see above.
        unsafe {
            match double {
                true => ValuesMut::F64(slice::from_raw_parts_mut(pointer.cast(), length)),
                false => ValuesMut::F32(slice::from_raw_parts_mut(pointer.cast(), length)),
            }
        }
    };
    let [dtype1, dtype2] = problem.dtypes;
    let [grad_dtype1, grad_dtype2] = problem.grad_dtypes;
    let inputs = Inputs {
        img1: source(call.img1, dtype1, problem.img1),
        img2: source(call.img2, dtype2, problem.img2),
        // SAFETY: see above.
        mask: problem.mask.map(|spec| unsafe { Mask::from_raw(mask.cast(), spec) }),
    };
    let sinks = |grad_img1, grad_img2| {
        [sink(grad_img1, grad_dtype1, problem.grad_img1), sink(grad_img2, grad_dtype2, problem.grad_img2)]
    };
    match call.operation {
        Operation::Forward { ssim, saved } => {
            let saved = (!saved.is_null()).then(|| values_mut(saved, problem.saved_elements()));
            cpu::forward(problem, inputs, values_mut(ssim, problem.values()), saved)
        }
        Operation::Backward { saved, grad_ssim, grad_img1, grad_img2 } => cpu::backward(
            problem,
            inputs,
            values(saved, problem.saved_elements()),
            values(grad_ssim, problem.values()),
            sinks(grad_img1, grad_img2),
        ),
        Operation::ValueAndGrad { ssim, grad_img1, grad_img2 } => {
            cpu::value_and_grad(problem, inputs, values_mut(ssim, problem.values()), sinks(grad_img1, grad_img2))
        }
        Operation::Loss { loss, grad_img1, grad_img2, .. } => {
            let terms = terms.ok_or_else(|| Error::Internal("a loss without its terms".to_owned()))?;
            cpu::loss(problem, inputs, terms, values_mut(loss, Loss::values(problem)), sinks(grad_img1, grad_img2))
        }
    }
}

fn run_on_cuda(
    call: &Call,
    problem: &Problem,
    mask: *const c_void,
    terms: Option<Loss>,
    arguments: &[Argument],
    ordinal: i32,
    stream: Option<&StreamArguments>,
) -> Result<()> {
    cuda::refuse_unsupported(problem)?;
    let device_ptr = |pointer: *const c_void| DevicePtr(pointer as u64);
    let execution = match stream {
        None => Execution::Synchronous,
        Some(stream) => {
            cuda::check_stream(stream.stream, ordinal)?;
            check_workspace(stream, problem, arguments, ordinal)?;
            Execution::Stream { stream: stream.stream, workspace: device_ptr(stream.workspace) }
        }
    };
    let operation = match call.operation {
        Operation::Forward { ssim, saved } => {
            cuda::Operation::Forward { ssim: device_ptr(ssim), saved: device_ptr(saved) }
        }
        Operation::Backward { saved, grad_ssim, grad_img1, grad_img2 } => cuda::Operation::Backward {
            saved: device_ptr(saved),
            grad_ssim: device_ptr(grad_ssim),
            grads: [device_ptr(grad_img1), device_ptr(grad_img2)],
        },
        Operation::ValueAndGrad { ssim, grad_img1, grad_img2 } => cuda::Operation::ValueAndGrad {
            ssim: device_ptr(ssim),
            grads: [device_ptr(grad_img1), device_ptr(grad_img2)],
        },
        Operation::Loss { loss, grad_img1, grad_img2, .. } => cuda::Operation::Loss {
            terms: terms.ok_or_else(|| Error::Internal("a loss without its terms".to_owned()))?,
            loss: device_ptr(loss),
            grads: [device_ptr(grad_img1), device_ptr(grad_img2)],
        },
    };
    let inputs = cuda::Inputs { images: [device_ptr(call.img1), device_ptr(call.img2)], mask: device_ptr(mask) };
    cuda::run(problem, inputs, operation, ordinal, execution)
}

fn check_workspace(stream: &StreamArguments, problem: &Problem, arguments: &[Argument], ordinal: i32) -> Result<()> {
    let needed = cuda::workspace_bytes(problem);
    if stream.workspace.is_null() || stream.workspace_bytes < needed {
        return Err(Error::Workspace(format!(
            "workspace is {:p} with {} bytes; this call needs {needed} bytes (fssim_workspace_size)",
            stream.workspace, stream.workspace_bytes
        )));
    }
    let workspace = Argument {
        name: "workspace",
        address: stream.workspace as usize,
        bytes: needed,
        alignment: BUFFER_ALIGNMENT,
        output: true,
    };
    let mut all = arguments.to_vec();
    all.push(workspace);
    check_addresses(&all)?;
    cuda::require_on(ordinal, "workspace", stream.workspace as usize)
}
