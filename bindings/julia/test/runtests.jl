# The tests of FusedSSIM. They need the standard library alone:
#
#     julia --project=bindings/julia bindings/julia/test/runtests.jl
#
# FUSED_SSIM_LIBRARY  the library to test; default: that of target/release
# FSSIM_NO_SKIP=1     a test that cannot run here is a failure, not a skip
# FSSIM_EMULATED=1    libcuda.so.1 on LD_LIBRARY_PATH is the emulated driver: only tests that a driver matters to
using FusedSSIM, Libdl, Random, Test

const PACKAGE = dirname(@__DIR__)
const SKIPPED = Ref(0)

function skip(what, why)
    if get(ENV, "FSSIM_NO_SKIP", "0") == "1"
        println("FAILED: $what: skipped, and FSSIM_NO_SKIP=1: $why")
        @test false
    else
        println("skipped: $what: $why")
        SKIPPED[] += 1
    end
end

include("reference.jl")

const EMULATED = get(ENV, "FSSIM_EMULATED", "0") == "1"

count_passed(set::Test.DefaultTestSet) = set.n_passed + mapreduce(count_passed, +, set.results; init = 0)
count_passed(result) = 0

try
    set = @testset "FusedSSIM" begin
        if !EMULATED
            @testset "abi" begin include("abi.jl") end
            @testset "values" begin include("values.jl") end
            @testset "arrays" begin include("arrays.jl") end
            @testset "options" begin include("options.jl") end
            @testset "loss" begin include("loss.jl") end
            @testset "types" begin include("types.jl") end
            @testset "errors" begin include("errors.jl") end
            @testset "library" begin include("library.jl") end
            @testset "BFloat16s" begin include("bfloat16s.jl") end
            @testset "ChainRules" begin include("chainrules.jl") end
            @testset "examples" begin include("examples.jl") end
        end
        @testset "device" begin include("device.jl") end
    end
    println("$(count_passed(set)) passed, 0 failed, $(SKIPPED[]) skipped")
catch failure
    failure isa Test.TestSetException || rethrow()
    println("$(failure.pass) passed, $(failure.fail + failure.error) failed, $(SKIPPED[]) skipped")
    exit(1)
end
