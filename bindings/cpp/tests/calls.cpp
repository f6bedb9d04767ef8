// What the header passes on to the C functions, and what it makes of their answers, on host memory.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fused_ssim.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "../../../tests/c/check.h"
#include "../../../tests/c/reference.h"

using namespace fused_ssim;

namespace {

const Shape shape{2, 3, 18, 25};
const std::size_t pixels = 2 * 3 * 18 * 25;
const reference_problem problem = reference_defaults(2, 3, 18, 25);
std::vector<float> x(pixels), y(pixels);

double expected_value(int reduction = FSSIM_REDUCTION_MEAN) {
    std::vector<double> map(pixels), values(pixels);
    reference_map(&problem, x.data(), y.data(), map.data());
    reference_reduce(&problem, reduction, map.data(), values.data());
    return values[0];
}

// How far a gradient is from the reference's.
double distance(const std::vector<float>& gradient, const std::vector<float>& of, const std::vector<float>& other,
                const float* upstream = nullptr, int reduction = FSSIM_REDUCTION_MEAN) {
    std::vector<double> expected(pixels);
    reference_gradient(&problem, reduction, upstream, of.data(), other.data(), expected.data());
    return reference_distance(gradient.data(), expected.data(), pixels);
}

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

std::unique_ptr<void, Free> aligned(std::size_t bytes) {
    return std::unique_ptr<void, Free>(std::aligned_alloc(16, (bytes + 15) / 16 * 16));
}

void value_returns_the_mean() { CHECK_NEAR(value(shape, x.data(), y.data()), expected_value(), 1e-6); }

void value_and_grad_returns_the_mean_and_writes_gradients() {
    std::vector<float> grad1(pixels), grad2(pixels);
    CHECK_NEAR(value_and_grad(shape, x.data(), y.data(), grad1.data(), grad2.data()), expected_value(), 1e-6);
    CHECK_NEAR(distance(grad1, x, y), 0, 2e-6);
    CHECK_NEAR(distance(grad2, y, x), 0, 2e-6);
    std::vector<float> only2(pixels);
    CHECK_NEAR(value_and_grad(shape, x.data(), y.data(), nullptr, only2.data()), expected_value(), 1e-6);
    CHECK_NEAR(distance(only2, y, x), 0, 2e-6);
}

void forward_and_backward_with_saved() {
    const Options options = Options().saved_for(SaveFor::Both).reduction(Reduction::PerImage);
    const auto saved = aligned(saved_size(shape, options));
    std::vector<float> ssim(2), grad1(pixels), grad2(pixels);
    const std::vector<float> upstream{0.25f, -2.0f};
    forward(shape, x.data(), y.data(), ssim.data(), saved.get(), options);
    CHECK_NEAR(ssim[0], expected_value(FSSIM_REDUCTION_PER_IMAGE), 1e-6);
    backward(shape, x.data(), y.data(), saved.get(), upstream.data(), grad1.data(), grad2.data(), options);
    CHECK_NEAR(distance(grad1, x, y, upstream.data(), FSSIM_REDUCTION_PER_IMAGE), 0, 2e-6);
    CHECK_NEAR(distance(grad2, y, x, upstream.data(), FSSIM_REDUCTION_PER_IMAGE), 0, 2e-6);
    std::vector<float> recomputed(pixels);
    backward(shape, x.data(), y.data(), nullptr, upstream.data(), recomputed.data(), {}, options);
    CHECK_NEAR(distance(recomputed, x, y, upstream.data(), FSSIM_REDUCTION_PER_IMAGE), 0, 2e-6);
}

void value_and_grad_into_writes_every_value() {
    std::vector<float> ssim(6, -1.0f), gradient(pixels);
    value_and_grad_into(shape, x.data(), y.data(), ssim.data(), gradient.data(), {},
                        Options().reduction(Reduction::PerChannel));
    CHECK_NEAR(ssim[0], expected_value(FSSIM_REDUCTION_PER_CHANNEL), 1e-6);
    CHECK(ssim[5] > 0);
    CHECK_NEAR(distance(gradient, x, y, nullptr, FSSIM_REDUCTION_PER_CHANNEL), 0, 2e-6);
}

void stream_forms_run_at_once_on_host_memory() {
    const Options options = Options().saved_for(SaveFor::Img2);
    const auto memory = aligned(workspace_size(shape, options)), saved = aligned(saved_size(shape, options));
    const Workspace workspace{memory.get(), workspace_size(shape, options)};
    std::vector<float> grad1(pixels), grad2(pixels);
    float ssim = -1;
    value_and_grad_stream(shape, x.data(), y.data(), &ssim, grad1.data(), nullptr, workspace, nullptr);
    CHECK_NEAR(ssim, expected_value(), 1e-6);
    CHECK_NEAR(distance(grad1, x, y), 0, 2e-6);
    ssim = -1;
    forward_stream(shape, x.data(), y.data(), &ssim, saved.get(), workspace, nullptr, options);
    CHECK_NEAR(ssim, expected_value(), 1e-6);
    backward_stream(shape, x.data(), y.data(), saved.get(), nullptr, nullptr, grad2.data(), workspace, nullptr,
                    options);
    CHECK_NEAR(distance(grad2, y, x), 0, 2e-6);
}

void strides_travel_with_the_pointers() {
    std::vector<float> interleaved(pixels), gradient(pixels), plain(pixels);
    for (std::size_t n = 0; n < 2; n++)
        for (std::size_t c = 0; c < 3; c++)
            for (std::size_t i = 0; i < 18 * 25; i++)
                interleaved[(n * 18 * 25 + i) * 3 + c] = x[(n * 3 + c) * 18 * 25 + i];
    const Strides nhwc = Strides::nhwc(shape);
    const float ssim =
        value_and_grad(shape, {interleaved.data(), nhwc}, y.data(), {gradient.data(), nhwc}, plain.data());
    CHECK_NEAR(ssim, expected_value(), 1e-6);
    CHECK_NEAR(distance(plain, y, x), 0, 2e-6);
    for (std::size_t i = 0; i < 18 * 25; i++) plain[i] = gradient[i * 3];
    std::vector<float> dense(pixels);
    CHECK_NEAR(value_and_grad(shape, x.data(), y.data(), dense.data()), ssim, 1e-6);
    for (std::size_t i = 0; i < 18 * 25; i++) CHECK_NEAR(plain[i], dense[i], 1e-8);
}

void options_reach_the_library() {
    const fssim_options raw = Options()
                                  .device(Device::Cpu)
                                  .padding(Padding::Valid)
                                  .reduction(Reduction::Map)
                                  .saved_for(SaveFor::Img2)
                                  .sigma(2.5)
                                  .data_range(255)
                                  .k1(0.02)
                                  .k2(0.05)
                                  .raw();
    CHECK(raw.struct_size == sizeof raw && raw.device == FSSIM_DEVICE_CPU && raw.padding == FSSIM_PADDING_VALID);
    CHECK(raw.reduction == FSSIM_REDUCTION_MAP && raw.saved_for == FSSIM_SAVE_FOR_IMG2 && raw.sigma == 2.5);
    CHECK(raw.data_range == 255 && raw.k1 == 0.02 && raw.k2 == 0.05);
    fssim_options defaults;
    CHECK_OK(fssim_options_init(&defaults, sizeof defaults));
    CHECK(std::memcmp(&defaults, &Options().raw(), sizeof defaults) == 0);
    CHECK(value(shape, x.data(), y.data(), Options().padding(Padding::Valid)) != value(shape, x.data(), y.data()));
}

template <class Call>
fssim_status thrown_by(Call call, const std::string& word) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(std::string(error.what()).find(word) != std::string::npos);
        return error.status();
    }
    return FSSIM_OK;
}

