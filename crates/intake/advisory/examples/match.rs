//! 10,000 components against 600,000 ranges of 300,000 packages, in a process of its own so that nothing is warm but the disk.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that measures")]

use std::path::Path;
use std::process::Command;
use std::time::Instant as Clock;

use linkward_advisory::{
    Advisory, Affected, Assessment, Batch, Builder, Database, Event, Freshness, Range, RangeKind, Severity,
    Source, replace,
};
use linkward_model::{Digest, Instant};

const PACKAGES: u64 = 300_000;
const ADVISORIES: u64 = 600_000;
const COMPONENTS: u64 = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(path) = arguments.get(1) {
        return look_up(Path::new(path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("advisories.lwa");
    let start = Clock::now();
    let mut builder = Builder::default();
    builder.add(batch());
    let bytes = builder.finish(&[]);
    replace(&path, &bytes).unwrap();
    println!(
        "advisory build: {ADVISORIES} ranges, {} MB, {:.1} s",
        bytes.len() >> 20,
        start.elapsed().as_secs_f64()
    );
    drop(bytes);
    for _ in 0..5 {
        let start = Clock::now();
        let output = Command::new(&arguments[0]).arg(&path).output().unwrap();
        let whole = start.elapsed().as_secs_f64() * 1000.0;
        println!(
            "advisory match: {whole:.1} ms whole process; {}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
}

fn look_up(path: &Path) {
    let start = Clock::now();
    let database = Database::open(path).unwrap();
    let freshness = Freshness { now: Instant::from_seconds(1_767_225_600), max_age_days: 7 };
    let mut affected = 0;
    for n in 0..COMPONENTS {
        // Every second component is one that advisories name.
        let name = if n % 2 == 0 { name(mix(n) % PACKAGES) } else { format!("clean-{n}") };
        // As in a lockfile that is looked after, one in some fifty is behind.
        let purl = format!("pkg:npm/{name}@{}.{}.0", mix(n) % 40, n % 7).parse().unwrap();
        let found = database.assess(&purl, freshness).unwrap();
        affected += u64::from(matches!(found, Assessment::Affected { .. }));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!(
        "{:.1} ms inside, {affected} affected, {}",
        start.elapsed().as_secs_f64() * 1000.0,
        peak.replace('\t', " ")
    );
}

fn batch() -> Batch {
    let now = Instant::from_seconds(1_767_225_600);
    let advisories = (0..ADVISORIES).map(|n| {
        // Skewed: a few packages have many advisories.
        let package = if n % 10 == 0 { mix(n) % 1000 } else { mix(n) % PACKAGES };
        let (major, minor) = (mix(n ^ 77) % 4, mix(n ^ 99) % 20);
        let events = vec![
            Event::Introduced(format!("{major}.0.0")),
            Event::Fixed(format!("{major}.{minor}.{}", n % 10)),
        ];
        Advisory {
            id: format!("GHSA-{:016x}", mix(n)),
            aliases: vec![format!("CVE-2025-{n}")],
            modified: Some(now),
            published: Some(now),
            withdrawn: false,
            summary: format!(
                "{} allows {} through {:x}",
                name(package),
                ["code", "loops", "reading"][n as usize % 3],
                mix(n)
            ),
            severity: Severity::High,
            references: vec![format!("https://advisories.example/{n}")],
            affected: vec![Affected {
                ecosystem: "npm".to_owned(),
                name: name(package),
                ranges: vec![Range { kind: RangeKind::SemVer, events }],
                versions: Vec::new(),
            }],
        }
    });
    let source = Source {
        name: "synthetic".to_owned(),
        digest: Digest::sha256(b"synthetic"),
        records: ADVISORIES as usize,
        as_of: Some(now),
        unreadable: 0,
    };
    Batch { source, advisories: advisories.collect() }
}

fn name(n: u64) -> String {
    format!("package-{:x}", mix(n ^ 0xabcd) >> 32)
}

/// SplitMix64: the same numbers everywhere.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
