//! Compares the hand-kept declarations of abi.rs with include/fused_ssim.h: sizes, offsets, constants and signatures
//! by the code that ctest2 wrote, and that neither has an item which the other lacks.

// Links the library, because the generated code takes the addresses of its functions.
use fused_ssim as _;
use fused_ssim_abi::{declared_in_rust, defined_in_header};
use std::process::ExitCode;

mod generated {
    #![allow(warnings, clippy::all)]

    mod abi {
        include!(env!("FSSIM_ABI"));
    }
    use abi::*;
    use libc::*;

    include!(concat!(env!("OUT_DIR"), "/all.rs"));

    /// How many checks passed, and whether any failed.
    pub fn results() -> (usize, bool) {
        run_all();
        (NTESTS.load(Ordering::SeqCst), FAILED.load(Ordering::SeqCst))
    }
}

fn main() -> ExitCode {
    let (passed, failed) = generated::results();
    println!("{passed} checks of abi.rs against the header passed");
    let header = defined_in_header(include_str!("../../../include/fused_ssim.h"));
    let declared = declared_in_rust(include_str!(env!("FSSIM_ABI")));
    assert!(header.len() > 60, "the header defines more than the {} names found in it", header.len());
    for name in header.symmetric_difference(&declared) {
        let place = if header.contains(name) { "abi.rs" } else { "the header" };
        println!("{name} is missing in {place}");
    }
    if failed || passed == 0 || header != declared {
        return ExitCode::FAILURE;
    }
    println!("{} names are the same in both", header.len());
    ExitCode::SUCCESS
}
