// The stream forms on device memory, through whatever libcuda.so.1 there is: a real driver, or the emulated one.
#include <fused_ssim.hpp>
#include <vector>

#include "../../../tests/c/check.h"
#include "../../../tests/c/driver.h"
#include "../../../tests/c/reference.h"

using namespace fused_ssim;

namespace {

const Shape shape{1, 3, 33, 41};
const std::size_t pixels = 1 * 3 * 33 * 41;
driver_functions driver;
std::vector<float> x(pixels), y(pixels);
std::vector<double> expected_gradient(pixels);
double expected_value;

// Device memory, owned.
class DeviceMemory {
  public:
    explicit DeviceMemory(std::size_t bytes) { CHECK(driver.allocate(&address_, bytes) == 0); }
    explicit DeviceMemory(const std::vector<float>& host) : DeviceMemory(host.size() * sizeof(float)) {
        CHECK(driver_upload(&driver, address_, host.data(), host.size() * sizeof(float)) == 0);
    }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    ~DeviceMemory() { CHECK(driver.release(address_) == 0); }

    float* get() const { return reinterpret_cast<float*>(static_cast<std::uintptr_t>(address_)); }

    std::vector<float> download(std::size_t count) const {
        std::vector<float> host(count);
        CHECK(driver.download(host.data(), address_, count * sizeof(float)) == 0);
        return host;
    }