void bytes_and_halves_are_read_as_they_are() {
    std::vector<std::uint8_t> bytes(pixels);
    std::vector<std::uint16_t> halves(pixels, 0x3800);    // 0.5
    std::vector<float> from_bytes(pixels), from_halves(pixels, 0.5f), grad(pixels), expected(pixels);
    for (std::size_t i = 0; i < pixels; i++) {
        bytes[i] = static_cast<std::uint8_t>(255 * x[i]);
        from_bytes[i] = static_cast<float>(bytes[i]) / 255;
    }
    const float want = value_and_grad(shape, from_bytes.data(), from_halves.data(), nullptr, expected.data());
    const Image half_image(halves.data(), Dtype::F16);
    CHECK_NEAR(value_and_grad(shape, bytes.data(), half_image, nullptr, grad.data()), want, 1e-6);
    for (std::size_t i = 0; i < pixels; i++) CHECK_NEAR(grad[i], expected[i], 1e-5 * std::fabs(expected[i]) + 1e-8);
    // Bytes span the data range; another factor may be given.
    const Image scaled(halves.data(), Dtype::F16, {}, 255);
    CHECK_NEAR(value(shape, bytes.data(), scaled, Options().data_range(255)), want, 1e-6);
    // A gradient of bfloat16, the upper half of a float.
    std::vector<std::uint16_t> upper(pixels);
    (void)value_and_grad(shape, bytes.data(), half_image, nullptr, {upper.data(), Dtype::BF16});
    for (std::size_t i = 0; i < pixels; i++) {
        const std::uint32_t bits = static_cast<std::uint32_t>(upper[i]) << 16;
        float rounded = 0;
        std::memcpy(&rounded, &bits, sizeof rounded);
        CHECK_NEAR(rounded, grad[i], std::fabs(grad[i]) / 256);
    }
}

