//! Archives: no bytes make them panic, and nothing exceeds the limits.
#![no_main]

use keystile_archive::{Limits, expand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let limits = Limits { depth: 3, max_bytes: 1 << 20, max_entry_bytes: 1 << 16, max_entries: 50 };
    let mut entries = 0;
    expand(content, &limits, &mut |_, bytes| {
        entries += 1;
        assert!(bytes.len() as u64 <= limits.max_entry_bytes);
    });
    assert!(entries <= limits.max_entries);
});
