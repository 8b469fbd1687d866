//! `linkward verify` on real bundles: thresholds and what the certificate says, with their exit codes.

use linkward_tests::Project;

const SUBJECT: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

#[test]
fn thresholds_and_extensions_decide() {
    let Some(folder) = linkward_testkit::vectors().map(|vectors| vectors.join("bundles")) else { return };
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let bundle = path("conda-attestation.sigstore.json");
    let artifact = path("signed-package-2.1.0-hb0f4dca_0.conda");
    let other = path("dsse.sigstore.json");
    let verify = |further: &[&str]| {
        let named = ["verify", "--bundle", &bundle, "--identity", SUBJECT, "--issuer", ISSUER];
        let args: Vec<&str> = named.into_iter().chain(further.iter().copied()).chain([&*artifact]).collect();
        project.run(&args)
    };
    for (further, exit, says) in [
        (&[][..], 0, "verified"),
        (&["--logs", "1"], 0, "1 different logs, 1 needed"),
        (&["--logs", "2"], 3, "logs-too-few"),
        (&["--timestamps", "1"], 3, "timestamps-too-few"),
        (&["--signers", "1"], 0, "verified"),
        (&["--signers", "2"], 3, "1 of 1 accepted signers signed this artifact, 2 needed"),
        (&["--signers", "0"], 2, "is not a number from 1 to 32"),
        (&["--extension", "source-repository-uri=https://github.com/prefix-dev/*"], 0, "verified"),
        (&["--extension", "source-repository-uri=https://github.com/other/*"], 1, "extension-mismatch"),
        (&["--extension", "deployment-environment=production"], 1, "extension-missing"),
        (&["--extension", "source=x"], 2, "is no extension that Fulcio writes"),
        // Every bundle that is named must hold, unless a number of signers says otherwise.
        (&["--bundle", &other], 1, "does not hold"),
        (&["--bundle", &other, "--signers", "1"], 0, "does not hold"),
        (&["--bundle", &other, "--signers", "2"], 1, "subject-missing"),
    ] {
        let (found, text) = verify(further);
        assert_eq!(found, exit, "{further:?}: {text}");
        assert!(text.contains(says), "{further:?}: {text}");
    }
    let two = ["verify", "--bundle", &bundle, "--identity", "a", "--identity", "b", "--identity", "c"];
    let args: Vec<&str> = two.into_iter().chain(["--issuer", "x", "--issuer", "y", &artifact]).collect();
    let (exit, text) = project.run(&args);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("3 identities and 2 issuers"), "{text}");
}

/// What a registry answers for a package: its own attestation by a listed key, and the builder's by certificate.
#[test]
fn a_registrys_answer_with_its_list_of_keys() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let project = Project::new();
    let bundle = |name: &str| {
        let bytes = std::fs::read(vectors.join("bundles").join(name)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    let answer = serde_json::json!({ "attestations": [
        { "bundle": bundle("bundle-publish.json") }, { "bundle": bundle("bundle-provenance.json") },
    ] });
    project.write("attestations.json", &answer.to_string());
    let keys = vectors.join("trusted-root/npm-keys/keys.json");
    let keys = std::fs::read_to_string(keys).unwrap();
    project.write("keys.json", &keys);
    // The key had ended before this was published.
    project.write("early.json", &keys.replace("2025-01-29T00:00:00.000Z", "2023-01-29T00:00:00.000Z"));
    let package = "sha512:76176ffa33808b54602c7c35de5c6e9a4deb96066dba6533f50ac234f4f1f4c6b3527515dc17c06fbe2860030f410eee69ea20079bd3a2c6f3dcf3b329b10751";
    let verify = |keys: &str| {
        let builder = "https://github.com/sigstore/sigstore-js/**";
        project.run(&[
            "verify",
            "--bundle",
            "attestations.json",
            "--key-list",
            keys,
            "--identity",
            builder,
            "--issuer",
            ISSUER,
            "--signers",
            "2",
            package,
        ])
    };
    let (exit, text) = verify("keys.json");
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = verify("early.json");
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("key-expired"), "{text}");
}

