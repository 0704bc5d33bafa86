//! The most that a stream keeps on the heap while it is read, for streams of 1, 10 and 100 MB: once with a server
//! that says next to nothing (its bytes are comments, as servers send them to keep a connection alive), once with
//! text, which has to be kept for the answer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentexec_peers::{PROTOCOLS, Protocol, ask, is_wanted, serve};
use tokio::runtime::Builder;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const MB: usize = 1_000_000;

/// Reads a stream of about `size` bytes between its first delta and its end, made of `filler`; the most that it kept,
/// and the length of the answer.
fn most_kept(protocol: Protocol, filler: &str, size: usize) -> (usize, usize) {
    let at_once = (16 << 10) / filler.len() + 1;
    let (times, is_text) = (size.div_ceil(at_once * filler.len()), filler == protocol.delta(0));
    let filler = filler.repeat(at_once);
    let (beginning, end) =
        (protocol.beginning(), protocol.end(if is_text { 1 + times * at_once } else { 1 }));
    let url = serve(Arc::new(move |write| {
        write(beginning.as_bytes());
        (0..times).for_each(|_| write(filler.as_bytes()));
        write(end.as_bytes());
    }));
    let model = protocol.model(&url);
    let on = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let text = on.block_on(ask(&*model, |_| {}));
    (MOST.load(Ordering::Relaxed) - before, text)
}

fn main() {
    if !is_wanted("stream_memory") {
        return;
    }
    for protocol in PROTOCOLS {
        let comment = ": keep-alive\n\n".to_owned();
        for (kind, filler) in [("comments", comment), ("text", protocol.delta(0))] {
            for size in [MB, 10 * MB, 100 * MB] {
                let (most, text) = most_kept(protocol, &filler, size);
                println!(
                    "{}, {kind}, {:>3} MB: at most {:>6} KB kept, {:>6} KB of text in the answer",
                    protocol.name(),
                    size / MB,
                    most / 1000,
                    text / 1000
                );
            }
        }
    }
}
