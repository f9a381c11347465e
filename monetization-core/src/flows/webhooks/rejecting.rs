//! Where messages come from, and reports that an engine refuses after it had taken them.

use crate::engine::{Engine, EngineEvent, IdempotencyKey, News, RejectedReports, WebhookError};
use crate::flows::{FlowError, Monetizer};
use crate::ids::TenantId;
use crate::reference::{Place, Realm};
use crate::store::{Overturn, Overturned};

/// How many reports a message has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejected {
    /// In all.
    pub count: u64,
    /// Those that the message names: their batches are rejected, unless somebody has decided about them.
    /// The others are where the engine has counted less than it has confirmed, which
    /// [`reconcile`](Monetizer::reconcile) tells.
    pub named: u64,
}

/// Where a message comes from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) engine: &'a Engine,
    /// Who has the endpoint, where somebody has.
    tenant: Option<TenantId>,
    /// What the credentials of the endpoint open, where that is needed.
    realm: Option<Realm>,
}

impl Monetizer {
    /// Where a message with these news comes from. The engine is asked for the realm of news about reports
    /// alone: they are found by ids of ours, which somebody could have sent to an account of their own. So
    /// such news make no sense where nobody's credentials say which account that is.
    pub(super) async fn source<'a>(
        &self,
        engine: &'a Engine,
        events: &[EngineEvent],
        tenant: Option<TenantId>,
    ) -> Result<Source<'a>, FlowError> {
        let is_of_reports = |event: &EngineEvent| matches!(event.news, News::ReportsRejected(_));
        let mut realm = None;
        if events.iter().any(is_of_reports) {
            realm = match tenant {
                Some(tenant) => self.realm_of(engine, tenant).await?,
                None => None,
            };
            if realm.is_none() {
                let problem = "it tells of reports, and the endpoint is no tenant's".to_owned();
                return Err(WebhookError::Malformed { problem }.into());
            }
        }
        Ok(Source {
            engine,
            tenant,
            realm,
        })
    }

    /// Whether a message may tell of a tenant's objects: at an endpoint of another tenant only if the
    /// credentials of both open the same account.
    pub(super) async fn may_tell_of(
        &self,
        source: &Source<'_>,
        tenant: TenantId,
    ) -> Result<bool, FlowError> {
        let Some(teller) = source.tenant.filter(|teller| *teller != tenant) else {
            return Ok(true);
        };
        let credentials = &self.settings.credentials;
        if credentials.of(teller) == credentials.of(tenant) {
            return Ok(true);
        }
        let theirs = self.realm_of(source.engine, teller).await?;
        Ok(theirs.is_some() && theirs == self.realm_of(source.engine, tenant).await?)
    }

    /// What a tenant's credentials open, where the engine can say that.
    async fn realm_of(
        &self,
        engine: &Engine,
        tenant: TenantId,
    ) -> Result<Option<Realm>, FlowError> {
        let Some(reporting) = &engine.usage else {
            return Ok(None);
        };
        let key = IdempotencyKey::new(format!("realm:{tenant}"));
        let cx = self.context(tenant, None, key);
        Ok(Some(reporting.realm(&cx).await?))
    }
}

impl Source<'_> {
    /// The batches that are named, as they shall be. The realm's own account is the tenant's own.
    pub(super) fn overturned(
        &self,
        event: &EngineEvent,
        reports: &RejectedReports,
    ) -> Vec<Overturned> {
        let Some(realm) = &self.realm else {
            return Vec::new();
        };
        let account = event
            .account
            .as_ref()
            .filter(|account| **account != realm.account);
        let place = Place {
            engine: self.engine.descriptor.id.clone(),
            account: account.cloned(),
        };
        let named = reports.named.iter().map(|report| Overturned {
            batch: report.batch,
            place: place.clone(),
            realm: realm.clone(),
            overturn: Overturn::Rejected {
                reason: report.reason.clone(),
            },
            sent_by: event.occurred_at,
        });
        named.collect()
    }
}

impl Rejected {
    pub(super) fn add(&mut self, reports: &RejectedReports) {
        let named = u64::try_from(reports.named.len()).unwrap_or(u64::MAX);
        self.count = self.count.saturating_add(reports.count.max(named));
        self.named = self.named.saturating_add(named);
    }
}
