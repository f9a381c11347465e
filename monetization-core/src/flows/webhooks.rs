//! Takes in what engines have to say.
//!
//! A message is verified over its raw bytes, then read, then taken in whole: its effect and the
//! mark that it was seen are one change. A crash before that change leaves no trace, and the engine,
//! which got no answer, sends it again; a crash after it is met by the mark. Messages that overtake
//! each other are put right by the version of the object they speak of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::HeaderMap;

use super::operations::unable;
use super::references::thing;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::access::{Closed, access};
use crate::engine::{CancelMode, EngineEvent, EngineInvoice, News};
use crate::ids::{InvoiceId, SubscriptionId, TenantId, TypedId};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Invoicing, Line, LineItem, Occasion};
use crate::product::ProductState;
use crate::reference::{ObjectKind, Place, Reference};
use crate::secret::Secret;
use crate::store::{ChangeSet, Conflict, Index, RowKey, StoreExt, Stored, Write};
use crate::subscription::{BlockReason, Subscription, SubscriptionEvent, SubscriptionState};
use crate::text::{ForeignId, Slug};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// What the engine calls the message.
    pub event: ForeignId,
    /// Whether it was new; otherwise it had been taken in before.
    pub new: bool,
    /// News that contradicts what is settled here, for an operator to look at. A payment of what was
    /// taken back changes nothing; one of a bundle whose subscription is over is written down and buys
    /// no calls.
    pub contradictions: Vec<String>,
}

/// What a message changes: every fact once, however often the message speaks of it.
#[derive(Default)]
struct Effect {
    invoices: BTreeMap<InvoiceId, Stored<Invoice>>,
    subscriptions: BTreeMap<SubscriptionId, Stored<Subscription>>,
    contradictions: Vec<String>,
}

/// An invoice that has not been stored has this version.
const UNSTORED: u64 = 0;

