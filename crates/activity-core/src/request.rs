//! The builders behind `create`, `update`, `complete`, `error` and `cancel`.

use std::future::IntoFuture;
use std::pin::Pin;

use serde_json::Value;

use crate::activity::TYPE_LIMIT;
use crate::{
    Activities, AgentId, Attempt, Change as CoreChange, Error, Message, Metadata, NewActivity, Percent,
    Status, Written,
};

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A new activity; awaiting it creates it and gives its id.
#[derive(Debug)]
#[must_use = "nothing is created until this is awaited"]
pub struct CreateActivity<'a> {
    activities: &'a Activities,
    id: Option<AgentId>,
    activity_type: String,
    message: Option<Message>,
    metadata: Result<Metadata, Error>,
}

impl<'a> CreateActivity<'a> {
    pub(crate) fn new(activities: &'a Activities, activity_type: String) -> Self {
        Self { activities, id: None, activity_type, message: None, metadata: Ok(Metadata::new()) }
    }

    /// Sets the id, so that creating it again changes nothing. Default: a new one.
    pub fn id(mut self, id: AgentId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the first message of the log. Default: the configured one.
    pub fn message(mut self, message: impl Into<Message>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds a metadata pair. A pair that passes a limit is reported when this is awaited.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata = self.metadata.and_then(|metadata| metadata.with(key, value));
        self
    }

    async fn send(self) -> Result<AgentId, Error> {
        check_type(&self.activity_type)?;
        let id = self.id.unwrap_or_else(AgentId::new);
        let message =
            self.message.unwrap_or_else(|| Message::new(self.activities.messages().created.as_str()));
        let new = NewActivity { id, activity_type: self.activity_type, message, metadata: self.metadata? };
        Ok(self.activities.store().create(new).await?.id)
    }
}

fn check_type(activity_type: &str) -> Result<(), Error> {
    let fits = (1..=TYPE_LIMIT).contains(&activity_type.len());
    if !fits || activity_type.chars().any(char::is_control) {
        return Err(Error::invalid(
            "type",
            format!("an activity's type has 1 to {TYPE_LIMIT} bytes and no control characters"),
        ));
    }
    Ok(())
}

impl<'a> IntoFuture for CreateActivity<'a> {
    type Output = Result<AgentId, Error>;
    type IntoFuture = Pending<'a, AgentId>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Progress,
    Complete,
    Fail,
    Cancel,
}

/// A change of an activity; awaiting it carries it out.
#[derive(Debug)]
#[must_use = "nothing changes until this is awaited"]
pub struct UpdateActivity<'a> {
    activities: &'a Activities,
    id: AgentId,
    change: Change,
    message: Option<Message>,
    percentage: Option<u8>,
    attempt: Option<Attempt>,
}

impl<'a> UpdateActivity<'a> {
    pub(crate) fn new(
        activities: &'a Activities,
        id: AgentId,
        change: Change,
        message: Option<Message>,
    ) -> Self {
        Self { activities, id, change, message, percentage: None, attempt: None }
    }

    /// Sets what the log says. Default: what was given, else the configured message.
    pub fn message(mut self, message: impl Into<Message>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Sets the percentage, 0 to 100; another number is refused when this is awaited. A cancellation keeps the
    /// last percentage whatever is set.
    pub fn percentage(mut self, percentage: u8) -> Self {
        self.percentage = Some(percentage);
        self
    }

    /// Makes it a write of this attempt: refused once another attempt has replaced it.
    pub fn attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }

    async fn send(self) -> Result<Written, Error> {
        let percentage = self.percentage.map(Percent::new).transpose()?;
        let change = match self.change {
            Change::Progress => CoreChange::Progress { percentage, only_raise: false },
            Change::Complete => CoreChange::Complete { percentage: percentage.unwrap_or(Percent::FULL) },
            Change::Fail => CoreChange::Fail { percentage },
            Change::Cancel => CoreChange::Cancel,
        };
        let message =
            self.message.unwrap_or_else(|| Message::new(self.activities.messages().complete.as_str()));
        let written = self.activities.write(self.id, self.attempt, change.clone(), message.clone()).await;
        match written {
            Err(Error::Refused { from: Status::Queued, .. }) if self.change == Change::Progress => {}
            written => return written,
        }
        let start = CoreChange::Start { lease: None, percentage: percentage.unwrap_or_default() };
        match self.activities.write(self.id, self.attempt, start, message.clone()).await {
            // Somebody else started it in between: then this is progress after all.
            Err(error) if error.is_already_running() => {
                self.activities.write(self.id, self.attempt, change, message).await
            }
            written => written,
        }
    }
}

impl<'a> IntoFuture for UpdateActivity<'a> {
    type Output = Result<Written, Error>;
    type IntoFuture = Pending<'a, Written>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
