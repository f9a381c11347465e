//! How subscriptions end.
//!
//! | asked for | what is billed |
//! |---|---|
//! | with the period | its use, by the invoice of its end, and no period after it |
//! | at once | its use so far, at once; a first invoice that nobody has paid is taken back |
//! | at once, over since an instant that is past | the same, and nothing of periods that have begun from then on |
//!
//! The last is what a caller says whose order came after the end: the provider has gone on meanwhile, and
//! has billed the base price of each period with the invoice of the one before.
//!
//! | that invoice is | its base price of a period that nobody has |
//! |---|---|
//! | a draft | is left out of it, and the draft is told again |
//! | open or past due | is credited: less is to be paid, or nothing |
//! | paid | is credited, and goes to the customer's balance |
//! | taken back, or given up | stays as it is: nobody pays it |
//!
//! Use is never taken back: what was used before the end is owed, and what comes after it is rejected.

use monetization_core::clock::Timestamp;
use monetization_core::invoice::{CreditTo, InvoiceState};
use monetization_core::text::ForeignId;

use super::{Account, Gone, NoticeAbout, Provider, Refusal, When, periods};

/// The number of a credit that nobody has ordered: those of callers begin with 1.
const OF_THE_PROVIDER: u32 = 0;

impl Provider {
    /// Ends a subscription, at once or with its period; what is over already is left alone. Asked
    /// to end at once, one that was to end with its period ends at once.
    pub(super) fn end_subscription(
        &mut self,
        account: &Account,
        id: &ForeignId,
        (when, ended_at): (When, Option<Timestamp>),
    ) -> Result<Gone, Refusal> {
        let now = self.now;
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return Ok(Gone::AlreadyGone);
        };
        if subscription.account != *account || !subscription.live {
            return Ok(Gone::AlreadyGone);
        }
        match when {
            When::PeriodEnd => subscription.ends_at = Some(subscription.period.end),
            When::Now => {
                subscription.ends_at = Some(ended_at.unwrap_or(now));
                if let Some(ended_at) = ended_at {
                    self.take_back_since(id, ended_at)?;
                }
                self.settle_ended(id)?;
            }
        }
        Ok(Gone::Archived)
    }

    /// Ends a subscription in the middle of its period: nobody will pay what was due at the
    /// start any more, and what was used is invoiced at once.
    fn settle_ended(&mut self, id: &ForeignId) -> Result<(), Refusal> {
        let first = self
            .subscriptions
            .get(id)
            .and_then(|ended| ended.first_invoice.clone());
        if let Some(first) = first {
            let unpaid = self
                .invoices
                .get(&first)
                .is_some_and(|first| first.state != InvoiceState::Paid);
            if unpaid {
                self.take_back(&first);
            }
        }
        self.draft_period(id, None)?;
        self.end(id);
        Ok(())
    }

    /// Takes back what was billed in advance for periods that begin from `at` on: out of drafts, and by
    /// credits of what is final.
    fn take_back_since(&mut self, id: &ForeignId, at: Timestamp) -> Result<(), Refusal> {
        let Some(subscription) = self.subscriptions.get(id).cloned() else {
            return Ok(());
        };
        let of_it = self.invoices.values_mut();
        let of_it = of_it.filter(|invoice| invoice.subscription.as_ref() == Some(id));
        let (mut drafts, mut billed) = (Vec::new(), Vec::new());
        for invoice in of_it {
            let Some(next) = invoice.period.map(|period| period.end) else {
                continue;
            };
            if next < at || next > subscription.period.start {
                continue;
            }
            if let Some(draft) = &mut invoice.draft {
                draft.next = None;
                drafts.push(invoice.id.clone());
            } else {
                billed.push((invoice.id.clone(), next));
            }
        }
        for draft in drafts {
            self.becomes(&draft, InvoiceState::Draft);
        }
        for (invoice, next) in billed {
            let index = periods::index_at(subscription.schedule(), next);
            let plan = subscription.plan_at(index.unwrap_or(u32::MAX), next);
            let base = self.plan_named(plan)?.version.terms.base_price();
            let is_owed =
                |state| !matches!(state, InvoiceState::Void | InvoiceState::Uncollectible);
            let state = self.invoices.get(&invoice).map(|invoice| invoice.state);
            if state.is_some_and(is_owed) && !base.is_zero() {
                let credit = (OF_THE_PROVIDER, base, CreditTo::Balance);
                self.credit(&subscription.account, &invoice, credit)?;
            }
        }
        Ok(())
    }

    /// It is over, and that is told.
    pub(super) fn end(&mut self, id: &ForeignId) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        subscription.live = false;
        subscription.version = subscription.version.saturating_add(1);
        let (account, version) = (subscription.account.clone(), subscription.version);
        self.tell(account, version, NoticeAbout::SubscriptionEnded(id.clone()));
    }
}
