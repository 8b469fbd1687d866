use linkward_model::Algorithm;
use linkward_testkit::image::{file, gzip, tar, zip};
use serde_json::json;

use super::*;
use crate::package;

fn noon() -> Instant {
    "2026-06-10T12:00:00Z".parse().unwrap()
}

const LEFT: &str = r#"{"name":"left","version":"1.2.0","scripts":{"test":"x"},"bin":"./cli.js",
    "dependencies":{"a":"^1.0.0"},"optionalDependencies":{"b":"2"},"peerDependencies":{"c":"*"}}"#;

fn archive(manifest: &str) -> Vec<u8> {
    gzip(&tar(&[file("package/package.json", manifest.as_bytes()), file("package/cli.js", b"1")]))
}

fn integrity(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = Digest::of(Algorithm::Sha512, bytes);
    format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(digest.as_bytes()))
}

/// As the registry keeps it: optional dependencies among the others, commands named.
fn document(archive: &[u8]) -> Value {
    let one = |version: &str, at: &str| {
        json!({ "name": "left", "version": version, "_npmUser": { "name": "ann" }, "published": at,
            "dist": { "attestations": { "url": "https://registry.example/a" } } })
    };
    json!({
        "name": "left",
        "time": { "created": "2020-01-01T00:00:00.000Z", "1.0.0": "2025-01-01T00:00:00.000Z", "1.1.0": "2025-06-01T00:00:00.000Z",
            "1.2.0": "2026-01-01T00:00:00.000Z", "2.0.0": "2026-02-01T00:00:00.000Z" },
        "versions": {
            "1.0.0": one("1.0.0", ""), "1.1.0": one("1.1.0", ""), "2.0.0": one("2.0.0", ""),
            "1.2.0": {
                "name": "left", "version": "1.2.0", "scripts": { "test": "other", "build": "y" }, "bin": { "left": "cli.js" },
                "dependencies": { "a": "^1.0.0", "b": "2" }, "optionalDependencies": { "b": "2" }, "peerDependencies": { "c": "*" },
                "_npmUser": { "name": "ann" },
                "dist": { "integrity": integrity(archive), "attestations": { "url": "https://registry.example/a" } },
            },
        },
    })
}

fn held(document: &Value, archive: &[u8], now: Instant) -> Compared {
    let files = package::files(archive).unwrap();
    compare(document.to_string().as_bytes(), archive, &files, now).unwrap()
}

fn codes(said: &Compared) -> Vec<(Code, Weight)> {
    said.findings.iter().map(|finding| (finding.code, finding.weight)).collect()
}

#[test]
fn a_package_that_is_what_its_registry_says_is_none() {
    let archive = archive(LEFT);
    let said = held(&document(&archive), &archive, noon());
    assert_eq!((said.findings, said.open), (vec![], Vec::<String>::new()));
    // One version's document alone says nothing of when, or of others.
    let one = document(&archive)["versions"]["1.2.0"].clone();
    let said = held(&one, &archive, noon());
    assert_eq!((said.findings.len(), said.open.len()), (0, 1), "{:?}", said.open);
}

/// Each difference is found, and is the only one.
#[test]
fn every_difference_is_found() {
    let archive = archive(LEFT);
    let of = |pointer: &str, value: Value| {
        let mut document = document(&archive);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value;
        held(&document, &archive, noon())
    };
    let own = "/versions/1.2.0";
    for (place, value, says) in [
        ("/name", json!("right"), "name is `left` in the archive and `right` in the registry"),
        (
            "/scripts/postinstall",
            json!("curl x"),
            "script `postinstall` is absent in the archive and `curl x` in the registry",
        ),
        ("/scripts/install", json!("node-gyp rebuild"), "script `install`"),
        (
            "/dependencies/a",
            json!("^1.0.1"),
            "dependency `a` is `^1.0.0` in the archive and `^1.0.1` in the registry",
        ),
        ("/dependencies/d", json!("1"), "dependency `d` is absent in the archive"),
        (
            "/peerDependencies",
            Value::Null,
            "peer dependency `c` is `*` in the archive and absent in the registry",
        ),
        (
            "/bin",
            json!({ "left": "other.js" }),
            "what it installs as commands is `left=cli.js` in the archive and `left=other.js`",
        ),
    ] {
        let said = of(&format!("{own}{place}"), value);
        assert_eq!(codes(&said), [(Code::ManifestConfusion, Weight::High)], "{place}");
        assert!(said.findings[0].message.contains(says), "{place}: {}", said.findings[0].message);
    }
    let said = of(&format!("{own}/dist/integrity"), json!(integrity(b"other")));
    assert_eq!(codes(&said), [(Code::DependencyReplaced, Weight::High)]);
    let said = of(&format!("{own}/dist/integrity"), json!("sha1-AAAA"));
    assert_eq!((said.findings.len(), said.open.len()), (0, 1));
    let said = of(&format!("{own}/dist/attestations"), Value::Null);
    assert_eq!(codes(&said), [(Code::AttestationDowngrade, Weight::High)]);
    let said = of(&format!("{own}/_npmUser/name"), json!("eve"));
    assert_eq!(codes(&said), [(Code::PublisherChanged, Weight::Low)]);
    // Whoever published a version later than this one was not known then.
    let mut later = document(&archive);
    later["versions"]["2.0.0"]["_npmUser"]["name"] = json!("eve");
    later["versions"]["1.2.0"]["_npmUser"]["name"] = json!("eve");
    assert_eq!(codes(&held(&later, &archive, noon())), [(Code::PublisherChanged, Weight::Low)]);
    let mut gone = document(&archive);
    gone["versions"].as_object_mut().unwrap().remove("1.2.0");
    assert_eq!(codes(&held(&gone, &archive, noon())), [(Code::ManifestConfusion, Weight::High)]);
}

