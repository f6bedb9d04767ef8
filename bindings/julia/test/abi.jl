# The structs and constants of this package against a table of what a C compiler makes of fused_ssim.h, which tests/c
# keeps true.

const TABLE = normpath(@__DIR__, "..", "..", "..", "tests", "c", "layout.txt")

if !isfile(TABLE)
    skip("structs and constants", "tests/c/layout.txt is not beside this package")
else
    lines = split.(readlines(TABLE))
    mirrors = Dict("fssim_layout" => FusedSSIM.Layout, "fssim_options" => FusedSSIM.Options)

    for (name, mirror) in mirrors
        entry = only(filter(line -> line[1] == "struct" && line[2] == name, lines))
        @test sizeof(mirror) == parse(Int, entry[4])
        members = filter(line -> line[1] == "member" && startswith(line[2], name * "."), lines)
        @test length(members) == fieldcount(mirror) > 0
        for member in members
            field = Symbol(split(member[2], ".")[2])
            index = findfirst(==(field), fieldnames(mirror))
            @test index !== nothing
            @test fieldoffset(mirror, index) == parse(Int, member[4])
            @test sizeof(fieldtype(mirror, index)) == parse(Int, member[6])
        end
    end

    constants = Dict(line[2] => parse(Int, line[3]) for line in lines if line[1] == "constant")
    @test FusedSSIM.OK == constants["FSSIM_OK"]
    for (prefix, choices) in (
        ("DTYPE", FusedSSIM.DTYPES),
        ("DEVICE", FusedSSIM.DEVICES),
        ("PADDING", FusedSSIM.PADDINGS),
        ("REDUCTION", FusedSSIM.REDUCTIONS),
        ("OUTPUT", FusedSSIM.OUTPUTS),
        ("WINDOW", FusedSSIM.WINDOWS),
        ("MASK", FusedSSIM.MASKS),
        ("PIXEL", FusedSSIM.PIXELS),
    )
        known = filter(name -> startswith(name, "FSSIM_$(prefix)_"), keys(constants))
        @test length(known) == length(choices)
        for (choice, value) in pairs(choices)
            @test value == constants["FSSIM_$(prefix)_$(uppercase(string(choice)))"]
        end
    end
    @test FusedSSIM.SAVE_FOR.x == constants["FSSIM_SAVE_FOR_IMG1"]
    @test FusedSSIM.SAVE_FOR.y == constants["FSSIM_SAVE_FOR_IMG2"]
    @test FusedSSIM.SAVE_FOR.both == constants["FSSIM_SAVE_FOR_IMG1"] | constants["FSSIM_SAVE_FOR_IMG2"]
end

options = FusedSSIM.Options()
@test options.struct_size == sizeof(FusedSSIM.Options)
@test (options.sigma, options.data_range, options.k1, options.k2) == (1.5, 1.0, 0.01, 0.03)
@test options.window_size == 11 && options.mask == C_NULL

# The keywords' defaults are the library's: a call with none changes no option.
untouched = FusedSSIM.call_for(zeros(Float32, 12, 12)).options
for name in fieldnames(FusedSSIM.Options)
    @test getfield(untouched, name) == getfield(options, name)
end
