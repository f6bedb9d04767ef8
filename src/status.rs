//! What can go wrong.

/// A failed call. The text says what was wrong, which argument, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required pointer is NULL.
    #[error("{0}")]
    NullPointer(String),
    /// `fssim_options.struct_size` is not a size that this library knows.
    #[error("{0}")]
    StructSize(String),
    /// A size is zero, negative, too large, or smaller than the window in `valid`.
    #[error("{0}")]
    Shape(String),
    /// An option holds a value outside its documented range.
    #[error("{0}")]
    Option(String),
    /// A dtype, a scale or a stride that cannot describe the memory, or does not go with the rest.
    #[error("{0}")]
    Layout(String),
    /// A pointer is not a multiple of its element size.
    #[error("{0}")]
    Alignment(String),
    /// An output shares memory with an input or with another output.
    #[error("{0}")]
    Overlap(String),
    /// Pointers live on different devices, or not on the device asked for.
    #[error("{0}")]
    Device(String),
    /// The workspace is smaller than `fssim_workspace_size` says, or is missing.
    #[error("{0}")]
    Workspace(String),
    /// The stream belongs to another device, or a stream was given to the CPU.
    #[error("{0}")]
    Stream(String),
    /// A valid request that this version does not implement.
    #[error("{0}")]
    Unsupported(String),
    /// No CUDA driver, or none that can be used in this process.
    #[error("{0}")]
    NoCuda(String),
    /// A call of the CUDA driver failed.
    #[error("{0}")]
    Cuda(String),
    /// Memory could not be had, on the host or on the device.
    #[error("{0}")]
    OutOfMemory(String),
    /// A defect of this library.
    #[error("{0}")]
    Internal(String),
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;
