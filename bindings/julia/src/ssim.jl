# SSIM and its gradient for arrays.

"One number for the mean, the array for every other reduction. Waits for a device."
result(out::AbstractArray, options::Options) = options.reduction == REDUCTIONS.mean ? Array(out)[1] : out

"""
    ssim(x, y; dims, padding = :same, reduction = :mean, output = :ssim, window = :gaussian, window_size = 11, sigma = 1.5,
         data_range = 1, k1 = 0.01, k2 = 0.03, scale, mask, mask_mode = :weighted_mean, shard, device = :auto)

The structural similarity of two images, or of two batches of images.

`x` and `y` are `Float32` arrays of one size, in host memory or on one GPU: arrays, or views with any non-negative
strides. Nothing is copied. Each may also be of `Float16`, of `BFloat16` (of BFloat16s.jl) or of `UInt8`, whose 0 to 255
span the `data_range` (`reinterpret(UInt8, image)` for images of N0f8), or on the CPU both of `Float64`, which is computed
in `Float64`.

* `dims`: one letter for each dimension: `w` width, `h` height, `c` channels, `n` images. The default is `:wh`, `:whc`
  or `:whcn`; every other order works too, such as `:cwhn`, `:hwc`, `:nchw`.
* `padding`: `:same` surrounds the image by zeros, `:valid` counts only pixels whose whole window lies inside.
* `reduction`: `:mean`, a `Float32` (for `Float64` images a `Float64`); `:per_image`, a vector of n; `:per_channel`, a
  (c, n) matrix; `:map`, the map, always in the order (w, h, c, n), with `:valid` smaller by `window_size - 1`.
* `output`: `:ssim`; `:one_minus_ssim`, 1 - SSIM; `:dssim`, (1 - SSIM) / 2. The last two are losses.
* `window`: `:gaussian`, or `:uniform`, the plain mean. `window_size`: its pixels in each direction, odd, 3 to 33.
  `sigma`: of a Gaussian window, in pixels.
* `data_range`: largest possible minus smallest possible pixel value. `k1`, `k2`: the constants of SSIM.
* `scale`: what pixels are multiplied by when they are read: a number, or a tuple of one for `x` and one for `y`. The
  default is 1, and for `UInt8` `data_range / 255`.
* `mask`: weights of the pixels, an array of `Bool`, `UInt8` (0 is 0, anything else 1) or `Float32` (at least 0), where `x`
  is and in the order of its dimensions. Each is as long as that of `x`, or 1; those at the end may be left out, so that a
  (w, h) mask fits (w, h, c, n) images.
* `mask_mode`: `:weighted_mean` weights the mean over the map, sum(mask .* map) / sum(mask); `:multiply_inputs` multiplies
  both images by the mask first; `:normalized` weights the pixels inside each window too, so that those of weight 0 have
  no influence at all.
* `shard`: the rows of a larger image that these images are, a [`FusedSSIM.Shard`](@ref) or its fields, such as
  `(rows_above = 10, height = 1080)`.
* `device`: `:auto`, or `:cpu` or `:cuda` to insist.

Throws `FusedSSIMError` with the library's message, and `ArgumentError` or `DimensionMismatch` for arrays that the
library cannot be asked about.
"""
function ssim(x::AbstractArray, y::AbstractArray; keywords...)
    call = call_for(x; keywords...)
    out = similar(x, precision_of(eltype(x)), result_size(call))
    forward_arrays!(out, nothing, x, y, call)
    return result(out, call.options)
end

"""
    ssim!(out, x, y; keywords...)

As [`ssim`](@ref), into `out`: a dense `Float32` array (for `Float64` images `Float64`) of 1, n, c*n or as many elements
as the map has. Returns `out`; on a GPU it only enqueues.
"""
function ssim!(out::AbstractArray, x::AbstractArray, y::AbstractArray; keywords...)
    forward_arrays!(out, nothing, x, y, call_for(x; keywords...))
    return out
end

"""
    ssim_with_gradient(x, y; wrt = :x, keywords...)

The value of [`ssim`](@ref) and its gradient, in one pass: `(value, gradient)`. `wrt = :y` gives that with respect to
`y`, `wrt = :both` gives `(value, gradient_x, gradient_y)`. For `reduction = :map` the gradient is that of the map's sum,
for `:per_image` and `:per_channel` that of each one's own mean. Gradients are `Float32`, or `Float64` for `Float64` images;
that of a `UInt8` image is that of the numbers from 0 to 255. They have the size of `x`, of a shard its owned rows alone.
"""
function ssim_with_gradient(x::AbstractArray, y::AbstractArray; wrt = :x, keywords...)
    call = call_for(x; keywords...)
    out = similar(x, precision_of(eltype(x)), result_size(call))
    grad_x, grad_y = wanted_gradients(wrt, x, y, call)
    value_and_grad_arrays!(out, grad_x, grad_y, x, y, call)
    return (result(out, call.options), filter(!isnothing, (grad_x, grad_y))...)
end

"New gradients of `x` and `y`; `nothing` for one that `wrt` does not name."
function wanted_gradients(wrt, x, y, call::Call)
    choose("wrt", SAVE_FOR, wrt)
    return wrt === :y ? nothing : new_gradient(x, call), wrt === :x ? nothing : new_gradient(y, call)
end

"""
    ssim_with_gradient!(out, grad_x, grad_y, x, y; keywords...)

As [`ssim_with_gradient`](@ref), into `out` (see [`ssim!`](@ref)) and into gradients, which may be views and of fewer
bits; one that is not wanted is `nothing`. Returns `out`; on a GPU it only enqueues.
"""
function ssim_with_gradient!(out::AbstractArray, grad_x, grad_y, x::AbstractArray, y::AbstractArray; keywords...)
    value_and_grad_arrays!(out, grad_x, grad_y, x, y, call_for(x; keywords...))
    return out
end

"""
    ssim_gradient!(grad_x, grad_y, upstream, x, y; keywords...)

The gradient of `sum(upstream .* ssim(x, y))`: `upstream` is a dense `Float32` array shaped like the result of
[`ssim!`](@ref), or `nothing` for ones. The images are filtered again; nothing need have been saved. A gradient that is
not wanted is `nothing`. On a GPU it only enqueues.
"""
function ssim_gradient!(grad_x, grad_y, upstream, x::AbstractArray, y::AbstractArray; keywords...)
    backward_arrays!(grad_x, grad_y, nothing, upstream, x, y, call_for(x; keywords...))
    return nothing
end
