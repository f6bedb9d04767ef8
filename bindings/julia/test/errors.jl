# Bad input: an exception that says what was wrong, and nothing written.

x, y = images(23, 17, 3, 2)

"The exception that `call` throws, which must be of type `type` and mention `word`."
function thrown(call, type, word)
    try
        call()
    catch exception
        @test exception isa type
        @test occursin(word, sprint(showerror, exception))
        return exception
    end
    @test "an exception" == "none"
end

@testset "the library's errors" begin
    failure = thrown(() -> ssim(x, y; sigma = -1), FusedSSIMError, "sigma is -1")
    @test failure.status == 4
    @test occursin("status 4", sprint(showerror, failure))
    @test thrown(() -> ssim(x, y; sigma = NaN), FusedSSIMError, "sigma").status == 4
    @test thrown(() -> ssim(x, y; window_size = 4), FusedSSIMError, "window_size is 4").status == 4
    @test thrown(() -> ssim(x, y; shard = (rows_above = 1, height = 0)), FusedSSIMError, "shard_height is 0").status == 4
    below = (rows_below = -2^60, height = 17)
    @test thrown(() -> ssim_with_gradient(x, y; shard = below), FusedSSIMError, "shard_rows_below is -1152").status == 4
    @test thrown(() -> ssim(x, y; scale = Inf), FusedSSIMError, "scale is inf").status == 5
    @test thrown(() -> ssim_loss(x, y; lambda = 2), FusedSSIMError, "lambda is 2").status == 4
    @test thrown(() -> ssim_loss(x, y; reduction = :map), FusedSSIMError, "MAP").status == 4
    @test thrown(() -> ssim(x, y; data_range = 0), FusedSSIMError, "data_range").status == 4
    @test thrown(() -> ssim(x, y; k2 = Inf), FusedSSIMError, "k2").status == 4
    @test thrown(() -> ssim(x[1:10, :, :, :], y[1:10, :, :, :]; padding = :valid), FusedSSIMError, "window").status == 3
    @test thrown(() -> ssim(zeros(Float32, 0, 5), zeros(Float32, 0, 5)), FusedSSIMError, "w is 0").status == 3
    @test thrown(() -> ssim(view(x, 23:-1:1, :, :, :), y), FusedSSIMError, "stride_w is -1").status == 5
    @test thrown(() -> ssim_with_gradient!(zeros(Float32, 1), x, nothing, x, y), FusedSSIMError, "overlap").status == 7
    @test thrown(() -> ssim_gradient!(nothing, nothing, nothing, x, y), FusedSSIMError, "grad_img1").status == 1
    @test thrown(() -> FusedSSIM.set_num_threads(-3), FusedSSIMError, "threads is -3").status == 4
    expected = Libdl.dlopen("libcuda.so.1"; throw_error = false) === nothing ? 50 : 8
    @test thrown(() -> ssim(x, y; device = :cuda), FusedSSIMError, "").status == expected
end

