//! Counters of many keys, side by side.

use crate::limits::LIMITS_MAX;
use crate::slot::Slot;

/// A dense list of keys with the same number of counters each, in chunks that are never copied.
pub(super) struct Slab<K> {
    chunks: Vec<Chunk<K>>,
    width: usize,
    len: usize,
}

impl<K> Slab<K> {
    /// For `width` counters a key.
    pub(super) const fn new(width: usize) -> Self {
        Self {
            chunks: Vec::new(),
            width,
            len: 0,
        }
    }

    /// How many keys there are; their indexes are below it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The key at `index`.
    #[inline]
    pub(super) fn head(&self, index: usize) -> &Head<K> {
        &self.chunks[index / CHUNK].heads[index % CHUNK]
    }

    /// Its counters.
    #[inline]
    pub(super) fn slots(&self, index: usize) -> &[Slot] {
        let start = self.start(index);
        &self.chunks[index / CHUNK].slots[start..start.saturating_add(self.width)]
    }

    /// Its counters, to change them.
    #[inline]
    pub(super) fn slots_mut(&mut self, index: usize) -> &mut [Slot] {
        let start = self.start(index);
        &mut self.chunks[index / CHUNK].slots[start..start.saturating_add(self.width)]
    }

    /// Adds a key at index [`len`](Self::len).
    pub(super) fn push(&mut self, head: Head<K>, slots: &[Slot]) {
        if self.len == self.chunks.len().saturating_mul(CHUNK) {
            self.chunks.push(Chunk {
                heads: Vec::with_capacity(CHUNK),
                slots: Vec::with_capacity(CHUNK.saturating_mul(self.width)),
            });
        }
        if let Some(chunk) = self.chunks.get_mut(self.len / CHUNK) {
            chunk.heads.push(head);
            chunk.slots.extend_from_slice(slots);
            self.len = self.len.saturating_add(1);
        }
    }

    /// Removes the key at `index`; the last one moves there. Keeps at most one empty chunk.
    pub(super) fn swap_remove(&mut self, index: usize) {
        let last = self.len.saturating_sub(1);
        let start = self.start(last);
        let chunk = &mut self.chunks[last / CHUNK];
        let Some(head) = chunk.heads.pop() else {
            return;
        };
        if index == last {
            chunk.slots.truncate(start);
        } else {
            let mut moved = [Slot::FRESH; LIMITS_MAX];
            for (moved, slot) in moved.iter_mut().zip(chunk.slots.drain(start..)) {
                *moved = slot;
            }
            for (slot, moved) in self.slots_mut(index).iter_mut().zip(moved) {
                *slot = moved;
            }
            self.chunks[index / CHUNK].heads[index % CHUNK] = head;
        }
        self.len = last;
        self.chunks.truncate(last.div_ceil(CHUNK).saturating_add(1));
    }

    #[inline]
    const fn start(&self, index: usize) -> usize {
        (index % CHUNK).saturating_mul(self.width)
    }
}

/// A key, with the part of its hash that the index is built from.
pub(super) struct Head<K> {
    pub(super) key: K,
    pub(super) tag: u32,
}

/// Both lists are made at their full capacity.
struct Chunk<K> {
    heads: Vec<Head<K>>,
    slots: Vec<Slot>,
}

const CHUNK: usize = 256;