void doubles_are_computed_in_double() {
    const std::vector<double> xd(x.begin(), x.end()), yd(y.begin(), y.end());
    std::vector<double> grad(pixels), expected(pixels);
    const double ssim = value_and_grad<double>(shape, xd.data(), yd.data(), grad.data());
    // The reference rounds its taps to float; the result is no float.
    CHECK_NEAR(ssim, expected_value(), 1e-7);
    CHECK(ssim != static_cast<double>(static_cast<float>(ssim)));
    CHECK(value<double>(shape, xd.data(), yd.data()) == ssim);
    reference_gradient(&problem, FSSIM_REDUCTION_MEAN, nullptr, x.data(), y.data(), expected.data());
    for (std::size_t i = 0; i < pixels; i++) CHECK_NEAR(grad[i], expected[i], 1e-9);
    const double twice = 2;
    std::vector<double> again(pixels);
    backward(shape, xd.data(), yd.data(), nullptr, &twice, again.data());
    for (std::size_t i = 0; i < pixels; i++) CHECK_NEAR(again[i], 2 * grad[i], 1e-15);
    CHECK(thrown_by([&] { (void)value(shape, xd.data(), yd.data()); }, "value<double>") == FSSIM_ERROR_LAYOUT);
    CHECK(thrown_by([&] { (void)value<double>(shape, x.data(), y.data()); }, "float") == FSSIM_ERROR_LAYOUT);
    CHECK(thrown_by([&] { (void)value<double>(shape, xd.data(), y.data()); }, "F64 alone") == FSSIM_ERROR_LAYOUT);
}

