// The types of fused_ssim.hpp, which includes this: images, gradients, masks, and the options of a call.
#ifndef FUSED_SSIM_TYPES_HPP
#define FUSED_SSIM_TYPES_HPP

#include <cstddef>
#include <cstdint>

#include "fused_ssim.h"

namespace fused_ssim {

enum class Device : std::int32_t { Auto = FSSIM_DEVICE_AUTO, Cpu = FSSIM_DEVICE_CPU, Cuda = FSSIM_DEVICE_CUDA };
enum class Padding : std::int32_t { Same = FSSIM_PADDING_SAME, Valid = FSSIM_PADDING_VALID };
enum class Reduction : std::int32_t {
    Mean = FSSIM_REDUCTION_MEAN,
    PerImage = FSSIM_REDUCTION_PER_IMAGE,
    PerChannel = FSSIM_REDUCTION_PER_CHANNEL,
    Map = FSSIM_REDUCTION_MAP
};
// What of SSIM is returned: SSIM, 1 - SSIM, or (1 - SSIM) / 2. Gradients are of what is returned.
enum class Output : std::int32_t {
    Ssim = FSSIM_OUTPUT_SSIM,
    OneMinusSsim = FSSIM_OUTPUT_ONE_MINUS_SSIM,
    Dssim = FSSIM_OUTPUT_DSSIM
};
enum class Window : std::int32_t { Gaussian = FSSIM_WINDOW_GAUSSIAN, Uniform = FSSIM_WINDOW_UNIFORM };
// What a mask m does: weights the mean, sum(m S) / sum(m); multiplies both images first; or weights the pixels inside each
// window too, so that those of weight zero have no influence at all.
enum class MaskMode : std::int32_t {
    WeightedMean = FSSIM_MASK_WEIGHTED_MEAN,
    MultiplyInputs = FSSIM_MASK_MULTIPLY_INPUTS,
    Normalized = FSSIM_MASK_NORMALIZED
};
// What the pixel part of a loss is the mean of: |img1 - img2|, or (img1 - img2)^2.
enum class PixelLoss : std::int32_t { L1 = FSSIM_PIXEL_L1, L2 = FSSIM_PIXEL_L2 };
enum class SaveFor : std::int32_t {
    Img1 = FSSIM_SAVE_FOR_IMG1,
    Img2 = FSSIM_SAVE_FOR_IMG2,
    Both = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2
};

// Images, channels, rows, columns; each at least 1.
struct Shape {
    std::int64_t n = 1, c = 1, h = 0, w = 0;
};

// Elements (not bytes) from one image, channel, row, column to the next. All zero: dense NCHW.
struct Strides {
    std::int64_t n = 0, c = 0, h = 0, w = 0;

    // Channels last: pixels are C numbers side by side.
    [[nodiscard]] static constexpr Strides nhwc(const Shape& shape) noexcept {
        return {shape.h * shape.w * shape.c, 1, shape.w * shape.c, shape.c};
    }
    // A mask of shape (N, 1, H, W): the channels of an image share one.
    [[nodiscard]] static constexpr Strides per_image(const Shape& shape) noexcept {
        return {shape.h * shape.w, 0, shape.w, 1};
    }
    // A mask of shape (H, W), shared by all images and channels.
    [[nodiscard]] static constexpr Strides shared(const Shape& shape) noexcept { return {0, 0, shape.w, 1}; }
};

enum class Dtype : std::int32_t {
    F32 = FSSIM_DTYPE_F32,
    F16 = FSSIM_DTYPE_F16,
    BF16 = FSSIM_DTYPE_BF16,
    U8 = FSSIM_DTYPE_U8,
    F64 = FSSIM_DTYPE_F64
};

// An image to read, in host memory or on a CUDA device. The memory stays the caller's.
struct Image {
    const void* data;
    Strides strides;
    Dtype dtype;
    // What each element is multiplied by on load; 0: 1, and for bytes data_range/255.
    double scale = 0;

    // Implicit, so that a dense image is just its pointer.
    constexpr Image(const float* pixels, Strides layout = {}) noexcept : Image(pixels, Dtype::F32, layout) {}
    constexpr Image(const double* pixels, Strides layout = {}) noexcept : Image(pixels, Dtype::F64, layout) {}
    constexpr Image(const std::uint8_t* pixels, Strides layout = {}) noexcept : Image(pixels, Dtype::U8, layout) {}
    constexpr Image(std::nullptr_t) noexcept : Image(nullptr, Dtype::F32) {}
    // Any type, such as halves, for which C++17 has none.
    constexpr Image(const void* pixels, Dtype type, Strides layout = {}, double factor = 0) noexcept
        : data(pixels), strides(layout), dtype(type), scale(factor) {}
};

// The weights of pixels, of the shape of the images: floats of at least 0, or bytes, where 0 is 0 and anything else is 1. A
// dimension of stride 0 shares them: Strides::per_image, Strides::shared. The memory stays the caller's.
struct Mask {
    const void* data;
    Strides strides;
    Dtype dtype;