  private:
    device_pointer address_ = 0;
};

void value_and_gradient_on_two_streams() {
    const std::size_t bytes = workspace_size(shape);
    DeviceMemory img1(x), img2(y);
    DeviceMemory ssim_a(4), ssim_b(4), gradient_a(pixels * 4), gradient_b(pixels * 4), work_a(bytes), work_b(bytes);
    void* streams[2] = {};
    for (void*& stream : streams) CHECK(driver.stream_create(&stream, STREAM_NON_BLOCKING) == 0);
    value_and_grad_stream(shape, img1.get(), img2.get(), ssim_a.get(), gradient_a.get(), nullptr, {work_a.get(), bytes},
                          streams[0]);
    value_and_grad_stream(shape, img2.get(), img1.get(), ssim_b.get(), nullptr, gradient_b.get(), {work_b.get(), bytes},
                          streams[1]);
    for (void* stream : streams) CHECK(driver.stream_synchronize(stream) == 0);
    CHECK_NEAR(ssim_a.download(1)[0], expected_value, 1e-6);
    CHECK_NEAR(ssim_b.download(1)[0], expected_value, 1e-6);
    CHECK_NEAR(reference_distance(gradient_a.download(pixels).data(), expected_gradient.data(), pixels), 0, 2e-6);
    CHECK_NEAR(reference_distance(gradient_b.download(pixels).data(), expected_gradient.data(), pixels), 0, 2e-6);
    for (void* stream : streams) CHECK(driver.stream_destroy(stream) == 0);
}

void forward_and_backward_on_a_stream() {
    const std::size_t bytes = workspace_size(shape);
    DeviceMemory img1(x), img2(y), ssim(4), gradient(pixels * 4), saved(saved_size(shape)), work(bytes);
    void* stream = nullptr;
    CHECK(driver.stream_create(&stream, STREAM_NON_BLOCKING) == 0);
    forward_stream(shape, img1.get(), img2.get(), ssim.get(), saved.get(), {work.get(), bytes}, stream);
    backward_stream(shape, img1.get(), img2.get(), saved.get(), nullptr, gradient.get(), nullptr, {work.get(), bytes},
                    stream);
    CHECK(driver.stream_synchronize(stream) == 0);
    CHECK_NEAR(ssim.download(1)[0], expected_value, 1e-6);
    CHECK_NEAR(reference_distance(gradient.download(pixels).data(), expected_gradient.data(), pixels), 0, 2e-6);
    CHECK(driver.stream_destroy(stream) == 0);
}

void a_masked_loss_on_a_stream() {
    std::vector<float> mask(33 * 41), gradient_on_host(pixels);
    for (std::size_t i = 0; i < mask.size(); i++) mask[i] = i % 3 == 0 ? 0.0f : static_cast<float>(i % 5);
    const Strides strides = Strides::shared(shape);
    const LossTerms terms{PixelLoss::L2, 0.4};
    for (MaskMode mode : {MaskMode::WeightedMean, MaskMode::MultiplyInputs, MaskMode::Normalized}) {
        const Options host_options = Options().mask({mask.data(), strides}, mode).output(Output::Dssim).window_size(7);
        const auto expected = loss(shape, x.data(), y.data(), gradient_on_host.data(), {}, terms, host_options);
        DeviceMemory device_mask(mask), img1(x), img2(y), values(3 * sizeof(float)), gradient(pixels * sizeof(float));
        const Options options = Options(host_options).mask({device_mask.get(), strides}, mode);
        const std::size_t bytes = workspace_size(shape, options);
        DeviceMemory work(bytes);
        void* stream = nullptr;
        CHECK(driver.stream_create(&stream, STREAM_NON_BLOCKING) == 0);
        loss_stream(shape, img1.get(), img2.get(), values.get(), gradient.get(), nullptr, {work.get(), bytes}, stream,
                    terms, options);
        CHECK(driver.stream_synchronize(stream) == 0);
        const std::vector<float> parts = values.download(3);
        CHECK_NEAR(parts[0], expected.loss, 1e-6);
        CHECK_NEAR(parts[1], expected.pixel, 1e-6);
        CHECK_NEAR(parts[2], expected.dissimilarity, 1e-6);
        const std::vector<double> reference(gradient_on_host.begin(), gradient_on_host.end());
        CHECK_NEAR(reference_distance(gradient.download(pixels).data(), reference.data(), pixels), 0, 4e-6);
        CHECK(driver.stream_destroy(stream) == 0);
    }
}

void shards_add_up() {
    DeviceMemory img1(x), img2(y), values(2 * sizeof(float));
    const Strides rows{3 * 33 * 41, 33 * 41, 41, 1};
    for (int i = 0; i < 2; i++) {
        const std::size_t top = i == 0 ? 0 : 10 * 41;
        const Options options = Options().shard({i == 0 ? 0 : 10, i == 0 ? 13 : 0, 33});
        forward(Shape{1, 3, i == 0 ? 33 : 23, 41}, {img1.get() + top, rows}, {img2.get() + top, rows}, values.get() + i,
                nullptr, options);
    }
    const std::vector<float> parts = values.download(2);
    CHECK_NEAR(parts[0] + parts[1], expected_value, 1e-6);
}

void synchronous_calls_take_device_memory() {
    DeviceMemory img1(x), img2(y), ssim(4), gradient(pixels * 4);
    value_and_grad_into(shape, img1.get(), img2.get(), ssim.get(), gradient.get());
    CHECK_NEAR(ssim.download(1)[0], expected_value, 1e-6);
    CHECK_NEAR(reference_distance(gradient.download(pixels).data(), expected_gradient.data(), pixels), 0, 2e-6);
}

void a_host_result_for_device_images_is_refused() {
    DeviceMemory img1(x), img2(y);
    try {
        (void)value(shape, img1.get(), img2.get());
        CHECK(!"nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.status() == FSSIM_ERROR_DEVICE);
        CHECK_MENTIONS(error.what(), "ssim");
    }
}

void device_information() {
    CHECK(device_count() >= 1);
    cuda_preload(0);
    const std::string info = backend_info();
    CHECK_MENTIONS(info.c_str(), "cuda");
}

}    // namespace

int main() {
    if (!driver_present()) {
        std::printf("skipped: device memory and streams: no CUDA driver (libcuda.so.1)\n");
        return 0;
    }
    driver = driver_open();
    reference_images(pixels, 41, x.data(), y.data());
    const reference_problem problem = reference_defaults(1, 3, 33, 41);
    std::vector<double> map(pixels);
    reference_map(&problem, x.data(), y.data(), map.data());
    reference_reduce(&problem, FSSIM_REDUCTION_MEAN, map.data(), &expected_value);
    reference_gradient(&problem, FSSIM_REDUCTION_MEAN, nullptr, x.data(), y.data(), expected_gradient.data());
    RUN(value_and_gradient_on_two_streams);
    RUN(forward_and_backward_on_a_stream);
    RUN(a_masked_loss_on_a_stream);
    RUN(shards_add_up);
    RUN(synchronous_calls_take_device_memory);
    RUN(a_host_result_for_device_images_is_refused);
    RUN(device_information);
    return finish();
}
