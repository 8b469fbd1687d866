//! Durable appends a second: every entry's signature is checked, and every answer is an inclusion proof under a signed,
//! synced checkpoint. Clients are threads that wait for their answer before they send again. Bounded, and local to a
//! scratch folder.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example that measures")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use linkward_ledger::LogName;
use linkward_record::{Store, fixture};

/// Bytes of an entry, the signature in its last 64: what a small DSSE entry has.
const ENTRY: usize = 512;
const ENTRIES: usize = 60_000;
const LONGEST: Duration = Duration::from_secs(6);

fn main() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
    println!("durable appends, each with its signature checked, fsync on, entries of {ENTRY} bytes");
    println!("  {:>7} {:>12} {:>10} {:>10} {:>10}", "clients", "entries/s", "p50 ms", "p99 ms", "max ms");
    for (round, clients) in [16, 256, 1024].into_iter().enumerate() {
        let entries = (0..ENTRIES).map(|number| entry(&pair, round, number)).collect::<Vec<_>>();
        let folder = linkward_testkit::scratch();
        let store = fixture::open(folder.path()).unwrap();
        let (rate, mut times) = run(&store, &entries, clients, &public);
        times.sort_unstable();
        let at = |share: f64| {
            let place = ((times.len() as f64 - 1.0) * share) as usize;
            times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        println!("  {clients:>7} {rate:>12.0} {:>10.2} {:>10.2} {:>10.2}", at(0.5), at(0.99), at(1.0));
    }
}

fn entry(pair: &Ed25519KeyPair, round: usize, number: usize) -> Vec<u8> {
    let mut entry = format!("{{\"round\":{round},\"number\":{number}}}").into_bytes();
    entry.resize(ENTRY - 64, b' ');
    let signature = pair.sign(&entry);
    entry.extend_from_slice(signature.as_ref());
    entry
}

/// Entries a second, and how long each waited.
fn run(store: &Store, entries: &[Vec<u8>], clients: usize, public: &[u8; 32]) -> (f64, Vec<Duration>) {
    let next = AtomicUsize::new(0);
    let barrier = Barrier::new(clients + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|_| {
                let work = || {
                    barrier.wait();
                    let start = Instant::now();
                    let mut times = Vec::new();
                    while start.elapsed() < LONGEST
                        && let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let sent = Instant::now();
                        let (body, signature) = entry.split_at(ENTRY - 64);
                        UnparsedPublicKey::new(&ED25519, public).verify(body, signature).unwrap();
                        store.append_entry(LogName::Signing, entry.clone()).unwrap();
                        times.push(sent.elapsed());
                    }
                    times
                };
                std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).unwrap()
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        let times: Vec<Duration> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        (times.len() as f64 / start.elapsed().as_secs_f64(), times)
    })
}
