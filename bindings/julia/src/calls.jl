# The operations on raw addresses: what the methods for arrays, and other packages' device arrays, are made of.

"Sizes of the images: n images of c channels, h rows and w columns."
struct Shape
    n::Int64
    c::Int64
    h::Int64
    w::Int64
end

"""
    FusedSSIM.Image(address, strides[, dtype[, scale]])

Where the elements of an image or gradient are: the address of the first one, in host memory or on a CUDA device, and
the strides in elements from one image, channel, row and column to the next. `dtype` is what they are, one of
`FusedSSIM.DTYPES` (default: f32). `scale` is what they are multiplied by when they are read (default, 0: 1, and for bytes
data_range/255). Whoever makes it keeps the memory alive.
"""
struct Image
    address::Ptr{Cvoid}
    strides::NTuple{4,Int64}
    dtype::Int32
    scale::Float64
end

Image(address, strides, dtype = DTYPES.f32) = Image(address, strides, dtype, 0.0)

"A gradient that is not wanted."
const NOWHERE = Image(C_NULL, (0, 0, 0, 0))

"""
    FusedSSIM.Stream(handle, workspace, bytes)

A CUDA stream to enqueue on, with `workspace_size` bytes of scratch memory on its device, 16-byte aligned, which are in
use until the work has completed.
"""
struct Stream
    handle::Ptr{Cvoid}
    workspace::Ptr{Cvoid}
    bytes::Csize_t
end

layout(image::Image) = Layout(image.dtype, 0, image.scale, image.strides...)

"Options with the layouts of a call's arrays. Changes and returns `options`."
function lay_out!(options::Options, img1::Image, img2::Image, grad_img1::Image = NOWHERE, grad_img2::Image = NOWHERE)
    options.img1 = layout(img1)
    options.img2 = layout(img2)
    options.grad_img1 = layout(grad_img1)
    options.grad_img2 = layout(grad_img2)
    return options
end

function size_of(name::Symbol, shape::Shape, options::Options)
    bytes = Ref{Csize_t}(0)
    check(
        ccall(
            symbol(name), Int32, (Int64, Int64, Int64, Int64, Ref{Options}, Ref{Csize_t}),
            shape.n, shape.c, shape.h, shape.w, options, bytes,
        ),
    )
    return Int(bytes[])
end

"""
    FusedSSIM.saved_size(shape, options)

Bytes that `forward!` leaves for `backward!`.
"""
saved_size(shape::Shape, options::Options) = size_of(:fssim_saved_size, shape, options)

"""
    FusedSSIM.workspace_size(shape, options)

Bytes of workspace that a `Stream` needs for a shape.
"""
workspace_size(shape::Shape, options::Options) = size_of(:fssim_workspace_size, shape, options)

"""
    FusedSSIM.forward!(ssim, saved, shape, img1, img2, options[, stream])

`fssim_forward`, or with a `Stream` `fssim_forward_stream`. `ssim` and `saved` are addresses; `saved` may be `C_NULL`.
"""
function forward!(ssim::Ptr, saved::Ptr, shape::Shape, img1::Image, img2::Image, options::Options, ::Nothing = nothing)
    lay_out!(options, img1, img2)
    check(
        ccall(
            symbol(:fssim_forward), Int32,
            (Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid}),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, ssim, saved,
        ),
    )
end

function forward!(ssim::Ptr, saved::Ptr, shape::Shape, img1::Image, img2::Image, options::Options, stream::Stream)
    lay_out!(options, img1, img2)
    check(
        ccall(
            symbol(:fssim_forward_stream), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid},
                Ptr{Cvoid}, Csize_t, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, ssim, saved,
            stream.workspace, stream.bytes, stream.handle,
        ),
    )
end

"""
    FusedSSIM.backward!(grad_img1, grad_img2, saved, grad_ssim, shape, img1, img2, options[, stream])

`fssim_backward`, or with a `Stream` `fssim_backward_stream`. A gradient that is not wanted is `FusedSSIM.NOWHERE`;
`saved` and `grad_ssim` are addresses and may be `C_NULL`.
"""
function backward!(
    grad_img1::Image, grad_img2::Image, saved::Ptr, grad_ssim::Ptr, shape::Shape, img1::Image, img2::Image,
    options::Options, ::Nothing = nothing,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_backward), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid},
                Ptr{Cvoid}, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, saved, grad_ssim,
            grad_img1.address, grad_img2.address,
        ),
    )
end

function backward!(
    grad_img1::Image, grad_img2::Image, saved::Ptr, grad_ssim::Ptr, shape::Shape, img1::Image, img2::Image,
    options::Options, stream::Stream,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_backward_stream), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid},
                Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Csize_t, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, saved, grad_ssim,
            grad_img1.address, grad_img2.address, stream.workspace, stream.bytes, stream.handle,
        ),
    )
end

"""
    FusedSSIM.value_and_grad!(ssim, grad_img1, grad_img2, shape, img1, img2, options[, stream])

`fssim_value_and_grad`, or with a `Stream` `fssim_value_and_grad_stream`.
"""
function value_and_grad!(
    ssim::Ptr, grad_img1::Image, grad_img2::Image, shape::Shape, img1::Image, img2::Image, options::Options,
    ::Nothing = nothing,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_value_and_grad), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid},
                Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, ssim,
            grad_img1.address, grad_img2.address,
        ),
    )
end

function value_and_grad!(
    ssim::Ptr, grad_img1::Image, grad_img2::Image, shape::Shape, img1::Image, img2::Image, options::Options,
    stream::Stream,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_value_and_grad_stream), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Ptr{Cvoid}, Ptr{Cvoid},
                Ptr{Cvoid}, Ptr{Cvoid}, Csize_t, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, ssim,
            grad_img1.address, grad_img2.address, stream.workspace, stream.bytes, stream.handle,
        ),
    )
end

"""
    FusedSSIM.loss!(loss, grad_img1, grad_img2, shape, img1, img2, options, pixel_loss, lambda[, stream])

`fssim_loss`, or with a `Stream` `fssim_loss_stream`. `pixel_loss` is one of `FusedSSIM.PIXELS`; `loss` is the address of
three values for each of the reduction.
"""
function loss!(
    loss::Ptr, grad_img1::Image, grad_img2::Image, shape::Shape, img1::Image, img2::Image, options::Options,
    pixel_loss::Integer, lambda::Real, ::Nothing = nothing,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_loss), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Int32, Float64, Ptr{Cvoid},
                Ptr{Cvoid}, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, pixel_loss, lambda, loss,
            grad_img1.address, grad_img2.address,
        ),
    )
end

function loss!(
    loss::Ptr, grad_img1::Image, grad_img2::Image, shape::Shape, img1::Image, img2::Image, options::Options,
    pixel_loss::Integer, lambda::Real, stream::Stream,
)
    lay_out!(options, img1, img2, grad_img1, grad_img2)
    check(
        ccall(
            symbol(:fssim_loss_stream), Int32,
            (
                Ptr{Cvoid}, Ptr{Cvoid}, Int64, Int64, Int64, Int64, Ref{Options}, Int32, Float64, Ptr{Cvoid},
                Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Csize_t, Ptr{Cvoid},
            ),
            img1.address, img2.address, shape.n, shape.c, shape.h, shape.w, options, pixel_loss, lambda, loss,
            grad_img1.address, grad_img2.address, stream.workspace, stream.bytes, stream.handle,
        ),
    )
end
