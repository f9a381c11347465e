//! Takes in what engines have to say.
//!
//! A message is verified over its raw bytes, then read, then taken in whole: its effect and the
//! mark that it was seen are one change. A crash before that change leaves no trace, and the engine,
//! which got no answer, sends it again; a crash after it is met by the mark. Messages that overtake
//! each other are put right by the version of the object they speak of.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::HeaderMap;

use super::operations::unable;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::engine::{CancelMode, Engine, EngineEvent, IdempotencyKey, News, VerifiedEvent};
use crate::ids::{InvoiceId, SubscriptionId, TenantId, TypedId};
use crate::intent::{Intent, Operation};
use crate::invoice::Invoice;
use crate::reference::{ObjectKind, Place, Reference};
use crate::store::{ChangeSet, Conflict, Index, RowKey, StoreExt, Stored};
use crate::subscription::{BlockReason, Subscription, SubscriptionEvent, SubscriptionState};
use crate::text::ForeignId;
use rejecting::Source;

pub use endpoint::WebhookEndpoint;
pub use rejecting::Rejected;

mod endpoint;
mod invoices;
mod rejecting;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// What the engine calls the message.
    pub event: ForeignId,
    /// Whether it was new; otherwise it had been taken in before.
    pub new: bool,
    /// News that contradicts what is settled here, for an operator to look at. A payment of what was
    /// taken back changes nothing; one of a bundle whose subscription is over is written down and buys
    /// no calls. A subscription that the engine has ended though it was to go on is over here, too.
    pub contradictions: Vec<String>,
    /// Reports that the engine has refused after it had taken them.
    pub rejected: Rejected,
}

/// By how much an engine's clock may be ahead of this one.
const CLOCKS_APART: Duration = Duration::from_secs(600);

/// What a message changes: every fact once, however often the message speaks of it.
#[derive(Default)]
struct Effect {
    invoices: BTreeMap<InvoiceId, Stored<Invoice>>,
    subscriptions: BTreeMap<SubscriptionId, Stored<Subscription>>,
    /// Those of which an invoice was given up.
    given_up: BTreeSet<SubscriptionId>,
    intents: Vec<Intent>,
    contradictions: Vec<String>,
    rejected: Rejected,
}

