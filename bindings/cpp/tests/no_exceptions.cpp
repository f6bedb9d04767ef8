// Compiled with -fno-exceptions -fno-rtti: the try_ functions are there.
#include <fused_ssim.hpp>
#include <vector>

#include "../../../tests/c/check.h"

static void try_functions_work_without_exceptions() {
    const fused_ssim::Shape shape{1, 1, 12, 12};
    std::vector<float> x(144, 0.25f), y(144, 0.5f), gradient(144);
    float ssim = -1;
    std::size_t bytes = 0;
    CHECK_OK(fused_ssim::try_value_and_grad(shape, x.data(), y.data(), &ssim, gradient.data()));
    CHECK(ssim > 0 && ssim < 1 && gradient[77] != 0);
    CHECK_OK(fused_ssim::try_workspace_size(shape, bytes));
    CHECK(bytes > 0);
    float loss[3] = {-1, -1, -1};
    const fused_ssim::Options masked = fused_ssim::Options().mask(y.data(), fused_ssim::MaskMode::Normalized);
    CHECK_OK(fused_ssim::try_loss(shape, x.data(), y.data(), loss, gradient.data(), {}, {}, masked));
    CHECK(loss[0] > 0 && loss[1] == 0.25f && loss[2] > 0);
    CHECK_STATUS(fused_ssim::try_forward(shape, nullptr, y.data(), &ssim), FSSIM_ERROR_NULL_POINTER);
}

int main() {
    RUN(try_functions_work_without_exceptions);
    return finish();
}
