//! News for whoever is on the other side, kept until it has arrived.

use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::ids::BatchId;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};

use super::{Account, Provider, Reply, StatedInvoice};

/// A piece of news that waits to be delivered. It says how things stood when it happened, not how
/// they stand when it arrives: a receiver keeps the one with the highest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever writes notices must know every kind"
)]
pub enum NoticeAbout {
    /// An invoice stands so.
    Invoice(Box<StatedInvoice>),
    /// A subscription is over.
    SubscriptionEnded(ForeignId),
    /// A customer has stored what they pay with.
    MethodStored(ForeignId),
    /// A usage record that was taken does not count.
    UsageRejected {
        /// Which one.
        identifier: BatchId,
        /// Why.
        reason: String,
    },
}

/// For how long it can be asked what was told.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Notices of one answer.
const PAGE: usize = 1_000;

impl Provider {
    /// What waits to be delivered, oldest first.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.outbox.iter()
    }

    /// What was told about an account since an instant, delivered or not: as much as fits a page.
    pub(super) fn told_since(&self, account: &Account, since: Timestamp) -> Reply {
        let is_meant = |notice: &&Notice| notice.occurred_at >= since && notice.account == *account;
        let mut notices: Vec<Notice> = Vec::new();
        for notice in self.told.iter().filter(is_meant) {
            let last = notices.last().map(|last| last.occurred_at);
            // What happened in one instant is not told apart.
            if notices.len() >= PAGE && last != Some(notice.occurred_at) {
                return Reply::News {
                    until: notice.occurred_at,
                    notices,
                    is_last: false,
                };
            }
            notices.push(notice.clone());
        }
        Reply::News {
            until: notices.last().map_or(since, |last| last.occurred_at),
            notices,
            is_last: true,
        }
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
        let oldest = self.now.saturating_sub(KEPT);
        while self
            .told
            .front()
            .is_some_and(|old| old.occurred_at < oldest)
        {
            self.told.pop_front();
        }
        self.told.push_back(notice.clone());
        self.outbox.push_back(notice);
    }
}
