//! What a stream is packed with, known by its first bytes: gzip (RFC 1952) or Zstandard (RFC 8878), and how far it may grow.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// What may come out of one stream: layers of images are gigabytes, bombs are terabytes.
pub const MAX_UNPACKED: u64 = 64 << 30;
/// How much more may come out than went in, once a gigabyte has come out.
const MAX_RATIO: u64 = 200;
const FREE: u64 = 1 << 30;

/// The stream without its packing.
///
/// # Errors
/// The first bytes cannot be read.
pub fn unpacked<'a>(from: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut from = BufReader::with_capacity(64 << 10, from);
    let head = peek(&mut from)?;
    Ok(match head {
        [0x1f, 0x8b, ..] => {
            let counted = Counted { from, count: std::rc::Rc::default() };
            let packed = std::rc::Rc::clone(&counted.count);
            Box::new(Bounded { from: MultiGzDecoder::new(counted), packed, out: 0 })
        }
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let counted = Counted { from, count: std::rc::Rc::default() };
            let packed = std::rc::Rc::clone(&counted.count);
            Box::new(Bounded { from: Frames { from: counted, frame: None }, packed, out: 0 })
        }
        _ => Box::new(from),
    })
}

fn peek(from: &mut impl BufRead) -> io::Result<[u8; 4]> {
    let buffer = from.fill_buf()?;
    let mut head = [0; 4];
    for (to, byte) in head.iter_mut().zip(buffer) {
        *to = *byte;
    }
    Ok(head)
}

struct Counted<R> {
    from: R,
    count: std::rc::Rc<std::cell::Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count.set(self.count.get() + count as u64);
        self.from.consume(count);
    }
}

struct Bounded<R> {
    from: R,
    packed: std::rc::Rc<std::cell::Cell<u64>>,
    out: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        self.out += count as u64;
        let grown = self.out > FREE && self.out / MAX_RATIO > self.packed.get();
        if self.out > MAX_UNPACKED || grown {
            let what = format!("unpacks to more than {MAX_UNPACKED} bytes, or {MAX_RATIO} times its size");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        Ok(count)
    }
}

/// Frames of Zstandard one behind the other; those that decoders have to skip are skipped.
struct Frames<R> {
    from: R,
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> Frames<R> {
    /// Whether another frame begins.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.from.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut frame = FrameDecoder::new();
            match frame.reset(&mut self.from) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut (&mut self.from).take(u64::from(length)), &mut io::sink())?;
                    if skipped != u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
    }
}

fn damaged(error: &impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.is_none() && !self.begin()? {
                return Ok(0);
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            while frame.can_collect() == 0 && !frame.is_finished() {
                frame
                    .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBytes(128 << 10))
                    .map_err(|error| damaged(&error))?;
            }
            let count = frame.read(to)?;
            if count > 0 || to.is_empty() {
                return Ok(count);
            }
            if let (Some(says), Some(is)) = (frame.get_checksum_from_data(), frame.get_calculated_checksum())
                && says != is
            {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a frame differs"));
            }
            self.frame = None;
        }
    }
}
