//! The deployment ledger: the way back never leads to what is revoked.

use std::collections::BTreeSet;

use linkward_decide::{Outcome, TargetKind};
use linkward_deploy::{Deployment, Event, History, Settings};
use linkward_model::Instant;

use crate::fixture::{World, digest, environment, image};

const WORKLOAD: &str = "shop/Deployment/cart";
const SOAK: i64 = 300_000;

fn line(revision: u64, at: Instant, happened: Event) -> Deployment {
    Deployment { workload: WORKLOAD.to_owned(), revision, at, source: "test".to_owned(), happened }
}

fn deployed(name: &str) -> Event {
    Event::Deployed { images: vec![image(name)] }
}

#[test]
fn every_disqualification_is_named() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    for name in ["good-1", "good-2", "good-3", "good-4", "good-5"] {
        gate.insert(&world.verdict(name, now));
    }
    let at = |minutes: i64| now.plus_millis(minutes * 60_000);
    let mut lines = vec![
        line(1, at(0), deployed("good-1")),
        line(1, at(1), Event::Ready),
        line(2, at(10), deployed("bad")),
        line(2, at(11), Event::Ready),
        line(3, at(20), deployed("good-3")),
        line(3, at(21), Event::Ready),
        line(3, at(25), Event::Failed { why: "errors".to_owned() }),
        line(4, at(30), deployed("good-4")),
        line(5, at(40), deployed("good-5")),
        line(5, at(41), Event::Ready),
        line(6, at(43), deployed("good-2")),
    ];
    let plan = |lines: &[Deployment]| {
        History::of(lines.to_vec()).plan(SOAK, at(60), |image| gate.decide(image, "shop", now))
    };
    let found = plan(&lines);
    assert_eq!(found.target.as_ref().map(|target| target.number), Some(1));
    let against: Vec<String> =
        found.passed_over.iter().map(|candidate| candidate.against.join("; ")).collect();
    for (place, words) in ["less than 300 s", "never recorded as ready", "it failed: errors", "digest-denied"]
        .iter()
        .enumerate()
    {
        assert!(against[place].contains(words), "{place}: {against:?}");
    }
    let entry = world.revoke(TargetKind::Digest, &digest("good-1").to_string(), now);
    gate.revoke(&entry, &[digest("good-1")]);
    let found = plan(&lines);
    assert_eq!(found.target, None);
    assert!(found.passed_over.last().unwrap().against[0].contains("digest-revoked"));
    let undo = world.undo(entry.index(), now);
    gate.revoke(&undo, &[]);
    lines.push(line(4, at(50), Event::Barrier { why: "schema 7".to_owned() }));
    let found = plan(&lines);
    assert_eq!(found.target, None, "no way back over a migration");
    assert!(found.passed_over.last().unwrap().against[0].contains("revision 4 set a barrier: schema 7"));
    assert_eq!(History::default().plan(SOAK, now, |image| gate.decide(image, "shop", now)).current, None);
}

/// A small deterministic generator: the test is the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn ten_thousand_steps_and_never_a_revoked_digest() {
    let start = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), start);
    let names: Vec<String> = (0..6).map(|number| format!("good-{number}")).collect();
    for name in &names {
        gate.insert(&world.verdict(name, start));
    }
    // Revocations cost a record each; a pool of them is made once, and struck and lifted by hand.
    let entries: Vec<_> =
        names.iter().map(|name| world.revoke(TargetKind::Digest, &digest(name).to_string(), start)).collect();
    let lifts: Vec<_> = entries.iter().map(|entry| world.undo(entry.index(), start)).collect();
    let (mut dice, mut revoked, mut lines) = (Dice(7), BTreeSet::new(), Vec::new());
    let (mut now, mut revision, mut targets, mut none) = (start, 0_u64, 0, 0);
    for step in 0..10_000_u64 {
        now = now.plus_millis(i64::try_from(dice.roll(400_000)).unwrap());
        let pick = usize::try_from(dice.roll(6)).unwrap();
        let some = dice.roll(revision.max(1)) + 1;
        match dice.roll(10) {
            0 | 1 => {
                revision += 1;
                lines.push(line(revision, now, deployed(&names[pick])));
            }
            2..=4 => lines.push(line(revision.max(1), now, Event::Ready)),
            5 => lines.push(line(some, now, Event::Failed { why: "x".to_owned() })),
            6 if dice.roll(40) == 0 => lines.push(line(some, now, Event::Barrier { why: "x".to_owned() })),
            7 | 8 => {
                gate.revoke(&entries[pick], &[digest(&names[pick])]);
                revoked.insert(pick);
            }
            9 => {
                gate.revoke(&lifts[pick], &[]);
                revoked.remove(&pick);
            }
            _ => {}
        }
        // Old lines say nothing new: keep the history short, as the ledger's limit does.
        if lines.len() > 80 {
            lines.drain(..40);
        }
        let history = History::of(lines.clone());
        let plan = history.plan(SOAK, now, |image| gate.decide(image, "shop", now));
        let Some(target) = plan.target else {
            none += 1;
            continue;
        };
        targets += 1;
        for image_of in &target.images {
            let bad = revoked.iter().any(|pick| *image_of == image(&names[*pick]));
            assert!(!bad, "step {step}: revision {} runs {image_of}, which is revoked", target.number);
            assert_eq!(gate.decide(image_of, "shop", now).outcome(), Outcome::Allow);
        }
        assert!(target.failed.is_none() && target.ready.is_some(), "step {step}");
        let current = plan.current.unwrap();
        assert_ne!(target.number, current.number, "step {step}");
        assert!(current.barrier.is_none(), "step {step}");
    }
    assert!(targets > 1000 && none > 100, "{targets} with a target, {none} without: the walk must meet both");
}
