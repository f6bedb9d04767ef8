# The gradients of `ssim` and `ssim_loss` for Zygote and every other tool that follows ChainRulesCore.
module FusedSSIMChainRulesCoreExt

using FusedSSIM, ChainRulesCore

gradient_type(image::AbstractArray) = eltype(image) <: AbstractFloat ? eltype(image) : Float32

"A gradient of the size of an image, and what of it is to be written: of a shard its owned rows."
function gradient_like(image::AbstractArray, call::FusedSSIM.Call, T = gradient_type(image))
    gradient = similar(image, T)
    rows = FusedSSIM.owned_rows(call)
    length(rows) == call.shape.h && return gradient, gradient
    # That of the other rows comes from the shards that own them.
    fill!(gradient, 0)
    return gradient, FusedSSIM.owned(gradient, call.axes, rows)
end

upstream_like(out, tangent::Number) = fill!(similar(out), tangent)
upstream_like(out, tangent::AbstractArray) = copyto!(similar(out), tangent)

function ChainRulesCore.rrule(::typeof(ssim), x::AbstractArray, y::AbstractArray; keywords...)
    call = FusedSSIM.call_for(x; keywords...)
    call.options.saved_for = FusedSSIM.SAVE_FOR.both
    out = similar(x, FusedSSIM.precision_of(eltype(x)), FusedSSIM.result_size(call))
    saved = FusedSSIM.saved_array(x, y, call)
    FusedSSIM.forward_arrays!(out, saved, x, y, call)

    function ssim_pullback(tangent)
        tangent = unthunk(tangent)
        tangent isa AbstractZero && return (NoTangent(), ZeroTangent(), ZeroTangent())
        upstream = upstream_like(out, tangent)
        grad_x = @thunk begin
            gradient, written = gradient_like(x, call)
            FusedSSIM.backward_arrays!(written, nothing, saved, upstream, x, y, call)
            gradient
        end
        grad_y = @thunk begin
            gradient, written = gradient_like(y, call)
            FusedSSIM.backward_arrays!(nothing, written, saved, upstream, x, y, call)
            gradient
        end
        return (NoTangent(), grad_x, grad_y)
    end
    return FusedSSIM.result(out, call.options), ssim_pullback
end

# The gradient of x is computed with the loss, by the same pass, and only scaled by the pullback; that of y, in training
# the target, when somebody asks for it.
function ChainRulesCore.rrule(
    ::typeof(ssim_loss), x::AbstractArray, y::AbstractArray; lambda = 0.2, pixel_loss = :l1, keywords...,
)
    call = FusedSSIM.call_for(x; keywords...)
    out = FusedSSIM.new_loss(x, call)
    gradient_x, written_x = gradient_like(x, call, FusedSSIM.precision_of(eltype(x)))
    FusedSSIM.loss_arrays!(out, written_x, nothing, x, y, pixel_loss, lambda, call)

    function ssim_loss_pullback(tangent)
        tangent = unthunk(tangent)
        tangent isa AbstractZero && return (NoTangent(), ZeroTangent(), ZeroTangent())
        grad_x = @thunk scaled(gradient_x, tangent, x, call)
        grad_y = @thunk begin
            gradient_y, written_y = gradient_like(y, call, FusedSSIM.precision_of(eltype(y)))
            FusedSSIM.loss_arrays!(similar(out), nothing, written_y, x, y, pixel_loss, lambda, call)
            scaled(gradient_y, tangent, y, call)
        end
        return (NoTangent(), grad_x, grad_y)
    end
    return FusedSSIM.parts_of(out).loss, ssim_loss_pullback
end

"A gradient times the tangent of the value that each pixel belongs to, in the element type of the image."
function scaled(gradient, tangent, image, call::FusedSSIM.Call)
    T = gradient_type(image)
    return T.(spread(tangent, ndims(image), call) .* gradient)
end

spread(tangent::Number, dimensions, ::FusedSSIM.Call) = tangent

# Per image: (n,); per channel: (c, n).
function spread(tangent::AbstractArray, dimensions, call::FusedSSIM.Call)
    images, channels = call.axes[1], call.axes[2]
    n_first = ndims(tangent) == 2 && 0 < images < channels
    ordered = n_first ? permutedims(tangent) : tangent
    length_of(d) = d == images ? call.shape.n : d == channels && ndims(tangent) == 2 ? call.shape.c : 1
    return reshape(ordered, ntuple(length_of, dimensions))
end

end
