//! How what one store keeps is moved to another.
//!
//! A store that can be moved hands out its tables, [part](Part) by part and page by page, and is written to no
//! more once that has begun. The store it is moved to takes them in the same order, and serves nobody before
//! it has them all. Both count what they have, and the two [totals](Total) of each part are the same in the end.
//!
//! | step | where it comes from | where it goes to |
//! |---|---|---|
//! | begin | is marked: no store opens it any more | is marked: no store opens it yet |
//! | each page | read | written, together with how far that is |
//! | broken off | the same mark again, by the same [`Uuid`](super::Uuid) | goes on after its last page |
//! | end | stays marked | totals are compared, then the mark is taken away |
//!
//! A page is a list of JSON objects, one for each row, whose members are named as the columns of the shared
//! store: ids and bytes are hexadecimal, everything else is as it stands there.

/// A table of what a store keeps. What others refer to comes before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever moves a store moves all of it"
)]
pub enum Part {
    /// What is sold, to whom, and what is owed.
    Facts,
    /// What facts are found by.
    FactKeys,
    /// Changes that were applied.
    ChangeSets,
    /// News of engines that was taken in.
    Inbox,
    /// Operations to be carried out at an engine.
    Intents,
    /// Stretches of one plan version in one billing period.
    Segments,
    /// What was used.
    Records,
    /// By how much sums grew, where that is not what was used.
    Tallied,
    /// What is known of the use of a period, for meters that do not add up.
    Tallies,
    /// Reported events that became records.
    Events,
    /// What was used in all.
    Sums,
    /// Counters of quotas.
    Quotas,
    /// Blocks of quotas that were handed out.
    Leases,
    /// Pieces of sums on their way to an engine.
    Batches,
    /// Runs of jobs.
    Jobs,
}

impl Part {
    /// In the order in which they are moved.
    pub const ALL: [Self; 15] = [
        Self::Facts,
        Self::FactKeys,
        Self::ChangeSets,
        Self::Inbox,
        Self::Intents,
        Self::Segments,
        Self::Records,
        Self::Tallied,
        Self::Tallies,
        Self::Events,
        Self::Sums,
        Self::Quotas,
        Self::Leases,
        Self::Batches,
        Self::Jobs,
    ];

    /// The table, which has the same name in every store.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Facts => "fact",
            Self::FactKeys => "fact_key",
            Self::ChangeSets => "change_set",
            Self::Inbox => "inbox",
            Self::Intents => "intent",
            Self::Segments => "segment",
            Self::Records => "record",
            Self::Tallied => "tallied",
            Self::Tallies => "tally",
            Self::Events => "event",
            Self::Sums => "sum",
            Self::Quotas => "quota",
            Self::Leases => "lease",
            Self::Batches => "batch",
            Self::Jobs => "job",
        }
    }

    /// The column whose sum tells whether all of it has arrived, where counting rows is not enough: units used,
    /// reported or sold, versions of facts.
    #[must_use]
    pub const fn amount(self) -> Option<&'static str> {
        match self {
            Self::Facts => Some("version"),
            Self::Records => Some("quantity"),
            Self::Tallied => Some("correction"),
            Self::Tallies => Some("known"),
            Self::Sums => Some("total"),
            Self::Quotas | Self::Leases => Some("committed"),
            Self::Batches => Some("to_total"),
            Self::Intents | Self::Jobs => Some("fence"),
            Self::FactKeys | Self::ChangeSets | Self::Inbox | Self::Segments | Self::Events => None,
        }
    }

    /// The query for the [`Total`] of this part, in words that SQLite and PostgreSQL both have: the columns
    /// `count`, `high` and `low`.
    ///
    /// An amount is added up in two halves of 32 bits, since the sum of all may be greater than any of them can be.
    #[must_use]
    pub fn total_query(self) -> String {
        let (amount, table) = (self.amount().unwrap_or("0"), self.table());
        format!(
            "SELECT count(*) AS count,
                CAST(coalesce(sum(CAST({amount} AS bigint) >> 32), 0) AS bigint) AS high,
                CAST(coalesce(sum(CAST({amount} AS bigint) & 4294967295), 0) AS bigint) AS low
            FROM {table}"
        )
    }
}

/// Rows of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Page {
    /// A list of JSON objects.
    pub rows: String,
    /// How many there are.
    pub count: u64,
    /// Where the next page begins: in words of the store that it comes from; `None` after the last.
    pub next: Option<String>,
}

/// How much there is of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Total {
    /// Rows.
    pub count: i64,
    /// The sum of the part's [`amount`](Part::amount), zero where it has none.
    pub amount: i128,
}

impl Total {
    /// A total of what [`Part::total_query`] answers.
    ///
    /// ```
    /// use monetization_core::store::moving::Total;
    ///
    /// assert_eq!(Total::of(2, (1, 5)).amount, (1 << 32) + 5);
    /// assert_eq!(Total::of(1, (-1, 4_294_967_295)).amount, -1);
    /// ```
    #[must_use]
    pub fn of(count: i64, (high, low): (i64, i64)) -> Self {
        // Two numbers of 64 bits, of which one is shifted by 32, are never too great for 128.
        let amount = i128::from(high)
            .saturating_mul(1 << 32)
            .saturating_add(low.into());
        Self { count, amount }
    }
}
