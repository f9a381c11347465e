use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// A log that can be read, and how far it was read.
pub struct Opened {
    /// Its lines.
    pub reader: Box<dyn BufRead + Send>,
    /// Bytes of it that were read so far, compressed as they are.
    pub read_bytes: Arc<AtomicU64>,
    /// Bytes of the file; `None` where nobody knows.
    pub bytes: Option<u64>,
}

/// Opens a log: a file, or the standard input for `-`. What is compressed by gzip is recognised by
/// its first bytes.
///
/// # Errors
/// Whatever opening and the first read fail with.
pub fn open(path: &Path) -> io::Result<Opened> {
    if path.as_os_str() == "-" {
        return opened(io::stdin(), None);
    }
    let file = File::open(path)?;
    let about = file.metadata()?;
    let bytes = about.is_file().then_some(about.len());
    opened(file, bytes)
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER_BYTES: usize = 128 * 1024;

fn opened(from: impl Read + Send + 'static, bytes: Option<u64>) -> io::Result<Opened> {
    let read_bytes = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        from,
        read_bytes: Arc::clone(&read_bytes),
    };
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
    let reader: Box<dyn BufRead + Send> = if plain.fill_buf()?.starts_with(&GZIP) {
        let unpacked = MultiGzDecoder::new(plain);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked))
    } else {
        Box::new(plain)
    };
    Ok(Opened {
        reader,
        read_bytes,
        bytes,
    })
}

struct Counted<R> {
    from: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(read)
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Opened")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
