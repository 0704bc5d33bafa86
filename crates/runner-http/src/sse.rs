//! Server-sent events, decoded from bytes that arrive in any pieces.
//!
//! It is written by hand because the crates that do this allocate per event, or have no limits, or both. Lines are
//! found by `memchr`; an event that lies whole in one chunk, as nearly all do, is borrowed from it and not copied.

use std::fmt;

use memchr::memchr2;

/// The longest line by default, 16 MiB: some servers send a whole response as the data of their last event.
pub const MAX_SSE_LINE: usize = 16 << 20;

/// The largest event by default, 16 MiB: its name and data together.
pub const MAX_SSE_EVENT: usize = 16 << 20;

/// What a buffer may keep between events, so that one large event does not cost memory for the rest of a run.
const KEPT_CAPACITY: usize = 4 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much of a stream a decoder may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SseLimits {
    /// The longest line in bytes, without its end. Default: [`MAX_SSE_LINE`].
    pub line: usize,
    /// The most bytes of an event, name and data together. Default: [`MAX_SSE_EVENT`].
    pub event: usize,
}

impl Default for SseLimits {
    fn default() -> Self {
        Self { line: MAX_SSE_LINE, event: MAX_SSE_EVENT }
    }
}

/// The stream passed a limit. The decoder answers every later call with the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// A line is longer than [`SseLimits::line`].
    #[error("a line of the event stream is longer than {limit} bytes")]
    LineTooLong {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// An event is larger than [`SseLimits::event`].
    #[error("an event of the stream is larger than {limit} bytes")]
    EventTooLarge {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
}

/// One event, borrowed from the decoder or from the chunk that it came in.
///
/// Bytes that are not UTF-8 have become U+FFFD. `Debug` shows the name and the size of the data, not the data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SseEvent<'a> {
    /// The value of the `event` field; `None` when it is missing or empty.
    pub name: Option<&'a str>,
    /// The values of the `data` fields, joined by a newline. May be empty.
    pub data: &'a str,
}

impl fmt::Debug for SseEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseEvent")
            .field("name", &self.name)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// Where the data of the event that [`SseDecoder::advance`] found lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'c> {
    /// In the chunk.
    Chunk(&'c [u8]),
    /// In the decoder's own buffer.
    Buffer,
}

impl<'c> Place<'c> {
    fn bytes(self, buffer: &'c [u8]) -> &'c [u8] {
        match self {
            Self::Chunk(data) => data,
            Self::Buffer => buffer,
        }
    }
}

/// A decoder of one event stream, without IO and without any idea of JSON.
///
/// It follows the [WHATWG rules][spec], with two deviations that model servers need: the last event is handed out
/// when the body ends without the closing blank line, and `id` and `retry` mean nothing, since nobody reconnects to
/// a model. It takes chunks by reference and holds only what is not complete yet: at most a line and an event, each
/// bounded by [`SseLimits`]. `Debug` shows how much it holds, not what.
///
/// ```
/// use agentexec_runner_http::SseDecoder;
///
/// let mut decoder = SseDecoder::new();
/// let mut events = Vec::new();
/// for chunk in ["event: delta\nda", "ta: {\"t\":1}\r\n", "\n: a comment\ndata:[DONE]\n\n"] {
///     let mut rest = chunk.as_bytes();
///     while let Some(event) = decoder.decode(&mut rest)? {
///         events.push((event.name.map(str::to_owned), event.data.to_owned()));
///     }
/// }
/// assert!(decoder.finish()?.is_none());
/// assert_eq!(events, [(Some("delta".into()), "{\"t\":1}".into()), (None, "[DONE]".into())]);
/// # Ok::<(), agentexec_runner_http::SseError>(())
/// ```
///
/// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Default)]
pub struct SseDecoder {
    limits: SseLimits,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The name of the current event.
    name: Vec<u8>,
    /// The data of the current event, as far as it does not lie in the chunk.
    data: Vec<u8>,
    /// `name` or `data` in replaced form, where the stream was not UTF-8.
    replaced: (String, String),
    /// Whether the current event has a `data` field, which may be empty.
    has_data: bool,
    /// Whether the current event was handed out and makes room for the next.
    delivered: bool,
    /// Whether the last line ended in CR, so that an LF belongs to it.
    after_cr: bool,
    /// Whether a line was seen; a byte order mark may stand before the first one only.
    started: bool,
    failed: Option<SseError>,
}

impl SseDecoder {
    /// A decoder with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder with limits of your own.
    #[must_use]
    pub fn with_limits(limits: SseLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the next event from `chunk` and moves `chunk` behind it.
    ///
    /// Call it until it returns `None`: only then is the chunk used up, and what is left of it is kept for the
    /// next one.
    ///
    /// # Errors
    /// [`SseError`] when a line or an event passes its limit; at most the limit is held.
    pub fn decode<'a, 'c: 'a>(&'a mut self, chunk: &mut &'c [u8]) -> Result<Option<SseEvent<'a>>, SseError> {
        match self.advance(chunk)? {
            Some(place) => Ok(Some(self.event(place))),
            None => Ok(None),
        }
    }

    /// Says that the body has ended, and takes the event whose closing blank line is missing, if there is one.
    ///
    /// # Errors
    /// [`SseError`] when that event passes its limit.
    pub fn finish(&mut self) -> Result<Option<SseEvent<'_>>, SseError> {
        if self.advance_to_end()? { Ok(Some(self.event(Place::Buffer))) } else { Ok(None) }
    }

