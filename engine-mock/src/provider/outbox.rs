//! News for whoever is on the other side, kept until it has arrived.

use monetization_core::clock::Timestamp;
use monetization_core::text::ForeignId;

use super::{Account, Provider, StatedInvoice};

/// A piece of news that waits to be delivered. It says how things stood when it happened, not how
/// they stand when it arrives: a receiver keeps the one with the highest version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Its name: the same however often it is delivered.
    pub id: ForeignId,
    /// The account that the object lives in.
    pub account: Account,
    /// The object's version.
    pub version: u64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What it is about.
    pub about: NoticeAbout,
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever writes notices must know every kind"
)]
pub enum NoticeAbout {
    /// An invoice stands so.
    Invoice(Box<StatedInvoice>),
    /// A subscription is over.
    SubscriptionEnded(ForeignId),
}

impl Provider {
    /// What waits to be delivered, oldest first.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.outbox.iter()
    }

    /// Puts a piece of news into the outbox, at the provider's time.
    pub(super) fn tell(&mut self, account: Account, version: u64, about: NoticeAbout) {
        let notice = Notice {
            id: self.name("evt"),
            account,
            version,
            occurred_at: self.now,
            about,
        };
        self.outbox.push_back(notice);
    }
}
