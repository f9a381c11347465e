//! Servers behind TLS.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An upstream of this name on some port; answers the port, and the CA's certificate as PEM.
pub(super) async fn upstream(name: &str) -> (u16, String) {
    listen(name, |stream| async {
        let answer = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        drop(serving.await);
    })
    .await
}

/// What is said to this name on some port is said to that server; answers the port, and the CA's certificate as PEM.
#[cfg(feature = "redis")]
pub(super) async fn front(name: &str, server: String) -> (u16, String) {
    listen(name, move |mut stream| {
        let server = server.clone();
        async move {
            let mut behind = TcpStream::connect(&server).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut stream, &mut behind).await);
        }
    })
    .await
}

async fn listen<F>(
    name: &str,
    serve: impl Fn(TlsStream<TcpStream>) -> F + Send + 'static,
) -> (u16, String)
where
    F: Future<Output = ()> + Send + 'static,
{
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let own = own.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], secret)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            // Whoever does not trust the certificate breaks off here.
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            drop(tokio::spawn(serve(stream)));
        }
    }));
    (port, pem)
}
