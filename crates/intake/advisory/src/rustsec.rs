//! RustSec's own format: Markdown that opens with a TOML block. It says what is patched and unaffected; affected is the rest.

use linkward_evidence::Fault;
use linkward_model::Code;
use toml::{Table, Value};

use crate::order::Scheme;
use crate::osv::shorten;
use crate::record::{Advisory, Affected, Event, Range, RangeKind};
use crate::severity::{self, Severity};

/// # Errors
/// No TOML block at the start, or one that lacks what every RustSec advisory has.
pub fn markdown(text: &str) -> Result<Advisory, Fault> {
    let (front, body) = text
        .trim_start()
        .strip_prefix("```toml")
        .and_then(|rest| rest.split_once("\n```"))
        .ok_or_else(|| malformed("$", "does not open with a ```toml block"))?;
    let document: Table =
        front.parse().map_err(|error: toml::de::Error| malformed("```toml", error.message().to_owned()))?;
    let advisory = document.get("advisory").ok_or_else(|| malformed("[advisory]", "is missing"))?;
    let field = |name: &str| advisory.get(name).and_then(Value::as_str);
    let required = |name: &str| field(name).ok_or_else(|| malformed(name, "is missing"));
    let day = |text: &str| {
        format!("{text}T00:00:00Z").parse().map_err(|error| malformed("date", format!("{error}")))
    };
    let requirements = |name: &str| -> Result<Vec<Span>, Fault> {
        let listed =
            document.get("versions").and_then(|versions| versions.get(name)).and_then(Value::as_array);
        listed.into_iter().flatten().map(|text| Span::parse(text.as_str().unwrap_or_default())).collect()
    };
    let informational = field("informational").is_some();
    let mut unaffected = requirements("patched")?;
    unaffected.extend(requirements("unaffected")?);
    let date = day(required("date")?)?;
    let listed = |name: &str| {
        let all = advisory.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let rated = field("cvss").and_then(severity::vector).unwrap_or(Severity::Unrated);
    Ok(Advisory {
        id: required("id")?.to_owned(),
        aliases: listed("aliases"),
        modified: Some(date),
        published: Some(date),
        withdrawn: advisory.get("withdrawn").is_some(),
        summary: shorten(body),
        severity: if informational && rated == Severity::Unrated { Severity::Notice } else { rated },
        references: field("url").map(str::to_owned).into_iter().chain(listed("references")).take(6).collect(),
        affected: vec![Affected {
            ecosystem: "crates.io".to_owned(),
            name: required("package")?.to_owned(),
            ranges: vec![Range { kind: RangeKind::SemVer, events: rest(unaffected) }],
            versions: Vec::new(),
        }],
    })
}

/// A stretch of versions that a Cargo requirement allows: from the first one on, up to but without the second.
struct Span {
    from: Option<String>,
    to: Option<String>,
}

impl Span {
    fn parse(requirement: &str) -> Result<Self, Fault> {
        let mut span = Self { from: None, to: None };
        for part in requirement.split(',') {
            let part = part.trim();
            let (sign, version) = part.split_at(part.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
            let numbers = numbers(version)
                .ok_or_else(|| malformed("[versions]", format!("`{part}` is no requirement")))?;
            let bare = pad(version);
            match sign.trim() {
                ">=" => span.from = Some(bare),
                ">" => span.from = Some(next(&bare)),
                "<" => span.to = Some(bare),
                "<=" => span.to = Some(next(&bare)),
                "=" => (span.from, span.to) = (Some(bare.clone()), Some(next(&bare))),
                "^" | "" => (span.from, span.to) = (Some(bare), Some(caret(&numbers))),
                "~" => (span.from, span.to) = (Some(bare), Some(tilde(&numbers))),
                other => return Err(malformed("[versions]", format!("`{other}` is not an operator"))),
            }
        }
        Ok(span)
    }
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let plain = version.split(['-', '+']).next()?;
    plain.split('.').map(|part| part.parse().ok()).collect()
}

/// `1` and `1.2` in full.
fn pad(version: &str) -> String {
    let (plain, tail) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let missing = 2usize.saturating_sub(plain.matches('.').count());
    format!("{plain}{}{tail}", ".0".repeat(missing))
}

/// The first version behind this one.
fn next(version: &str) -> String {
    match version.split_once('-') {
        Some(_) => format!("{version}.0"),
        None => {
            let mut parts = numbers(version).unwrap_or_default();
            if let Some(last) = parts.last_mut() {
                *last = last.saturating_add(1);
            }
            let text: Vec<String> = parts.iter().map(u64::to_string).collect();
            format!("{}-0", text.join("."))
        }
    }
}

/// Pre-releases of what a caret excludes are not allowed by it: the stretch ends at the very first of them.
fn caret(numbers: &[u64]) -> String {
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    match (at(0), at(1)) {
        (0, 0) if numbers.len() > 2 => format!("0.0.{}-0", at(2).saturating_add(1)),
        (0, minor) if numbers.len() > 1 => format!("0.{}.0-0", minor.saturating_add(1)),
        (major, _) => format!("{}.0.0-0", major.saturating_add(1)),
    }
}

fn tilde(numbers: &[u64]) -> String {
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    match numbers.len() {
        1 => format!("{}.0.0-0", at(0).saturating_add(1)),
        _ => format!("{}.{}.0-0", at(0), at(1).saturating_add(1)),
    }
}

/// Everything outside the spans, as OSV events.
fn rest(mut spans: Vec<Span>) -> Vec<Event> {
    let key = |text: &str| Scheme::SemVer.read(text).ok();
    spans.sort_by_cached_key(|span| span.from.as_deref().and_then(key));
    let mut events = Vec::new();
    // Where what no span allows begins.
    let mut open = "0".to_owned();
    for Span { from, to } in spans {
        if let Some(from) = from
            && key(&from) > key(&open)
        {
            events.push(Event::Introduced(open.clone()));
            events.push(Event::Fixed(from));
        }
        match to {
            // Allowed from here on for good.
            None => return events,
            Some(to) if key(&to) > key(&open) => open = to,
            Some(_) => {}
        }
    }
    events.push(Event::Introduced(open));
    events
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::AdvisoryMalformed, place, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(requirements: &[&str]) -> Vec<Event> {
        rest(requirements.iter().map(|text| Span::parse(text).unwrap()).collect())
    }

    #[test]
    fn affected_is_what_is_neither_patched_nor_unaffected() {
        let introduced = |at: &str| Event::Introduced(at.to_owned());
        let fixed = |at: &str| Event::Fixed(at.to_owned());
        assert_eq!(affected(&[]), [introduced("0")]);
        assert_eq!(affected(&[">= 1.0.9"]), [introduced("0"), fixed("1.0.9")]);
        assert_eq!(affected(&[">= 1.2", "< 0.5"]), [introduced("0.5.0"), fixed("1.2.0")]);
        assert_eq!(
            affected(&["^0.10.7", ">= 0.11.3"]),
            [introduced("0"), fixed("0.10.7"), introduced("0.11.0-0"), fixed("0.11.3")]
        );
        assert_eq!(affected(&["> 1.0.0, < 1.2.0"]), [introduced("0"), fixed("1.0.1-0"), introduced("1.2.0")]);
        assert_eq!(
            affected(&["= 1.2.3-rc.1"]),
            [introduced("0"), fixed("1.2.3-rc.1"), introduced("1.2.3-rc.1.0")]
        );
        assert_eq!(affected(&["~1.2", ">= 1.1"]), [introduced("0"), fixed("1.1.0")]);
        assert!(Span::parse("?1").is_err() && Span::parse(">= x").is_err());
    }

    #[test]
    fn what_is_no_rustsec_advisory_is_refused() {
        for bad in [
            "",
            "# hello",
            "```toml\n[advisory]\n",
            "```toml\nx = \n```\n",
            "```toml\n[advisory]\nid = \"R\"\n```\n",
        ] {
            assert_eq!(markdown(bad).map_err(|fault| fault.code), Err(Code::AdvisoryMalformed), "{bad}");
        }
    }
}
