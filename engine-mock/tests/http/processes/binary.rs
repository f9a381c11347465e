use std::os::unix::process::ExitStatusExt;

use monetization_engine_mock::provider::Reply;
use monetization_engine_mock::transport::{Answer, Http, Transport, TransportError};
use monetization_engine_mock::{MockEngine, RemoteOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::caller::{Rest, SOON, customer_call};
use super::super::rest::subscribe;
use super::process::{BINARY, Process, command, command_with_little_room, output};
use super::receiver::{Receiver, anywhere};

const START: &str = "2026-01-01T00:00:00Z";

/// Everything that can be seen of a provider from outside.
async fn everything(url: &str) -> Value {
    let rest = Rest::at(url);
    let mut all = Vec::new();
    for path in [
        "clock",
        "plans",
        "customers",
        "subscriptions",
        "invoices",
        "messages",
    ] {
        all.push(rest.get(&format!("/v1/{path}")).await);
    }
    Value::Array(all)
}

async fn call(url: &str, key: u64) -> Answer {
    let http = Http::new(url).unwrap();
    let call = customer_call(&format!("cus:{key}"), key, SOON);
    http.send(call).await.unwrap()
}

#[tokio::test]
async fn a_killed_process_is_found_again_as_it_was() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("provider.jsonl");
    let arguments = ["--clock", START, "--journal", journal.to_str().unwrap()];
    let mut process = Process::start(&arguments).await;
    let mut answers: Vec<Answer> = Vec::new();
    for round in 0..5 {
        let from = answers.len() as u64;
        for key in from..from + 3 {
            answers.push(call(&process.url, key).await);
        }
        let move_on = json!({ "advance_seconds": 3_600 });
        let (status, _) = Rest::at(&process.url).post("/v1/clock", &move_on).await;
        assert_eq!(status, 200);
        let before = everything(&process.url).await;
        process.kill().await;
        process = Process::start(&arguments).await;
        assert_eq!(everything(&process.url).await, before, "round {round}");
        for (key, answer) in (0..).zip(&answers) {
            assert_eq!(call(&process.url, key).await, *answer, "key {key}");
        }
    }
    let conflict = customer_call("cus:0", 99, SOON);
    let http = Http::new(&process.url).unwrap();
    http.send(conflict).await.unwrap().unwrap_err();
    assert!(process.terminate().await.success());
}

/// A killed process leaves kept connections behind, closed: the next call must find that out.
#[tokio::test]
async fn a_client_outlives_the_process_it_speaks_to() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("provider.jsonl");
    let first = Process::start(&["--clock", START, "--journal", journal.to_str().unwrap()]).await;
    let address = first.url.strip_prefix("http://").unwrap().to_owned();
    let http = Http::new(&first.url).unwrap();
    let answer = http.send(customer_call("a", 1, SOON)).await.unwrap();
    first.kill().await;
    // Whether the call left over the dead connection hangs on who noticed first.
    http.send(customer_call("a", 1, SOON)).await.unwrap_err();
    let journal = journal.to_str().unwrap();
    let arguments = [
        "--clock",
        START,
        "--journal",
        journal,
        "--address",
        &address,
    ];
    let mut again = tokio::process::Command::new(BINARY);
    again.args(arguments).kill_on_drop(true);
    let _second = Process::by(again).await;
    assert_eq!(
        http.send(customer_call("a", 1, SOON)).await.unwrap(),
        answer
    );
    assert!(matches!(answer, Ok(Reply::Named(_))));
}

/// The call at which the journal fails has no answer, later ones are not sent, and what was
/// answered is there when the process is started anew.
#[tokio::test]
async fn a_journal_that_is_full_says_so_and_keeps_what_was_answered() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("provider.jsonl");
    let arguments = ["--clock", START, "--journal", journal.to_str().unwrap()];
    let full = Process::by(command_with_little_room(4_096, &arguments)).await;
    let (http, rest) = (Http::new(&full.url).unwrap(), Rest::at(&full.url));
    let mut answers: Vec<Answer> = Vec::new();
    let failed = loop {
        let key = answers.len() as u64;
        match http
            .send(customer_call(&format!("cus:{key}"), key, SOON))
            .await
        {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
        assert!(answers.len() < 100);
    };
    assert!(
        matches!(failed, TransportError::NoAnswer { .. }),
        "{failed:?}"
    );
    assert!(answers.len() > 5, "{answers:?}");
    let next = http.send(customer_call("next", 1_000, SOON)).await;
    assert!(
        matches!(next, Err(TransportError::NotSent { .. })),
        "{next:?}"
    );
    assert_eq!(rest.send("GET", "/healthz", "").await.0, 503);
    let customers = rest.get("/v1/customers").await;
    assert_eq!(customers["items"].as_array().unwrap().len(), answers.len());
    full.kill().await;

    let again = Process::start(&arguments).await;
    assert_eq!(Rest::at(&again.url).get("/v1/customers").await, customers);
    for (key, answer) in (0..).zip(&answers) {
        assert_eq!(call(&again.url, key).await, *answer, "key {key}");
    }
}

