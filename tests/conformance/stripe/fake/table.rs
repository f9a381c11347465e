//! Objects of one kind, in the order in which they were made.

use std::collections::BTreeMap;

/// Objects by their ids.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    rows: BTreeMap<String, T>,
    order: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            order: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn insert(&mut self, id: &str, row: T) {
        if self.rows.insert(id.to_owned(), row).is_none() {
            self.order.push(id.to_owned());
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        self.order.retain(|own| own != id);
        self.rows.remove(id)
    }

    /// Newest first, as lists are answered.
    pub(super) fn newest(&self) -> impl Iterator<Item = (&str, &T)> {
        let ids = self.order.iter().rev();
        ids.filter_map(|id| Some((id.as_str(), self.rows.get(id)?)))
    }

    /// Oldest first.
    pub(super) fn oldest(&self) -> impl Iterator<Item = (&str, &T)> {
        let ids = self.order.iter();
        ids.filter_map(|id| Some((id.as_str(), self.rows.get(id)?)))
    }

    pub(super) fn ids_where(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<String> {
        let wanted = self.oldest().filter(|(_, row)| is_wanted(row));
        wanted.map(|(id, _)| id.to_owned()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