/// A layout with its links, as the reference implementation writes them, and what a person sees when it does not hold.
#[test]
fn a_layout_with_its_links() {
    let folder = linkward_tests::root().join("crates/proof/prove/testdata/in_toto");
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let (key, artifact) = (path("owner.pem"), path("app-1.2.bin"));
    let empty = project.beside().join("inspected");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.display().to_string();
    let with = project.beside().join("with");
    std::fs::create_dir(&with).unwrap();
    std::fs::copy(&artifact, with.join("app-1.2.bin")).unwrap();
    let with = with.display().to_string();
    for kind in ["metablock", "dsse"] {
        let root = path(&format!("{kind}/root.layout"));
        let inspected = path(&format!("{kind}/inspected.layout"));
        let version = ["--parameter", "VERSION=1.2"];
        for (layout, further, exit, says) in [
            (&root, &version[..], 0, "within vendor"),
            (&root, &[], 2, "layout-parameter-missing"),
            (&root, &["--parameter", "VERSION=1.3"], 1, "layout-rule-disallow"),
            (&root, &["--parameter", "VERSION=1.2", "--link-dir", &*empty], 3, "layout-link-missing"),
            (&inspected, &version, 3, "inspection-not-run"),
            (&inspected, &["--parameter", "VERSION=1.2", "--skip-inspections"], 0, "not run, as asked"),
            (
                &inspected,
                &["--parameter", "VERSION=1.2", "--run-inspections", &*with],
                0,
                "ran, and its rules hold",
            ),
            (
                &inspected,
                &["--parameter", "VERSION=1.2", "--run-inspections", &*empty],
                1,
                "layout-rule-require",
            ),
        ] {
            let named = ["verify", "--layout", layout, "--layout-key", &key];
            let args: Vec<&str> =
                named.into_iter().chain(further.iter().copied()).chain([&*artifact]).collect();
            let (found, text) = project.run(&args);
            assert_eq!(found, exit, "{kind} {further:?}: {text}");
            assert!(text.contains(says), "{kind} {further:?}: {text}");
        }
    }
    let (exit, text) = project.run(&["verify", "--layout", &path("dsse/root.layout"), &artifact]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("--layout-key"), "{text}");
}

