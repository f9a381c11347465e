//! Names: of holders, of nodes, of what keeps installations apart.

use std::fmt;

use sha2::{Digest, Sha256};

/// What keeps installations on one server apart: everything that is stored for them has it in its name, hashed.
///
/// ```
/// use monetization_rate_limiter_redis::Namespace;
///
/// assert_ne!(Namespace::new("shop, staging"), Namespace::new("shop, live"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Namespace([u8; HASH_BYTES]);

impl Namespace {
    /// The namespace of this name, of any length.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(hash([b"namespace", name.as_bytes()]))
    }

    /// The key under which the nodes of this namespace announce themselves.
    pub(crate) fn nodes_key(&self) -> String {
        format!("{PREFIX}{{{}}}:nodes", Hex(&self.0))
    }
}

/// Whose units are counted, as a key on the server: always of one size, whatever the id is, and without a character of it.
///
/// The hash stands in braces, so that all that is kept of one holder is in one slot of a cluster.
///
/// **Only for ids that were authenticated.** Each holder costs the server memory until its longest window is over. A
/// name that anybody can make up, such as a key that was not yet looked up, lets anybody fill that memory.
///
/// ```
/// use monetization_rate_limiter_redis::{HolderKey, Namespace};
///
/// let shop = Namespace::new("shop");
/// let key = HolderKey::new(shop, b"subscription 7");
/// assert_eq!(key.as_str().len(), 41);
/// assert_eq!(key, HolderKey::new(shop, b"subscription 7"));
/// assert_ne!(key, HolderKey::new(shop, b"subscription 8"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HolderKey(Box<str>);

impl HolderKey {
    /// The key of an id that was authenticated.
    #[must_use]
    pub fn new(namespace: Namespace, id: &[u8]) -> Self {
        let hash = hash([&namespace.0[..], id]);
        Self(format!("{PREFIX}{{{}}}", Hex(&hash)).into_boxed_str())
    }

    /// The key as it is on the server.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HolderKey").field(&self.0).finish()
    }
}

/// One process among those that share limits, as it announces itself on the server. Two that are alive at once have different ones; a process that starts
/// anew may take another or its old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The node with this number, such as the bytes of a UUID.
    #[must_use]
    pub const fn new(number: [u8; 16]) -> Self {
        Self(number)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Changes whenever what is stored under a key changes its form, so that releases do not misread each other.
const PREFIX: &str = "rates1:";
const HASH_BYTES: usize = 16;

fn hash(parts: [&[u8]; 2]) -> [u8; HASH_BYTES] {
    let mut hasher = Sha256::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(part);
    }
    first_bytes(&hasher.finalize())
}

/// The first bytes of a longer hash.
pub(crate) fn first_bytes<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut first = [0; N];
    for (to, from) in first.iter_mut().zip(hash) {
        *to = *from;
    }
    first
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_one_size_and_show_nothing_of_the_id_r_q7() {
        let shop = Namespace::new("shop");
        for id in ["", "a", "mallory@example.com", &"x".repeat(100_000)] {
            let key = HolderKey::new(shop, id.as_bytes());
            assert_eq!(key.as_str().len(), 41, "{id}");
            assert!(id.is_empty() || id == "a" || !key.as_str().contains(id));
            assert!(key.as_str().starts_with("rates1:{") && key.as_str().ends_with('}'));
        }
    }

    #[test]
    fn neither_namespace_nor_id_can_pass_for_the_other() {
        let (ab, a) = (Namespace::new("ab"), Namespace::new("a"));
        assert_ne!(HolderKey::new(ab, b"c"), HolderKey::new(a, b"bc"));
        assert_ne!(ab.nodes_key(), a.nodes_key());
    }
}
