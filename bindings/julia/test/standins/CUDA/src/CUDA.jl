# The little of CUDA.jl that ext/FusedSSIMCUDAExt.jl and its users need, straight on the driver, to run the extension
# where no package can be installed: on the emulated driver, or on a real one.
module CUDA

using Libdl

export CuArray, StridedCuArray

const CUstream = Ptr{Cvoid}

struct CuStream
    handle::CUstream
end

Base.unsafe_convert(::Type{CUstream}, stream::CuStream) = stream.handle

struct CuPtr{T}
    address::UInt64
end

Base.UInt(pointer::CuPtr) = pointer.address % UInt

const driver = Ref{Ptr{Cvoid}}(C_NULL)
const task_stream = Ref{CUstream}(C_NULL)

functional() = Libdl.dlopen("libcuda.so.1"; throw_error = false) !== nothing

function symbol(name)
    driver[] == C_NULL && open_driver()
    return Libdl.dlsym(driver[], name)
end

expect(result::Int32, call) = result == 0 ? nothing : error("$call gave $result")

function open_driver()
    driver[] = Libdl.dlopen("libcuda.so.1")
    device, context = Ref{Int32}(0), Ref{Ptr{Cvoid}}(C_NULL)
    expect(ccall(symbol(:cuInit), Int32, (UInt32,), 0), "cuInit")
    expect(ccall(symbol(:cuDeviceGet), Int32, (Ref{Int32}, Int32), device, 0), "cuDeviceGet")
    expect(
        ccall(symbol(:cuDevicePrimaryCtxRetain), Int32, (Ref{Ptr{Cvoid}}, Int32), context, device[]),
        "cuDevicePrimaryCtxRetain",
    )
    expect(ccall(symbol(:cuCtxSetCurrent), Int32, (Ptr{Cvoid},), context[]), "cuCtxSetCurrent")
    # 1: non-blocking, like CUDA.jl's, so that work on the wrong stream would not be waited for.
    expect(ccall(symbol(:cuStreamCreate), Int32, (Ref{CUstream}, UInt32), task_stream, 1), "cuStreamCreate")
end

function stream()
    driver[] == C_NULL && open_driver()
    return CuStream(task_stream[])
end

synchronize() = expect(ccall(symbol(:cuStreamSynchronize), Int32, (CUstream,), stream().handle), "cuStreamSynchronize")

mutable struct CuArray{T,N} <: DenseArray{T,N}
    address::UInt64
    dims::Dims{N}

    function CuArray{T,N}(::UndefInitializer, dims::Dims{N}) where {T,N}
        address = Ref{UInt64}(0)
        bytes = max(prod(dims) * sizeof(T), 1)
        expect(ccall(symbol(:cuMemAlloc_v2), Int32, (Ref{UInt64}, Csize_t), address, bytes), "cuMemAlloc")
        return finalizer(unsafe_free!, new{T,N}(address[], dims))
    end
end

CuArray{T}(::UndefInitializer, dims::Integer...) where {T} = CuArray{T,length(dims)}(undef, Int.(dims))
CuArray(host::Array{T,N}) where {T,N} = copyto!(CuArray{T,N}(undef, size(host)), host)

const StridedCuArray{T,N} = Union{CuArray{T,N},SubArray{T,N,<:CuArray}}

function unsafe_free!(array::CuArray)
    array.address == 0 && return nothing
    # CUDA.jl frees in stream order; waiting is the simplest way to that.
    synchronize()
    expect(ccall(symbol(:cuMemFree_v2), Int32, (UInt64,), array.address), "cuMemFree")
    array.address = 0
    return nothing
end

Base.size(array::CuArray) = array.dims
Base.elsize(::Type{<:CuArray{T}}) where {T} = sizeof(T)
Base.sizeof(array::CuArray) = length(array) * Base.elsize(array)
Base.strides(array::CuArray) = Base.size_to_strides(1, array.dims...)
Base.similar(array::CuArray, ::Type{T}, dims::Dims{N}) where {T,N} = CuArray{T,N}(undef, dims)
Base.unsafe_convert(::Type{Ptr{T}}, array::CuArray{T}) where {T} = error("device memory has no address on the host")

Base.pointer(array::CuArray{T}) where {T} = CuPtr{T}(array.address)
Base.pointer(view::SubArray{T,N,<:CuArray}) where {T,N} =
    CuPtr{T}(parent(view).address + sizeof(T) * sum((first.(view.indices) .- 1) .* strides(parent(view))))

function Base.copyto!(device::CuArray{T}, host::Array{T}) where {T}
    synchronize()
    GC.@preserve host expect(
        ccall(symbol(:cuMemcpyHtoD_v2), Int32, (UInt64, Ptr{T}, Csize_t), device.address, host, sizeof(host)),
        "cuMemcpyHtoD",
    )
    # The copy may still be under way, and the task's stream does not wait for the default stream.
    expect(ccall(symbol(:cuStreamSynchronize), Int32, (CUstream,), C_NULL), "cuStreamSynchronize")
    return device
end

Base.fill!(device::CuArray{T}, value) where {T} = copyto!(device, fill(convert(T, value), size(device)))

function Base.Array(device::CuArray{T,N}) where {T,N}
    host = Array{T,N}(undef, size(device))
    synchronize()
    GC.@preserve host expect(
        ccall(symbol(:cuMemcpyDtoH_v2), Int32, (Ptr{T}, UInt64, Csize_t), host, device.address, sizeof(host)),
        "cuMemcpyDtoH",
    )
    return host
end

end
