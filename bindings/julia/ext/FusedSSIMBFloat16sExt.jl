# Images and gradients of BFloat16.
module FusedSSIMBFloat16sExt

using FusedSSIM, BFloat16s

FusedSSIM.dtype_of(::Type{BFloat16s.BFloat16}) = FusedSSIM.DTYPES.bf16

end
