# The extension for ChainRulesCore, on a stand-in: the rule is run, ChainRulesCore itself is not.
module ChainRulesTests

using FusedSSIM, Test
using ..Main: PACKAGE, VALUE_TOLERANCE, GRADIENT_TOLERANCE
using ..Main: images, relative, reference_map, reference_gradient, mean_seed

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

@testset "a zero tangent" begin
    _, pullback = rrule(ssim, x, y)
    @test pullback(ZeroTangent()) === (NoTangent(), ZeroTangent(), ZeroTangent())
end

end
