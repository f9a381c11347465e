use http::StatusCode;
use monetization_conformance::sample::START;
use monetization_engine_mock::serve::Postman;
use monetization_engine_mock::{Disturbance, MockEngine};

use super::super::caller::SOON;
use super::super::rest::{Subscriber, subscribe};
use super::receiver::{Receiver, anywhere};

/// A provider with so many messages that wait.
async fn with_messages(many: usize) -> (MockEngine, Subscriber) {
    let mock = MockEngine::in_memory(START);
    let subscriber = subscribe(&mock.engine()).await;
    let control = mock.control();
    while control.deliveries().len() < many {
        control.fail_payment(&subscriber.payment_url).unwrap();
        control.pay(&subscriber.payment_url).unwrap();
        control
            .advance(std::time::Duration::from_secs(86_400 * 31))
            .unwrap();
    }
    (mock, subscriber)
}

/// Runs the postman until nothing waits any more.
async fn until_delivered(mock: &MockEngine, urls: &[&str]) {
    let control = mock.control();
    let postman = Postman::new(control.clone(), urls.iter().copied(), quietly).unwrap();
    let delivered = async {
        while !control.deliveries().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let delivered = tokio::time::timeout(SOON, async {
        tokio::select! {
            () = postman.run() => {}
            () = delivered => {}
        }
    });
    delivered.await.unwrap();
}

#[tokio::test]
async fn a_message_is_posted_signed_until_it_is_taken() {
    let (mock, _) = with_messages(3).await;
    let waiting = mock.control().deliveries();
    let refuses = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FOUND];
    let (receiver, address) = Receiver::start(anywhere(), refuses).await;
    until_delivered(&mock, &[&format!("http://{address}/webhooks")]).await;

    let mut taken = receiver.taken();
    assert_eq!(receiver.got().len(), taken.len() + 2, "two were refused");
    taken.sort();
    let names: Vec<String> = waiting
        .iter()
        .map(|delivery| delivery.id.to_string())
        .collect();
    assert_eq!(taken, names);
    let webhooks = mock.engine().webhooks.unwrap();
    let control = mock.control();
    for (headers, body, _) in receiver.got() {
        assert_eq!(headers["content-type"], "application/json");
        let secrets = control.webhook_secrets();
        webhooks
            .verify(&body, &headers, &secrets, control.now())
            .unwrap();
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_gets_its_messages_when_it_is_back() {
    let (mock, _) = with_messages(3).await;
    let many = mock.control().deliveries().len();
    let (here, here_at) = Receiver::start(anywhere(), []).await;
    let away = std::net::TcpListener::bind(anywhere()).unwrap();
    let away_at = away.local_addr().unwrap();
    drop(away);
    let urls = [here_at, away_at].map(|at| format!("http://{at}/webhooks"));
    let urls = urls.each_ref().map(String::as_str);
    let back = async {
        here.until_taken(many).await;
        assert_eq!(mock.control().deliveries().len(), many, "one is still away");
        let (back, _) = Receiver::start(away_at, []).await;
        back.until_taken(many).await;
        back
    };
    let (back, ()) = tokio::join!(back, until_delivered(&mock, &urls));
    assert_eq!(
        here.taken().len(),
        many,
        "nothing is posted twice to who has it"
    );
    assert_eq!(back.taken().len(), many);
}

#[tokio::test]
async fn disturbed_messages_come_twice_and_newest_first() {
    let (mock, _) = with_messages(3).await;
    let mut names: Vec<String> = mock
        .control()
        .deliveries()
        .into_iter()
        .flat_map(|delivery| [delivery.id.to_string(), delivery.id.to_string()])
        .collect();
    names.reverse();
    mock.control().disturb_deliveries(Disturbance {
        twice: true,
        reversed: true,
    });
    let (receiver, address) = Receiver::start(anywhere(), []).await;
    let url = format!("http://{address}/webhooks");
    let postman = Postman::new(mock.control(), [url.as_str()], quietly).unwrap();
    tokio::select! {
        () = postman.run() => {}
        () = receiver.until_taken(names.len()) => {}
    }
    assert_eq!(receiver.taken(), names);
}

#[test]
fn an_address_that_is_none_is_named() {
    let mock = MockEngine::in_memory(START);
    let error = Postman::new(mock.control(), ["127.0.0.1:1"], quietly).unwrap_err();
    assert_eq!(error.field(), "webhook_url");
}

fn quietly(_trouble: &str) {}
