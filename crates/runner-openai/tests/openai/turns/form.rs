//! Structured output.

use agentexec_agent_core::AgentErrorKind;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{add, agent, play};
use crate::wire::{Wire, say};

super::on_every_wire! {
    the_answer_has_the_form_that_was_asked_for
    a_null_is_what_strict_mode_makes_of_an_optional_property
    an_answer_of_another_form_is_asked_for_once_more_and_then_an_error
    an_empty_answer_is_asked_for_once_more
    tools_run_before_the_answer_has_its_form
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Weather {
    temperature: i32,
    #[serde(default)]
    wind: u32,
}

async fn the_answer_has_the_form_that_was_asked_for(wire: Wire) {
    let played = play(wire, agent().output::<Weather>(), [say(r#"{"temperature": 21, "wind": 3}"#)]).await;
    assert_eq!(played.run().parse::<Weather>().unwrap(), Weather { temperature: 21, wind: 3 });
    let body = &played.bodies[0];
    let (format, name) = match wire.is_chat() {
        true => (&body["response_format"]["json_schema"], &body["response_format"]["type"]),
        false => (&body["text"]["format"], &body["text"]["format"]["type"]),
    };
    assert_eq!(
        (name, &format["name"], &format["strict"]),
        (&"json_schema".into(), &"Weather".into(), &true.into())
    );
    let schema = &format["schema"];
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"].as_array().map(Vec::len), Some(2), "strict mode wants every property");
}

async fn a_null_is_what_strict_mode_makes_of_an_optional_property(wire: Wire) {
    let played = play(wire, agent().output::<Weather>(), [say(r#"{"temperature": 21, "wind": null}"#)]).await;
    assert_eq!(played.run().parse::<Weather>().unwrap(), Weather { temperature: 21, wind: 0 });
    assert_eq!(played.bodies.len(), 1);
}

async fn an_answer_of_another_form_is_asked_for_once_more_and_then_an_error(wire: Wire) {
    let answers = || [say("It is warm."), say(r#"{"temperature": "warm"}"#), say(r#"{"temperature": 21}"#)];
    let played = play(wire, agent().output::<Weather>(), answers()).await;
    let AgentErrorKind::Output { format, error, text } = played.kind() else { panic!("{:?}", played.result) };
    assert_eq!((format.as_str(), text.as_str()), ("Weather", r#"{"temperature": "warm"}"#));
    assert!(error.to_string().contains("temperature"), "{error}");
    assert_eq!(played.bodies.len(), 2);
    assert!(played.bodies[1].to_string().contains("does not have the required form"));
}

async fn an_empty_answer_is_asked_for_once_more(wire: Wire) {
    let played = play(wire, agent().output::<Weather>(), [say(""), say(r#"{"temperature": 21}"#)]).await;
    assert_eq!(played.run().parse::<Weather>().unwrap().temperature, 21);
    let played = play(wire, agent().output::<Weather>(), [say(""), say(""), say("")]).await;
    assert!(matches!(played.kind(), AgentErrorKind::Output { .. }));
    assert_eq!(played.bodies.len(), 2, "not until the turns are used up");
}

async fn tools_run_before_the_answer_has_its_form(wire: Wire) {
    let asking = say("One moment.").call("a", "add", r#"{"a": 1, "b": 2}"#);
    let agent = agent().tool(add()).output::<Weather>();
    let played = play(wire, agent, [asking, say(r#"{"temperature": 3}"#)]).await;
    assert_eq!(played.run().parse::<Weather>().unwrap().temperature, 3);
}
