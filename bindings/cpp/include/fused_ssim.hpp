// fused-ssim for C++17: SSIM, its gradient and the losses built on it. Header-only, over fused_ssim.h, which says how
// errors, ownership, threads, streams and determinism work; nothing here computes, allocates or needs CUDA's headers.
//
//     #include <fused_ssim.hpp>
//
//     const fused_ssim::Shape shape{1, 3, height, width};
//     float ssim = fused_ssim::value(shape, img1, img2);
//     float same = fused_ssim::value_and_grad(shape, img1, img2, grad_img1);
//     float loss = fused_ssim::loss(shape, img1, img2, grad_img1).loss;    // 0.8 * L1 + 0.2 * (1 - SSIM)
//
// Every function that can fail throws fused_ssim::Error. The same functions with `try_` in front return the status
// instead and never throw (fssim_last_error has the text); they are all there is when exceptions are switched off.
#ifndef FUSED_SSIM_HPP
#define FUSED_SSIM_HPP

#include "fused_ssim_types.hpp"

#if defined(__cpp_exceptions)
#define FUSED_SSIM_EXCEPTIONS 1
#include <stdexcept>
#include <string>
#include <type_traits>
#endif

namespace fused_ssim {

namespace detail {

inline fssim_options merge(const Options& options, const Image& img1, const Image& img2, const Gradient& grad_img1 = {},
                           const Gradient& grad_img2 = {}) noexcept {
    fssim_options merged = options.raw();
    lay_out(merged.img1, img1.dtype, img1.strides, img1.scale);
    lay_out(merged.img2, img2.dtype, img2.strides, img2.scale);
    lay_out(merged.grad_img1, grad_img1.dtype, grad_img1.strides);
    lay_out(merged.grad_img2, grad_img2.dtype, grad_img2.strides);
    return merged;
}

}    // namespace detail

// Computes SSIM into `ssim` (1, N, N*C values or the map, by the reduction) and, unless it is nullptr, what `backward`
// needs into `saved` (saved_size bytes, 16-byte aligned).
[[nodiscard]] inline fssim_status try_forward(const Shape& shape, const Image& img1, const Image& img2, Values ssim,
                                              void* saved = nullptr, const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2);
    return fssim_forward(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, ssim.data, saved);
}

// Computes the gradients that are wanted. `saved`: what `forward` left, or nullptr: recompute. `grad_ssim`: upstream
// gradient of the shape of `ssim`, or nullptr: ones.
[[nodiscard]] inline fssim_status try_backward(const Shape& shape, const Image& img1, const Image& img2,
                                               const void* saved, Upstream grad_ssim, const Gradient& grad_img1,
                                               const Gradient& grad_img2 = {}, const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_backward(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, saved, grad_ssim.data,
                          grad_img1.data, grad_img2.data);
}

// Computes SSIM and the gradients that are wanted, of the value (for a map: of its sum), in one pass.
[[nodiscard]] inline fssim_status try_value_and_grad(const Shape& shape, const Image& img1, const Image& img2,
                                                     Values ssim, const Gradient& grad_img1,
                                                     const Gradient& grad_img2 = {},
                                                     const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_value_and_grad(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, ssim.data,
                                grad_img1.data, grad_img2.data);
}

// Computes the loss of a training step and the gradients of it that are wanted, in one pass. `loss` receives three values
// for each of the reduction's: [3][values], first every loss, then every pixel part, then every dissimilarity.
[[nodiscard]] inline fssim_status try_loss(const Shape& shape, const Image& img1, const Image& img2, Values loss,
                                           const Gradient& grad_img1 = {}, const Gradient& grad_img2 = {},
                                           const LossTerms& terms = {}, const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_loss(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged,
                      static_cast<std::int32_t>(terms.pixel), terms.lambda, loss.data, grad_img1.data, grad_img2.data);
}

// The _stream forms enqueue on the caller's CUDA stream (a CUstream or cudaStream_t) and return at once.
[[nodiscard]] inline fssim_status try_forward_stream(const Shape& shape, const Image& img1, const Image& img2,
                                                     Values ssim, void* saved, const Workspace& workspace, void* stream,
                                                     const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2);
    return fssim_forward_stream(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, ssim.data, saved,
                                workspace.data, workspace.bytes, stream);
}

[[nodiscard]] inline fssim_status try_backward_stream(const Shape& shape, const Image& img1, const Image& img2,
                                                      const void* saved, Upstream grad_ssim, const Gradient& grad_img1,
                                                      const Gradient& grad_img2, const Workspace& workspace,
                                                      void* stream, const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_backward_stream(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, saved,
                                 grad_ssim.data, grad_img1.data, grad_img2.data, workspace.data, workspace.bytes,
                                 stream);
}

