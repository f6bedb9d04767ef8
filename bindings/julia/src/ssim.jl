# The functions for arrays.

function choose(name, choices::NamedTuple, choice)
    haskey(choices, choice) && return choices[choice]
    throw(ArgumentError("$name is $(repr(choice)); expected one of $(join(map(repr, keys(choices)), ", "))"))
end

"Options from the keywords that every function takes."
function make_options(;
    padding = :same, reduction = :mean, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03, device = :auto,
)
    options = Options()
    options.padding = choose("padding", PADDINGS, padding)
    options.reduction = choose("reduction", REDUCTIONS, reduction)
    options.device = choose("device", DEVICES, device)
    options.data_range = data_range
    options.sigma = sigma
    options.k1 = k1
    options.k2 = k2
    return options
end

"One number for the mean, the array for every other reduction. Waits for a device."
result(out::AbstractArray, options::Options) = options.reduction == REDUCTIONS.mean ? Array(out)[1] : out

"""
    ssim(x, y; dims, padding = :same, reduction = :mean, data_range = 1, sigma = 1.5, k1 = 0.01, k2 = 0.03)

The structural similarity of two images, or of two batches of images.

`x` and `y` are `Float32` arrays of one size, in host memory or on one GPU: arrays, or views with any non-negative
strides. Nothing is copied. In host memory each may also be of `Float16` or `UInt8`, whose 0 to 255 span the
`data_range` (`reinterpret(UInt8, image)` for images of N0f8), or both of `Float64`, which is computed in `Float64`.

* `dims`: one letter for each dimension: `w` width, `h` height, `c` channels, `n` images. The default is `:wh`, `:whc`
  or `:whcn`; every other order works too, such as `:cwhn`, `:hwc`, `:nchw`.
* `padding`: `:same` surrounds the image by zeros, `:valid` counts only pixels whose 11x11 window lies inside.
* `reduction`: `:mean`, a `Float32` (for `Float64` images a `Float64`); `:per_image`, a vector of n; `:per_channel`, a (c, n) matrix; `:map`, the map, always
  in the order (w, h, c, n), with `:valid` ten smaller in w and h.
* `data_range`: largest possible minus smallest possible pixel value. `sigma`: of the Gaussian window, in pixels.
  `k1`, `k2`: the constants of SSIM. `device`: `:auto`, or `:cpu` or `:cuda` to insist.

Throws `FusedSSIMError` with the library's message, and `ArgumentError` or `DimensionMismatch` for arrays that the
library cannot be asked about.
"""
function ssim(x::AbstractArray, y::AbstractArray; dims = nothing, keywords...)
    options = make_options(; keywords...)
    out = similar(x, precision_of(eltype(x)), result_size(shape_of(x, axes_of(dims, x)), options))
    forward_arrays!(out, nothing, x, y, dims, options)
    return result(out, options)
end

"""
    ssim!(out, x, y; keywords...)

As [`ssim`](@ref), into `out`: a dense `Float32` array (for `Float64` images `Float64`) of 1, n, c*n or as many elements as the map has. Returns `out`; on
a GPU it only enqueues.
"""
function ssim!(out::AbstractArray, x::AbstractArray, y::AbstractArray; dims = nothing, keywords...)
    forward_arrays!(out, nothing, x, y, dims, make_options(; keywords...))
    return out
end

"""
    ssim_with_gradient(x, y; wrt = :x, keywords...)

The value of [`ssim`](@ref) and its gradient, in one pass: `(value, gradient)`. `wrt = :y` gives that with respect to
`y`, `wrt = :both` gives `(value, gradient_x, gradient_y)`. For `reduction = :map` the gradient is that of the map's sum,
for `:per_image` and `:per_channel` that of each one's own mean. Gradients are `Float32`, or `Float64` for `Float64` images;
that of a `UInt8` image is that of the numbers from 0 to 255.
"""
function ssim_with_gradient(x::AbstractArray, y::AbstractArray; wrt = :x, dims = nothing, keywords...)
    choose("wrt", SAVE_FOR, wrt)
    options = make_options(; keywords...)
    out = similar(x, precision_of(eltype(x)), result_size(shape_of(x, axes_of(dims, x)), options))
    grad_x = wrt === :y ? nothing : similar(x, precision_of(eltype(x)))
    grad_y = wrt === :x ? nothing : similar(y, precision_of(eltype(y)))
    value_and_grad_arrays!(out, grad_x, grad_y, x, y, dims, options)
    return (result(out, options), filter(!isnothing, (grad_x, grad_y))...)
