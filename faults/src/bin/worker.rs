//! A process that tests kill, pause and cut off: it does the job that its one argument says, and says on its
//! standard output what it asks of the store and what it is answered.

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    use agentexec_faults::line::Teller;
    use agentexec_faults::{job, store, work};
    use anyhow::Context as _;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio_util::sync::CancellationToken;

    let argument = std::env::args().nth(1).context("the argument is a job in JSON")?;
    let job: job::Job = serde_json::from_str(&argument).context("the argument is no job")?;

    let stop = CancellationToken::new();
    let (stopping, mut terminated) = (stop.clone(), signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        terminated.recv().await;
        stopping.cancel();
    });
    let store = store::open(&job.store).await?;
    work::carry_out(&job, store, Teller::stdout(), stop).await
}

#[cfg(not(target_os = "linux"))]
fn main() {}