    /// Looks for the end of the next event. The event is then read with [`Self::event`], before the next call.
    pub(crate) fn advance<'c>(&mut self, chunk: &mut &'c [u8]) -> Result<Option<Place<'c>>, SseError> {
        self.make_room()?;
        // The only data line so far: it stays in the chunk unless another one follows or the chunk ends first.
        let mut held = None;
        loop {
            if self.after_cr && !chunk.is_empty() {
                self.after_cr = false;
                *chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
            }
            let Some((line, after, end)) = split_line(chunk) else {
                self.keep(chunk)?;
                *chunk = &[];
                self.data.extend_from_slice(held.unwrap_or_default());
                return Ok(None);
            };
            *chunk = after;
            self.after_cr = end == b'\r';
            self.check_line(line.len())?;
            let complete = if self.partial.is_empty() {
                self.field(self.without_mark(line), &mut held, Some)
            } else {
                self.partial.extend_from_slice(line);
                self.buffered_field(&mut held)
            }?;
            self.started = true;
            if complete {
                self.delivered = true;
                return Ok(Some(held.map_or(Place::Buffer, Place::Chunk)));
            }
        }
    }

    /// Takes the last line and the last event without their ends. True when there is an event.
    pub(crate) fn advance_to_end(&mut self) -> Result<bool, SseError> {
        self.make_room()?;
        if !self.partial.is_empty() {
            self.buffered_field(&mut None)?;
            self.started = true;
        }
        self.delivered = true;
        Ok(self.has_data)
    }

    /// The event that [`Self::advance`] or [`Self::advance_to_end`] found.
    pub(crate) fn event<'a>(&'a mut self, place: Place<'a>) -> SseEvent<'a> {
        let (name_replaced, data_replaced) = &mut self.replaced;
        let name = text(&self.name, name_replaced);
        let data = text(place.bytes(&self.data), data_replaced);
        SseEvent { name: (!name.is_empty()).then_some(name), data }
    }

    /// The data of that event as it came.
    pub(crate) fn data<'a>(&'a self, place: Place<'a>) -> &'a [u8] {
        place.bytes(&self.data)
    }

    /// Forgets the event that was handed out.
    fn make_room(&mut self) -> Result<(), SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.delivered {
            self.delivered = false;
            self.start_event();
        }
        Ok(())
    }

    fn start_event(&mut self) {
        self.has_data = false;
        self.name.clear();
        clear(&mut self.data);
        self.replaced = Default::default();
    }

    /// Keeps the beginning of a line until its end comes.
    fn keep(&mut self, piece: &[u8]) -> Result<(), SseError> {
        self.check_line(piece.len())?;
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    fn check_line(&mut self, more: usize) -> Result<(), SseError> {
        let limit = self.limits.line;
        if self.partial.len().saturating_add(more) > limit {
            return Err(self.fail(SseError::LineTooLong { limit }));
        }
        Ok(())
    }

    /// Remembers the error and gives the memory back.
    fn fail(&mut self, error: SseError) -> SseError {
        *self = Self { limits: self.limits, failed: Some(error), ..Self::default() };
        error
    }

    fn without_mark<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        if self.started { line } else { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) }
    }

    /// Takes in the line in `partial`.
    fn buffered_field(&mut self, held: &mut Option<&[u8]>) -> Result<bool, SseError> {
        let mut line = std::mem::take(&mut self.partial);
        let complete = self.field(self.without_mark(&line), held, |_| None);
        clear(&mut line);
        self.partial = line;
        complete
    }

    /// Takes in one line, and says whether it completes an event. `hold` tells whether the line lives as long
    /// as the chunk, so that its data can stay where it is.
    fn field<'l, 'c>(
        &mut self,
        line: &'l [u8],
        held: &mut Option<&'c [u8]>,
        hold: fn(&'l [u8]) -> Option<&'c [u8]>,
    ) -> Result<bool, SseError> {
        match Field::of(line) {
            Field::Blank if self.has_data => return Ok(true),
            // A name without data is no event, and the name does not carry over to the next one.
            Field::Blank => self.start_event(),
            Field::Data(value) => {
                let size = self.data.len() + held.map_or(0, <[u8]>::len) + usize::from(self.has_data);
                self.check_event(size + self.name.len() + value.len())?;
                match hold(value) {
                    Some(value) if !self.has_data => *held = Some(value),
                    _ => self.append(held.take(), value),
                }
                self.has_data = true;
            }
            Field::Name(value) => {
                self.check_event(self.data.len() + held.map_or(0, <[u8]>::len) + value.len())?;
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            Field::Ignored => {}
        }
        Ok(false)
    }

    fn append(&mut self, held: Option<&[u8]>, value: &[u8]) {
        self.data.extend_from_slice(held.unwrap_or_default());
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    fn check_event(&mut self, size: usize) -> Result<(), SseError> {
        let limit = self.limits.event;
        if size > limit { Err(self.fail(SseError::EventTooLarge { limit })) } else { Ok(()) }
    }
}

impl fmt::Debug for SseDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseDecoder")
            .field("limits", &self.limits)
            .field("bytes", &(self.partial.len() + self.name.len() + self.data.len()))
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// What a line says.
enum Field<'l> {
    Blank,
    Data(&'l [u8]),
    Name(&'l [u8]),
    /// A comment, `id`, `retry`, or a field that nobody knows.
    Ignored,
}

impl<'l> Field<'l> {
    fn of(line: &'l [u8]) -> Self {
        if line.is_empty() {
            Self::Blank
        } else if let Some(value) = value_of(line, b"data") {
            Self::Data(value)
        } else if let Some(value) = value_of(line, b"event") {
            Self::Name(value)
        } else {
            Self::Ignored
        }
    }
}

/// The value of the field `name`: behind the colon and at most one space; empty when there is no colon.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// Splits at the first line end: the line, what follows, and the byte that ended it.
fn split_line(chunk: &[u8]) -> Option<(&[u8], &[u8], u8)> {
    let (line, rest) = chunk.split_at_checked(memchr2(b'\n', b'\r', chunk)?)?;
    let (end, after) = rest.split_first()?;
    Some((line, after, *end))
}

fn text<'a>(bytes: &'a [u8], replaced: &'a mut String) -> &'a str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            *replaced = String::from_utf8_lossy(bytes).into_owned();
            replaced
        }
    }
}

fn clear(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_CAPACITY);
}
