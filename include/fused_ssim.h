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

#ifndef FUSED_SSIM_H
#define FUSED_SSIM_H

#include <stddef.h>
#include <stdint.h>

// Version of this header; fssim_version() is that of the library.
#define FSSIM_VERSION_MAJOR 0
#define FSSIM_VERSION_MINOR 1
#define FSSIM_VERSION_PATCH 0
#define FSSIM_VERSION (FSSIM_VERSION_MAJOR * 10000 + FSSIM_VERSION_MINOR * 100 + FSSIM_VERSION_PATCH)


// 32-bit floating point. The default.
#define FSSIM_DTYPE_F32 0

// 16-bit floating point (IEEE half).
#define FSSIM_DTYPE_F16 1

// bfloat16.
#define FSSIM_DTYPE_BF16 2

// Unsigned byte, for images only; `scale` defaults to data_range/255.
#define FSSIM_DTYPE_U8 3

// 64-bit floating point, on the CPU only, for both images and every gradient asked for, or for none. Then everything is
// computed in it, and `ssim`, `grad_ssim` and `saved` hold doubles.
#define FSSIM_DTYPE_F64 4

// Run where the pointers live: all on one CUDA device, or all in host memory (CPU). The default.
#define FSSIM_DEVICE_AUTO 0

// Run on the CPU; a device pointer is FSSIM_ERROR_DEVICE.
#define FSSIM_DEVICE_CPU 1

// Run on CUDA; a host pointer is FSSIM_ERROR_DEVICE.
#define FSSIM_DEVICE_CUDA 2

// The image is surrounded by zeros and every pixel has an SSIM: the map is H x W. The default.
#define FSSIM_PADDING_SAME 0

// Only pixels whose whole window lies inside the image count: the map is (H-w+1) x (W-w+1), w the window size.
#define FSSIM_PADDING_VALID 1

// One value: the mean over every pixel of every plane. The default. `ssim` holds 1 float.
#define FSSIM_REDUCTION_MEAN 0

// One value per image: the mean over its channels and pixels. `ssim` holds N floats.
#define FSSIM_REDUCTION_PER_IMAGE 1

// One value per channel of each image: the mean over its pixels. `ssim` holds N*C floats, [N][C].
#define FSSIM_REDUCTION_PER_CHANNEL 2

// No reduction. `ssim` holds the dense map, [N][C][H][W] (with `valid`: [N][C][H-w+1][W-w+1]).
#define FSSIM_REDUCTION_MAP 3

// Gaussian window, sampled at the pixel centres, truncated at window_size taps and normalised to sum 1. The default.
#define FSSIM_WINDOW_GAUSSIAN 0

// Uniform (box) window.
#define FSSIM_WINDOW_UNIFORM 1

// The result is SSIM. The default.
#define FSSIM_OUTPUT_SSIM 0

// The result is 1 - SSIM, and gradients are of that.
#define FSSIM_OUTPUT_ONE_MINUS_SSIM 1

// The result is (1 - SSIM) / 2, and gradients are of that.
#define FSSIM_OUTPUT_DSSIM 2

// No mask. The default.
#define FSSIM_MASK_NONE 0

// Weighted mean of the map: sum(m S) / sum(m), over each group of the reduction. A map holds the terms m S. Where m is zero
// SSIM does not count, even if it is NaN.
#define FSSIM_MASK_WEIGHTED_MEAN 1

// Both images are multiplied by the mask first; zeros stay zero, even where a pixel is NaN. The mean is over every pixel.
#define FSSIM_MASK_MULTIPLY_INPUTS 2

// Normalised convolution: the moments of a window are weighted by the mask inside it, mu = G*(m x) / G*m, so that pixels
// of weight zero have no influence at all; then the weighted mean.
#define FSSIM_MASK_NORMALIZED 3

// fssim_loss compares pixels by |img1 - img2|.
#define FSSIM_PIXEL_L1 0

// fssim_loss compares pixels by (img1 - img2)^2.
#define FSSIM_PIXEL_L2 1

// `saved` keeps what fssim_backward needs for grad_img1. The default.
#define FSSIM_SAVE_FOR_IMG1 1

