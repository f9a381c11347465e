//! What a tenant can do with the ids of another: nothing.

use monetization_core::ids::{LeaseId, TenantId};
use monetization_core::intent::{Intent, IntentState};
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Appended, Applied, Batch, Decision, Fate, Held, Index, JobRun, JobStart, Kind, LeaseAnswer,
    Listing, Overturn, Overturned, QuotaCounter, Row, RowKey, Sealed,
};
use monetization_core::text::Slug;
use monetization_core::usage::UsageRecord;
use uuid::Uuid;

use super::Bench;
use super::batches::{HELD, come_to, sealed};
use super::observed::{Observed, observe};
use super::steps::{
    ALL, CLAIM, HOUR, Shared, append_new, apply, apply_new, change_of, granted, insert, insert_all,
    update,
};
use crate::sample::{START, Subscriber, text};
use crate::size_in_ci;

/// Each operation of a store, in random order, in the name of a tenant and with the ids of another: it finds
/// nothing, and of what the other has nothing changes.
pub async fn a_stranger_finds_and_changes_nothing_r_a7(bench: &Bench) {
    let store = bench.open().await;
    let owned = Owned::made(bench, &store).await;
    let stranger = Stranger::made(bench, store, &owned).await;
    let before = stranger.state(&owned).await;
    let operations = size_in_ci(400, 2_000, 100_000);
    for number in 1..=operations {
        let at = bench.sample.below(24);
        match at {
            0..4 => stranger.reads_rows(bench, &owned).await,
            4..8 => stranger.reads_use(bench, &owned).await,
            8..12 => stranger.handles_batches(bench, &owned, at).await,
            12..15 => stranger.works(bench, &owned, at).await,
            15..19 => stranger.changes(bench, &owned, at).await,
            19..22 => stranger.appends(bench, &owned, at).await,
            _ => stranger.leases(bench, &owned).await,
        }
        if number % (operations / 100).max(50) == 0 {
            assert!(stranger.state(&owned).await == before, "by {number}: {at}");
        }
    }
    assert_eq!(stranger.state(&owned).await, before);
}

/// Everything there can be of a tenant.
struct Owned {
    of: Vec<Subscriber>,
    rows: Vec<Row>,
    records: Vec<UsageRecord>,
    leases: Vec<LeaseId>,
    batches: Vec<(Batch, Held)>,
    intents: Vec<Intent>,
    run: JobRun,
}

/// All that a store tells of it.
#[derive(Debug, PartialEq)]
struct State {
    observed: Observed,
    held: Vec<Batch>,
    intents: Vec<Option<IntentState>>,
    run: Option<JobRun>,
}

/// A tenant who has a few things of its own.
struct Stranger {
    store: Shared,
    of: Subscriber,
    row: Row,
}

fn job() -> Slug {
    text("publish")
}

/// What rows of both tenants are found by.
fn shared_key() -> RowKey {
    RowKey::new(Index::PlansOfProduct, "shared")
}

impl Owned {
    async fn made(bench: &Bench, store: &Shared) -> Self {
        let first = bench.sample.subscriber();
        let tenant = first.tenant;
        let mut of = vec![first];
        of.extend((0..3).map(|_| bench.sample.subscriber_of(tenant)));
        let rows = Kind::ALL.map(|kind| {
            let mut row = bench.sample.row(tenant, kind);
            let own = RowKey::new(Index::ProductSlug, kind.as_str());
            row.keys = vec![shared_key(), own];
            row.due_at = Some(START);
            row
        });
        insert_all(bench, store, &rows).await;
        let mut change = bench.sample.change();
        change.intents = (0..4).map(|_| bench.sample.intent(tenant)).collect();
        apply_new(store, &change).await;
        let intents = change.intents;
        let mut batches = Vec::new();
        for (of, held) in of.iter().zip(HELD) {
            batches.push((come_to(bench, store, of, held).await, held));
        }
        batches.push((sealed(bench, store, &of[3], 2).await, Held::Parked));
        let mut leases = Vec::new();
        let mut records = Vec::new();
        for of in &of {
            let lease = granted(bench, store, of, 40, 6).await.0;
            let mut record = bench.sample.record(of, of.segment(1), 1);
            record.spent.push(of.spent(Some(lease), 1));
            leases.push(lease);
            records.push(record);
        }
        append_new(store, &records).await;
        let mut closing = bench.sample.change();
        closing.closings.push(first.closing(0));
        apply_new(store, &closing).await;
        let started = store.start_job(tenant, &job(), START, HOUR).await;
        let JobStart::Started(run) = started.unwrap() else {
            unreachable!("nobody else has started it");
        };
        Self {
            of,
            rows: rows.to_vec(),
            records,
            leases,
            batches,
            intents,
            run,
        }
    }