impl Monetizer {
    /// Takes a message in: its effect and the mark that it was taken in are one change. Answer
    /// the engine only after this.
    ///
    /// Secrets are tried one after the other, so that an old and a new one are good while they are
    /// exchanged. The tenant is found by the object's reference, never by the message's sender: that of
    /// the endpoint signs in where a message has to be read from the engine, and of another tenant's objects
    /// it is told only where both share one account.
    ///
    /// Reports that the engine has refused after it had taken them are rejected here, too, and wait for
    /// somebody to decide. Engines need not name them all: the others are found by
    /// [`reconcile`](Self::reconcile).
    ///
    /// | the message | answer to the engine |
    /// |---|---|
    /// | `Ok`, new or not | success: it need not send it again |
    /// | [`FlowError::Webhook`] | refusal: it is not the engine's, or makes no sense |
    /// | [`FlowError::Unmatched`], [`FlowError::Store`], [`FlowError::Engine`] | failure: it shall send it again |
    ///
    /// # Errors
    /// [`FlowError::Webhook`] for a message that is not the engine's; [`FlowError::Unmatched`]
    /// for one about an object that is not known here yet: then it is not taken in, and the
    /// engine has to send it again; [`FlowError::Engine`] for one that could not be read from the engine;
    /// [`FlowError::Store`].
    pub async fn take_in(
        &self,
        endpoint: WebhookEndpoint<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<TakenIn, FlowError> {
        let engine = self.engines.choose(endpoint.engine)?;
        let webhooks = engine
            .webhooks
            .as_ref()
            .ok_or_else(|| unable(engine, "send messages"))?;
        let message = webhooks.verify(body, headers, endpoint.secrets, self.now())?;
        self.take_in_message(engine, message, endpoint.tenant).await
    }

    /// Takes in what is known to be the engine's.
    pub(super) async fn take_in_message(
        &self,
        engine: &Engine,
        mut message: VerifiedEvent,
        tenant: Option<TenantId>,
    ) -> Result<TakenIn, FlowError> {
        let webhooks = engine
            .webhooks
            .as_ref()
            .ok_or_else(|| unable(engine, "send messages"))?;
        if let Some(tenant) = tenant {
            let key = IdempotencyKey::new(format!("complete:{}", message.id));
            let cx = self.context(tenant, None, key);
            message = webhooks.complete(&cx, message).await?;
        }
        let events = webhooks.interpret(&message)?;
        let source = self.source(engine, &events, tenant).await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            change.inbox = Some((engine.descriptor.id.clone(), message.id.clone()));
            let mut effect = Effect::default();
            for event in &events {
                self.take_in_event(&source, event, &mut effect, &mut change)
                    .await?;
            }
            let contradictions = std::mem::take(&mut effect.contradictions);
            let rejected = effect.rejected;
            self.settle_blocks(&mut effect, &mut change).await?;
            effect.write(&mut change)?;
            match self.apply(&change).await {
                Ok(true) => {
                    return Ok(TakenIn {
                        event: message.id,
                        new: true,
                        contradictions,
                        rejected,
                    });
                }
                Ok(false) | Err(FlowError::Conflict(Conflict::Taken { .. })) => {}
                Err(FlowError::Conflict(Conflict::Seen)) => {
                    return Ok(TakenIn {
                        event: message.id,
                        new: false,
                        contradictions: Vec::new(),
                        rejected: Rejected::default(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Err(FlowError::Contended)
    }

    async fn take_in_event(
        &self,
        source: &Source<'_>,
        event: &EngineEvent,
        effect: &mut Effect,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let place = Place {
            engine: source.engine.descriptor.id.clone(),
            account: event.account.clone(),
        };
        let known = self.whose(source, &place, (event.object, &event.external));
        let known = known.await?;
        match &event.news {
            News::ReportsRejected(reports) => {
                effect.rejected.add(reports);
                change.overturned.extend(source.overturned(event, reports));
                Ok(())
            }
            News::SubscriptionEnded => {
                let (tenant, ours) = known.ok_or_else(|| unmatched(&event.external))?;
                let id = SubscriptionId::from_uuid(ours);
                self.take_in_end(effect, change, (tenant, id)).await
            }
            News::PaymentMethodStored => {
                let (tenant, ours) = known.ok_or_else(|| unmatched(&event.external))?;
                let operation = Operation::ChargeStored {
                    customer: place.reference(tenant, event.object, ours),
                    news: event.version,
                };
                effect
                    .intents
                    .push(Intent::new(tenant, operation, self.now()));
                Ok(())
            }
            News::Invoice {
                subscription,
                invoice,
            } => {
                let news = (event, invoice);
                let (tenant, id) = match known {
                    Some((tenant, ours)) => (tenant, InvoiceId::from_uuid(ours)),
                    None => {
                        let of = (&place, subscription.as_ref());
                        self.mirrored(effect, change, (source, of), news).await?
                    }
                };
                self.take_in_invoice(effect, tenant, id, news).await
            }
        }
    }

    /// Follows a subscription that the engine has ended: nothing of it is billed there any more.
    async fn take_in_end(
        &self,
        effect: &mut Effect,
        change: &mut ChangeSet,
        (tenant, id): (TenantId, SubscriptionId),
    ) -> Result<(), FlowError> {
        let subscription = self.load_subscription(effect, tenant, id).await?;
        let end = subscription.fact.timeline.ends_at;
        match subscription.fact.state {
            SubscriptionState::AwaitingPayment => {
                subscription.fact.on(SubscriptionEvent::PaymentLapsed)?;
            }
            // Nobody here has asked for that so soon.
            SubscriptionState::Active | SubscriptionState::Ending
                if end.is_none_or(|end| end > self.now().saturating_add(CLOCKS_APART)) =>
            {
                self.end(&mut subscription.fact, CancelMode::Now, change)
                    .await?;
                let problem = format!("{id}: the engine has ended it");
                effect.contradictions.push(problem);
            }
            _ => {}
        }
        Ok(())
    }

    /// Blocks for payment while any invoice is past its grace or given up, and not otherwise; ends what
    /// a plan ends whose invoice was given up. The owner's block is another matter.
    async fn settle_blocks(
        &self,
        effect: &mut Effect,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        for (id, subscription) in &mut effect.subscriptions {
            let key = RowKey::new(Index::InvoicesOfSubscription, id);
            let stored = self
                .store
                .facts_by::<Invoice>(subscription.fact.tenant, key)
                .await?;
            let unchanged = stored
                .iter()
                .filter(|known| !effect.invoices.contains_key(&known.fact.id));
            let changed = effect
                .invoices
                .values()
                .filter(|invoice| invoice.fact.subscription == *id);
            let now = self.now();
            let unpaid = unchanged
                .chain(changed)
                .any(|invoice| invoice.fact.stops_calls(now));
            if unpaid {
                subscription.fact.blocks.insert(BlockReason::Payment);
            } else {
                subscription.fact.blocks.remove(&BlockReason::Payment);
            }
            if effect.given_up.contains(id) {
                self.end_unpaid(&mut subscription.fact, change).await?;
            }
        }
        Ok(())
    }

    async fn load_subscription<'a>(
        &self,
        effect: &'a mut Effect,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<&'a mut Stored<Subscription>, FlowError> {
        match effect.subscriptions.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.must(tenant, id).await?)),
        }
    }

    /// Whose an object at an engine is: several tenants may share one account there, but of the objects of
    /// another account a message tells nothing.
    async fn whose(
        &self,
        source: &Source<'_>,
        place: &Place,
        (object, external): (ObjectKind, &ForeignId),
    ) -> Result<Option<(TenantId, uuid::Uuid)>, FlowError> {
        let row = self
            .store
            .find_by(&RowKey::external(place, object, external))
            .await?;
        let reference = row.as_ref().map(Stored::<Reference>::read).transpose()?;
        match reference.map(|stored| (stored.fact.tenant, stored.fact.ours)) {
            Some(known) if self.may_tell_of(source, known.0).await? => Ok(Some(known)),
            Some(_) | None => Ok(None),
        }
    }
}

impl Effect {
    fn write(self, change: &mut ChangeSet) -> Result<(), FlowError> {
        for stored in self.invoices.into_values() {
            change.writes.push(stored.write()?);
        }
        for stored in self.subscriptions.into_values() {
            change.writes.push(stored.write()?);
        }
        change.intents.extend(self.intents);
        Ok(())
    }
}

fn unmatched(external: &ForeignId) -> FlowError {
    FlowError::Unmatched {
        external: external.to_string(),
    }
}
