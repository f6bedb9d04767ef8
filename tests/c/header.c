// The header alone, first and twice: it needs nothing before it and minds nothing after it. Also compiled as C++.
#include "fused_ssim.h"
#include "fused_ssim.h"

#include <stdio.h>

int main(void) {
    fssim_options options;
    if (fssim_options_init(&options, sizeof options) != FSSIM_OK) return 1;
    if (fssim_version() != FSSIM_VERSION || options.struct_size != sizeof options) return 1;
    printf("ok: header\n");
    return 0;
}
