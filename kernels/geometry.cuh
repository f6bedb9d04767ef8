// The numbers that the kernels, the host code and the CPU backend must agree on. build.rs reads every
// `constexpr int NAME = VALUE;` of this file into the Rust module `geometry`, so each is stated here only.
#pragma once

// Taps of the window in each direction.
constexpr int WINDOW_TAPS = 11;
