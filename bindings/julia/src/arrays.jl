# From Julia arrays to addresses, shapes and strides.

# PermutedDimsArray is not a StridedArray, though over one it has memory and strides as well.
const Pixel = Union{Float32,Float16,UInt8,Float64}
const HostArray{T<:Pixel} = Union{StridedArray{T},PermutedDimsArray{T,N,p,q,<:StridedArray} where {N,p,q}}

dtype_of(::Type{Float32}) = DTYPES.f32
dtype_of(::Type{Float16}) = DTYPES.f16
dtype_of(::Type{UInt8}) = DTYPES.u8
dtype_of(::Type{Float64}) = DTYPES.f64

"What is computed in: the element type of results, and of gradients where the caller does not bring them."
precision_of(::Type{Float64}) = Float64
precision_of(::Type) = Float32

"""
    FusedSSIM.address(array)

The address of an array's first element, as a `Ptr{Cvoid}`, in whichever memory it lies. Device arrays of other
packages take part by adding a method, and one to `with_stream`.
"""
address(array::HostArray{T}) where {T<:Pixel} = convert(Ptr{Cvoid}, Base.unsafe_convert(Ptr{T}, array))
address(array::AbstractArray) = throw(
    ArgumentError(
        "a $(typeof(array)) cannot be used: images and gradients are strided arrays of Float32, Float16 or UInt8, in " *
        "host memory or, with CUDA.jl loaded, on a GPU, or of Float64 in host memory. `Float32.(array)` makes one.",
    ),
)

"""
    FusedSSIM.with_stream(call, array, shape, options)

Runs `call(stream)` where `array` lives: with `nothing` for host memory, with a `Stream` for device memory.
"""
with_stream(call, ::AbstractArray, ::Shape, ::Options) = call(nothing)

const DEFAULT_DIMS = Dict(2 => :wh, 3 => :whc, 4 => :whcn)

"Which dimension of an array each of n, c, h, w is; 0: none, its size is 1."
function axes_of(dims, array::AbstractArray)
    if dims === nothing
        dims = get(DEFAULT_DIMS, ndims(array)) do
            throw(ArgumentError("images have 2 to 4 dimensions; this array has $(ndims(array))"))
        end
    end
    letters = collect(String(dims))
    if length(letters) != ndims(array) || !allunique(letters) || !issubset(letters, "whcn") || !issubset("wh", letters)
        throw(
            ArgumentError(
                "dims is :$dims; expected one letter for each of the array's $(ndims(array)) dimensions: w, h, and " *
                "where there are channels c, and images n, such as :whcn or :chw",
            ),
        )
    end
    return map(letter -> something(findfirst(==(letter), letters), 0), ('n', 'c', 'h', 'w'))
end

shape_of(array::AbstractArray, axes) = Shape(map(axis -> axis == 0 ? 1 : size(array, axis), axes)...)

function image_of(array::AbstractArray, axes)
    first = address(array)
    return Image(first, map(axis -> axis == 0 ? 0 : stride(array, axis), axes), dtype_of(eltype(array)))
end
image_of(::Nothing, axes) = NOWHERE

function same_size(name, array::AbstractArray, like::AbstractArray)
    size(array) == size(like) || throw(DimensionMismatch("$name has size $(size(array)); x has size $(size(like))"))
end
same_size(name, ::Nothing, ::AbstractArray) = nothing

"Size of `ssim` as a Julia array: the library's order is [n][c][h][w], so Julia's is (w, h, c, n)."
function result_size(shape::Shape, options::Options)
    options.reduction == REDUCTIONS.mean && return (1,)
    options.reduction == REDUCTIONS.per_image && return (shape.n,)
    options.reduction == REDUCTIONS.per_channel && return (shape.c, shape.n)
    border = options.padding == PADDINGS.valid ? options.window_size - 1 : 0
    return (max(shape.w - border, 0), max(shape.h - border, 0), shape.c, shape.n)
end

"The address of an array for results, or for what multiplies them, of images of `T`."
function result_address(name, array, T::Type, shape::Shape, options::Options)
    precise = precision_of(T)
    array isa DenseArray{precise} ||
        throw(ArgumentError("$name is a $(typeof(array)); expected a dense array of $precise"))
    needed = prod(result_size(shape, options))
    length(array) == needed ||
        throw(DimensionMismatch("$name has $(length(array)) elements; this reduction needs $needed"))
    return address(array)
end
