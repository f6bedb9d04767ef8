// A training loop under a mask: in the target somebody stands before the scene, and the mask keeps the picture from
// learning them. The loss is that of 3D Gaussian splatting, 0.8 * L1 + 0.2 * (1 - SSIM).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fused_ssim.hpp>
#include <vector>

int main() {
    const fused_ssim::Shape shape{1, 3, 48, 64};
    const std::size_t plane = 48 * 64, pixels = 3 * plane;
    std::vector<float> picture(pixels, 0.5f), target(pixels), gradient(pixels);
    std::vector<std::uint8_t> mask(plane, 1);
    for (std::size_t i = 0; i < pixels; i++) {
        const std::size_t row = i % plane / 64, column = i % 64;
        const bool somebody = row > 10 && column > 25 && column < 40;
        target[i] = somebody ? 0.0f : 0.5f + 0.4f * std::sin(0.2f * static_cast<float>(row + column));
        if (somebody) mask[i % plane] = 0;
    }

    // One mask for all channels. Normalized keeps masked pixels out of the windows of their neighbours too.
    const fused_ssim::Options options =
        fused_ssim::Options().mask({mask.data(), fused_ssim::Strides::shared(shape)}, fused_ssim::MaskMode::Normalized);
    try {
        fused_ssim::Loss<float> first{}, last{};
        for (int step = 0; step < 200; step++) {
            last = fused_ssim::loss(shape, picture.data(), target.data(), gradient.data(), {}, {}, options);
            if (step == 0) first = last;
            for (std::size_t i = 0; i < pixels; i++) picture[i] -= 0.005f * static_cast<float>(pixels) * gradient[i];
        }
        std::printf("loss %.4f, after 200 steps %.4f (L1 %.4f, 1 - SSIM %.4f)\n", first.loss, last.loss, last.pixel,
                    last.dissimilarity);
        const bool untouched = picture[30 * 64 + 32] == 0.5f;
        return last.loss < first.loss / 5 && untouched ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const fused_ssim::Error& error) {
        std::fprintf(stderr, "status %d: %s\n", error.status(), error.what());
        return EXIT_FAILURE;
    }
}
