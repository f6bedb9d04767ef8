// Parameters of the self-test kernels.
#pragma once

struct Vectors {
    float* out;
    const float* in;
    int n;
    int flag;    // what the kernel makes of it is its own business
};

struct alignas(64) OpaqueMap {
    unsigned long long words[16];
};

struct TensorParams {
    OpaqueMap map;
    float* out;
    int x;
    int y;
    int blocks;
};
