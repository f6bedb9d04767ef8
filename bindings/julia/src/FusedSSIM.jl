"""
SSIM, its gradient and the losses built on it, computed by the fused-ssim library: on the CPU for arrays in host memory,
on the GPU for arrays of CUDA.jl. Nothing is copied or permuted; the library follows the arrays' strides.

    ssim(x, y)                      # one Float32, for (w, h), (w, h, c) or (w, h, c, n)
    ssim(x, y; dims = :cwhn)        # any other order of the dimensions
    ssim(x, y; mask = mask)         # an array of weights; `?ssim` lists the other keywords
    ssim_with_gradient(x, y)        # the value, and its gradient with respect to x
    ssim_loss(x, y)                 # 0.8 * L1 + 0.2 * (1 - SSIM)
"""
module FusedSSIM

using Libdl

export ssim, ssim!, ssim_with_gradient, ssim_with_gradient!, ssim_gradient!
export ssim_loss, ssim_loss_with_gradient, ssim_loss_with_gradient!, FusedSSIMError

include("types.jl")
include("library.jl")
include("calls.jl")
include("arrays.jl")
include("options.jl")
include("ssim.jl")
include("loss.jl")

end
