use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::ids::TenantId;
use crate::secret::Secret;

/// What tenants sign in to their engine with. Clones share one set.
///
/// It may be exchanged while operations are under way: a call that has begun ends with what it
/// began with, and the next one, of whatever operation, signs in with the new.
///
/// ```
/// use monetization_core::flows::{Credentials, Settings};
/// use monetization_core::ids::{TenantId, TypedId};
/// use monetization_core::secret::Secret;
///
/// let credentials = Credentials::default();
/// let settings = Settings { credentials: credentials.clone(), ..Settings::default() };
/// // Later, and at any time:
/// let tenant = TenantId::derived(&[b"t"]);
/// credentials.exchange(tenant, Some(Secret::new("sk_test_2")));
/// # drop(settings);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Credentials(Arc<RwLock<BTreeMap<TenantId, Secret>>>);

impl Credentials {
    /// From now on the tenant signs in with these, or with none.
    pub fn exchange(&self, tenant: TenantId, credentials: Option<Secret>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match credentials {
            Some(credentials) => all.insert(tenant, credentials),
            None => all.remove(&tenant),
        };
    }

    pub(super) fn of(&self, tenant: TenantId) -> Option<Secret> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&tenant).cloned()
    }
}
