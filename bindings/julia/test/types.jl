# Element types other than Float32.

x, y = images(21, 14, 3, 2)
bytes(image) = round.(UInt8, 255 .* image)

@testset "$A and $B" for A in (Float16, UInt8, Float32), B in (Float16, UInt8)
    convert_to(T, image) = T === UInt8 ? bytes(image) : T.(image)
    exact(image) = eltype(image) === UInt8 ? image ./ 255 : Float64.(image)
    a, b = convert_to(A, x), convert_to(B, y)
    full = reference_map(exact(a), exact(b))
    value, grad_a, grad_b = ssim_with_gradient(a, b; wrt = :both)
    @test value isa Float32
    @test value ≈ sum(full) / length(full) atol = VALUE_TOLERANCE
    @test eltype(grad_a) == eltype(grad_b) == Float32
    per_number(T) = T === UInt8 ? 255 : 1
    @test relative(grad_a .* per_number(A), reference_gradient(exact(a), exact(b), mean_seed(full))) <= GRADIENT_TOLERANCE
    @test relative(grad_b .* per_number(B), reference_gradient(exact(b), exact(a), mean_seed(full))) <= GRADIENT_TOLERANCE
    @test ssim(a, b) == value
end

@testset "Float64" begin
    a, b = Float64.(x), Float64.(y)
    value, grad_a = ssim_with_gradient(a, b)
    @test value isa Float64 && eltype(grad_a) == Float64
    @test value != Float32(value)
    @test value ≈ ssim(x, y) atol = VALUE_TOLERANCE
    # Finite differences, which Float32 would drown.
    step = 1e-6
    for index in (1, 200, length(a))
        up, down = copy(a), copy(a)
        up[index] += step
        down[index] -= step
        @test (ssim(up, b) - ssim(down, b)) / 2step ≈ grad_a[index] rtol = 1e-5 atol = 1e-10
    end
    map = ssim(a, b; reduction = :map)
    @test map isa Array{Float64,4} && sum(map) / length(map) ≈ value
    upstream = fill(3.0, 1)
    again = similar(a)
    ssim_gradient!(again, nothing, upstream, a, b)
    @test again ≈ 3 .* grad_a
end

@testset "bytes span the data range" begin
    a, b = bytes(x), bytes(y)
    @test ssim(a, b; data_range = 255) ≈ ssim(a, b) atol = VALUE_TOLERANCE
    @test ssim(Float32.(a), b; data_range = 255) ≈ ssim(a, b) atol = VALUE_TOLERANCE
end

@testset "channels first, as images of colours are" begin
    a = permutedims(bytes(x), (3, 1, 2, 4))
    b = PermutedDimsArray(Float16.(y), (3, 1, 2, 4))
    @test ssim(a, b; dims = :cwhn) == ssim(bytes(x), Float16.(y))
    # N0f8 is a UInt8 in memory: reinterpreted arrays are strided.
    raw = reinterpret(UInt8, reinterpret(Int8, bytes(x)))
    @test ssim(raw, Float16.(y)) == ssim(bytes(x), Float16.(y))
end

@testset "gradients of fewer bits" begin
    out, half, full = zeros(Float32, 1), zeros(Float16, size(x)), similar(x)
    ssim_with_gradient!(out, half, nothing, x, y)
    ssim_with_gradient!(out, full, nothing, x, y)
    @test half == Float16.(full)
end
