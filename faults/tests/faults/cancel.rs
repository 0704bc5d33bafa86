//! A request to cancel from another process reaches a run wherever it waits: for a model that hangs in the middle of
//! its answer, and for a tool that sleeps.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use agentexec::activity::{AgentId, CancelOutcome, Status};
use agentexec::prelude::*;
use agentexec::runner::RunError;
use agentexec_demo::{Conversation, DemoServer, Reply};
use agentexec_faults::bed::{Bed, Observer};
use agentexec_faults::job::Work;
use agentexec_faults::line::{End, Line};
use agentexec_faults::record::whole;
use agentexec_faults::work::{TOOL_DROPPED, TOOL_STARTED};
use agentexec_faults::worker::{PATIENCE, Worker};
use agentexec_faults::{each_store, store};
use agentexec_testbed::{Fault, Proxy};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::{ends, worker};

/// One second is promised; the rest is for a busy machine.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

each_store! {
    a_run_whose_model_hangs_is_reached: model_hangs;
    a_run_whose_tool_sleeps_is_reached: tool_sleeps;
}

/// A request that is made while the run's process has no connection reaches it when it has one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_cut_off_meanwhile_is_reached_afterwards() {
    for fault in [Fault::HalfOpen, Fault::DropReplies, Fault::Down] {
        let mut bed = Bed::redis();
        let proxy = Proxy::start(bed.server().addr());
        let url = bed.server().url_at(proxy.addr());
        let reached = cut_off(&bed, &url, || proxy.set(fault), || proxy.set(Fault::None)).await;
        bed.say(
            &format!("cancel during {fault:?} of {CUT_OFF:?}"),
            format_args!("reached {reached:.2?} after it was over"),
        );
    }
}

/// A server that was restarted a moment ago has forgotten who waits for what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_reached_after_its_server_was_restarted() {
    let mut bed = Bed::redis();
    let url = bed.url.clone();
    let running = running(&bed, &url).await;
    bed.server().restart();
    let observer = bed.observer().await;
    let since = Instant::now();
    observer.activities.request_cancel(&Scope::all(), running.id, "enough").await.unwrap();
    let reached = running.canceled().await.duration_since(since);
    assert!(reached <= RECOVERED_WITHIN, "reached after {reached:?}");
    bed.say("cancel after a restart of the server", format_args!("reached after {reached:.2?}"));
}

/// How soon clients have a connection again, with time for a busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(8);

/// How long the network fails, with the request in the middle.
const CUT_OFF: Duration = Duration::from_secs(1);

/// A run of this process that waits to be canceled.
struct Running {
    id: AgentId,
    ended: JoinHandle<Instant>,
}

async fn running(bed: &Bed, url: &str) -> Running {
    let activities = Activities::builder(store::open(url).await.unwrap()).lease(PATIENCE).build();
    let id = activities.create("test").await.unwrap();
    let ended = tokio::spawn(async move {
        let run = activities.track(id, |cx| async move {
            cx.canceled().await;
            Err::<(), _>("stopped")
        });
        let ended = run.await.unwrap_err();
        assert!(ended.run_error().is_some_and(RunError::is_canceled), "{ended}");
        Instant::now()
    });
    let observer = bed.observer().await;
    while whole(&observer.activities, id).await.unwrap().unwrap().activity.status != Status::Running {
        sleep(Duration::from_millis(10)).await;
    }
    Running { id, ended }
}

impl Running {
    async fn canceled(self) -> Instant {
        timeout(PATIENCE, self.ended).await.expect("the run was never reached").unwrap()
    }
}

async fn cut_off(bed: &Bed, url: &str, cut: impl FnOnce(), mend: impl FnOnce()) -> Duration {
    let running = running(bed, url).await;
    let observer = bed.observer().await;
    cut();
    sleep(CUT_OFF / 2).await;
    let outcome = observer.activities.request_cancel(&Scope::all(), running.id, "enough").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    sleep(CUT_OFF / 2).await;
    assert!(!running.ended.is_finished(), "it was not cut off");
    mend();
    let since = Instant::now();
    let reached = running.canceled().await.duration_since(since);
    assert!(reached <= RECOVERED_WITHIN, "reached after {reached:?}");
    reached
}