// `saved` keeps what fssim_backward needs for grad_img2. Combine with `|`.
#define FSSIM_SAVE_FOR_IMG2 2

// What a call returns: FSSIM_OK or one of FSSIM_ERROR_*. Later versions may add values, so treat a value that
// you do not know as an error.
typedef int32_t fssim_status;

// How the elements of one image or gradient of shape (N, C, H, W) lie in memory.
//
// Element (n, c, h, w) is at pointer + n*stride_n + c*stride_c + h*stride_h + w*stride_w, counted in elements, not
// bytes. All four zero means dense NCHW. NHWC is {h*w*c, 1, w*c, c}; a Julia array of size (w, h, c, n) is dense NCHW;
// a crop of a larger image keeps the strides of the larger one, with the pointer at its first element. Strides must
// not be negative. An input may have zero strides (broadcast), as long as one of the four is not zero. Elements of a gradient
// must not share an address: each stride is larger than all that the dimensions of smaller strides reach together.
typedef struct fssim_layout {
  // FSSIM_DTYPE_*.
  int32_t dtype;
  // Set to zero.
  int32_t reserved;
  // What each element is multiplied by on load; data_range is that of the products. 0: the default of the dtype (1 for
  // floating point; data_range/255 for u8, so that bytes span the range, whichever it is). Divided by data_range it must
  // be a normal float. Ignored for gradients, which are those of the elements as stored: a scale multiplies them
  // too.
  double scale;
  // Elements from one image of the batch to the next.
  int64_t stride_n;
  // Elements from one channel to the next.
  int64_t stride_c;
  // Elements from one row to the next.
  int64_t stride_h;
  // Elements from one column to the next.
  int64_t stride_w;
} fssim_layout;

// Everything about a call that has a default. Fill it with fssim_options_init, then change what you need.
//
// The struct only ever grows at its end; struct_size tells the library which members the caller knows, and the
// others keep their defaults.
typedef struct fssim_options {
  // sizeof(fssim_options) of the header that the caller was compiled with. Set by fssim_options_init.
  size_t struct_size;
  // FSSIM_DEVICE_*.
  int32_t device;
  // FSSIM_PADDING_*.
  int32_t padding;
  // FSSIM_REDUCTION_*.
  int32_t reduction;
  // FSSIM_OUTPUT_*.
  int32_t output;
  // FSSIM_WINDOW_*.
  int32_t window;
  // Taps of the window in each direction: odd, 3 to 33. Default 11.
  int32_t window_size;
  // Standard deviation of the Gaussian window in pixels, > 0. Default 1.5.
  double sigma;
  // L, the distance between the smallest and the largest possible pixel value, > 0; 1/L must be a normal float. Default 1.
  double data_range;
  // k1 in C1 = (k1 L)^2, > 0; its square must be a normal float. Default 0.01.
  double k1;
  // k2 in C2 = (k2 L)^2, > 0; its square must be a normal float. Default 0.03.
  double k2;
  // Layout of img1.
  struct fssim_layout img1;
  // Layout of img2.
  struct fssim_layout img2;
  // Layout of grad_img1.
  struct fssim_layout grad_img1;
  // Layout of grad_img2.
  struct fssim_layout grad_img2;
  // Which gradients `saved` serves: FSSIM_SAVE_FOR_IMG1, FSSIM_SAVE_FOR_IMG2, or both. Must be the same in
  // fssim_saved_size, fssim_forward and fssim_backward.
  int32_t saved_for;
  // FSSIM_MASK_*.
  int32_t mask_mode;
  // The mask m: weights of at least 0, f32, or u8, where 0 is 0 and anything else is 1. NULL with FSSIM_MASK_NONE.
  // Where the whole mask is zero, nothing is compared: SSIM is 1, losses and gradients are 0.
  const void *mask;
  // Layout of the mask, whose shape is that of the images: all strides zero for a dense one of each channel, {h*w, 0, w, 1}
  // for one that the channels share, of shape (N, 1, H, W), {0, 0, w, 1} for one of shape (H, W).
  struct fssim_layout mask_layout;
  // Row sharding: rows of the true image present in memory above the first owned row. h counts them. There
  // must be window_size - 1 of them, or all that the image has there.
  int64_t shard_rows_above;
  // Row sharding: rows of the true image present in memory below the last owned row, as above.
  int64_t shard_rows_below;
  // Row sharding: height of the whole image; 0: it is not sharded. If it is, maps and gradients have the height of the
  // owned rows, and values are partial sums over them: the sum over all shards is the value of the whole image.
  int64_t shard_height;
  // Row sharding: what the sum is divided by; 0: the number of elements of the whole image that are averaged. Required
  // with a mask that weights the mean: the sum of the whole image's mask. It divides both parts of a loss.
  double shard_divisor;
} fssim_options;