    constexpr Mask(const float* weights, Strides layout = {}) noexcept : Mask(weights, Dtype::F32, layout) {}
    constexpr Mask(const std::uint8_t* weights, Strides layout = {}) noexcept : Mask(weights, Dtype::U8, layout) {}
    constexpr Mask(const bool* weights, Strides layout = {}) noexcept : Mask(weights, Dtype::U8, layout) {
        static_assert(sizeof(bool) == sizeof(std::uint8_t), "a bool is read as a byte");
    }
    constexpr Mask(const void* weights, Dtype type, Strides layout = {}) noexcept
        : data(weights), strides(layout), dtype(type) {}
};

// Which rows of a larger image the images of a call are. Values are then parts of a sum, whose total over all shards is the
// value of the whole image; maps and gradients have the height of the owned rows.
struct Shard {
    // Rows in memory above the first owned one, and below the last: window_size - 1, or all that the whole image has there.
    std::int64_t rows_above = 0, rows_below = 0;
    // Rows of the whole image.
    std::int64_t height = 0;
    // What sums are divided by; 0: the number of elements of the whole image that are averaged. With a mask that weights
    // the mean it is required: the sum of the whole image's mask.
    double divisor = 0;
};

// The two parts of a loss: (1 - lambda) * the mean of what `pixel` says + lambda * the mean of 1 - SSIM (with Output::Dssim
// of (1 - SSIM) / 2). The defaults are the loss of 3D Gaussian splatting.
struct LossTerms {
    PixelLoss pixel = PixelLoss::L1;
    double lambda = 0.2;
};

// Where a gradient goes; nullptr: it is not wanted. Neither its strides nor its type need be those of the image, except
// that images of double have gradients of double.
struct Gradient {
    void* data;
    Strides strides;
    Dtype dtype;

    constexpr Gradient() noexcept : Gradient(nullptr) {}
    constexpr Gradient(std::nullptr_t) noexcept : Gradient(nullptr, Dtype::F32) {}
    constexpr Gradient(float* pixels, Strides layout = {}) noexcept : Gradient(pixels, Dtype::F32, layout) {}
    constexpr Gradient(double* pixels, Strides layout = {}) noexcept : Gradient(pixels, Dtype::F64, layout) {}
    constexpr Gradient(void* pixels, Dtype type, Strides layout = {}) noexcept
        : data(pixels), strides(layout), dtype(type) {}
};

// Where results go: floats, or for images of double doubles.
struct Values {
    void* data;

    constexpr Values(float* values) noexcept : data(values) {}
    constexpr Values(double* values) noexcept : data(values) {}
    constexpr Values(std::nullptr_t) noexcept : data(nullptr) {}
};

// An upstream gradient: floats, or for images of double doubles; nullptr: ones.
struct Upstream {
    const void* data;

    constexpr Upstream(const float* values) noexcept : data(values) {}
    constexpr Upstream(const double* values) noexcept : data(values) {}
    constexpr Upstream(std::nullptr_t) noexcept : data(nullptr) {}
};

// Scratch memory of a _stream call: workspace_size bytes on the device, 16-byte aligned, in use until the work enqueued
// with it has completed.
struct Workspace {
    void* data = nullptr;
    std::size_t bytes = 0;
};

namespace detail {

inline void lay_out(fssim_layout& layout, Dtype dtype, const Strides& strides, double scale = 0) noexcept {
    layout.dtype = static_cast<std::int32_t>(dtype);
    layout.scale = scale;
    layout.stride_n = strides.n;
    layout.stride_c = strides.c;
    layout.stride_h = strides.h;
    layout.stride_w = strides.w;
}

}    // namespace detail

// Everything that has a default: Options().padding(Padding::Valid).data_range(255).
class Options {
  public:
    // Where the library is older than this header and does not know its options, the first call that uses them says so.
    Options() noexcept {
        if (fssim_options_init(&raw_, sizeof raw_) != FSSIM_OK) raw_.struct_size = sizeof raw_;
    }

    Options& device(Device device) noexcept { return set(raw_.device, static_cast<std::int32_t>(device)); }
    Options& padding(Padding padding) noexcept { return set(raw_.padding, static_cast<std::int32_t>(padding)); }
    Options& reduction(Reduction reduction) noexcept {
        return set(raw_.reduction, static_cast<std::int32_t>(reduction));
    }
    Options& output(Output output) noexcept { return set(raw_.output, static_cast<std::int32_t>(output)); }
    Options& window(Window window) noexcept { return set(raw_.window, static_cast<std::int32_t>(window)); }
    // Pixels of the window in each direction: odd, 3 to 33. Default 11.
    Options& window_size(std::int32_t size) noexcept { return set(raw_.window_size, size); }
    // Standard deviation of a Gaussian window in pixels. Default 1.5.
    Options& sigma(double sigma) noexcept { return set(raw_.sigma, sigma); }
    // The mask must stay valid for as long as calls use these options.
    Options& mask(const Mask& mask, MaskMode mode = MaskMode::WeightedMean) noexcept {
        detail::lay_out(raw_.mask_layout, mask.dtype, mask.strides);
        raw_.mask = mask.data;
        return set(raw_.mask_mode, static_cast<std::int32_t>(mode));
    }
    Options& shard(const Shard& shard) noexcept {
        raw_.shard_rows_above = shard.rows_above;
        raw_.shard_rows_below = shard.rows_below;
        return set(raw_.shard_height, shard.height).set(raw_.shard_divisor, shard.divisor);
    }
    Options& saved_for(SaveFor images) noexcept { return set(raw_.saved_for, static_cast<std::int32_t>(images)); }
    // Largest possible minus smallest possible pixel value. Default 1.
    Options& data_range(double range) noexcept { return set(raw_.data_range, range); }
    Options& k1(double k1) noexcept { return set(raw_.k1, k1); }
    Options& k2(double k2) noexcept { return set(raw_.k2, k2); }

    // The C struct, for what has no member function here. Layouts are overwritten by those of the images of a call.
    [[nodiscard]] fssim_options& raw() noexcept { return raw_; }
    [[nodiscard]] const fssim_options& raw() const noexcept { return raw_; }

  private:
    template <class T>
    Options& set(T& member, T value) noexcept {
        member = value;
        return *this;
    }

    fssim_options raw_{};
};

}    // namespace fused_ssim

#endif    // FUSED_SSIM_TYPES_HPP
