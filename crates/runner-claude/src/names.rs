//! Ids and names of other providers in the characters that the API takes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest tool name that the API takes.
const MAX_NAME: usize = 128;

/// An id of another provider in the characters that the API takes, `[a-zA-Z0-9_-]`; different ids stay different.
pub(crate) fn wire_id(id: &str) -> Cow<'_, str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !id.is_empty() && id.bytes().all(legal) {
        return Cow::Borrowed(id);
    }
    let mut written = String::with_capacity(id.len() + 1);
    for byte in id.bytes() {
        if legal(byte) {
            written.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(written, "_{byte:02x}");
        }
    }
    if written.is_empty() {
        written.push('_');
    }
    Cow::Owned(written)
}

/// The name of a tool that was called, which a model may have made up.
pub(crate) fn wire_name(name: &str) -> Cow<'_, str> {
    let mut name = wire_id(name);
    if name.len() > MAX_NAME {
        // Only ASCII is left by now, so any place is a character boundary.
        name.to_mut().truncate(MAX_NAME);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_legal_characters_and_writes_out_the_others() {
        assert_eq!(wire_id("toolu_01-A"), "toolu_01-A");
        assert_eq!(wire_id("functions.add:0"), "functions_2eadd_3a0");
        assert_ne!(wire_id("a.b"), wire_id("a:b"));
        assert_eq!(wire_id(""), "_");
    }

    #[test]
    fn a_name_is_cut_at_the_longest_that_the_api_takes() {
        assert_eq!(wire_name(&"é".repeat(200)).len(), MAX_NAME);
    }
}
