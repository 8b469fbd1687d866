//! Events as Parquet (format 2, [parquet-format](https://github.com/apache/parquet-format)), so that any engine can query
//! them. Written only: flat columns, plain encoding, no compression; that is what every reader reads.

mod thrift;

use std::io::{self, Write};

use linkward_evidence::event::Event;
use serde_json::Value;

use thrift::Struct;

/// Rows and bytes of one group: readers load a group at a time.
const MAX_ROWS: usize = 50_000;
const MAX_BYTES: usize = 64 << 20;
const MAGIC: &[u8] = b"PAR1";

/// Numbers of the format.
const BOOLEAN: i32 = 0;
const INT64: i32 = 2;
const BYTE_ARRAY: i32 = 6;
const UTF8: i32 = 0;
const TIMESTAMP_MILLIS: i32 = 9;
const PLAIN: i32 = 0;
const RLE: i32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Time,
    Flag,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    kind: Kind,
    optional: bool,
}

/// Columns of every event, in this order, then each field that it may have.
const FIRST: &[(&str, Kind, bool)] = &[
    ("id", Kind::Text, false),
    ("source", Kind::Text, false),
    ("action", Kind::Text, false),
    ("time", Kind::Time, false),
    ("received", Kind::Time, true),
];
/// Lists, as JSON, and what the source said, whole.
const LAST: &[&str] = &["names", "expected", "raw"];

fn columns() -> Vec<Column> {
    let flags = ["forced", "descends", "reachable"];
    let mut all: Vec<Column> = FIRST
        .iter()
        .map(|(name, kind, optional)| Column { name, kind: *kind, optional: *optional })
        .collect();
    let further = Event::FIELDS.iter().copied().filter(|name| !LAST.contains(name));
    all.extend(further.map(|name| Column {
        name,
        kind: match name {
            "started" => Kind::Time,
            name if flags.contains(&name) => Kind::Flag,
            _ => Kind::Text,
        },
        optional: true,
    }));
    all.extend(LAST.iter().map(|name| Column { name, kind: Kind::Text, optional: true }));
    all
}

/// The values of one column that wait for their group.
#[derive(Debug, Default)]
struct Held {
    /// Whether each row has one.
    there: Vec<bool>,
    bytes: Vec<u8>,
    flags: Vec<bool>,
}

/// Writes events as they come; the file is whole once it is finished.
#[derive(Debug)]
pub struct Parquet<W> {
    out: W,
    at: u64,
    columns: Vec<Column>,
    held: Vec<Held>,
    rows: usize,
    all: u64,
    groups: Vec<Struct>,
}

impl<W: Write> Parquet<W> {
    /// # Errors
    /// Those of the writer.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let columns = columns();
        let held = columns.iter().map(|_| Held::default()).collect();
        Ok(Self { out, at: MAGIC.len() as u64, columns, held, rows: 0, all: 0, groups: Vec::new() })
    }

    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let said = serde_json::to_value(event)?;
        for (column, held) in self.columns.iter().zip(&mut self.held) {
            held.take(column, &said, event);
        }
        self.rows += 1;
        let bytes: usize = self.held.iter().map(|held| held.bytes.len()).sum();
        if self.rows >= MAX_ROWS || bytes >= MAX_BYTES { self.group() } else { Ok(()) }
    }

    fn group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut chunks = Vec::new();
        let mut total = 0;
        for (column, held) in self.columns.iter().zip(&mut self.held) {
            let held = std::mem::take(held);
            let page = held.page(column);
            let header = page_header(page.len(), self.rows);
            let size = header.len() + page.len();
            self.out.write_all(&header)?;
            self.out.write_all(&page)?;
            chunks.push(chunk(column, self.at, size, self.rows));
            self.at += size as u64;
            total += size;
        }
        let mut group = Struct::default();
        group.structs(1, chunks).i64(2, total as i64).i64(3, self.rows as i64);
        self.groups.push(group);
        self.all += self.rows as u64;
        self.rows = 0;
        Ok(())
    }

    /// Ends the file; `about` stands in its metadata. Returns how many events it holds.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self, about: &[(&str, String)]) -> io::Result<u64> {
        self.group()?;
        let mut root = Struct::default();
        root.text(4, "event").i32(5, self.columns.len() as i32);
        let mut schema = vec![root];
        schema.extend(self.columns.iter().map(element));
        let pairs = about.iter().map(|(key, value)| {
            let mut pair = Struct::default();
            pair.text(1, key).text(2, value);
            pair
        });
        let mut footer = Struct::default();
        footer
            .i32(1, 2)
            .structs(2, schema)
            .i64(3, self.all as i64)
            .structs(4, self.groups)
            .structs(5, pairs.collect())
            .text(6, concat!("linkward ", env!("CARGO_PKG_VERSION")));
        let footer = footer.encode();
        self.out.write_all(&footer)?;
        let length = u32::try_from(footer.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(MAGIC)?;
        self.out.flush()?;
        Ok(self.all)
    }
}

