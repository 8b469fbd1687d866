//! apk: lib/apk/db/installed, one letter a field.

use linkward_evidence::Fault;

use super::stanza::{self, Spelling};
use super::{Place, Read};
use crate::Lock;

pub(super) const INSTALLED: Place = Place {
    kind: "apk installed",
    at: |path| path.ends_with("lib/apk/db/installed"),
    read: Read::Text(read),
};

const SPELLING: Spelling = Spelling {
    kind: "apk",
    field,
    name: "P",
    version: "V",
    architecture: "A",
    licence: Some("L"),
    upstream: |paragraph, name| field(paragraph, "o").filter(|origin| *origin != name).map(str::to_owned),
    present: |_| true,
};

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = stanza::read(text, &SPELLING)?;
    // F: a folder, then R: a file in it.
    let mut folder = "";
    for line in text.lines() {
        match line.split_once(':') {
            Some(("F", name)) => folder = name.trim(),
            Some(("R", name)) => lock.owns.push(format!("{folder}/{}", name.trim())),
            _ => {}
        }
    }
    Ok(lock)
}

fn field<'a>(paragraph: &'a str, wanted: &str) -> Option<&'a str> {
    let lines = paragraph.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.trim())
}
