use std::time::Duration;

use monetization_conformance::sample::START;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind, Reply, SentRecord};
use monetization_engine_mock::transport::{Http, Request, Transport, TransportError};
use monetization_engine_mock::{MockEngine, MockOptions, RemoteError, RemoteOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::caller::{Notes, Rest, SOON, Served, chain, customer_call};

const BRIEFLY: Duration = Duration::from_millis(300);

/// A server that lets a connection come to whatever end `ends` gives it.
async fn server<F: Future<Output = ()> + Send + 'static>(
    ends: impl Fn(TcpStream) -> F + Send + 'static,
) -> Http {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = socket.accept().await {
            ends(client).await;
        }
    });
    Http::new(&format!("http://{address}")).unwrap()
}

/// Reads until the call is there whole: its body ends in two braces more than it has inside.
async fn hear(client: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).ends_with("\"breaks\":null}") {
        let mut bytes = [0; 1_024];
        let read = client.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{heard:?}");
        heard.extend_from_slice(&bytes[..read]);
    }
    String::from_utf8(heard).unwrap()
}

/// A server that hears a call out and answers it with these bytes.
async fn answering(answer: &'static str) -> Http {
    server(move |mut client| async move {
        hear(&mut client).await;
        client.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

async fn not_sent(http: &Http) -> String {
    match http.send(customer_call("a", 1, SOON)).await {
        Err(error @ TransportError::NotSent { .. }) => chain(&error),
        other => panic!("{other:?}"),
    }
}

async fn no_answer(http: &Http, within: Duration) -> String {
    match http.send(customer_call("a", 1, within)).await {
        Err(error @ TransportError::NoAnswer { .. }) => chain(&error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_to_a_port_that_refuses_was_not_sent() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let http = Http::new(&format!("http://{address}")).unwrap();
    let told = not_sent(&http).await;
    assert!(told.contains("refused"), "{told}");
}

#[tokio::test]
async fn a_call_without_time_was_not_sent() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let http = Http::new(&served.url()).unwrap();
    let hurried = http.send(customer_call("a", 1, Duration::ZERO)).await;
    assert!(
        matches!(hurried, Err(TransportError::NotSent { .. })),
        "{hurried:?}"
    );
}

#[tokio::test]
async fn a_call_to_a_port_that_hangs_up_has_no_answer() {
    let hangs_up = server(|mut client| async move {
        hear(&mut client).await;
    })
    .await;
    no_answer(&hangs_up, SOON).await;
}

#[tokio::test]
async fn a_call_to_a_port_that_says_nothing_has_no_answer_in_its_time() {
    let held = Notes::default();
    let silent = server(move |client| {
        held.lock().unwrap().push(client);
        std::future::ready(())
    })
    .await;
    no_answer(&silent, BRIEFLY).await;
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for half in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"reply\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"reply\":\"done\"}\r\n",
    ] {
        no_answer(&answering(half).await, SOON).await;
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_none_once_the_time_is_over() {
    let held = Notes::default();
    let stuck = server(move |mut client| {
        let held = Notes::clone(&held);
        async move {
            hear(&mut client).await;
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"reply\":";
            client.write_all(half).await.unwrap();
            held.lock().unwrap().push(client);
        }
    })
    .await;
    no_answer(&stuck, BRIEFLY).await;
}

#[tokio::test]
async fn what_is_no_answer_of_a_mock_is_none() {
    for (foreign, said) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "expected"),
        (
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
            "502",
        ),
        ("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "302"),
        ("SSH-2.0-OpenSSH\r\n", "invalid HTTP"),
    ] {
        let told = no_answer(&answering(foreign).await, SOON).await;
        assert!(told.contains(said), "{told}");
    }
}

#[tokio::test]
async fn a_whole_answer_is_an_answer() {
    let http = answering("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"reply\":\"done\"}").await;
    let answer = http.send(customer_call("a", 1, SOON)).await.unwrap();
    assert_eq!(answer, Ok(Reply::Done));
}

#[tokio::test]
async fn a_call_says_everything_and_its_credentials_only_in_a_header() {
    let heard: Notes<String> = Notes::default();
    let notes = Notes::clone(&heard);
    let http = server(move |mut client| {
        let notes = Notes::clone(&notes);
        async move {
            let call = hear(&mut client).await;
            notes.lock().unwrap().push(call);
        }
    })
    .await;
    let call = customer_call("cus:1", 1, Duration::from_millis(1_500));
    http.send(call).await.unwrap_err();
    let heard = heard.lock().unwrap().remove(0);
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/calls HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer canary-credentials"));
    assert!(!body.contains("canary"), "{body}");
    assert!(
        body.starts_with(
            r#"{"account":null,"key":"cus:1","timeout_milliseconds":1500,"request":{"order":{"do":"ensure_customer","#
        ),
        "{body}"
    );
}

#[tokio::test]
async fn each_refusal_of_the_provider_arrives_as_it_was_said() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let http = Http::new(&served.url()).unwrap();
    let retry_after = Some(Duration::from_secs(2));
    for (at, kind) in [
        RefusalKind::Throttled { retry_after },
        RefusalKind::Throttled { retry_after: None },
        RefusalKind::Unavailable,
        RefusalKind::InProgress,
        RefusalKind::Broken,
        RefusalKind::Permanent,
        RefusalKind::Conflict,
        RefusalKind::NotFound,
        RefusalKind::Unauthorized,
    ]
    .into_iter()
    .enumerate()
    {
        let said = Refusal::new(kind, "so it is");
        let fault = match at % 2 {
            0 => Fault::Refuse(said.clone()),
            _ => Fault::FailAfter(said.clone()),
        };
        served.mock.control().inject(Injection::next(fault));
        let answer = http.send(customer_call("a", 1, SOON)).await.unwrap();
        assert_eq!(answer, Err(said));
    }
    let mut breaks = customer_call("b", 2, SOON);
    let broken = Refusal::new(RefusalKind::Broken, "within");
    breaks.breaks = Some(broken.clone());
    assert_eq!(http.send(breaks).await.unwrap(), Err(broken.clone()));
    let again = http.send(customer_call("b", 2, SOON)).await.unwrap();
    assert_eq!(again, Err(broken), "it is remembered under the key");
}

#[tokio::test]
async fn faults_on_the_other_side_look_like_what_they_are() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let http = Http::new(&served.url()).unwrap();
    let control = served.mock.control();
    control.inject(Injection::next(Fault::NotSent));
    not_sent(&http).await;
    assert_eq!(control.customers().len(), 0);
    control.inject(Injection::next(Fault::LoseReply));
    no_answer(&http, SOON).await;
    assert_eq!(control.customers().len(), 1);

    // A caller that does not wait any longer has called all the same.
    control.inject(Injection::next(Fault::Hold));
    let hurried = http.send(customer_call("b", 2, BRIEFLY)).await;
    assert!(matches!(hurried, Err(TransportError::NoAnswer { .. })));
    control.release();
    let waited = tokio::time::timeout(SOON, async {
        while control.customers().len() < 2 {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn what_the_process_cannot_take_is_refused_for_good() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let http = Http::new(&served.url()).unwrap();
    let mut long = customer_call("a", 1, SOON);
    long.request = Request::Do(monetization_engine_mock::provider::Order::TakeUsage {
        records: vec![SentRecord {
            identifier: monetization_core::entropy::Entropy::seeded(1).id(START),
            body: "x".repeat(1 << 20),
            refused_later: false,
        }],
    });
    let mut unspeakable = customer_call("a", 1, SOON);
    unspeakable.credentials = Some(monetization_core::secret::Secret::new("line\nbreak"));
    let elsewhere = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    for (http, call, said) in [
        (&http, long, "1048"),
        (&http, unspeakable, "no header can carry"),
        (&elsewhere, customer_call("a", 1, SOON), "404"),
    ] {
        let refusal = http.send(call).await.unwrap().unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Permanent);
        assert!(refusal.message.contains(said), "{refusal}");
        assert!(!refusal.message.contains("break"), "{refusal}");
    }
}

#[tokio::test]
async fn credentials_are_seen_by_tests_and_shown_to_nobody() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let http = Http::new(&served.url()).unwrap();
    http.send(customer_call("a", 1, SOON))
        .await
        .unwrap()
        .unwrap();
    let seen = served.mock.control().calls().remove(0);
    assert_eq!(seen.credentials.unwrap().reveal(), "canary-credentials");
    let shown = Rest::at(served.url()).get("/v1/calls").await;
    assert_eq!(shown["items"][0]["key"], "a");
    assert_eq!(shown["items"][0]["has_credentials"], true);
    assert!(!shown.to_string().contains("canary"), "{shown}");
}

#[tokio::test]
async fn many_calls_go_over_few_connections() {
    let served = Served::start(MockOptions::in_memory(START)).await;
    let fates = monetization_conformance::fault_proxy::Fates::listed([]);
    let proxy = monetization_conformance::fault_proxy::FaultProxy::start(served.address, fates);
    let proxy = proxy.await.unwrap();
    let http = Http::new(&format!("http://{}", proxy.address())).unwrap();
    for seed in 0..50 {
        let call = customer_call(&format!("cus:{seed}"), seed, SOON);
        http.send(call).await.unwrap().unwrap();
    }
    let connections = proxy.befallen().len();
    assert!(connections <= 5, "{connections}");
    assert_eq!(served.mock.control().customers().len(), 50);
}

#[tokio::test]
async fn an_engine_takes_its_limits_from_the_process() {
    let rules = monetization_engine_mock::provider::Rules {
        grace: Duration::from_secs(7),
        batch_max: 3,
        ..Default::default()
    };
    let options = MockOptions::in_memory(START)
        .with_rules(rules.clone())
        .with_payment_url_base("http://pay.test/");
    let served = Served::start(options).await;
    let asked = RemoteOptions::ask(served.url(), SOON).await.unwrap();
    assert_eq!(asked.rules, rules);
    assert_eq!(asked.payment_url_base, "http://pay.test/");
    let engine = MockEngine::remote(asked).unwrap();
    let (here, there) = (engine.descriptor, served.mock.engine().descriptor);
    assert_eq!((here.id, here.limits), (there.id, there.limits));
    assert_eq!(here.attributes, there.attributes);
}

#[tokio::test]
async fn a_process_that_is_not_there_tells_no_limits() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let error = RemoteOptions::ask(address, SOON).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unknown { .. }));
    assert!(
        chain(&error).contains("did not tell its rules: "),
        "{error:?}"
    );
    for wrong in [
        "127.0.0.1:8082",
        "https://127.0.0.1",
        "http://me@127.0.0.1",
        "",
    ] {
        let error = RemoteOptions::ask(wrong, SOON).await.unwrap_err();
        assert!(matches!(error, RemoteError::Address(_)), "{wrong}");
    }
}
