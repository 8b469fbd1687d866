//! Faults of the file, each with its line; and what a case's facts may and may not do.

use linkward_decide::{Case, Coverage, Policy};

const HEAD: &str = "version: 1\nrules:\n  - name: r\n    match: { artifacts: [\"**\"] }\n    require:\n      signed:\n        by: [{ key: \"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" }]\n";

fn faults(rest: &str) -> Vec<(usize, String)> {
    let faults = Policy::parse(format!("{HEAD}{rest}").as_bytes());
    let faults = faults.err().unwrap_or_else(|| panic!("accepted: {rest}"));
    faults.into_iter().map(|fault| (fault.line, fault.message)).collect()
}

#[test]
fn faults_of_requirements_name_their_line() {
    for (rest, line, says) in [
        ("      slsa: { level: 4 }\n", 8, "1, 2 or 3"),
        ("      slsa: { level: 3 }\n", 8, "nothing could meet this"),
        (
            "      slsa:\n        level: 2\n        builders:\n          - { id: \"a\" }\n",
            11,
            "needs an `id` and the `level`",
        ),
        ("      no_downgrade: false\n", 8, "leave it out"),
        ("      rego: |\n        package linkward\n        allow if {\n", 11, "rego"),
        (
            "      rego: |\n        package linkward\n\n        allow if http.send({})\n",
            11,
            "may not be called",
        ),
        ("      rego: |\n        package other\n", 9, "package must be `linkward`"),
        (
            "exceptions:\n  - { name: e, match: {}, allow_without: [sbom], owner: o, reason: r, until: 2027-01-01 }\n",
            9,
            "for something, not for all",
        ),
        (
            "exceptions:\n  - { name: e, match: { artifacts: [a] }, allow_without: [everything], owner: o, reason: r, until: 2027-01-01 }\n",
            9,
            "no requirement",
        ),
        (
            "exceptions:\n  - { name: e, match: { artifacts: [a] }, allow_without: [sbom], owner: o, reason: r }\n",
            9,
            "needs `until`",
        ),
    ] {
        let found = faults(rest);
        assert!(found.iter().any(|(at, message)| *at == line && message.contains(says)), "{rest}: {found:?}");
    }
}

fn outcome(policy: &str, case: &str) -> (String, Vec<String>) {
    let policy = Policy::parse(format!("{HEAD}{policy}").as_bytes()).unwrap();
    let case = format!(
        "now: 2026-06-01T00:00:00Z\nartifact: {{ name: app }}\n{case}\nexpect: {{ outcome: allow }}\n"
    );
    let tried = Case::parse(&case).unwrap().try_on(&policy, &mut Coverage::default()).unwrap();
    let codes = tried.judgement.reasons().iter().map(|reason| reason.code.as_str().to_owned()).collect();
    (tried.judgement.outcome().as_str().to_owned(), codes)
}

const OURS: &str = "{ key: \"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" }";
const STRANGER: &str = "{ key: \"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\" }";

#[test]
fn a_downgrade_is_seen_against_accepted_signers_alone() {
    let policy = "      no_downgrade: true\n";
    let signed = format!("proofs: [{{ signer: {OURS} }}]");
    let history = |signer: &str| format!("{signed}\nhistory: [{{ builder: b, signer: {signer} }}]");
    assert_eq!(outcome(policy, &signed).0, "allow");
    assert_eq!(
        outcome(policy, &history(OURS)),
        ("deny".to_owned(), vec!["attestation-downgrade".to_owned()])
    );
    // Otherwise anybody could block a name by attesting something else under it.
    assert_eq!(outcome(policy, &history(STRANGER)).0, "allow");
    let carried = format!(
        "proofs: [{{ signer: {OURS}, provenance: {{ builder: c }} }}]\nhistory: [{{ builder: b, signer: {OURS} }}]"
    );
    assert_eq!(outcome(policy, &carried).0, "allow");
}

#[test]
fn rego_sees_accepted_signers_alone() {
    let policy = "      rego: |\n        package linkward\n        allow if { some proof in input.proofs; proof.predicate.good }\n";
    let case = |signer: &str| {
        format!("proofs: [{{ signer: {OURS} }}, {{ signer: {signer}, predicate: {{ good: true }} }}]")
    };
    assert_eq!(outcome(policy, &case(OURS)).0, "allow");
    assert_eq!(outcome(policy, &case(STRANGER)), ("unknown".to_owned(), vec!["rego-undecided".to_owned()]));
}

#[test]
fn a_case_that_is_none_is_refused() {
    for text in [
        "",
        "now: x",
        "expect: { outcome: allow }",
        "now: 2026-01-01T00:00:00Z\nartifact: { name: a, colour: red }\nexpect: { outcome: allow }",
    ] {
        assert!(Case::parse(text).is_err(), "{text}");
    }
}
