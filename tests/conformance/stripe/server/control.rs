//! Control over HTTP, for processes: what a test does to Stripe, as JSON below `/_fake`.
//!
//! | request | what |
//! |---|---|
//! | `GET /_fake/clock`, `POST {"to"}` or `{"by"}` | the second its clock shows; moves it forward |
//! | `POST /_fake/pay`, `/_fake/fail_payment` `{"invoice"}` | a customer pays, or cannot |
//! | `POST /_fake/complete_checkout` `{"session"}` | a customer goes through with it |
//! | `POST /_fake/decline` `{"payment_method", "declines"}` | a card pays nothing any more |
//! | `POST /_fake/reject` `{"identifier"}` | a meter event turns out to be wrong |
//! | `POST /_fake/keys` `{"key", "account"}` | a secret key |
//! | `POST /_fake/connect` `{"account"}` | connects an account |
//! | `POST /_fake/listen` `{"url", "connect"}` | has an address told everything; its secret |
//! | `POST /_fake/deliver` | posts what is to be delivered; how many were taken |
//! | `GET /_fake/deliveries` | takes them instead, with their signatures |
//! | `POST /_fake/faults`, `DELETE` | plans one (`{"fault", "when", "method", "path", "skip", "times", "percent"}`), forgets all |
//! | `GET /_fake/requests`, `/_fake/violations`, `/_fake/usage` | what was seen |
//! | `POST /i/{invoice}`, `POST /c/{session}` | what a customer does on a hosted page |

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::answering::sent;
use super::connection::Sent;
use super::{Shared, locked, postman};
use crate::stripe::fake::{Answer, Problem, Request};
use crate::stripe::faults::{Fault, Plan};

pub(super) async fn answer(shared: &Shared, request: &Request) -> io::Result<Sent> {
    let said: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let steps: Vec<&str> = request.path.split('/').skip(1).collect();
    let answer = match (request.method.as_str(), steps.as_slice()) {
        ("POST", ["_fake", "deliver"]) => Ok(json!({ "taken": postman::deliver(shared).await })),
        ("GET", ["_fake", what]) => told(shared, what),
        ("POST", ["_fake", what]) => done(shared, what, &said),
        ("DELETE", ["_fake", "faults"]) => {
            locked(&shared.faults).clear();
            Ok(json!({}))
        }
        (_, [page @ ("i" | "c"), id]) => on_page(shared, &request.method, page, id),
        _ => None.ok_or("there is nothing here".to_owned()),
    };
    let answer = answer.map(|it| Answer::ok(&it)).unwrap_or_else(|reason| {
        let body = json!({ "error": { "type": "invalid_request_error", "message": reason } });
        Answer {
            status: 400,
            ..Answer::ok(&body)
        }
    });
    sent(&answer)
}

type Done = Result<Value, String>;

fn told(shared: &Shared, what: &str) -> Done {
    let mut fake = locked(&shared.fake);
    Ok(match what {
        "clock" => json!({ "now": fake.now() }),
        "violations" => {
            let found = fake.violations().iter().map(ToString::to_string);
            json!(found.collect::<Vec<String>>())
        }
        "usage" => {
            let counted = fake.counted().into_iter().map(|it| {
                json!({
                    "account": it.account, "event_name": it.event_name, "customer": it.customer,
                    "timestamp": it.at, "identifier": it.identifier,
                    "value": it.value.to_string(),
                })
            });
            json!(counted.collect::<Vec<Value>>())
        }
        "deliveries" => {
            let now = fake.now();
            let taken = fake.take_deliveries().into_iter().map(
                |it| json!({ "url": it.url, "body": it.body, "signature": it.signature(now) }),
            );
            json!(taken.collect::<Vec<Value>>())
        }
        "requests" => {
            let seen = locked(&shared.seen);
            let seen = seen.iter().map(|it| {
                json!({
                    "method": it.method, "path": it.path, "query": it.query, "body": it.body,
                    "key": it.key, "account": it.account,
                    "fault": it.fault.map(|it| format!("{it:?}")),
                })
            });
            json!(seen.collect::<Vec<Value>>())
        }
        _ => return Err(format!("there is no {what}")),
    })
}

fn done(shared: &Shared, what: &str, said: &Value) -> Done {
    let text = |name: &str| {
        let text = said.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("{name} is missing"))
    };
    let is_set = |name: &str| said.get(name).and_then(Value::as_bool) == Some(true);
    if what == "faults" {
        locked(&shared.faults).plan(plan(said)?);
        return Ok(json!({}));
    }
    let mut fake = locked(&shared.fake);
    let nothing = |()| json!({});
    match what {
        "clock" => {
            let by = said
                .get("by")
                .and_then(Value::as_i64)
                .map(|by| fake.now() + by);
            let to = said.get("to").and_then(Value::as_i64).or(by);
            fake.advance_to(to.ok_or("to or by is missing")?);
            Ok(json!({ "now": fake.now() }))
        }
        "pay" => fake.pay(text("invoice")?).map(nothing).map_err(reason),
        "fail_payment" => fake
            .fail_payment(text("invoice")?)
            .map(nothing)
            .map_err(reason),
        "complete_checkout" => fake.complete_checkout(text("session")?).map_err(reason),
        "decline" => {
            fake.decline(text("payment_method")?, is_set("declines"));
            Ok(json!({}))
        }
        "reject" => Ok(json!({ "rejected": fake.reject_meter_event(text("identifier")?) })),
        "keys" => {
            fake.add_key(text("key")?, text("account")?);
            Ok(json!({}))
        }
        "connect" => {
            fake.connect(text("account")?);
            Ok(json!({}))
        }
        "listen" => Ok(json!({ "secret": fake.listen(text("url")?, is_set("connect")) })),
        _ => Err(format!("there is no {what}")),
    }
}

/// What a customer sees on a hosted page, and does there.
fn on_page(shared: &Shared, method: &str, page: &str, id: &str) -> Done {
    let mut fake = locked(&shared.fake);
    match (method, page) {
        ("GET", _) => fake.object(id).ok_or_else(|| format!("there is no {id}")),
        ("POST", "i") => fake.pay(id).map(|()| json!({})).map_err(reason),
        ("POST", _) => fake.complete_checkout(id).map_err(reason),
        _ => Err("there is nothing here".to_owned()),
    }
}

fn plan(said: &Value) -> Result<Plan, String> {
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| said.get(name).and_then(Value::as_u64);
    let small = |name: &str| number(name).and_then(|it| u32::try_from(it).ok());
    let fault = match text("fault") {
        "drop" => Fault::Drop,
        "hang" => Fault::Hang,
        "too_many" => Fault::TooMany {
            retry_after: small("retry_after").unwrap_or(1),
        },
        "stored_failure" => Fault::StoredFailure,
        "failure" => Fault::Failure,
        "unavailable" => Fault::Unavailable,
        "lock" => Fault::Lock,
        "garbage" => Fault::Garbage,
        "truncated" => Fault::Truncated,
        "should_retry" => Fault::ShouldRetry(true),
        "should_not_retry" => Fault::ShouldRetry(false),
        "slow" => Fault::Slow(Duration::from_millis(number("milliseconds").unwrap_or(100))),
        other => return Err(format!("there is no fault {other:?}")),
    };
    let plan = match text("when") {
        "after" => Plan::after(fault),
        _ => Plan::before(fault),
    };
    Ok(plan
        .on(text("method"), text("path"))
        .skip(small("skip").unwrap_or(0))
        .times(small("times").unwrap_or(1))
        .percent(number("percent").unwrap_or(100)))
}

fn reason(problem: Problem) -> String {
    problem.message
}
