//! The tools. None has a limit of ours: what they are asked for is the test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agentexec::prelude::*;
use agentexec::tools::DynTool;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// The longest text that `blob` makes: an allocation that the machine does not grant would end the process.
const MAX_BLOB: u64 = 64 << 20;

/// The names of the tools that were carried out.
#[derive(Clone, Default)]
pub(crate) struct Ran(Arc<Mutex<Vec<String>>>);

impl Ran {
    fn note(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }

    /// In the order in which they began.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

#[derive(Deserialize, JsonSchema)]
struct Two {
    a: Number,
    b: Number,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
struct Sleep {
    #[serde(deserialize_with = "whole")]
    ms: u64,
    tag: String,
}

#[derive(Deserialize, JsonSchema)]
struct Why {
    why: String,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    s: String,
}

#[derive(Deserialize, JsonSchema)]
struct Many {
    #[serde(deserialize_with = "whole")]
    n: u64,
}

/// A whole number, which some models write as `3.0`.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let as_float = || number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..1e15).contains(float));
    number
        .as_u64()
        .or_else(|| as_float().map(|float| float as u64))
        .ok_or_else(|| D::Error::custom(format!("expected a whole number from 0 on, got {number}")))
}

/// Whole numbers are added as such: a float holds them up to 2^53 only.
fn sum(a: &Number, b: &Number) -> String {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => (a + b).to_string(),
        _ => (a.as_f64().unwrap_or(f64::NAN) + b.as_f64().unwrap_or(f64::NAN)).to_string(),
    }
}

fn blob(n: u64) -> Result<String, String> {
    match usize::try_from(n) {
        Ok(count) if n <= MAX_BLOB => Ok("b".repeat(count)),
        _ => Err(format!("n is {n}, and may be {MAX_BLOB} at most")),
    }
}

pub(crate) fn tools(ran: &Ran) -> Vec<DynTool> {
    macro_rules! tools {
        ($($name:literal: $says:literal, |$args:ident: $Args:ty| $answer:expr;)*) => {
            vec![$({
                let ran = ran.clone();
                tool($name, $says, move |$args: $Args, _cx: ToolContext| {
                    ran.note($name);
                    async move { $answer }
                })
                .no_timeout()
                .output_limit(usize::MAX)
            }),*]
        };
    }
    tools! {
        "get_weather": "The weather in a city.", |args: City| format!("Sunny, 21C in {}", args.city);
        "add": "Adds two numbers.", |args: Two| sum(&args.a, &args.b);
        "get_time": "The time of day.", |_args: Nothing| "12:00";
        "sleepy": "Sleeps, then answers with the tag.", |args: Sleep| {
            tokio::time::sleep(Duration::from_millis(args.ms)).await;
            args.tag
        };
        "fail": "Fails.", |args: Why| Err::<String, _>(args.why);
        "length": "How many characters a text has.", |args: Text| args.s.chars().count();
        "blob": "So many times the letter b.", |args: Many| blob(args.n);
    }
}
