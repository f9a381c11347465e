//! Takes deliveries to webhook endpoints.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::{Shared, locked};
use crate::stripe::fake::Delivery;

/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts what is to be delivered, and puts back what was not taken. Answers how many were.
pub(super) async fn deliver(shared: &Shared) -> usize {
    let (due, now) = {
        let mut fake = locked(&shared.fake);
        (fake.take_deliveries(), fake.now())
    };
    let mut taken = 0;
    for delivery in due {
        if post(&delivery, now).await {
            taken += 1;
        } else {
            locked(&shared.fake).put_back(delivery);
        }
    }
    taken
}

async fn post(delivery: &Delivery, now: i64) -> bool {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(&delivery.url)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("Stripe-Signature", delivery.signature(now))
        .body(Full::new(Bytes::from(delivery.body.clone())));
    let Ok(request) = request else { return false };
    let answer = timeout(PATIENCE, client.request(request)).await;
    answer.is_ok_and(|it| it.is_ok_and(|it| it.status().is_success()))
}