end

"""
    ssim_with_gradient!(out, grad_x, grad_y, x, y; keywords...)

As [`ssim_with_gradient`](@ref), into `out` (see [`ssim!`](@ref)) and into gradients of the size of `x`, which may be
views and in host memory `Float16`; one that is not wanted is `nothing`. Returns `out`; on a GPU it only enqueues.
"""
function ssim_with_gradient!(
    out::AbstractArray, grad_x, grad_y, x::AbstractArray, y::AbstractArray; dims = nothing, keywords...,
)
    value_and_grad_arrays!(out, grad_x, grad_y, x, y, dims, make_options(; keywords...))
    return out
end

"""
    ssim_gradient!(grad_x, grad_y, upstream, x, y; keywords...)

The gradient of `sum(upstream .* ssim(x, y))`: `upstream` is a dense `Float32` array shaped like the result of
[`ssim!`](@ref), or `nothing` for ones. The images are filtered again; nothing need have been saved. A gradient that is
not wanted is `nothing`. On a GPU it only enqueues.
"""
function ssim_gradient!(grad_x, grad_y, upstream, x::AbstractArray, y::AbstractArray; dims = nothing, keywords...)
    backward_arrays!(grad_x, grad_y, nothing, upstream, x, y, dims, make_options(; keywords...))
    return nothing
end

# What follows takes `saved`: `nothing`, or a dense array that `forward_arrays!` fills for `backward_arrays!`.

"A `saved` buffer where `x` lives, for the gradients that `options.saved_for` names."
function saved_array(x::AbstractArray, dims, options::Options)
    bytes = saved_size(shape_of(x, axes_of(dims, x)), options)
    return similar(x, Float32, (cld(bytes, sizeof(Float32)),))
end

address_or_null(array) = address(array)
address_or_null(::Nothing) = C_NULL

function checked_axes(dims, x, y, grad_x = nothing, grad_y = nothing)
    axes = axes_of(dims, x)
    same_size("y", y, x)
    same_size("grad_x", grad_x, x)
    same_size("grad_y", grad_y, x)
    return axes
end

function forward_arrays!(out, saved, x, y, dims, options::Options)
    axes = checked_axes(dims, x, y)
    shape = shape_of(x, axes)
    GC.@preserve out saved x y begin
        values = result_address("out", out, eltype(x), shape, options)
        images = map(array -> image_of(array, axes), (x, y))
        with_stream(x, shape, options) do stream
            forward!(values, address_or_null(saved), shape, images..., options, stream)
        end
    end
end

function backward_arrays!(grad_x, grad_y, saved, upstream, x, y, dims, options::Options)
    axes = checked_axes(dims, x, y, grad_x, grad_y)
    shape = shape_of(x, axes)
    GC.@preserve grad_x grad_y saved upstream x y begin
        seed = upstream === nothing ? C_NULL : result_address("upstream", upstream, eltype(x), shape, options)
        gradients = map(array -> image_of(array, axes), (grad_x, grad_y))
        images = map(array -> image_of(array, axes), (x, y))
        with_stream(x, shape, options) do stream
            backward!(gradients..., address_or_null(saved), seed, shape, images..., options, stream)
        end
    end
end

function value_and_grad_arrays!(out, grad_x, grad_y, x, y, dims, options::Options)
    axes = checked_axes(dims, x, y, grad_x, grad_y)
    shape = shape_of(x, axes)
    GC.@preserve out grad_x grad_y x y begin
        values = result_address("out", out, eltype(x), shape, options)
        gradients = map(array -> image_of(array, axes), (grad_x, grad_y))
        images = map(array -> image_of(array, axes), (x, y))
        with_stream(x, shape, options) do stream
            value_and_grad!(values, gradients..., shape, images..., options, stream)
        end
    end
end
