//! Runs the program in a clean environment, and servers for it to ask.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use agentexec_demo::{Conversation, DemoServer, Reply};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a program may take that will not end by itself. No test waits for it when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The program, with no variable of whoever runs the tests, and with a store in memory unless the arguments name
/// another.
pub(crate) fn agentexec(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentexec"));
    command.env_clear().env("AGENTEXEC_STORE", "memory:").args(args).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run against a server on this machine, which asks for a key.
pub(crate) fn ask(server: &str, args: &[&str]) -> Command {
    let mut command = agentexec(&["run", "What is there?", "--model", "openai-chat:m", "--base-url", server]);
    command.args(args).env("OPENAI_API_KEY", "key");
    command
}

/// What a program that has ended leaves.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as lines of JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The last line of JSON.
    pub(crate) fn result(&self) -> Value {
        self.events().pop().expect("no result")
    }
}

pub(crate) async fn ran(mut command: Command) -> Ran {
    ended(command.spawn().unwrap()).await
}

pub(crate) async fn ended(child: Child) -> Ran {
    let output =
        timeout(DEADLINE, child.wait_with_output()).await.expect("the program does not end").unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A model that does what the closure says, at once, behind real Chat Completions.
pub(crate) struct Model(DemoServer);

impl Model {
    pub(crate) fn new(brain: impl Fn(&Conversation) -> Reply + Send + Sync + 'static) -> Self {
        Self(DemoServer::builder().delay(Duration::ZERO).brain(brain).start().unwrap())
    }

    /// One that calls a tool and answers with what that returned.
    pub(crate) fn calling(tool: &'static str, arguments: Value) -> Self {
        Self::new(move |conversation| match conversation.tool_outputs().next() {
            Some(output) => Reply::text(output),
            None => Reply::call(tool, arguments.clone()),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/v1", self.0.base_url())
    }
}

/// A server that takes requests and says nothing of its own. [`Silent::asked`] gives the next one.
pub(crate) struct Silent(TcpListener);

impl Silent {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.0.local_addr().unwrap())
    }

    /// The next connection, when its request is here.
    pub(crate) async fn asked(&self) -> TcpStream {
        let (stream, _) = timeout(DEADLINE, self.0.accept()).await.expect("nobody asks").unwrap();
        let mut stream = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the request breaks off");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        stream.into_inner()
    }

    /// The next connection, which has been sent the head of an event stream.
    pub(crate) async fn streaming(&self) -> TcpStream {
        let mut stream = self.asked().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}
