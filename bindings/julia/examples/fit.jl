# Makes one picture like another by following the gradient of their SSIM.
using FusedSSIM

function fit(steps)
    # Flux and NNlib's order: width, height, channels, images.
    target = Float32[0.5 + 0.4 * sin(u / 4) * cos(v / 6 + c) for u = 1:96, v = 1:64, c = 1:3, n = 1:1]
    picture = fill(0.5f0, size(target))
    value, gradient = zeros(Float32, 1), similar(picture)
    println("before: SSIM ", ssim(picture, target))
    for step = 1:steps
        # In place: nothing is allocated in the loop.
        ssim_with_gradient!(value, gradient, nothing, picture, target)
        picture .+= 0.005f0 .* length(picture) .* gradient
    end
    println("after $steps steps: SSIM ", ssim(picture, target))
    return ssim(picture, target)
end

fit(200) > 0.9 || error("the fit did not come close to its target")
