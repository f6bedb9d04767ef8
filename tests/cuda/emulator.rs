//! What the emulated driver can do that a real one cannot: make calls fail, and say what is alive.
//! tests/emulator/driver/emulated_cuda.h describes these functions.

use std::ffi::{CString, c_char, c_int};

use cudarc::driver::sys;

/// What is alive, as far as a call of the library may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    pub contexts: u64,
    pub primary_references: u64,
    pub streams: u64,
    pub libraries: u64,
    pub device_allocations: u64,
    pub device_bytes: u64,
}

/// The emulated driver.
pub struct Emulator {
    counters: unsafe extern "C" fn(*mut u64),
    fail: unsafe extern "C" fn(*const c_char) -> c_int,
    failures: unsafe extern "C" fn() -> u64,
    calls: unsafe extern "C" fn() -> u64,
}

impl Emulator {
    /// The emulated driver, or None if the driver in use is a real one.
    pub fn get() -> Option<Emulator> {
        // SAFETY: a driver was found, or no test would ask. The types are those of emulated_cuda.h.
        unsafe {
            let library = sys::culib();
            Some(Emulator {
                counters: *library.get(b"cuEmuCounters\0").ok()?,
                fail: *library.get(b"cuEmuFail\0").ok()?,
                failures: *library.get(b"cuEmuFailures\0").ok()?,
                calls: *library.get(b"cuEmuCallIndex\0").ok()?,
            })
        }
    }

    /// Makes call number `count` (from 1) of a function fail; later calls work again.
    pub fn fail(&self, function: &str, count: u64, code: u32) {
        self.set_rules(&format!("name={function},count={count},code={code}"));
    }

    /// Rules as in FSSIM_EMU_FAIL.
    pub fn set_rules(&self, rules: &str) {
        let text = CString::new(rules).expect("rules hold no NUL");
        // SAFETY: the text is NUL-terminated.
        assert_eq!(unsafe { (self.fail)(text.as_ptr()) }, 0, "the emulator does not understand {rules:?}");
    }

    /// No call fails any more.
    pub fn heal(&self) {
        self.set_rules("");
    }

    /// How many calls have failed since the rules were set.
    pub fn failures(&self) -> u64 {
        // SAFETY: takes nothing.
        unsafe { (self.failures)() }
    }

    /// How many driver calls there were since the rules were set.
    pub fn calls(&self) -> u64 {
        // SAFETY: takes nothing.
        unsafe { (self.calls)() }
    }

    /// How many kernels have run.
    pub fn launches(&self) -> u64 {
        self.counts()[2]
    }

    fn counts(&self) -> [u64; 64] {
        // struct cuEmuCounts grows at its end; this leaves it room.
        let mut counts = [0; 64];
        // SAFETY: the struct consists of uint64_t members and is smaller.
        unsafe { (self.counters)(counts.as_mut_ptr()) };
        counts
    }

    pub fn alive(&self) -> Alive {
        let counts = self.counts();
        Alive {
            contexts: counts[4],
            primary_references: counts[5],
            streams: counts[6],
            libraries: counts[9],
            device_allocations: counts[10],
            device_bytes: counts[11],
        }
    }
}
