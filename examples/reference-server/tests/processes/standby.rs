use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::server::{BINARY, Home, signal};

fn second(home: &Home) -> Command {
    let mut command = Command::new(BINARY);
    command
        .arg("serve")
        .arg("--data-directory")
        .arg(home.directory())
        .args(["--gateway-address=127.0.0.1:0"])
        .args(["--control-address=127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_second_server_is_refused_and_told_how_to_wait() {
    let mut home = Home::new(&[]);
    let first = home.start().await;
    let output = second(&home).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("--standby"), "{errors}");

    let mut waiting = second(&home).arg("--standby").spawn().unwrap();
    let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.starts_with("standing by: "), "{line}");
    signal("TERM", waiting.id().unwrap());
    assert!(waiting.wait().await.unwrap().success());
    first.terminate().await;
}

#[tokio::test]
async fn a_server_that_stands_by_takes_over_from_one_that_was_killed() {
    let mut home = Home::new(&["--standby"]);
    let first = home.start().await;
    let made = first.api.get("/api/v1/publishers").await;
    let mut takes_over = Box::pin(home.start());
    let early = timeout(Duration::from_secs(1), &mut takes_over).await;
    assert!(early.is_err(), "two servers at once");
    first.kill().await;
    let second = takes_over.await;
    assert_eq!(second.api.get("/api/v1/publishers").await, made);
    second.terminate().await;
}

/// As it is where a database was put back beside a new data directory.
#[tokio::test]
async fn a_database_that_was_begun_with_another_pepper_is_refused() {
    let mut home = Home::new(&[]);
    home.start().await.terminate().await;
    let pepper = home.directory().join("pepper");
    let kept = home.directory().join("kept");
    std::fs::rename(&pepper, &kept).unwrap();
    let output = second(&home).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("another pepper"), "{errors}");
    std::fs::rename(&kept, &pepper).unwrap();
    home.start().await.terminate().await;
}