async fn model_hangs(bed: Bed) {
    let observer = bed.observer().await;
    let mut model = HangingModel::start().await;
    let mut running = agent(&bed, format!("http://{}", model.addr));
    timeout(PATIENCE, &mut model.asked).await.expect("the model was never asked").unwrap();

    let (id, asked) = cancel(&observer, &mut running).await;
    let closed = timeout(PATIENCE, model.closed).await.expect("the connection stays open").unwrap();
    let ended = ended(&mut running);
    running.wait_for_end(PATIENCE);
    let (closed, ended) = (closed.duration_since(asked), ended.duration_since(asked));
    check(&observer, id, running).await;
    assert!(closed.max(ended) <= REACHED_WITHIN, "closed after {closed:?}, ended after {ended:?}");
    bed.say(
        "cancel from another process, the model hangs",
        format_args!("connection closed after {closed:.2?}, run ended after {ended:.2?}"),
    );
}

async fn tool_sleeps(bed: Bed) {
    let observer = bed.observer().await;
    let model =
        DemoServer::builder().brain(|_: &Conversation| Reply::call("nap", json!({}))).start().unwrap();
    let mut running = agent(&bed, model.base_url().to_owned());
    running.wait_for(|line| is_note(line, TOOL_STARTED).then_some(()));

    let (id, asked) = cancel(&observer, &mut running).await;
    let dropped = running.wait_for(|line| is_note(line, TOOL_DROPPED).then(Instant::now));
    let ended = ended(&mut running);
    running.wait_for_end(PATIENCE);
    let (dropped, ended) = (dropped.duration_since(asked), ended.duration_since(asked));
    check(&observer, id, running).await;
    assert!(dropped.max(ended) <= REACHED_WITHIN, "dropped after {dropped:?}, ended after {ended:?}");
    bed.say(
        "cancel from another process, a tool sleeps",
        format_args!("tool dropped after {dropped:.2?}, run ended after {ended:.2?}"),
    );
    model.shutdown().await;
}

/// A process with one run of an agent.
fn agent(bed: &Bed, model: String) -> Worker {
    worker(bed.job("agent", Work::Agent { model }))
}

/// Asks the run to stop, and says when that was acknowledged.
async fn cancel(observer: &Observer, running: &mut Worker) -> (AgentId, Instant) {
    running.catch_up();
    let id = running.held().into_iter().next().expect("the run has started");
    let outcome = observer.activities.request_cancel(&Scope::all(), id, "enough").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    (id, Instant::now())
}

fn ended(running: &mut Worker) -> Instant {
    running.wait_for(|line| matches!(line, Line::Ended { .. }).then(Instant::now))
}

async fn check(observer: &Observer, id: AgentId, running: Worker) {
    assert_eq!(ends(running.lines())[&id], End::Canceled);
    let detail = whole(&observer.activities, id).await.unwrap().unwrap();
    assert_eq!(detail.activity.status, Status::Canceled);
    assert_eq!(detail.activity.message.as_str(), "Task canceled: enough");
    observer.check([running.into_past()]).await.clean();
}

fn is_note(line: &Line, wanted: &str) -> bool {
    matches!(line, Line::Noted { what } if what == wanted)
}

/// A model that begins its answer and then says no more.
struct HangingModel {
    addr: SocketAddr,
    /// It has begun to answer.
    asked: oneshot::Receiver<()>,
    /// When the other end closed the connection.
    closed: oneshot::Receiver<Instant>,
}

/// The beginning of an answer of Anthropic's Messages API.
const BEGINNING: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","#,
    r#""content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}"#,
    "\n\n",
);

impl HangingModel {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ((tell_asked, asked), (tell_closed, closed)) = (oneshot::channel(), oneshot::channel());
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 64 * 1024];
            assert!(client.read(&mut buffer).await.unwrap() > 0);
            client.write_all(BEGINNING.as_bytes()).await.unwrap();
            tell_asked.send(()).unwrap();
            // The rest of the request, if it came in pieces; then the end, which may be a reset.
            while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            tell_closed.send(Instant::now()).unwrap();
        });
        Self { addr, asked, closed }
    }
}
