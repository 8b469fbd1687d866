//! Bundles a second, warm: real ones of the public-good instance, and of an instance of our own on P-256. Every run is a
//! whole verification of the document's bytes; nothing remembers a result. `cargo xtask bench` runs it.
#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code, reason = "a measurement")]

use rcgen::SigningKey as _;

#[path = "../tests/all/instance.rs"]
mod instance;

use std::time::{Duration, Instant as Clock};

use aws_lc_rs::signature;
use instance::{ARTIFACT, By, Instance, Log, NOW, SIGNED};
use linkward_model::Instant;
use linkward_prove::{Artifact, PublicKey, Signer, TrustRoots, bundle};

/// How long each measurement runs.
const SPAN: Duration = Duration::from_secs(1);
/// Distinct bundles of our own instance.
const OWN: usize = 200;
/// Real bundles of the public-good instance, Rekor v1.
const PUBLIC: &[&str] = &[
    "bundle-provenance.json",
    "conda-attestation.sigstore.json",
    "cosign-v3-blob.sigstore.json",
    "dsse.sigstore.json",
    "sigstore.js@2.0.0-provenance.sigstore.json",
];

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("verify: warm, {threads} threads, {} s each, no result is cached", SPAN.as_secs());
    primitives();
    match std::env::var_os("LINKWARD_VECTORS") {
        None => println!("  public-good: skipped, LINKWARD_VECTORS is not set"),
        Some(vectors) => {
            let folder = std::path::PathBuf::from(vectors).join("bundles");
            let documents: Vec<Vec<u8>> =
                PUBLIC.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
            let now = Instant::now();
            let roots = TrustRoots::production();
            let what = format!("public-good, Rekor v1, {} real bundles in turn", documents.len());
            report(&what, &documents, &roots, Artifact::AnySubject, now, threads);
            for (name, document) in PUBLIC.iter().zip(&documents) {
                let one = std::slice::from_ref(document);
                report(
                    &format!("{name}, {} bytes", document.len()),
                    one,
                    &roots,
                    Artifact::AnySubject,
                    now,
                    threads,
                );
            }
        }
    }
    let own = Instance::new();
    for (what, log) in
        [("own P-256, Rekor v1", Log::V1(SIGNED)), ("own P-256, Rekor v2 and a timestamp", Log::V2)]
    {
        let documents: Vec<Vec<u8>> = (0..OWN)
            .map(|_| {
                let mut document = own.message(&By::Leaf(&own.leaf()), log);
                if log == Log::V2 {
                    own.stamp(&mut document, SIGNED);
                }
                document.to_string().into_bytes()
            })
            .collect();
        let what = format!("{what}, {OWN} distinct bundles");
        report(&what, &documents, &own.roots(), Artifact::Bytes(ARTIFACT), NOW, threads);
    }
}

fn report(
    what: &str,
    documents: &[Vec<u8>],
    roots: &TrustRoots,
    artifact: Artifact<'_>,
    now: Instant,
    threads: usize,
) {
    let run = |document: &[u8]| {
        let signer = Signer::LeftToPolicy { keyring: &[] };
        bundle(document, roots, signer, artifact, now).unwrap();
    };
    documents.iter().for_each(|document| run(document));
    let (started, before) = (Clock::now(), cpu());
    let total: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let mut count = 0u64;
                    for document in documents.iter().cycle().skip(worker) {
                        if started.elapsed() >= SPAN {
                            break;
                        }
                        run(document);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu() - before);
    let total = f64::from(u32::try_from(total).unwrap_or(u32::MAX));
    println!(
        "  {what}: {:.0} a second of the clock, {:.0} a second of one core, {:.2} ms of it each",
        total / seconds,
        total / cpu,
        1000.0 * cpu / total
    );
}

/// What nothing can be faster than: a public-good bundle needs one P-384 signature (its leaf's) and four P-256 ones
/// (certificate log, log promise, checkpoint, artifact); one of our own, five P-256 ones. All but the artifact's are by
/// keys of the trust root, which have tables.
fn primitives() {
    for (name, kind, algorithm) in [
        ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384, &signature::ECDSA_P384_SHA384_ASN1),
        ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256, &signature::ECDSA_P256_SHA256_ASN1),
    ] {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let signed = key.sign(ARTIFACT).unwrap();
        let public = signature::UnparsedPublicKey::new(algorithm, key.public_key_raw());
        let alone = each(|| public.verify(ARTIFACT, &signed).unwrap());
        let key = PublicKey::from_pem(&key.public_key_pem()).unwrap().with_table();
        let made = Clock::now();
        assert!(key.signed(ARTIFACT, &signed), "a signature of the key's own");
        let made = 1000.0 * made.elapsed().as_secs_f64();
        let known = each(|| assert!(key.signed(ARTIFACT, &signed), "a signature of the key's own"));
        println!(
            "  one {name} verification: {alone:.3} ms of one core; with a table of the key {known:.3} ms, {:.1} times \
             as fast, the table and the curve's own made in {made:.1} ms",
            alone / known
        );
    }
}

/// Milliseconds of processor time that one call takes.
fn each(call: impl Fn()) -> f64 {
    let (before, started, mut count) = (cpu(), Clock::now(), 0u32);
    while started.elapsed() < SPAN {
        call();
        count += 1;
    }
    1000.0 * (cpu() - before) / f64::from(count)
}

/// Seconds of processor time so far, which other processes on the machine do not change.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // utime and stime, in ticks of 10 ms; the state before them is no number.
    fields.get(10).zip(fields.get(11)).map_or(f64::NAN, |(user, system)| (user + system) / 100.0)
}