    fn tenant(&self) -> TenantId {
        self.of[0].tenant
    }
}

/// Any of these.
fn any<'a, T>(bench: &Bench, of: &'a [T]) -> &'a T {
    let length = u64::try_from(of.len()).unwrap();
    &of[usize::try_from(bench.sample.below(length)).unwrap()]
}

impl Stranger {
    async fn made(bench: &Bench, store: Shared, owned: &Owned) -> Self {
        let of = bench.sample.subscriber();
        let mut row = bench.sample.row(of.tenant, Kind::Plan);
        row.keys = vec![shared_key()];
        insert_all(bench, &store, std::slice::from_ref(&row)).await;
        append_new(&store, &[bench.sample.record(&of, of.segment(0), 3)]).await;
        assert_ne!(of.tenant, owned.tenant());
        Self { store, of, row }
    }

    async fn state(&self, owned: &Owned) -> State {
        let (store, tenant) = (&self.store, owned.tenant());
        let mut intents = Vec::new();
        for intent in &owned.intents {
            intents.push(store.intent_state(tenant, intent.id).await.unwrap());
        }
        State {
            observed: observe(store.as_ref(), &owned.of).await,
            held: store.held_batches(tenant, None, ALL).await.unwrap(),
            intents,
            run: store.last_job(tenant, &job()).await.unwrap(),
        }
    }

    async fn reads_rows(&self, bench: &Bench, owned: &Owned) {
        let row = any(bench, &owned.rows);
        let found = self.store.row(self.of.tenant, row.kind, row.id).await;
        assert_eq!(found.unwrap(), None);
        let keys = [None, Some(shared_key()), Some(row.keys[1].clone())];
        let places = [None, Some(Uuid::nil()), Some(self.row.id), Some(row.id)];
        let listing = Listing {
            kind: row.kind,
            key: any(bench, &keys).clone(),
            after: *any(bench, &places),
            limit: Listing::LIMIT_MAX,
        };
        let found = self.store.rows(self.of.tenant, &listing).await.unwrap();
        assert!(found.iter().all(|row| row.id == self.row.id), "{found:?}");
    }

    async fn reads_use(&self, bench: &Bench, owned: &Owned) {
        let (store, me) = (&self.store, self.of.tenant);
        let of = any(bench, &owned.of);
        let month = u32::try_from(bench.sample.below(3)).unwrap();
        let segment = of.segment(month).id;
        assert_eq!(store.sums(me, segment).await.unwrap(), []);
        assert_eq!(store.sums_of_origin(me, segment).await.unwrap(), []);
        let records = store.records(me, segment, None, ALL).await;
        assert_eq!(records.unwrap(), []);
        for quota in QuotaWindow::ALL {
            let window = quota.containing(START, of.segment(0).period);
            let counter = store.quota(me, of.subscription, quota.into(), window);
            assert_eq!(counter.await.unwrap(), QuotaCounter::default());
        }
        let unsealed = store.unsealed(me, None, ALL).await.unwrap();
        let own = |meter| meter == self.of.meter;
        assert!(unsealed.iter().all(|it| own(it.sum.key.meter)));
    }

    async fn handles_batches(&self, bench: &Bench, owned: &Owned, at: u64) {
        let (store, me) = (&self.store, self.of.tenant);
        let (batch, held) = any(bench, &owned.batches);
        assert_eq!(store.batch(me, batch.id).await.unwrap(), None);
        let of_segment = store.batches(me, batch.key.segment).await;
        assert_eq!(of_segment.unwrap(), []);
        assert_eq!(store.held_batches(me, None, ALL).await.unwrap(), []);
        let later = START.saturating_add(HOUR);
        match at {
            8 => {
                let claimed = store.claim_batches(me, later, CLAIM).await;
                assert_eq!(claimed.unwrap(), []);
            }
            9 => {
                let mut mine = batch.clone();
                mine.tenant = me;
                if bench.sample.below(2) == 0 {
                    (mine.from, mine.id) = (mine.to, bench.sample.id());
                }
                assert_eq!(store.seal(&mine).await.unwrap(), Sealed::Moved);
            }
            _ => {
                let fates = [Fate::Confirmed, Fate::WrittenOff, Fate::SendAgain];
                let decision = Decision::new(*any(bench, &fates), "why not", later);
                let decided = store.decide_batch(me, batch.id, *held, &decision);
                assert!(!decided.await.unwrap());
            }
        }
    }

