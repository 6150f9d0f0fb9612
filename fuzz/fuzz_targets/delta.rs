//! git's delta instructions: no bytes make the parser panic, and what it accepts applies, with as
//! many bytes as it says.
#![no_main]

use keystile_git::store::delta::Delta;
use keystile_scan::DeltaOp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let base = [7; 127];
    let mut delta = Delta::default();
    // The size of the base is right, so that the fuzzer need not find it.
    let bytes = [&[base.len() as u8], bytes].concat();
    if delta.parse(&bytes, base.len()).is_ok() && delta.size() < 1 << 24 {
        let made: usize = delta
            .ops()
            .iter()
            .map(|op| match op {
                DeltaOp::Copy { len, .. } | DeltaOp::Insert { len } => *len,
            })
            .sum();
        assert_eq!(made, delta.size());
        let mut out = vec![0; delta.size()];
        delta.apply(&bytes, &base, &mut out);
    }
});
