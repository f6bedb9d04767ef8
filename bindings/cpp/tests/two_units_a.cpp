// The header in two translation units of one program: no symbol is defined twice, and an error of one is caught in the
// other.
#include "two_units.hpp"

#include <vector>

#include "../../../tests/c/check.h"

namespace {

void both_units_call_the_library() {
    const fused_ssim::Shape shape{1, 1, 12, 12};
    std::vector<float> x(144, 0.25f), y(144, 0.5f);
    const float here = fused_ssim::value(shape, x.data(), y.data());
    CHECK(here > 0 && here == ssim_of_the_other_unit(shape, x.data(), y.data()));
}

void errors_cross_units() { CHECK(error_of_the_other_unit().status() == FSSIM_ERROR_NULL_POINTER); }

}    // namespace

int main() {
    RUN(both_units_call_the_library);
    RUN(errors_cross_units);
    return finish();
}
