// The numbers that the kernels, the host code and the CPU backend must agree on. build/ reads every
// `constexpr int NAME = VALUE;` of this file into the Rust module `geometry`, so each is stated here only.
#pragma once

// Taps of the window in each direction.
constexpr int WINDOW_TAPS = 11;

// Rows that a block takes at a time; chunks of rows are a multiple of it.
constexpr int STAGE_ROWS = 4;

// Threads of a strip kernel's block, each with one column to read. Narrow strips fit every GPU's shared memory without
// asking for more, and leave many blocks to share a small image.
constexpr int STRIP_THREADS = 128;

// Columns of the map or of the gradient that a strip of value.cu or backward.cu produces.
constexpr int STRIP_COLUMNS = 116;

// Columns of the gradient that a strip of value_and_grad.cu produces.
constexpr int FUSED_STRIP_COLUMNS = 108;

// Blocks that fit a multiprocessor at once, by their registers: of value.cu, of backward.cu, which waits for memory more than
// the others, and of value_and_grad.cu. One more of each was measured on an H200: it spills, and is slower.
constexpr int STRIP_BLOCKS_PER_MULTIPROCESSOR = 4;
constexpr int BACKWARD_BLOCKS_PER_MULTIPROCESSOR = 5;
constexpr int FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR = 3;

// The same of backward.cu where it makes both gradients; value_and_grad.cu keeps its number.
constexpr int BOTH_BACKWARD_BLOCKS_PER_MULTIPROCESSOR = 4;

// Rows and columns of the map or of the gradient that a block of tile.cu produces.
constexpr int TILE_ROWS = 16;
constexpr int TILE_COLUMNS = 32;

// Threads of a block of tile.cu: for the value alone, and with the gradient.
constexpr int TILE_VALUE_THREADS = 192;
constexpr int TILE_FUSED_THREADS = 288;

// Blocks of tile.cu that fit a multiprocessor at once: for the value alone, and with the gradient.
constexpr int TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR = 8;
constexpr int TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR = 3;

// Bytes of dynamic shared memory of a block of value.cu, of backward.cu and of value_and_grad.cu.
constexpr int VALUE_SHARED_BYTES = 17920;
constexpr int BACKWARD_SHARED_BYTES = 15488;
constexpr int FUSED_SHARED_BYTES = 21824;

// The same of backward.cu and of value_and_grad.cu where they make both gradients.
constexpr int BOTH_BACKWARD_SHARED_BYTES = 19968;
constexpr int BOTH_FUSED_SHARED_BYTES = 26112;

// The same for tile.cu, for the value alone and with the gradient: less than any GPU grants without being asked.
constexpr int TILE_VALUE_SHARED_BYTES = 21120;
constexpr int TILE_FUSED_SHARED_BYTES = 43008;

// Threads of the reduction's block.
constexpr int REDUCE_THREADS = 256;

// What the elements of an image or a gradient are: 32-bit, IEEE half and bfloat16 floating point, bytes.
constexpr int ELEMENT_F32 = 0;
constexpr int ELEMENT_F16 = 1;
constexpr int ELEMENT_BF16 = 2;
constexpr int ELEMENT_U8 = 3;

// What is to be known of both images' pixels, bits of one number. Whether they are multiplied by their scales, or nothing is
// done because their range is right:
constexpr int PIXELS_SCALED = 1;
// which pair of element types they are, if it is one that kernels are compiled for: floats; halves or bfloat16 that nothing
// is done to; bytes of the same scale, a power of two; floats beside bytes whose scale is a power of two.
constexpr int PIXELS_F32 = 2;
constexpr int PIXELS_F16 = 4;
constexpr int PIXELS_BF16 = 8;
constexpr int PIXELS_U8 = 16;
constexpr int PIXELS_F32_U8 = 32;

// How the upstream gradient is read: ones; upstream[plane / planes_per_group]; upstream[plane][row - map_top][column -
// map_left].
constexpr int UPSTREAM_NONE = 0;
constexpr int UPSTREAM_GROUP = 1;
constexpr int UPSTREAM_MAP = 2;

// The most taps that a window may have.
constexpr int MAX_TAPS = 33;

// Rows and columns of the map or of the gradient that a block of general_map.cu or general_gradient.cu produces: a multiple
// of 4 rows for each warp, and 8 groups of 4 columns.
constexpr int GENERAL_ROWS = 16;
constexpr int GENERAL_COLUMNS = 32;

// Threads of those blocks: one for 4 pixels.
constexpr int GENERAL_THREADS = 128;

// Rows and columns of a mask that a block adds up at a time, its threads, and the most blocks that share a sum: the sums of
// all these are added up wherever the total is needed. At 1920x1080 each has one tile.
constexpr int WEIGHT_ROWS = 64;
constexpr int WEIGHT_COLUMNS = 128;
constexpr int WEIGHT_THREADS = 256;
constexpr int WEIGHT_PARTS = 256;

// Floats that general_map.cu leaves for general_gradient.cu for each pixel.
constexpr int GENERAL_PLANES = 6;

// What a mask does: nothing; sum(m S) / sum(m); both images are multiplied by it; that, with windows renormalised by it.
constexpr int MASK_NONE = 0;
constexpr int MASK_WEIGHTED_MEAN = 1;
constexpr int MASK_MULTIPLY_INPUTS = 2;
constexpr int MASK_NORMALIZED = 3;

// How pixels are compared: not at all; by |x - y|; by (x - y)^2.
constexpr int PIXEL_NONE = 0;
constexpr int PIXEL_L1 = 1;
constexpr int PIXEL_L2 = 2;