impl Held {
    fn take(&mut self, column: &Column, said: &Value, event: &Event) {
        match column.kind {
            Kind::Text => {
                let value = said.get(column.name).filter(|value| !value.is_null());
                let text = value.map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                self.there.push(text.is_some());
                if let Some(text) = text {
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    self.bytes.extend(length.to_le_bytes());
                    self.bytes.extend(text.as_bytes());
                }
            }
            Kind::Time => {
                let time = match column.name {
                    "time" => Some(event.time),
                    "received" => event.received,
                    _ => event.started,
                };
                self.there.push(time.is_some());
                if let Some(time) = time {
                    self.bytes.extend(time.millis().to_le_bytes());
                }
            }
            Kind::Flag => {
                let flag = said.get(column.name).and_then(Value::as_bool);
                self.there.push(flag.is_some());
                self.flags.extend(flag);
            }
        }
    }

    /// Levels of what is there, then the values.
    fn page(&self, column: &Column) -> Vec<u8> {
        let mut page = Vec::new();
        if column.optional {
            let levels = levels(&self.there);
            page.extend(u32::try_from(levels.len()).unwrap_or(u32::MAX).to_le_bytes());
            page.extend(levels);
        }
        page.extend(&self.bytes);
        for eight in self.flags.chunks(8) {
            page.push(eight.iter().enumerate().fold(0, |byte, (bit, flag)| byte | (u8::from(*flag) << bit)));
        }
        page
    }
}

/// Runs of equal levels of one bit (parquet-format, Encodings.md, RLE = 3).
fn levels(there: &[bool]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in there.chunk_by(|one, other| one == other) {
        thrift::varint((run.len() as u64) << 1, &mut out);
        out.push(u8::from(run.first() == Some(&true)));
    }
    out
}

fn element(column: &Column) -> Struct {
    let (kind, converted) = match column.kind {
        Kind::Text => (BYTE_ARRAY, Some(UTF8)),
        Kind::Time => (INT64, Some(TIMESTAMP_MILLIS)),
        Kind::Flag => (BOOLEAN, None),
    };
    let mut element = Struct::default();
    element.i32(1, kind).i32(3, i32::from(column.optional)).text(4, column.name);
    if let Some(converted) = converted {
        element.i32(6, converted);
    }
    element
}

fn page_header(size: usize, rows: usize) -> Vec<u8> {
    let size = i32::try_from(size).unwrap_or(i32::MAX);
    let mut data = Struct::default();
    data.i32(1, rows as i32).i32(2, PLAIN).i32(3, RLE).i32(4, RLE);
    let mut header = Struct::default();
    header.i32(1, 0).i32(2, size).i32(3, size).one(5, data);
    header.encode()
}

fn chunk(column: &Column, at: u64, size: usize, rows: usize) -> Struct {
    let kind = match column.kind {
        Kind::Text => BYTE_ARRAY,
        Kind::Time => INT64,
        Kind::Flag => BOOLEAN,
    };
    let mut meta = Struct::default();
    meta.i32(1, kind)
        .i32s(2, &[PLAIN, RLE])
        .texts(3, &[column.name])
        .i32(4, 0)
        .i64(5, rows as i64)
        .i64(6, size as i64)
        .i64(7, size as i64)
        .i64(9, at as i64);
    let mut chunk = Struct::default();
    chunk.i64(2, at as i64).one(3, meta);
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_runs() {
        assert_eq!(levels(&[true, true, true, false, true]), [6, 1, 2, 0, 2, 1]);
        assert!(levels(&[]).is_empty());
        assert_eq!(levels(&[false; 100]), [0xc8, 0x01, 0]);
    }

    #[test]
    fn every_field_has_one_column_of_its_kind() {
        let names: Vec<&str> = columns().iter().map(|column| column.name).collect();
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
        for field in Event::FIELDS {
            assert!(names.contains(field), "{field}");
        }
        let flags: Vec<&str> =
            columns().iter().filter(|column| column.kind == Kind::Flag).map(|column| column.name).collect();
        let sample = Event::new(
            linkward_evidence::event::Source::Forge,
            linkward_evidence::event::Action::NAMED.first().cloned().unwrap(),
            linkward_model::Instant::default(),
        );
        for flag in flags {
            let mut said = serde_json::to_value(&sample).unwrap();
            said[flag] = true.into();
            assert!(serde_json::from_value::<Event>(said).is_ok(), "{flag} is a flag");
            let mut said = serde_json::to_value(&sample).unwrap();
            said[flag] = "text".into();
            assert!(serde_json::from_value::<Event>(said).is_err(), "{flag} is no text");
        }
    }
}
