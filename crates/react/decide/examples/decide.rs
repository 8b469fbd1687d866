//! Figures: one decision over three containers, natively and with Rego, and 100,000 artifacts decided again.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints figures")]

use std::hint::black_box;
use std::time::Instant as Clock;

use linkward_decide::{Evidence, Policy, Question, decide};
use linkward_ledger::Recorded;
use linkward_model::{Digest, Environment, Instant, Tenant};
use linkward_prove::{Artifact, Attestation, Proven, Signer, TrustRoots};

const DECISIONS: usize = 20_000;
const ARTIFACTS: usize = 100_000;

const POLICY: &str = r#"
version: 1
rules:
  - name: npm
    match: { artifacts: ["pkg:npm/**"], environments: ["production"] }
    require:
      signed:
        by: [{ subject: "https://github.com/**", issuer: "https://token.actions.githubusercontent.com" }]
      logged: true
      provenance: { builders: ["https://github.com/**"], sources: ["git+https://github.com/**"] }
      slsa: { level: 2, builders: [{ id: "https://github.com/**", level: 3 }] }
      no_downgrade: true
"#;

const REGO: &str = r#"
      rego: |
        package linkward
        deny contains "a runner of its own" if {
          some proof in input.proofs
          proof.extensions["runner-environment"] == "self-hosted"
        }
        allow if {
          some proof in input.proofs
          startswith(proof.provenance.builder, "https://github.com/")
        }
"#;

fn main() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let bytes = std::fs::read(vectors.join("bundles/sigstore.js@2.0.0-provenance.sigstore.json")).unwrap();
    let folder = linkward_testkit::scratch();
    let store = linkward_record::fixture::open(folder.path()).unwrap();
    let roots = TrustRoots::production();
    let now = Instant::now();
    let keyring = [];
    let proven = linkward_prove::bundle(
        &bytes,
        &roots,
        Signer::LeftToPolicy { keyring: &keyring },
        Artifact::AnySubject,
        now,
    )
    .unwrap();
    let digest =
        proven.claim().subjects().iter().find_map(|subject| subject.digests.first().copied()).unwrap();
    let documents = [vec![bytes], roots.documents().to_vec()].concat();
    let proofs = [store.append(proven, documents, now).unwrap()];
    let native = Policy::parse(POLICY.as_bytes()).unwrap();
    let rego = Policy::parse(format!("{}{REGO}", POLICY.trim_end()).as_bytes()).unwrap();
    for (name, policy) in [("native", &native), ("with rego", &rego)] {
        let mut times: Vec<u128> =
            (0..DECISIONS).map(|_| three(policy, &proofs, digest, roots.digest(), now)).collect();
        times.sort_unstable();
        let at = |share: usize| *times.get(times.len() * share / 100).unwrap() as f64 / 1000.0;
        println!("three containers, {name:<10} p50 {:>6.1} us   p99 {:>6.1} us", at(50), at(99));
    }
    for (name, policy) in [("native", &native), ("with rego", &rego)] {
        let start = Clock::now();
        for index in 0..ARTIFACTS {
            let name = format!("pkg:npm/artifact-{index}");
            black_box(decide(&question(name, digest), &evidence(&proofs, roots.digest()), policy, now));
        }
        let took = start.elapsed();
        println!("{ARTIFACTS} artifacts again, {name:<10} {:>6.2} s", took.as_secs_f64());
    }
}

fn question(name: String, digest: Digest) -> Question {
    Question {
        digest,
        name,
        environment: "production".parse::<Environment>().unwrap(),
        tenant: Tenant::default(),
    }
}

fn evidence(proofs: &[Recorded<Proven<Attestation>>], roots: Digest) -> Evidence<'_> {
    Evidence { proofs, refusals: &[], observations: &[], history: &[], roots, origin: "bench", log_size: 1 }
}

/// Nanoseconds for a decision about each of three containers; all must be allowed.
fn three(
    policy: &Policy,
    proofs: &[Recorded<Proven<Attestation>>],
    digest: Digest,
    roots: Digest,
    now: Instant,
) -> u128 {
    let questions = ["a", "b", "c"].map(|name| question(format!("pkg:npm/{name}"), digest));
    let start = Clock::now();
    let verdicts =
        questions.each_ref().map(|question| decide(question, &evidence(proofs, roots), policy, now));
    let took = start.elapsed().as_nanos();
    for verdict in verdicts {
        assert_eq!(verdict.outcome(), linkward_decide::Outcome::Allow, "{:?}", verdict.reasons());
    }
    took
}
