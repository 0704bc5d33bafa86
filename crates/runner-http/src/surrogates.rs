//! Halves of characters in JSON.
//!
//! JSON escapes a character beyond the first plane as two halves, `\ud83d\ude42`. Servers that cut a text by UTF-16 units
//! put one half at the end of a delta and the other at the beginning of the next, or lose one. A half alone is no
//! character, and JSON with one in it cannot be read.

use std::mem;

/// Puts halves together across the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Surrogates {
    /// The first half that the last event ended a string with, as it is escaped.
    high: Option<String>,
}

impl Surrogates {
    /// The JSON without halves: the second of two has become the whole character, and one that is alone the replacement
    /// character. Nothing when there is no half in it.
    pub(crate) fn mend(&mut self, json: &str) -> Option<String> {
        let mut before = mem::take(&mut self.high);
        let mut mended = String::with_capacity(json.len());
        let mut rest = json;
        let mut has_halves = false;
        while let Some(at) = rest.find('\\') {
            let (head, escape) = rest.split_at(at);
            mended.push_str(head);
            let length = length_of(escape);
            let (escape, tail) = escape.split_at_checked(length).unwrap_or((escape, ""));
            rest = tail;
            if length == WHOLE || unit(escape).is_none_or(|unit| !SURROGATES.contains(&unit)) {
                mended.push_str(escape);
                continue;
            }
            has_halves = true;
            let is_high = unit(escape).is_some_and(|unit| unit < FIRST_LOW);
            if is_high && tail.starts_with('"') {
                self.high = Some(escape.to_owned());
            } else if let Some(high) = before.take().filter(|_| !is_high && mended.ends_with('"')) {
                mended.push_str(&high);
                mended.push_str(escape);
            } else {
                mended.push('\u{fffd}');
            }
        }
        mended.push_str(rest);
        has_halves.then_some(mended)
    }
}

/// The length of an escaped half, and of a whole character made of two.
const HALF: usize = 6;
const WHOLE: usize = 12;

const SURROGATES: std::ops::Range<u32> = 0xD800..0xE000;
const FIRST_LOW: u32 = 0xDC00;

/// The length of the escape that a text begins with.
fn length_of(escape: &str) -> usize {
    let Some(first) = unit(escape) else { return 2 };
    let second = || escape.get(HALF..).and_then(unit);
    let is_pair = (SURROGATES.start..FIRST_LOW).contains(&first)
        && second().is_some_and(|second| (FIRST_LOW..SURROGATES.end).contains(&second));
    if is_pair { WHOLE } else { HALF }
}

/// The UTF-16 unit that a text begins with, escaped.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(pieces: &[&str]) -> Vec<String> {
        let mut surrogates = Surrogates::default();
        let read = |json: String| serde_json::from_str(&json).unwrap();
        pieces
            .iter()
            .map(|piece| read(surrogates.mend(piece).unwrap_or_else(|| (*piece).to_owned())))
            .collect()
    }

    #[test]
    fn halves_are_put_together_across_pieces_and_one_that_is_alone_is_replaced() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&[r#""a\ud83d""#, r#""\ude42b""#], &["a", "🙂b"]),
            (&[r#""\ud83d""#, r#""b""#, r#""\ude42""#], &["", "b", "\u{fffd}"]),
            (&[r#""a\ud83db""#], &["a\u{fffd}b"]),
            (&[r#""\ud83d\ud83d\ude42\ude42""#], &["\u{fffd}🙂\u{fffd}"]),
            (
                &[r#""\\ud83d \u00e4 \n""#],
                &[r"\ud83d ä 
"],
            ),
            (&[r#""\uD83D""#, r#""\uDE42\uD83D""#, r#""\uDE42""#], &["", "🙂", "🙂"]),
            (&[r#""\ud83d""#, r#""x\ude42""#], &["", "x\u{fffd}"]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(mended(pieces), expected, "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_no_halves_is_left_alone_and_anything_is_survived(text in ".{0,20}", json in r#"(\\|u|d8|3d|de|42|"|ä|🙂){0,20}"#) {
            let whole = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Surrogates::default().mend(&whole), None);
            if let Some(mended) = Surrogates::default().mend(&json) {
                prop_assert_eq!(Surrogates::default().mend(&mended), None);
            }
        }

        #[test]
        fn a_text_that_is_cut_by_units_comes_back_whole(text in "[a🙂ä😀\"\\\\]{0,12}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(units.len() + 1)).collect();
            places.extend([0, units.len()]);
            places.sort_unstable();
            places.dedup();
            let escaped = |units: &[u16]| units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            let pieces: Vec<String> =
                places.windows(2).map(|ends| format!("\"{}\"", escaped(&units[ends[0]..ends[1]]))).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(mended(&pieces).concat(), text);
        }
    }
}