    async fn works(&self, bench: &Bench, owned: &Owned, at: u64) {
        let (store, me) = (&self.store, self.of.tenant);
        let intent = any(bench, &owned.intents).id;
        assert_eq!(store.intent_state(me, intent).await.unwrap(), None);
        assert_eq!(store.parked_intents(me, None, ALL).await.unwrap(), []);
        assert!(!store.has_unfinished_intents(me).await.unwrap());
        match at {
            12 => assert!(!store.resume_intent(me, intent, START).await.unwrap()),
            13 => {
                assert_eq!(store.last_job(me, &job()).await.unwrap(), None);
                let kept = store.keep_job(me, &job(), &owned.run, HOUR).await;
                assert!(!kept.unwrap());
            }
            _ => {
                let other: Slug = text("reconcile");
                let later = START.saturating_add(HOUR);
                let started = store.start_job(me, &other, later, HOUR).await.unwrap();
                let (JobStart::Started(run) | JobStart::Busy(run)) = started;
                assert_eq!(run.started_at, later);
            }
        }
    }

    async fn changes(&self, bench: &Bench, owned: &Owned, at: u64) {
        let mut row = any(bench, &owned.rows).clone();
        row.tenant = self.of.tenant;
        row.body = "{}".to_owned();
        row.due_at = None;
        let mut change = change_of(bench, []);
        let is_taken = match at {
            15 => {
                let writes = [insert(&row), update(&row)];
                change.writes.push(any(bench, &writes).clone());
                true
            }
            16 => {
                let mut closing = any(bench, &owned.of).closing(0);
                closing.tenant = self.of.tenant;
                change.closings.push(closing);
                false
            }
            17 => {
                let mut intent = any(bench, &owned.intents).clone();
                intent.tenant = self.of.tenant;
                change.intents.push(intent);
                false
            }
            _ => {
                let batch = &any(bench, &owned.batches).0;
                change.overturned.push(Overturned {
                    batch: batch.id,
                    place: batch.place.clone(),
                    realm: batch.realm.clone(),
                    overturn: Overturn::WrittenOff {
                        tenant: self.of.tenant,
                        because: "why not".to_owned(),
                    },
                    sent_by: START.saturating_add(HOUR),
                });
                false
            }
        };
        let applied = apply(&self.store, &change).await;
        let is_refused = matches!(applied, Applied::Refused(_));
        assert_eq!(is_refused, is_taken, "{change:?}: {applied:?}");
    }

    async fn appends(&self, bench: &Bench, owned: &Owned, at: u64) {
        let theirs = any(bench, &owned.records);
        let mut mine = bench.sample.record(&self.of, self.of.segment(0), 1);
        let appended = if at == 19 {
            // Under the id of theirs.
            mine.id = theirs.id;
            [Appended::New, Appended::Duplicate].to_vec()
        } else {
            // Out of a block of theirs, for itself or for them.
            mine.spent = theirs.spent.clone();
            if at == 20 {
                mine.segment = theirs.segment;
            }
            Vec::new()
        };
        let answers = self
            .store
            .append(std::slice::from_ref(&mine))
            .await
            .unwrap();
        let [answer] = answers[..] else {
            unreachable!("{answers:?}")
        };
        let is_refused = matches!(answer, Appended::Refused(_));
        assert_eq!(is_refused, appended.is_empty(), "{answer:?}");
        assert!(is_refused || appended.contains(&answer), "{answer:?}");
    }

    async fn leases(&self, bench: &Bench, owned: &Owned) {
        let lease = *any(bench, &owned.leases);
        let mut wish = bench.sample.lease(any(bench, &owned.of), 0, 4);
        wish.tenant = self.of.tenant;
        wish.id = lease;
        let answer = self.store.lease(&wish).await.unwrap();
        assert_eq!(answer, LeaseAnswer::Exhausted { outstanding: 0 });
        self.store.settle(self.of.tenant, lease).await.unwrap();
    }
}
