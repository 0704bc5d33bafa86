//! The ids of tool calls: made up where one is missing, shortened where it is too long.

use std::borrow::Cow;

pub(crate) use agentexec_runner_http::new_call_id;

/// How much of a long id stays readable.
const KEPT: usize = 20;

/// The id in at most `limit` characters, at least 37: itself where it fits, else its beginning and a hash of the whole.
/// The same id always gives the same, in every program, so a call and its output keep together and a prompt cache
/// recognizes them.
///
/// OpenAI refuses ids of more than 40 characters in Chat Completions and of more than 64 in the Responses API
/// (`string_above_max_length`), and other providers make longer ones.
pub(crate) fn fitting(id: &str, limit: usize) -> Cow<'_, str> {
    if id.chars().count() <= limit {
        return Cow::Borrowed(id);
    }
    let kept: String = id.chars().take(KEPT).collect();
    Cow::Owned(format!("{kept}_{:016x}", fnv1a(id.as_bytes())))
}

/// FNV-1a, 64 bits. The standard library's hashes differ from one program to the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    let (basis, prime) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);
    bytes.iter().fold(basis, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(prime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_fits_stays_and_a_long_one_is_shortened_always_to_the_same() {
        let (long, other) = ("toolu_".repeat(20) + "1", "toolu_".repeat(20) + "2");
        assert_eq!(fitting(&new_call_id(), 40).len(), 37);
        assert_eq!(fitting(&"é".repeat(40), 40), "é".repeat(40));
        assert_eq!(fitting(&long, 40), "toolu_toolu_toolu_to_7c69b54c1c1f644c");
        assert_ne!(fitting(&long, 40), fitting(&other, 40));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
