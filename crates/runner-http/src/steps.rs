//! A response that comes step by step, as the stream of a model.

use std::future::Future;

use agentexec_agent_core::model::{ModelError, ModelEvent};
use futures_util::stream::{self, BoxStream, StreamExt};

/// What becomes of a request, step by step: it is written, sent, perhaps sent again, and its answer is read.
pub(crate) trait Steps: Send {
    /// Takes the next step and adds what there is to tell of it. False behind the last one.
    ///
    /// # Errors
    /// The error with which the response fails. What was added before it is told all the same.
    ///
    /// # Cancel safety
    /// None is asked for: a step that is dropped is dropped with everything.
    fn step(&mut self, told: &mut Vec<ModelEvent>) -> impl Future<Output = Result<bool, ModelError>> + Send;
}

/// What the steps tell, as [`Model::respond`](agentexec_agent_core::model::Model::respond) gives it. It ends behind
/// the last step and behind an error. Dropping it drops the steps.
///
/// A step may tell of much at once, which costs less than a step for each event: all that came in one read of a
/// connection, for example.
pub(crate) fn stream_of<'a>(steps: impl Steps + 'a) -> BoxStream<'a, Result<ModelEvent, ModelError>> {
    // In a box, since they move with every step.
    let batches = stream::unfold(Some(Box::new(steps)), |steps| async move {
        let (mut steps, mut told) = (steps?, Vec::new());
        let mut goes_on = Ok(true);
        while told.is_empty() && matches!(goes_on, Ok(true)) {
            goes_on = steps.step(&mut told).await;
        }
        let (steps, error) = match goes_on {
            Ok(goes_on) => (goes_on.then_some(steps), None),
            Err(error) => (None, Some(Err(error))),
        };
        Some((stream::iter(told.into_iter().map(Ok).chain(error)), steps))
    });
    batches.flatten().boxed()
}

#[cfg(test)]
mod tests {
    use agentexec_agent_core::model::ModelErrorKind;

    use super::*;

    /// Tells so many events in each step, then fails or ends.
    struct Script(Vec<usize>, Option<ModelError>);

    impl Steps for Script {
        async fn step(&mut self, told: &mut Vec<ModelEvent>) -> Result<bool, ModelError> {
            told.extend(vec![ModelEvent::Heartbeat; self.0.remove(0)]);
            match self.1.take_if(|_| self.0.is_empty()) {
                Some(error) => Err(error),
                None => Ok(!self.0.is_empty()),
            }
        }
    }

    #[tokio::test]
    async fn what_was_told_before_an_error_comes_before_it() {
        let error = ModelError::new(ModelErrorKind::StreamCut, "cut");
        let mut stream = stream_of(Script(vec![2, 0, 1], Some(error)));
        for _ in 0..3 {
            assert_eq!(stream.next().await.unwrap().unwrap(), ModelEvent::Heartbeat);
        }
        assert_eq!(stream.next().await.unwrap().unwrap_err().message(), "cut");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn it_ends_behind_the_last_step() {
        for script in [vec![0], vec![1, 0], vec![0, 0, 3]] {
            let events: usize = script.iter().sum();
            assert_eq!(stream_of(Script(script, None)).count().await, events);
        }
    }
}