#[tokio::test]
async fn a_process_serves_what_its_command_line_says() {
    let process = Process::start(&[
        "--clock",
        START,
        "--grace-seconds=60",
        "--deduplicates-for-seconds=120",
        "--batch-max=7",
        "--payment=declines",
        "--public-url=http://mock.test/",
    ])
    .await;
    let options = RemoteOptions::ask(&process.url, SOON).await.unwrap();
    assert_eq!(options.payment_url_base, "http://mock.test/pay/");
    let limits = MockEngine::remote(options).unwrap().descriptor.limits;
    assert_eq!((limits.grace.as_secs(), limits.batch_max), (60, 7));
    assert_eq!(limits.deduplicates_for.as_secs(), 120);
    let rest = Rest::at(&process.url);
    let clock = json!({ "now": START, "by_hand": true });
    assert_eq!(rest.get("/v1/clock").await, clock);

    let real = Process::start(&[]).await;
    let clock = Rest::at(&real.url).get("/v1/clock").await;
    assert_eq!(clock["by_hand"], false);
    assert!(real.terminate().await.success());
}

#[tokio::test]
async fn messages_reach_their_address_and_are_told_as_delivered_for_good() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("provider.jsonl");
    let (receiver, address) = Receiver::start(anywhere(), []).await;
    let url = format!("http://{address}/webhooks");
    let arguments = [
        "--clock",
        START,
        "--journal",
        journal.to_str().unwrap(),
        "--webhook-url",
        &url,
    ];
    let mut with_secret = command(&arguments);
    with_secret.env("MONETIZATION_MOCK_WEBHOOK_SECRET", "whsec_c2VjcmV0");
    let process = Process::by(with_secret).await;
    let options = RemoteOptions::ask(&process.url, SOON).await.unwrap();
    let engine = MockEngine::remote(options).unwrap();
    subscribe(&engine).await;
    receiver.until_taken(1).await;
    let (headers, body, _) = receiver.got().remove(0);
    let secrets = [monetization_core::secret::Secret::new("whsec_c2VjcmV0")];
    let webhooks = engine.webhooks.unwrap();
    webhooks
        .verify(&body, &headers, &secrets, START.parse().unwrap())
        .unwrap();
    let waited = tokio::time::timeout(SOON, async {
        while Rest::at(&process.url).get("/v1/messages").await["items"] != json!([]) {}
    });
    waited.await.unwrap();
    process.kill().await;
    let lines = std::fs::read_to_string(journal).unwrap();
    assert!(lines.contains(r#"{"step":"delivered""#), "{lines}");
    assert!(!lines.contains("whsec"), "{lines}");
}

#[tokio::test]
async fn what_cannot_be_is_told_on_one_line() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("provider.jsonl");
    let journal = journal.to_str().unwrap();
    let running = Process::start(&["--journal", journal]).await;
    let address = running.url.strip_prefix("http://").unwrap();
    for (arguments, said) in [
        (
            vec!["--journal", journal],
            "error: the journal is in use by another provider",
        ),
        (
            vec!["--journal", "no such folder/x"],
            "error: the journal cannot be read or written: No such file",
        ),
        (
            vec!["--webhook-url", "http://127.0.0.1:1/x"],
            "error: webhook_secret: it is missing",
        ),
        (
            vec!["--webhook-secret", "whsec_?"],
            "error: webhook_secret: nothing can be signed with it",
        ),
        (
            vec!["--webhook-secret", "s", "--webhook-url", "ftp://x"],
            "error: webhook_url: \"ftp://x\" does not begin with http://",
        ),
    ] {
        let output = output(command(&arguments)).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(said), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let mut taken = tokio::process::Command::new(BINARY);
    taken.args(["--address", address]);
    let told = String::from_utf8(output(taken).await.stderr).unwrap();
    assert!(told.contains("cannot be listened on: "), "{told}");
    let wrong = output(command(&["--clock", "soon"])).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("allowed is real, or an instant")
    );
    let status = running.terminate().await;
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}
