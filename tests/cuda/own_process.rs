//! Tests that need a process of their own.

use std::process::Command;

const TEST: &str = "FSSIM_TEST_IN_OWN_PROCESS";

/// Whether this process was started for this test alone.
pub fn is_own_process(test: &str) -> bool {
    std::env::var(TEST).as_deref() == Ok(test)
}

/// Starts this program again for the calling test alone, `module::name`, and runs `body` there. `prepare` may change the
/// environment.
pub fn in_own_process(test: &str, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    // Without it a test that returned before it came to its body would count as passed.
    const DONE: &str = "the body of the test has run";
    if is_own_process(test) {
        body();
        return println!("{DONE}");
    }
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(TEST, test);
    prepare(&mut command);
    let output = command.output().expect("this program can be started");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains(DONE), "{}\n{text}", output.status);
}

/// For `prepare`: changes nothing.
pub fn as_it_is(_: &mut Command) {}
