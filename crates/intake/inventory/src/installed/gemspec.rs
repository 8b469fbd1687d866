//! Ruby: specifications/NAME-VERSION.gemspec. It is a program in Ruby, but RubyGems writes it in one form when it installs.

use linkward_evidence::Fault;

use super::{Place, Read, malformed, one};
use crate::{Lock, licence};

pub(super) const SPECIFICATION: Place = Place {
    kind: "gemspec",
    at: |path| path.contains("specifications/") && path.ends_with(".gemspec"),
    read: Read::Text(read),
};

fn read(text: &str) -> Result<Lock, Fault> {
    let value = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            (name.trim() == format!("s.{wanted}")).then_some(value)?.split('"').nth(1)
        })
    };
    let name = value("name").ok_or_else(|| malformed("$", "has no `s.name`"))?;
    // `s.licenses = ["MIT".freeze]`: every second piece between quotes is a name.
    let list = text.lines().find_map(|line| line.trim().strip_prefix("s.licenses =")).unwrap_or_default();
    let licences = licence::any_of(list.split('"').skip(1).step_by(2));
    one("gem", name, value("version"), licences)
}
