//! Where the counters of a hash lie.

/// An open-addressed table of [`Place`]s, sixteen to a cache line, probed in a row.
pub(super) struct Index {
    places: Vec<Place>,
}

impl Index {
    /// Empty, without memory.
    pub(super) const fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// How many entries there is room for: dense enough to stay in the cache, and rows still short.
    pub(super) const fn capacity(&self) -> usize {
        self.places.len().saturating_sub(self.places.len() / 5)
    }

    /// Doubles the table; `tags` are those of the entries there are, in their order.
    #[cold]
    pub(super) fn grow(&mut self, tags: impl Iterator<Item = u32>) {
        let size = self.places.len().saturating_mul(2).max(PLACES_MIN);
        self.places = vec![Place::EMPTY; size];
        for (entry, tag) in tags.enumerate() {
            self.insert(tag, entry);
        }
    }

    /// The entry that `is_it` recognises among those whose tag looks like this.
    #[inline]
    pub(super) fn find(&self, tag: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        // A fifth of the places is empty, so that the search ends.
        while let Some(place) = self.places.get(at).filter(|place| !place.is_empty()) {
            if place.may_be(tag) && is_it(place.index()) {
                return Some(place.index());
            }
            at = self.after(at);
        }
        None
    }

    /// Adds an entry that is not there. There is room.
    pub(super) fn insert(&mut self, tag: u32, index: usize) {
        let mut at = self.home(tag);
        while !self.places[at].is_empty() {
            at = self.after(at);
        }
        self.places[at] = Place::new(tag, index);
    }

    /// Removes an entry, and moves those behind it nearer to their homes; `tag_of` says an entry's tag.
    pub(super) fn remove(&mut self, tag: u32, index: usize, tag_of: impl Fn(usize) -> u32) {
        let Some(mut gap) = self.position(tag, index) else {
            return;
        };
        let mut at = self.after(gap);
        while !self.places[at].is_empty() {
            let home = self.home(tag_of(self.places[at].index()));
            if self.distance(home, at) >= self.distance(gap, at) {
                self.places[gap] = self.places[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.places[gap] = Place::EMPTY;
    }

    /// Notes that the entry at `old` moved to `new`.
    pub(super) fn moved(&mut self, tag: u32, old: usize, new: usize) {
        if let Some(at) = self.position(tag, old) {
            self.places[at] = Place::new(tag, new);
        }
    }

    fn position(&self, tag: u32, index: usize) -> Option<usize> {
        let wanted = Place::new(tag, index);
        let mut at = self.home(tag);
        while let Some(place) = self.places.get(at).filter(|place| !place.is_empty()) {
            if *place == wanted {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & self.mask()
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    /// The number of places is a power of two, or none.
    #[inline]
    fn mask(&self) -> usize {
        self.places.len().saturating_sub(1)
    }
}

/// Eight bits of a tag over the index of its entry plus one, or zero when empty.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u32);

impl Place {
    const EMPTY: Self = Self(0);

    fn new(tag: u32, index: usize) -> Self {
        let number = u32::try_from(index.saturating_add(1)).unwrap_or(NUMBER_MASK);
        Self((tag & !NUMBER_MASK) | (number & NUMBER_MASK))
    }

    #[inline]
    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The high bits of a tag are told apart here, the low ones by where the place is.
    #[inline]
    const fn may_be(self, tag: u32) -> bool {
        (self.0 ^ tag) & !NUMBER_MASK == 0
    }

    #[inline]
    const fn index(self) -> usize {
        ((self.0 & NUMBER_MASK) as usize).saturating_sub(1)
    }
}

/// Entries that an index can name.
pub(super) const ENTRIES_MAX: usize = NUMBER_MASK as usize;

const NUMBER_MASK: u32 = (1 << 24) - 1;
const PLACES_MIN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(tags: &[u32]) -> Index {
        let mut index = Index::new();
        for (entry, tag) in tags.iter().enumerate() {
            if entry == index.capacity() {
                index.grow(tags[..entry].iter().copied());
            }
            index.insert(*tag, entry);
        }
        index
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_is_found() {
        // Homes shared by two or three tags, so that rows run into each other and around the end.
        let tags: Vec<u32> = (0..100).map(|number| number / 2 * 5 / 3 + 100).collect();
        for removed in 0..tags.len() {
            let mut index = filled(&tags);
            index.remove(tags[removed], removed, |entry| tags[entry]);
            for (entry, tag) in tags.iter().enumerate() {
                let found = index.find(*tag, |other| other == entry);
                assert_eq!(found, (entry != removed).then_some(entry));
            }
        }
    }

    #[test]
    fn an_entry_that_moved_is_found_at_its_new_place() {
        let mut index = filled(&[7, 7]);
        index.moved(7, 1, 5);
        assert_eq!(index.find(7, |entry| entry == 5), Some(5));
        assert_eq!(index.find(7, |entry| entry == 1), None);
    }
}
