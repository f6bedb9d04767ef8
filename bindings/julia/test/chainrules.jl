# The extension for ChainRulesCore, on a stand-in: the rule is run, ChainRulesCore itself is not.
module ChainRulesTests

using FusedSSIM, Test
using ..Main: PACKAGE, VALUE_TOLERANCE, GRADIENT_TOLERANCE
using ..Main: images, weights, relative, reference_map, reference_gradient, reference_answer, reference_loss, mean_seed

push!(LOAD_PATH, joinpath(@__DIR__, "standins"))
using ChainRulesCore
include(joinpath(PACKAGE, "ext", "FusedSSIMChainRulesCoreExt.jl"))

x, y = images(23, 17, 3, 2)

@testset "the mean" begin
    value, pullback = rrule(ssim, x, y)
    @test value === ssim(x, y)
    _, grad_x, grad_y = pullback(-2.0)
    seed = -2 .* mean_seed(reference_map(x, y))
    @test relative(unthunk(grad_x), reference_gradient(x, y, seed)) <= GRADIENT_TOLERANCE
    @test relative(unthunk(grad_y), reference_gradient(y, x, seed)) <= GRADIENT_TOLERANCE
end

@testset "the map, with keywords and other dimensions" begin
    px, py = permutedims(x, (3, 1, 2, 4)), permutedims(y, (3, 1, 2, 4))
    map, pullback = rrule(ssim, px, py; dims = :cwhn, reduction = :map, padding = :valid)
    @test map == ssim(px, py; dims = :cwhn, reduction = :map, padding = :valid)
    tangent = [sin(i / 10) for i in LinearIndices(map)]
    _, grad_x, _ = pullback(tangent)
    expected = reference_gradient(x, y, Float64.(Float32.(tangent)); padding = :valid)
    @test relative(permutedims(unthunk(grad_x), (2, 3, 1, 4)), expected) <= GRADIENT_TOLERANCE
end

@testset "a mask and a shard" begin
    mask = weights(23, 17)
    _, pullback = rrule(ssim, x, y; mask = mask, mask_mode = :normalized, output = :dssim)
    # The mask stays alive with the pullback alone.
    mask = copy(mask)
    GC.gc()
    _, expected_x, expected_y = reference_answer(x, y; mask = mask, mask_mode = :normalized, output = :dssim)
    _, grad_x, grad_y = pullback(1.0)
    @test relative(unthunk(grad_x), expected_x) <= GRADIENT_TOLERANCE
    @test relative(unthunk(grad_y), expected_y) <= GRADIENT_TOLERANCE
    # Rows that a shard does not own have no gradient from it.
    shard = (rows_below = 10, height = 40)
    _, pullback = rrule(ssim, x, y; shard = shard)
    grad_x = unthunk(pullback(2.0)[2])
    @test grad_x[:, 1:7, :, :] ≈ 2 .* ssim_with_gradient(x, y; shard = shard)[2]
    @test all(iszero, grad_x[:, 8:17, :, :])
end

@testset "the loss, $reduction, $dims" for reduction in (:mean, :per_image, :per_channel), dims in (:whcn, :ncwh, :cnhw)
    keywords = (pixel_loss = :l2, lambda = 0.4, reduction = reduction)
    order = [findfirst(letter, "whcn") for letter in String(dims)]
    px, py = permutedims(x, order), permutedims(y, order)
    loss, pullback = rrule(ssim_loss, px, py; dims = dims, keywords...)
    @test loss == ssim_loss(px, py; dims = dims, keywords...)
    tangent = reduction === :mean ? -3.0 : [cos(i) for i in LinearIndices(loss)]
    _, grad_x, grad_y = pullback(tangent)
    _, _, _, of_x, of_y = reference_loss(x, y; keywords...)
    spread = tangent isa Number ? tangent : reshape(tangent, 1, 1, reduction === :per_image ? 1 : 3, 2)
    @test relative(permutedims(unthunk(grad_x), invperm(order)), spread .* of_x) <= GRADIENT_TOLERANCE
    @test relative(permutedims(unthunk(grad_y), invperm(order)), spread .* of_y) <= GRADIENT_TOLERANCE
    @test unthunk(grad_x) isa Array{Float32,4}
    @test unthunk(grad_x) == unthunk(pullback(tangent)[2])
end

@testset "the loss of a shard, and of other elements" begin
    shard = (rows_below = 10, height = 40)
    _, pullback = rrule(ssim_loss, x, y; shard = shard)
    grad_x = unthunk(pullback(1.0)[2])
    @test grad_x[:, 1:7, :, :] ≈ ssim_loss_with_gradient(x, y; shard = shard)[2]
    @test all(iszero, grad_x[:, 8:17, :, :])
    half, pullback = rrule(ssim_loss, Float16.(x), y)
    @test half isa Float32
    @test unthunk(pullback(65536.0)[2]) isa Array{Float16,4}
    @test relative(unthunk(pullback(65536.0)[2]), 65536 .* ssim_loss_with_gradient(x, y)[2]) < 0.05
end

@testset "a zero tangent" begin
    _, pullback = rrule(ssim_loss, x, y)
    @test pullback(ZeroTangent()) === (NoTangent(), ZeroTangent(), ZeroTangent())
    _, pullback = rrule(ssim, x, y)
    @test pullback(ZeroTangent()) === (NoTangent(), ZeroTangent(), ZeroTangent())
end

end
