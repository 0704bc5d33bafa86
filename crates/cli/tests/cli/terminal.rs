use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use agentexec_demo::{DemoServer, Reply};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tokio::process::Command;

use crate::stored::Shared;
use crate::support::{Ran, ask, folder};

const WIDTH: u16 = 70;

/// A terminal: its far end, and the end that a program writes to.
fn terminal() -> (OwnedFd, File) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let name = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
    let near = File::options().read(true).write(true).open(name).unwrap();
    tcsetwinsize(&near, Winsize { ws_row: 24, ws_col: WIDTH, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (far, near)
}

/// What a run shows in a terminal, and its answer.
async fn shown(variables: &[(&str, &str)]) -> (String, String) {
    let server = DemoServer::builder()
        .delay(Duration::from_millis(2))
        .brain(|conversation: &agentexec_demo::Conversation| match conversation.turns() {
            0 => Reply::call("report_activity", json!({"message": "Looking around", "percentage": 40}))
                .and_call(
                    "search_text",
                    json!({"query": "a very long text that will not be found in here at all"}),
                ),
            _ => Reply::text("word ".repeat(100)),
        })
        .start()
        .unwrap();
    let folder = folder(&[("a.txt", "x")]);
    let (far, near) = terminal();
    let mut command = ask(&format!("{}/v1", server.base_url()), &["--root", folder.path().to_str().unwrap()]);
    command.env("TERM", "xterm-256color").envs(variables.iter().copied()).stderr(near);
    let (screen, ran) = screen(far, command).await;
    (screen, ran.out)
}

/// What a program that ends well has shown at the far end of a terminal.
async fn screen(far: OwnedFd, mut command: Command) -> (String, Ran) {
    let child = command.spawn().unwrap();
    // Its copy of the near end must go, or the far end never sees the last one close.
    drop(command);
    let screen = tokio::task::spawn_blocking(move || {
        let (mut far, mut bytes, mut chunk) = (File::from(far), Vec::new(), [0; 4096]);
        // Linux says that the other end has closed by an error.
        while let Ok(count @ 1..) = far.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(bytes).unwrap()
    });
    let ran = crate::support::ended(child).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    (screen.await.unwrap(), ran)
}

/// The text without escape codes.
fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}

fn has_color(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|end| rest[end..].starts_with('m'))
    })
}

#[tokio::test]
async fn a_terminal_shows_a_bar_and_lines_in_color() {
    let (screen, answer) = shown(&[]).await;
    assert!(has_color(&screen), "{screen:?}");
    assert!(screen.contains("\u{1b}[2K"), "the bar is never cleared: {screen:?}");
    let text = plain(&screen);
    assert!(text.contains("[=========>              ]  40%"), "{text}");
    assert!(text.contains("     40%  Looking around"), "{text}");
    assert_eq!(answer, format!("{}\n", "word ".repeat(100)));
}

#[tokio::test]
async fn lines_are_cut_to_the_width_of_the_terminal() {
    let (screen, _) = shown(&[]).await;
    let text = plain(&screen);
    let tool = text.split(['\r', '\n']).find(|line| line.starts_with("    tool  search_text")).expect(&text);
    assert!(tool.ends_with('…') && tool.chars().count() == usize::from(WIDTH), "{tool:?}");
}

#[tokio::test]
async fn no_color_is_no_color() {
    let (screen, _) = shown(&[("NO_COLOR", "1")]).await;
    assert!(!has_color(&screen), "{screen:?}");
    assert!(plain(&screen).contains("[=========>              ]  40%"), "the bar stays: {screen:?}");
}

#[tokio::test]
async fn a_terminal_that_cannot_redraw_gets_plain_lines() {
    let (screen, _) = shown(&[("TERM", "dumb")]).await;
    assert!(!screen.contains('\u{1b}') && !screen.contains("[="), "{screen:?}");
    assert!(screen.contains("complete  Task completed successfully."), "{screen:?}");
}

#[tokio::test]
async fn a_table_fits_the_terminal_and_never_cuts_an_id() {
    let store = Shared::file();
    let activities = store.activities().await;
    let id = activities.create("a-type-of-its-own").await.unwrap();
    activities.update(id, "a message that is far too long for one line of this terminal").await.unwrap();
    for args in [&["list"][..], &["show", &id.to_string(), "--logs"]] {
        let (far, near) = terminal();
        let mut command = store.command(args);
        command.env("TERM", "xterm-256color").stdout(near);
        let (screen, _) = screen(far, command).await;
        assert!(has_color(&screen), "{screen:?}");
        let text = plain(&screen);
        assert!(text.contains(&id.to_string()), "{text}");
        let table = text.lines().skip_while(|line| !line.contains("STATUS"));
        let row = table.last().unwrap().trim_end();
        assert!(row.ends_with('…') && row.chars().count() <= usize::from(WIDTH), "{row:?}");
    }
}
