//! Stands between an engine and a server, and loses replies. One thing it mends: stripe-stateful-mock tells
//! `interval_count` as the text that it was given, which is a number at Stripe.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::Value;

use super::asking::{Listening, passed_on};

/// Passes requests on. Dropping it ends it.
pub(crate) struct Relay {
    listening: Listening,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// So many writes pass before the reply to one is lost.
    to_pass: Option<u32>,
    writes: usize,
    replayed: usize,
}

impl Relay {
    /// To this server, as `http://127.0.0.1:8000`.
    pub(crate) async fn start(server: String) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let listening =
            Listening::start(move |request| relay(server.clone(), request, Arc::clone(&shared)));
        Self {
            listening: listening.await,
            state,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Loses the reply to a write, once `after` others were answered.
    pub(crate) fn lose_reply(&self, after: u32) {
        self.state.lock().unwrap().to_pass = Some(after);
    }

    /// Writes so far, lost replies included.
    pub(crate) fn writes(&self) -> usize {
        self.state.lock().unwrap().writes
    }

    /// Answers so far that said of themselves that they were given before.
    pub(crate) fn replayed(&self) -> usize {
        self.state.lock().unwrap().replayed
    }
}

async fn relay(
    server: String,
    request: Request<Bytes>,
    state: Arc<Mutex<State>>,
) -> io::Result<Response<Bytes>> {
    let (mut head, body) = request.into_parts();
    let is_write = head.method != Method::GET;
    let path = head.uri.path_and_query().unwrap();
    head.uri = format!("{server}{path}").parse().unwrap();
    let answer = passed_on(Request::from_parts(head, Full::new(body))).await?;
    let answer = mended(answer);
    let mut state = state.lock().unwrap();
    state.replayed += usize::from(answer.headers().contains_key("idempotent-replayed"));
    state.writes += usize::from(is_write);
    if !is_write {
        return Ok(answer);
    }
    let lost = state.to_pass == Some(0);
    state.to_pass = state.to_pass.and_then(|left| left.checked_sub(1));
    if lost {
        return Err(io::Error::other("the reply is lost"));
    }
    Ok(answer)
}

fn mended(answer: Response<Bytes>) -> Response<Bytes> {
    let (mut head, body) = answer.into_parts();
    let Ok(mut told) = serde_json::from_slice(&body) else {
        return Response::from_parts(head, body);
    };
    mend(&mut told);
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, told.to_string().into())
}

fn mend(told: &mut Value) {
    match told {
        Value::Object(members) => {
            for (name, member) in members {
                let number = member.as_str().and_then(|text| text.parse::<u64>().ok());
                match number.filter(|_| name == "interval_count") {
                    Some(number) => *member = number.into(),
                    None => mend(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(mend),
        _ => {}
    }
}