// The call did what it says.
#define FSSIM_OK 0

// A required pointer is NULL.
#define FSSIM_ERROR_NULL_POINTER 1

// struct_size is not a size this library knows: fssim_options_init was not called, or the program was compiled
// against a newer header than the library it runs with.
#define FSSIM_ERROR_STRUCT_SIZE 2

// A size is zero, negative, too large to address, or an image is smaller than the window under `valid` padding.
#define FSSIM_ERROR_SHAPE 3

// An option holds a value outside its documented range.
#define FSSIM_ERROR_OPTION 4

// An unknown dtype, or one that does not go with the others, a scale that is not finite or too large or small for the data
// range, a negative stride, strides that reach further than can be addressed, or with which two elements of an output share
// an address.
#define FSSIM_ERROR_LAYOUT 5

// A pointer is not a multiple of its element size.
#define FSSIM_ERROR_ALIGNMENT 6

// The memory of an output, from its first to its last element, overlaps that of another argument.
#define FSSIM_ERROR_OVERLAP 7

// Pointers live on different devices, or not on the device that the options ask for.
#define FSSIM_ERROR_DEVICE 8

// The workspace is missing or smaller than fssim_workspace_size says.
#define FSSIM_ERROR_WORKSPACE 9

// The stream belongs to another device than the pointers, or a stream was given with host pointers.
#define FSSIM_ERROR_STREAM 10

// A well-formed request that this version does not implement. Nothing was computed.
#define FSSIM_ERROR_UNSUPPORTED 30

// No usable CUDA driver: not installed, too old, no device, or this is a forked child of a process that used CUDA.
#define FSSIM_ERROR_NO_CUDA 50

// A call of the CUDA driver failed. fssim_last_error names the call and the driver's own error.
#define FSSIM_ERROR_CUDA 51

// Host or device memory ran out.
#define FSSIM_ERROR_OUT_OF_MEMORY 52

// A defect of this library. Please report it with fssim_last_error and fssim_backend_info.
#define FSSIM_ERROR_INTERNAL 90

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Fills `options` with the defaults: `fssim_options options; fssim_options_init(&options, sizeof options);`.
//
// struct_size: sizeof(fssim_options) as the caller sees it.
fssim_status fssim_options_init(struct fssim_options *options,
                                size_t struct_size);

// Writes to *bytes the size of the `saved` buffer for a shape and options (NULL: the defaults). It is 0 where
// fssim_backward computes everything again: with a window of other than 11 taps, a uniform one or a sigma below 1.5, with
// a mask, or with row sharding.
fssim_status fssim_saved_size(int64_t n,
                              int64_t c,
                              int64_t h,
                              int64_t w,
                              const struct fssim_options *options,
                              size_t *bytes);

// Writes to *bytes the size of the workspace that the _stream calls need for a shape and options (NULL: the defaults).
// One size serves all of them, on every device. It is never 0. With a window of other than 11 taps, a uniform one
// or a sigma below 0.8, or with a mask that does more than weight the mean, some 25 MB of it, or 24 bytes for each pixel
// of about a hundred rows if that is more, keep what the gradients are made of.
fssim_status fssim_workspace_size(int64_t n,
                                  int64_t c,
                                  int64_t h,
                                  int64_t w,
                                  const struct fssim_options *options,
                                  size_t *bytes);

// A short English name of a status; never NULL. The string is static.
const char *fssim_status_string(fssim_status status);

