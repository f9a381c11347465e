use super::*;

const OWN: &str = r#"["@self"]"#;
const LIST: &str = "GET /v2/core/event_destinations?include[0]=webhook_endpoint.url";

/// A destination that is as it should be, with the events of these accounts, and more said of its webhook.
fn destination(id: &str, from: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"v2.core.event_destination","type":"webhook_endpoint",
            "event_payload":"thin","status":"enabled","events_from":{from},
            "enabled_events":["{}","{}"],"webhook_endpoint":{{"url":"{URL}"{more}}}}}"#,
        THIN_EVENTS[0], THIN_EVENTS[1]
    )
}

/// A page of the list, and where the next one is.
fn page(destinations: &[&str], next: &str) -> Reply {
    let data = destinations.join(",");
    Reply::ok(format!(r#"{{"data":[{data}],"next_page_url":{next}}}"#))
}

async fn ensure(server: &Server, scope: Scope) -> Result<Ensured, EngineError> {
    let endpoints = Endpoints::new(&server.options()).unwrap();
    let cx = EngineContext {
        account: Some("acct_1A2b3C4d5E6f7G8h".parse().unwrap()),
        ..cx("any")
    };
    endpoints.ensure(&cx, (URL, scope), Payload::Thin).await
}

#[tokio::test]
async fn a_destination_is_made_for_thin_events_and_its_secret_is_told_r_p7() {
    for (scope, from, name) in [
        (Scope::Own, "@self", "own"),
        (Scope::Connected, "@accounts", "connected"),
    ] {
        let other = match scope {
            Scope::Own => destination("ed_other", r#"["@accounts"]"#, ""),
            Scope::Connected => destination("ed_other", OWN, ""),
        };
        let secret = r#","signing_secret":"whsec_1""#;
        let made = destination("ed_1", &format!("[{from:?}]"), secret);
        let server = Server::telling([page(&[&other], "null"), Reply::ok(made)]).await;
        let ensured = ensure(&server, scope).await.unwrap();
        assert!(!format!("{ensured:?}").contains("whsec_"));
        let Ensured::Made(endpoint, secret) = ensured else {
            panic!("it was there")
        };
        assert_eq!((endpoint.id.as_str(), secret.reveal()), ("ed_1", "whsec_1"));
        assert_eq!(endpoint.scope, Some(scope));
        assert!(endpoint.is_as_wanted() && endpoint.is_of_our_version());

        let seen = server.seen();
        let body = format!(
            r#"{{"description":"reports that are refused after they were taken","enabled_events":["{}","{}"],"event_payload":"thin","events_from":["{from}"],"include":["webhook_endpoint.url","webhook_endpoint.signing_secret"],"name":"monetization","type":"webhook_endpoint","webhook_endpoint":{{"url":"{URL}"}}}}"#,
            THIN_EVENTS[0], THIN_EVENTS[1]
        );
        assert_eq!(seen[0].line(), LIST);
        let create = format!("POST /v2/core/event_destinations {body}");
        assert_eq!(seen[1].line(), create);
        let key = format!("event-destination:{name}:{URL}");
        assert_eq!((seen[0].key(), seen[1].key()), (None, Some(key.as_str())));
        for seen in &seen {
            assert_eq!(seen.headers["stripe-version"], API_VERSION);
            assert!(!seen.headers.contains_key("stripe-context"), "{seen:?}");
        }
        assert_eq!(seen[1].headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_destination_that_is_there_is_found_on_whichever_page_and_mended_r_p7() {
    let there = destination("ed_1", OWN, "");
    let next = r#""/v2/core/event_destinations?page=page_2""#;
    let pages = [page(&[], next), page(&[&there], "null")];
    let server = Server::telling(pages).await;
    let found = ensure(&server, Scope::Own).await.unwrap();
    assert!(matches!(found, Ensured::Found(it) if it.id == "ed_1" && it.lacks().count() == 0));
    let second = "GET /v2/core/event_destinations?page=page_2";
    assert_eq!(server.lines(), [LIST, second]);

    let off = there.replace("\"enabled\"", "\"disabled\"");
    let less = there.replace(&format!(",{:?}", THIN_EVENTS[1]), "");
    let update = format!(
        r#"POST /v2/core/event_destinations/ed_1 {{"enabled_events":["{}","{}"]}}"#,
        THIN_EVENTS[0], THIN_EVENTS[1]
    );
    let enable = "POST /v2/core/event_destinations/ed_1/enable {}".to_owned();
    for (other, orders) in [
        (off.clone(), vec![enable.clone()]),
        (less, vec![update.clone()]),
        (off.replace(THIN_EVENTS[0], "*"), vec![update, enable]),
    ] {
        // The address is not told again.
        let done = Reply::ok(there.replace(URL, ""));
        let replies = [page(&[&other], "null"), done.clone(), done];
        let server = Server::telling(replies).await;
        let updated = ensure(&server, Scope::Own).await.unwrap();
        assert!(matches!(updated, Ensured::Updated(it) if it.is_as_wanted() && it.url == URL));
        assert_eq!(server.lines()[1..], orders);
    }
}

/// Stripe tells for thirty days of a destination that is not there any more, and its secret only once.
#[tokio::test]
async fn a_destination_that_was_deleted_is_made_again_r_p7() {
    let gone = Reply::ok(destination("ed_1", OWN, ""));
    let made = Reply::ok(destination("ed_2", OWN, r#","signing_secret":"whsec_2""#));
    let none = || page(&[], "null");
    let server = Server::telling([none(), gone.clone(), none(), made]).await;
    let ensured = ensure(&server, Scope::Own).await.unwrap();
    assert!(matches!(ensured, Ensured::Made(it, secret)
        if it.id == "ed_2" && secret.reveal() == "whsec_2"));
    let seen = server.seen();
    assert_ne!(seen[1].key(), seen[3].key());

    let there = destination("ed_1", OWN, "");
    let server = Server::telling([none(), gone, page(&[&there], "null")]).await;
    let error = ensure(&server, Scope::Own).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not tell what it signs with"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_thin_webhook_of_one_kind_of_accounts_is_left_alone() {
    let there = destination("ed_1", OWN, "");
    let snapshot = there.replace("\"thin\"", "\"snapshot\"");
    let elsewhere = there.replace("\"webhook_endpoint\",", "\"amazon_eventbridge\",");
    let server = Server::telling([page(&[&snapshot, &elsewhere], "null")]).await;
    let endpoints = Endpoints::new(&server.options()).unwrap();
    let listed = endpoints.list(&cx("any"), Payload::Thin).await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");

    let both = destination("ed_both", r#"["@self","@accounts"]"#, "");
    let server = Server::telling([page(&[&both], "null")]).await;
    let error = ensure(&server, Scope::Own).await.unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    let said = "ed_both at https://api.example.com/webhooks/stripe is sent the news of several";
    assert!(error.to_string().contains(said), "{error}");
}

/// An answer that names another place would have the key sent there.
#[tokio::test]
async fn a_page_that_leads_elsewhere_is_not_asked_for() {
    for next in [
        "https://127.0.0.1/v2/more",
        "@127.0.0.1/v2/more",
        "/v2@127.0.0.1/",
    ] {
        let server = Server::telling([page(&[], &format!("{next:?}"))]).await;
        let error = ensure(&server, Scope::Own).await.unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Retryable);
        assert_eq!(server.lines(), [LIST], "{next}");
    }
}
