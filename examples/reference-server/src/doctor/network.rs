//! The addresses: free for a server to come, or answering as the one that is there.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use monetization_core::engine::none;
use monetization_core::text::Slug;

use super::Diagnosis;
use crate::server::reachable;
use crate::settings::Settings;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 1 << 16;

/// Where a server listens, or will.
pub(super) struct Addresses<'a> {
    settings: &'a Settings,
    is_running: bool,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl<'a> Addresses<'a> {
    pub(super) fn new(settings: &'a Settings, is_running: bool) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            settings,
            is_running,
            client,
        }
    }

    pub(super) async fn look(&self, diagnosis: &mut Diagnosis) {
        let gateway = ("gateway", self.settings.gateway_address);
        let control = ("control", self.settings.control_address);
        if !self.is_running {
            for (subject, address) in [gateway, control] {
                look_at_free(subject, address, diagnosis);
            }
            return;
        }
        for (subject, address) in [gateway, control] {
            if address.port() == 0 {
                let found = "a server is running, and where it listens is not known: say it";
                diagnosis.warn(subject, found);
            }
        }
        if gateway.1.port() != 0 {
            self.look_at_gateway(gateway.1, diagnosis).await;
        }
        if control.1.port() != 0 && self.look_at_control(control.1, diagnosis).await {
            self.look_at_webhook(control.1, diagnosis).await;
        }
    }

    /// Without a key nobody is let in, and that is said as a gateway says it.
    async fn look_at_gateway(&self, address: SocketAddr, diagnosis: &mut Diagnosis) {
        match self.ask(Method::GET, address, "/").await {
            Some((status, _)) if status.is_client_error() => {
                diagnosis.ok("gateway", format!("{address} answers"));
            }
            Some((status, _)) => diagnosis.problem(
                "gateway",
                format!("{address} answers {status} to a call of nobody"),
                ELSEWHERE,
            ),
            None => silent("gateway", address, diagnosis),
        }
    }

    async fn look_at_control(&self, address: SocketAddr, diagnosis: &mut Diagnosis) -> bool {
        match self.ask(Method::GET, address, "/livez").await {
            Some((StatusCode::OK, body)) if body == "alive\n" => {}
            Some((status, _)) => {
                let found = format!("{address} answers {status} to /livez, as no server of ours");
                diagnosis.problem("control", found, ELSEWHERE);
                return false;
            }
            None => {
                silent("control", address, diagnosis);
                return false;
            }
        }
        match self.ask(Method::GET, address, "/readyz").await {
            Some((StatusCode::OK, _)) => diagnosis.ok("control", format!("{address} is ready")),
            Some((status, body)) => diagnosis.problem(
                "control",
                format!("{address} is not ready, {status}: {}", body.trim()),
                "see which of the checks is not as it should be, and what the server says of it",
            ),
            None => silent("control", address, diagnosis),
        }
        true
    }

    /// A message that nobody has signed must be refused, and by nobody before the server.
    async fn look_at_webhook(&self, address: SocketAddr, diagnosis: &mut Diagnosis) {
        let engine: &Slug = &self.settings.engine;
        if *engine == none().descriptor.id {
            return diagnosis.ok("webhooks", format!("{engine} sends no messages"));
        }
        let path = format!("/webhooks/{engine}");
        match self.ask(Method::POST, address, &path).await {
            Some((_, body)) if body.contains("\"message_refused\"") => {
                let found = format!("{address}{path} is reached, and refuses what is not signed");
                diagnosis.ok("webhooks", found);
            }
            Some((status, _)) => diagnosis.problem(
                "webhooks",
                format!("{address}{path} answers {status} to a message that is not signed"),
                "start the server with the engine of these settings",
            ),
            None => silent("webhooks", address, diagnosis),
        }
    }

    /// The status and the body of an answer, if there is one in time.
    async fn ask(
        &self,
        method: Method,
        address: SocketAddr,
        path: &str,
    ) -> Option<(StatusCode, String)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", reachable(address)))
            .body(Full::default())
            .ok()?;
        let answer = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let bytes = body.collect().await.ok()?.to_bytes();
            Some((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()?
    }
}

const ELSEWHERE: &str =
    "another program listens there: give the addresses that the running server was given";

fn silent(subject: &'static str, address: SocketAddr, diagnosis: &mut Diagnosis) {
    let found = format!("a server is running, and {address} does not answer");
    let mend = "give the addresses that the running server was given; if they are these, see what \
        it says and whether it is overloaded";
    diagnosis.problem(subject, found, mend);
}

fn look_at_free(subject: &'static str, address: SocketAddr, diagnosis: &mut Diagnosis) {
    match TcpListener::bind(address) {
        Ok(_) if address.port() == 0 => diagnosis.ok(subject, "any port that is free"),
        Ok(_) => diagnosis.ok(subject, format!("{address} is free")),
        Err(error) => {
            let found = format!("{address} cannot be listened on: {error}");
            let mend = format!("stop what listens there, or choose another --{subject}-address");
            diagnosis.problem(subject, found, mend);
        }
    }
}
