//! The fake as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::served::told;

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be over already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn the_program_says_where_it_listens_and_has_the_clock_it_is_given() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-stripe"));
    command.args(["--from", "2026-02-01T00:00:00Z", "--seed", "5"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let out = running.0.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let clock = told(address, "/_fake/clock").await;
    assert_eq!(clock["now"], 1_769_904_000);
}
