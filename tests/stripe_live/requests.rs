//! What no engine has a use for: test clocks, and customers on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use monetization_conformance::stripe::API_VERSION;
use monetization_core::secret::Secret;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// Requests to Stripe by hand.
pub(crate) struct Requests {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base_url: String,
    key: Secret,
    made: AtomicU32,
}

impl Requests {
    pub(crate) fn to(base_url: &str, key: &Secret) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base_url: base_url.to_owned(),
            key: key.clone(),
            made: AtomicU32::new(0),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Value {
        self.ask("POST", path, form).await
    }

    async fn ask(&self, method: &str, path: &str, form: &str) -> Value {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header("authorization", format!("Bearer {}", self.key.reveal()))
            .header("stripe-version", API_VERSION);
        let request = if method == "GET" {
            request
        } else {
            // A form of its own each time: no other run has had it.
            request
                .header("idempotency-key", format!("{path}:{form}:{number}"))
                .header("content-type", "application/x-www-form-urlencoded")
        };
        let request = request
            .body(Full::new(Bytes::from(form.to_owned())))
            .unwrap();
        let answer = self.client.request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(
            status.is_success(),
            "{path}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).unwrap()
    }
}