/// An artifact of 100 MB is signed and verified a piece at a time: all that a process may have is 64 MB of data.
#[test]
fn a_large_artifact_is_never_in_memory_as_a_whole() {
    let project = Project::new();
    let large = project.path().join("large.img");
    std::fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let home = project.path().join(".linkward");
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    // An SBOM that would take several times the limit; in a soak it is as large as a record takes.
    let megabytes = if std::env::var_os("LINKWARD_SOAK").is_some() { 90 } else { 24 };
    let part = r#"{"type":"library","name":"a component","version":"1.0"}"#;
    let parts = vec![part; (megabytes << 20) / part.len()].join(",");
    project.write(
        "sbom.json",
        &format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{parts}]}}"#),
    );
    let attest =
        ["attest", "--predicate", "sbom.json", "--type", "cyclonedx", "--bundle", "sbom.sigstore.json"];
    let (exit, text) = project.run(&[&attest[..], &["large.img"]].concat());
    assert_eq!(exit, 0, "{text}");
    let limited = |args: &str| {
        let line = format!("ulimit -d 65536 && exec {} {args}", linkward_tests::built().binary.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(project.path()).env("LINKWARD_HOME", &home);
        let output = command.env("XDG_STATE_HOME", project.beside().join("state")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (exit, text) = limited("sign --bundle large.sigstore.json large.img");
    assert_eq!(exit, Some(0), "{text}");
    let roots = "--key .linkward/artifact.pub --trusted-root .linkward/trusted_root.json";
    for bundle in ["large.sigstore.json", "sbom.sigstore.json"] {
        let (exit, text) = limited(&format!("verify --bundle {bundle} {roots} large.img"));
        assert_eq!(exit, Some(0), "{bundle}: {text}");
    }
    // One character of the predicate, which is hashed and not kept.
    let path = project.path().join("sbom.sigstore.json");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&path, bytes).unwrap();
    let (exit, text) = limited(&format!("verify --bundle sbom.sigstore.json {roots} large.img"));
    assert_eq!(exit, Some(1), "{text}");
}

/// What is too large for one look and no bundle with a long payload is read whole, and refused as it would be if small.
#[test]
fn a_large_collection_is_read_whole() {
    let project = Project::new();
    project.write("app.whl", "app");
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    assert_eq!(project.run(&["sign", "--bundle", "app.sigstore.json", "app.whl"]).0, 0);
    let bundle = std::fs::read_to_string(project.path().join("app.sigstore.json")).unwrap();
    let padding = " ".repeat(9 << 20);
    project.write("list.json", &format!(r#"{{"attestations":[{{"bundle":{bundle}}}]{padding}}}"#));
    project.write("other.whl", "other");
    let roots = ["--key", ".linkward/artifact.pub", "--trusted-root", ".linkward/trusted_root.json"];
    for (artifact, exit, says) in [("app.whl", 0, "verified"), ("other.whl", 1, "digest-mismatch")] {
        let args = [&["verify", "--bundle", "list.json"][..], &roots, &[artifact]].concat();
        let (found, text) = project.run(&args);
        assert_eq!(found, exit, "{artifact}: {text}");
        assert!(text.contains(says), "{artifact}: {text}");
    }
}

/// A Notary Project signature in both envelopes, with the trust that the command line names.
#[test]
fn a_notary_project_signature() {
    let folder = linkward_tests::root().join("crates/proof/prove/testdata/notation");
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let artifact = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let other = format!("sha256:{}", "0".repeat(64));
    let (root, tsa) = (path("root.pem"), path("tsa.pem"));
    let identity = "x509.subject: C=US, ST=WA, O=example.com";
    for kind in ["jws", "cose"] {
        for (name, further, artifact, exit, says) in [
            (
                "p256",
                &["--notation-ca", &*root, "--notation-identity", identity][..],
                artifact,
                0,
                "- skipped",
            ),
            (
                "p256",
                &["--notation-ca", &root, "--notation-identity", identity],
                &other,
                1,
                "digest-mismatch",
            ),
            (
                "p256",
                &["--notation-ca", &tsa, "--notation-identity", identity],
                artifact,
                1,
                "certificate-untrusted",
            ),
            ("p256", &["--notation-ca", &root], artifact, 2, "--notation-identity"),
            (
                "p256",
                &["--notation-ca", &root, "--notation-identity", "O=x"],
                artifact,
                2,
                "no trusted identity",
            ),
            (
                "authority",
                &["--notation-ca", &root, "--notation-identity", identity],
                artifact,
                1,
                "certificate-untrusted",
            ),
            (
                "authority",
                &["--notation-signing-authority", &root, "--notation-identity", identity],
                artifact,
                0,
                "verified",
            ),
            (
                "stamped",
                &["--notation-ca", &root, "--notation-tsa", &tsa, "--notation-identity", identity],
                artifact,
                0,
                "signed  20",
            ),
            (
                "expired",
                &["--notation-ca", &root, "--notation-identity", identity],
                artifact,
                1,
                "notation-expired",
            ),
        ] {
            let file = path(&format!("{name}.{kind}"));
            let args: Vec<&str> = ["verify", "--notation", &file]
                .into_iter()
                .chain(further.iter().copied())
                .chain([artifact])
                .collect();
            let (found, text) = project.run(&args);
            assert_eq!(found, exit, "{name}.{kind} {further:?}: {text}");
            assert!(text.contains(says), "{name}.{kind} {further:?}: {text}");
        }
    }
}

/// A file of a Debian archive by the archive's InRelease.
#[test]
fn a_file_of_a_debian_archive() {
    let folder = linkward_tests::root().join("crates/proof/prove/testdata/openpgp");
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let artifact = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let other = format!("sha256:{}", "0".repeat(64));
    let (keyring, none) = (path("keyring.asc"), path("make.sh"));
    for (name, keyring, artifact, exit, says) in [
        ("inrelease.asc", &keyring, artifact, 0, "main/Packages, 3 bytes"),
        ("inrelease.asc", &keyring, &other, 1, "subject-missing"),
        ("inrelease.asc", &none, artifact, 2, "keyring-malformed"),
        ("inrelease-expired.asc", &keyring, artifact, 3, "release-expired"),
        ("inrelease-unlisted.asc", &keyring, artifact, 1, "openpgp-key-unknown"),
    ] {
        let (found, text) =
            project.run(&["verify", "--in-release", &path(name), "--keyring", keyring, artifact]);
        assert_eq!(found, exit, "{name}: {text}");
        assert!(text.contains(says), "{name}: {text}");
    }
}

/// An RPM package, as rpmsign made it.
#[test]
fn an_rpm_package() {
    let folder = linkward_tests::root().join("crates/proof/prove/testdata");
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let changed = project.beside().join("changed.rpm");
    let mut bytes = std::fs::read(folder.join("rpm/ed25519.rpm")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    for (package, keyring, exit, says) in [
        (path("rpm/rsa3072.rpm"), "rpm/keyring.asc", 0, "sample 1.2-3 noarch"),
        (path("rpm/ed25519.rpm"), "rpm/keyring.asc", 0, "verified"),
        (path("rpm/ed25519.rpm"), "openpgp/keyring.asc", 1, "openpgp-key-unknown"),
        (path("rpm/unsigned.rpm"), "rpm/keyring.asc", 3, "rpm-unsigned"),
        (changed.display().to_string(), "rpm/keyring.asc", 1, "digest-mismatch"),
        (path("rpm/make.sh"), "rpm/keyring.asc", 1, "rpm-malformed"),
    ] {
        let (found, text) = project.run(&["verify", "--rpm-keyring", &path(keyring), &package]);
        assert_eq!(found, exit, "{package}: {text}");
        assert!(text.contains(says), "{package}: {text}");
    }
}

/// An Alpine package.
#[test]
fn an_alpine_package() {
    let folder = linkward_tests::root().join("crates/proof/prove/testdata/apk");
    let project = Project::new();
    let path = |name: &str| folder.join(name).display().to_string();
    for (package, key, exit, says) in [
        ("rsa256.apk", "key.rsa.pub", 0, "sample 1.2-r3 noarch"),
        ("rsa256.apk", "other.rsa.pub", 1, "key-mismatch"),
        ("sha1.apk", "key.rsa.pub", 1, "apk-weak"),
        ("unsigned.apk", "key.rsa.pub", 3, "apk-unsigned"),
    ] {
        let (found, text) = project.run(&["verify", "--apk-key", &path(key), &path(package)]);
        assert_eq!(found, exit, "{package}: {text}");
        assert!(text.contains(says), "{package}: {text}");
    }
}
