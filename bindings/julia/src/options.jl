# From keywords to the options of a call.

"""
    FusedSSIM.Shard(; rows_above = 0, rows_below = 0, height, divisor = 0)

Which rows of a larger image the images of a call are: one that is cut into bands of rows, each on a device of its own.

The images of the call hold the rows that the band owns and, around them, others of the whole image that the windows of
those need. The value is then a part of a sum: those of all bands add up to the value of the whole image. Maps and
gradients have the owned rows alone.

* `rows_above`, `rows_below`: rows in memory above the first owned one and below the last: `window_size - 1`, or all that
  the whole image has there.
* `height`: rows of the whole image.
* `divisor`: what sums are divided by, both parts of a loss included; 0: the number of elements of the whole image that
  are averaged. With a mask that weights the mean it is required: the sum of the whole image's mask.
"""
struct Shard
    rows_above::Int64
    rows_below::Int64
    height::Int64
    divisor::Float64
end

Shard(; rows_above = 0, rows_below = 0, height, divisor = 0) = Shard(rows_above, rows_below, height, divisor)

"""
    FusedSSIM.Call

What a call is given beside images and results: the options, which dimension is which, the images' sizes, what their
elements are multiplied by, and the mask, which the options point to and which lives as long as this.
"""
struct Call{M}
    options::Options
    axes::NTuple{4,Int}
    shape::Shape
    scales::Tuple{Float64,Float64}
    mask::M
end

function choose(name, choices::NamedTuple, choice)
    choice isa Symbol && haskey(choices, choice) && return choices[choice]
    throw(ArgumentError("$name is $(repr(choice)); expected one of $(join(map(repr, keys(choices)), ", "))"))
end

"A call for images of the size of `x`, from the keywords that every function takes."
function call_for(
    x::AbstractArray;
    dims = nothing, padding = :same, reduction = :mean, output = :ssim, window = :gaussian, window_size = 11,
    sigma = 1.5, data_range = 1, k1 = 0.01, k2 = 0.03, scale = nothing, mask = nothing, mask_mode = :weighted_mean,
    shard = nothing, device = :auto,
)
    axes = axes_of(dims, x)
    options = Options()
    options.padding = choose("padding", PADDINGS, padding)
    options.reduction = choose("reduction", REDUCTIONS, reduction)
    options.output = choose("output", OUTPUTS, output)
    options.device = choose("device", DEVICES, device)
    options.window = choose("window", WINDOWS, window)
    options.window_size = window_size
    options.sigma = sigma
    options.data_range = data_range
    options.k1 = k1
    options.k2 = k2
    mode = choose("mask_mode", MASKS, mask_mode)
    if mask !== nothing
        weights = mask_of(mask, x, axes)
        options.mask_mode = mode
        options.mask = weights.address
        options.mask_layout = layout(weights)
    end
    shard === nothing || shard!(options, shard)
    return Call(options, axes, shape_of(x, axes), scales_of(scale), mask)
end

shard!(options::Options, shard::NamedTuple) = shard!(options, Shard(; shard...))
shard!(::Options, shard) = throw(ArgumentError("shard is $(repr(shard)); expected a FusedSSIM.Shard"))

function shard!(options::Options, shard::Shard)
    options.shard_rows_above = shard.rows_above
    options.shard_rows_below = shard.rows_below
    options.shard_height = shard.height
    options.shard_divisor = shard.divisor
end

# 0: the default of each element type.
scales_of(::Nothing) = (0.0, 0.0)
scales_of(scale::Real) = (Float64(scale), Float64(scale))
scales_of(scale::Tuple{Real,Real}) = Float64.(scale)
scales_of(scale) = throw(ArgumentError("scale is $(repr(scale)); expected a number, or a tuple of one for x and one for y"))

result_size(call::Call) = result_size(call.shape, call.options)

owned_rows(call::Call) = owned_rows(call.shape, call.options)

"A new gradient of `x`: of the rows that have one."
new_gradient(x::AbstractArray, call::Call) =
    similar(x, precision_of(eltype(x)), gradient_size(x, call.axes, owned_rows(call)))

# What follows runs a call. `saved`: `nothing`, or a dense array that `forward_arrays!` fills for `backward_arrays!`. A
# gradient that is not wanted is `nothing`.

"A `saved` buffer where `x` lives, for the gradients that `options.saved_for` names."
function saved_array(x::AbstractArray, y::AbstractArray, call::Call)
    lay_out!(call.options, images_of(x, y, call)...)
    bytes = saved_size(call.shape, call.options)
    return similar(x, Float32, (cld(bytes, sizeof(Float32)),))
end

address_or_null(array) = address(array)
address_or_null(::Nothing) = C_NULL

function images_of(x, y, call::Call)
    expect_size("y", y, size(x), "x has size")
    return image_of(x, call.axes, call.scales[1]), image_of(y, call.axes, call.scales[2])
end

function gradients_of(grad_x, grad_y, x, call::Call)
    size = gradient_size(x, call.axes, owned_rows(call))
    expect_size("grad_x", grad_x, size, "expected")
    expect_size("grad_y", grad_y, size, "expected")
    return image_of(grad_x, call.axes), image_of(grad_y, call.axes)
end

"Runs `operation(images, gradients, stream)` with everything that it reads and writes kept alive."
function on_arrays(operation, x, y, grad_x, grad_y, call::Call)
    mask = call.mask
    GC.@preserve x y grad_x grad_y mask begin
        images, gradients = images_of(x, y, call), gradients_of(grad_x, grad_y, x, call)
        # The size of a workspace may depend on the layouts.
        lay_out!(call.options, images..., gradients...)
        with_stream(stream -> operation(images, gradients, stream), x, call.shape, call.options)
    end
end

function forward_arrays!(out, saved, x, y, call::Call)
    GC.@preserve out saved begin
        values = result_address("out", out, eltype(x), prod(result_size(call)))
        on_arrays(x, y, nothing, nothing, call) do images, _, stream
            forward!(values, address_or_null(saved), call.shape, images..., call.options, stream)
        end
    end
end

function backward_arrays!(grad_x, grad_y, saved, upstream, x, y, call::Call)
    GC.@preserve saved upstream begin
        seed = upstream === nothing ? C_NULL :
            result_address("upstream", upstream, eltype(x), prod(result_size(call)))
        on_arrays(x, y, grad_x, grad_y, call) do images, gradients, stream
            backward!(gradients..., address_or_null(saved), seed, call.shape, images..., call.options, stream)
        end
    end
end

function value_and_grad_arrays!(out, grad_x, grad_y, x, y, call::Call)
    GC.@preserve out begin
        values = result_address("out", out, eltype(x), prod(result_size(call)))
        on_arrays(x, y, grad_x, grad_y, call) do images, gradients, stream
            value_and_grad!(values, gradients..., call.shape, images..., call.options, stream)
        end
    end
end

function loss_arrays!(out, grad_x, grad_y, x, y, pixel_loss, lambda, call::Call)
    pixel = choose("pixel_loss", PIXELS, pixel_loss)
    GC.@preserve out begin
        values = result_address("out", out, eltype(x), 3 * prod(result_size(call)))
        on_arrays(x, y, grad_x, grad_y, call) do images, gradients, stream
            loss!(values, gradients..., call.shape, images..., call.options, pixel, lambda, stream)
        end
    end
end
