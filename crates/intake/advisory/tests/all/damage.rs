//! A file that is not whole answers nothing.

use std::path::Path;

use linkward_advisory::{Database, DatabaseError, Freshness, replace};
use linkward_model::Code;
use linkward_testkit::{noon, scratch};

use crate::database::{bytes, record};

fn sample() -> Vec<u8> {
    let records: Vec<String> =
        (0..300).map(|n| record(&format!("A-{n}"), "npm", &format!("package-{n}"), "i0 f1.0.0")).collect();
    bytes(&records)
}

/// Opens the file and asks everything that the sample knows.
fn ask(path: &Path) -> Result<(), DatabaseError> {
    let database = Database::open(path)?;
    for n in 0..300 {
        let purl = format!("pkg:npm/package-{n}@0.1.0").parse().unwrap();
        database.assess(&purl, Freshness { now: noon(), max_age_days: 7 })?;
        database.find(&format!("A-{n}"))?;
    }
    database.verify()
}

#[test]
fn truncated_at_any_place_is_refused() {
    let (folder, whole) = (scratch(), sample());
    let path = folder.path().join("a.lwa");
    replace(&path, &whole).unwrap();
    ask(&path).unwrap();
    for cut in (0..whole.len()).step_by(whole.len() / 97).chain([whole.len() - 1]) {
        replace(&path, &whole[..cut]).unwrap();
        let code = ask(&path).unwrap_err().code();
        assert!(matches!(code, Code::AdvisoryFormat | Code::AdvisoryDamaged), "{cut}: {code}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    replace(&path, &longer).unwrap();
    assert_eq!(ask(&path).unwrap_err().code(), Code::AdvisoryDamaged);
}

#[test]
fn altered_at_any_place_is_refused() {
    let (folder, whole) = (scratch(), sample());
    let path = folder.path().join("a.lwa");
    for at in (0..whole.len()).step_by(whole.len() / 199) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        replace(&path, &changed).unwrap();
        let code = ask(&path).unwrap_err().code();
        assert!(matches!(code, Code::AdvisoryFormat | Code::AdvisoryDamaged), "{at}: {code}");
    }
}

#[test]
fn other_versions_and_other_files_are_told_apart() {
    let folder = scratch();
    let path = folder.path().join("a.lwa");
    assert_eq!(Database::open(&path).unwrap_err().code(), Code::AdvisoryMissing);
    replace(&path, b"{}").unwrap();
    assert_eq!(Database::open(&path).unwrap_err().code(), Code::AdvisoryFormat);
    let mut newer = sample();
    newer[8] = 2;
    replace(&path, &newer).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn replacing_leaves_nothing_beside_the_file() {
    let folder = scratch();
    let path = folder.path().join("a.lwa");
    replace(&path, &sample()).unwrap();
    replace(&path, &sample()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(replace(&folder.path().join("no/such/folder"), b"x").is_err());
}