[[nodiscard]] inline fssim_status try_value_and_grad_stream(const Shape& shape, const Image& img1, const Image& img2,
                                                            Values ssim, const Gradient& grad_img1,
                                                            const Gradient& grad_img2, const Workspace& workspace,
                                                            void* stream, const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_value_and_grad_stream(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged, ssim.data,
                                       grad_img1.data, grad_img2.data, workspace.data, workspace.bytes, stream);
}

[[nodiscard]] inline fssim_status try_loss_stream(const Shape& shape, const Image& img1, const Image& img2, Values loss,
                                                  const Gradient& grad_img1, const Gradient& grad_img2,
                                                  const Workspace& workspace, void* stream, const LossTerms& terms = {},
                                                  const Options& options = {}) noexcept {
    const fssim_options merged = detail::merge(options, img1, img2, grad_img1, grad_img2);
    return fssim_loss_stream(img1.data, img2.data, shape.n, shape.c, shape.h, shape.w, &merged,
                             static_cast<std::int32_t>(terms.pixel), terms.lambda, loss.data, grad_img1.data,
                             grad_img2.data, workspace.data, workspace.bytes, stream);
}

[[nodiscard]] inline fssim_status try_workspace_size(const Shape& shape, std::size_t& bytes,
                                                     const Options& options = {}) noexcept {
    return fssim_workspace_size(shape.n, shape.c, shape.h, shape.w, &options.raw(), &bytes);
}

[[nodiscard]] inline fssim_status try_saved_size(const Shape& shape, std::size_t& bytes,
                                                 const Options& options = {}) noexcept {
    return fssim_saved_size(shape.n, shape.c, shape.h, shape.w, &options.raw(), &bytes);
}

[[nodiscard]] inline fssim_status try_cuda_preload(std::int32_t device) noexcept { return fssim_cuda_preload(device); }

[[nodiscard]] inline fssim_status try_device_count(std::int32_t& count) noexcept { return fssim_device_count(&count); }

[[nodiscard]] inline fssim_status try_set_num_threads(std::int32_t threads) noexcept {
    return fssim_set_num_threads(threads);
}

// How many threads a CPU call may use.
[[nodiscard]] inline std::int32_t num_threads() noexcept { return fssim_get_num_threads(); }

// The version of the library that is running; compare with FSSIM_VERSION.
[[nodiscard]] inline std::int32_t version() noexcept { return fssim_version(); }

#ifdef FUSED_SSIM_EXCEPTIONS

// A call that failed: its FSSIM_ERROR_* and, as what(), which argument was wrong and what was expected.
class Error : public std::runtime_error {
  public:
    Error(fssim_status status, const std::string& message) : std::runtime_error(message), status_(status) {}

    [[nodiscard]] fssim_status status() const noexcept { return status_; }

  private:
    fssim_status status_;
};

namespace detail {

inline void check(fssim_status status) {
    if (status != FSSIM_OK) throw Error(status, fssim_last_error());
}

// `precise`: whether a double is returned.
inline void require_one_value(const Options& options, const Image& img1, bool precise) {
    if (options.raw().reduction != FSSIM_REDUCTION_MEAN)
        throw Error(FSSIM_ERROR_OPTION, "one value is returned, so reduction must be Mean; forward, "
                                        "value_and_grad_into and loss_into write the values of the others");
    if ((img1.dtype == Dtype::F64) != precise)
        throw Error(FSSIM_ERROR_LAYOUT, "img1: images of F64 have values of double: value<double>, "
                                        "value_and_grad<double>, loss<double>; others have values of float");
}

}    // namespace detail

// The mean SSIM of two images in host memory. T: float, or double for images of double.
template <class T = float>
[[nodiscard]] T value(const Shape& shape, const Image& img1, const Image& img2, const Options& options = {}) {
    detail::require_one_value(options, img1, std::is_same_v<T, double>);
    T ssim = 0;
    detail::check(try_forward(shape, img1, img2, &ssim, nullptr, options));
    return ssim;
}

// The mean SSIM of two images in host memory, and its gradients. T: float, or double for images of double.
template <class T = float>
[[nodiscard]] T value_and_grad(const Shape& shape, const Image& img1, const Image& img2, const Gradient& grad_img1,
                               const Gradient& grad_img2 = {}, const Options& options = {}) {
    detail::require_one_value(options, img1, std::is_same_v<T, double>);
    T ssim = 0;
    detail::check(try_value_and_grad(shape, img1, img2, &ssim, grad_img1, grad_img2, options));
    return ssim;
}

// A loss and its two parts: loss = (1 - lambda) * pixel + lambda * dissimilarity.
template <class T>
struct Loss {
    T loss, pixel, dissimilarity;
};

