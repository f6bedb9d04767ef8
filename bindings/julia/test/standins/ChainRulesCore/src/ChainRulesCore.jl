# The little of ChainRulesCore that ext/FusedSSIMChainRulesCoreExt.jl uses, to run it where no package can be installed.
module ChainRulesCore

export rrule, AbstractZero, NoTangent, ZeroTangent, unthunk, @thunk

function rrule end

abstract type AbstractZero end
struct NoTangent <: AbstractZero end
struct ZeroTangent <: AbstractZero end

struct Thunk{F}
    compute::F
end

macro thunk(body)
    return :(Thunk(() -> $(esc(body))))
end

unthunk(thunk::Thunk) = thunk.compute()
unthunk(value) = value

end
