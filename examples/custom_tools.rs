//! Tools: from a function, from a function with shared state, and as a type of their own; and what a model reads
//! when something goes wrong.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agentexec::claude::{Claude, ClaudeRunner};
use agentexec::prelude::*;
use agentexec::tools::{Effect, ToolError};
use agentexec_demo::{Conversation, DemoServer, Reply};
use futures_util::TryStreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

// The doc comments of arguments are what the model reads.
#[derive(Deserialize, JsonSchema)]
struct Sum {
    /// Prices in cents.
    prices: Vec<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct Article {
    /// The name of the article, in the singular.
    name: String,
}

/// A tool as a type. The doc comment of its arguments is its description.
struct Delivery {
    days: u32,
}

/// Says when an order would arrive.
#[derive(Deserialize, JsonSchema)]
struct DeliveryArgs {
    /// A country, as its two-letter code.
    country: String,
}

#[derive(Serialize)]
struct Estimate {
    days: u32,
    express: bool,
}

impl Tool for Delivery {
    type Args = DeliveryArgs;
    type Output = anyhow::Result<Json<Estimate>>;

    fn name(&self) -> String {
        "delivery".to_owned()
    }

    async fn call(&self, args: DeliveryArgs, cx: ToolContext) -> Self::Output {
        // A tool sees the run that it belongs to.
        cx.note(format!("Asking the carrier about {}", args.country)).await;
        anyhow::ensure!(args.country.len() == 2, "'{}' is no country code", args.country);
        Ok(Json(Estimate { days: self.days, express: args.country == "FI" }))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let stock = BTreeMap::from([("cup", 350), ("plate", 500)]);

    let add_up = tool("add_up", "Add up prices.", |args: Sum, _cx: ToolContext| async move {
        args.prices.iter().sum::<u32>()
    })
    .timeout(Duration::from_secs(2))
    .effect(Effect::Pure);
    let price = tool_with(
        stock,
        "price",
        "The price of an article, in cents.",
        |stock: Arc<BTreeMap<&str, u32>>, args: Article, _cx: ToolContext| async move {
            let price = stock.get(args.name.as_str()).copied();
            price.ok_or_else(|| format!("there is no '{}'; there are: {:?}", args.name, stock.keys()))
        },
    );
    // An error that the model cannot mend ends the run.
    let pay = tool("pay", "Pay an order.", |_args: Sum, _cx: ToolContext| async move {
        Err::<(), _>(ToolError::fatal("the shop is closed"))
    });

    let agent = Agent::new("Seller").tools([add_up, price, pay]).tool(Delivery { days: 5 });
    let server = DemoServer::builder().delay(Duration::ZERO).brain(script).start()?;
    let model = Claude::new("demo-key").base_url(server.base_url()).model("demo").build()?;
    let activities = Activities::new(MemoryStore::new());

    let id = activities.create("order").await?;
    let runner = ClaudeRunner::new(model).tracked(&activities);
    let mut events = runner.run_streamed(id, agent.input("A cup and a plate to Finland, please."));
    loop {
        match events.try_next().await {
            Ok(Some(RunEvent::ToolCallFinished { name, output, is_error, .. })) => {
                println!("{}{name}: {output}", if is_error { "error of " } else { "" });
            }
            Ok(Some(RunEvent::Progress { message, .. })) => println!("-- {message}"),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                println!("the run failed: {error}");
                break;
            }
        }
    }
    Ok(())
}

/// Plays a model that makes every mistake once.
fn script(conversation: &Conversation) -> Reply {
    match conversation.turns() {
        0 => Reply::call("price", json!({"name": "cups"})).and_call("price", json!({"article": "cup"})),
        1 => Reply::call("price", json!({"name": "cup"})).and_call("price", json!({"name": "plate"})),
        2 => Reply::call("add_up", json!({"prices": [350, "500"]})).and_call("discount", json!({})),
        3 => Reply::call("add_up", json!({"prices": [350, 500]}))
            .and_call("delivery", json!({"country": "Finland"})),
        4 => Reply::call("delivery", json!({"country": "FI"})),
        _ => Reply::call("pay", json!({"prices": [850]})),
    }
}
