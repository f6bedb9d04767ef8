//! Each driver call of each call of the library, made to fail in turn.

use super::{ASKED_ONE_BY_ONE, CODES, Fault, Fixture, Function, NO_FAULT, Run, Way, emulator, is_an_answer, status_of};
use crate::capi;
use crate::device::POISON;
use crate::own_process::{as_it_is, in_own_process};

/// What the library calls, other than to describe errors and devices.
const FUNCTIONS: &[&str] = &[
    "cuInit",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease",
    "cuCtxGetCurrent",
    "cuCtxPushCurrent",
    "cuCtxPopCurrent",
    "cuCtxGetDevice",
    "cuPointerGetAttributes",
    "cuStreamGetCtx",
    "cuStreamSynchronize",
    "cuMemAlloc",
    "cuMemFree",
    "cuLibraryLoadData",
    "cuLibraryGetKernel",
    "cuKernelGetFunction",
    "cuLaunchKernel",
];

/// Giving something back fails: the emulator keeps it, and there is nothing that the library could do.
const GIVE_BACK: &[&str] = &["cuDevicePrimaryCtxRelease", "cuCtxPopCurrent", "cuMemFree"];

#[test]
fn every_call_that_fails_once() {
    let test = "faults::every_call::every_call_that_fails_once";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let mut fixture = Fixture::new(emulator, gpu);
        fixture.warm_up();
        let mut reached = vec![false; FUNCTIONS.len()];
        for (way, has_context) in Way::all().into_iter().flat_map(|way| [(way, true), (way, false)]) {
            let sound = fixture.run_with(way, has_context, NO_FAULT);
            assert_eq!(sound.status, capi::OK, "{way:?}: {}", sound.message);
            let want = fixture.results();
            let mut calls = 0;
            for (function, reached) in FUNCTIONS.iter().zip(&mut reached) {
                for count in 1.. {
                    let fails =
                        |&code| fails_as_documented(&fixture, &want, (way, has_context), (function, count, code));
                    if !CODES.iter().all(fails) {
                        break;
                    }
                    *reached = true;
                    calls += 1;
                }
            }
            assert_eq!(calls, sound.calls, "{way:?}, context {has_context}: there are driver calls that never failed");
        }
        // What is loaded or looked up once is out of reach here; `first_calls_that_fail` has it.
        let unreached: Vec<_> =
            FUNCTIONS.iter().zip(reached).filter(|(_, reached)| !reached).map(|(name, _)| name).collect();
        assert_eq!(unreached, [&"cuDeviceGet", &"cuDeviceGetAttribute", &"cuLibraryLoadData", &"cuLibraryGetKernel"]);
    });
}

#[test]
fn every_question_about_a_pointer_that_fails() {
    let test = "faults::every_call::every_question_about_a_pointer_that_fails";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let mut fixture = Fixture::new(emulator, gpu);
        fixture.warm_up();
        for form in [Way::Synchronous, Way::OnStream] {
            let way = form(Function::ValueAndGrad);
            assert_eq!(fixture.run(way).status, capi::OK);
            let want = fixture.results();
            // Two images and two results, with three attributes each.
            for (count, code) in (1..=12).flat_map(|count| CODES.iter().map(move |&code| (count, code))) {
                assert!(fails_as_documented(&fixture, &want, (way, false), (ASKED_ONE_BY_ONE, count, code)));
            }
        }
    });
}

/// Makes one driver call fail in one call of the library and checks everything about it. False: there is no such call.
fn fails_as_documented(fixture: &Fixture, want: &[u32], (way, has_context): (Way, bool), fault: Fault<'_>) -> bool {
    let (function, count, code) = fault;
    let emulator = &fixture.emulator;
    let (before, launches) = (emulator.alive(), emulator.launches());
    let Run { status, message, failures, context_is_kept, .. } = fixture.run_with(way, has_context, fault);
    let what = format!("{way:?}, context {has_context}, call {count} of {function} returns {code}: {message:?}");
    let results = fixture.results();
    if failures == 0 {
        assert_eq!(status, capi::OK, "{what}");
        return false;
    }
    let answer = is_an_answer(function, count, code);
    let no_driver = way == Way::DeviceCount && status_of(code) == capi::ERROR_NO_CUDA;
    if no_driver || (answer && function == "cuPointerGetAttributes") {
        assert_eq!(status, capi::OK, "{what}");
    } else if answer {
        assert_eq!(status, capi::ERROR_DEVICE, "{what}");
    } else {
        assert_eq!(status, status_of(code), "{what}");
        assert!(message.contains(&format!("{function} failed with CUDA error {code} (")), "{what}");
    }
    if emulator.launches() == launches {
        assert!(results.iter().all(|&bits| bits == POISON), "{what}: nothing was launched, and outputs have changed");
    }
    if !GIVE_BACK.contains(&function) {
        assert!(context_is_kept, "{what}: the current context changed");
        assert_eq!(emulator.alive(), before, "{what}: leaked");
    }
    let next = fixture.run_with(way, has_context, NO_FAULT);
    assert_eq!(next.status, capi::OK, "{what}: the next call: {}", next.message);
    assert!(fixture.results() == want, "{what}: the next call's results");
    true
}

#[test]
fn the_text_for_bug_reports_names_the_call() {
    let test = "faults::every_call::the_text_for_bug_reports_names_the_call";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        gpu.make_current();
        let sound = capi::backend_info();
        let before = emulator.alive();
        emulator.heal();
        assert_eq!(capi::backend_info(), sound);
        let calls = emulator.calls();
        assert!(calls > 3, "{calls}");
        for (call, &code) in (0..calls).flat_map(|call| CODES.iter().map(move |code| (call, code))) {
            emulator.set_rules(&format!("call={call},code={code}"));
            let text = capi::backend_info();
            assert_eq!(emulator.failures(), 1, "call {call}: {text}");
            assert!(
                text.contains("not usable: ") && text.contains(&format!(" failed with CUDA error {code} (")),
                "{text}"
            );
            assert_eq!(emulator.alive(), before, "call {call} returns {code}: leaked");
            emulator.heal();
            assert_eq!(capi::backend_info(), sound, "after call {call} returned {code}");
        }
    });
}
