# Finding, opening and questioning the library.

"Names a libfused_ssim to use instead of the usual one. For development; a notice says that it is in force."
const LIBRARY_VARIABLE = "FUSED_SSIM_LIBRARY"

# The version of fused_ssim.h that this package was written for. Before 1.0 the minor number is that of the ABI.
const HEADER_VERSION = v"0.1.0"

const library_handle = Ref{Ptr{Cvoid}}(C_NULL)
const library_lock = ReentrantLock()

function library_path()
    if haskey(ENV, LIBRARY_VARIABLE)
        path = ENV[LIBRARY_VARIABLE]
        isfile(path) || error("$LIBRARY_VARIABLE is \"$path\", which is not a file")
        @info "FusedSSIM uses the library that $LIBRARY_VARIABLE names, a development override: $path"
        return path
    end
    package = dirname(@__DIR__)
    name = "libfused_ssim." * Libdl.dlext
    paths = [joinpath(package, "deps", name), normpath(package, "..", "..", "target", "release", name)]
    found = findfirst(isfile, paths)
    found === nothing && error(
        "libfused_ssim was not found. Looked for $(join(paths, " and ")). Run `cargo build --release` in the " *
        "fused-ssim source tree, or set $LIBRARY_VARIABLE to the library's path.",
    )
    return paths[found]
end

function open_library()
    lock(library_lock) do
        library_handle[] == C_NULL || return library_handle[]
        path = library_path()
        handle = Libdl.dlopen(path)
        version_function = Libdl.dlsym(handle, :fssim_version; throw_error = false)
        version_function === nothing && error("$path is not a fused-ssim library")
        found = version_number(ccall(version_function, Int32, ()))
        (found.major, found.minor) == (HEADER_VERSION.major, HEADER_VERSION.minor) ||
            error("$path is fused-ssim $found; this package needs $(HEADER_VERSION.major).$(HEADER_VERSION.minor)")
        library_handle[] = handle
    end
end

"Address of a function of the library, which is opened at the first use."
function symbol(name::Symbol)
    handle = library_handle[]
    return Libdl.dlsym(handle == C_NULL ? open_library() : handle, name)
end

version_number(number) = VersionNumber(div(number, 10000), div(number, 100) % 100, number % 100)

# The text is the calling thread's, and a task cannot change threads between two ccalls.
function check(status::Int32)
    status == OK && return nothing
    throw(FusedSSIMError(status, unsafe_string(ccall(symbol(:fssim_last_error), Cstring, ()))))
end

"""
    FusedSSIM.version()

The version of the library that is running.
"""
version() = version_number(ccall(symbol(:fssim_version), Int32, ()))

"""
    FusedSSIM.backend_info()

What this library and machine are, in a few lines of text, for bug reports.
"""
function backend_info()
    needed = Ref{Csize_t}(0)
    check(ccall(symbol(:fssim_backend_info), Int32, (Ptr{UInt8}, Csize_t, Ptr{Csize_t}), C_NULL, 0, needed))
    buffer = Vector{UInt8}(undef, needed[])
    check(
        ccall(symbol(:fssim_backend_info), Int32, (Ptr{UInt8}, Csize_t, Ptr{Csize_t}), buffer, length(buffer), C_NULL),
    )
    return GC.@preserve buffer unsafe_string(pointer(buffer))
end

"""
    FusedSSIM.device_count()

How many CUDA devices can be used; 0 without a driver.
"""
function device_count()
    count = Ref{Int32}(0)
    check(ccall(symbol(:fssim_device_count), Int32, (Ref{Int32},), count))
    return Int(count[])
end

"""
    FusedSSIM.cuda_preload(device)

Loads the kernels for CUDA device `device` (from 0) now. Call it before capturing a CUDA graph.
"""
cuda_preload(device::Integer) = check(ccall(symbol(:fssim_cuda_preload), Int32, (Int32,), device))

"""
    FusedSSIM.set_num_threads(threads)

Sets how many threads a call on host memory may use, for the whole process; 0: back to the default. Results do not
depend on it.
"""
set_num_threads(threads::Integer) = check(ccall(symbol(:fssim_set_num_threads), Int32, (Int32,), threads))

"""
    FusedSSIM.get_num_threads()

How many threads a call on host memory may use.
"""
get_num_threads() = Int(ccall(symbol(:fssim_get_num_threads), Int32, ()))
