# The gradient of `ssim` for Zygote and every other tool that follows ChainRulesCore.
module FusedSSIMChainRulesCoreExt

using FusedSSIM, ChainRulesCore

gradient_like(image::AbstractArray{<:AbstractFloat}) = similar(image)
gradient_like(image::AbstractArray) = similar(image, Float32)

upstream_like(out, tangent::Number) = fill!(similar(out), tangent)
upstream_like(out, tangent::AbstractArray) = copyto!(similar(out), tangent)

function ChainRulesCore.rrule(::typeof(ssim), x::AbstractArray, y::AbstractArray; dims = nothing, keywords...)
    options = FusedSSIM.make_options(; keywords...)
    options.saved_for = FusedSSIM.SAVE_FOR.both
    shape = FusedSSIM.shape_of(x, FusedSSIM.axes_of(dims, x))
    out = similar(x, FusedSSIM.precision_of(eltype(x)), FusedSSIM.result_size(shape, options))
    saved = FusedSSIM.saved_array(x, dims, options)
    FusedSSIM.forward_arrays!(out, saved, x, y, dims, options)

    function ssim_pullback(tangent)
        tangent = unthunk(tangent)
        tangent isa AbstractZero && return (NoTangent(), ZeroTangent(), ZeroTangent())
        upstream = upstream_like(out, tangent)
        grad_x = @thunk begin
            gradient = gradient_like(x)
            FusedSSIM.backward_arrays!(gradient, nothing, saved, upstream, x, y, dims, options)
            gradient
        end
        grad_y = @thunk begin
            gradient = gradient_like(y)
            FusedSSIM.backward_arrays!(nothing, gradient, saved, upstream, x, y, dims, options)
            gradient
        end
        return (NoTangent(), grad_x, grad_y)
    end
    return FusedSSIM.result(out, options), ssim_pullback
end

end
