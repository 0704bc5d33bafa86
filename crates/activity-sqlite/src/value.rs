//! How values stand in the columns of the file.

use agentexec_activity_core::{AgentId, Attempt, Message, Metadata, Percent, Status, Timestamp};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// A value of activity-core as it is written and read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Db<T>(pub(crate) T);

/// The number of a status in the file, which never changes: its place in [`Status::ALL`].
pub(crate) const fn code(status: Status) -> u8 {
    match status {
        Status::Queued => 0,
        Status::Running => 1,
        Status::Complete => 2,
        Status::Error => 3,
        Status::Canceled => 4,
    }
}

/// Numbers in the file are signed; what does not fit is as good as the largest that does.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl ToSql for Db<Status> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(code(self.0).into())
    }
}

impl FromSql for Db<Status> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        let place = usize::try_from(code).ok();
        let status = place.and_then(|place| Status::ALL.get(place).copied());
        status.map(Self).ok_or(FromSqlError::OutOfRange(code))
    }
}

impl ToSql for Db<AgentId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_u128().to_be_bytes().to_vec().into())
    }
}

impl FromSql for Db<AgentId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = <[u8; 16]>::column_result(value)?;
        Ok(Self(AgentId::from_u128(u128::from_be_bytes(bytes))))
    }
}

impl ToSql for Db<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(signed(self.0.as_millis()).into())
    }
}

impl FromSql for Db<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = value.as_i64()?;
        let millis = u64::try_from(millis).map_err(|_| FromSqlError::OutOfRange(millis))?;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

impl ToSql for Db<Percent> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.get().into())
    }
}

impl FromSql for Db<Percent> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Percent::new(u8::column_result(value)?).map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for Db<Attempt> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.number().into())
    }
}

impl FromSql for Db<Attempt> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(|number| Self(Attempt::new(number)))
    }
}

impl ToSql for Db<&Message> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

impl FromSql for Db<Message> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(|text| Self(Message::new(text)))
    }
}

impl FromSql for Db<Metadata> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// Metadata as JSON, to be read back as they are.
pub(crate) fn metadata_json(metadata: &Metadata) -> rusqlite::Result<String> {
    serde_json::to_string(metadata).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_number_of_a_status_is_its_place() {
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code(status)), place);
        }
    }

    #[test]
    fn a_float_is_read_as_the_one_that_was_written() {
        for float in [0.1 + 0.2, 1e300, f64::MIN_POSITIVE, 123_456_789.123_456_78] {
            let text = serde_json::to_string(&json!({ "f": float })).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ "f": float }));
        }
    }
}
