//! Asking work to stop.

use agentexec_activity_core::{
    AgentId, CancelOutcome, CancelRequest, Change, Error, Next, Scope, Status, Write,
};

use super::Tx;
use super::change::carry_out;
use super::events::Event;
use super::record::Record;
use super::requests::Answer;
use crate::error::Failed;
use crate::read::activity::by_no;
use crate::read::events::kind;

pub(crate) fn request(
    tx: &mut Tx<'_>,
    scope: &Scope,
    id: AgentId,
    ask: &CancelRequest,
) -> Result<CancelOutcome, Failed> {
    let record = Record::find(tx.conn, id)?.ok_or(Error::NotFound { id })?;
    if scope.pairs().is_some() && !scope.admits(&by_no(tx.conn, record.no)?.metadata) {
        return Err(Error::NotFound { id }.into());
    }
    match record.requests.find(ask.request) {
        Some(Answer::Written(_)) => return Ok(CancelOutcome::Canceled),
        Some(Answer::CancelRequested) => return Ok(CancelOutcome::Requested),
        None => {}
    }
    match record.status {
        Status::Queued => {
            let cancel = Write::new(id, ask.request, Change::Cancel, ask.message.clone());
            carry_out(tx, record, &cancel)?;
            Ok(CancelOutcome::Canceled)
        }
        Status::Running => {
            flag(tx, record, ask)?;
            Ok(CancelOutcome::Requested)
        }
        ended => Ok(CancelOutcome::AlreadyEnded(ended)),
    }
}

/// Keeps the first reason.
fn flag(tx: &Tx<'_>, mut record: Record, ask: &CancelRequest) -> rusqlite::Result<()> {
    record.requests.remember(ask.request, Answer::CancelRequested);
    if record.cancel_requested.is_none() {
        record.cancel_requested = Some(ask.reason.clone());
        let Record { no: subject, status, percentage, attempt, .. } = record;
        let event = Event {
            kind: kind::CANCEL_REQUESTED,
            subject,
            seq: 0,
            next: Next { status, percentage, attempt, progress: false },
            at: tx.clock.now(),
            message: ask.reason.as_str(),
        };
        event.add(tx.conn)?;
    }
    record.save_request(tx.conn)
}