// What went wrong in the calling thread's last call that returned a status: which argument, what it was, what was
// expected. Empty after a success; never NULL. The string is valid until the thread's next call.
const char *fssim_last_error(void);

// The version of the library that is running: major*10000 + minor*100 + patch. Compare with FSSIM_VERSION.
int32_t fssim_version(void);

// Writes to *count the number of CUDA devices that can be used; 0 without a driver.
fssim_status fssim_device_count(int32_t *count);

// Describes this library and machine in a few lines of text, for bug reports: version, CPU instruction set and threads,
// driver version, devices, and the kernel image that runs on each.
//
// buffer, buffer_bytes: where the NUL-terminated text goes; it is cut to fit. May be NULL, 0.
// needed_bytes: receives the length of the whole text with its NUL. May be NULL.
fssim_status fssim_backend_info(char *buffer,
                                size_t buffer_bytes,
                                size_t *needed_bytes);

// Loads the kernels for CUDA device `device` now, instead of at the first call that needs them. Call it before a graph
// capture: a first call inside one is an error on drivers that cannot load code then.
fssim_status fssim_cuda_preload(int32_t device);

// Sets how many threads a CPU call may use, for the whole process; 0: back to the default, which is the environment
// variable FSSIM_NUM_THREADS if that is a number above 0 when the first call reads it, or else the number of processors
// this process may run on. Results do not depend on it.
fssim_status fssim_set_num_threads(int32_t threads);

// How many threads a CPU call may use.
int32_t fssim_get_num_threads(void);

// Computes SSIM.
//
// img1, img2: the images, N*C*H*W elements each (inputs; layouts in the options). Their dtypes may differ, except that
//             f64 goes with f64 alone.
// n, c, h, w: their shape, each at least 1; h, w and n*c at most 2^31 - 4097.
// options:    NULL for the defaults: f32, dense NCHW, `same` padding, 11 taps, sigma 1.5, range 1, one mean.
// ssim:       result, dense floats (for images of f64: doubles); its length follows from options->reduction (1, N, N*C
//             or the map).
// saved:      NULL, or fssim_saved_size bytes, 16-byte aligned, that receive what fssim_backward needs.
//
// Synchronous: when it returns, the result is there. CUDA pointers run on the default stream of their device.
fssim_status fssim_forward(const void *img1,
                           const void *img2,
                           int64_t n,
                           int64_t c,
                           int64_t h,
                           int64_t w,
                           const struct fssim_options *options,
                           void *ssim,
                           void *saved);

// Computes the gradient of SSIM with respect to one or both images.
//
// img1, img2, n, c, h, w, options: as given to fssim_forward.
// saved:      what fssim_forward left, or NULL: recompute it (one pass over the images, no saved memory).
// grad_ssim:  upstream gradient, of the type and shape of `ssim`; NULL: ones.
// grad_img1, grad_img2: results, of the shape of the images (layouts in the options; f32, f16 or bf16 whatever the images
//             are, f64 for images of f64); NULL: not wanted. At least one is required, and with `saved` only those that
//             options->saved_for names.
//
// Synchronous, like fssim_forward.
fssim_status fssim_backward(const void *img1,
                            const void *img2,
                            int64_t n,
                            int64_t c,
                            int64_t h,
                            int64_t w,
                            const struct fssim_options *options,
                            const void *saved,
                            const void *grad_ssim,
                            void *grad_img1,
                            void *grad_img2);

// Computes SSIM and its gradient in one pass over the images; nothing is saved in between.
//
// The gradient is that of the value returned: of the mean, of each image's or channel's own mean, or, for
// FSSIM_REDUCTION_MAP, of the sum of the map. Arguments as in fssim_forward and fssim_backward; `ssim` and at least one
// gradient are required.
//
// Synchronous, like fssim_forward.
fssim_status fssim_value_and_grad(const void *img1,
                                  const void *img2,
                                  int64_t n,
                                  int64_t c,
                                  int64_t h,
                                  int64_t w,
                                  const struct fssim_options *options,
                                  void *ssim,
                                  void *grad_img1,
                                  void *grad_img2);