@testset "arguments" begin
    thrown(() -> ssim(Int32.(round.(x)), y), ArgumentError, "Float32")
    thrown(() -> ssim(x, y .> 0.5), ArgumentError, "Float32")
    @test thrown(() -> ssim(x, Float64.(y)), FusedSSIMError, "F64 goes with F64 alone").status == 5
    thrown(() -> ssim!(zeros(Float32, 1), Float64.(x), Float64.(y)), ArgumentError, "dense array of Float64")
    thrown(() -> ssim(view(x, [1, 5, 6], :, :, :), y[1:3, :, :, :]), ArgumentError, "strided")
    thrown(() -> ssim(x, y[1:22, :, :, :]), DimensionMismatch, "y has size (22, 17, 3, 2)")
    out, small = zeros(Float32, 1), zeros(Float32, 23, 17, 3, 1)
    thrown(() -> ssim_with_gradient!(out, small, nothing, x, y), DimensionMismatch, "grad_x")
    thrown(() -> ssim_with_gradient!(out, nothing, small, x, y), DimensionMismatch, "grad_y")
    thrown(() -> ssim!(zeros(Float32, 2), x, y), DimensionMismatch, "out has 2 elements")
    thrown(() -> ssim!(zeros(Float32, 1), x, y; reduction = :map), DimensionMismatch, "needs $(length(x))")
    thrown(() -> ssim!(zeros(Float64, 1), x, y), ArgumentError, "out")
    thrown(() -> ssim!(view(zeros(Float32, 4), 1:2:4), x, y; reduction = :per_image), ArgumentError, "out")
    thrown(() -> ssim_gradient!(similar(x), nothing, zeros(Float32, 3), x, y), DimensionMismatch, "upstream")
    thrown(() -> ssim(vec(x), vec(y)), ArgumentError, "2 to 4 dimensions")
    for dims in (:whc, :whcc, :whcx, :cnwx, :ncwd)
        thrown(() -> ssim(x, y; dims = dims), ArgumentError, "dims is :$dims")
    end
    thrown(() -> ssim(x[:, :, 1, 1], y[:, :, 1, 1]; dims = :wc), ArgumentError, "dims is :wc")
    thrown(() -> ssim(x, y; padding = :reflect), ArgumentError, "padding is :reflect")
    thrown(() -> ssim(x, y; reduction = :sum), ArgumentError, "reduction is :sum")
    thrown(() -> ssim(x, y; device = :gpu), ArgumentError, "device is :gpu")
    thrown(() -> ssim_with_gradient(x, y; wrt = :z), ArgumentError, "wrt is :z")
    thrown(() -> ssim(x, y; window = :box), ArgumentError, "window is :box; expected one of :gaussian, :uniform")
    thrown(() -> ssim(x, y; output = "ssim"), ArgumentError, "output is \"ssim\"")
    thrown(() -> ssim(x, y; scale = "big"), ArgumentError, "scale is \"big\"")
    thrown(() -> ssim(x, y; shard = 7), ArgumentError, "shard is 7")
    thrown(() -> ssim_loss(x, y; pixel_loss = :l3), ArgumentError, "pixel_loss is :l3; expected one of :l1, :l2")
    thrown(() -> ssim_loss_with_gradient!(out, nothing, nothing, x, y), DimensionMismatch, "out has 1 elements")
    owned = (shard = (rows_below = 10, height = 40),)
    thrown(() -> ssim_with_gradient!(out, similar(x), nothing, x, y; owned...), DimensionMismatch, "(23, 7, 3, 2)")
end

@testset "masks" begin
    size_of_x = "x has size (23, 17, 3, 2)"
    thrown(() -> ssim(x, y; mask = ones(Float32, 17, 23)), DimensionMismatch, "mask has size (17, 23); $size_of_x")
    thrown(() -> ssim(x, y; mask = ones(Bool, 23, 17, 1, 2, 1)), DimensionMismatch, size_of_x)
    thrown(() -> ssim(x, y; mask = ones(23, 17)), ArgumentError, "mask has elements of Float64")
    thrown(() -> ssim(x, y; mask = trues(23, 17)), ArgumentError, "for a mask `Array{Bool}(array)`")
    thrown(() -> ssim(x, y; mask = ones(Float32, 1, 1)), ArgumentError, "mask has one element for all pixels")
    thrown(() -> ssim(x, y; mask = ones(Bool, 23, 17), mask_mode = :soft), ArgumentError, "mask_mode is :soft")
end

@testset "nothing is written" begin
    out, grad = fill(7.0f0, 1), fill(7.0f0, size(x))
    @test_throws FusedSSIMError ssim_with_gradient!(out, grad, nothing, x, y; sigma = 0)
    @test_throws DimensionMismatch ssim_with_gradient!(out, grad, nothing, x, y[1:5, :, :, :])
    @test all(==(7), out) && all(==(7), grad)
end
