// Implemented in a second translation unit that includes the header as well.
#pragma once

#include <fused_ssim.hpp>
#include <fused_ssim.hpp>

float ssim_of_the_other_unit(const fused_ssim::Shape& shape, const float* x, const float* y);
fused_ssim::Error error_of_the_other_unit();
