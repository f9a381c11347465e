use super::*;

const SECRET: &str = "sk_test_canary6c1f";

/// What becomes of a write that is answered so.
fn told(status: u16, headers: &[(&'static str, &'static str)], error: &str) -> Failure {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let body = format!(r#"{{"error":{error}}}"#);
    let answer = answer.body(Bytes::from(body)).unwrap();
    Failure::check(Intent::Write, &answer, &Secret::new(SECRET)).unwrap_err()
}

#[test]
fn an_answer_is_classed_by_what_it_leaves_open_r_p5() {
    use EngineErrorKind::{Ambiguous, Conflict, NotFound, Permanent, Retryable, Unauthorized};
    let invalid = r#"{"type":"invalid_request_error","code":"parameter_invalid","param":"items"}"#;
    let api = r#"{"type":"api_error"}"#;
    let code = |code: &str| format!(r#"{{"type":"invalid_request_error","code":"{code}"}}"#);
    let (missing, locked, busy) = (
        code("resource_missing"),
        code("lock_timeout"),
        code("idempotency_key_in_use"),
    );
    let reused = r#"{"type":"idempotency_error","message":"Keys for idempotent requests"}"#;
    let never = [("stripe-should-retry", "false")];
    let again = [("stripe-should-retry", "true")];
    for (status, headers, error, kind) in [
        (400, [].as_slice(), invalid, Permanent),
        (400, &again, invalid, Retryable),
        (402, &[], r#"{"type":"card_error"}"#, Permanent),
        (400, &[], reused, Conflict),
        (404, &[], &missing, NotFound),
        (400, &[], &missing, NotFound),
        (401, &[], invalid, Unauthorized),
        (403, &[], invalid, Unauthorized),
        (409, &[], &locked, Retryable),
        (409, &[], &busy, Ambiguous),
        (429, &[], &locked, Retryable),
        (429, &[], "not even an object", Retryable),
        (500, &[], api, Ambiguous),
        (500, &again, api, Ambiguous),
        (500, &never, api, Ambiguous),
        (503, &[], "not even an object", Ambiguous),
        (404, &[], "not even an object", Ambiguous),
        (302, &[], invalid, Ambiguous),
    ] {
        let failure = told(status, headers, error);
        assert_eq!(failure.error.kind(), &kind, "{status} {headers:?} {error}");
    }
}

#[test]
fn a_wait_is_believed_up_to_an_hour_r_p5() {
    let wait = |after| told(429, &[("retry-after", after)], "{}").error.wait();
    assert_eq!(wait("7"), Some(Duration::from_secs(7)));
    assert_eq!(wait("999999"), Some(Duration::from_secs(3_600)));
    for other in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        assert_eq!(wait(other), None, "{other}");
    }
}

#[test]
fn stripes_words_are_passed_on_cut_short_and_without_keys() {
    let said = format!("no {SECRET} or sk_test_other {}", "x".repeat(10_000));
    let error =
        format!(r#"{{"type":"invalid_request_error","code":"c","param":"p","message":"{said}"}}"#);
    let failure = told(400, &[("request-id", "req_1")], &error);
    let text = failure.error.to_string();
    let start = "the engine refused: 400 invalid_request_error c p: no … or … xxx";
    assert!(
        text.starts_with(start) && text.ends_with("x (req_1)"),
        "{text}"
    );
    assert!(text.len() < 500);
    assert!(failure.is_about("p") && failure.is_refusal);
}

#[test]
fn an_event_that_was_counted_is_known_by_its_refusal() {
    let message = "An event already exists with identifier bat_1.";
    let error = format!(r#"{{"type":"invalid_request_error","message":"{message}"}}"#);
    assert!(told(400, &[], &error).is_counted_already());
    assert!(!told(500, &[], &error).is_counted_already());
}
