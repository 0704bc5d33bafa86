//! Claude with tools, and what happens when it has used its turns.
//!
//! A server in this program speaks Anthropic's protocol and follows a script, so that the example needs no key. With
//! one, `ClaudeRunner::from_env()?` takes the place of the server and of `ClaudeRunner::new(model)`.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use agentexec::claude::{Claude, ClaudeRunner};
use agentexec::prelude::*;
use agentexec_demo::{Conversation, DemoServer, Reply};
use anyhow::Context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Weather {
    /// The name of the city.
    city: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = DemoServer::builder().delay(Duration::ZERO).brain(script).start()?;
    let model = Claude::new("demo-key").base_url(server.base_url()).model("demo").build()?;

    let activities = Activities::new(MemoryStore::new());
    let runner = ClaudeRunner::new(model).max_turns(3).tracked(&activities);
    let agent = Agent::new("Meteorologist").instructions("Compare the weather of cities.").tool(tool(
        "get_weather",
        "Say how warm it is in a city.",
        |args: Weather, _cx: ToolContext| async move {
            match args.city.as_str() {
                "Oslo" => Ok("4 degrees"),
                "Rome" => Ok("19 degrees"),
                // The model reads this as the answer of its call, and can do better.
                city => Err(format!("there is no station in {city}; ask for Oslo or Rome")),
            }
        },
    ));

    println!("Two cities at once:");
    let id = activities.create("weather").await?;
    let run = runner.run(id, agent.input("Is it warmer in Oslo or in Rome?")).await?;
    print_log(&activities, id).await?;
    println!("answer: {}\n", run.output);

    println!("A model that never has enough:");
    let id = activities.create("weather").await?;
    let run = runner.run(id, agent.input("Watch the weather of Atlantis.")).await?;
    print_log(&activities, id).await?;
    println!("answer: {}", run.output);
    println!("how it ended: {:?} after {} turns", run.finish, run.turns.len());
    Ok(())
}

/// Plays the model.
fn script(conversation: &Conversation) -> Reply {
    let weather = |city| json!({"city": city});
    if conversation.prompt().contains("Atlantis") {
        let mut reply = Reply::call("get_weather", weather("Atlantis"));
        reply.text = format!("I have looked {} times so far.", conversation.turns());
        return reply;
    }
    let found: Vec<&str> = conversation.tool_outputs().collect();
    match found.as_slice() {
        [oslo, rome] => Reply::text(format!("Rome is warmer: {rome} against {oslo}.")),
        _ => Reply::call("get_weather", weather("Oslo")).and_call("get_weather", weather("Rome")),
    }
}

async fn print_log(activities: &Activities, id: AgentId) -> anyhow::Result<()> {
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    Ok(())
}
