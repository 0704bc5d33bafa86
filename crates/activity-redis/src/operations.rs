//! The operations on one activity, and counts: each is one script, sent once and answered once.

use std::time::Duration;

use agentexec_activity_core::{
    Activity, AgentId, Attempt, CancelOutcome, CancelRequest, Change, Counts, Detail, Error, LOG_PAGE_LIMIT,
    LogQuery, NewActivity, Next, Percent, SCAN_LIMIT, Scope, State, Status, Timestamp, Write, Written,
};
use redis::Cmd;

use crate::codec::{self, Record, id_bytes, request_bytes};
use crate::failure::Failure;
use crate::keys::metadata_text;
use crate::link::Link;
use crate::reply::{self, Reply};
use crate::rules::{self, Rules};
use crate::script::{COUNTS, CREATE, Call, DETAIL, STOP, WRITE};

/// A lease that is granted for longer is granted for this long: 100 years.
const LONGEST_LEASE: u64 = 100 * 365 * 24 * 3600 * 1000;

/// How often a write is tried whose activity is purged and created anew, with other metadata, in between.
const TRIES: usize = 4;

const OTHER_ANSWER: Failure = Failure::Unreadable("a script gave an answer that it does not have");

pub(crate) async fn create(link: &Link, new: &NewActivity) -> Result<Activity, Error> {
    let [log, _] = link.keys.log(new.id);
    let mut keys = vec![log];
    keys.extend(link.keys.sets(&new.activity_type, &new.metadata));
    let call = CREATE.call(&link.keys, &keys).bytes(&id_bytes(new.id)).arg(&new.activity_type);
    let call = call.arg(metadata_text(&new.metadata)).arg(new.message.as_str());
    let mut reply = Reply::of(link.call(call).await?)?;
    let Some(row) = reply.bytes()? else { return Err(Error::IdTaken { id: new.id }) };
    let activity = Record::read(new.id, &row)?.activity;
    if let Some(place) = reply.place()? {
        link.remember(place, codec::event_mark(new.id, activity.created));
    }
    Ok(activity)
}

/// Carries out a write. Progress stays where it is in lists, so it is one script; a new status moves in the sets
/// of its type and pairs, whose keys are read first: they never change.
pub(crate) async fn write(link: &Link, write: &Write) -> Result<Written, Error> {
    let rules = Rules::of(write);
    let mut record = None;
    if !matches!(write.change, Change::Progress { .. }) {
        record = Some(found(link, write.id).await?);
    }
    for _ in 0..TRIES {
        let call = write_call(link, write, &rules, record.as_ref());
        let mut reply = Reply::of(link.call(call).await?)?;
        return match reply.number()? {
            0 => Err(Error::NotFound { id: write.id }),
            1 => Ok(written_before(&reply.some_bytes()?)?),
            2 => Ok(written(link, write, &mut reply)?),
            3 => Err(refused(write, &mut reply)?),
            4 => {
                record = Some(found(link, write.id).await?);
                continue;
            }
            _ => Err(OTHER_ANSWER.into()),
        };
    }
    Err(Failure::Unreadable("an activity was replaced again and again").into())
}

fn write_call(link: &Link, write: &Write, rules: &Rules, record: Option<&Record>) -> Call {
    let mut keys = link.keys.log(write.id).to_vec();
    keys.extend(record.into_iter().flat_map(|record| record.sets(&link.keys)));
    let mut call = WRITE.call(&link.keys, &keys);
    call = call.bytes(&id_bytes(write.id)).bytes(&request_bytes(write.request));
    call = call.arg(write.attempt.map_or(0, Attempt::number));
    call = call.bytes(&rules.table).bytes(&rules.outcomes).arg(write.message.as_str());
    call = match record {
        Some(record) => call.arg(&record.activity.activity_type).arg(&record.metadata_text),
        None => call.arg("").arg(""),
    };
    if let Change::Start { lease: Some(lease), .. } = &write.change {
        call = call.arg(millis(lease.ttl)).arg(lease.last_attempt.number()).arg(&lease.owner);
    }
    call
}

fn written(link: &Link, write: &Write, reply: &mut Reply) -> Result<Written, Failure> {
    let seq = reply.number()?;
    let (status, percentage, attempt) = (status(reply)?, percent(reply)?, Attempt::new(reply.small()?));
    let at = Timestamp::from_millis(reply.number()?);
    link.remember(reply.some_place()?, codec::event_mark(write.id, at));
    Ok(Written::new(seq, Next { status, percentage, attempt, progress: false }))
}

/// What a write was answered with, as its log entry says.
fn written_before(entry: &[u8]) -> Result<Written, Failure> {
    let entry = codec::read_entry(entry)?;
    let (status, percentage) = (entry.status, entry.percentage);
    let next = Next { status, percentage, attempt: entry.attempt, progress: entry.progress };
    Ok(Written::new(entry.seq, next))
}

