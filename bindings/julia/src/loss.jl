# The loss of a training step for arrays.

"""
    ssim_loss(x, y; lambda = 0.2, pixel_loss = :l1, keywords...)

The loss of a training step, `(1 - lambda) * P + lambda * D`, in one pass over the images. The defaults are the loss of 3D
Gaussian splatting, `0.8 * L1 + 0.2 * (1 - SSIM)`.

* `lambda`: the share of D, 0 to 1.
* `pixel_loss`: P: `:l1`, the mean of `abs.(x .- y)`, or `:l2`, the mean of `(x .- y).^2`, over every pixel (also with
  `padding = :valid`) and not divided by `data_range`.
* `output`: D: 1 - SSIM, or with `:dssim` (1 - SSIM) / 2.
* `reduction`: `:mean`, `:per_image` or `:per_channel`.
* `mask`, `mask_mode`: as for [`ssim`](@ref). A mask that weights the mean weights P too; with `:multiply_inputs` P compares
  the multiplied images.
* The others: as for [`ssim`](@ref).
"""
ssim_loss(x::AbstractArray, y::AbstractArray; keywords...) = loss_and_gradients(nothing, x, y; keywords...)[1].loss

"""
    ssim_loss_with_gradient(x, y; wrt = :x, keywords...)

[`ssim_loss`](@ref) and its gradient, in one pass: `(parts, gradient)`, with `parts.loss`, `parts.pixel` (P) and
`parts.dissimilarity` (D), each a number or, for `:per_image` and `:per_channel`, an array. `wrt` and gradients as for
[`ssim_with_gradient`](@ref); where `x` equals `y`, `abs.(x .- y)` has the derivative 0.
"""
function ssim_loss_with_gradient(x::AbstractArray, y::AbstractArray; wrt = :x, keywords...)
    parts, grad_x, grad_y = loss_and_gradients(wrt, x, y; keywords...)
    return (parts, filter(!isnothing, (grad_x, grad_y))...)
end

"""
    ssim_loss_with_gradient!(out, grad_x, grad_y, x, y; keywords...)

As [`ssim_loss_with_gradient`](@ref), into `out` and into gradients, which may be views and of fewer bits; one that is not
wanted is `nothing`. `out` is a dense `Float32` array (for `Float64` images `Float64`) of 3, 3n or 3c*n elements: first
every loss, then every P, then every D. Returns `out`; on a GPU it only enqueues.
"""
function ssim_loss_with_gradient!(
    out::AbstractArray, grad_x, grad_y, x::AbstractArray, y::AbstractArray; lambda = 0.2, pixel_loss = :l1, keywords...,
)
    loss_arrays!(out, grad_x, grad_y, x, y, pixel_loss, lambda, call_for(x; keywords...))
    return out
end

"The parts of a loss, and the gradients that `wrt` names; with `nothing` none."
function loss_and_gradients(
    wrt, x::AbstractArray, y::AbstractArray; lambda = 0.2, pixel_loss = :l1, keywords...,
)
    call = call_for(x; keywords...)
    out = new_loss(x, call)
    grad_x, grad_y = wrt === nothing ? (nothing, nothing) : wanted_gradients(wrt, x, y, call)
    loss_arrays!(out, grad_x, grad_y, x, y, pixel_loss, lambda, call)
    return parts_of(out), grad_x, grad_y
end

"An array for the three values of a loss, each of the shape of the reduction."
function new_loss(x::AbstractArray, call::Call)
    size = call.options.reduction == REDUCTIONS.mean ? () : result_size(call)
    return similar(x, precision_of(eltype(x)), (size..., 3))
end

parts_of(out::AbstractVector) = NamedTuple{(:loss, :pixel, :dissimilarity)}(Tuple(Array(out)))
parts_of(out::AbstractArray) =
    NamedTuple{(:loss, :pixel, :dissimilarity)}(ntuple(i -> out[ntuple(_ -> Colon(), ndims(out) - 1)..., i], 3))
