//! API keys.
//!
//! A key's secret is told in the answer that makes it and is nowhere else: where that answer is
//! lost the key is of no use to anybody, and another one is made. Gateways learn of keys and of
//! their end by the change sequence, within the time that their options say.

use std::time::Duration;

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::ids::{ApiKeyId, SubscriptionId, TenantId};
use crate::key::{ApiKey, KeyKind, PresentedKey};
use crate::product::IllegalMove;
use crate::secret::Secret;
use crate::store::Write;
use crate::subscription::{Subscription, SubscriptionState};

impl Monetizer {
    /// Makes another key for a subscription. Its secret is in the answer and nowhere else.
    ///
    /// One change: the key. There is no limit to the keys of a subscription, and all share its limits.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Illegal`] while approval is pending and once the
    /// subscription is over, [`FlowError::Store`].
    pub async fn issue_key(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
    ) -> Result<(ApiKey, Secret), FlowError> {
        let subscription = self.must::<Subscription>(tenant, subscription).await?.fact;
        let usable = matches!(
            subscription.state,
            SubscriptionState::AwaitingPayment
                | SubscriptionState::Active
                | SubscriptionState::Ending
        );
        if !usable {
            return Err(IllegalMove::new(subscription.state, "IssueKey").into());
        }
        let (key, secret) = self.new_key(&subscription);
        self.insert(&key).await?;
        Ok((key, secret))
    }

    /// Makes a key that opens what another one opens, and lets that one go after `overlap`.
    ///
    /// One change: the new key, and the instant from which on the old one is refused. A crash before it
    /// leaves the old key as it was; after it both are written, and the new secret may be lost: then
    /// rotate the new key in turn.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Illegal`] where the key is no longer good,
    /// [`FlowError::Store`].
    pub async fn rotate_key(
        &self,
        tenant: TenantId,
        key: ApiKeyId,
        overlap: Duration,
    ) -> Result<(ApiKey, Secret), FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<ApiKey>(tenant, key).await?;
            let now = self.now();
            if stored.fact.revoked_at.is_some() {
                return Err(IllegalMove::new("Revoked", "Rotate").into());
            }
            stored.fact.revoked_at = Some(now.saturating_add(overlap));
            let presented =
                PresentedKey::generate(KeyKind::Live, self.id::<ApiKeyId>(), &self.entropy);
            let next = ApiKey {
                id: presented.id(),
                digest: presented.digest(&self.pepper),
                hint: presented.hint(),
                created_at: now,
                revoked_at: None,
                ..stored.fact.clone()
            };
            let mut change = self.change();
            change.writes.push(Write::insert(&next)?);
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok((next, presented.reveal()));
            }
        }
        Err(FlowError::Contended)
    }

    /// Lets a key go at once. Letting it go again changes nothing.
    ///
    /// One change. A key that was to be let go later is let go now.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn revoke_key(&self, tenant: TenantId, key: ApiKeyId) -> Result<ApiKey, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<ApiKey>(tenant, key).await?;
            let now = self.now();
            if stored.fact.revoked_at.is_some_and(|at| at <= now) {
                return Ok(stored.fact);
            }
            stored.fact.revoked_at = Some(now);
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    pub(super) fn new_key(&self, subscription: &Subscription) -> (ApiKey, Secret) {
        let presented = PresentedKey::generate(KeyKind::Live, self.id::<ApiKeyId>(), &self.entropy);
        let key = ApiKey {
            id: presented.id(),
            tenant: subscription.tenant,
            consumer: subscription.consumer,
            subscriptions: vec![subscription.id],
            digest: presented.digest(&self.pepper),
            hint: presented.hint(),
            created_at: self.now(),
            revoked_at: None,
        };
        (key, presented.reveal())
    }
}
