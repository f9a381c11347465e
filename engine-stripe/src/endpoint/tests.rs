use monetization_core::engine::VerifiedEvent;
use monetization_core::engine::Webhooks as _;

use super::*;
use crate::tests::{Reply, Server, cx};
use crate::webhooks::tests::webhooks;

const URL: &str = "https://api.example.com/webhooks/stripe";
const FORM: &str = "api_version=2026-09-30.endive&connect=true&description=monetization\
    &enabled_events[0]=checkout.session.completed&enabled_events[10]=invoice.updated\
    &enabled_events[11]=invoice.voided&enabled_events[1]=customer.subscription.deleted\
    &enabled_events[2]=invoice.created&enabled_events[3]=invoice.deleted\
    &enabled_events[4]=invoice.finalized&enabled_events[5]=invoice.marked_uncollectible\
    &enabled_events[6]=invoice.overdue&enabled_events[7]=invoice.paid\
    &enabled_events[8]=invoice.payment_failed&enabled_events[9]=invoice.payment_succeeded\
    &metadata[monetization_listens_to]=connected&url=https://api.example.com/webhooks/stripe";

fn endpoint(id: &str, metadata: &str, more: &str) -> String {
    let events: Vec<String> = EVENTS.iter().map(|event| format!("{event:?}")).collect();
    format!(
        r#"{{"id":"{id}","url":"{URL}","status":"enabled","enabled_events":[{}],
            "api_version":"2026-09-30.endive","metadata":{{{metadata}}}{more}}}"#,
        events.join(",")
    )
}

const CONNECTED: &str = r#""monetization_listens_to":"connected""#;

async fn ensure(server: &Server) -> Result<Ensured, EngineError> {
    let endpoints = Endpoints::new(&server.options()).unwrap();
    let wanted = (URL, Scope::Connected);
    endpoints
        .ensure(&cx("any"), wanted, Payload::Snapshot)
        .await
}

