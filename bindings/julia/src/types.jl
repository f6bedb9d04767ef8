# Mirrors of the structs and constants of fused_ssim.h. test/abi.jl compares them with what a C compiler says.

"""
    FusedSSIMError(status, message)

A call of the library that failed. `status` is one of the `FSSIM_ERROR_*` of fused_ssim.h; the message says which
argument was wrong, what it was and what was expected.
"""
struct FusedSSIMError <: Exception
    status::Int32
    message::String
end

Base.showerror(io::IO, error::FusedSSIMError) =
    print(io, "FusedSSIMError: ", error.message, " (status ", error.status, ")")

const OK = Int32(0)

const DTYPES = (f32 = Int32(0), f16 = Int32(1), bf16 = Int32(2), u8 = Int32(3), f64 = Int32(4))
const DEVICES = (auto = Int32(0), cpu = Int32(1), cuda = Int32(2))
const PADDINGS = (same = Int32(0), valid = Int32(1))
const REDUCTIONS = (mean = Int32(0), per_image = Int32(1), per_channel = Int32(2), map = Int32(3))
const OUTPUTS = (ssim = Int32(0), one_minus_ssim = Int32(1), dssim = Int32(2))
const WINDOWS = (gaussian = Int32(0), uniform = Int32(1))
const MASKS = (none = Int32(0), weighted_mean = Int32(1), multiply_inputs = Int32(2), normalized = Int32(3))
const PIXELS = (l1 = Int32(0), l2 = Int32(1))
const SAVE_FOR = (x = Int32(1), y = Int32(2), both = Int32(3))

"`fssim_layout`."
struct Layout
    dtype::Int32
    reserved::Int32
    scale::Float64
    stride_n::Int64
    stride_c::Int64
    stride_h::Int64
    stride_w::Int64
end

"`fssim_options`. Mutable, so that it has an address to pass. `Options()` asks the library for the defaults."
mutable struct Options
    struct_size::Csize_t
    device::Int32
    padding::Int32
    reduction::Int32
    output::Int32
    window::Int32
    window_size::Int32
    sigma::Float64
    data_range::Float64
    k1::Float64
    k2::Float64
    img1::Layout
    img2::Layout
    grad_img1::Layout
    grad_img2::Layout
    saved_for::Int32
    mask_mode::Int32
    mask::Ptr{Cvoid}
    mask_layout::Layout
    shard_rows_above::Int64
    shard_rows_below::Int64
    shard_height::Int64
    shard_divisor::Float64

    function Options()
        options = new()
        check(ccall(symbol(:fssim_options_init), Int32, (Ref{Options}, Csize_t), options, sizeof(Options)))
        return options
    end
end
