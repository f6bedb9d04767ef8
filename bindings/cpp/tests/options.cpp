// Windows, outputs, masks, row sharding and the training loss, on host memory.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fused_ssim.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "../../../tests/c/check.h"
#include "../../../tests/c/reference.h"

using namespace fused_ssim;

namespace {

const Shape shape{2, 3, 26, 21};
const std::size_t plane = 26 * 21, pixels = 2 * 3 * plane;
std::vector<float> x(pixels), y(pixels);

// Weights of shape (N, 1, H, W), a third of them 0.
std::vector<float> weights() {
    std::vector<float> mask(2 * plane);
    for (std::size_t i = 0; i < mask.size(); i++)
        mask[i] = i / 4 % 3 == 0 ? 0.0f : 0.25f * static_cast<float>(i % 5 + 1);
    return mask;
}

double sum(const std::vector<float>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

double distance(const std::vector<float>& a, const std::vector<float>& b) {
    const std::vector<double> expected(b.begin(), b.end());
    return reference_distance(a.data(), expected.data(), b.size());
}

void options_reach_the_library() {
    const std::uint8_t bytes[1] = {1};
    const fssim_options raw = Options()
                                  .output(Output::Dssim)
                                  .window(Window::Uniform)
                                  .window_size(7)
                                  .mask({bytes, Strides{1, 2, 3, 4}}, MaskMode::Normalized)
                                  .shard({5, 6, 700, 8.5})
                                  .raw();
    fssim_options expected;
    CHECK_OK(fssim_options_init(&expected, sizeof expected));
    expected.output = FSSIM_OUTPUT_DSSIM;
    expected.window = FSSIM_WINDOW_UNIFORM;
    expected.window_size = 7;
    expected.mask_mode = FSSIM_MASK_NORMALIZED;
    expected.mask = bytes;
    expected.mask_layout = {FSSIM_DTYPE_U8, 0, 0, 1, 2, 3, 4};
    expected.shard_rows_above = 5;
    expected.shard_rows_below = 6;
    expected.shard_height = 700;
    expected.shard_divisor = 8.5;
    CHECK(std::memcmp(&raw, &expected, sizeof raw) == 0);
}

void outputs() {
    const float ssim = value(shape, x.data(), y.data());
    std::vector<float> gradient(pixels), of_output(pixels);
    CHECK_NEAR(value_and_grad(shape, x.data(), y.data(), gradient.data()), ssim, 1e-6);
    const struct {
        Output output;
        float value, slope;
    } cases[] = {{Output::Ssim, ssim, 1}, {Output::OneMinusSsim, 1 - ssim, -1}, {Output::Dssim, (1 - ssim) / 2, -0.5f}};
    for (const auto& expected : cases) {
        const Options options = Options().output(expected.output);
        CHECK_NEAR(value_and_grad(shape, x.data(), y.data(), of_output.data(), {}, options), expected.value, 1e-6);
        std::vector<float> scaled(gradient);
        for (float& g : scaled) g *= expected.slope;
        CHECK_NEAR(distance(of_output, scaled), 0, 2e-6);
    }
}

void windows() {
    // A uniform window of 3 over planes of 3 x 3 with whole windows alone: the plain statistics of the nine pixels.
    const Shape small{1, 1, 3, 3};
    double mu_x = 0, mu_y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < 9; i++) {
        mu_x += x[i] / 9.0;
        mu_y += y[i] / 9.0;
        xx += x[i] * static_cast<double>(x[i]) / 9;
        yy += y[i] * static_cast<double>(y[i]) / 9;
        xy += x[i] * static_cast<double>(y[i]) / 9;
    }
    const double top = (2 * mu_x * mu_y + 1e-4) * (2 * (xy - mu_x * mu_y) + 9e-4);
    const double bottom = (mu_x * mu_x + mu_y * mu_y + 1e-4) * (xx - mu_x * mu_x + yy - mu_y * mu_y + 9e-4);
    const Options uniform = Options().window(Window::Uniform).window_size(3).padding(Padding::Valid);
    CHECK_NEAR(value(small, x.data(), y.data(), uniform), top / bottom, 1e-6);
    const Options narrow = Options().window_size(3).sigma(0.01).padding(Padding::Valid);
    // A Gaussian that narrow sees the middle pixel alone, which has no variance.
    const double a = x[4], b = y[4];
    CHECK_NEAR(value(small, x.data(), y.data(), narrow), (2 * a * b + 1e-4) / (a * a + b * b + 1e-4), 1e-6);
}

void a_mask_weights_the_mean() {
    const std::vector<float> mask = weights();
    std::vector<float> map(pixels);
    forward(shape, x.data(), y.data(), map.data(), nullptr, Options().reduction(Reduction::Map));
    double weighted = 0;
    for (std::size_t n = 0; n < 2; n++)
        for (std::size_t c = 0; c < 3; c++)
            for (std::size_t i = 0; i < plane; i++)
                weighted += static_cast<double>(mask[n * plane + i]) * map[(n * 3 + c) * plane + i];
    const Options options = Options().mask({mask.data(), Strides::per_image(shape)});
    CHECK_NEAR(value(shape, x.data(), y.data(), options), weighted / (3 * sum(mask)), 1e-6);
}

void a_mask_multiplies_the_images() {
    const std::vector<float> mask = weights();
    std::vector<float> mx(pixels), my(pixels), gradient(pixels), expected(pixels);
    const auto at = [&](std::size_t i) { return mask[i / (3 * plane) * plane + i % plane]; };
    for (std::size_t i = 0; i < pixels; i++) {
        mx[i] = at(i) * x[i];
        my[i] = at(i) * y[i];
    }
    const Options options = Options().mask({mask.data(), Strides::per_image(shape)}, MaskMode::MultiplyInputs);
    const float ssim = value_and_grad(shape, x.data(), y.data(), gradient.data(), {}, options);
    CHECK_NEAR(ssim, value_and_grad(shape, mx.data(), my.data(), expected.data()), 1e-6);
    for (std::size_t i = 0; i < pixels; i++) expected[i] *= at(i);
    CHECK_NEAR(distance(gradient, expected), 0, 4e-6);
}

void what_is_masked_out_has_no_influence() {
    // One mask of shape (H, W) of bytes, as bool and as numbers.
    const std::size_t width = 21;
    bool shown[26 * 21];
    std::vector<std::uint8_t> bytes(plane);
    std::vector<float> hidden(x);
    for (std::size_t i = 0; i < plane; i++) {
        shown[i] = i % width < 15;
        bytes[i] = shown[i] ? 200 : 0;
    }
    for (std::size_t i = 0; i < pixels; i++)
        if (!shown[i % plane]) hidden[i] = std::numeric_limits<float>::quiet_NaN();
    const Options as_bool = Options().mask({shown, Strides::shared(shape)}, MaskMode::Normalized);
    const Options as_bytes = Options().mask({bytes.data(), Strides::shared(shape)}, MaskMode::Normalized);
    const float ssim = value(shape, x.data(), y.data(), as_bool);
    CHECK(ssim > 0 && ssim < 1);
    CHECK(value(shape, hidden.data(), y.data(), as_bytes) == ssim);
    CHECK(std::isnan(value(shape, hidden.data(), y.data())));
}

void shards_add_up() {
    std::vector<float> whole(pixels);
    const float ssim = value_and_grad(shape, x.data(), y.data(), whole.data());
    // Rows 0 to 12 with ten below, rows 13 to 25 with ten above; gradients have the owned rows alone.
    const Strides rows{3 * plane, plane, 21, 1};
    const Shape band{2, 3, 23, 21};
    std::vector<float> joined(pixels);
    float total = 0;
    for (int i = 0; i < 2; i++) {
        const std::size_t top = i == 0 ? 0 : 3 * 21, owned = i == 0 ? 0 : 13 * 21;
        const Options options = Options().shard({i == 0 ? 0 : 10, i == 0 ? 10 : 0, 26});
        total += value_and_grad(band, {x.data() + top, rows}, {y.data() + top, rows}, {joined.data() + owned, rows}, {},
                                options);
    }
    CHECK_NEAR(total, ssim, 1e-6);
    CHECK_NEAR(distance(joined, whole), 0, 2e-6);
}

void the_loss_is_that_of_splatting() {
    double l1 = 0, l2 = 0;
    for (std::size_t i = 0; i < pixels; i++) {
        l1 += std::fabs(static_cast<double>(x[i]) - y[i]) / pixels;
        l2 += (static_cast<double>(x[i]) - y[i]) * (static_cast<double>(x[i]) - y[i]) / pixels;
    }
    std::vector<float> of_ssim(pixels), gradient(pixels), second(pixels), expected(pixels);
    const float ssim = value_and_grad(shape, x.data(), y.data(), of_ssim.data());
    const auto parts = loss(shape, x.data(), y.data(), gradient.data(), second.data());
    CHECK_NEAR(parts.pixel, l1, 1e-6);
    CHECK_NEAR(parts.dissimilarity, 1 - ssim, 1e-6);
    CHECK_NEAR(parts.loss, 0.8 * l1 + 0.2 * (1 - ssim), 1e-6);
    for (std::size_t i = 0; i < pixels; i++)
        expected[i] = static_cast<float>(0.8 * (x[i] > y[i] ? 1 : -1) / static_cast<double>(pixels) - 0.2 * of_ssim[i]);
    CHECK_NEAR(distance(gradient, expected), 0, 2e-6);
    CHECK(distance(second, expected) > 0.1);

    const auto other = loss(shape, x.data(), y.data(), {}, {}, {PixelLoss::L2, 0.5}, Options().output(Output::Dssim));
    CHECK_NEAR(other.pixel, l2, 1e-6);
    CHECK_NEAR(other.dissimilarity, (1 - ssim) / 2, 1e-6);
    CHECK_NEAR(other.loss, 0.5 * l2 + 0.25 * (1 - ssim), 1e-6);
    const std::vector<double> xd(x.begin(), x.end()), yd(y.begin(), y.end());
    const Loss<double> doubles = loss<double>(shape, xd.data(), yd.data());
    CHECK_NEAR(doubles.loss, parts.loss, 1e-6);
    CHECK(doubles.loss != static_cast<double>(static_cast<float>(doubles.loss)));
}

void a_loss_of_each_image_and_on_a_stream() {
    const Options options = Options().reduction(Reduction::PerImage);
    std::vector<float> values(6, -1.0f), again(6, -1.0f), gradient(pixels), second(pixels);
    loss_into(shape, x.data(), y.data(), values.data(), gradient.data(), {}, {}, options);
    for (std::int64_t n = 0; n < 2; n++) {
        const std::size_t first = static_cast<std::size_t>(n) * 3 * plane;
        const auto alone = loss(Shape{1, 3, 26, 21}, x.data() + first, y.data() + first);
        CHECK_NEAR(values[n], alone.loss, 1e-6);
        CHECK_NEAR(values[2 + n], alone.pixel, 1e-6);
        CHECK_NEAR(values[4 + n], alone.dissimilarity, 1e-6);
    }
    std::vector<std::max_align_t> memory(workspace_size(shape, options) / sizeof(std::max_align_t) + 1);
    const Workspace workspace{memory.data(), memory.size() * sizeof(std::max_align_t)};
    loss_stream(shape, x.data(), y.data(), again.data(), second.data(), nullptr, workspace, nullptr, {}, options);
    CHECK(again == values && second == gradient);
}

template <class Call>
fssim_status thrown_by(Call call, const std::string& word) {
    try {
        call();
    } catch (const Error& error) {
        CHECK_MENTIONS(error.what(), word.c_str());
        return error.status();
    }
    return FSSIM_OK;
}

void failures_throw_their_status_and_text() {
    const auto call = [](const Options& options) { return [&] { (void)value(shape, x.data(), y.data(), options); }; };
    CHECK(thrown_by(call(Options().window_size(4)), "window_size is 4") == FSSIM_ERROR_OPTION);
    CHECK(thrown_by(call(Options().shard({1, 0, 0})), "shard_height is 0") == FSSIM_ERROR_OPTION);
    const float* nowhere = nullptr;
    CHECK(thrown_by(call(Options().mask(nowhere)), "mask is NULL") == FSSIM_ERROR_OPTION);
    CHECK(thrown_by(call(Options().mask({x.data(), Strides{0, 0, 0, -1}})), "mask_layout") == FSSIM_ERROR_LAYOUT);
    const LossTerms too_much{PixelLoss::L1, 1.5};
    CHECK(thrown_by([&] { (void)loss(shape, x.data(), y.data(), {}, {}, too_much); }, "lambda is 1.5") ==
          FSSIM_ERROR_OPTION);
    const Options map = Options().reduction(Reduction::Map), each = Options().reduction(Reduction::PerImage);
    std::vector<float> values(3 * pixels);
    CHECK(thrown_by([&] { loss_into(shape, x.data(), y.data(), values.data(), {}, {}, {}, map); }, "MAP") ==
          FSSIM_ERROR_OPTION);
    CHECK(thrown_by([&] { (void)loss(shape, x.data(), y.data(), {}, {}, {}, each); }, "Mean") == FSSIM_ERROR_OPTION);
    CHECK(thrown_by([&] { (void)loss<double>(shape, x.data(), y.data()); }, "float") == FSSIM_ERROR_LAYOUT);
}

}    // namespace

int main() {
    reference_images(pixels, 21, x.data(), y.data());
    RUN(options_reach_the_library);
    RUN(outputs);
    RUN(windows);
    RUN(a_mask_weights_the_mean);
    RUN(a_mask_multiplies_the_images);
    RUN(what_is_masked_out_has_no_influence);
    RUN(shards_add_up);
    RUN(the_loss_is_that_of_splatting);
    RUN(a_loss_of_each_image_and_on_a_stream);
    RUN(failures_throw_their_status_and_text);
    return finish();
}
