# Device memory, through whatever libcuda.so.1 there is: raw addresses and a stream, then the extension for CUDA.jl on a
# stand-in for CUDA.jl. The extension is run, CUDA.jl itself is not.
module DeviceTests

using FusedSSIM, Test
using FusedSSIM: Image, NOWHERE, Options, Shape, Stream
using ..Main: PACKAGE, skip, images, weights, relative, VALUE_TOLERANCE, GRADIENT_TOLERANCE

push!(LOAD_PATH, joinpath(@__DIR__, "standins"))
using CUDA

if !CUDA.functional()
    skip("device arrays", "no CUDA driver (libcuda.so.1)")
else
    include(joinpath(PACKAGE, "ext", "FusedSSIMCUDAExt.jl"))

    x, y = images(37, 21, 3, 2)
    value, grad_x, grad_y = ssim_with_gradient(x, y; wrt = :both)
    dx, dy = CuArray(x), CuArray(y)

    @testset "raw addresses on a stream" begin
        options, shape = Options(), Shape(2, 3, 21, 37)
        strides = (3 * 21 * 37, 21 * 37, 37, 1)
        at(array) = Ptr{Cvoid}(UInt(pointer(array)))
        out, gradient = CuArray(fill(NaN32, 1)), CuArray(fill(NaN32, size(x)))
        saved = CuArray{UInt8}(undef, FusedSSIM.saved_size(shape, options))
        workspace = CuArray{UInt8}(undef, FusedSSIM.workspace_size(shape, options))
        stream = Stream(CUDA.stream().handle, at(workspace), sizeof(workspace))
        img1, img2, grad = Image(at(dx), strides), Image(at(dy), strides), Image(at(gradient), strides)
        GC.@preserve dx dy out gradient saved workspace begin
            FusedSSIM.value_and_grad!(at(out), grad, NOWHERE, shape, img1, img2, options, stream)
            CUDA.synchronize()
            @test Array(out)[1] ≈ value atol = VALUE_TOLERANCE
            @test relative(Array(gradient), grad_x) <= GRADIENT_TOLERANCE
            fill!(out, NaN32)
            fill!(gradient, NaN32)
            FusedSSIM.forward!(at(out), at(saved), shape, img1, img2, options, stream)
            FusedSSIM.backward!(grad, NOWHERE, at(saved), C_NULL, shape, img1, img2, options, stream)
            CUDA.synchronize()
            @test Array(out)[1] ≈ value atol = VALUE_TOLERANCE
            @test relative(Array(gradient), grad_x) <= GRADIENT_TOLERANCE
            short = Stream(stream.handle, stream.workspace, stream.bytes - 1)
            failure = try
                FusedSSIM.forward!(at(out), C_NULL, shape, img1, img2, options, short)
            catch exception
                exception
            end
            @test failure isa FusedSSIMError && failure.status == 9
        end
    end

    @testset "device arrays" begin
        @test ssim(dx, dy) isa Float32
        @test ssim(dx, dy) ≈ value atol = VALUE_TOLERANCE
        device_value, device_x, device_y = ssim_with_gradient(dx, dy; wrt = :both)
        @test device_value ≈ value atol = VALUE_TOLERANCE
        @test device_x isa CuArray{Float32,4}
        @test relative(Array(device_x), grad_x) <= GRADIENT_TOLERANCE
        @test relative(Array(device_y), grad_y) <= GRADIENT_TOLERANCE
        per_image = ssim(dx, dy; reduction = :per_image, padding = :valid)
        @test per_image isa CuArray{Float32,1}
        @test maximum(abs.(Array(per_image) .- ssim(x, y; reduction = :per_image, padding = :valid))) <= VALUE_TOLERANCE
        upstream, gradient = CuArray(Float32[0.5, -2]), similar(dx)
        ssim_gradient!(gradient, nothing, upstream, dx, dy; reduction = :per_image)
        expected = similar(x)
        ssim_gradient!(expected, nothing, Float32[0.5, -2], x, y; reduction = :per_image)
        @test relative(Array(gradient), expected) <= GRADIENT_TOLERANCE
    end

    @testset "other dimensions, views and permuted arrays" begin
        order = (3, 1, 2, 4)
        cx, cy = CuArray(permutedims(x, order)), CuArray(permutedims(y, order))
        permuted = ssim_with_gradient(cx, cy; dims = :cwhn)
        @test permuted[1] ≈ value atol = VALUE_TOLERANCE
        @test relative(permutedims(Array(permuted[2]), (2, 3, 1, 4)), grad_x) <= GRADIENT_TOLERANCE
        lazy = PermutedDimsArray(cx, (2, 3, 1, 4))
        @test ssim(lazy, dy) ≈ value atol = VALUE_TOLERANCE
        crop = (4:30, 3:19, 2:3, 2:2)
        @test ssim(view(dx, crop...), view(dy, crop...)) ≈ ssim(x[crop...], y[crop...]) atol = VALUE_TOLERANCE
        large = CuArray(fill(7.0f0, size(x)))
        out = similar(dx, Float32, (1,))
        ssim_with_gradient!(out, view(large, crop...), nothing, view(dx, crop...), view(dy, crop...))
        expected = fill(7.0f0, size(x))
        expected[crop...] .= ssim_with_gradient(x[crop...], y[crop...])[2]
        @test maximum(abs.(Array(large) .- expected)) < 1e-6
    end

    @testset "a mask and a window, $mode" for mode in (:weighted_mean, :multiply_inputs, :normalized)
        mask = weights(37, 21)
        for host in (mask, Array{Bool}(mask .> 0), UInt8.(mask .> 0))
            keywords = (mask_mode = mode, window_size = 7, output = :dssim)
            expected, gradient = ssim_with_gradient(x, y; mask = host, keywords...)
            got, device_gradient = ssim_with_gradient(dx, dy; mask = CuArray(host), keywords...)
            @test got ≈ expected atol = VALUE_TOLERANCE
            @test relative(Array(device_gradient), gradient) <= 2GRADIENT_TOLERANCE
        end
    end

    @testset "the loss" begin
        keywords = (pixel_loss = :l2, window = :uniform, mask = weights(37, 1, 3, 2))
        expected, gradient_x, gradient_y = ssim_loss_with_gradient(x, y; wrt = :both, keywords...)
        there = merge(keywords, (mask = CuArray(keywords.mask),))
        parts, device_x, device_y = ssim_loss_with_gradient(dx, dy; wrt = :both, there...)
        @test [parts...] ≈ [expected...] atol = VALUE_TOLERANCE
        @test relative(Array(device_x), gradient_x) <= 2GRADIENT_TOLERANCE
        @test relative(Array(device_y), gradient_y) <= 2GRADIENT_TOLERANCE
        @test ssim_loss(dx, dy) isa Float32
        @test ssim_loss(dx, dy) ≈ ssim_loss(x, y) atol = VALUE_TOLERANCE
    end

    @testset "a shard" begin
        shard = (rows_above = 10, height = 31)
        expected, gradient = ssim_with_gradient(x, y; shard = shard)
        got, device_gradient = ssim_with_gradient(dx, dy; shard = shard)
        @test size(device_gradient) == (37, 11, 3, 2)
        @test got ≈ expected atol = VALUE_TOLERANCE
        @test relative(Array(device_gradient), gradient) <= 2GRADIENT_TOLERANCE
    end

    @testset "elements of other types" begin
        hx, by = Float16.(x), round.(UInt8, 255 .* y)
        expected, gradient = ssim_with_gradient(hx, by)
        got, device_gradient = ssim_with_gradient(CuArray(hx), CuArray(by))
        @test got ≈ expected atol = VALUE_TOLERANCE
        @test device_gradient isa CuArray{Float32,4}
        @test relative(Array(device_gradient), gradient) <= 2GRADIENT_TOLERANCE
    end

    @testset "host and device memory do not mix" begin
        mask = weights(37, 21)
        for (a, b, m) in ((dx, y, nothing), (x, dy, nothing), (dx, dy, mask), (x, y, CuArray(mask)))
            failure = try
                ssim(a, b; mask = m)
            catch exception
                exception
            end
            @test failure isa FusedSSIMError && failure.status == 8
        end
        @test_throws FusedSSIMError ssim(dx, dy; device = :cpu)
    end

    @test FusedSSIM.device_count() >= 1
    @test FusedSSIM.cuda_preload(0) === nothing
end

end
