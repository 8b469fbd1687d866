//! Python: METADATA of a dist-info folder, PKG-INFO of an egg-info folder.

use linkward_evidence::Fault;

use super::{Place, Read, fields, malformed, one};
use crate::{Lock, licence};

pub(super) const METADATA: Place = Place {
    kind: "dist-info",
    at: |path| path.ends_with(".dist-info/METADATA") || path.ends_with(".egg-info/PKG-INFO"),
    read: Read::Text(read),
};

fn read(text: &str) -> Result<Lock, Fault> {
    let text = text.replace("\r\n", "\n");
    // Behind the first empty line stands the description, which may quote anything.
    let head = text.split("\n\n").next().unwrap_or(&text);
    let field = |wanted: &str| {
        fields(head)
            .find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty())
            .map(|(_, value)| value)
    };
    let name = field("Name").ok_or_else(|| malformed("$", "has no `Name`"))?;
    let version = field("Version").ok_or_else(|| malformed("$", "has no `Version`"))?;
    one("pypi", name, Some(version), licences(head))
}

/// The expression (core metadata 2.4), else the free field where it is a name, else the classifiers.
fn licences(head: &str) -> Vec<String> {
    let of = |wanted: &'static str| {
        fields(head).filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    // The free field may hold the whole text, continued on lines of its own.
    let whole = head.lines().skip_while(|line| !line.to_ascii_lowercase().starts_with("license:")).nth(1);
    let free = of("License").filter(|_| !whole.is_some_and(|next| next.starts_with([' ', '\t'])));
    let named: Vec<String> =
        of("License-Expression").chain(free).find_map(licence::declared).into_iter().collect();
    if named.is_empty() { of("Classifier").filter_map(licence::of_classifier).collect() } else { named }
}
