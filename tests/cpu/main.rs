//! The CPU backend against the f64 oracle.

#[path = "../support/mod.rs"]
mod support;

mod accuracy;
mod determinism;
mod dtypes;
mod harness;
mod hazards;
mod layouts;
mod rungs;
