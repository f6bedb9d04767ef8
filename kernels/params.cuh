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

// What whole numbers are divided by. A GPU has no instruction for it, and small images wait for what many make of it.
struct Divisor {
    int value;              // at least 1
    unsigned reciprocal;    // (2^32 - 1) / value
};

// One launch of a strip kernel. Block b works on strip b % strips, row chunk b / strips % chunks, plane
// first_plane + b / (strips * chunks).
struct StripParams {
    Image img1;    // images of shape (planes / channels, channels, height, width)
    Image img2;
    Image grad;    // gradient of img1, whose row 0 is that of the images, in memory or not
    float*
        map;    // NULL, or the dense SSIM map [planes][map_rows][map_right - map_left], row 0 being map_top, in memory or not
    float* saved_pu;    // saved partial planes [planes][height][saved_pitch]; NULL: not kept
    float* saved_pv;
    float* saved_mean1;    // for the gradient of img1
    float* saved_mean2;    // for the gradient of img2
    const float* upstream;
    double* partials;    // sum of 1 - SSIM over the map pixels of each block
    double*
        second_partials;    // of a loss: sum of |x - y| or of its square over the pixels of each block; else: of the weights
    int first_plane;
    Divisor channels;
    int height;
    int width;
    int own_begin;    // rows whose sums and gradients belong to this launch
    int own_end;
    int map_top;    // rows [map_top, map_bottom) and columns [map_left, map_right) have an SSIM
    int map_left;
    int map_bottom;
    int map_right;
    int map_rows;    // of a plane of the map and of an upstream gradient of its shape
    Divisor strips;
    Divisor chunks;
    int chunk_rows;    // output rows of a chunk
    int saved_pitch;
    int upstream_mode;    // UPSTREAM_*
    int planes_per_group;
    int pixel_mode;            // PIXELS_*
    int pixel_loss;            // PIXEL_*
    float scale1;              // multiplied onto every pixel of img1 on load
    float scale2;              // multiplied onto every pixel of img2 on load
    float two_c1;              // 2 (k1 L)^2, L being the range of the scaled pixels
    float two_c2;              // 2 (k2 L)^2
    float origin_squares;      // an origin is near if the squares of a stage about it add up to less
    float bright;              // origins above have to be left for much smaller samples
    float grad_scale;          // multiplied onto every gradient element: scale1 / pixels averaged
    float pixel_grad_scale;    // of a loss: multiplied onto the sign of x - y or onto x - y, and added
    float map_base;            // the map holds map_base - map_scale (1 - SSIM)
    float map_scale;
    float taps[WINDOW_TAPS];
    float tap_tails[WINDOW_TAPS - 1];    // tap_tails[k] = taps[k + 1] + ... + taps[WINDOW_TAPS - 1]
    int weight_parts;
    Image mask;    // weights of the pixels, for kernels that take a weighted mean
    const double*
        weight_sums;      // [groups][2][weight_parts]: parts of the sums of the weights over the map, and over all
                          // pixels, which gradients are divided by; NULL: they are not
    Image grad2;          // gradient of img2, for kernels that make both
    float grad_scale2;    // what grad_scale is to `grad`
};

// One launch of the reduction: block g writes out[g] = base - scale * sum of partials[g * per_group ...].
struct ReduceParams {
    const double* partials;
    float* out;
    long long per_group;
    double base;
    double scale;
};

