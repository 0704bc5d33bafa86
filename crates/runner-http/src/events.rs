//! The events of an answer, one by one, in bounded memory.

use std::fmt;
use std::sync::Arc;

use agentexec_agent_core::model::{ModelError, ModelErrorKind};
use bytes::{Buf, Bytes};
use serde::Deserialize;

use crate::body::Body;
use crate::config::Limits;
use crate::failure;
use crate::origin::Head;
use crate::reply::unreadable;
use crate::sse::{Place, SseDecoder, SseError};

/// The event that ends a stream in OpenAI's protocols. It is not handed out, nor is anything behind it.
const DONE: &[u8] = b"[DONE]";

/// A stream of server-sent events.
///
/// It ends with the body or with `[DONE]`. Whether the response was complete is for the provider's protocol to
/// say: an end before its terminal event is a [`cut`](Self::cut). Events without data are left out.
///
/// Dropping it aborts the request. It holds no more than a chunk and an unfinished event, and reads from the
/// connection only when it is asked.
pub struct EventStream {
    head: Arc<Head>,
    decoder: Box<SseDecoder>,
    /// `None` once the stream has ended or failed.
    body: Option<Box<Body>>,
    chunk: Bytes,
    current: Current,
    limits: Limits,
    bytes: u64,
    events: u64,
    is_done: bool,
    /// What [`Self::next_in_hand`] met, for the next call to say.
    failed: Option<ModelError>,
}

/// What a stream brings, for those who want to know that it lives: see [`EventStream::next_or_heartbeat`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Heard<'a> {
    /// An event.
    Event(StreamEvent<'a>),
    /// The server sent something that is no event: a comment, an event without data, a part of a long one. A model
    /// that is slow is told by this from one that is dead.
    Heartbeat,
}

/// What a step through the body has found.
enum Found {
    Event,
    /// Bytes, and no event in them.
    Bytes,
    End,
}

/// Where the data of the current event lies.
enum Current {
    Chunk(Bytes),
    Decoder,
}

impl Current {
    fn place(&self) -> Place<'_> {
        match self {
            Self::Chunk(data) => Place::Chunk(data),
            Self::Decoder => Place::Buffer,
        }
    }
}

impl EventStream {
    pub(crate) fn new(body: Body, limits: Limits) -> Self {
        Self {
            head: Arc::clone(&body.head),
            decoder: Box::new(SseDecoder::with_limits(limits.sse)),
            body: Some(Box::new(body)),
            chunk: Bytes::new(),
            current: Current::Decoder,
            limits,
            bytes: 0,
            events: 0,
            is_done: false,
            failed: None,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The provider's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.head.request_id()
    }

    /// The next event, which lives until the next call; `None` at the end of the stream and ever after.
    ///
    /// Reading to the end, or calling [`finish`](Self::finish), lets the connection serve the next request.
    ///
    /// # Errors
    /// After an error the stream has ended.
    /// - [`Timeout`](ModelErrorKind::Timeout): silence, or the request's time is up;
    /// - [`StreamCut`](ModelErrorKind::StreamCut): the connection broke;
    /// - [`LimitExceeded`](ModelErrorKind::LimitExceeded): a line, an event or the whole is too large.
    ///
    /// # Cancel safety
    /// Safe in `select!`: no event is lost when the future is dropped, and the clock of a silence goes on.
    pub async fn next(&mut self) -> Result<Option<StreamEvent<'_>>, ModelError> {
        loop {
            match self.advance().await? {
                Found::Event => return Ok(Some(self.current())),
                Found::Bytes => {}
                Found::End => return Ok(None),
            }
        }
    }