void failures_throw_their_status_and_text() {
    std::vector<float> out(pixels, 7.0f);
    const Shape none{1, 3, 0, 25};
    CHECK(thrown_by([&] { (void)value(none, x.data(), y.data()); }, "h is 0") == FSSIM_ERROR_SHAPE);
    CHECK(thrown_by([&] { (void)value(shape, nullptr, y.data()); }, "img1") == FSSIM_ERROR_NULL_POINTER);
    CHECK(thrown_by([&] { (void)value(shape, x.data(), y.data(), Options().sigma(-1)); }, "sigma") ==
          FSSIM_ERROR_OPTION);
    CHECK(thrown_by([&] { (void)value_and_grad(shape, x.data(), y.data(), nullptr); }, "grad_img1") ==
          FSSIM_ERROR_NULL_POINTER);
    CHECK(thrown_by([&] { (void)value_and_grad(shape, x.data(), y.data(), x.data()); }, "overlaps") ==
          FSSIM_ERROR_OVERLAP);
    CHECK(thrown_by([&] { forward(shape, {x.data(), {0, 0, 0, -1}}, y.data(), out.data()); }, "stride_w") ==
          FSSIM_ERROR_LAYOUT);
    CHECK(thrown_by([&] { backward(shape, x.data(), y.data(), nullptr, nullptr, nullptr); }, "grad_img1") ==
          FSSIM_ERROR_NULL_POINTER);
    CHECK(thrown_by([&] { (void)saved_size(none); }, "h is 0") == FSSIM_ERROR_SHAPE);
    CHECK(thrown_by([&] { (void)workspace_size(none); }, "h is 0") == FSSIM_ERROR_SHAPE);
    CHECK(thrown_by([&] { set_num_threads(-2); }, "threads") == FSSIM_ERROR_OPTION);
    CHECK(thrown_by([&] { cuda_preload(-1); }, "") != FSSIM_OK);
    for (float untouched : out) CHECK(untouched == 7.0f);
}

void one_float_is_only_returned_for_the_mean() {
    for (Reduction reduction : {Reduction::PerImage, Reduction::PerChannel, Reduction::Map}) {
        const Options options = Options().reduction(reduction);
        std::vector<float> gradient(pixels);
        CHECK(thrown_by([&] { (void)value(shape, x.data(), y.data(), options); }, "Mean") == FSSIM_ERROR_OPTION);
        CHECK(thrown_by([&] { (void)value_and_grad(shape, x.data(), y.data(), gradient.data(), {}, options); },
                        "Mean") == FSSIM_ERROR_OPTION);
    }
}

void try_functions_return_the_status() {
    float ssim = 7;
    static_assert(noexcept(try_forward(shape, x.data(), y.data(), &ssim)), "try_ functions do not throw");
    CHECK(try_forward(Shape{1, 3, 18, -25}, x.data(), y.data(), &ssim) == FSSIM_ERROR_SHAPE);
    CHECK_MENTIONS(fssim_last_error(), "w is -25");
    CHECK(ssim == 7);
    CHECK(try_forward(shape, x.data(), y.data(), &ssim) == FSSIM_OK);
    CHECK_NEAR(ssim, expected_value(), 1e-6);
}

void library_information() {
    CHECK(version() == FSSIM_VERSION);
    const std::string info = backend_info();
    CHECK_MENTIONS(info.c_str(), "cpu: ");
    CHECK(!info.empty() && info.find('\0') == std::string::npos);
    CHECK(device_count() >= 0);
    set_num_threads(2);
    CHECK(num_threads() == 2);
    set_num_threads(0);
    CHECK(num_threads() >= 1);
}

// Errors can be caught as what they derive from, and options are plain data.
static_assert(std::is_base_of_v<std::runtime_error, Error>);
static_assert(std::is_trivially_copyable_v<Options> && sizeof(Options) == sizeof(fssim_options));

}    // namespace

int main() {
    reference_images(pixels, 25, x.data(), y.data());
    RUN(value_returns_the_mean);
    RUN(value_and_grad_returns_the_mean_and_writes_gradients);
    RUN(forward_and_backward_with_saved);
    RUN(value_and_grad_into_writes_every_value);
    RUN(stream_forms_run_at_once_on_host_memory);
    RUN(strides_travel_with_the_pointers);
    RUN(options_reach_the_library);
    RUN(bytes_and_halves_are_read_as_they_are);
    RUN(doubles_are_computed_in_double);
    RUN(failures_throw_their_status_and_text);
    RUN(one_float_is_only_returned_for_the_mean);
    RUN(try_functions_return_the_status);
    RUN(library_information);
    return finish();
}