// Computes the loss of a training step and its gradient in one pass over the images:
//
//   L = (1 - lambda) * P + lambda * D
//
// with P the mean of |img1 - img2| or (img1 - img2)^2 over every pixel, in the unit of the pixels (after their
// scale; data_range does not divide it), and D the mean of 1 - SSIM, or of (1 - SSIM) / 2 if options->output is
// FSSIM_OUTPUT_DSSIM. FSSIM_PIXEL_L1, lambda 0.2 and the default options are the loss of 3D Gaussian splatting.
//
// img1, img2, n, c, h, w, options: as given to fssim_forward. options->reduction: the mean, or one loss per image or
//             channel; a map is FSSIM_ERROR_OPTION. With `valid` padding P is still over every pixel.
// pixel_loss: FSSIM_PIXEL_*.
// lambda:     share of D, 0 to 1. A part whose share is 0 adds nothing, even where it is NaN.
// loss:       result, 3 dense elements for each value of the reduction, f32 (f64 for images of f64): [3][values], first
//             every L, then every P, then every D.
// grad_img1, grad_img2: gradients of L, of the shape of the images (layouts in the options); NULL: not wanted. Where img1
//             equals img2, |img1 - img2| has the derivative 0.
//
// With a mask that weights the mean, P is sum(m |img1 - img2|) / sum(m); with FSSIM_MASK_MULTIPLY_INPUTS, P compares the
// multiplied images. Synchronous, like fssim_forward.
fssim_status fssim_loss(const void *img1,
                        const void *img2,
                        int64_t n,
                        int64_t c,
                        int64_t h,
                        int64_t w,
                        const struct fssim_options *options,
                        int32_t pixel_loss,
                        double lambda,
                        void *loss,
                        void *grad_img1,
                        void *grad_img2);

// fssim_forward, enqueued on the caller's CUDA stream.
//
// workspace, workspace_bytes: scratch memory on the same device, 16-byte aligned, of at least fssim_workspace_size
//             bytes. In use until the work enqueued here has completed; give calls that may run at the same time
//             workspaces of their own.
// stream:     a CUstream or cudaStream_t; NULL: the legacy default stream.
//
// Returns at once: it only enqueues, and never allocates or synchronises. Errors that the device reports later appear
// at the caller's next synchronisation. Host pointers run on the CPU at once; then the stream must be NULL and the
// workspace is not used.
fssim_status fssim_forward_stream(const void *img1,
                                  const void *img2,
                                  int64_t n,
                                  int64_t c,
                                  int64_t h,
                                  int64_t w,
                                  const struct fssim_options *options,
                                  void *ssim,
                                  void *saved,
                                  void *workspace,
                                  size_t workspace_bytes,
                                  void *stream);

// fssim_backward, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
fssim_status fssim_backward_stream(const void *img1,
                                   const void *img2,
                                   int64_t n,
                                   int64_t c,
                                   int64_t h,
                                   int64_t w,
                                   const struct fssim_options *options,
                                   const void *saved,
                                   const void *grad_ssim,
                                   void *grad_img1,
                                   void *grad_img2,
                                   void *workspace,
                                   size_t workspace_bytes,
                                   void *stream);

// fssim_value_and_grad, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
fssim_status fssim_value_and_grad_stream(const void *img1,
                                         const void *img2,
                                         int64_t n,
                                         int64_t c,
                                         int64_t h,
                                         int64_t w,
                                         const struct fssim_options *options,
                                         void *ssim,
                                         void *grad_img1,
                                         void *grad_img2,
                                         void *workspace,
                                         size_t workspace_bytes,
                                         void *stream);

// fssim_loss, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
fssim_status fssim_loss_stream(const void *img1,
                               const void *img2,
                               int64_t n,
                               int64_t c,
                               int64_t h,
                               int64_t w,
                               const struct fssim_options *options,
                               int32_t pixel_loss,
                               double lambda,
                               void *loss,
                               void *grad_img1,
                               void *grad_img2,
                               void *workspace,
                               size_t workspace_bytes,
                               void *stream);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FUSED_SSIM_H */