    /// The next event as by [`next`](Self::next), or word that bytes came which are none. It says so for every chunk
    /// of the body in which no event ends: whoever tells it on should do that once in a while.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Safe in `select!`, as [`next`](Self::next).
    pub async fn next_or_heartbeat(&mut self) -> Result<Option<Heard<'_>>, ModelError> {
        match self.advance().await? {
            Found::Event => Ok(Some(Heard::Event(self.current()))),
            Found::Bytes => Ok(Some(Heard::Heartbeat)),
            Found::End => Ok(None),
        }
    }

    /// The next event that has come already, of the bytes that were read with the last one; nothing when more has to be
    /// waited for, and at the end. An error that it meets is that of the next call of [`next`](Self::next).
    ///
    /// It costs less than waiting, so that whoever folds a stream takes what is at hand at once.
    pub fn next_in_hand(&mut self) -> Option<StreamEvent<'_>> {
        while self.failed.is_none() {
            match self.found_in_chunk() {
                Ok(Some(Found::Event)) => return Some(self.current()),
                Ok(Some(Found::Bytes)) => {}
                Ok(Some(Found::End) | None) => return None,
                Err(error) => self.failed = Some(error),
            }
        }
        None
    }

    /// What there is yet must come within 2 seconds of the first call: the answer is whole, and only what a server may
    /// add to it, its usage for example, is waited for. Some servers neither add anything nor end the stream.
    pub fn hurry(&mut self) {
        if let Some(body) = &mut self.body {
            body.hurry();
        }
    }

    /// Whether `[DONE]` came. In Chat Completions it ends a response of which the server did not say why it
    /// stopped; in other protocols it means nothing.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The error for a stream that ended before its terminal event:
    /// [`StreamCut`](ModelErrorKind::StreamCut), which is retryable.
    #[must_use]
    pub fn cut(&self) -> ModelError {
        let provider = &self.head.origin.provider;
        let message = format!("{provider}: the stream ended before the response was complete");
        self.head.complete(ModelError::new(ModelErrorKind::StreamCut, message))
    }

    /// Ends the stream behind the protocol's terminal event. Waits a moment (50 ms) for the end of the body, so
    /// that the connection can serve the next request; a server that keeps it open is not waited for.
    pub async fn finish(mut self) {
        self.drain().await;
    }

    /// The event that was found last.
    fn current(&mut self) -> StreamEvent<'_> {
        let event = self.decoder.event(self.current.place());
        let is_unfinished = self.body.is_none();
        StreamEvent { name: event.name, data: event.data, is_unfinished, head: &self.head }
    }

    /// Moves to the next event that has data, or past bytes in which there is none.
    async fn advance(&mut self) -> Result<Found, ModelError> {
        let found = self.find().await.map_err(|error| {
            self.end();
            self.head.complete(error)
        })?;
        if matches!(found, Found::End) {
            self.drain().await;
        }
        Ok(found)
    }

    async fn find(&mut self) -> Result<Found, ModelError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        loop {
            let had_bytes = !self.chunk.is_empty();
            if let Some(found) = self.found_in_chunk()? {
                return Ok(found);
            }
            if had_bytes {
                return Ok(Found::Bytes);
            }
            let Some(body) = &mut self.body else { return Ok(Found::End) };
            let Some(chunk) = body.chunk().await? else {
                self.body = None;
                self.current = Current::Decoder;
                let has_last = self.decoder.advance_to_end().map_err(|error| self.too_large(error))?;
                return if has_last { self.found_event() } else { Ok(Found::End) };
            };
            self.bytes = self.bytes.saturating_add(chunk.len() as u64);
            if self.bytes > self.limits.stream {
                let what = format_args!("larger than {} bytes", self.limits.stream);
                return Err(failure::too_much(&self.head.origin, what));
            }
            self.chunk = chunk;
        }
    }

    /// Moves to the next event of the chunk; nothing when there is no more in it.
    fn found_in_chunk(&mut self) -> Result<Option<Found>, ModelError> {
        if self.is_done {
            return Ok(Some(Found::End));
        }
        let mut rest: &[u8] = &self.chunk;
        let place = self.decoder.advance(&mut rest).map_err(|error| self.too_large(error))?;
        let used = self.chunk.len() - rest.len();
        let Some(place) = place else {
            self.chunk = Bytes::new();
            return Ok(None);
        };
        self.current = match place {
            Place::Chunk(data) => Current::Chunk(self.chunk.slice_ref(data)),
            Place::Buffer => Current::Decoder,
        };
        self.chunk.advance(used);
        self.found_event().map(Some)
    }

    /// Counts the event that was found last, and says what it is to the reader.
    fn found_event(&mut self) -> Result<Found, ModelError> {
        self.events += 1;
        if self.events > self.limits.events {
            let what = format_args!("longer than {} events", self.limits.events);
            return Err(failure::too_much(&self.head.origin, what));
        }
        // As bytes: that they are text is for the one look that the caller takes.
        match self.decoder.data(self.current.place()).trim_ascii() {
            DONE => {
                self.is_done = true;
                Ok(Found::End)
            }
            b"" => Ok(Found::Bytes),
            _ => Ok(Found::Event),
        }
    }

    async fn drain(&mut self) {
        if let Some(body) = &mut self.body {
            body.drain().await;
        }
        self.end();
    }

    fn end(&mut self) {
        self.body = None;
        self.chunk = Bytes::new();
        *self.decoder = SseDecoder::new();
    }

    fn too_large(&self, error: SseError) -> ModelError {
        let message = format!("{}: {error}", self.head.origin.provider);
        ModelError::new(ModelErrorKind::LimitExceeded, message).with_source(error)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("status", &self.status())
            .field("request_id", &self.request_id())
            .field("events", &self.events)
            .field("has_ended", &self.body.is_none())
            .finish_non_exhaustive()
    }
}

/// An event of an [`EventStream`]. `Debug` shows its name and size, not its data.
#[derive(Clone, Copy)]
pub struct StreamEvent<'a> {
    name: Option<&'a str>,
    data: &'a str,
    /// Whether the blank line behind it never came.
    is_unfinished: bool,
    head: &'a Head,
}

impl<'a> StreamEvent<'a> {
    /// The value of the `event` field, if there is one. Servers that leave it out say the same in the JSON's
    /// `type`.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// The data, as it came: JSON, in every protocol that we know.
    #[must_use]
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Reads the data as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// [`ModelErrorKind::Protocol`] when it is not JSON or not a `T`;
    /// [`ModelErrorKind::StreamCut`] when it is the broken-off last event of a body that ended in the middle of it.
    /// The message says where, and quotes nothing of the data; its beginning is in [`ModelError::body`].
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, ModelError> {
        serde_json::from_str(self.data).map_err(|error| {
            let is_cut = self.is_unfinished && error.is_eof();
            let kind = if is_cut { ModelErrorKind::StreamCut } else { ModelErrorKind::Protocol };
            unreadable(self.head, kind, "an event of the stream", &error, self.data.as_bytes())
        })
    }

    /// Reads the data as an error object, in any of the shapes that providers use, with the status and the request
    /// id of the answer that it came in.
    #[must_use]
    pub fn error(&self) -> ModelError {
        self.error_in(self.data)
    }

    /// Reads a part of the data as an error object, as [`error`](Self::error) reads the whole.
    #[must_use]
    pub fn error_in(&self, part: &str) -> ModelError {
        self.head.reported(part.as_bytes())
    }

    /// An error about this event, with the status and the request id of its answer and the beginning of the data.
    #[must_use]
    pub fn complete(&self, error: ModelError) -> ModelError {
        self.head.complete_with(error, self.data.as_bytes())
    }
}

impl fmt::Debug for StreamEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvent")
            .field("name", &self.name)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}
