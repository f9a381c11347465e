//! Counters of many keys, side by side.

use crate::word::Word;

/// A dense list of entries in chunks that are never copied.
pub(super) struct Slab<K, const N: usize> {
    chunks: Vec<Vec<Entry<K, N>>>,
    len: usize,
}

impl<K, const N: usize> Slab<K, N> {
    /// Empty.
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }

    /// How many entries there are; their indexes are below it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The entries by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<K, N>> {
        self.chunks.iter().flatten()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> &Entry<K, N> {
        &self.chunks[index / CHUNK][index % CHUNK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Entry<K, N> {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Adds an entry at index [`len`](Self::len).
    pub(super) fn push(&mut self, entry: Entry<K, N>) {
        let place = self.len / CHUNK;
        if place == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[place].push(entry);
        self.len = self.len.saturating_add(1);
    }

    /// Removes the entry at `index`; the last one moves there. Keeps at most one empty chunk.
    pub(super) fn swap_remove(&mut self, index: usize) {
        let last = self.len.saturating_sub(1);
        if let Some(entry) = self.chunks[last / CHUNK].pop() {
            if index != last {
                *self.get_mut(index) = entry;
            }
            self.len = last;
            self.chunks.truncate(last.div_ceil(CHUNK).saturating_add(1));
        }
    }
}

/// The counters of one key, and of its hash what the index is built from.
pub(super) struct Entry<K, const N: usize> {
    pub(super) words: [Word; N],
    pub(super) tag: u32,
    pub(super) key: K,
}

const CHUNK: usize = 1_024;
