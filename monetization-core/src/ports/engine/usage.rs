use std::time::Duration;

use async_trait::async_trait;

use super::{EngineContext, EngineError, EngineInvoice};
use crate::clock::{Span, Timestamp};
use crate::ids::BatchId;
use crate::money::Quantity;
use crate::product::Meter;
use crate::reference::Realm;
use crate::store::Port;
use crate::text::ForeignId;

/// Takes use and invoices it by the provider's own rating.
///
/// A report goes three ways, each of them safe to repeat:
///
/// 1. [`serialise`](Self::serialise) makes its bytes, once, when its batch is sealed.
/// 2. [`publish`](Self::publish) sends those bytes, as often as it takes.
/// 3. Its [`Receipt`] says what became of it; `Unknown` and `NotSent` send it again.
///
/// A provider that counts in memory, and recognises what it has had by the report's id:
///
/// ```
/// use std::collections::BTreeSet;
/// use std::sync::{Mutex, PoisonError};
///
/// use monetization_core::clock::Span;
/// use monetization_core::engine::*;
/// use monetization_core::ids::{BatchId, MeterId, TypedId};
/// use monetization_core::money::{Quantity, Scale};
/// use monetization_core::product::{Meter, MeterDraft};
/// use monetization_core::reference::Realm;
/// use monetization_core::text::ForeignId;
///
/// type Answer<T> = Result<T, EngineError>;
///
/// #[derive(Debug, Default)]
/// struct Counter {
///     had: Mutex<BTreeSet<BatchId>>,
/// }
///
/// fn unable<T>() -> Answer<T> {
///     Err(EngineError::new(EngineErrorKind::Permanent, "this sketch invoices nothing"))
/// }
///
/// #[async_trait::async_trait]
/// impl UsageReporting for Counter {
///     fn serialise(&self, report: &UsageReport) -> Answer<Vec<u8>> {
///         let quantity = report.meter.scale.render(report.quantity);
///         let line = format!("{} {} {quantity} {}", report.batch, report.subscription, report.used_at);
///         Ok(line.into_bytes())
///     }
///
///     async fn publish(&self, _: &EngineContext, reports: &[SealedReport]) -> Answer<Vec<Receipt>> {
///         let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
///         let receipt = |report: &SealedReport| {
///             if had.insert(report.batch) { Receipt::Accepted } else { Receipt::Duplicate }
///         };
///         Ok(reports.iter().map(receipt).collect())
///     }
///
///     async fn withdraw(&self, _: &EngineContext, _: &SealedReport) -> Answer<Withdrawal> {
///         unable()
///     }
///
///     async fn realm(&self, _: &EngineContext) -> Answer<Realm> {
///         unable()
///     }
///
///     async fn current(&self, _: &EngineContext, _: &ForeignId) -> Answer<CurrentUsage> {
///         unable()
///     }
///
///     async fn summary(
///         &self, _: &EngineContext, _: &ForeignId, _: &Meter, _: Span,
///     ) -> Answer<Quantity> {
///         unable()
///     }
/// }
///
/// let hours = Scale::try_from(1)?;
/// let report = UsageReport {
///     batch: BatchId::derived(&[b"b"]),
///     subscription: "sub_1".parse()?,
///     customer: "cus_1".parse()?,
///     meter: MeterDraft { decimals: hours, ..MeterDraft::new("hours".parse()?) }
///         .check(MeterId::derived(&[b"m"]))?,
///     quantity: hours.parse("1.5")?,
///     used_at: "2026-03-31T23:59:59.999999Z".parse()?,
/// };
/// let counter = Counter::default();
/// let sealed = SealedReport { batch: report.batch, body: counter.serialise(&report)? };
/// assert!(sealed.body.ends_with(b" sub_1 1.5 2026-03-31T23:59:59.999999Z"));
///
/// # use futures::FutureExt;
/// # async {
/// # let cx = EngineContext {
/// #     tenant: TypedId::derived(&[b"t"]), credentials: None, account: None,
/// #     key: IdempotencyKey::new("publish"), repeated: false, timeout: std::time::Duration::from_secs(30),
/// # };
/// // One receipt for each, in order; the same again is recognised.
/// let sent = [sealed.clone(), sealed];
/// assert_eq!(counter.publish(&cx, &sent).await?, [Receipt::Accepted, Receipt::Duplicate]);
/// # Ok::<(), EngineError>(())
/// # }.now_or_never().ok_or("it waited")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait UsageReporting: Port {
    /// Writes a report as the bytes that will be sent. Called once for each report, when it is
    /// sealed; the bytes are kept and sent as they are however often sending is repeated. They
    /// carry the report's id, by which the provider recognises it.
    ///
    /// # Errors
    /// [`EngineError`] where the provider could not take such a report.
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError>;

    /// Sends reports (WSO2: `publishMonetizationUsageRecords`); one receipt for each, in order.
    /// At most as many as the descriptor's `batch_max`. [`repeated`](EngineContext::repeated) holds for
    /// all of them: either each may have been sent before, whatever came of it, or none was.
    ///
    /// # Errors
    /// [`EngineError`] where nothing is known of any of them.
    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError>;

    /// Takes back a report that the provider has taken: it is not counted any more, and still known when it
    /// is sent again. Only for as long as the descriptor's `withdraws_for` says.
    ///
    /// The report's id says which one, as for [`publish`](Self::publish), and not the call's key: each order
    /// comes with a key of its own, and one that was taken back before is
    /// [`Withdrawn`](Withdrawal::Withdrawn) under any.
    ///
    /// # Errors
    /// [`EngineError`]; that it is too late is a value.
    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError>;

    /// What the call's credentials open. Reports that were sealed for another account or mode are not
    /// sent. It is asked by each run, since credentials may be exchanged while a process lives.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError>;

    /// What a subscription has used in its current period, and what that would cost (WSO2:
    /// `getCurrentUsageForSubscription`).
    ///
    /// # Errors
    /// [`EngineError`].
    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError>;

    /// How much of a meter the provider has counted for a subscription in a stretch of time.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn summary(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        meter: &Meter,
        span: Span,
    ) -> Result<Quantity, EngineError>;
}