#[tokio::test]
async fn an_endpoint_is_made_with_our_events_and_its_secret_is_told() {
    let own = endpoint("we_own", r#""monetization_listens_to":"own""#, "");
    let made = endpoint("we_1", CONNECTED, r#","secret":"whsec_1""#);
    let server = Server::telling([Reply::list(&[&own]), Reply::ok(made)]).await;
    let ensured = ensure(&server).await.unwrap();
    assert!(!format!("{ensured:?}").contains("whsec_"));
    let Ensured::Made(endpoint, secret) = ensured else {
        panic!("it was there")
    };
    assert_eq!((endpoint.id.as_str(), secret.reveal()), ("we_1", "whsec_1"));
    assert_eq!(endpoint.scope, Some(Scope::Connected));
    let create = format!("POST /v1/webhook_endpoints {FORM}");
    assert_eq!(
        server.lines(),
        ["GET /v1/webhook_endpoints?limit=100", &create]
    );
}

/// Stripe would tell for a day of an endpoint that is not there any more.
#[tokio::test]
async fn an_endpoint_that_was_deleted_is_made_again() {
    let gone = Reply::ok(endpoint("we_1", CONNECTED, r#","secret":"whsec_1""#));
    let gone = gone.with("idempotent-replayed", "true");
    let made = Reply::ok(endpoint("we_2", CONNECTED, r#","secret":"whsec_2""#));
    let server = Server::telling([Reply::nothing(), gone, Reply::nothing(), made]).await;
    let ensured = ensure(&server).await.unwrap();
    assert!(matches!(ensured, Ensured::Made(it, secret)
        if it.id == "we_2" && secret.reveal() == "whsec_2"));
    let seen = server.seen();
    let first = "webhook-endpoint:connected:https://api.example.com/webhooks/stripe";
    assert_eq!(seen[1].key(), Some(first));
    assert_ne!(seen[3].key(), Some(first));
}

#[tokio::test]
async fn an_endpoint_that_is_there_is_found_or_mended() {
    let there = endpoint("we_1", CONNECTED, "");
    let server = Server::telling([Reply::list(&[&there])]).await;
    let found = ensure(&server).await.unwrap();
    assert!(matches!(found, Ensured::Found(it) if it.id == "we_1" && it.lacks().count() == 0));

    let off = there.replace("\"enabled\"", "\"disabled\"");
    let all = there.replace("\"invoice.paid\"", "\"*\"");
    let less = there.replace(",\"invoice.paid\"", "");
    for other in [off, all, less] {
        let server = Server::telling([Reply::list(&[&other]), Reply::ok(there.clone())]).await;
        let updated = ensure(&server).await.unwrap();
        assert!(matches!(updated, Ensured::Updated(it) if it.is_as_wanted()));
        let lines = server.lines();
        let form = "POST /v1/webhook_endpoints/we_1 disabled=false&enabled_events[0]=";
        assert!(lines[1].starts_with(form), "{lines:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_mended_is_named_with_what_to_do() {
    let foreign = endpoint("we_foreign", "", "");
    let older = endpoint("we_older", CONNECTED, "").replace("2026-09-30.endive", "2024-06-20");
    for (there, said) in [
        (foreign, "we_foreign at https://api.example.com"),
        (older, "2024-06-20 and not 2026-09-30.endive"),
    ] {
        let server = Server::telling([Reply::list(&[&there])]).await;
        let error = ensure(&server).await.unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent);
        let message = error.to_string();
        assert!(message.contains(said), "{message}");
        assert!(
            message.ends_with("delete it at Stripe, and do this again"),
            "{message}"
        );
    }
}

#[test]
fn what_an_endpoint_lacks_is_told_by_name() {
    let told = endpoint("we_1", "", "").replace(",\"invoice.paid\"", "");
    let told: snapshot::Told = serde_json::from_str(&told).unwrap();
    let endpoint = Endpoint::from(told);
    assert_eq!(endpoint.lacks().collect::<Vec<_>>(), ["invoice.paid"]);
    let events = BTreeSet::from(["*".to_owned()]);
    let endpoint = Endpoint { events, ..endpoint };
    assert_eq!(endpoint.lacks().count(), 0);
}

#[test]
fn each_event_of_an_endpoint_says_something() {
    let invoice = r#"{"id":"in_1","status":"open","currency":"usd","total":1,"created":1,
        "mode":"setup","customer":"cus_1"}"#;
    for event in EVENTS {
        let body = format!(
            r#"{{"id":"evt_1","type":"{event}","created":1,"data":{{"object":{invoice}}}}}"#
        );
        let event = VerifiedEvent {
            id: "evt_1".parse().unwrap(),
            body: body.clone().into_bytes(),
        };
        assert_eq!(webhooks().interpret(&event).unwrap().len(), 1, "{body}");
    }
}

#[test]
fn the_readme_lists_the_events_of_an_endpoint() {
    let readme = include_str!("../../README.md");
    for (head, payload) in [
        ("\n| event | what it is to core |", Payload::Snapshot),
        ("\n| thin event | what it is to core |", Payload::Thin),
    ] {
        let (_, table) = readme.split_once(head).unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let named: BTreeSet<&str> = table.split('`').skip(1).step_by(2).collect();
        let events: BTreeSet<&str> = payload.events().iter().copied().collect();
        assert_eq!(named, events);
    }
}

/// A key may be good for webhook endpoints and not for event destinations.
#[tokio::test]
async fn the_permission_that_a_key_lacks_is_named_j6() {
    let said = r#"{"error":{"type":"invalid_request_error","message":"Not this key"}}"#;
    let server = Server::start(move |_| Reply::answer(403, said)).await;
    let endpoints = Endpoints::new(&server.options()).unwrap();
    for (payload, needed) in [
        (
            Payload::Snapshot,
            "the key needs the permission Webhook Endpoints: ",
        ),
        (
            Payload::Thin,
            "the key needs the permission Event Destinations: ",
        ),
    ] {
        let wanted = (URL, Scope::Own);
        let refused = endpoints.ensure(&cx("any"), wanted, payload).await;
        let unseen = endpoints.list(&cx("any"), payload).await.map(drop);
        for (error, allowed) in [
            (refused.unwrap_err(), "Write"),
            (unseen.unwrap_err(), "Read"),
        ] {
            assert_eq!(error.kind(), &EngineErrorKind::Unauthorized);
            let needed = format!("{needed}{allowed}; Stripe says 403 ");
            let shown = error.to_string();
            assert!(
                shown.contains(&needed) && shown.ends_with("Not this key"),
                "{shown}"
            );
        }
    }
    let unknown = Server::start(move |_| Reply::answer(401, said)).await;
    let endpoints = Endpoints::new(&unknown.options()).unwrap();
    let refused = endpoints.list(&cx("any"), Payload::Thin).await.unwrap_err();
    let shown = refused.to_string();
    assert!(
        shown.contains("401") && !shown.contains("permission"),
        "{shown}"
    );
}

mod thin;
