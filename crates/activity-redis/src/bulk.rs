//! Commands over many activities. First the candidates are read, then they are changed some at a time: the
//! script that changes them is given their keys, and looks at each once more before it touches it.

use agentexec_activity_core::{
    AgentId, Attempt, Batch, Change, ExpiredLease, ListCursor, Message, RequestId, Scope, Status, Timestamp,
    Write,
};
use std::time::Duration;

use crate::codec::{self, Record, id_bytes, request_bytes};
use crate::failure::Failure;
use crate::link::Link;
use crate::operations::millis;
use crate::reply::Reply;
use crate::rules::Rules;
use crate::scan::{Scan, candidates};
use crate::script::{CANCEL, Call, EXPIRED, PURGE, RENEW};

/// How many candidates one step looks at.
const STEP: usize = 1000;
/// How many activities one script changes, so that others do not wait long for it.
const AT_ONCE: usize = 100;
/// How many leases one script renews.
const RENEWED_AT_ONCE: usize = 500;
/// How many expired leases are listed at the most.
const EXPIRED_LIMIT: usize = 1000;

pub(crate) async fn cancel_queued(
    link: &Link,
    scope: &Scope,
    reason: &Message,
    after: Option<ListCursor>,
) -> Result<Batch, Failure> {
    let query = candidates(scope, &[Status::Queued], after);
    let found = Scan::of(&query).step(STEP).run(link).await?;
    let mut changed = 0;
    for records in found.records.chunks(AT_ONCE) {
        changed += cancel(link, records, reason).await?;
    }
    Ok(Batch::new(changed, found.next))
}

async fn cancel(link: &Link, records: &[Record], reason: &Message) -> Result<u64, Failure> {
    let (keys, places) = keys_of(link, records);
    // The rules are the same for all of them.
    let change = Write::new(AgentId::from_u128(0), RequestId::new(), Change::Cancel, reason.clone());
    let rules = Rules::of(&change);
    let mut call = CANCEL.call(&link.keys, &keys);
    call = call.bytes(&rules.table).bytes(&rules.outcomes).arg(reason.as_str());
    for (record, places) in records.iter().zip(places) {
        call = identified(call, record).bytes(&request_bytes(RequestId::new())).bytes(&places);
    }
    number(link.call(call).await?)
}

/// The keys of some activities, and for each the places of its own among those that the script is given.
fn keys_of(link: &Link, records: &[Record]) -> (Vec<String>, Vec<Vec<u8>>) {
    let common = link.keys.common().len();
    let (mut keys, mut places) = (Vec::new(), Vec::new());
    for record in records {
        let first = common + keys.len();
        keys.extend(link.keys.log(record.activity.id));
        keys.extend(record.sets(&link.keys));
        // Lua counts from 1.
        let own = first + 1..=common + keys.len();
        let own = own.flat_map(|place| u16::try_from(place).unwrap_or_default().to_be_bytes());
        places.push(own.collect());
    }
    (keys, places)
}

/// Adds the id, and what tells whether it is still of the same activity.
fn identified(call: Call, record: &Record) -> Call {
    let activity = &record.activity;
    call.bytes(&id_bytes(activity.id)).arg(&activity.activity_type).arg(&record.metadata_text)
}

pub(crate) async fn purge(
    link: &Link,
    scope: &Scope,
    ended_before: Timestamp,
    after: Option<ListCursor>,
) -> Result<Batch, Failure> {
    let query = candidates(scope, &[Status::Complete, Status::Error, Status::Canceled], after);
    let found = Scan::of(&query).step(STEP).ended_before(ended_before).run(link).await?;
    let mut changed = 0;
    for records in found.records.chunks(AT_ONCE) {
        changed += remove(link, records, ended_before).await?;
    }
    Ok(Batch::new(changed, found.next))
}

async fn remove(link: &Link, records: &[Record], ended_before: Timestamp) -> Result<u64, Failure> {
    let (keys, places) = keys_of(link, records);
    let mut call = PURGE.call(&link.keys, &keys).arg(ended_before.as_millis());
    for (record, places) in records.iter().zip(places) {
        call = identified(call, record).bytes(&places);
    }
    number(link.call(call).await?)
}

pub(crate) async fn renew(
    link: &Link,
    held: &[(AgentId, Attempt)],
    ttl: Duration,
) -> Result<Vec<bool>, Failure> {
    let mut answers = Vec::with_capacity(held.len());
    for held in held.chunks(RENEWED_AT_ONCE) {
        let mut call = RENEW.call(&link.keys, &[]).arg(millis(ttl));
        for (id, attempt) in held {
            call = call.bytes(&id_bytes(*id)).arg(attempt.number());
        }
        let mut reply = Reply::of(link.call(call).await?)?;
        for _ in held {
            answers.push(reply.number()? == 1);
        }
    }
    Ok(answers)
}

pub(crate) async fn expired(link: &Link, limit: usize) -> Result<Vec<ExpiredLease>, Failure> {
    let call = EXPIRED.call(&link.keys, &[]).arg(limit.min(EXPIRED_LIMIT));
    let mut reply = Reply::of(link.call(call).await?)?;
    let mut leases = Vec::new();
    while let Some(id) = reply.bytes()? {
        leases.push(codec::read_lease(&id, &reply.some_bytes()?)?);
    }
    Ok(leases)
}

fn number(answer: redis::Value) -> Result<u64, Failure> {
    redis::from_redis_value(answer).map_err(|_| Failure::Unreadable("the answer of a script is not a number"))
}
