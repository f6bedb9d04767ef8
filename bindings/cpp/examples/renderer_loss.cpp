// The loss of a renderer or trainer, on its own stream and in its own memory. No CUDA header is needed: a cudaStream_t
// is a pointer. Here everything lies in host memory, where the same calls run at once on the CPU, so this example runs
// anywhere.
#include <cstdio>
#include <cstdlib>
#include <fused_ssim.hpp>
#include <vector>

// What a renderer adds: made once for a resolution, then called once a frame, which only enqueues.
class SsimLoss {
  public:
    SsimLoss(fused_ssim::Shape shape, void* (*allocate)(std::size_t)) : shape_(shape) {
        workspace_.bytes = fused_ssim::workspace_size(shape);
        workspace_.data = allocate(workspace_.bytes);
    }

    // Rendered and target image, and where value and gradient go, are device memory of shape (N, C, H, W).
    void operator()(const float* rendered, const float* target, float* ssim, float* gradient, void* stream) const {
        fused_ssim::value_and_grad_stream(shape_, rendered, target, ssim, gradient, nullptr, workspace_, stream);
    }

  private:
    fused_ssim::Shape shape_;
    fused_ssim::Workspace workspace_;
};

// A renderer takes this from its own pool of device memory.
static void* allocate(std::size_t bytes) {
    static std::vector<std::max_align_t> pool;
    pool.resize(bytes / sizeof(std::max_align_t) + 1);
    return pool.data();
}

int main() {
    const fused_ssim::Shape shape{1, 3, 48, 64};
    const std::size_t pixels = 1 * 3 * 48 * 64;
    std::vector<float> rendered(pixels, 0.5f), target(pixels), gradient(pixels);
    for (std::size_t i = 0; i < pixels; i++) target[i] = i / 8 % 2 == 0 ? 0.25f : 0.75f;

    try {
        const SsimLoss loss(shape, allocate);
        void* stream = nullptr;
        float first = 0, ssim = 0;
        for (int step = 0; step < 50; step++) {
            loss(rendered.data(), target.data(), &ssim, gradient.data(), stream);
            if (step == 0) first = ssim;
            for (std::size_t i = 0; i < pixels; i++) rendered[i] += 0.01f * static_cast<float>(pixels) * gradient[i];
        }
        std::printf("SSIM %.4f, after 50 steps along its gradient %.4f\n", first, ssim);
        return ssim > first + 0.1f ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const fused_ssim::Error& error) {
        std::fprintf(stderr, "status %d: %s\n", error.status(), error.what());
        return EXIT_FAILURE;
    }
}
