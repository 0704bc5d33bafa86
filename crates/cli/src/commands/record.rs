//! How a record looks: as JSON, and in the words and colors of a table.

use std::time::Duration;

use agentexec::activity::{Activity, Metadata, Percent, Status, Timestamp};
use console::Style;
use indicatif::HumanCount;
use serde::Serialize;

use crate::table::Cell;

/// A record as JSON, with its metadata: whoever runs this program may see all of it.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    #[serde(flatten)]
    activity: &'a Activity,
    metadata: &'a Metadata,
}

impl<'a> Record<'a> {
    pub(super) fn new(activity: &'a Activity) -> Self {
        Self { activity, metadata: &activity.metadata }
    }
}

pub(super) fn status(status: Status) -> Cell {
    Cell::styled(status.as_str(), style(status))
}

pub(super) fn style(status: Status) -> Style {
    match status {
        Status::Queued => Style::new(),
        Status::Running => Style::new().cyan(),
        Status::Complete => Style::new().green(),
        Status::Error => Style::new().red(),
        Status::Canceled => Style::new().yellow(),
    }
}

pub(super) fn percentage(percentage: Percent) -> Cell {
    Cell::new(percentage.to_string())
}

/// `1 activity`, `2,000 activities`.
pub(super) fn activities(count: u64) -> String {
    format!("{} {}", HumanCount(count), if count == 1 { "activity" } else { "activities" })
}

/// `12s`, `3m`, `5h`, `12d`: as much as one glance takes in.
pub(super) fn age(age: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match age.as_secs() {
        seconds if seconds < MINUTE => format!("{seconds}s"),
        seconds if seconds < HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

/// A moment to the second, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    let at = at.to_string();
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, told) in [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h")] {
            assert_eq!(age(Duration::from_secs(seconds)), told);
        }
        assert_eq!(age(Duration::from_hours(47)), "47h");
        assert_eq!(age(Duration::from_hours(49)), "2d");
    }

    #[test]
    fn moments_are_told_to_the_second() {
        assert_eq!(moment(Timestamp::from_millis(1_700_000_000_123)), "2023-11-14T22:13:20Z");
    }
}
