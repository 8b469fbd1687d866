//! Any bytes as a policy: in force or refused with every fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_decide::Policy;

fuzz_target!(|bytes: &[u8]| {
    if let Err(faults) = Policy::parse(bytes) {
        assert!(!faults.is_empty(), "refused without a reason");
    }
});
