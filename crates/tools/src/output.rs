//! What a tool answers, and what it may return for that.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::media::Media;

/// What the model reads as the answer of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolOutput {
    /// The text; may be empty.
    pub text: String,
    /// Whether it says that something went wrong. Told to models whose protocol has a flag for it.
    pub is_error: bool,
    /// Images and files beside the text, for models that take them in the answers of tools.
    pub media: Vec<Media>,
}

impl ToolOutput {
    /// An answer.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Adds an image or a file.
    #[must_use]
    pub fn with(mut self, media: Media) -> Self {
        self.media.push(media);
        self
    }

    /// An answer that says what went wrong, for the model to act on.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true, media: Vec::new() }
    }

    /// An error that says nothing would pass for a success where the protocol has no flag for errors.
    pub(crate) fn or_failed(mut self, name: &str) -> Self {
        if self.is_error && self.text.trim().is_empty() {
            self.text = format!("Tool '{name}' failed without a message.");
        }
        self
    }

    /// Media beyond `limit` bytes are not cut, since half an image is none: the model is told instead.
    pub(crate) fn without_excess(self, name: &str, limit: usize) -> Self {
        let bytes: usize = self.media.iter().map(Media::bytes).sum();
        if bytes <= limit {
            return self;
        }
        let (count, text) = (self.media.len(), &self.text);
        let said = if text.is_empty() { String::new() } else { format!(" It said: {text}") };
        Self::error(format!(
            "Tool '{name}' answered with {count} images or files of {bytes} bytes; at most {limit} are passed on.{said}"
        ))
    }

    /// Cuts the text to `limit` bytes, on a character boundary, and says so behind it.
    pub(crate) fn cut(mut self, limit: usize) -> Self {
        let whole = self.text.len();
        if whole > limit {
            let end = self.text.floor_char_boundary(limit);
            self.text.truncate(end);
            self.text.push_str(&format!("\n[output cut: {end} of {whole} bytes shown]"));
        }
        self
    }
}

/// The error of a tool. Normally the model reads it and goes on; a fatal one ends the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    message: String,
    fatal: bool,
}

impl ToolError {
    /// An error that the model reads.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fatal: false }
    }

    /// An error that ends the run: what it was about cannot be mended by the model.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { message: message.into(), fatal: true }
    }

    /// Whether it ends the run.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Any error as a tool's error: the alternate form says it all, and what is fatal stays fatal.
    fn from_any<E: fmt::Display + 'static>(error: E) -> Self {
        Self { message: format!("{error:#}"), fatal: holds_fatal(&error) }
    }
}

/// Whether it is a fatal error, or one of the types that hold any error and it holds a fatal one.
fn holds_fatal(error: &dyn Any) -> bool {
    if let Some(error) = error.downcast_ref::<ToolError>() {
        error.fatal
    } else if let Some(error) = error.downcast_ref::<anyhow::Error>() {
        // The first looks at what was added as context, which the chain does not show as what it is.
        error.downcast_ref().is_some_and(ToolError::is_fatal) || error.chain().any(is_fatal)
    } else if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        anyhow::Chain::new(&**error).any(is_fatal)
    } else {
        false
    }
}

fn is_fatal(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref().is_some_and(ToolError::is_fatal)
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ToolError {}

/// What a tool may return: text, a number, a bool, nothing, JSON ([`Json`]), [`Media`], a [`ToolOutput`], or a `Result` of
/// these with any error that can be displayed.
///
/// An error is shown to the model in its alternate form (`{:#}`), which for `anyhow` is the chain of causes. A
/// [`ToolError::fatal`] ends the run, also from inside an `anyhow::Error` or a `Box<dyn Error + Send + Sync>`.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`",
    note = "return text, a number, `Json(value)` for a serializable value, a `ToolOutput`, or a `Result` of these"
)]
pub trait IntoToolOutput {
    /// The answer, or the error.
    ///
    /// # Errors
    /// When the tool failed, or its value cannot be written as JSON.
    fn into_tool_output(self) -> Result<ToolOutput, ToolError>;
}

/// A serializable value as the answer of a tool: the model reads it as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoToolOutput for Json<T> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        serde_json::to_string(&self.0)
            .map(ToolOutput::text)
            .map_err(|error| ToolError::new(format!("the answer could not be written as JSON: {error}")))
    }
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(self)
    }
}

impl IntoToolOutput for Media {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::default().with(self))
    }
}

impl IntoToolOutput for () {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::default())
    }
}

impl IntoToolOutput for Value {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Json(self).into_tool_output()
    }
}

impl<T: IntoToolOutput, E: fmt::Display + 'static> IntoToolOutput for Result<T, E> {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        self.map_err(ToolError::from_any)?.into_tool_output()
    }
}

macro_rules! shown_as_text {
    ($($shown:ty),*) => {$(
        impl IntoToolOutput for $shown {
            fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
                Ok(ToolOutput::text(self.to_string()))
            }
        }
    )*};
}

shown_as_text!(&'static str, Cow<'static, str>, bool, f32, f64);
shown_as_text!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl IntoToolOutput for String {
    fn into_tool_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_is_cut_on_a_character_and_says_how_much_is_missing() {
        let cut = ToolOutput::text("ää".repeat(10)).cut(5);
        assert_eq!(cut.text, "ää\n[output cut: 4 of 40 bytes shown]");
    }

    #[test]
    fn a_fatal_error_stays_fatal_in_a_result() {
        let failed: Result<String, ToolError> = Err(ToolError::fatal("the ledger is closed"));
        assert!(failed.into_tool_output().unwrap_err().is_fatal());
        let chain = anyhow::anyhow!("disk full").context("could not save");
        let failed: Result<String, anyhow::Error> = Err(chain);
        assert_eq!(failed.into_tool_output().unwrap_err().message(), "could not save: disk full");
    }
}