/// Use that is to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Recognises it at the provider.
    pub batch: BatchId,
    /// Whose use, as the provider calls the subscription.
    pub subscription: ForeignId,
    /// Who pays, as the provider calls them.
    pub customer: ForeignId,
    /// What was counted.
    pub meter: Meter,
    /// How much, in the meter's scale.
    pub quantity: Quantity,
    /// When, inside the period that shall pay for it.
    pub used_at: Timestamp,
}

/// A report as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReport {
    /// Recognises it here.
    pub batch: BatchId,
    /// What is sent, byte for byte.
    pub body: Vec<u8>,
}

/// What the provider says to one report.
///
/// | receipt | state of its batch |
/// |---|---|
/// | `Accepted`, `Duplicate` | confirmed; a duplicate that was refused or unknown before, and sent again, is unknown |
/// | `Rejected` | rejected, for an operator |
/// | `Unknown` | sent again later, the same bytes, for as long as the provider would recognise them |
/// | `NotSent` | sent again later, the same bytes, as if it had not been tried |
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "publishing must decide about every receipt"
)]
pub enum Receipt {
    /// It has it now.
    Accepted,
    /// It had it before.
    Duplicate,
    /// It will never take it.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Nobody knows: send the same again.
    Unknown {
        /// What is known.
        reason: String,
    },
    /// It has not left, or the provider has not looked at it: it is certain that it was not taken.
    NotSent {
        /// Why not.
        reason: String,
        /// How long the provider asked to wait, where it did.
        retry_after: Option<Duration>,
    },
}

/// What became of a report that was to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "flows must decide about both")]
pub enum Withdrawal {
    /// It is not counted, now or from before.
    Withdrawn,
    /// It stays counted.
    TooLate {
        /// What the provider says.
        reason: String,
    },
}

/// What a subscription has used so far, and what that would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentUsage {
    /// Since when and until when it counts.
    pub period: Span,
    /// The invoice as it would be now.
    pub preview: EngineInvoice,
}
