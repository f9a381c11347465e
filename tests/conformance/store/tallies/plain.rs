//! What a plain count of all records says, to hold tallies against.

use monetization_core::clock::Timestamp;
use monetization_core::ids::MeterId;
use monetization_core::money::Quantity;
use monetization_core::store::Appended;
use monetization_core::usage::{Counted, Tally, UsageRecord};

use crate::sample::Subscriber;
use crate::size;
use crate::store::Bench;
use crate::store::closing::close;
use crate::store::steps::Shared;

use count::count;

mod count;

const MONTHS: u32 = 3;
/// How many are free where the first ones are.
const FREE: u32 = 3;

/// Random records in random batches, some of them twice and some late, add up to what a plain count
/// of them says, however they are tallied.
pub async fn random_use_is_tallied_as_a_plain_count_says(bench: &Bench) {
    let store = bench.open().await;
    let mut use_of_it = Use {
        bench,
        subscribers: [bench.sample.subscriber(), bench.sample.subscriber()],
        meters: std::array::from_fn(|_| bench.sample.id()),
        taken: Vec::new(),
        closed: 0,
    };
    let batches = size(30, 1_000);
    for number in 0..batches {
        use_of_it.append_some(&store).await;
        if number == batches / 3 || number == batches / 2 {
            use_of_it.close_a_month(&store).await;
        }
        if number % 10 == 9 || number < 10 {
            use_of_it.compare(&store).await;
        }
    }
    use_of_it.compare(&store).await;
}

struct Use<'a> {
    bench: &'a Bench,
    subscribers: [Subscriber; 2],
    /// One for each way to tally.
    meters: [MeterId; 5],
    /// Each record once, in the order in which they came.
    taken: Vec<Taken>,
    /// So many months were closed.
    closed: u32,
}

struct Taken {
    record: UsageRecord,
    of: usize,
    month: u32,
    units: i64,
    second: i64,
    /// Whether it came after its month was closed.
    is_late: bool,
}

impl Use<'_> {
    fn below(&self, end: u64) -> usize {
        usize::try_from(self.bench.sample.below(end)).unwrap()
    }

    async fn append_some(&mut self, store: &Shared) {
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..=self.below(5) {
            let known = u64::try_from(self.taken.len()).unwrap();
            if known > 0 && self.below(4) == 0 {
                batch.push(self.taken[self.below(known)].record.clone());
                expected.push(Appended::Duplicate);
            } else {
                let taken = self.some_use();
                batch.push(taken.record.clone());
                expected.push(Appended::New);
                self.taken.push(taken);
            }
        }
        assert_eq!(store.append(&batch).await.unwrap(), expected);
    }

    fn some_use(&self) -> Taken {
        let (of, month) = (self.below(2), self.below(u64::from(MONTHS)));
        let month = u32::try_from(month).unwrap();
        let small = |end| i64::try_from(self.bench.sample.below(end)).unwrap();
        let (units, second) = (small(8), small(60));
        let subscriber = &self.subscribers[of];
        let segment = subscriber.segment(month);
        let mut record = self.bench.sample.record(subscriber, segment, units);
        let micros = segment.span.start.as_micros() + second * 1_000_000;
        record.occurred_at = Timestamp::from_micros(micros);
        let once = Tally::once(&units.to_be_bytes());
        let tallies = [
            Tally::Add,
            Tally::Max,
            Tally::Last,
            once,
            Tally::After(FREE),
        ];
        let counted = tallies.into_iter().zip(self.meters).map(|(tally, meter)| {
            let is_once = matches!(tally, Tally::Once(_));
            Counted {
                meter,
                quantity: Quantity::from_scaled(if is_once { 1 } else { units }),
                tally,
            }
        });
        record.counted = counted.collect();
        Taken {
            record,
            of,
            month,
            units,
            second,
            is_late: month < self.closed,
        }
    }

    async fn close_a_month(&mut self, store: &Shared) {
        for of in &self.subscribers {
            close(self.bench, store, of.closing(self.closed)).await;
        }
        self.closed += 1;
    }

    /// Every sum is what a count says of all that was taken in so far.
    async fn compare(&self, store: &Shared) {
        for of in 0..self.subscribers.len() {
            for month in 0..MONTHS {
                let taken = self.taken.iter();
                let taken = taken.filter(|taken| (taken.of, taken.month) == (of, month));
                let expected = count(&taken.collect::<Vec<_>>());
                let sums = self.sums(store, (of, month)).await;
                assert_eq!(
                    sums, expected,
                    "subscriber {of}, month {month}, own and late of each tally"
                );
            }
        }
    }

    /// What the store holds of a month's use, by itself and late.
    async fn sums(&self, store: &Shared, (of, month): (usize, u32)) -> [(i64, i64); 5] {
        let of = &self.subscribers[of];
        let origin = of.segment(month).id;
        let mut found = [(0, 0); 5];
        for payer in 0..=MONTHS {
            let sums = store.sums(of.tenant, of.segment(payer).id).await.unwrap();
            for sum in sums.iter().filter(|sum| sum.key.origin == origin) {
                let mut meters = self.meters.iter();
                let place = meters.position(|meter| *meter == sum.key.meter).unwrap();
                let (own, late) = &mut found[place];
                *if payer == month { own } else { late } += sum.total.scaled();
            }
        }
        found
    }
}