/// Why the rules refuse a write in the state that the script has found.
fn refused(write: &Write, reply: &mut Reply) -> Result<Error, Failure> {
    let state = State {
        status: status(reply)?,
        percentage: percent(reply)?,
        attempt: Attempt::new(reply.small()?),
        cancel_requested: reply.number()? == 1,
        lease_expired: reply.number()? == 1,
        last_attempt: Attempt::new(reply.small()?),
    };
    write.decide(state).err().ok_or(Failure::Unreadable("a script refused what the rules allow"))
}

fn status(reply: &mut Reply) -> Result<Status, Failure> {
    rules::status(reply.small()?).ok_or(OTHER_ANSWER)
}

fn percent(reply: &mut Reply) -> Result<Percent, Failure> {
    Percent::new(reply.small()?).map_err(|_| OTHER_ANSWER)
}

pub(crate) async fn request_cancel(
    link: &Link,
    scope: &Scope,
    id: AgentId,
    ask: CancelRequest,
) -> Result<CancelOutcome, Error> {
    let CancelRequest { request, reason, message } = ask;
    let record = found(link, id).await?;
    if !scope.admits(&record.activity.metadata) {
        return Err(Error::NotFound { id });
    }
    let mut keys = link.keys.log(id).to_vec();
    keys.extend(record.sets(&link.keys));
    let cancel = Write::new(id, request, Change::Cancel, message);
    let rules = Rules::of(&cancel);
    let mut call = STOP.call(&link.keys, &keys).bytes(&id_bytes(id));
    call = call.arg(&record.activity.activity_type).arg(&record.metadata_text);
    call = call.bytes(&request_bytes(request)).arg(reason.as_str());
    call = call.bytes(&rules.table).bytes(&rules.outcomes).arg(cancel.message.as_str());
    let mut reply = Reply::of(link.call(call).await?)?;
    match reply.number()? {
        0 => Err(Error::NotFound { id }),
        1 => Ok(CancelOutcome::Canceled),
        2 => Ok(CancelOutcome::Requested),
        3 => Ok(CancelOutcome::AlreadyEnded(status(&mut reply)?)),
        _ => Err(OTHER_ANSWER.into()),
    }
}

pub(crate) async fn detail(
    link: &Link,
    scope: &Scope,
    id: AgentId,
    query: LogQuery,
) -> Result<Option<Detail>, Failure> {
    let limit = query.limit.min(LOG_PAGE_LIMIT);
    // One more than is shown, to know whether the log goes on. No log is as long as a u32 counts.
    let call = DETAIL.call(&link.keys, &link.keys.log(id)).bytes(&id_bytes(id));
    let call = call.arg(query.from.min(u64::from(u32::MAX))).arg(limit + 1);
    let mut reply = Reply::of(link.call(call).await?)?;
    let Some(row) = reply.bytes()? else { return Ok(None) };
    let Record { activity, base, .. } = Record::read(id, &row)?;
    if !scope.admits(&activity.metadata) {
        return Ok(None);
    }
    let (mut log, mut next) = (Vec::new(), None);
    while let Some(entry) = reply.bytes()? {
        let entry = codec::read_entry(&entry)?;
        if log.len() == limit {
            next = Some(entry.seq);
            break;
        }
        log.push(entry);
    }
    let trimmed_before = if base > 1 { base } else { 0 };
    Ok(Some(Detail::new(activity, log, trimmed_before, next)))
}

/// The record alone.
pub(crate) async fn record(link: &Link, id: AgentId) -> Result<Option<Record>, Failure> {
    let mut get = Cmd::new();
    get.arg("HGET").arg(link.keys.rows()).arg(&id_bytes(id));
    match link.command(get).await? {
        redis::Value::Nil => Ok(None),
        row => Ok(Some(Record::read(id, &reply::bytes(row)?)?)),
    }
}

async fn found(link: &Link, id: AgentId) -> Result<Record, Error> {
    record(link, id).await?.ok_or(Error::NotFound { id })
}

/// Counts are one script, but for a scope of several pairs: then they are taken of some at a time.
pub(crate) async fn counts(link: &Link, scope: &Scope) -> Result<Counts, Failure> {
    let sets = link.keys.of_scope(scope);
    let mut counts = Counts::default();
    let mut from = 0;
    loop {
        let call = COUNTS.call(&link.keys, &sets).arg(SCAN_LIMIT).arg(from);
        let mut reply = Reply::of(link.call(call).await?)?;
        from = reply.number()?;
        for status in Status::ALL {
            *counts.of_mut(status) += reply.number()?;
        }
        if from == 0 {
            return Ok(counts);
        }
    }
}

pub(crate) async fn now(link: &Link) -> Result<Timestamp, Failure> {
    let mut time = Cmd::new();
    time.arg("TIME");
    let mut reply = Reply::of(link.command(time).await?)?;
    let (seconds, micros) = (reply.number()?, reply.number()?);
    Ok(Timestamp::from_millis(seconds * 1000 + micros / 1000))
}

/// The time of a lease in milliseconds.
pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).map_or(LONGEST_LEASE, |millis| millis.min(LONGEST_LEASE))
}
