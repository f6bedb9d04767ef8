// What the host hands to the kernels, by value. The same structs stand in src/cuda/params.rs; the emulator's test
// compares sizes and offsets.
#pragma once

#include "geometry.cuh"

// One image or gradient: element (n, c, h, w) is at data + n*stride_n + c*stride_c + h*stride_h + w*stride_w.
struct Image {
    char* data;
    long long stride_n;    // in bytes, as the others
    long long stride_c;
    long long stride_h;
    long long stride_w;
    int element;          // ELEMENT_*
    int element_bytes;    // of one element
};

// One launch of a strip kernel. Block b works on strip b % strips, row chunk b / strips % chunks, plane
// first_plane + b / (strips * chunks).
struct StripParams {
    Image img1;    // images of shape (planes / channels, channels, height, width)
    Image img2;
    Image grad;         // gradient of img1
    float* map;         // NULL, or the dense SSIM map [planes][map_bottom - map_top][map_right - map_left]
    float* saved_pu;    // saved partial planes [planes][height][saved_pitch]; NULL: not kept
    float* saved_pv;
    float* saved_mean1;    // for the gradient of img1
    float* saved_mean2;    // for the gradient of img2
    const float* upstream;
    double* partials;    // sum of 1 - SSIM over the map pixels of each block
    int first_plane;
    int channels;
    int height;
    int width;
    int map_top;    // the map covers rows [map_top, map_bottom) and columns [map_left, map_right)
    int map_left;
    int map_bottom;
    int map_right;
    int strips;
    int chunks;
    int chunk_rows;    // output rows of a chunk
    int saved_pitch;
    int upstream_mode;    // UPSTREAM_*
    int planes_per_group;
    int pixel_mode;          // PIXELS_*
    float scale1;            // multiplied onto every pixel of img1 on load
    float scale2;            // multiplied onto every pixel of img2 on load
    float two_c1;            // 2 (k1 L)^2, L being the range of the scaled pixels
    float two_c2;            // 2 (k2 L)^2
    float origin_squares;    // an origin is near if the squares of a stage about it add up to less
    float bright;            // origins above have to be left for much smaller samples
    float grad_scale;        // multiplied onto every gradient element: scale1 / pixels averaged
    float map_base;          // the map holds map_base - map_scale (1 - SSIM)
    float map_scale;
    float taps[WINDOW_TAPS];
    float tap_tails[WINDOW_TAPS - 1];    // tap_tails[k] = taps[k + 1] + ... + taps[WINDOW_TAPS - 1]
};

// One launch of the reduction: block g writes out[g] = base - scale * sum of partials[g * per_group ...].
struct ReduceParams {
    const double* partials;
    float* out;
    long long per_group;
    double base;
    double scale;
};
