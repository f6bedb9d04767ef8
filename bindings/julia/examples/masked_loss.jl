# A training loop under a mask: in the target somebody stands before the scene, and the mask keeps the picture from
# learning them. The loss is that of 3D Gaussian splatting, 0.8 * L1 + 0.2 * (1 - SSIM).
using FusedSSIM

function train(steps)
    scene = Float32[0.5 + 0.4 * sin((u + v) / 5 + c) for u = 1:64, v = 1:48, c = 1:3, n = 1:1]
    somebody = [26 <= u <= 40 && v > 10 for u = 1:64, v = 1:48]
    target, mask = ifelse.(somebody, 0.0f0, scene), Array{Bool}(.!somebody)
    picture = fill(0.5f0, size(scene))
    parts, gradient = zeros(Float32, 3), similar(picture)
    # :normalized keeps masked pixels out of the windows of their neighbours too.
    keywords = (mask = mask, mask_mode = :normalized)
    first = ssim_loss(picture, target; keywords...)
    for step = 1:steps
        ssim_loss_with_gradient!(parts, gradient, nothing, picture, target; keywords...)
        picture .-= 0.005f0 .* length(picture) .* gradient
    end
    println("loss $first, after $steps steps $(parts[1]) (L1 $(parts[2]), 1 - SSIM $(parts[3]))")
    all((picture .== 0.5f0) .| mask) || error("the mask should leave these pixels as they were")
    return parts[1] / first
end

train(200) < 0.2 || error("the picture did not come close to its target")
