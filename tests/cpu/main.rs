//! The CPU backend against the f64 oracle.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/capi.rs"]
mod capi;

#[path = "../support/loss_calls.rs"]
mod loss_calls;
#[path = "../support/masked.rs"]
mod masked;

#[path = "../support/random_calls/mod.rs"]
mod random_calls;
#[path = "../support/shards.rs"]
mod shards;

mod accuracy;
mod determinism;
mod dtypes;
mod elements;
mod harness;
mod hazards;
mod layouts;
mod losses;
mod masks;
mod random;
mod rungs;
mod windows;
