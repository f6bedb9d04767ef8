"""Faults in what the kernels make of element types."""

from .fault import Fault

FAULTS = [
    Fault(
        "half-packed",
        "kernels/pixel_pairs.cuh",
        "four elements loaded at once are taken for four loaded one by one",
        "        if (packed) {\n            convert_quad",
        "        if (false) {\n            convert_quad",
    ),
    Fault(
        "half-last-columns",
        "kernels/elements.cuh",
        "no bounds check on the last columns of a gradient of 16 bits",
        "if (wanted[i]) *reinterpret_cast<unsigned short*>",
        "*reinterpret_cast<unsigned short*>",
    ),
    Fault(
        "half-order",
        "kernels/elements.cuh",
        "neighbours of 16 bits change places",
        "store_four(address, {pack_half2(value[0], value[1]),",
        "store_four(address, {pack_half2(value[1], value[0]),",
    ),
    Fault(
        "half-gradient-type",
        "kernels/elements.cuh",
        "a gradient of bf16 is stored as f16",
        "const float (&value)[COUNT], int type, unsigned short (&bits)[COUNT]) {\n    if (type == ELEMENT_F16) {",
        "const float (&value)[COUNT], int type, unsigned short (&bits)[COUNT]) {\n    if (type != ELEMENT_F32) {",
    ),
    Fault(
        "byte-sign",
        "kernels/elements.cuh",
        "bytes are read as if they had a sign",
        "return static_cast<float>(static_cast<unsigned char>(bits));",
        "return static_cast<float>(static_cast<signed char>(bits));",
    ),
    Fault(
        "pair-gradient",
        "kernels/elements.cuh",
        "a kernel for halves writes all gradients as halves",
        "bytes_of(type) != 2 || image.element_bytes == 4 ?",
        "bytes_of(type) != 2 ?",
    ),
    Fault(
        "pair-quad-of-bytes",
        "kernels/pixel_pairs.cuh",
        "of a quad of bytes the first is taken four times",
        "with_low_byte(large, __float_as_uint(bits[0]), i)",
        "with_low_byte(large, __float_as_uint(bits[0]), 0)",
    ),
    Fault(
        "pair-bytes-difference",
        "kernels/pixel_pairs.cuh",
        "differences of bytes below zero have no room",
        "fmaf(__uint_as_float(__float_as_uint(MIDDLE) + byte1 - byte2), scale, -MIDDLE * scale)",
        "fmaf(__uint_as_float(__float_as_uint(LARGE) + byte1 - byte2), scale, -LARGE * scale)",
    ),
    Fault(
        "pair-floats-and-bytes",
        "kernels/pixel_pairs.cuh",
        "the difference of floats and bytes is their sum",
        "v[i] = fmaf(p.scale1, x[i], -scaled);",
        "v[i] = fmaf(p.scale1, x[i], scaled);",
    ),
    Fault(
        "scale-second",
        "kernels/pixel_pairs.cuh",
        "the scale of the first image is that of the second as well",
        "const float scaled = p.scale2 * y;\n    const float lost = fmaf(p.scale2, y, -scaled);",
        "const float scaled = p.scale1 * y;\n    const float lost = fmaf(p.scale1, y, -scaled);",
    ),
    Fault(
        "scale-rounding",
        "kernels/pixel_pairs.cuh",
        "the difference of scaled pixels keeps the rounding of one of them: accuracy only",
        "const float lost = fmaf(p.scale2, y, -scaled);",
        "const float lost = 0.0f;",
    ),
]
