# From Julia arrays to addresses, shapes and strides.

# PermutedDimsArray is not a StridedArray, though over one it has memory and strides as well.
const HostArray{T} = Union{StridedArray{T},PermutedDimsArray{T,N,p,q,<:StridedArray} where {N,p,q}}

"""
    FusedSSIM.dtype_of(T)

The `FusedSSIM.DTYPES` of an element type. A package with a type of the same bits takes part by adding a method.
"""
dtype_of(::Type{Float32}) = DTYPES.f32
dtype_of(::Type{Float16}) = DTYPES.f16
dtype_of(::Type{UInt8}) = DTYPES.u8
dtype_of(::Type{Float64}) = DTYPES.f64
dtype_of(T::Type) = throw(
    ArgumentError(
        "elements of $T cannot be used: images are of Float32, Float16, UInt8, Float64 or, with BFloat16s loaded, " *
        "BFloat16, and gradients of all but UInt8. `Float32.(array)` makes a copy that can.",
    ),
)

mask_dtype_of(::Type{Float32}) = DTYPES.f32
mask_dtype_of(::Union{Type{Bool},Type{UInt8}}) = DTYPES.u8
mask_dtype_of(T::Type) =
    throw(ArgumentError("mask has elements of $T; expected Bool, UInt8 or Float32, as of `Float32.(mask)`"))

"What is computed in: the element type of results, and of gradients where the caller does not bring them."
precision_of(::Type{Float64}) = Float64
precision_of(::Type) = Float32

"""
    FusedSSIM.address(array)

The address of an array's first element, as a `Ptr{Cvoid}`, in whichever memory it lies. Device arrays of other
packages take part by adding a method, and one to `with_stream`.
"""
address(array::HostArray{T}) where {T} = convert(Ptr{Cvoid}, Base.unsafe_convert(Ptr{T}, array))
address(array::AbstractArray) = throw(
    ArgumentError(
        "a $(typeof(array)) cannot be used: images, masks and gradients are strided arrays, in host memory or, with " *
        "CUDA.jl loaded, on a GPU. `Float32.(array)` makes one, and for a mask `Array{Bool}(array)`.",
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

function image_of(array::AbstractArray, axes, scale = 0.0)
    first = address(array)
    return Image(first, map(axis -> axis == 0 ? 0 : stride(array, axis), axes), dtype_of(eltype(array)), scale)
end
image_of(::Nothing, axes) = NOWHERE

"Where a mask is, with the strides that it has when it is broadcast to images of the size of `x`."
function mask_of(mask::AbstractArray, x::AbstractArray, axes)
    if ndims(mask) > ndims(x) || any(d -> size(mask, d) != 1 && size(mask, d) != size(x, d), 1:ndims(x))
        throw(
            DimensionMismatch(
                "mask has size $(size(mask)); x has size $(size(x)): each dimension of a mask is that of x, or 1, " *
                "and those at the end may be left out",
            ),
        )
    end
    first, dtype = address(mask), mask_dtype_of(eltype(mask))
    shared(axis) = axis == 0 || size(mask, axis) == 1
    strides = map(axis -> shared(axis) ? 0 : stride(mask, axis), axes)
    # To the library four zeros mean "dense", so these strides would read memory that is not there.
    all(iszero, strides) && length(x) > 1 && throw(ArgumentError("mask has one element for all pixels; leave it out"))
    return Image(first, strides, dtype)
end

"Which rows of the images a call gives a gradient to: all, or of a shard those that it owns."
function owned_rows(shape::Shape, options::Options)
    # Arrays are made of this size before the library sees the shard and refuses a wrong one.
    return (1+max(options.shard_rows_above, 0)):(shape.h-max(options.shard_rows_below, 0))
end

"The part of an array of the size of the images that has those rows."
owned(array::AbstractArray, axes, rows) = view(array, ntuple(d -> d == axes[3] ? rows : Colon(), ndims(array))...)

"The size of a gradient of `x`."
gradient_size(x::AbstractArray, axes, rows) = ntuple(d -> d == axes[3] ? length(rows) : size(x, d), ndims(x))

function expect_size(name, array::AbstractArray, expected::Dims, why)
    size(array) == expected || throw(DimensionMismatch("$name has size $(size(array)); $why $expected"))
end
expect_size(name, ::Nothing, ::Dims, why) = nothing

"Size of `ssim` as a Julia array: the library's order is [n][c][h][w], so Julia's is (w, h, c, n)."
function result_size(shape::Shape, options::Options)
    options.reduction == REDUCTIONS.mean && return (1,)
    options.reduction == REDUCTIONS.per_image && return (shape.n,)
    options.reduction == REDUCTIONS.per_channel && return (shape.c, shape.n)
    border = options.padding == PADDINGS.valid ? div(options.window_size, 2) : 0
    rows = intersect(owned_rows(shape, options), (1+border):(shape.h-border))
    return (max(shape.w - 2border, 0), length(rows), shape.c, shape.n)
end

"The address of an array of `needed` results, or of what multiplies them, of images of `T`."
function result_address(name, array, T::Type, needed::Integer)
    precise = precision_of(T)
    array isa DenseArray{precise} ||
        throw(ArgumentError("$name is a $(typeof(array)); expected a dense array of $precise"))
    length(array) == needed ||
        throw(DimensionMismatch("$name has $(length(array)) elements; this reduction needs $needed"))
    return address(array)
end
