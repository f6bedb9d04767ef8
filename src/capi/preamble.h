/*
 * fused-ssim: SSIM, its gradient and the losses built on it, in fused CUDA kernels and on the CPU.
 *
 *     float ssim;
 *     if (fssim_forward(img1, img2, 1, 3, height, width, NULL, &ssim, NULL) != FSSIM_OK)
 *       fprintf(stderr, "%s\n", fssim_last_error());
 *
 * WHAT IS COMPUTED
 *   For images x and y, a window G (default: Gaussian, 11 taps, sigma 1.5) and L the data range:
 *     S = (2 mu_x mu_y + C1) (2 cov_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (var_x + var_y + C2))
 *   with mu, var, cov the moments under G, C1 = (k1 L)^2, C2 = (k2 L)^2 (Wang, Bovik, Sheikh, Simoncelli 2004). Variances
 *   are those of the window, without Bessel's correction. Nothing is clamped. Images have the shape (N, C, H, W); each of
 *   the N*C planes is filtered on its own.
 *   Accuracy for f32 images, against a computation in f64: reduced values within 1e-6, map values within 5e-6, gradients
 *   within 2e-6 of their Euclidean norm (of images smaller than the window, or for a sigma below 0.5: 1e-5). Where
 *   img1 - img2 is smooth (one picture is a brighter copy of the other) or one image is constant, the gradient is a small
 *   difference of large terms; there CUDA keeps it within 1e-3 of its norm, the CPU within 1e-5.
 *   NaN and infinity reach exactly the pixels whose window sees them.
 *   f16, bf16 and u8 are read as the numbers that they are, times a scale, and computed in f32; a gradient is rounded once,
 *   to the nearest, when it is stored. f64 is computed in f64.
 *
 * OWNERSHIP
 *   All memory belongs to the caller. The library keeps no pointer after a call (after a _stream call: after the work
 *   that it enqueued has completed). Inputs are only read. Every element of an output is written, and nothing else.
 *   No output may overlap an input or another output.
 *
 * ERRORS
 *   Every function that can fail returns an fssim_status; fssim_status_string names it, and fssim_last_error tells what
 *   was wrong, with which argument, and what was expected. All checks come before the first write or launch, in this
 *   order: NULL, struct_size, shape, options, dtype and strides, unsupported combinations, alignment, overlap, the device
 *   of each pointer, what only the CPU computes, stream, workspace. A shape that options make too small (`valid` padding,
 *   row sharding) is found once those options themselves are right. Nothing here aborts, prints, or throws.
 *
 * DEVICES
 *   Work runs where the pointers live: host memory on the CPU, device memory on its CUDA device. Managed memory goes with
 *   the others. A call never copies between host and device. The CUDA driver is looked for at the first call that
 *   needs it; without one everything works on the CPU. fused-ssim needs no CUDA toolkit, to build or to run.
 *
 * STREAMS
 *   The plain calls are synchronous, on the default stream of the device. The _stream calls enqueue on the caller's stream
 *   and return at once: they allocate nothing, synchronise nothing, touch no other stream, and can be captured into a
 *   CUDA graph (call fssim_cuda_preload first). All their pointers must stay valid until that work has completed.
 *
 * THREADS
 *   Every function may be called from any thread at any time. Error texts are per thread. CPU calls use several threads
 *   (fssim_set_num_threads) that end with the call, so a forked child may use the library on host memory.
 *
 * DETERMINISM
 *   The same call on the same device gives the same bits, every time, on any stream. On the CPU the bits do not depend on
 *   the number of threads.
 */
