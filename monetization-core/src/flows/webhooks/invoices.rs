//! Follows invoices to how they stand at their engine.

use std::collections::btree_map::Entry;

use super::{Effect, Source, unmatched};
use crate::access::{Closed, access};
use crate::engine::{EngineEvent, EngineInvoice};
use crate::flows::references::thing;
use crate::flows::{FlowError, Monetizer};
use crate::ids::{InvoiceId, SubscriptionId, TenantId, TypedId};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Invoicing, Line, LineItem, Occasion};
use crate::product::ProductState;
use crate::reference::{ObjectKind, Place};
use crate::store::{ChangeSet, Stored};
use crate::subscription::SubscriptionState;
use crate::text::ForeignId;

impl Monetizer {
    /// Follows an invoice to how it stands at the engine. News that is older than what is known
    /// changes nothing.
    pub(super) async fn take_in_invoice(
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
        let before = std::mem::replace(&mut invoice.state, state);
        if state == InvoiceState::Paid && before != state {
            invoice.paid_at = Some(event.occurred_at);
        }
        invoice.engine_version = event.version;
        if news.payment_url.is_some() {
            invoice.payment_url.clone_from(&news.payment_url);
        }
        if invoice.invoicing == Invoicing::ByEngine {
            invoice.lines = mirrored_lines(news);
            invoice.total = news.total;
            invoice.issued_at = news.issued_at;
            invoice.due_at = news.due_at;
        }
        if state != InvoiceState::PastDue {
            invoice.grace_ends_at = None;
        } else if before != state {
            self.begin_grace(invoice).await?;
        }
        if matches!(state, InvoiceState::Paid | InvoiceState::Void) {
            invoice.payment_url = None;
        }
        let invoice = invoice.clone();
        self.follow_invoice(effect, &invoice, before).await
    }

    /// What follows for its subscription from how an invoice stands now, which stood as `before`.
    async fn follow_invoice(
        &self,
        effect: &mut Effect,
        invoice: &Invoice,
        before: InvoiceState,
    ) -> Result<(), FlowError> {
        let Invoice { id, tenant, .. } = *invoice;
        let is_newly = |state: InvoiceState| invoice.state == state && before != state;
        let is_newly_paid = is_newly(InvoiceState::Paid);
        if is_newly(InvoiceState::Uncollectible) && invoice.occasion != Occasion::Bundle {
            effect.given_up.insert(invoice.subscription);
        }
        let subscription = &mut self
            .load_subscription(effect, tenant, invoice.subscription)
            .await?
            .fact;
        let is_over = access(subscription, ProductState::Active, self.now()) == Err(Closed::Ended);
        if is_newly_paid && !is_over {
            subscription.add_prepaid(invoice);
        }
        if invoice.occasion == Occasion::Start
            && invoice.state == InvoiceState::Paid
            && subscription.state == SubscriptionState::AwaitingPayment
        {
            let told = self.enter_into_force(subscription)?;
            effect.intents.extend(told);
        }
        if is_newly_paid && is_over && invoice.occasion == Occasion::Bundle {
            let of = invoice.subscription;
            let problem = format!("invoice {id}: it was paid, and {of} is over");
            effect.contradictions.push(problem);
        }
        Ok(())
    }

    /// An invoice of the engine's that is not known here yet, and what it is called there.
    pub(super) async fn mirrored(
        &self,
        effect: &mut Effect,
        change: &mut ChangeSet,
        (source, (place, of)): (&Source<'_>, (&Place, Option<&ForeignId>)),
        news: (&EngineEvent, &EngineInvoice),
    ) -> Result<(TenantId, InvoiceId), FlowError> {
        let external = &news.0.external;
        let of = of.ok_or_else(|| unmatched(external))?;
        let whose = self
            .whose(source, place, (ObjectKind::Subscription, of))
            .await?;
        let (tenant, ours) = whose.ok_or_else(|| unmatched(external))?;
        let subscription = SubscriptionId::from_uuid(ours);
        let id = self.mirror(effect, tenant, subscription, news).await?;
        let object = thing(tenant, ObjectKind::Invoice, id);
        self.refer(change, place, object, external).await?;
        Ok((tenant, id))
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
            credits: Vec::new(),
            engine_version: 0,
        };
        let new = Stored::new(invoice);
        effect.invoices.entry(id).or_insert(new);
        Ok(id)
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
