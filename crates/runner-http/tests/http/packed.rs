//! Answers that come compressed: what is in them, and how much of it.

use std::io::Write;

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::Limits;

use crate::support::{Act, Server, ask, events_of, json, json_of, send};

/// How an answer is packed.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Gzip,
    Brotli,
}

impl Packing {
    const ALL: [Self; 2] = [Self::Gzip, Self::Brotli];

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// The pieces packed one behind the other, each so that it can be unpacked before the next has come.
    fn pack(self, pieces: &[&str]) -> Vec<Vec<u8>> {
        match self {
            Self::Gzip => {
                let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                piecemeal(packer, pieces, |packer| packer.get_mut(), |packer| packer.finish().unwrap())
            }
            Self::Brotli => {
                let packer = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
                piecemeal(packer, pieces, |packer| packer.get_mut(), brotli::CompressorWriter::into_inner)
            }
        }
    }
}

fn piecemeal<W: Write>(
    mut packer: W,
    pieces: &[&str],
    packed: impl Fn(&mut W) -> &mut Vec<u8>,
    finish: impl FnOnce(W) -> Vec<u8>,
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for piece in pieces {
        packer.write_all(piece.as_bytes()).unwrap();
        packer.flush().unwrap();
        all.push(std::mem::take(packed(&mut packer)));
    }
    all.push(finish(packer));
    all
}

/// The acts of an answer that is packed, all but its end.
fn acts(packing: Packing, content_type: &str, packed: &[Vec<u8>]) -> Vec<Act> {
    let head = chunked_head(content_type, packing);
    let chunks = packed
        .iter()
        .filter(|piece| !piece.is_empty())
        .map(|piece| send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()));
    std::iter::once(head).chain(chunks).collect()
}

fn chunked_head(content_type: &str, packing: Packing) -> Act {
    let packing = packing.name();
    send(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-encoding: {packing}\r\ntransfer-encoding: chunked\r\n\r\n"
    ))
}

#[tokio::test]
async fn a_body_is_unpacked() {
    for packing in Packing::ALL {
        let mut answer = acts(packing, "application/json", &packing.pack(&["{\"text\":", "\"hällo\"}"]));
        answer.push(send("0\r\n\r\n"));
        let server = Server::always(answer).await;
        let body = json_of(ask(&server.transport()).await.unwrap());
        assert_eq!(body.bytes(), "{\"text\":\"hällo\"}".as_bytes(), "{packing:?}");
        let request = server.requests().remove(0).to_lowercase();
        let accepts = request.lines().find_map(|line| line.strip_prefix("accept-encoding: ")).unwrap();
        assert!(accepts.split(',').any(|name| name.trim() == packing.name()), "{packing:?}: {accepts}");
    }
}

/// The server hangs behind the second event, so nothing waits for the end of what is packed.
#[tokio::test]
async fn events_are_unpacked_as_they_come() {
    for packing in Packing::ALL {
        let packed = packing.pack(&["data: 1\n\nda", "ta: ä\n\n"]);
        let mut answer = acts(packing, "text/event-stream", &packed[..2]);
        answer.push(Act::Hang);
        let server = Server::always(answer).await;
        let mut events = events_of(ask(&server.transport()).await.unwrap());
        for expected in ["1", "ä"] {
            assert_eq!(events.next().await.unwrap().unwrap().data(), expected, "{packing:?}");
        }
    }
}

#[tokio::test]
async fn limits_count_what_was_unpacked() {
    let spaces = " ".repeat(2 << 20);
    for packing in Packing::ALL {
        for (label, beginning) in [("application/json", "["), ("text/event-stream", "data: 1\n\ndata: ")] {
            let packed = packing.pack(&[beginning, &spaces]);
            assert!(packed[1].len() < spaces.len() / 100, "{packing:?}");
            let mut answer = acts(packing, label, &packed[..2]);
            answer.push(Act::Hang);
            let server = Server::always(answer).await;
            let mut limits = Limits::default();
            limits.body = 1 << 20;
            limits.sse.line = 1 << 20;
            let error = match ask(&server.builder().limits(limits).build().unwrap()).await {
                Ok(reply) => {
                    let mut events = events_of(reply);
                    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
                    events.next().await.unwrap_err()
                }
                Err(error) => error,
            };
            assert_eq!(error.kind(), ModelErrorKind::LimitExceeded, "{packing:?} {label}: {error:#}");
        }
    }
}

#[tokio::test]
async fn an_error_body_is_unpacked_too() {
    for packing in Packing::ALL {
        let body = packing.pack(&[r#"{"error":{"message":"no"}}"#]).concat();
        let head = format!(
            "HTTP/1.1 400 No\r\ncontent-encoding: {}\r\ncontent-length: {}\r\n\r\n",
            packing.name(),
            body.len()
        );
        let server = Server::always(vec![send([head.as_bytes(), &body].concat())]).await;
        assert_eq!(ask(&server.transport()).await.unwrap_err().message(), "Test: no", "{packing:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_unpacked_is_broken_off() {
    let broken = send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!");
    let server = Server::start(vec![vec![broken], vec![json("{}")]]).await;
    assert_eq!(json_of(ask(&server.transport()).await.unwrap()).bytes(), b"{}");
    assert_eq!(server.requests().len(), 2);
}
