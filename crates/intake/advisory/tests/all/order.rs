//! The published assertions on version order: every one of them, for every ecosystem.

use std::cmp::Ordering;

use linkward_advisory::Scheme;
use proptest::prelude::*;

/// Assertions that the published files hold, by scheme: fewer would mean that some were not read.
const LIVE: &[(Scheme, usize)] = &[
    (Scheme::Maven, 14_854),
    (Scheme::Alpine, 14_757),
    (Scheme::Debian, 14_472),
    (Scheme::Pep440, 12_412),
    (Scheme::Packagist, 10_725),
    (Scheme::RubyGems, 4_123),
    (Scheme::Rpm, 165),
    (Scheme::Pub, 100),
    (Scheme::SemVer, 86),
    (Scheme::Cran, 78),
    (Scheme::NuGet, 35),
    (Scheme::Hackage, 11),
];

fn holds(scheme: Scheme, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [a, sign, b] = words.as_slice() else { panic!("not an assertion: {line}") };
    let expected = match *sign {
        "<" => Ordering::Less,
        ">" => Ordering::Greater,
        "=" => Ordering::Equal,
        other => panic!("not a relation: {other}"),
    };
    let (a, b) = (scheme.read(a).unwrap(), scheme.read(b).unwrap());
    scheme.compare(a.as_bytes(), b.as_bytes()) == expected
        && scheme.compare(b.as_bytes(), a.as_bytes()) == expected.reverse()
}

#[test]
fn all_published_assertions() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let mut wrong = Vec::new();
    for (scheme, live) in LIVE {
        let mut count = 0;
        for kind in ["versions", "versions-generated"] {
            let path = vectors.join(format!("version-order/{}-{kind}.txt", scheme.name()));
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            for line in text.lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
                    continue;
                }
                count += 1;
                if !holds(*scheme, line) {
                    wrong.push(format!("{}: {line}", scheme.name()));
                }
            }
        }
        assert_eq!(count, *live, "{}", scheme.name());
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn every_scheme_has_assertions() {
    assert!(Scheme::all().all(|scheme| LIVE.iter().any(|(known, _)| *known == scheme)));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_equals_itself(text in "\\PC{0,40}", other in "[0-9a-z.~^+_-]{1,20}") {
        for scheme in Scheme::all() {
            let Ok(version) = scheme.read(&text) else { continue };
            prop_assert_eq!(scheme.compare(version.as_bytes(), version.as_bytes()), Ordering::Equal);
            let Ok(other) = scheme.read(&other) else { continue };
            let forth = scheme.compare(version.as_bytes(), other.as_bytes());
            prop_assert_eq!(scheme.compare(other.as_bytes(), version.as_bytes()), forth.reverse());
        }
    }
}
