//! Which of the texts at the end of a transcript is the answer.
//!
//! A provider gives an answer as one text, as several pieces of one (Anthropic splits a text at its citations, and goes
//! on with it in the next response where it paused), or as messages of their own (OpenAI says on the way to an answer
//! what it is about to do, and may say an answer twice). Which it is only the provider knows: see [`Standing`].

use serde::{Deserialize, Serialize};

use super::{AssistantItem, Item, Transcript};

/// How the text of an item stands to the texts beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// A piece of a text: pieces are joined.
    #[default]
    Piece,
    /// A message of its own: the last is the answer.
    Message,
    /// A message on the way to the answer, which it is only where there is no other.
    Remark,
}

impl Standing {
    // Serde wants a reference.
    #[expect(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn is_piece(&self) -> bool {
        *self == Self::Piece
    }
}

impl Transcript {
    /// The answer in the newest items: those after the last user item or tool output. Pieces of a text are joined, of
    /// several messages it is the last (see [`Standing`]).
    #[must_use]
    pub fn final_text(&self) -> String {
        answer(self.newest())
    }

    /// The text of the newest response of the model that has any, since the user spoke last.
    #[must_use]
    pub fn last_text(&self) -> String {
        let spoken = self.items.iter().rposition(|item| matches!(item, Item::User(_)));
        let since = self.items.get(spoken.map_or(0, |place| place + 1)..).unwrap_or_default();
        let responses = since.rsplit(|item| !item.is_from_model());
        let mut texts = responses.map(answer);
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// What may be the answer where [`final_text`](Self::final_text) cannot be: the text behind the last item of another
    /// kind, and the last text alone.
    pub(crate) fn last_texts(&self) -> [String; 2] {
        let newest = self.newest();
        let end = newest.iter().rposition(|item| said(item).is_some()).map_or(0, |place| place + 1);
        let spoken = newest.get(..end).unwrap_or_default();
        let behind = spoken.rsplit(|item| !matches!(item, Item::Assistant(_))).next().unwrap_or_default();
        [answer(behind), answer(spoken.last())]
    }

    /// What the model wrote since the last user item or tool output.
    pub(crate) fn newest(&self) -> &[Item] {
        self.items.rsplit(|item| !item.is_from_model()).next().unwrap_or_default()
    }
}

/// The answer among the items of one or more responses.
pub(crate) fn answer<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let mut answer = (Standing::Remark, String::new());
    for said in items.into_iter().filter_map(said) {
        match (standing_of(said), answer.0) {
            (Standing::Piece, Standing::Piece) => answer.1.push_str(&said.text),
            (Standing::Remark, Standing::Piece | Standing::Message) => {}
            (standing, _) => answer = (standing, said.text.clone()),
        }
    }
    answer.1
}

fn said(item: &Item) -> Option<&AssistantItem> {
    match item {
        Item::Assistant(said) => Some(said).filter(|said| !said.text.is_empty()),
        _ => None,
    }
}

fn standing_of(said: &AssistantItem) -> Standing {
    said.raw.as_ref().map(|raw| raw.standing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Raw;
    use super::super::tests::{call, output};
    use super::*;

    fn standing(standing: Standing, text: &str) -> Item {
        let raw = Raw::new("test", text.into()).with_standing(standing);
        Item::Assistant(AssistantItem { text: text.into(), raw: Some(raw) })
    }

    fn message(text: &str) -> Item {
        standing(Standing::Message, text)
    }

    fn remark(text: &str) -> Item {
        standing(Standing::Remark, text)
    }

    #[test]
    fn pieces_are_joined_and_of_messages_the_last_is_the_answer() {
        let piece = Item::assistant;
        let search = || Item::Opaque(Raw::new("test", "search".into()));
        for (items, expected) in [
            (vec![], ""),
            (vec![piece("It is "), search(), piece(""), piece("3.")], "It is 3."),
            (vec![message("It is 3."), message("It is 3.")], "It is 3."),
            (vec![message("Let me see. "), search(), message("It is 3."), message("")], "It is 3."),
            (vec![remark("Let me see. "), message("It is 3.")], "It is 3."),
            (vec![message("It is 3."), remark("That was all. ")], "It is 3."),
            (vec![remark("Let me see. "), piece("It is "), piece("3.")], "It is 3."),
            (vec![remark("Let me see. "), remark("Hm. "), search()], "Hm. "),
            (vec![message("Let me see. "), piece("It is "), piece("3.")], "It is 3."),
        ] {
            let transcript: Transcript = [Item::user("Well?")].into_iter().chain(items).collect();
            assert_eq!(transcript.final_text(), expected, "{:?}", transcript.items());
            assert_eq!(transcript.last_text(), expected, "{:?}", transcript.items());
        }
    }

    #[test]
    fn how_a_text_stands_is_stored_with_it() {
        let stored = serde_json::to_string(&remark("Hm.")).unwrap();
        assert_eq!(serde_json::from_str::<Item>(&stored).unwrap(), remark("Hm."));
        let old = r#"{"type": "assistant", "text": "Hm.", "raw": {"protocol": "test", "value": "Hm."}}"#;
        assert_eq!(serde_json::from_str::<Item>(old).unwrap(), standing(Standing::Piece, "Hm."));
    }

    #[test]
    fn the_last_text_is_that_of_a_whole_response() {
        let transcript: Transcript = [
            Item::assistant("One."),
            Item::user("go on"),
            Item::assistant("Two, "),
            Item::assistant("three."),
            call("a"),
            output("a"),
            Item::assistant(""),
        ]
        .into_iter()
        .collect();
        assert_eq!(transcript.last_text(), "Two, three.");
        assert_eq!(Transcript::from_user("hello").last_text(), "");
    }

    #[test]
    fn final_text_stops_at_the_last_tool_output() {
        let transcript: Transcript = [
            Item::assistant("Let me look. "),
            call("a"),
            output("a"),
            Item::assistant("It is "),
            Item::assistant("3."),
        ]
        .into_iter()
        .collect();
        assert_eq!(transcript.final_text(), "It is 3.");
    }
}
