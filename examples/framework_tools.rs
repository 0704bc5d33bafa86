//! Tools for a framework of one's own: it gets their names, descriptions and schemas in its own form, and hands the
//! calls of its model back. The report of progress is one of them.
#![allow(clippy::print_stdout)]

use agentexec::prelude::*;
use agentexec::tools::{CallRequest, ToolSet};
use anyhow::Context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

// The report as this framework words it; `report_status()` is the one that comes along. A doc comment here would be
// told to the model, as those of the fields are.
#[derive(Deserialize, JsonSchema)]
struct Report {
    /// What you are doing now.
    message: String,
    /// How far you are.
    #[schemars(range(min = 0, max = 100))]
    percentage: i64,
}

struct MyFramework {
    tools: ToolSet,
}

impl MyFramework {
    fn new() -> anyhow::Result<Self> {
        let report =
            tool("report_status", "Report task progress", |report: Report, cx: ToolContext| async move {
                // Clamped to 0 to 100, whatever the model says.
                cx.progress(report.message, report.percentage).await;
                "Status updated"
            });
        Ok(Self { tools: ToolSet::new([report])? })
    }

    /// The tools in the framework's own form.
    fn declarations(&self) -> Vec<Value> {
        let declare = |tool: &agentexec::agent::model::ToolSpec| json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        self.tools.specs().iter().map(declare).collect()
    }
}

impl Runner for MyFramework {
    type Input = Vec<&'static str>;
    type Output = usize;
    type Error = anyhow::Error;

    /// The input stands for what the framework's model asks for: the arguments of one call after another.
    async fn run(&self, cx: &RunContext, calls: Vec<&'static str>) -> anyhow::Result<usize> {
        for (number, arguments) in calls.iter().enumerate() {
            let call = CallRequest::new(format!("call_{number}"), "report_status", *arguments);
            let answer = self.tools.dispatch(cx, call).await?;
            println!(
                "report_status({arguments})\n  {}: {}",
                if answer.is_error { "error" } else { "ok" },
                answer.text
            );
        }
        Ok(calls.len())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let framework = MyFramework::new()?;
    println!("What the framework's model is told:");
    for declaration in framework.declarations() {
        println!("{declaration:#}\n");
    }

    let activities = Activities::new(MemoryStore::new());
    let id = activities.create("report").await?;
    println!("What it calls, and is answered:");
    let calls = vec![
        r#"{"message": "Halfway there", "percentage": 50}"#,
        r#"{"message": "Nearly done", "percentage": "a lot"}"#,
        r#"{"message": "More than done", "percentage": 150}"#,
    ];
    framework.tracked(&activities).run(id, calls).await?;

    println!("\nThe log:");
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    Ok(())
}
