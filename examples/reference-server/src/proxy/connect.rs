use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

/// Where upstreams may be.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// Whether they may be on this machine or in a private network.
    pub(crate) private: bool,
    /// Where this server listens itself: a product is never served by its own gateway or its
    /// control plane.
    pub(crate) own: Vec<SocketAddr>,
    /// For how long a connection may take.
    pub(crate) within: Duration,
}

/// Connects to upstreams. Every address is looked at where it is connected to, after the name was
/// resolved, so that a name cannot lead elsewhere once it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Arc<Reach>);

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Neither HTTP nor HTTPS.
    #[error("upstreams are reached over http and https only")]
    Scheme,
    /// The endpoint names no host.
    #[error("the endpoint names no host")]
    Host,
    /// The name could not be resolved.
    #[error("the upstream's name cannot be resolved")]
    Resolve(#[source] io::Error),
    /// Every address of the upstream is private, or this server's own.
    #[error(
        "the upstream is on this machine or in a private network, which --allow-private-upstreams would allow, or is this server itself"
    )]
    Forbidden,
    /// The upstream does not take connections.
    #[error("the upstream takes no connection")]
    Refused(#[source] io::Error),
    /// The connection took too long.
    #[error("no connection within the time allowed")]
    Slow,
}

impl Connector {
    pub(super) fn new(reach: Reach) -> Self {
        Self(Arc::new(reach))
    }

    async fn connect(self, target: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let port = match target.scheme_str() {
            Some("http") => 80,
            // The connection is made here, and encrypted by whoever asks for it.
            Some("https") => 443,
            _ => return Err(ConnectError::Scheme),
        };
        let host = target.host().ok_or(ConnectError::Host)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = target.port_u16().unwrap_or(port);
        let resolved = tokio::net::lookup_host((host, port)).await;
        let mut refused = ConnectError::Forbidden;
        for address in resolved.map_err(ConnectError::Resolve)? {
            if !self.0.allows(address) {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    drop(stream.set_nodelay(true));
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => refused = ConnectError::Refused(error),
            }
        }
        Err(refused)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let within = self.0.within;
        let connecting = self.clone().connect(target);
        Box::pin(async move {
            tokio::time::timeout(within, connecting)
                .await
                .unwrap_or(Err(ConnectError::Slow))
        })
    }
}

impl Reach {
    fn allows(&self, address: SocketAddr) -> bool {
        let is_own = |own: &SocketAddr| {
            let here = own.ip() == address.ip() || own.ip().is_unspecified();
            let local = !is_public(address.ip());
            own.port() == address.port() && (here || local)
        };
        (self.private || is_public(address.ip())) && !self.own.iter().any(is_own)
    }
}

/// Whether an address is one of the open network. What is not known to be is not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || first == 0
        || first >= 240
        // Shared by carriers for their customers.
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        // For measuring network equipment.
        || (first == 198 && (second == 18 || second == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [first, second, ..] = address.segments();
    // Everything that is routed lies in 2000::/3; of that 6to4, Teredo and examples do not count.
    (0x2000..0x4000).contains(&first)
        && first != 0x2002
        && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(private: bool) -> Reach {
        Reach {
            private,
            own: vec!["127.0.0.1:8081".parse().unwrap()],
            within: Duration::from_secs(1),
        }
    }

    #[test]
    fn only_the_open_network_is_public() {
        let private = [
            "127.0.0.1",
            "127.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
            let address = SocketAddr::new(address.parse().unwrap(), 80);
            assert!(!reach(false).allows(address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn the_servers_own_ports_are_never_reached() {
        for own in [
            "127.0.0.1:8081",
            "127.0.0.2:8081",
            "[::1]:8081",
            "0.0.0.0:8081",
        ] {
            assert!(!reach(true).allows(own.parse().unwrap()), "{own}");
        }
        assert!(reach(true).allows("127.0.0.1:9000".parse().unwrap()));
    }

    /// A name is looked at where it leads to, however the address is written.
    #[tokio::test]
    async fn every_spelling_of_a_private_address_is_refused_x6() {
        let forms = [
            "http://127.0.0.1:9/",
            "http://localhost:9/",
            "http://[::1]:9/",
            "http://127.1:9/",
            "http://[::ffff:127.0.0.1]:9/",
            "http://0.0.0.0:9/",
            "http://2130706433:9/",
            "http://0x7f.1:9/",
            "http://0177.0.0.1:9/",
            "http://localhost.:9/",
            "https://127.0.0.1:9/",
        ];
        for form in forms {
            let connector = Connector::new(reach(false));
            let refused = connector.connect(form.parse().unwrap()).await.unwrap_err();
            let expected = matches!(refused, ConnectError::Forbidden | ConnectError::Resolve(_));
            assert!(expected, "{form}: {refused:?}");
        }
        let ftp = Connector::new(reach(true)).connect("ftp://127.0.0.1/".parse().unwrap());
        assert!(matches!(ftp.await, Err(ConnectError::Scheme)));
    }
}
