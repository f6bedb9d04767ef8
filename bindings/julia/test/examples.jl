# Every example runs in a process of its own, as a user would run it.
@testset "$name" for name in readdir(joinpath(PACKAGE, "examples"))
    path = joinpath(PACKAGE, "examples", name)
    output = IOBuffer()
    command = `$(Base.julia_cmd()) --startup-file=no --project=$PACKAGE $path`
    process = run(pipeline(ignorestatus(command); stdout = output, stderr = output))
    text = String(take!(output))
    success(process) || println(text)
    @test success(process)
    @test occursin(r"\d\.\d+", text)
end
