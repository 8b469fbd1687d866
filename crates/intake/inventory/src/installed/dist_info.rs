//! Python: METADATA of a dist-info folder, PKG-INFO of an egg-info folder.

use linkward_evidence::Fault;

use super::{Place, Read, fields, malformed, one};
use crate::Lock;

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
    one("pypi", name, Some(version))
}
