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
