# Arrays of CUDA.jl: their addresses, and the current task's stream with a workspace from CUDA.jl's memory pool.
module FusedSSIMCUDAExt

using FusedSSIM, CUDA

device_address(array) = Ptr{Cvoid}(UInt(pointer(array)))

FusedSSIM.address(array::StridedCuArray) = device_address(array)
FusedSSIM.address(array::PermutedDimsArray{T,N,p,q,<:CuArray}) where {T,N,p,q} = device_address(parent(array))

const DeviceArray = Union{StridedCuArray,PermutedDimsArray{T,N,p,q,<:CuArray} where {T,N,p,q}}

function FusedSSIM.with_stream(call, ::DeviceArray, shape::FusedSSIM.Shape, options::FusedSSIM.Options)
    workspace = CuArray{UInt8}(undef, FusedSSIM.workspace_size(shape, options))
    try
        GC.@preserve workspace begin
            stream = Base.unsafe_convert(CUDA.CUstream, CUDA.stream())
            call(FusedSSIM.Stream(stream, device_address(workspace), sizeof(workspace)))
        end
    finally
        # In stream order: the memory is used again only by what is enqueued later.
        CUDA.unsafe_free!(workspace)
    end
end

end
