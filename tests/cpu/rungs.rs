//! Runs all other tests of this program again with each set of instructions that this machine offers beside the best one,
//! which is what they run with here.

use std::process::Command;

use crate::capi;
use crate::support::skip;

/// Set in the programs started here, which must not start others.
const CHILD: &str = "FSSIM_TEST_RUNG";

fn available(rung: &str) -> bool {
    match rung {
        "portable" => true,
        #[cfg(target_arch = "x86_64")]
        "avx2" => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        "avx512" => is_x86_feature_detected!("avx512f"),
        _ => false,
    }
}

#[test]
fn every_rung_passes_every_test() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let (offered, missing): (Vec<&str>, Vec<&str>) =
        ["portable", "avx2", "avx512"].into_iter().partition(|rung| available(rung));
    for rung in missing {
        skip(rung, "this processor does not offer it");
    }
    let chosen =
        capi::backend_info().lines().find_map(|line| line.strip_prefix("cpu: ")?.split(',').next().map(str::to_owned));
    let chosen = chosen.expect("the description names the instructions");
    assert!(offered.contains(&chosen.as_str()), "{chosen} is none of {offered:?}");
    for rung in offered.into_iter().filter(|&rung| rung != chosen) {
        let program = std::env::current_exe().expect("this program has a path");
        let output =
            Command::new(program).env("FSSIM_CPU", rung).env(CHILD, rung).output().expect("it can be started again");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{rung}:\n{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("test result: ok."), "{rung}:\n{text}");
    }
}

#[test]
fn instructions_that_do_not_exist_are_an_error_of_every_call() {
    if std::env::var("FSSIM_CPU").as_deref() == Ok("sse9") {
        let problem = crate::harness::problem([1, 1, 4, 4], &fused_ssim::Options::default());
        let mut ssim = [7.0];
        let error = fused_ssim::forward(&problem, &[0.0; 16], &[0.0; 16], &mut ssim, None).expect_err("no such rung");
        assert!(matches!(error, fused_ssim::Error::Option(_)), "{error:?}");
        assert!(error.to_string().contains("FSSIM_CPU") && error.to_string().contains("sse9"), "{error}");
        assert_eq!(ssim, [7.0]);
        return;
    }
    let program = std::env::current_exe().expect("this program has a path");
    let name = "rungs::instructions_that_do_not_exist_are_an_error_of_every_call";
    let output = Command::new(program)
        .args(["--exact", name])
        .env("FSSIM_CPU", "sse9")
        .output()
        .expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
