//! Any split of any stream gives the same events.
#![no_main]

use agentexec_fuzz::{cut, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((stream, pieces)) = cut(input) else { return };
    assert_eq!(decode([stream]), decode(pieces));
});
