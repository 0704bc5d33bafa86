//! What the decoder makes of an event stream: each rule, each limit, and any way to cut it into chunks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use agentexec_runner_http::{MAX_SSE_EVENT, MAX_SSE_LINE, SseDecoder, SseError, SseLimits};
use proptest::prelude::*;

type Event = (Option<String>, String);

fn feed(decoder: &mut SseDecoder, chunk: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
    let mut rest = chunk;
    while let Some(event) = decoder.decode(&mut rest)? {
        events.push((event.name.map(str::to_owned), event.data.to_owned()));
    }
    assert!(rest.is_empty(), "a chunk is used up when there are no more events in it");
    Ok(())
}

fn decode<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Vec<Event> {
    let mut decoder = SseDecoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        feed(&mut decoder, chunk, &mut events).unwrap();
    }
    while let Some(event) = decoder.finish().unwrap() {
        events.push((event.name.map(str::to_owned), event.data.to_owned()));
    }
    events
}

fn data(data: &str) -> Event {
    (None, data.to_owned())
}

fn named(name: &str, data: &str) -> Event {
    (Some(name.to_owned()), data.to_owned())
}

#[test]
fn each_rule() {
    let table: &[(&str, &str, &[Event])] = &[
        ("lf", "event: a\ndata: 1\n\ndata: 2\n\n", &[named("a", "1"), data("2")]),
        ("crlf", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", &[named("a", "1"), data("2")]),
        ("cr", "event: a\rdata: 1\r\rdata: 2\r\r", &[named("a", "1"), data("2")]),
        ("all at once", "data: 1\r\n\ndata: 2\n\rdata: 3\r\r\n", &[data("1"), data("2"), data("3")]),
        ("byte order mark", "\u{feff}data: 1\n\n", &[data("1")]),
        ("a second mark is part of the field", "\u{feff}\u{feff}data: 1\n\ndata: 2\n\n", &[data("2")]),
        ("comments", ": hello\ndata: 1\n:data: no\n\n:\n\n", &[data("1")]),
        ("several data lines", "data: 1\ndata:\ndata: 3\n\n", &[data("1\n\n3")]),
        ("one space at most", "data:1\n\ndata:  2\n\ndata:\t3\n\n", &[data("1"), data(" 2"), data("\t3")]),
        ("a colon in the value", "data: a:b\n\n", &[data("a:b")]),
        ("no colon", "data\n\n", &[data("")]),
        ("empty data", "data:\n\ndata:\ndata:\n\n", &[data(""), data("\n")]),
        ("ignored fields", "id: 1\nretry: 5\nnews: x\ndatas: y\ndata: 1\n\n", &[data("1")]),
        ("case matters", "Data: 0\nDATA: 0\ndata: 1\n\n", &[data("1")]),
        ("a space before the field", " data: 0\n\ndata: 1\n\n", &[data("1")]),
        ("a name alone is no event", "event: a\n\ndata: 1\n\n", &[data("1")]),
        ("a name ends with its event", "event: a\ndata: 1\n\ndata: 2\n\n", &[named("a", "1"), data("2")]),
        ("the last name counts", "event: a\nevent: b\ndata: 1\n\n", &[named("b", "1")]),
        ("an empty name is none", "event: a\nevent:\ndata: 1\n\n", &[data("1")]),
        ("a name behind the data", "data: 1\nevent: a\n\n", &[named("a", "1")]),
        ("no blank line at the end", "data: 1\n\ndata: 2\n", &[data("1"), data("2")]),
        ("no line end at the end", "data: 1\n\nevent: a\ndata: 2", &[data("1"), named("a", "2")]),
        ("a name at the end", "data: 1\n\nevent: a\n", &[data("1")]),
        ("cr at the end", "data: 1\r", &[data("1")]),
        ("blank lines", "\n\n\r\r\n\ndata: 1\n\n\n\n\n", &[data("1")]),
        ("nothing", "", &[]),
        ("a mark alone", "\u{feff}", &[]),
        ("text of every width", "data: aä€🦀\n\n", &[data("aä€🦀")]),
    ];
    for (rule, stream, expected) in table {
        assert_eq!(decode([stream.as_bytes()]), *expected, "{rule}, in one chunk");
        assert_eq!(decode(stream.as_bytes().chunks(1)), *expected, "{rule}, byte by byte");
    }
}

#[test]
fn debug_shows_how_much_there_is_and_nothing_of_what_is_said() {
    let mut decoder = SseDecoder::new();
    let mut rest: &[u8] = b"event: delta\ndata: a secret\n\nevent: end\ndata: a sec\ndata: ret";
    let event = decoder.decode(&mut rest).unwrap().unwrap();
    assert_eq!(format!("{event:?}"), r#"SseEvent { name: Some("delta"), bytes: 8, .. }"#);
    assert!(decoder.decode(&mut rest).unwrap().is_none());
    let limits = SseLimits::default();
    let expected = format!("SseDecoder {{ limits: {limits:?}, bytes: 17, failed: None, .. }}");
    assert_eq!(format!("{decoder:?}"), expected);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let stream = b"event: \xff\ndata: a\xe2\x82\ndata: \xf0b\n\ndata: ok\n\n";
    let expected = [named("\u{fffd}", "a\u{fffd}\n\u{fffd}b"), data("ok")];
    assert_eq!(decode([&stream[..]]), expected);
    assert_eq!(decode(stream.chunks(1)), expected);
}

#[test]
fn an_event_is_there_as_soon_as_its_blank_line_is() {
    let mut decoder = SseDecoder::new();
    for (chunk, expected) in
        [("data: 1\r\n\r", Some("1")), ("\n", None), ("data: 2\n", None), ("\n", Some("2")), ("\r", None)]
    {
        let mut rest = chunk.as_bytes();
        assert_eq!(decoder.decode(&mut rest).unwrap().map(|event| event.data), expected, "{chunk:?}");
    }
}

#[test]
fn an_event_of_a_megabyte_and_a_half_is_legal() {
    let large = "x".repeat(1_500_000);
    let stream = format!("data: {large}\n\ndata: 2\n\n");
    assert_eq!(decode(stream.as_bytes().chunks(16_000)), [data(&large), data("2")]);
    assert_eq!(decode([stream.as_bytes()]), [data(&large), data("2")]);
}

fn limits(line: usize, event: usize) -> SseLimits {
    let mut limits = SseLimits::default();
    limits.line = line;
    limits.event = event;
    limits
}

#[test]
fn a_limit_is_exact_and_final() {
    let line_too_long = Err(SseError::LineTooLong { limit: 7 });
    let event_too_large = Err(SseError::EventTooLarge { limit: 4 });
    for (stream, limits, expected) in [
        ("data:12\n\n", limits(7, 99), Ok(())),
        ("data:123\n\n", limits(7, 99), line_too_long),
        (":1234567\n\n", limits(7, 99), line_too_long),
        ("data:1\ndata:12\n\n", limits(99, 4), Ok(())),
        ("data:12\ndata:34\n\n", limits(99, 4), event_too_large),
        ("event:ab\ndata:12\n\n", limits(99, 4), Ok(())),
        ("event:ab\ndata:123\n\n", limits(99, 4), event_too_large),
        ("data:123\nevent:ab\n\n", limits(99, 4), event_too_large),
    ] {
        for size in [1, 3, 100] {
            let mut decoder = SseDecoder::with_limits(limits);
            let outcome = stream
                .as_bytes()
                .chunks(size)
                .try_for_each(|chunk| feed(&mut decoder, chunk, &mut Vec::new()));
            assert_eq!(outcome, expected, "{stream:?} by {size}");
            let after = feed(&mut decoder, b"data:1\n\n", &mut Vec::new());
            assert_eq!(after, expected, "{stream:?}: the next call answers the same");
            assert_eq!(decoder.finish().map(|_| ()), expected);
        }
    }
}

/// How many bytes a decoder takes in before it refuses, of `line` over and over.
fn taken_in(line: &str) -> usize {
    let chunk = line.repeat((64 << 10) / line.len());
    let mut decoder = SseDecoder::new();
    let fed =
        (0..10_000).take_while(|_| feed(&mut decoder, chunk.as_bytes(), &mut Vec::new()).is_ok()).count();
    fed * chunk.len()
}

#[test]
fn what_never_ends_is_refused_at_the_limit() {
    let endless_line = taken_in("x");
    assert!(endless_line <= MAX_SSE_LINE, "{endless_line} bytes of a line");
    let endless_event = taken_in(&format!("data: {}\n", "x".repeat(1_000)));
    assert!(endless_event <= MAX_SSE_EVENT / 1_000 * 1_007, "{endless_event} bytes of an event");
}

/// A stream out of whole and broken lines with all line ends.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let value = "[ a:ä€🦀\u{feff}]{0,6}";
    let line = prop_oneof![
        4 => value.prop_map(|value| format!("data:{value}")),
        2 => value.prop_map(|value| format!("data: {value}")),
        1 => value.prop_map(|value| format!("event: {value}")),
        1 => value.prop_map(|value| format!(":{value}")),
        1 => value,
        4 => Just(String::new()),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let text = prop::collection::vec((line, end), 0..24).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect::<String>()
    });
    (prop::bool::ANY, text, prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(mark, text, tail)| {
        let mut bytes = if mark { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(&tail);
        bytes
    })
}

/// The rules once more, in the plainest words: the whole stream at once, line by line.
fn plainly(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let (mut name, mut lines) = (String::new(), Vec::new());
    // The two line ends close the last event in any case.
    for line in format!("{text}\n\n").lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => lines.push(value.to_owned()),
            "event" => value.clone_into(&mut name),
            "" if line.is_empty() => {
                let name = std::mem::take(&mut name);
                let lines = std::mem::take(&mut lines);
                if !lines.is_empty() {
                    events.push((Some(name).filter(|name| !name.is_empty()), lines.join("\n")));
                }
            }
            _ => {}
        }
    }
    events
}

proptest! {
    #[test]
    fn any_chunks_give_the_events_of_the_rules(stream in stream(), cuts in prop::collection::vec(0_usize..200, 0..12)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(decode(chunks), plainly(&stream));
        prop_assert_eq!(decode(stream.chunks(1)), plainly(&stream));
    }

    #[test]
    fn no_bytes_whatever_make_it_fail(stream in prop::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
        prop_assert_eq!(decode(stream.chunks(size)), decode([&stream[..]]));
    }
}
