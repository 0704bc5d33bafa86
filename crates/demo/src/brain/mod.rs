//! What plays the model: a [`Brain`] reads a [`Conversation`] and gives a [`Reply`].
//!
//! The types here belong to no protocol, and nothing here does IO. A brain holds no state between requests;
//! what it knows is in the conversation, which is why one server answers any number of clients.

mod answer;
mod arguments;
mod evidence;
mod explorer;
mod outputs;
mod words;

pub use explorer::Explorer;

use serde_json::Value;

/// Decides what the model says next.
///
/// [`next`](Brain::next) runs on the server's only thread, so it must not block; a panic in it drops the
/// connection of that request and leaves the server up.
///
/// A closure is a brain; the type of its argument must be written out:
///
/// ```
/// use agentexec_demo::{Brain, Conversation, Reply};
/// use serde_json::json;
///
/// let brain = |conversation: &Conversation| match conversation.turns() {
///     0 => Reply::call("weather", json!({"city": "Oslo"})).and_call("weather", json!({"city": "Rome"})),
///     _ => Reply::text("Oslo is colder."),
/// };
/// # let _: &dyn Brain = &brain;
/// ```
pub trait Brain: Send + Sync + 'static {
    /// The model's next response in this conversation.
    fn next(&self, conversation: &Conversation) -> Reply;
}

impl<F> Brain for F
where
    F: Fn(&Conversation) -> Reply + Send + Sync + 'static,
{
    fn next(&self, conversation: &Conversation) -> Reply {
        self(conversation)
    }
}

/// A request, read out of whichever protocol it came in.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Conversation {
    /// The model that was asked for; any name is accepted.
    pub model: String,
    /// The system prompt: instructions, system and developer messages, one after another.
    pub instructions: String,
    /// What was said and done so far, in order.
    pub items: Vec<Item>,
    /// The tools that may be called now: those offered, less those that the tool choice rules out.
    pub tools: Vec<Tool>,
    /// Whether more than one tool may be called in a turn. The server drops all but the first call otherwise.
    pub parallel_tool_calls: bool,
}

impl Conversation {
    /// The newest message of the user, or an empty string.
    #[must_use]
    pub fn prompt(&self) -> &str {
        let newest = self.items.iter().rev().find_map(|item| match item {
            Item::User(text) => Some(text.as_str()),
            _ => None,
        });
        newest.unwrap_or_default()
    }

    /// How many responses of the model the conversation holds: 0 in the first request.
    #[must_use]
    pub fn turns(&self) -> usize {
        turns(&self.items)
    }

    /// The outputs of tools so far, in order.
    pub fn tool_outputs(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::ToolOutput { output, .. } => Some(output.as_str()),
            _ => None,
        })
    }
}

/// How many responses of the model are among these items: what it says and calls without a break is one.
fn turns(items: &[Item]) -> usize {
    items
        .chunk_by(|a, b| a.is_models() == b.is_models())
        .filter(|run| run.iter().all(Item::is_models))
        .count()
}

/// One entry of a conversation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// What the user said. Attachments are left out.
    User(String),
    /// What the model said.
    Assistant(String),
    /// A tool that the model called.
    ToolCall {
        /// The id that the output answers.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments: an object, or the text as it was if that is no JSON.
        arguments: Value,
    },
    /// What a tool returned.
    ToolOutput {
        /// The id of the call that this answers.
        id: String,
        /// The output as text.
        output: String,
        /// Whether it is marked as an error. Only Anthropic Messages can say so.
        is_error: bool,
    },
}

impl Item {
    fn is_models(&self) -> bool {
        matches!(self, Self::Assistant(_) | Self::ToolCall { .. })
    }
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

/// One response of the model: text, tool calls, both, neither, or a failure of the service.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// What the model says. It comes before the calls. Cut at the request's token limit.
    pub text: String,
    /// The tools that it calls, in order.
    pub calls: Vec<Call>,
    pub(crate) failure: Option<(u16, String)>,
}

impl Reply {
    /// A response that says something.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A response that calls a tool.
    #[must_use]
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::default().and_call(name, arguments)
    }

    /// Calls one more tool in the same turn.
    #[must_use]
    pub fn and_call(mut self, name: impl Into<String>, arguments: Value) -> Self {
        self.calls.push(Call::new(name, arguments));
        self
    }

    /// No response: the service fails with this HTTP status and an error body of its protocol, before a
    /// stream starts. A status outside 400 to 599 becomes 500.
    ///
    /// For the tests of retries and fallbacks: 429 and 529 say "overloaded", 500 "our fault".
    #[must_use]
    pub fn failure(status: u16, message: impl Into<String>) -> Self {
        Self { failure: Some((status, message.into())), ..Self::default() }
    }
}

/// A tool call of a [`Reply`]. The server gives it its id.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments: an object. A string goes out as it is, which plays a model that writes broken JSON.
    pub arguments: Value,
}

impl Call {
    /// A call of this tool with these arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self { name: name.into(), arguments }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str) -> Item {
        Item::ToolCall { id: id.into(), name: "t".into(), arguments: json!({}) }
    }

    fn output(id: &str) -> Item {
        Item::ToolOutput { id: id.into(), output: id.to_uppercase(), is_error: false }
    }

    #[test]
    fn a_turn_is_everything_the_model_does_before_somebody_answers() {
        let mut conversation = Conversation::default();
        assert_eq!(conversation.turns(), 0);

        conversation.items = vec![Item::User("hi".into())];
        assert_eq!(conversation.turns(), 0);

        conversation.items.extend([Item::Assistant("I look".into()), call("a"), call("b")]);
        conversation.items.extend([output("a"), output("b"), call("c"), output("c")]);
        assert_eq!(conversation.turns(), 2);

        conversation.items.extend([Item::Assistant("done".into()), Item::User("thanks".into())]);
        assert_eq!(conversation.turns(), 3);
        assert_eq!(conversation.prompt(), "thanks");
        assert_eq!(conversation.tool_outputs().collect::<Vec<_>>(), ["A", "B", "C"]);
    }
}
