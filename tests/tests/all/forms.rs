//! Evidence that is no bundle: recorded with its proof, decided on by the policy, and proven again from the record.

use linkward_tests::Project;

const NOBODY: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn testdata(name: &str) -> String {
    linkward_tests::root().join("crates/proof/prove/testdata").join(name).display().to_string()
}

/// A project that trusts what is named, whose policy wants each artifact signed by this signer.
fn project(trust: &[(&str, String)], signer: &str) -> Project {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(matches!(exit, 0 | 3), "{text}");
    let lines: String = trust.iter().map(|(key, path)| format!("{key} = \"{path}\"\n")).collect();
    project.write(".linkward/linkward.toml", &format!("[trust]\n{lines}"));
    let policy = "version: 1\nrules:\n  - name: signed\n    match: { artifacts: [\"**\"] }\n    require:\n      \
                  signed:\n        by:\n          - SIGNER\n";
    project.write(".linkward/policy.yaml", &policy.replace("SIGNER", signer));
    project
}

/// The key that a proof says it is signed by.
fn signer(text: &str) -> String {
    let mut words = text.split_whitespace();
    words.find(|word| word.starts_with("sha256:")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn accept(project: &Project, signer: &str) {
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, policy.replace(NOBODY, signer)).unwrap();
}

fn add(project: &Project, arguments: &[&str]) -> (i32, String) {
    project.run(&[&["evidence", "add"], arguments].concat())
}

/// The verdict on a file, and that it comes out alike from the log alone.
fn decided(project: &Project, file: &str, exit: i32, says: &str) {
    let (found, text) = project.run(&["--format", "json", "check", file]);
    assert_eq!(found, exit, "{text}");
    assert!(text.contains(says), "{text}");
    // What is said about a changed policy comes behind it.
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let checked = values.next().unwrap().unwrap();
    let (found, text) = project.run(&["explain", &checked[0]["record"].to_string()]);
    assert_eq!(found, exit, "{text}");
    assert!(text.contains("the same result from the log alone"), "{text}");
}

#[test]
fn a_notation_signature_decides() {
    let trust = [
        ("notation_authorities", testdata("notation/root.pem")),
        ("notation_identities", "identities".to_owned()),
    ];
    let project = project(&trust, "{ subject: \"*O=example.com*\", issuer: \"**\" }");
    project.write("foo", "foo");
    project.write("bar", "bar");
    decided(&project, "foo", 3, "no-signature");
    // Whom nobody trusts, nobody believes; and the same document counts as soon as somebody does.
    project.write(".linkward/identities", "# nobody yet\n");
    let (exit, text) = add(&project, &[&testdata("notation/p256.jws")]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("identity-mismatch"), "{text}");
    let again = add(&project, &[&testdata("notation/p256.jws")]).1;
    assert_eq!(again, text, "the same refusal is recorded once");
    project.write(".linkward/identities", "# our signers\nx509.subject: C=US, ST=WA, O=example.com\n");
    for name in ["p256.jws", "rsa2048.cose"] {
        let (exit, text) = add(&project, &[&testdata(&format!("notation/{name}"))]);
        assert_eq!(exit, 0, "{name}: {text}");
        assert!(text.contains("proven, signed by") && text.contains("O=example.com"), "{name}: {text}");
    }
    decided(&project, "foo", 0, "\"reasons\": []");
    decided(&project, "bar", 3, "no-signature");
    // What the record keeps is what it was proven with, whatever is trusted later.
    project.write(".linkward/identities", "x509.subject: C=US, ST=WA, O=else.example\n");
    decided(&project, "foo", 0, "\"reasons\": []");
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
    // A file of trust that cannot be read is nobody's yes.
    project.write(".linkward/identities", "O=example.com\n");
    let (exit, text) = add(&project, &[&testdata("notation/p384.jws")]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("trust-root-malformed") && text.contains("notation_identities"), "{text}");
    std::fs::remove_file(project.path().join(".linkward/identities")).unwrap();
    let (exit, text) = add(&project, &[&testdata("notation/p384.cose")]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("[trust] notation_identities"), "{text}");
}

#[test]
fn a_layout_decides_with_its_links() {
    let trust =
        [("layout_keys", testdata("in_toto/owner.pem")), ("layout_parameters", "parameters".to_owned())];
    let project = project(&trust, &format!("key: \"{NOBODY}\""));
    project.write(".linkward/parameters", "VERSION=1.2\n");
    let product = std::fs::read(testdata("in_toto/app-1.2.bin")).unwrap();
    std::fs::write(project.path().join("app-1.2.bin"), product).unwrap();
    project.write("other.bin", "other");
    let (exit, text) = add(&project, &[&testdata("in_toto/dsse/inspected.layout")]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("inspection-not-run"), "{text}");
    let root = testdata("in_toto/dsse/root.layout");
    let empty = project.beside().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (exit, text) = add(&project, &[&root, "--link-dir", empty.to_str().unwrap()]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("layout-link-missing"), "{text}");
    decided(&project, "app-1.2.bin", 3, "no-signature");
    let mut owner = String::new();
    for layout in [&root, &testdata("in_toto/metablock/root.layout")] {
        let (exit, text) = add(&project, &[layout]);
        assert_eq!(exit, 0, "{text}");
        owner = signer(&text);
    }
    decided(&project, "app-1.2.bin", 1, "signer-refused");
    accept(&project, &owner);
    decided(&project, "app-1.2.bin", 0, "\"outcome\": \"allow\"");
    decided(&project, "other.bin", 3, "no-signature");
}

#[test]
fn an_archives_index_decides() {
    let project = project(&[], &format!("key: \"{NOBODY}\""));
    let index = testdata("openpgp/inrelease.asc");
    let (exit, text) = add(&project, &[&index]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("identity-missing") && text.contains("archive_keyring"), "{text}");
    let settings = format!("[trust]\narchive_keyring = \"{}\"\n", testdata("openpgp/keyring.gpg"));
    project.write(".linkward/linkward.toml", &settings);
    let (exit, text) = add(&project, &[&index]);
    assert_eq!(exit, 0, "{text}");
    let archive = signer(&text);
    project.write("foo", "foo");
    decided(&project, "foo", 1, "signer-refused");
    accept(&project, &archive);
    decided(&project, "foo", 0, "\"outcome\": \"allow\"");
    let (exit, text) = add(&project, &[&testdata("openpgp/inrelease-expired.asc")]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("release-expired"), "{text}");
}
