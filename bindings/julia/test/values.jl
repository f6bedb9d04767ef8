# Values and gradients against the reference.

x, y = images(23, 17, 3, 2)

@testset "identical images" begin
    value, gradient = ssim_with_gradient(x, copy(x))
    @test value isa Float32
    @test value ≈ 1 atol = VALUE_TOLERANCE
    @test maximum(abs, gradient) * length(x) < 1e-3
end

@testset "padding $padding, reduction $reduction" for padding in (:same, :valid),
    (reduction, over) in ((:mean, (1, 2, 3, 4)), (:per_image, (1, 2, 3)), (:per_channel, (1, 2)), (:map, ()))

    full = reference_map(x, y; padding = padding)
    expected = isempty(over) ? full : dropdims(sum(full; dims = over); dims = over) ./ prod(size(full, d) for d in over)
    value = ssim(x, y; padding = padding, reduction = reduction)
    @test size(value) == size(expected)
    @test maximum(abs.(value .- expected)) <= VALUE_TOLERANCE

    seed = fill(isempty(over) ? 1.0 : 1 / prod(size(full, d) for d in over), size(full))
    grad_x = reference_gradient(x, y, seed; padding = padding)
    grad_y = reference_gradient(y, x, seed; padding = padding)
    again, both_x, both_y = ssim_with_gradient(x, y; wrt = :both, padding = padding, reduction = reduction)
    @test maximum(abs.(again .- expected)) <= VALUE_TOLERANCE
    @test relative(both_x, grad_x) <= GRADIENT_TOLERANCE
    @test relative(both_y, grad_y) <= GRADIENT_TOLERANCE
    @test relative(ssim_with_gradient(x, y; padding = padding, reduction = reduction)[2], grad_x) <= GRADIENT_TOLERANCE
    only_y = ssim_with_gradient(x, y; wrt = :y, padding = padding, reduction = reduction)
    @test length(only_y) == 2
    @test relative(only_y[2], grad_y) <= GRADIENT_TOLERANCE
end

@testset "upstream gradients" begin
    upstream = Float32[0.5, -2]
    full = reference_map(x, y)
    seed = reshape(Float64.(upstream), 1, 1, 1, 2) .* ones(size(full)) ./ prod(size(full)[1:3])
    grad_x, grad_y = similar(x), similar(y)
    @test ssim_gradient!(grad_x, grad_y, upstream, x, y; reduction = :per_image) === nothing
    @test relative(grad_x, reference_gradient(x, y, seed)) <= GRADIENT_TOLERANCE
    @test relative(grad_y, reference_gradient(y, x, seed)) <= GRADIENT_TOLERANCE
    ones_x = similar(x)
    ssim_gradient!(ones_x, nothing, nothing, x, y)
    @test relative(ones_x, reference_gradient(x, y, mean_seed(full))) <= GRADIENT_TOLERANCE
end

@testset "options" begin
    keywords = (sigma = 0.8, k1 = 0.02, k2 = 0.05, data_range = 2)
    full = reference_map(x, y; keywords...)
    value, gradient = ssim_with_gradient(x, y; keywords...)
    @test value ≈ sum(full) / length(full) atol = VALUE_TOLERANCE
    @test relative(gradient, reference_gradient(x, y, mean_seed(full); keywords...)) <= GRADIENT_TOLERANCE
    @test ssim(x, y; device = :cpu) == ssim(x, y)
end

@testset "in place" begin
    out, grad = zeros(Float32, 1), fill(NaN32, size(x))
    @test ssim!(out, x, y) === out
    @test out[1] == ssim(x, y)
    @test ssim_with_gradient!(out, grad, nothing, x, y) === out
    value, expected = ssim_with_gradient(x, y)
    @test out[1] == value && grad == expected
    map = zeros(Float32, 13, 7, 3, 2)
    @test ssim!(map, x, y; padding = :valid, reduction = :map) === map
    @test maximum(abs.(map .- reference_map(x, y; padding = :valid))) <= VALUE_TOLERANCE
end

@testset "the same bits, whatever the number of threads" begin
    expected = ssim_with_gradient(x, y; wrt = :both)
    for threads = 1:5
        FusedSSIM.set_num_threads(threads)
        @test FusedSSIM.get_num_threads() == threads
        @test ssim_with_gradient(x, y; wrt = :both) == expected
    end
    FusedSSIM.set_num_threads(0)
    @test FusedSSIM.get_num_threads() >= 1
end

@testset "nothing but results is allocated" begin
    big = rand(Float32, 512, 512)
    out, grad = zeros(Float32, 1), similar(big)
    ssim_with_gradient!(out, grad, nothing, big, big)
    @test (@allocated ssim_with_gradient!(out, grad, nothing, big, big)) < 20_000
end
