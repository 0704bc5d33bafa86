//! A runner that is tried again after errors that may go away, and only after those.
#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentexec::prelude::*;
use agentexec::runner::Retryable;
use anyhow::Context;

/// A service that is busy at times.
struct Translator {
    busy_for: AtomicU32,
}

#[derive(Debug, thiserror::Error)]
enum TranslateError {
    #[error("the translator is busy")]
    Busy,
    #[error("nobody here speaks {0}")]
    UnknownLanguage(String),
}

/// Says which errors may go away by themselves. For errors of another crate there is `retry_if` with a closure.
impl Retryable for TranslateError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl Runner for Translator {
    type Input = String;
    type Output = String;
    type Error = TranslateError;

    async fn run(&self, cx: &RunContext, language: String) -> Result<String, TranslateError> {
        cx.progress(format!("Translating into {language}"), 50).await;
        if language == "Klingon" {
            return Err(TranslateError::UnknownLanguage(language));
        }
        let less = |left: u32| left.checked_sub(1);
        if self.busy_for.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(TranslateError::Busy);
        }
        Ok(format!("'Hello' in {language}"))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let activities = Activities::new(MemoryStore::new());
    for (story, busy_for, language) in [
        ("Busy twice", 2, "Finnish"),
        ("Busy for good", u32::MAX, "Finnish"),
        ("An error that stays", 0, "Klingon"),
    ] {
        // Waits are random, up to 20 ms, then 40 ms, then 80 ms. The default begins with a second.
        let policy = Retry::times(3).base(Duration::from_millis(20));
        let translator = Translator { busy_for: AtomicU32::new(busy_for) };
        let runner = translator.retry(policy).tracked(&activities);

        println!("{story}:");
        let id = activities.create("translate").await?;
        let result = runner.run(id, language.to_owned()).await;
        print_log(&activities, id).await?;
        match result {
            Ok(text) => println!("the caller gets: {text}\n"),
            Err(error) => println!("the caller gets the error: {error}\n"),
        }
    }
    Ok(())
}

async fn print_log(activities: &Activities, id: AgentId) -> anyhow::Result<()> {
    let detail = activities.detail(&Scope::all(), id).await?.context("the record is gone")?;
    for entry in detail.log {
        println!("{:>8} {:>3} %  {}", entry.status, entry.percentage.get(), entry.message);
    }
    Ok(())
}
