# The extension for BFloat16s, on a stand-in: the method is used, BFloat16s itself is not.
module BFloat16sTests

using FusedSSIM, Test
using ..Main: PACKAGE, VALUE_TOLERANCE, GRADIENT_TOLERANCE, images, relative, reference_answer

push!(LOAD_PATH, joinpath(@__DIR__, "standins"))
using BFloat16s
include(joinpath(PACKAGE, "ext", "FusedSSIMBFloat16sExt.jl"))

x, y = images(19, 16, 2, 2)
a = BFloat16.(x)
exact = Float64.(a)
value, grad_a, grad_y = reference_answer(exact, y)
got, got_a, got_y = ssim_with_gradient(a, y; wrt = :both)
@test got isa Float32 && abs(got - value) <= VALUE_TOLERANCE
@test got_a isa Array{Float32,4} && relative(got_a, grad_a) <= GRADIENT_TOLERANCE
@test relative(got_y, grad_y) <= GRADIENT_TOLERANCE

# A gradient of that type is the Float32 one, rounded once.
out, rounded = zeros(Float32, 1), similar(a)
ssim_with_gradient!(out, rounded, nothing, a, y)
@test reinterpret(UInt16, rounded) == reinterpret(UInt16, BFloat16.(got_a))

end
