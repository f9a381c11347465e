//! The quick start does what it says: 401 without its key, then as many calls a minute as its
//! plan sells, then 429.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

const ADDRESS: &str = "127.0.0.1:3000";

/// The status line and the rest of the answer to one call.
async fn call(key: Option<&str>) -> String {
    let mut connection = connect().await;
    let key = key.map_or(String::new(), |key| format!("X-API-Key: {key}\r\n"));
    let request = format!("GET /now HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\n{key}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// It says its key before it listens, so the first connection may have to wait for that.
async fn connect() -> TcpStream {
    for _ in 0..200 {
        if let Ok(connection) = TcpStream::connect(ADDRESS).await {
            return connection;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nobody listens on {ADDRESS}");
}

#[tokio::test]
async fn the_quick_start_sells_five_calls_a_minute() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let key = line.strip_prefix("X-API-Key: ").unwrap();

    assert!(call(None).await.starts_with("HTTP/1.1 401 "));
    // A minute may end between two calls: then the next one has its own five.
    let mut passed = 0;
    let refused = loop {
        let answer = call(Some(key)).await;
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        assert!(answer.ends_with("sunny"), "{answer}");
        passed += 1;
        assert!(passed <= 10, "more than two minutes' calls have passed");
    };
    assert!(passed >= 5, "{passed} have passed");
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(
        refused.ends_with(r#"{"message":"API rate limit exceeded"}"#),
        "{refused}"
    );
}
