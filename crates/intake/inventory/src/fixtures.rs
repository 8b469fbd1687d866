//! Every lockfile under `testdata`: `good` ones with what is read of them, `bad` ones with where and why not.
//! `LINKWARD_BLESS=1` writes the expectations anew; the diff is then for a person to read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn cases(kind: &str) -> Vec<(PathBuf, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kind);
    let mut found = Vec::new();
    for case in std::fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        let mut folders = vec![case.clone()];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(&folder).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(&case).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if is_lockfile(&name).is_some() {
                    found.push((case.clone(), name, std::fs::read(path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

fn compare(case: &Path, found: &str) {
    let path = case.join("expected.txt");
    if std::env::var_os("LINKWARD_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{}, line {}", path.display(), line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{}", path.display());
}

/// One line a component, then relations and gaps.
fn described(sbom: &Sbom) -> String {
    let mut out = String::new();
    for component in &sbom.components {
        let scope = component.scope.map_or("required", |scope| match scope {
            Scope::Excluded => "excluded",
            Scope::Optional => "optional",
            Scope::Required => "required",
        });
        let digests: Vec<String> = component.digests.iter().map(Digest::short).collect();
        out.push_str(&format!("{} {} {scope} {}\n", component.kind, component.id, digests.join(" ")));
    }
    for relation in sbom.relations.iter().filter(|relation| !relation.to.is_empty()) {
        out.push_str(&format!("{} -> {}\n", relation.from, relation.to.join(" ")));
    }
    for gap in &sbom.gaps {
        out.push_str(&format!("gap: {gap}\n"));
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn good_lockfiles_are_read_as_expected() {
    let mut kinds = BTreeSet::new();
    for (case, name, bytes) in cases("good") {
        let found = inventory("shop", &[(name.clone(), bytes)]);
        assert!(found.faults.is_empty(), "{}: {:?}", case.display(), found.faults);
        kinds.extend(is_lockfile(&name));
        compare(&case, &described(&found.sbom));
    }
    assert_eq!(kinds.len(), LOCKFILES.len(), "each kind has a good case: {kinds:?}");
}

#[test]
fn bad_lockfiles_are_refused_with_their_place() {
    let mut kinds = BTreeSet::new();
    for (case, name, bytes) in cases("bad") {
        let found = inventory("shop", &[(name.clone(), bytes)]);
        let [fault] = found.faults.as_slice() else { panic!("{} is not refused", case.display()) };
        assert_eq!(found.sbom.gaps, [format!("{name} could not be read")], "{}", case.display());
        assert!(found.lockfiles.is_empty());
        kinds.extend(is_lockfile(&name));
        compare(&case, &format!("{} {fault}\n", fault.code.as_str()));
    }
    assert_eq!(kinds.len(), LOCKFILES.len(), "each kind has a bad case: {kinds:?}");
}

/// npm, pnpm and yarn locked the same project: where one saw a package, so did the others.
#[test]
fn package_managers_agree() {
    let of = |wanted: &str| -> BTreeSet<String> {
        let (_, name, bytes) = cases("good").into_iter().find(|(case, ..)| case.ends_with(wanted)).unwrap();
        let sbom = inventory("shop", &[(name, bytes)]).sbom;
        // The project itself, optional parts for other systems and yarn's own patches are spelled differently.
        let ids = sbom.components.into_iter().filter(|component| component.kind == "library");
        ids.map(|component| component.id).filter(|id| !id.starts_with("pkg:npm/fsevents")).collect()
    };
    let first = of("npm-3");
    assert!(first.len() > 20, "{first:?}");
    assert!(
        first.iter().any(|id| id.starts_with("pkg:npm/wrap-ansi@")),
        "an alias has its own name: {first:?}"
    );
    for other in
        ["npm-1", "npm-2", "pnpm-5", "pnpm-6", "pnpm-9", "yarn-classic", "yarn-berry-6", "yarn-berry-8"]
    {
        let found = of(other);
        // Later yarns add what compiles fsevents; nobody leaves anything out.
        let differs: Vec<_> = match other.starts_with("yarn-berry") {
            true => first.difference(&found).collect(),
            false => first.symmetric_difference(&found).collect(),
        };
        assert!(differs.is_empty(), "{other}: {differs:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A lockfile damaged anywhere is read or refused: never a panic, never a silent nothing.
    #[test]
    fn damaged_lockfiles(
        which in any::<prop::sample::Index>(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        thread_local! {
            static CASES: Vec<(PathBuf, String, Vec<u8>)> = cases("good");
        }
        CASES.with(|cases| {
            let (_, name, bytes) = &cases[which.index(cases.len())];
            let mut bytes = bytes.clone();
            for (place, byte) in &places {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            bytes.truncate(cut.index(bytes.len()) + bytes.len() / 2);
            let found = inventory("shop", &[(name.clone(), bytes)]);
            // Steps and resources may take nothing from elsewhere; nobody lists them in a lockfile.
            let may_be_nothing = matches!(is_lockfile(name), Some("GitHub Actions" | "Terraform"));
            let said = !found.sbom.components.is_empty() || !found.sbom.gaps.is_empty();
            assert!(said || may_be_nothing, "{name}");
        });
    }

    #[test]
    fn any_text(text in "\\PC{0,200}", which in 0..LOCKFILES.len()) {
        let _ = (LOCKFILES[which].read)(&text);
    }
}
