//! Every document under `testdata`: `good` with what is read of it, `bad` with code, place and reason.
//! `LINKWARD_BLESS=1` writes the expectations anew; the diff is then for a person to read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use linkward_evidence::bundle::{Bundle, Content, Material};
use linkward_evidence::predicate::Predicate;
use linkward_evidence::statement::Statement;
use linkward_evidence::{Claim, FORMATS, Fault, parse};

pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kind)
}

pub(crate) fn cases(kind: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

/// As `parse`, and into what a statement says.
fn read(bytes: &[u8]) -> Result<(Claim, Predicate), Fault> {
    let claim = parse(bytes)?;
    let predicate = match &claim {
        Claim::Statement(statement) => Predicate::read(statement)?,
        _ => Predicate::Other,
    };
    Ok((claim, predicate))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(40).collect()
}

fn described(claim: &Claim, predicate: &Predicate) -> String {
    match claim {
        Claim::Bundle(bundle) => bundle_lines(bundle),
        Claim::Envelope(envelope) => {
            let signatures: Vec<String> = envelope
                .signatures
                .iter()
                .map(|signature| format!("{} by {:?}", text(&signature.sig), signature.key_id))
                .collect();
            format!("{} {}\n{}\n", envelope.payload_type, text(&envelope.payload), signatures.join("\n"))
        }
        Claim::Statement(statement) => statement_lines(statement, predicate),
        Claim::Vex(vex) => format!("{vex:#?}\n"),
        Claim::Sbom(sbom) => format!("{sbom:#?}\nshortcomings {:#?}\n", sbom.shortcomings()),
    }
}

fn statement_lines(statement: &Statement, predicate: &Predicate) -> String {
    let mut out =
        format!("{:?} {}\n{:#?}\n", statement.version, statement.predicate_type, statement.subjects);
    match predicate {
        Predicate::Provenance(provenance) => {
            let revisions: Vec<&str> = provenance.revisions().collect();
            writeln!(out, "{provenance:#?}\nexit {:?}, revisions {revisions:?}", provenance.exit_code())
        }
        Predicate::Other => Ok(()),
        other => writeln!(out, "{other:#?}"),
    }
    .unwrap();
    out
}

fn bundle_lines(bundle: &Bundle) -> String {
    let mut out = format!("{:?}\n", bundle.version);
    match &bundle.material {
        Material::Certificates(chain) => {
            chain.iter().for_each(|der| writeln!(out, "certificate {}", text(der)).unwrap())
        }
        Material::PublicKey { hint } => writeln!(out, "key {hint}").unwrap(),
    }
    for entry in &bundle.entries {
        let proof = entry.proof.as_ref().map(|proof| (proof.index, proof.size, proof.hashes.len()));
        writeln!(
            out,
            "entry {} of {}: {} {} at {}, promise {:?}, proof {proof:?}",
            entry.index,
            text(&entry.log_id),
            entry.kind,
            entry.version,
            entry.integrated,
            entry.promise.as_deref().map(text)
        )
        .unwrap();
    }
    for stamp in &bundle.timestamps {
        writeln!(out, "timestamp {}", text(stamp)).unwrap();
    }
    match &bundle.content {
        Content::Message { digest, signature } => writeln!(out, "message {digest:?} {}", text(signature)),
        Content::Envelope(envelope) => writeln!(out, "envelope {}", text(&envelope.payload)),
        Content::Large(payload) => {
            writeln!(out, "envelope {}", payload.digest(linkward_model::Algorithm::Sha256))
        }
        Content::SimpleSigning { payload, signature } => {
            writeln!(out, "{:?} {}", linkward_evidence::simple_signing::subject(payload), text(signature))
        }
    }
    .unwrap();
    out
}

fn compare(path: &Path, found: &str) {
    if std::env::var_os("LINKWARD_BLESS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{}, line {}", path.display(), line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{}", path.display());
}

#[test]
fn good_documents_are_read_as_expected() {
    let mut names = Vec::new();
    for (name, bytes) in cases("good") {
        let (claim, predicate) = read(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        compare(&folder("good").join(format!("{name}.txt")), &described(&claim, &predicate));
        names.push(name);
    }
    for start in [
        "bundle-",
        "pypi",
        "cosign-blob",
        "cosign-layer",
        "dsse",
        "statement-",
        "cyclonedx-",
        "spdx-",
        "openvex-",
        "csaf-vex-",
    ] {
        assert!(names.iter().any(|name| name.starts_with(start)), "no good case of {start}");
    }
    assert_eq!(FORMATS.len(), 10, "a new format needs cases of its own here");
}

#[test]
fn bad_documents_are_refused_with_code_and_place() {
    let mut table = String::new();
    for (name, bytes) in cases("bad") {
        let Err(fault) = read(&bytes) else { panic!("{name} is not refused") };
        writeln!(table, "{name}: {} {fault}", fault.code.as_str()).unwrap();
    }
    compare(&folder("bad").join("expected.txt"), &table);
}

/// A predicate type without a document that is read and one that is refused is not tested at all.
#[test]
fn every_predicate_type_has_its_cases() {
    let named = |kind| -> Vec<String> {
        let statements = cases(kind).into_iter().filter_map(|(_, bytes)| Statement::parse(&bytes).ok());
        statements.map(|statement| statement.predicate_type).collect()
    };
    let (good, bad) = (named("good"), named("bad"));
    for name in Predicate::types() {
        assert!(good.iter().any(|known| known == name), "no good case of {name}");
        assert!(bad.iter().any(|known| known == name), "no bad case of {name}");
    }
}
