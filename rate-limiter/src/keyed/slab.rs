//! Counters of many keys, side by side.

use crate::word::Word;

/// A dense list of entries in chunks that are never copied: the first is small, further ones double the room until they
/// are of full size. A chunk is written when it is made, so that no later call pays for the page it is the first to touch.
pub(super) struct Slab<K, const N: usize> {
    chunks: Vec<Box<[Entry<K, N>]>>,
    capacity: usize,
    len: usize,
}

impl<K, const N: usize> Slab<K, N> {
    /// Empty, without memory.
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            capacity: 0,
            len: 0,
        }
    }

    /// How many entries there are; their indexes are below it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many entries there is room for.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for one chunk more.
    pub(super) fn grow(&mut self) {
        let size = self.capacity.clamp(FIRST_CHUNK, CHUNK);
        self.chunks.push((0..size).map(|_| Entry::VACANT).collect());
        self.capacity = self.capacity.saturating_add(size);
    }

    /// The entries by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<K, N>> {
        self.chunks.iter().flatten().take(self.len)
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> &Entry<K, N> {
        let (chunk, place) = position(index);
        &self.chunks[chunk][place]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Entry<K, N> {
        let (chunk, place) = position(index);
        &mut self.chunks[chunk][place]
    }

    /// Adds an entry at index [`len`](Self::len). There is room.
    pub(super) fn push(&mut self, entry: Entry<K, N>) {
        *self.get_mut(self.len) = entry;
        self.len = self.len.saturating_add(1);
    }

    /// Removes the entry at `index`; the last one moves there. The room stays.
    pub(super) fn swap_remove(&mut self, index: usize) {
        self.len = self.len.saturating_sub(1);
        let last = std::mem::replace(self.get_mut(self.len), Entry::VACANT);
        if index != self.len {
            *self.get_mut(index) = last;
        }
    }
}

/// The counters of one key, and of its hash what the index is built from.
#[repr(align(32))]
pub(super) struct Entry<K, const N: usize> {
    pub(super) words: [Word; N],
    pub(super) tag: u32,
    /// Absent where there is room.
    pub(super) key: Option<K>,
}

impl<K, const N: usize> Entry<K, N> {
    const VACANT: Self = Self {
        words: [Word::FRESH; N],
        // Not zero: a chunk of zeros would be taken from the system unwritten, and its pages touched one by one later.
        tag: u32::MAX,
        key: None,
    };
}

/// Entries of the first chunk, and of a full one: powers of two.
const FIRST_CHUNK: usize = 64;
const CHUNK: usize = 8_192;

/// The first so many chunks have together as many entries as a full one.
const SMALL_CHUNKS: usize = 8;

/// The chunk of an index, and the place in it.
#[inline]
const fn position(index: usize) -> (usize, usize) {
    if index >= CHUNK {
        let chunk = (index / CHUNK).saturating_add(SMALL_CHUNKS - 1);
        return (chunk, index % CHUNK);
    }
    match (index / FIRST_CHUNK).checked_ilog2() {
        None => (0, index),
        Some(doublings) => {
            let before = FIRST_CHUNK.wrapping_shl(doublings);
            (
                (doublings as usize).saturating_add(1),
                index.wrapping_sub(before),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut slab: Slab<usize, 1> = Slab::new();
        for index in 0..20_000 {
            if index == slab.capacity() {
                slab.grow();
            }
            slab.push(Entry {
                words: [Word::FRESH],
                tag: 0,
                key: Some(index),
            });
        }
        assert_eq!((slab.len(), slab.capacity()), (20_000, 3 * CHUNK));
        let keys: Vec<usize> = slab.iter().filter_map(|entry| entry.key).collect();
        assert_eq!(keys, (0..20_000).collect::<Vec<_>>());
        assert!((0..20_000).all(|index| slab.get(index).key == Some(index)));
    }

    #[test]
    fn the_last_entry_fills_the_gap() {
        let mut slab: Slab<usize, 1> = Slab::new();
        slab.grow();
        for key in 0..3 {
            slab.push(Entry {
                words: [Word::FRESH],
                tag: 0,
                key: Some(key),
            });
        }
        slab.swap_remove(0);
        slab.swap_remove(1);
        assert_eq!(
            slab.iter().map(|entry| entry.key).collect::<Vec<_>>(),
            [Some(2)]
        );
    }
}
