//! The log: its numbers, its pages, and what may be trimmed.

use super::Harness;
use super::subject::{Subject, complete, fail, percent, progress, start, write};
use crate::{Change, LOG_PAGE_LIMIT, LogQuery, Percent, Scope, Status};

/// The log tells what happened, in order, with numbers from 1 without a gap.
pub async fn entries_tell_the_whole_story(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.queued().await;
    let story = [
        (Change::Start { lease: None, percentage: percent(5) }, Status::Running, 5, 1, false),
        (progress(30), Status::Running, 30, 1, true),
        (Change::Progress { percentage: None, only_raise: false }, Status::Running, 30, 1, true),
        (Change::Requeue, Status::Queued, 0, 2, false),
        (start(), Status::Running, 0, 2, false),
        (fail(), Status::Error, 0, 2, false),
        (Change::Retry, Status::Queued, 0, 3, false),
        (start(), Status::Running, 0, 3, false),
        (complete(), Status::Complete, 100, 3, false),
    ];
    for (number, (change, ..)) in story.iter().enumerate() {
        let mut write = write(id, change.clone());
        write.message = format!("step {number}").into();
        assert_eq!(store.write(write).await.unwrap().seq, number as u64 + 2);
    }
    let whole = store.whole(id).await;
    let numbers: Vec<u64> = whole.log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<u64>>());
    for (entry, (change, status, percentage, attempt, is_progress)) in whole.log[1..].iter().zip(story) {
        assert_eq!((entry.status, entry.percentage), (status, percent(percentage)), "{change:?}");
        assert_eq!((entry.attempt.number(), entry.progress), (attempt, is_progress), "{change:?}");
        assert_eq!(entry.message.as_str(), format!("step {}", entry.seq - 2));
    }
}

/// Pages of any size, from any number, make up the log; a page of nothing still says where to go on.
pub async fn pages_make_up_the_whole_log(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    for value in 0..10 {
        store.apply(id, progress(value)).await;
    }
    let whole = store.whole(id).await;
    assert_eq!(whole.log.len(), 12);
    let page = async |from, limit| {
        let query = LogQuery::new().from(from).limit(limit);
        store.detail(&Scope::all(), id, query).await.unwrap().unwrap()
    };
    for limit in [1, 5, 11, 12, 13, LOG_PAGE_LIMIT] {
        let (mut log, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let part = page(from, limit).await;
            assert!(part.log.len() <= limit);
            assert_eq!(part.activity, whole.activity);
            log.extend(part.log);
            next = part.next;
        }
        assert_eq!(log, whole.log, "by {limit}");
    }
    for from in 1..=12 {
        let part = page(from, 3).await;
        let expected: Vec<u64> = (from..=12).take(3).collect();
        assert_eq!(part.log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), expected);
        assert_eq!(part.next, (from + 3 <= 12).then_some(from + 3));
    }
    let nothing = page(4, 0).await;
    assert_eq!((nothing.log.len(), nothing.next), (0, Some(4)));
    let behind = page(13, 5).await;
    assert_eq!((behind.log.len(), behind.next), (0, None));
}

/// A page never has more than [`LOG_PAGE_LIMIT`] entries, whatever is asked for.
pub async fn a_page_has_a_limit(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    for _ in 0..LOG_PAGE_LIMIT / 2 {
        store.apply(id, Change::Requeue).await;
        store.apply(id, start()).await;
    }
    let mut query = LogQuery::new();
    query.limit = usize::MAX;
    let page = store.detail(&Scope::all(), id, query).await.unwrap().unwrap();
    assert_eq!((page.log.len(), page.next), (LOG_PAGE_LIMIT, Some(LOG_PAGE_LIMIT as u64 + 1)));
    assert_eq!(store.whole(id).await.log.len(), LOG_PAGE_LIMIT + 2);
}

/// Old progress may be trimmed, and the record then says before which number; a change of status never is.
pub async fn only_progress_is_trimmed(harness: &dyn Harness) {
    let store = Subject::fresh(harness).await;
    let id = store.running().await;
    let kept = harness.progress_kept();
    let many = kept.unwrap_or(400);
    let changes = [Change::Requeue, start()];
    let mut last = 2;
    // Changes of status lie before, between and behind the progress.
    for half in 0..2 {
        for number in 0..=many {
            let percentage = Some(Percent::clamped(number as i64));
            last = store.apply(id, Change::Progress { percentage, only_raise: true }).await.seq;
        }
        if half == 0 {
            for change in changes.clone() {
                last = store.apply(id, change).await.seq;
            }
        }
    }
    last = last.max(store.apply(id, complete()).await.seq);

    let whole = store.whole(id).await;
    let (changes, reports): (Vec<_>, Vec<_>) = whole.log.iter().partition(|entry| !entry.progress);
    let changes: Vec<u64> = changes.iter().map(|entry| entry.seq).collect();
    let middle = 4 + many as u64;
    assert_eq!(changes, [1, 2, middle, middle + 1, last], "a change of status was trimmed");
    assert!(reports.len() >= many, "only {} progress entries are left", reports.len());
    match kept {
        Some(_) => {
            assert!(whole.trimmed_before > 0, "nothing was trimmed, or it is not said");
            let behind: Vec<u64> =
                whole.log.iter().map(|entry| entry.seq).filter(|seq| *seq >= whole.trimmed_before).collect();
            assert_eq!(behind, (whole.trimmed_before..=last).collect::<Vec<_>>(), "a gap that is not said");
        }
        None => {
            assert_eq!(whole.trimmed_before, 0);
            assert_eq!(whole.log.len() as u64, last);
        }
    }
    // Pages pass over what was trimmed.
    let query = LogQuery::new().from(3).limit(2);
    let page = store.detail(&Scope::all(), id, query).await.unwrap().unwrap();
    let expected: Vec<_> = whole.log.iter().filter(|entry| entry.seq >= 3).take(2).cloned().collect();
    assert_eq!(page.log, expected);
}
