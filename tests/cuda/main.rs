//! The CUDA path, called through the C functions on device memory, against the f64 oracle.
//!
//! One program that needs nothing of the machine it was built on: it can be carried to a machine with a GPU and no Rust.
//! Without a driver its tests say that they are skipped; with FSSIM_NO_SKIP=1 they fail instead. FSSIM_EMULATED=1 says that
//! the driver is the emulator, and makes sizes small.

mod accuracy;
mod case;
mod dtypes;
mod elements;
mod emulator;
mod errors;
mod faults;
mod hazards;
mod layouts;
mod losses;
mod masks;
mod own_process;
mod processes;
mod random;
mod streams;
mod weights;
mod windows;

#[path = "../support/capi.rs"]
mod capi;
#[path = "../support/device.rs"]
mod device;
#[path = "../support/loss_calls.rs"]
mod loss_calls;
#[path = "../support/masked.rs"]
mod masked;
#[path = "../support/random_calls/mod.rs"]
mod random_calls;
#[path = "../support/shards.rs"]
mod shards;
#[path = "../support/mod.rs"]
mod support;
