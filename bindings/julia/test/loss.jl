# The training loss.

x, y = images(19, 16, 2, 2)

@testset "$pixel_loss, lambda $lambda, reduction $reduction, padding $padding" for pixel_loss in (:l1, :l2),
    lambda in (0, 0.2, 1),
    reduction in (:mean, :per_image, :per_channel),
    padding in (:same, :valid)

    keywords = (pixel_loss = pixel_loss, lambda = lambda, reduction = reduction, padding = padding)
    loss, pixel, dissimilarity, grad_x, grad_y = reference_loss(x, y; keywords...)
    parts, got_x, got_y = ssim_loss_with_gradient(x, y; wrt = :both, keywords...)
    @test size(parts.loss) == size(loss)
    @test maximum(abs.(parts.loss .- loss)) <= VALUE_TOLERANCE
    @test maximum(abs.(parts.pixel .- pixel)) <= VALUE_TOLERANCE
    @test maximum(abs.(parts.dissimilarity .- dissimilarity)) <= VALUE_TOLERANCE
    @test maximum(abs.(ssim_loss(x, y; keywords...) .- loss)) <= VALUE_TOLERANCE
    @test relative(got_x, grad_x) <= GRADIENT_TOLERANCE
    @test relative(got_y, grad_y) <= GRADIENT_TOLERANCE
end

@testset "mask $mode" for mode in (:weighted_mean, :multiply_inputs, :normalized)
    keywords = (mask = weights(19, 16, 1, 2), mask_mode = mode, output = :dssim, window_size = 7, pixel_loss = :l2)
    loss, pixel, dissimilarity, grad_x, grad_y = reference_loss(x, y; keywords...)
    parts, got_x, got_y = ssim_loss_with_gradient(x, y; wrt = :both, keywords...)
    @test [parts...] ≈ [loss, pixel, dissimilarity] atol = VALUE_TOLERANCE
    @test relative(got_x, grad_x) <= GRADIENT_TOLERANCE
    @test relative(got_y, grad_y) <= GRADIENT_TOLERANCE
end

@testset "which gradients, element types and memory of the caller" begin
    parts, grad_x, grad_y = ssim_loss_with_gradient(x, y; wrt = :both)
    @test parts isa NamedTuple{(:loss, :pixel, :dissimilarity),NTuple{3,Float32}}
    @test ssim_loss(x, y) isa Float32
    @test relative(ssim_loss_with_gradient(x, y)[2], grad_x) <= 1e-6
    @test relative(ssim_loss_with_gradient(x, y; wrt = :y)[2], grad_y) <= 1e-6
    out, gradient = zeros(Float32, 2, 3), similar(x)
    @test ssim_loss_with_gradient!(out, gradient, nothing, x, y; reduction = :per_image) === out
    each = ssim_loss_with_gradient(x, y; reduction = :per_image)
    @test out == hcat(each[1]...) && gradient == each[2]
    double = ssim_loss_with_gradient(Float64.(x), Float64.(y))
    @test double[1].loss isa Float64 && abs(double[1].loss - parts.loss) <= VALUE_TOLERANCE
    @test double[2] isa Array{Float64,4}
end

@testset "the shards of an image add up" begin
    a, b = images(13, 40, 1, 1)
    whole, gradient = ssim_loss_with_gradient(a, b)
    upper = ssim_loss_with_gradient(a[:, 1:27, :, :], b[:, 1:27, :, :]; shard = (rows_below = 10, height = 40))
    lower = ssim_loss_with_gradient(a[:, 8:40, :, :], b[:, 8:40, :, :]; shard = (rows_above = 10, height = 40))
    @test [upper[1]...] .+ [lower[1]...] ≈ [whole...] atol = VALUE_TOLERANCE
    @test relative(cat(upper[2], lower[2]; dims = 2), gradient) <= GRADIENT_TOLERANCE
end