// One launch of general_map.cu or general_gradient.cu. Block b works on column tile b % tile_columns, row tile
// b / tile_columns % tile_rows, plane first_plane + b / (tile_columns * tile_rows).
struct GeneralParams {
    Image img1;    // images of shape (planes / channels, channels, height, width)
    Image img2;
    Image grad1;    // gradients; data NULL: not wanted
    Image grad2;
    Image mask;    // weights: floats, or bytes of which 0 is 0 and everything else 1
    float*
        planes;    // [planes of the launch][rows][width] of 4 floats, then as many of 2 (PartialPixel); NULL: not wanted
    float* map;    // NULL, or the dense map [planes][map_bottom - map_top][map_right - map_left]
    const float* upstream;
    double* sums;              // for each block, sum of m (1 - SSIM) over the map pixels that it owns
    double* pixel_sums;        // the same of the pixel losses
    const double* totals;      // NULL, or [groups][2]: what the sums of the map and of the pixels are divided by
    long long plane_pixels;    // pixels of the planes, over all planes of the launch
    int first_plane;
    int channels;
    int height;
    int width;
    int planes_per_group;
    int tile_rows;
    int tile_columns;
    int row_begin;    // rows of the partial planes
    int row_end;
    int own_begin;    // rows whose sums and gradients belong to this launch
    int own_end;
    int map_top;    // the map covers rows [map_top, map_bottom) and columns [map_left, map_right)
    int map_left;
    int map_bottom;
    int map_right;
    int present_top;    // rows that have an SSIM: those of the map, and those of other shards that gradients depend on
    int present_bottom;
    int grad_row;    // the image row of a gradient's first
    int radius;
    int mask_mode;        // MASK_*
    int upstream_mode;    // UPSTREAM_*
    int pixel_loss;       // PIXEL_*
    float scale1;         // multiplied onto every element on load
    float scale2;
    float unscale;     // from the unit of what is computed with to that of the pixels
    float two_c1;      // 2 (k1 L)^2, L being the range of what is computed with
    float two_c2;      // 2 (k2 L)^2
    float map_base;    // the map holds map_base - map_scale (1 - SSIM)
    float map_scale;
    double grad_factor;      // multiplied onto the gradients of the map; divided by totals if there are some
    double pixel_factor;     // the same for those of the pixel losses
    double image_factor1;    // multiplied onto the gradients of the map of one image: scale1 and scale2, unrounded
    double image_factor2;
    double pixel_scale1;    // the same for those of the pixel losses: the images' own scales
    double pixel_scale2;
    float taps[MAX_TAPS];
};

// One launch of fssim_general_weights. A sum is that of `planes` planes of the mask, a plane being `tiles` tiles of
// WEIGHT_ROWS x WEIGHT_COLUMNS. Block b is part b % parts of sum first_sum + b / parts, and that adds up every tile_parts-th
// tile, from part % tile_parts on, of every plane_parts-th plane, from part / tile_parts on.
struct WeightParams {
    Image mask;
    double* sums;      // [groups][2][parts]: of the weights over the map, and over all pixels
    double repeats;    // planes of a group with the same weights
    int first_sum;
    int groups_per_sum;    // groups with the same weights
    int planes;
    int tiles;
    int plane_parts;
    Divisor parts;    // plane_parts * tile_parts
    Divisor tile_parts;
    Divisor column_tiles;
    Divisor channels;    // of the mask: 1 if all of an image share one
    int width;
    int own_begin;
    int own_end;
    int map_top;
    int map_left;
    int map_bottom;
    int map_right;
};

// One launch of fssim_general_totals: block g adds up totals[g][i] = sums[g][i][0] + ... for both i.
struct TotalParams {
    const double* sums;    // [groups][2][parts], of fssim_general_weights
    double* totals;        // [groups][2]: the weights of the map and of the pixels
    int parts;
};

// One launch of fssim_general_reduce: block g adds up sums[g * per_group ...].
struct GeneralReduceParams {
    const double* sums;
    const double* pixel_sums;     // NULL: no loss
    const double* map_weights;    // NULL, or of the weights of the map, which its sums are divided by
    const double* weight_sums;    // NULL, or [groups][2][weight_parts]: of the weights of the map and of the pixels
    float* out;
    long long per_group;
    int weight_parts;
    double divisor;       // what sums are divided by; 0: the sums of the weights
    double map_weight;    // without weights: the pixels of the map, and what its sums are divided by
    double map_total;
    double pixel_total;
    double pixel_unit;    // multiplied onto the pixel losses
    double base;          // the value is base - scale (1 - SSIM)
    double scale;
    double lambda;    // share of the dissimilarity in a loss
};
