//! The HTTP that the demos speak: as a client of the gateway, and of the control plane.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use monetization_core::secret::Secret;
use serde_json::Value;

use super::DemoError;
use super::upstream::MARK;

/// A client with pooled connections.
#[derive(Debug, Clone)]
pub(super) struct Http(Client<HttpConnector, Full<Bytes>>);

/// An answer that was received to its end.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body; nothing of an upstream's, which is only counted.
    pub(super) body: Bytes,
    /// Bytes of the whole body.
    pub(super) length: u64,
}

impl Http {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, DemoError> {
        let response = self.0.request(request).await?;
        let (parts, mut body) = response.into_parts();
        let mut kept = Vec::new();
        let mut length = 0_u64;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                length = length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                if !parts.headers.contains_key(MARK) {
                    kept.extend_from_slice(&data);
                }
            }
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: kept.into(),
            length,
        })
    }

    /// A call through the gateway, with a key.
    pub(super) async fn call(&self, url: &str, key: &Secret) -> Result<Answer, DemoError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::try_from(url).map_err(http::Error::from)?;
        request.headers_mut().insert("x-api-key", header(key)?);
        self.send(request).await
    }
}

/// The control plane, under one token.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Http,
    base: String,
    token: Secret,
}

impl Api {
    /// The control plane at this address.
    pub(super) fn new(http: &Http, base: &str, token: &Secret) -> Self {
        Self {
            http: http.clone(),
            base: base.to_owned(),
            token: token.clone(),
        }
    }

    /// The same control plane under another token.
    pub(super) fn with_token(&self, token: &Secret) -> Self {
        Self::new(&self.http, &self.base, token)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, DemoError> {
        self.good(Method::GET, path, &Value::Null).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        self.good(Method::POST, path, body).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        self.good(Method::PATCH, path, body).await
    }

    /// Every thing of a list, page by page.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Value>, DemoError> {
        let mut items = Vec::new();
        let mut next = format!("{path}?limit=100");
        loop {
            let mut page = self.get(&next).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}?limit=100&cursor={cursor}"),
                None => return Ok(items),
            }
        }
    }

    /// The answer, whatever it is.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, DemoError> {
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = method;
        *request.uri_mut() =
            Uri::try_from(format!("{}{path}", self.base)).map_err(http::Error::from)?;
        let mut bearer = header(&Secret::new(format!("Bearer {}", self.token.reveal())))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if !body.is_null() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        self.http.send(request).await
    }

    async fn good(&self, method: Method, path: &str, body: &Value) -> Result<Value, DemoError> {
        let answer = self.ask(method, path, body).await?;
        if !answer.status.is_success() {
            return Err(DemoError::Unexpected {
                request: path.to_owned(),
                status: answer.status,
                body: String::from_utf8_lossy(&answer.body).into_owned(),
            });
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

fn header(secret: &Secret) -> Result<HeaderValue, DemoError> {
    Ok(HeaderValue::from_str(secret.reveal()).map_err(http::Error::from)?)
}
