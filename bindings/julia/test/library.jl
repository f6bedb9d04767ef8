# Finding the library, and what it says about itself.

@test FusedSSIM.version() == FusedSSIM.HEADER_VERSION
@test occursin("cpu: ", FusedSSIM.backend_info())
@test !occursin('\0', FusedSSIM.backend_info())
@test FusedSSIM.device_count() >= 0
if Libdl.dlopen("libcuda.so.1"; throw_error = false) === nothing
    @test FusedSSIM.device_count() == 0
    @test_throws FusedSSIMError FusedSSIM.cuda_preload(0)
end
@test occursin("version = \"$(FusedSSIM.HEADER_VERSION)\"", read(joinpath(PACKAGE, "Project.toml"), String))

"Whether a new Julia succeeds with `code` when `FUSED_SSIM_LIBRARY` is set to `library`, and what it prints."
function in_new_process(code, library)
    environment = merge(Dict(ENV), Dict(FusedSSIM.LIBRARY_VARIABLE => library))
    command = `$(Base.julia_cmd()) --startup-file=no --project=$PACKAGE -e $code`
    output = IOBuffer()
    process = run(pipeline(ignorestatus(setenv(command, environment)); stdout = output, stderr = output))
    return success(process), String(take!(output))
end

const TWO_CALLS = "using FusedSSIM; x = ones(Float32, 12, 12); print(ssim(x, x) + ssim(x, x))"

@testset "the development override is used, and says so once" begin
    succeeded, text = in_new_process(TWO_CALLS, Libdl.dlpath(FusedSSIM.open_library()))
    @test succeeded
    @test occursin("2.0", text)
    @test length(collect(eachmatch(r"development override", text))) == 1
end

@testset "a missing or foreign library is refused" begin
    succeeded, text = in_new_process(TWO_CALLS, "/nowhere/libfused_ssim.so")
    @test !succeeded
    @test occursin("/nowhere/libfused_ssim.so", text) && occursin("not a file", text)
    foreign = Libdl.dlpath("libm.so.6")
    succeeded, text = in_new_process(TWO_CALLS, foreign)
    @test !succeeded
    @test occursin("not a fused-ssim library", text)
end

@testset "loading the package does not need the library" begin
    succeeded, text = in_new_process("using FusedSSIM; print(FusedSSIMError(3, \"text\"))", "/nowhere/libfused_ssim.so")
    @test succeeded
    @test occursin("text", text) && !occursin("override", text)
end
