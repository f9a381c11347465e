use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ledger::Accounts;
use super::super::load::Tally;
use super::super::market::Market;
use super::super::provider::Provider;
use super::super::upstream::Upstream;

/// What is left once everything has come to rest.
pub(super) struct End {
    pub(super) accounts: Accounts,
    pub(super) provider: Provider,
    pub(super) upstream: Upstream,
    pub(super) market: Arc<Market>,
    /// What clients have noted.
    pub(super) tally: Tally,
    pub(super) passers: u64,
    /// So many calls may have been served and not recorded, because their servers died.
    pub(super) lost_max: u64,
    /// So many more of the last subscription, because their servers had lost what they had leased.
    pub(super) lapsed_max: u64,
    /// Of the last subscription.
    pub(super) quota: u64,
    pub(super) records_min: u64,
}

impl End {
    pub(super) async fn assert_agreement(mut self) {
        self.assert_calls();
        self.assert_money().await;
        self.provider.terminate().await;
    }

    /// Clients, upstream and ledger speak of the same calls.
    fn assert_calls(&mut self) {
        let books = &mut self.accounts.books;
        let unanswered = books.take_unanswered() as u64;
        let seen = self.upstream.seen();
        let unheard = books.agree_with(&self.tally, &seen) as u64;
        let (rows, served) = (books.records.len() as u64, seen.len() as u64);
        println!(
            "{}; {served} calls served, {rows} recorded, {unheard} unheard, {unanswered} unanswered",
            self.tally
        );
        let unlucky: u64 = self.tally.refused.values().sum();
        let unlucky = unlucky + self.tally.cut_off + self.passers;
        assert!(unheard + unanswered <= unlucky, "more records than calls");
        let last = self.market.subscriptions.len() - 1;
        let limited = books.records.iter();
        let limited = limited.filter(|record| record.subscription == last);
        let limited = limited.count() as u64;
        let seen_limited = seen.keys().filter(|call| call.subscription == last);
        let lost_limited = (seen_limited.count() as u64).saturating_sub(limited);
        let lost = served.saturating_sub(rows + unanswered);
        println!("{lost} served and not recorded, {lost_limited} of them under the quota");
        assert!(
            lost - lost_limited.min(self.lapsed_max) <= self.lost_max,
            "calls were served and not recorded"
        );
        assert_eq!(limited, self.quota, "a strict quota is used to the unit");
        assert!(rows > self.records_min, "there was hardly any load");
    }

    /// Ledger, batches and provider speak of the same units; what was to be paid is paid.
    async fn assert_money(&self) {
        let Accounts {
            recorded,
            confirmed,
            invoices: here,
            meters,
            ..
        } = &self.accounts;
        let mut counted = self.provider.counted(meters).await;
        counted.retain(|_, units| *units > 0);
        assert_eq!(
            differences(recorded, confirmed),
            [],
            "recorded, and confirmed"
        );
        assert_eq!(
            differences(recorded, &counted),
            [],
            "recorded, and counted by the provider"
        );
        let mut there: BTreeMap<String, i64> = BTreeMap::new();
        for invoice in self.provider.all("invoices").await {
            let state = invoice["state"].as_str().unwrap();
            *there.entry(state.to_owned()).or_default() += 1;
        }
        assert_eq!(*here, there, "invoices by their states");
        let units: i64 = counted.values().sum();
        println!(
            "{units} units of {} subscriptions agree, and invoices: {here:?}",
            counted.len()
        );
    }
}

/// Subscriptions about which two accounts differ, and what each says.
fn differences(
    one: &BTreeMap<String, i64>,
    other: &BTreeMap<String, i64>,
) -> Vec<(String, Option<i64>, Option<i64>)> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let both = names.into_iter().map(|name| {
        let (one, other) = (one.get(name), other.get(name));
        (name.clone(), one.copied(), other.copied())
    });
    both.filter(|(_, one, other)| one != other).collect()
}
