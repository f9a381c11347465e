use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use monetization_conformance::size;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::sleep;

use super::ledger::Books;
use super::load::{Crowd, Load};
use super::market::Market;
use super::server::{BINARY, Home, Process};
use super::upstream::Upstream;

/// What `unshare` needs to be told to let a process mount something of its own.
async fn a_disk_of_its_own() -> &'static [&'static str] {
    const AS_ROOT: &[&str] = &["--mount"];
    const AS_ANYBODY: &[&str] = &["--user", "--map-root-user", "--mount"];
    let tried = Command::new("unshare").args(AS_ROOT).arg("true").output();
    if tried.await.is_ok_and(|tried| tried.status.success()) {
        AS_ROOT
    } else {
        AS_ANYBODY
    }
}

/// A disk of the server's own, which is gone when nobody holds it any more.
struct SmallDisk(File);

/// Mounts a small disk where nobody else sees it, and becomes the server. The write-ahead log alone
/// may take 128 MiB.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=256m tmpfs \"$0\" && exec \"$@\"";
const CYCLE_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// R-D5. It needs root, or user namespaces: where neither is there it fails, since a passed test
/// would say too much. `scripts/test.sh` leaves it out there, and says so, except in CI.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    let cycles: u64 = size(3, 100);
    let upstream = Upstream::start().await;
    let mut home = Home::new(&[]);
    let mut command = Command::new("unshare");
    command.args(a_disk_of_its_own().await);
    command.args(["sh", "-c", ON_A_SMALL_DISK]);
    command.arg(home.directory()).arg(BINARY);
    let server = home.start_by(command).await;
    let disk = SmallDisk::of(&server, home.directory());
    let terms = json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "quotas": [{ "window": "month", "max": 10_000_000, "overage": "strict" }],
    });
    let market = Arc::new(Market::open(&server.api, upstream.address, terms, 16).await);
    let crowd = Crowd {
        clients: 8,
        wait_ms_max: size(5, 40),
        pause_ms_max: 0,
    };
    let load = Load::start(&market, crowd);
    load.point_at(server.gateway);
    for cycle in 1..=cycles {
        let cycle = async {
            load.until_received(load.received() + 50).await;
            let filler = disk.fill();
            let unserved = load.unserved();
            until_it_hurts(&server, &load).await;
            if cycle == cycles {
                // The end of an answer is held back for a while, and then for good.
                load.until_unserved(unserved + crowd.clients).await;
            }
            fs::remove_file(filler).unwrap();
            until_ready(&server).await;
        };
        let recovered = tokio::time::timeout(CYCLE_WITHIN, cycle).await;
        assert!(
            recovered.is_ok(),
            "it does not recover; on the disk: {:?}",
            disk.files()
        );
    }
    load.until_received(load.received() + 50).await;
    let told = server.complaints();
    assert!(
        told.contains("the database's disk is full: make room on it"),
        "{told}"
    );
    let tally = load.finish().await;
    server.terminate().await;

    let copy = disk.copy();
    let books = Books::audited(copy.path(), &market).await;
    let seen = upstream.seen();
    let unheard = books.agree_with(&tally, &seen);
    let (rows, served) = (books.records.len(), seen.len());
    println!("{cycles} times full: {tally}; {served} served, {rows} recorded, {unheard} unheard");
    assert_eq!(
        rows, served,
        "what was served while the disk was full is recorded in the end"
    );
    assert!(
        tally.refused.keys().all(|status| *status == 503),
        "{:?}",
        tally.refused
    );
}

/// Room that the database has left lasts for a while. Then records cannot be written, or blocks of
/// a quota cannot be had and calls are refused.
async fn until_it_hurts(server: &Process, load: &Load) {
    let unserved = load.unserved();
    loop {
        let answer = server.api.try_to(Method::GET, "/readyz", Value::Null).await;
        let readiness: Value = serde_json::from_slice(&answer.body).unwrap();
        let appends_fail = !readiness["checks"]["append_failing_ms"].is_null();
        if answer.status == 503 && (appends_fail || load.unserved() > unserved) {
            return;
        }
        sleep(POLL).await;
    }
}

async fn until_ready(server: &Process) {
    loop {
        let answer = server.api.try_to(Method::GET, "/readyz", Value::Null).await;
        if answer.status == 200 {
            return;
        }
        sleep(POLL).await;
    }
}

impl SmallDisk {
    fn of(server: &Process, directory: &Path) -> Self {
        let as_it_sees_it = format!("/proc/{}/root{}", server.id(), directory.display());
        Self(File::open(as_it_sees_it).unwrap())
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// Fills it to the last byte; answers what it was filled with.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut filler = File::create(&path).unwrap();
        loop {
            match filler.write(&[b'x'; 65_536]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return path,
                Err(error) => panic!("failed to fill the disk: {error}"),
            }
        }
    }

    /// Its files and their lengths.
    fn files(&self) -> Vec<(OsString, u64)> {
        let entries = fs::read_dir(self.path()).unwrap().map(Result::unwrap);
        entries
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().len()))
            .collect()
    }

    /// Its files, where they can be opened by their names.
    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }
}
