//! `detect export`: recorded events as a Parquet file, whose digest the record keeps.

use std::io::{BufWriter, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use linkward_detect::Parquet;
use linkward_evidence::event::Event;
use linkward_model::{Code, Digest, Exit, Instant, Sha256Stream};
use serde_json::{Value, json};

use super::Ask;
use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::counted;
use crate::wire::{Request, VERSION};

pub(super) fn run(
    file: &Path,
    from: Option<Instant>,
    until: Option<Instant>,
    home: Option<&Path>,
    format: Format,
) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    // Whole or not at all: half a file looks like a quiet day.
    let draft = file.with_extension("parquet.new");
    let cannot = || format!("cannot write {}", draft.display());
    let out = std::fs::File::create(&draft).with_context(cannot)?;
    let mut parquet = Parquet::new(BufWriter::new(out)).with_context(cannot)?;
    let (mut after, mut deleted) = (None, 0);
    let about = loop {
        let page: Value = access.ask(Request::Detect { ask: Ask::Events { after } })?;
        let text = |name: &str| page.get(name).and_then(Value::as_str).unwrap_or_default();
        for line in text("lines").lines() {
            let event: Event = serde_json::from_str(line).context("a recorded event")?;
            if from.is_none_or(|from| event.time >= from) && until.is_none_or(|until| event.time < until) {
                parquet.write(&event).with_context(cannot)?;
            }
        }
        deleted += page.get("deleted").and_then(Value::as_u64).unwrap_or(0);
        match page.get("last").and_then(Value::as_u64) {
            Some(last) => after = Some(last),
            None => {
                break [
                    ("linkward.log", text("origin").to_owned()),
                    ("linkward.size", page.get("size").cloned().unwrap_or_default().to_string()),
                ];
            }
        }
    };
    let events = parquet.finish(&about).with_context(cannot)?;
    let digest = digest_of(&draft)?;
    std::fs::rename(&draft, file).with_context(|| format!("cannot write {}", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ask = Ask::Exported { name, digest, events, from, until };
    let answer: Value = access.ask(Request::Detect { ask })?;
    let record = answer.get("record").cloned().unwrap_or_default();
    match format {
        Format::Json => print_json(&json!({
            "version": VERSION, "events": events, "digest": digest, "record": record, "deleted": deleted,
        }))?,
        Format::Table => {
            let mut out = format!(
                "{} in {} ({}, record {record})\n",
                counted(usize::try_from(events)?, "event"),
                file.display(),
                digest.short()
            );
            if deleted > 0 {
                let code = Code::DeletedByRetention;
                out.push_str(&format!(
                    "{code}: {} of events left out\n  next: {}\n",
                    counted(usize::try_from(deleted)?, "document"),
                    code.fix()
                ));
            }
            print(&out)?;
        }
    }
    // What is not in it may be what somebody looks for.
    Ok(if deleted > 0 { Exit::Unknown } else { Exit::Allowed })
}

fn digest_of(path: &Path) -> Result<Digest> {
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut stream = Sha256Stream::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => stream.update(piece),
            _ => return Ok(stream.finish()),
        }
    }
}
