# The little of BFloat16s that ext/FusedSSIMBFloat16sExt.jl and its tests use, to run it where no package can be installed.
module BFloat16s

export BFloat16

primitive type BFloat16 <: AbstractFloat 16 end

# Rounded to the nearest, ties to even.
function BFloat16(number::Float32)
    bits = reinterpret(UInt32, number)
    return reinterpret(BFloat16, ((bits + 0x7fff + ((bits >> 16) & 0x1)) >> 16) % UInt16)
end

Base.Float32(number::BFloat16) = reinterpret(Float32, UInt32(reinterpret(UInt16, number)) << 16)
Base.Float64(number::BFloat16) = Float64(Float32(number))

end
