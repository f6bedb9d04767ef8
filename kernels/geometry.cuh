// The numbers that the kernels, the host code and the CPU backend must agree on. build.rs reads every
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

// Blocks of a strip kernel that fit a multiprocessor at once, by their registers.
constexpr int STRIP_BLOCKS_PER_MULTIPROCESSOR = 4;

// Bytes of dynamic shared memory of a block of value.cu, of backward.cu and of value_and_grad.cu.
constexpr int VALUE_SHARED_BYTES = 17920;
constexpr int BACKWARD_SHARED_BYTES = 13440;
constexpr int FUSED_SHARED_BYTES = 21824;

// Threads of the reduction's block.
constexpr int REDUCE_THREADS = 256;

// How the upstream gradient is read: ones; upstream[plane / planes_per_group]; upstream[plane][row - map_top][column -
// map_left].
constexpr int UPSTREAM_NONE = 0;
constexpr int UPSTREAM_GROUP = 1;
constexpr int UPSTREAM_MAP = 2;