#[test]
fn a_young_version_is_named_until_it_is_a_week_old() {
    let archive = archive(LEFT);
    let mut document = document(&archive);
    document["time"]["1.2.0"] = json!("2026-06-08T10:00:00.000Z");
    let said = held(&document, &archive, noon());
    assert_eq!(codes(&said), [(Code::VersionYoung, Weight::Low)]);
    assert!(said.findings[0].message.contains("2 days and 2 hours ago"), "{}", said.findings[0].message);
    let week = noon().plus_millis(5 * 24 * 3_600_000);
    assert_eq!(held(&document, &archive, week).findings, []);
}

/// npm itself would build native code; the registry writes that down, and nobody lied.
#[test]
fn native_code_is_built_without_saying_so() {
    let manifest = r#"{"name":"n","version":"1.0.0"}"#;
    let entries = [file("package/package.json", manifest.as_bytes()), file("package/binding.gyp", b"{}")];
    let archive = gzip(&tar(&entries));
    let listed = |script: &str| json!({ "name": "n", "version": "1.0.0", "scripts": { "install": script }, "dist": { "integrity": integrity(&archive) } });
    assert_eq!(held(&listed("node-gyp rebuild"), &archive, noon()).findings, []);
    assert_eq!(held(&listed("node-gyp rebuild; x"), &archive, noon()).findings.len(), 1);
}

#[test]
fn python_packages_are_held_against_pypi() {
    let metadata = b"Metadata-Version: 2.1\nName: My_Pkg\nVersion: 1.0\nRequires-Dist: a (>=1)\nRequires-Dist: b ; extra == 'x'\n\nName: no\n";
    let wheel = zip(&[("my_pkg/__init__.py", b""), ("my_pkg-1.0.dist-info/METADATA", metadata)]);
    let good = json!({
        "info": { "name": "my-pkg", "version": "1.0", "requires_dist": ["a>=1", "b; extra == \"x\""] },
        "urls": [
            { "digests": { "sha256": "00".repeat(32) }, "upload_time_iso_8601": "2026-01-02T00:00:00.000000Z" },
            { "digests": { "sha256": Digest::sha256(&wheel).hex() }, "upload_time_iso_8601": "2026-01-01T00:00:00.000000Z" },
        ],
    });
    let said = held(&good, &wheel, noon());
    assert_eq!((said.findings, said.open), (vec![], Vec::<String>::new()));
    let mut other = good.clone();
    other["info"]["requires_dist"] = json!(["a>=1"]);
    assert_eq!(codes(&held(&other, &wheel, noon())), [(Code::ManifestConfusion, Weight::Medium)]);
    let mut other = good.clone();
    other["info"]["requires_dist"] = json!(["a>=1", "b;extra=='x'", "evil"]);
    assert!(
        held(&other, &wheel, noon()).findings[0]
            .message
            .contains("`evil` in the registry, and not in the archive")
    );
    let mut other = good.clone();
    other["info"]["name"] = json!("your-pkg");
    assert_eq!(codes(&held(&other, &wheel, noon())), [(Code::ManifestConfusion, Weight::High)]);
    let mut other = good.clone();
    other["urls"] =
        json!([{ "digests": { "sha256": "00".repeat(32) }, "upload_time_iso_8601": "2026-06-10T00:00:00Z" }]);
    let said = held(&other, &wheel, noon());
    assert_eq!(codes(&said), [(Code::VersionYoung, Weight::Low), (Code::DependencyReplaced, Weight::High)]);
    let mut other = good.clone();
    other["info"]["version"] = json!("2.0");
    assert_eq!(codes(&held(&other, &wheel, noon())), [(Code::ManifestConfusion, Weight::High)]);
    other["releases"] = json!({ "1.0": good["urls"] });
    let said = held(&other, &wheel, noon());
    assert_eq!((said.findings.len(), said.open.len()), (0, 1), "the requirements stay open");
    let sdist = gzip(&tar(&[file("my_pkg-1.0/PKG-INFO", metadata), file("my_pkg-1.0/setup.py", b"")]));
    let mut of_source = good;
    of_source["urls"][0]["digests"]["sha256"] = json!(Digest::sha256(&sdist).hex());
    let said = held(&of_source, &sdist, noon());
    assert_eq!((said.findings.len(), said.open.len()), (0, 1));
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let archive = archive(LEFT);
    let files = package::files(&archive).unwrap();
    let code = |document: &[u8], files: &[(String, Vec<u8>)]| {
        compare(document, &archive, files, noon()).map(|_| ()).map_err(|fault| fault.code)
    };
    assert_eq!(code(b"{", &files), Err(Code::MalformedJson));
    assert_eq!(code(b"[]", &files), Err(Code::UnsupportedFormat));
    assert_eq!(code(b"{\"versions\":[]}", &files), Err(Code::UnsupportedFormat));
    assert_eq!(code(b"{\"versions\":{}}", &[]), Err(Code::NothingFound));
    assert_eq!(code(b"{\"info\":{}}", &files), Err(Code::NothingFound));
    let broken = [("package.json".to_owned(), b"{".to_vec())];
    assert_eq!(code(b"{\"versions\":{}}", &broken), Err(Code::MalformedJson));
    // A registry's document of anything else says nothing, and does not pass for agreement.
    let said = compare(b"{\"versions\":{\"1.2.0\":{}}}", &archive, &files, noon()).unwrap();
    assert!(said.findings.len() >= 4 && said.open.len() == 2, "{said:?}");
}
