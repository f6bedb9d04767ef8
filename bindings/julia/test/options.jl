# Windows, outputs, masks, scales and row sharding.

x, y = images(19, 16, 2, 2)

function compare(keywords; given = keywords)
    value, grad_x, grad_y = reference_answer(x, y; keywords...)
    got, got_x, got_y = ssim_with_gradient(x, y; wrt = :both, given...)
    @test size(got) == size(value)
    @test maximum(abs.(got .- value)) <= MAP_TOLERANCE
    @test maximum(abs.(ssim(x, y; given...) .- value)) <= MAP_TOLERANCE
    @test relative(got_x, grad_x) <= GRADIENT_TOLERANCE
    @test relative(got_y, grad_y) <= GRADIENT_TOLERANCE
end

@testset "window $window" for window in (
        (window_size = 3, sigma = 0.7), (window_size = 7,), (window_size = 13, sigma = 2.5), (window = :uniform,),
        (window = :uniform, window_size = 5),
    ),
    padding in (:same, :valid)

    compare((padding = padding, window...))
    compare((padding = padding, reduction = :map, window...))
end

@testset "output $output, reduction $reduction" for output in (:one_minus_ssim, :dssim), reduction in keys(OVER)
    compare((output = output, reduction = reduction, padding = :valid))
end

const MASK_MODES = (:weighted_mean, :multiply_inputs, :normalized)

@testset "mask $mode, reduction $reduction, padding $padding" for mode in MASK_MODES,
    reduction in keys(OVER),
    padding in (:same, :valid)

    compare((mask = weights(19, 16, 2, 2), mask_mode = mode, reduction = reduction, padding = padding))
end

@testset "a mask of size $dims" for dims in
                                    ((19, 16), (19, 16, 2), (19, 16, 1, 2), (1, 16, 2, 1), (19,), (1, 1, 2, 2))
    mask = weights(dims...)
    compare((mask = mask,))
    large = fill(NaN32, dims .+ 3)
    inside = map(size -> 2:size+1, dims)
    large[inside...] .= mask
    compare((mask = mask,); given = (mask = view(large, inside...),))
    order = reverse(ntuple(identity, length(dims)))
    compare((mask = mask,); given = (mask = PermutedDimsArray(permutedims(mask, order), order),))
end

@testset "a mask of bytes" begin
    shown = weights(19, 16) .> 0
    compare((mask = Float32.(shown),); given = (mask = Array{Bool}(shown),))
    # Any byte but 0 is 1.
    compare((mask = Float32.(shown),); given = (mask = UInt8.(200 .* shown),))
end

@testset "a mask in another order of dimensions" begin
    mask = weights(19, 16)
    expected, gradient = ssim_with_gradient(x, y; mask = mask, mask_mode = :normalized)
    order = (3, 1, 2, 4)
    px, py = permutedims(x, order), permutedims(y, order)
    got = ssim_with_gradient(px, py; mask = reshape(mask, 1, 19, 16), mask_mode = :normalized, dims = :cwhn)
    @test got[1] ≈ expected atol = VALUE_TOLERANCE
    @test relative(permutedims(got[2], (2, 3, 1, 4)), gradient) <= GRADIENT_TOLERANCE
    single = ssim(x[:, :, 1, 1], y[:, :, 1, 1]; mask = mask)
    @test single ≈ ssim(x[:, :, 1:1, 1:1], y[:, :, 1:1, 1:1]; mask = mask) atol = VALUE_TOLERANCE
end

@testset "what is masked out has no influence" begin
    mask = trues(19, 16)
    mask[14:end, :] .= false
    mask = Array{Bool}(mask)
    expected = ssim(x, y; mask = mask, mask_mode = :normalized)
    hidden = copy(x)
    hidden[14:end, :, :, :] .= NaN32
    @test ssim(hidden, y; mask = mask, mask_mode = :normalized) == expected
    @test isnan(ssim(hidden, y))
    nothing_shown = zeros(Bool, 19, 16)
    @test ssim(x, y; mask = nothing_shown) == 1
    @test all(iszero, ssim_with_gradient(x, y; mask = nothing_shown)[2])
end

@testset "scales" begin
    bytes = round.(UInt8, 255 .* x)
    value, grad_x, grad_y = reference_answer(bytes ./ 255, y)
    got = ssim_with_gradient(bytes, 10 .* y; wrt = :both, scale = (1 / 255, 0.1))
    @test got[1] ≈ value atol = VALUE_TOLERANCE
    @test relative(255 .* got[2], grad_x) <= GRADIENT_TOLERANCE
    @test relative(10 .* got[3], grad_y) <= GRADIENT_TOLERANCE
    @test ssim(10 .* x, 10 .* y; scale = 0.1) ≈ ssim(x, y) atol = VALUE_TOLERANCE
end

@testset "the shards of an image add up, $dims, $reduction, $padding" for dims in (:whcn, :cwhn),
    reduction in (:mean, :per_image, :map),
    padding in (:same, :valid)

    a, b = images(13, 40, 2, 2)
    order = dims === :whcn ? (1, 2, 3, 4) : (3, 1, 2, 4)
    rows_at = dims === :whcn ? 2 : 3
    a, b = permutedims(a, order), permutedims(b, order)
    keywords = (dims = dims, reduction = reduction, padding = padding)
    whole, gradient = ssim_with_gradient(a, b; keywords...)
    bands = map(((1:23, 0, 10), (4:40, 10, 10), (21:40, 10, 0))) do (rows, above, below)
        shard = FusedSSIM.Shard(rows_above = above, rows_below = below, height = 40)
        band(image) = selectdim(image, rows_at, rows)
        ssim_with_gradient(band(a), band(b); shard = shard, keywords...)
    end
    joined = reduction === :map ? cat(first.(bands)...; dims = 2) : sum(first.(bands))
    @test maximum(abs.(joined .- whole)) <= MAP_TOLERANCE
    @test relative(cat(last.(bands)...; dims = rows_at), gradient) <= GRADIENT_TOLERANCE
end

@testset "a shard with a mask" begin
    mask = weights(19, 16)
    divisor = 4 * sum(Float64, mask)
    whole = ssim(x, y; mask = mask, window_size = 3)
    upper = (rows_below = 2, height = 16, divisor = divisor)
    lower = (rows_above = 2, height = 16, divisor = divisor)
    parts = ssim(x[:, 1:10, :, :], y[:, 1:10, :, :]; mask = mask[:, 1:10], window_size = 3, shard = upper) +
            ssim(x[:, 7:16, :, :], y[:, 7:16, :, :]; mask = mask[:, 7:16], window_size = 3, shard = lower)
    @test parts ≈ whole atol = VALUE_TOLERANCE
end