// The loss of a training step on images in host memory, with its parts, and the gradients that are wanted. T: float, or
// double for images of double.
template <class T = float>
[[nodiscard]] Loss<T> loss(const Shape& shape, const Image& img1, const Image& img2, const Gradient& grad_img1 = {},
                           const Gradient& grad_img2 = {}, const LossTerms& terms = {}, const Options& options = {}) {
    detail::require_one_value(options, img1, std::is_same_v<T, double>);
    T values[3] = {};
    detail::check(try_loss(shape, img1, img2, values, grad_img1, grad_img2, terms, options));
    return {values[0], values[1], values[2]};
}

// The functions from here on are those with `try_` in front, and throw. `value_and_grad_into` is try_value_and_grad, and
// `loss_into` try_loss.
inline void forward(const Shape& shape, const Image& img1, const Image& img2, Values ssim, void* saved = nullptr,
                    const Options& options = {}) {
    detail::check(try_forward(shape, img1, img2, ssim, saved, options));
}

inline void backward(const Shape& shape, const Image& img1, const Image& img2, const void* saved, Upstream grad_ssim,
                     const Gradient& grad_img1, const Gradient& grad_img2 = {}, const Options& options = {}) {
    detail::check(try_backward(shape, img1, img2, saved, grad_ssim, grad_img1, grad_img2, options));
}

inline void value_and_grad_into(const Shape& shape, const Image& img1, const Image& img2, Values ssim,
                                const Gradient& grad_img1, const Gradient& grad_img2 = {},
                                const Options& options = {}) {
    detail::check(try_value_and_grad(shape, img1, img2, ssim, grad_img1, grad_img2, options));
}

inline void loss_into(const Shape& shape, const Image& img1, const Image& img2, Values loss,
                      const Gradient& grad_img1 = {}, const Gradient& grad_img2 = {}, const LossTerms& terms = {},
                      const Options& options = {}) {
    detail::check(try_loss(shape, img1, img2, loss, grad_img1, grad_img2, terms, options));
}

inline void forward_stream(const Shape& shape, const Image& img1, const Image& img2, Values ssim, void* saved,
                           const Workspace& workspace, void* stream, const Options& options = {}) {
    detail::check(try_forward_stream(shape, img1, img2, ssim, saved, workspace, stream, options));
}

inline void backward_stream(const Shape& shape, const Image& img1, const Image& img2, const void* saved,
                            Upstream grad_ssim, const Gradient& grad_img1, const Gradient& grad_img2,
                            const Workspace& workspace, void* stream, const Options& options = {}) {
    detail::check(
        try_backward_stream(shape, img1, img2, saved, grad_ssim, grad_img1, grad_img2, workspace, stream, options));
}

inline void value_and_grad_stream(const Shape& shape, const Image& img1, const Image& img2, Values ssim,
                                  const Gradient& grad_img1, const Gradient& grad_img2, const Workspace& workspace,
                                  void* stream, const Options& options = {}) {
    detail::check(try_value_and_grad_stream(shape, img1, img2, ssim, grad_img1, grad_img2, workspace, stream, options));
}

inline void loss_stream(const Shape& shape, const Image& img1, const Image& img2, Values loss,
                        const Gradient& grad_img1, const Gradient& grad_img2, const Workspace& workspace, void* stream,
                        const LossTerms& terms = {}, const Options& options = {}) {
    detail::check(try_loss_stream(shape, img1, img2, loss, grad_img1, grad_img2, workspace, stream, terms, options));
}

// Bytes that the _stream calls need as workspace.
[[nodiscard]] inline std::size_t workspace_size(const Shape& shape, const Options& options = {}) {
    std::size_t bytes = 0;
    detail::check(try_workspace_size(shape, bytes, options));
    return bytes;
}

// Bytes that `forward` leaves for `backward`. For images of double set options.raw().img1.dtype and img2.dtype first.
[[nodiscard]] inline std::size_t saved_size(const Shape& shape, const Options& options = {}) {
    std::size_t bytes = 0;
    detail::check(try_saved_size(shape, bytes, options));
    return bytes;
}

// Loads the kernels for a device now; call it before a graph capture.
inline void cuda_preload(std::int32_t device) { detail::check(try_cuda_preload(device)); }

// CUDA devices that can be used; 0 without a driver.
[[nodiscard]] inline std::int32_t device_count() {
    std::int32_t count = 0;
    detail::check(try_device_count(count));
    return count;
}

// How many threads a CPU call may use; 0: back to the default.
inline void set_num_threads(std::int32_t threads) { detail::check(try_set_num_threads(threads)); }

// What this library and machine are, in a few lines, for bug reports.
[[nodiscard]] inline std::string backend_info() {
    std::size_t bytes = 0;
    detail::check(fssim_backend_info(nullptr, 0, &bytes));
    std::string text(bytes, '\0');
    detail::check(fssim_backend_info(text.data(), text.size(), nullptr));
    text.resize(text.find('\0'));
    return text;
}

#endif    // FUSED_SSIM_EXCEPTIONS

}    // namespace fused_ssim

#endif    // FUSED_SSIM_HPP
