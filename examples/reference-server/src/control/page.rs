//! Lists, page by page.

use monetization_core::field::FieldError;
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::store::{Fact, Listing, RowKey, Store, Stored};
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Things on it, 1 to 100; 50 where nothing is said.
    limit: Option<usize>,
    /// What the page before has named as its `next_cursor`.
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    /// The things, in the order in which they were made.
    pub(crate) items: Vec<T>,
    /// Whether there are more after these.
    has_more: bool,
    /// How to ask for those; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 100;

impl Page {
    pub(super) fn new(limit: Option<usize>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        let problem = format!("{limit} is not allowed: allowed are 1 to {LIMIT_MAX}");
        Err(FieldError::new("limit", problem).into())
    }

    pub(super) fn after<I: TypedId>(&self) -> Result<Option<I>, Problem> {
        let parse = |cursor: &String| {
            cursor
                .parse::<I>()
                .map_err(|error| FieldError::new("cursor", error).into())
        };
        self.cursor.as_ref().map(parse).transpose()
    }

    /// The facts of this page that an index leads to (all of the kind without one) and that are
    /// to be kept, each as it is shown.
    pub(crate) async fn read<T: Fact, V>(
        &self,
        store: &dyn Store,
        (tenant, key): (TenantId, Option<RowKey>),
        keep: impl Fn(&T) -> bool,
        show: impl Fn(T) -> V,
    ) -> Result<List<V>, Problem> {
        let limit = self.limit()?;
        let mut listing = Listing {
            kind: T::KIND,
            key,
            after: self.after::<T::Id>()?.map(TypedId::uuid),
            limit: Listing::LIMIT_MAX,
        };
        let mut found: Vec<T> = Vec::new();
        loop {
            let rows = store.rows(tenant, &listing).await?;
            for row in &rows {
                let fact = Stored::<T>::read(row)?.fact;
                if keep(&fact) {
                    found.push(fact);
                }
            }
            // One more than fits tells whether there is another page.
            let last = rows.last().filter(|_| rows.len() == listing.limit);
            match last {
                Some(row) if found.len() <= limit => listing.after = Some(row.id),
                _ => break,
            }
        }
        Ok(List::cut(found, limit, Fact::id, show))
    }

    /// A page of what is in memory already.
    pub(crate) fn of<T: Fact, V>(
        &self,
        mut facts: Vec<T>,
        show: impl Fn(T) -> V,
    ) -> Result<List<V>, Problem> {
        let (limit, after) = (self.limit()?, self.after::<T::Id>()?);
        facts.sort_by_key(Fact::id);
        facts.retain(|fact| after.is_none_or(|after| fact.id() > after));
        Ok(List::cut(facts, limit, Fact::id, show))
    }
}

impl<V> List<V> {
    /// The same page, with each thing shown otherwise.
    pub(crate) fn map<W>(self, show: impl FnMut(V) -> W) -> List<W> {
        List {
            items: self.items.into_iter().map(show).collect(),
            has_more: self.has_more,
            next_cursor: self.next_cursor,
        }
    }

    pub(super) fn cut<T, I: TypedId>(
        mut found: Vec<T>,
        limit: usize,
        id: impl Fn(&T) -> I,
        show: impl Fn(T) -> V,
    ) -> Self {
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| has_more)
            .map(|last| id(last).to_string());
        Self {
            items: found.into_iter().map(show).collect(),
            has_more,
            next_cursor: next,
        }
    }
}
