//! Tests that need a process of their own.

use std::process::Command;

/// Starts this program again for the calling test alone, `module::name`, and runs `body` there. `prepare` may change the
/// environment.
pub fn in_own_process(test: &str, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    const TEST: &str = "FSSIM_TEST_IN_OWN_PROCESS";
    if std::env::var(TEST).as_deref() == Ok(test) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(TEST, test);
    prepare(&mut command);
    let output = command.output().expect("this program can be started");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
}

/// For `prepare`: changes nothing.
pub fn as_it_is(_: &mut Command) {}
