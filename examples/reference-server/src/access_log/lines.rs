use std::io::{self, BufRead, Read};

use super::entry::{ConsumerBy, Entry, LineError};

/// Bytes a line may have.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What some editors and tools begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a log, one after the other, in memory that is used again. Empty lines are counted
/// and passed over. A byte order mark is no part of the first.
///
/// No more than [`LINE_BYTES_MAX`] bytes of a line are ever held, however long it is.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    bytes: Vec<u8>,
    number: u64,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes without the end of line; `None` where there are too many.
    pub bytes: Option<&'a [u8]>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of this.
    pub fn new(from: R) -> Self {
        Self {
            from,
            bytes: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// Whatever reading fails with.
    #[expect(
        clippy::should_implement_trait,
        reason = "a line lives until the next is read, which an iterator cannot say"
    )]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.bytes.clear();
            // What is allowed with its end, and one byte that shows that the line is too long.
            let at_most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
            let mut limited = self.from.by_ref().take(at_most.saturating_add(2));
            if limited.read_until(b'\n', &mut self.bytes)? == 0 {
                return Ok(None);
            }
            self.number = self.number.saturating_add(1);
            let whole = self.bytes.ends_with(b"\n");
            if !whole && self.bytes.len() > LINE_BYTES_MAX {
                self.from.skip_until(b'\n')?;
            }
            if self.number == 1 && self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.bytes.drain(..BYTE_ORDER_MARK.len());
            }
            let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                break;
            }
        }
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(Line {
            number: self.number,
            bytes: (line.len() <= LINE_BYTES_MAX).then_some(line),
        }))
    }
}

impl<'a> Line<'a> {
    /// What it says.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn entry(&self, by: &ConsumerBy) -> Result<Entry<'a>, LineError> {
        Entry::parse(self.bytes.ok_or(LineError::TooLong)?, by)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lengths(of: &[u8]) -> Vec<(u64, Option<usize>)> {
        let mut lines = Lines::new(BufReader::with_capacity(16, of));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.bytes.map(<[u8]>::len)));
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_empty_ones_passed_over() {
        assert_eq!(lengths(b""), []);
        assert_eq!(lengths(b"\n\r\n"), []);
        assert_eq!(
            lengths(b"ab\r\n\nc\n\nd"),
            [(1, Some(2)), (3, Some(1)), (5, Some(1))]
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(lengths(b"\xef\xbb\xbfab\ncd"), [(1, Some(2)), (2, Some(2))]);
        assert_eq!(lengths(b"\xef\xbb\xbf\r\ncd"), [(2, Some(2))]);
        assert_eq!(lengths(b"ab\n\xef\xbb\xbfcd"), [(1, Some(2)), (2, Some(5))]);
    }

    #[test]
    fn a_line_of_one_byte_too_many_is_not_held_and_the_next_one_is_read() {
        let of = |length: usize| [&vec![b'x'; length][..], b"\nafter\n"].concat();
        let most = LINE_BYTES_MAX;
        assert_eq!(lengths(&of(most)), [(1, Some(most)), (2, Some(5))]);
        assert_eq!(lengths(&of(most + 1)), [(1, None), (2, Some(5))]);
        assert_eq!(lengths(&of(most + 2)), [(1, None), (2, Some(5))]);
        assert_eq!(lengths(&of(20 * most)), [(1, None), (2, Some(5))]);
    }
}
