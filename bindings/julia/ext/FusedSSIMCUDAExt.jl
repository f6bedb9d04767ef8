# Arrays of CUDA.jl: their addresses, and the current task's stream with a workspace from CUDA.jl's memory pool.
module FusedSSIMCUDAExt

using FusedSSIM, CUDA

device_address(array) = Ptr{Cvoid}(UInt(pointer(array)))

const Pixel = Union{Float32,Float16,UInt8}
const PermutedArray{T<:Pixel} = PermutedDimsArray{T,N,p,q,<:CuArray} where {N,p,q}
const DeviceArray = Union{StridedCuArray{<:Pixel},PermutedArray}

FusedSSIM.address(array::StridedCuArray{<:Pixel}) = device_address(array)
FusedSSIM.address(array::PermutedArray) = device_address(parent(array))

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
