"""Faults in the driver code."""

from .fault import Fault, Suite

PLAN = [
    Fault(
        "shared-bytes",
        "src/cuda/plan.rs",
        "a block gets too little shared memory",
        "Kernel::ValueAndGrad => FUSED_SHARED_BYTES,",
        "Kernel::ValueAndGrad => FUSED_SHARED_BYTES - 512,",
    ),
    Fault(
        "grad2-images",
        "src/cuda/plan.rs",
        "the images do not change roles for the gradient of img2",
        "if swapped { (sides[1], sides[0]) }",
        "if swapped { (sides[0], sides[1]) }",
    ),
    Fault(
        "grad2-strides",
        "src/cuda/plan.rs",
        "the gradient of img2 is written with the strides of the other",
        "if swapped { self.problem.grad_img2 }",
        "if swapped { self.problem.grad_img1 }",
    ),
    Fault(
        "grad2-saved",
        "src/cuda/plan.rs",
        "the gradient of img2 starts from the saved plane of img1",
        "if swapped { params.saved_mean2 }",
        "if swapped { params.saved_mean1 }",
    ),
    Fault(
        "chunk-count",
        "src/cuda/cut.rs",
        "the last chunk is missing",
        "chunks: height.div_ceil(chunk_rows), chunk_rows }",
        "chunks: (height / chunk_rows).max(1), chunk_rows }",
    ),
    Fault(
        "per-group",
        "src/cuda/plan.rs",
        "the reduction leaves out the blocks of all planes but one",
        "let per_group = self.problem.planes_per_group() * blocks_per_plane;",
        "let per_group = blocks_per_plane;",
    ),
    Fault(
        "gradient-scale",
        "src/cuda/plan.rs",
        "the gradient lacks the factor of the scaled pixels",
        "* Units::new(self.problem).scale) as f32",
        ") as f32",
    ),
    Fault(
        "later-launches",
        "src/cuda/plan.rs",
        "launches after the first write their partial sums to the wrong place",
        "(first_plane * cut.blocks() * size_of::<f64>()) as u64",
        "(first_plane * size_of::<f64>()) as u64",
        suite=Suite.UNIT,
    ),
    Fault(
        "workspace-bytes",
        "src/cuda/cut.rs",
        "the workspace is too small for the finest cut",
        "(problem.shape.planes() * blocks * size_of::<f64>())",
        "(problem.shape.planes() * strips * size_of::<f64>())",
    ),
]

DRIVER = [
    Fault(
        "launch-stream",
        "src/cuda/mod.rs",
        "kernels go to the default stream",
        "driver.launch(handle, shape, stream, launch.params.as_ptr())",
        "driver.launch(handle, shape, if stream.is_default() { stream } else { Stream::NULL }, launch.params.as_ptr())",
    ),
    Fault(
        "launch-error",
        "src/cuda/driver.rs",
        "a launch that failed counts as done",
        'self.check("cuLaunchKernel", code)',
        'self.check("cuLaunchKernel", code & 0)',
    ),
    Fault(
        "synchronize-error",
        "src/cuda/driver.rs",
        "an error of the work is lost at the end of a synchronous call",
        'self.check("cuStreamSynchronize", unsafe { (self.functions.cuStreamSynchronize)(stream) })',
        'self.check("cuStreamSynchronize", unsafe { (self.functions.cuStreamSynchronize)(stream) } & 0)',
    ),
    Fault(
        "primary-leak",
        "src/cuda/context.rs",
        "the primary context is not released",
        "with_cleanup(popped, self.driver.release_primary(self.device.handle))",
        "popped",
    ),
    Fault(
        "primary-leak-on-error",
        "src/cuda/context.rs",
        "the primary context is not released where it cannot be made current",
        "return with_cleanup(Err(error), driver.release_primary(device.handle));",
        "return Err(error);",
    ),
    Fault(
        "context-stays",
        "src/cuda/context.rs",
        "the library's context stays current after a call",
        "let popped = self.driver.pop_context();",
        "let popped = Ok(());",
    ),
    Fault(
        "context-of-other-device",
        "src/cuda/context.rs",
        "a current context counts whichever device it is of",
        "driver.current_context()?.is_some() && driver.current_device()? == device.handle",
        "driver.current_context()?.is_some()",
    ),
    Fault(
        "stream-of-other-device",
        "src/cuda/context.rs",
        "a stream of another device is accepted",
        "if owner == device.handle {",
        "if owner.ordinal() >= 0 {",
    ),
    Fault(
        "memory-leak",
        "src/cuda/context.rs",
        "the workspace of a synchronous call is not freed",
        "Some(memory) => unsafe { self.driver.free(memory) },",
        "Some(_) => Ok(()),",
    ),
    Fault(
        "cleanup-error",
        "src/cuda/context.rs",
        "an error of giving something back is lost",
        "cleanup.map(|()| value)",
        "cleanup.or(Ok(())).map(|()| value)",
    ),
    Fault(
        "library-leak",
        "src/cuda/module.rs",
        "a library without the wanted kernels stays loaded",
        "with_cleanup(Err(error), unsafe { driver.unload_library(library) })",
        "Err(error)",
    ),
    Fault(
        "image-of-another-gpu",
        "src/cuda/images.rs",
        "a device gets machine code of another major version",
        "|| major == capability.0 && minor < capability.1",
        "|| major <= capability.0 && minor < capability.1",
        suite=Suite.UNIT,
    ),
    Fault(
        "preload-forgets",
        "src/cuda/mod.rs",
        "preload does not keep the primary context",
        "if keep { context.leave_and_keep() } else { context.leave() }",
        "if keep { context.leave() } else { context.leave() }",
    ),
    Fault(
        "preload-some",
        "src/cuda/mod.rs",
        "preload leaves one kernel out",
        "Kernel::ALL.iter().try_for_each(",
        "Kernel::ALL.iter().skip(1).try_for_each(",
    ),
]

FAULTS = [*PLAN, *DRIVER]
