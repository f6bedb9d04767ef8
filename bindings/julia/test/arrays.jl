# Orders of dimensions, views and other strided arrays: the same pixels give the same answer, without a copy.

x, y = images(23, 17, 3, 2)
value, gradient = ssim_with_gradient(x, y)

@testset "dims $dims" for dims in (:whcn, :hwcn, :cwhn, :chwn, :nchw, :nhwc, :wnhc, :cnhw)
    permutation = [findfirst(letter, "whcn") for letter in String(dims)]
    px, py = permutedims(x, permutation), permutedims(y, permutation)
    permuted_value, permuted_gradient = ssim_with_gradient(px, py; dims = dims)
    @test size(permuted_gradient) == size(px)
    @test permuted_value ≈ value atol = VALUE_TOLERANCE
    @test relative(permuted_gradient, permutedims(gradient, permutation)) < 1e-6
    map = ssim(px, py; dims = dims, reduction = :map)
    @test size(map) == (23, 17, 3, 2)
    @test maximum(abs.(map .- ssim(x, y; reduction = :map))) <= VALUE_TOLERANCE
    @test size(ssim(px, py; dims = dims, reduction = :per_channel)) == (3, 2)
    @test size(ssim(px, py; dims = dims, reduction = :per_image)) == (2,)
end

@testset "two and three dimensions" begin
    single = x[:, :, 1, 1], y[:, :, 1, 1]
    @test ssim(single...) ≈ ssim(x[:, :, 1:1, 1:1], y[:, :, 1:1, 1:1]) atol = VALUE_TOLERANCE
    @test ssim(single...; dims = :hw) ≈ ssim(single...) atol = VALUE_TOLERANCE
    @test size(ssim(single...; reduction = :map)) == (23, 17, 1, 1)
    colour = x[:, :, :, 1], y[:, :, :, 1]
    @test ssim(colour...) ≈ ssim(x[:, :, :, 1:1], y[:, :, :, 1:1]) atol = VALUE_TOLERANCE
    @test ssim(permutedims.(colour, Ref((3, 1, 2)))...; dims = :cwh) ≈ ssim(colour...) atol = VALUE_TOLERANCE
    @test length(ssim(x[:, :, 1, :], y[:, :, 1, :]; dims = :whn, reduction = :per_image)) == 2
    @test size(ssim_with_gradient(colour...)[2]) == (23, 17, 3)
end

@testset "views" begin
    wide, tall = zeros(Float32, 40, 30, 5, 4), fill(NaN32, 40, 30, 5, 4)
    crop = (3:25, 6:22, 2:4, 2:3)
    wide[crop...] .= x
    vx = view(wide, crop...)
    grad = view(tall, crop...)
    out = zeros(Float32, 1)
    ssim_with_gradient!(out, grad, nothing, vx, y)
    @test out[1] ≈ value atol = VALUE_TOLERANCE
    @test relative(grad, gradient) < 1e-6
    # Outside the view nothing was written.
    @test count(isnan, tall) == length(tall) - length(grad)

    step = zeros(Float32, 46, 34, 3, 2)
    step[1:2:46, 2:2:34, :, :] .= x
    @test ssim(view(step, 1:2:46, 2:2:34, :, :), y) ≈ value atol = VALUE_TOLERANCE

    # A dimension dropped by the view.
    @test ssim(view(x, :, :, 2, :), y[:, :, 2, :]; dims = :whn) ≈ ssim(x[:, :, 2:2, :], y[:, :, 2:2, :]) atol =
        VALUE_TOLERANCE
    result = ssim_with_gradient(vx, y)
    @test result[2] isa Array{Float32,4}
end

@testset "lazily permuted, reshaped and reinterpreted arrays" begin
    lazy = PermutedDimsArray(permutedims(x, (3, 1, 2, 4)), (2, 3, 1, 4))
    @test ssim(lazy, y) ≈ value atol = VALUE_TOLERANCE
    @test relative(ssim_with_gradient(lazy, y)[2], gradient) < 1e-6
    @test ssim(reshape(vec(x), 23, 17, 3, 2), y) == value
    pixels = reinterpret(NTuple{3,Float32}, vec(permutedims(x, (3, 1, 2, 4))))
    back = reshape(reinterpret(Float32, collect(pixels)), 3, 23, 17, 2)
    @test ssim(back, permutedims(y, (3, 1, 2, 4)); dims = :cwhn) ≈ value atol = VALUE_TOLERANCE
end

@testset "windows larger than the image" begin
    for dims in ((1, 1), (5, 7), (10, 10), (11, 11), (12, 300))
        a, b = images(dims..., 1, 1)
        expected = reference_map(a, b)
        small, small_gradient = ssim_with_gradient(a, b)
        @test small ≈ sum(expected) / length(expected) atol = VALUE_TOLERANCE
        @test relative(small_gradient, reference_gradient(a, b, mean_seed(expected))) <= GRADIENT_TOLERANCE
    end
end