impl Monetizer {
    /// Takes a message in: its effect and the mark that it was taken in are one change. Answer
    /// the engine only after this.
    ///
    /// Secrets are tried one after the other, so that an old and a new one are good while they are
    /// exchanged. The tenant is found by the object's reference, never by the message's sender.
    ///
    /// | the message | answer to the engine |
    /// |---|---|
    /// | `Ok`, new or not | success: it need not send it again |
    /// | [`FlowError::Webhook`] | refusal: it is not the engine's, or makes no sense |
    /// | [`FlowError::Unmatched`], [`FlowError::Store`] | failure: it shall send it again |
    ///
    /// # Errors
    /// [`FlowError::Webhook`] for a message that is not the engine's; [`FlowError::Unmatched`]
    /// for one about an object that is not known here yet: then it is not taken in, and the
    /// engine has to send it again; [`FlowError::Store`].
    pub async fn take_in(
        &self,
        engine: &Slug,
        secrets: &[Secret],
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<TakenIn, FlowError> {
        let engine = self.engines.choose(engine)?;
        let webhooks = engine
            .webhooks
            .as_ref()
            .ok_or_else(|| unable(engine, "send messages"))?;
        let message = webhooks.verify(body, headers, secrets, self.now())?;
        let events = webhooks.interpret(&message)?;
        let id = engine.descriptor.id.clone();
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            change.inbox = Some((id.clone(), message.id.clone()));
            let mut effect = Effect::default();
            for event in &events {
                self.take_in_event(&id, event, &mut effect, &mut change)
                    .await?;
            }
            let contradictions = std::mem::take(&mut effect.contradictions);
            self.settle_blocks(&mut effect).await?;
            effect.write(&mut change)?;
            match self.apply(&change).await {
                Ok(true) => {
                    return Ok(TakenIn {
                        event: message.id,
                        new: true,
                        contradictions,
                    });
                }
                Ok(false) | Err(FlowError::Conflict(Conflict::Taken { .. })) => {}
                Err(FlowError::Conflict(Conflict::Seen)) => {
                    return Ok(TakenIn {
                        event: message.id,
                        new: false,
                        contradictions: Vec::new(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Err(FlowError::Contended)
    }

    async fn take_in_event(
        &self,
        engine: &Slug,
        event: &EngineEvent,
        effect: &mut Effect,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let place = Place {
            engine: engine.clone(),
            account: event.account.clone(),
        };
        let known = self.whose(&place, event.object, &event.external).await?;
        match &event.news {
            News::SubscriptionEnded => {
                let (tenant, ours) = known.ok_or_else(|| unmatched(&event.external))?;
                let subscription = self
                    .load_subscription(effect, tenant, SubscriptionId::from_uuid(ours))
                    .await?;
                match subscription.fact.state {
                    SubscriptionState::AwaitingPayment => {
                        subscription.fact.on(SubscriptionEvent::PaymentLapsed)?;
                    }
                    // Nobody here has asked for that, and nothing is billed there any more.
                    SubscriptionState::Active => {
                        self.end(&mut subscription.fact, CancelMode::Now, change)
                            .await?;
                        let problem = format!("{}: the engine has ended it", subscription.fact.id);
                        effect.contradictions.push(problem);
                    }
                    _ => {}
                }
                Ok(())
            }
            News::Invoice {
                subscription,
                invoice,
            } => {
                let (tenant, id) = match known {
                    Some((tenant, ours)) => (tenant, InvoiceId::from_uuid(ours)),
                    None => {
                        let of = subscription
                            .as_ref()
                            .ok_or_else(|| unmatched(&event.external))?;
                        let (tenant, ours) = self
                            .whose(&place, ObjectKind::Subscription, of)
                            .await?
                            .ok_or_else(|| unmatched(&event.external))?;
                        let id = self
                            .mirror(
                                effect,
                                tenant,
                                SubscriptionId::from_uuid(ours),
                                (event, invoice),
                            )
                            .await?;
                        self.refer(
                            change,
                            &place,
                            thing(tenant, ObjectKind::Invoice, id),
                            &event.external,
                        )
                        .await?;
                        (tenant, id)
                    }
                };
                self.take_in_invoice(effect, tenant, id, (event, invoice))
                    .await
            }
        }
    }

    /// Follows an invoice to how it stands at the engine. News that is older than what is known
    /// changes nothing.
    async fn take_in_invoice(
        &self,
        effect: &mut Effect,
        tenant: TenantId,
        id: InvoiceId,
        (event, news): (&EngineEvent, &EngineInvoice),
    ) -> Result<(), FlowError> {
        let stored = match effect.invoices.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.must(tenant, id).await?),
        };
        let invoice = &mut stored.fact;
        if event.version <= invoice.engine_version {
            return Ok(());
        }
        let moves = invoice_event(news.state)
            .map(|happened| invoice.state.on(happened))
            .transpose();
        let state = match moves {
            Ok(state) => state.unwrap_or(invoice.state),
            Err(illegal) => {
                effect
                    .contradictions
                    .push(format!("invoice {id}: {illegal}"));
                return Ok(());
            }
        };
        let is_newly_paid = state == InvoiceState::Paid && invoice.state != InvoiceState::Paid;
        if is_newly_paid {
            invoice.paid_at = Some(event.occurred_at);
        }
        let falls_due = state == InvoiceState::PastDue && invoice.state != state;
        invoice.state = state;
        invoice.engine_version = event.version;
        if news.payment_url.is_some() {
            invoice.payment_url.clone_from(&news.payment_url);
        }
        if invoice.invoicing == Invoicing::ByEngine {
            invoice.lines = mirrored_lines(news);
            invoice.total = news.total;
            invoice.due_at = news.due_at;
        }
        if falls_due {
            self.begin_grace(invoice).await?;
        }
        if matches!(state, InvoiceState::Paid | InvoiceState::Void) {
            (invoice.payment_url, invoice.grace_ends_at) = (None, None);
        }
        let invoice = invoice.clone();
        let start = invoice.occasion == Occasion::Start;
        let subscription = &mut self
            .load_subscription(effect, tenant, invoice.subscription)
            .await?
            .fact;
        let is_over = access(subscription, ProductState::Active, self.now()) == Err(Closed::Ended);
        if is_newly_paid && !is_over {
            subscription.add_prepaid(&invoice);
        }
        if start
            && state == InvoiceState::Paid
            && subscription.state == SubscriptionState::AwaitingPayment
        {
            subscription.on(SubscriptionEvent::FirstPaid)?;
        }
        if is_newly_paid && is_over && invoice.occasion == Occasion::Bundle {
            let of = invoice.subscription;
            let problem = format!("invoice {id}: it was paid, and {of} is over");
            effect.contradictions.push(problem);
        }
        Ok(())
    }

    /// An invoice that the engine has made, as a fact of ours.
    async fn mirror(
        &self,
        effect: &mut Effect,
        tenant: TenantId,
        subscription: SubscriptionId,
        (event, news): (&EngineEvent, &EngineInvoice),
    ) -> Result<InvoiceId, FlowError> {
        let of = &self
            .load_subscription(effect, tenant, subscription)
            .await?
            .fact;
        let id = InvoiceId::derived(&[
            subscription.uuid().as_bytes(),
            event.external.as_str().as_bytes(),
        ]);
        let occasion = match news.period {
            None => Occasion::Start,
            Some(period) => {
                let index = of
                    .timeline
                    .schedule
                    .index_at(period.start)
                    .unwrap_or(u32::MAX);
                Occasion::Period { index, period }
            }
        };
        let invoice = Invoice {
            id,
            tenant,
            consumer: of.consumer,
            subscription,
            product: of.product,
            invoicing: Invoicing::ByEngine,
            occasion,
            lines: mirrored_lines(news),
            currency: news.total.currency(),
            total: news.total,
            state: InvoiceState::Draft,
            payment_url: news.payment_url.clone(),
            issued_at: news.issued_at,
            due_at: news.due_at,
            grace_ends_at: None,
            paid_at: None,
            engine_version: 0,
        };
        effect.invoices.entry(id).or_insert(Stored {
            fact: invoice,
            version: UNSTORED,
        });
        Ok(id)
    }

    /// Blocks for payment while any invoice is past its grace or given up, and not otherwise. The
    /// owner's block is another matter.
    async fn settle_blocks(&self, effect: &mut Effect) -> Result<(), FlowError> {
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

    /// Whose an object at an engine is: several tenants may share one account there.
    async fn whose(
        &self,
        place: &Place,
        object: ObjectKind,
        external: &ForeignId,
    ) -> Result<Option<(TenantId, uuid::Uuid)>, FlowError> {
        let row = self
            .store
            .find_by(&RowKey::external(place, object, external))
            .await?;
        let reference = row.as_ref().map(Stored::<Reference>::read).transpose()?;
        Ok(reference.map(|stored| (stored.fact.tenant, stored.fact.ours)))
    }
}

impl Effect {
    fn write(self, change: &mut ChangeSet) -> Result<(), FlowError> {
        for stored in self.invoices.into_values() {
            let write = if stored.version == UNSTORED {
                Write::insert(&stored.fact)?
            } else {
                stored.write()?
            };
            change.writes.push(write);
        }
        for stored in self.subscriptions.into_values() {
            change.writes.push(stored.write()?);
        }
        Ok(())
    }
}

fn unmatched(external: &ForeignId) -> FlowError {
    FlowError::Unmatched {
        external: external.to_string(),
    }
}

/// What must have happened for an invoice to stand so; nothing for a draft.
fn invoice_event(state: InvoiceState) -> Option<InvoiceEvent> {
    match state {
        InvoiceState::Draft => None,
        InvoiceState::Open => Some(InvoiceEvent::Opened),
        InvoiceState::PastDue => Some(InvoiceEvent::PaymentFailed),
        InvoiceState::Paid => Some(InvoiceEvent::Paid),
        InvoiceState::Void => Some(InvoiceEvent::Voided),
        InvoiceState::Uncollectible => Some(InvoiceEvent::GivenUp),
    }
}

fn mirrored_lines(news: &EngineInvoice) -> Vec<Line> {
    let line = |(description, amount): &(String, crate::money::Money)| Line {
        item: LineItem::Mirrored,
        description: description.clone(),
        amount: *amount,
    };
    news.lines.iter().map(line).collect()
}
