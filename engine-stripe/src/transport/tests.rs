use std::time::Duration;

use monetization_core::consumer::Consumer;
use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind};
use monetization_core::ids::TypedId;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;

use super::*;
use crate::tests::{KEY, Reply, Server, cx};

fn consumer() -> Consumer {
    Consumer {
        id: TypedId::derived(&[b"c"]),
        tenant: TypedId::derived(&[b"t"]),
        name: "Example Ltd".parse().unwrap(),
        members: Vec::new(),
        grace_days: None,
        created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

/// One read and one write: a customer is looked for and made.
async fn make_customer(server: &Server, cx: &EngineContext) -> Result<String, EngineError> {
    let made = server
        .engine()
        .billing
        .ensure_customer(cx, &consumer())
        .await;
    made.map(|made| made.to_string())
}

/// The error of the write, where the server does this to it.
async fn befallen(reply: Reply) -> EngineError {
    let server = Server::telling([Reply::nothing(), reply]).await;
    let cx = EngineContext {
        timeout: Duration::from_millis(300),
        ..cx("customer:1")
    };
    make_customer(&server, &cx).await.unwrap_err()
}

#[tokio::test]
async fn a_request_says_who_asks_of_whom_in_which_version_under_which_key_j3() {
    let replies = [Reply::nothing(), Reply::ok(r#"{"id":"cus_1"}"#)];
    let server = Server::telling(replies).await;
    let cx = EngineContext {
        account: Some("acct_1A2b3C4d5E6f7G8h".parse().unwrap()),
        ..cx("customer:1")
    };
    assert_eq!(make_customer(&server, &cx).await.unwrap(), "cus_1");
    let seen = server.seen();
    for seen in &seen {
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(seen.headers["stripe-version"], "2026-09-30.endive");
        assert_eq!(seen.headers["stripe-account"], "acct_1A2b3C4d5E6f7G8h");
        assert!(seen.headers["user-agent"].starts_with("monetization-engine-stripe/"));
    }
    assert_eq!((seen[0].method.as_str(), seen[0].key()), ("GET", None));
    assert_eq!(
        (seen[1].method.as_str(), seen[1].key()),
        ("POST", Some("customer:1"))
    );
    let kind = &seen[1].headers["content-type"];
    assert_eq!(kind, "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => Reply::nothing(),
        _ => Reply::ok(r#"{"id":"cus_1"}"#),
    })
    .await;
    let engine = server.engine();
    for call in 0..5 {
        let cx = cx(&format!("customer:{call}"));
        engine
            .billing
            .ensure_customer(&cx, &consumer())
            .await
            .unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|seen| seen.connection == 0), "{seen:?}");
}

#[tokio::test]
async fn a_write_that_was_sent_and_not_answered_may_have_been_done_r_p5() {
    for reply in [
        Reply::Reset,
        Reply::Hang,
        Reply::Half,
        Reply::ok("<html>"),
        Reply::ok("{}"),
        Reply::answer(500, "{}"),
        Reply::answer(502, "<html>bad gateway"),
        Reply::answer(400, "<html>who are you"),
    ] {
        let error = befallen(reply.clone()).await;
        assert!(error.may_have_taken_effect(), "{reply:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_read_that_was_not_answered_has_done_nothing_r_p5() {
    for reply in [
        Reply::Reset,
        Reply::Half,
        Reply::ok("<html>"),
        Reply::answer(500, "{}"),
    ] {
        let server = Server::telling([reply.clone()]).await;
        let error = make_customer(&server, &cx("customer:1")).await.unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Retryable, "{reply:?}");
    }
}

#[tokio::test]
async fn what_reaches_nobody_was_not_done_r_p5() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let options = StripeOptions {
        base_url,
        ..StripeOptions::default()
    };
    let engine = crate::engine(&options).unwrap();
    let plan = "plv_1".parse().unwrap();
    let error = engine
        .billing
        .delete_billing_plan(&cx("k"), &plan)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Retryable);
}

#[tokio::test]
async fn a_key_for_real_money_is_not_used_unless_it_was_asked_for_r_p11() {
    let server = Server::start(|_| Reply::missing()).await;
    for key in ["sk_live_canary6c1f", "rk_live_canary6c1f"] {
        let cx = EngineContext {
            credentials: Some(Secret::new(key)),
            ..cx("k")
        };
        let error = make_customer(&server, &cx).await.unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Unauthorized);
        assert!(!format!("{error:?} {error}").contains("canary"));
        assert_eq!(server.lines(), [""; 0], "nobody was asked");
    }
    let options = StripeOptions {
        mode: Mode::Live,
        ..server.options()
    };
    let cx = EngineContext {
        credentials: Some(Secret::new("sk_live_canary6c1f")),
        ..cx("k")
    };
    let engine = crate::engine(&options).unwrap();
    let plan = "plv_1".parse().unwrap();
    engine
        .billing
        .delete_billing_plan(&cx, &plan)
        .await
        .unwrap();
    assert_eq!(server.lines(), ["GET /v1/products/plv_1"]);
}

#[tokio::test]
async fn without_a_key_nobody_is_asked() {
    let server = Server::start(|_| Reply::missing()).await;
    let cx = EngineContext {
        credentials: None,
        ..cx("k")
    };
    let error = make_customer(&server, &cx).await.unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Unauthorized);
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn nothing_shows_the_key_r_a3() {
    let told = format!(
        r#"{{"error":{{"type":"invalid_request_error","message":"Invalid API Key provided: {KEY}, not sk_test_51other or (rk_test_more)"}}}}"#
    );
    let error = befallen(Reply::answer(401, told)).await;
    assert_eq!(error.kind(), &EngineErrorKind::Unauthorized);
    let server = Server::telling([]).await;
    let cx = cx("k");
    let shown = format!("{error:?} {error} {cx:?} {:?}", server.engine());
    for secret in [KEY, "sk_test_", "rk_test_"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
