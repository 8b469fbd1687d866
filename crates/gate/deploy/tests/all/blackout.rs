//! Seventy-two hours without egress, by a clock that the test turns: with the feed, and without.

use linkward_decide::Outcome;
use linkward_deploy::{Head, Mode, OnUnknown, Position, Settings, Tail};
use linkward_model::{Code, Digest, Instant};

use crate::fixture::{World, digest, environment, image};

const HOUR: i64 = 3_600_000;
const LEASE: i64 = 24 * HOUR;

fn settings(on_stale: OnUnknown) -> Settings {
    Settings { lease_millis: Some(LEASE), on_stale, ..Settings::strict(environment()) }
}

#[test]
fn with_the_feed_three_days_without_egress_change_nothing() {
    let start = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(settings(OnUnknown::Deny), start);
    for number in 0..50 {
        gate.insert(&world.verdict(&format!("good-{number}"), start));
    }
    let (mut wrong_allows, mut lost) = (0, 0);
    let mut revoked = Vec::new();
    // Each minute the feed is heard; each hour something is revoked. Nobody else is ever asked: a gate has nobody to ask.
    for minute in 0..72 * 60 {
        let now = start.plus_millis(minute * 60_000);
        gate.heard(now);
        if minute % 60 == 30 && revoked.len() < 20 {
            let name = format!("good-{}", revoked.len());
            let entry = world.revoke(linkward_decide::TargetKind::Digest, &digest(&name).to_string(), now);
            gate.revoke(&entry, &[digest(&name)]);
            revoked.push(name);
        }
        for number in 0..50 {
            let name = format!("good-{number}");
            let allowed = gate.decide(&image(&name), "shop", now).outcome() == Outcome::Allow;
            if revoked.contains(&name) {
                wrong_allows += u32::from(allowed);
            } else {
                lost += u32::from(!allowed);
            }
        }
        for name in ["bad", "odd", "never-seen"] {
            wrong_allows += u32::from(gate.decide(&image(name), "shop", now).outcome() == Outcome::Allow);
        }
    }
    assert_eq!((wrong_allows, lost, revoked.len()), (0, 0, 20));
}

#[test]
fn without_the_feed_the_lease_ends_to_the_second() {
    let start = linkward_testkit::noon();
    for (on_stale, refused) in [(OnUnknown::Deny, true), (OnUnknown::Warn, false)] {
        let world = World::new();
        let gate = world.gate(settings(on_stale), start);
        gate.heard(start);
        let mut turned = None;
        for second in 0..=72 * 3600 {
            let now = start.plus_millis(second * 1000);
            let good = gate.decide(&image("good"), "shop", now);
            if good.code() == Some(Code::FeedStale) && turned.is_none() {
                turned = Some(second);
            }
            assert_eq!(good.outcome() != Outcome::Allow, turned.is_some(), "it does not come back by itself");
            if second % 600 != 0 {
                continue;
            }
            assert_eq!(
                gate.refuses(&good, linkward_decide::Mode::Enforce),
                refused && turned.is_some(),
                "{second}"
            );
            // What is denied stays denied; the unknown gets no yes from the other switch.
            let bad = gate.decide(&image("bad"), "shop", now);
            assert_eq!(bad.code(), Some(Code::DigestDenied));
            assert!(gate.refuses(&bad, linkward_decide::Mode::Enforce));
            let unknown = gate.decide(&image("never-seen"), "shop", now);
            assert_eq!(unknown.code(), Some(Code::NoEvidence));
            assert!(gate.refuses(&unknown, linkward_decide::Mode::Enforce));
        }
        assert_eq!(turned, Some(LEASE / 1000 + 1), "the first second after the lease");
        // The feed is back: at once, and for another lease.
        let back = start.plus_millis(72 * HOUR);
        gate.heard(back);
        assert_eq!(gate.decide(&image("good"), "shop", back.plus_millis(LEASE)).outcome(), Outcome::Allow);
        let late = gate.decide(&image("good"), "shop", back.plus_millis(LEASE + 1));
        assert_eq!(late.code(), Some(Code::FeedStale));
    }
}

#[test]
fn a_clock_that_runs_backwards_stretches_no_lease() {
    let start = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(settings(OnUnknown::Deny), start);
    gate.heard(start);
    gate.heard(start.plus_millis(-HOUR));
    assert_eq!(gate.decide(&image("good"), "shop", start.plus_millis(LEASE)).outcome(), Outcome::Allow);
    assert_eq!(
        gate.decide(&image("good"), "shop", start.plus_millis(LEASE + 1)).code(),
        Some(Code::FeedStale)
    );
    // A heartbeat that nobody signed is no heartbeat.
    let log = world.store.log_id(linkward_ledger::LogName::Evidence).unwrap().key.parse().unwrap();
    let mut tail = Tail::new(&log, Position { session: 1, sequence: 0, last: None }).unwrap();
    let head = Head {
        session: 1,
        sequence: 0,
        epoch: 0,
        at: start.plus_millis(LEASE),
        mode: Mode::Observe,
        previous: None,
        items: Digest::sha256(b"[]"),
    };
    let forged = head.message(&linkward_deploy::gate_key(&log).unwrap(), &[0; 64], "[]".to_owned());
    assert!(tail.take(&forged, &gate, start.plus_millis(LEASE)).is_err());
    let later: Instant = start.plus_millis(LEASE + 1);
    assert_eq!(gate.decide(&image("good"), "shop", later).code(), Some(Code::FeedStale));
    assert_eq!(gate.mode(), Mode::Enforce);
}
