use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::Connector;
use crate::report;

/// Encrypts what goes to upstreams whose endpoint says `https`, and checks that they are who they say.
///
/// Whoever the operating system trusts is trusted; `SSL_CERT_FILE` names another file of
/// certificates, for upstreams in a private network.
pub(super) fn encrypting(inner: Connector) -> Result<HttpsConnector<Connector>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        report::failure("read the certificates to trust", error);
    }
    roots.add_parsable_certificates(found.certs);
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(inner))
}
