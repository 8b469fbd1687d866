//! Revocation at the gate and along the feed.

use aws_lc_rs::signature::Ed25519KeyPair;
use linkward_decide::{Outcome, TargetKind};
use linkward_deploy::{FeedError, Gate, Head, Item, Message, Mode, Position, Settings, Tail, gate_key};
use linkward_ledger::LogName;
use linkward_ledger::key::NoteKey;
use linkward_model::{Code, Digest, Instant};

use crate::fixture::{World, digest, environment, image};

#[test]
fn a_strike_holds_until_a_verdict_that_knows_of_it() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    let good = || gate.decide(&image("good"), "shop", now);
    assert_eq!(good().outcome(), Outcome::Allow);
    let entry = world.revoke(TargetKind::Digest, &digest("good").to_string(), now);
    gate.revoke(&entry, &[digest("good")]);
    assert_eq!(good().code(), Some(Code::DigestRevoked));
    // A late sweep of what was decided before changes nothing.
    let knowing = world.verdict("good", now);
    gate.insert(&knowing);
    assert_eq!((good().outcome(), good().code()), (Outcome::Deny, Some(Code::DigestRevoked)));
    let undo = world.undo(entry.index(), now);
    gate.revoke(&undo, &[digest("good")]);
    assert_eq!(good().outcome(), Outcome::Deny, "the newest verdict still denies");
    gate.insert(&world.verdict("good", now));
    assert_eq!(good().outcome(), Outcome::Allow);
    // An older verdict never replaces a newer one.
    gate.insert(&knowing);
    assert_eq!(good().outcome(), Outcome::Allow);
}

#[test]
fn a_verdict_that_was_decided_before_and_arrives_after_does_not_lift_a_strike() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    let before = world.verdict("good-2", now);
    let entry = world.revoke(TargetKind::Digest, &digest("good-2").to_string(), now);
    gate.revoke(&entry, &[digest("good-2")]);
    gate.insert(&before);
    assert_eq!(gate.decide(&image("good-2"), "shop", now).code(), Some(Code::DigestRevoked));
    assert_eq!(gate.outdated(10, |_, _| true).len(), 1, "it waits to be decided again");
}

/// The speaking end, with the key that everybody knows.
struct Speaker {
    key: NoteKey,
    pair: Ed25519KeyPair,
    position: Position,
    epoch: u64,
}

impl Speaker {
    fn new(world: &World, session: u64) -> Self {
        let log: NoteKey = world.store.log_id(LogName::Evidence).unwrap().key.parse().unwrap();
        Self {
            key: gate_key(&log).unwrap(),
            pair: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
            position: Position { session, sequence: 0, last: None },
            epoch: 0,
        }
    }

    fn log(world: &World) -> NoteKey {
        world.store.log_id(LogName::Evidence).unwrap().key.parse().unwrap()
    }

    fn sign(&self, head: &Head, items: String) -> Message {
        head.message(&self.key, self.pair.sign(head.text().as_bytes()).as_ref(), items)
    }

    fn head(&self, position: Position, items: &str, at: Instant) -> Head {
        Head {
            session: position.session,
            sequence: position.sequence,
            epoch: self.epoch,
            at,
            mode: Mode::Enforce,
            previous: position.last,
            items: Digest::sha256(items.as_bytes()),
        }
    }

    fn say(&mut self, items: &[Item], at: Instant) -> Message {
        let items = serde_json::to_string(items).unwrap();
        let next = Position { sequence: self.position.sequence + 1, ..self.position };
        let head = self.head(next, &items, at);
        let message = self.sign(&head, items);
        self.position = Position { last: Some(Digest::sha256(head.text().as_bytes())), ..next };
        message
    }

    fn beat(&self, at: Instant) -> Message {
        let items = "[]".to_owned();
        self.sign(&self.head(self.position, &items, at), items)
    }
}

fn follower(world: &World) -> Gate {
    let settings = Settings { lease_millis: Some(2_000), ..Settings::strict(environment()) };
    world.gate(settings, linkward_testkit::noon())
}

#[test]
fn connected_gates_refuse_and_the_one_that_is_cut_off_knows_it() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let mut speaker = Speaker::new(&world, 1);
    let log = Speaker::log(&world);
    let gates: Vec<Gate> = (0..8).map(|_| follower(&world)).collect();
    let mut tails: Vec<Tail> = gates.iter().map(|_| Tail::new(&log, speaker.position).unwrap()).collect();
    let beat = speaker.beat(now);
    for (gate, tail) in gates.iter().zip(&mut tails) {
        tail.take(&beat, gate, now).unwrap();
        assert_eq!(gate.decide(&image("good"), "shop", now).outcome(), Outcome::Allow);
    }
    let entry = world.revoke(TargetKind::Digest, &digest("good").to_string(), now);
    speaker.epoch = 1;
    let item = Item::Revocation { record: world.carry(entry.index()), digests: vec![digest("good")] };
    let message = speaker.say(&[item], now);
    let later = now.plus_millis(1000);
    let beat = speaker.beat(later);
    for (gate, tail) in gates.iter().zip(&mut tails).skip(1) {
        tail.take(&message, gate, later).unwrap();
        tail.take(&beat, gate, later).unwrap();
        assert_eq!(gate.decide(&image("good"), "shop", later).code(), Some(Code::DigestRevoked));
        assert_eq!(gate.epoch(), 1);
    }
    // Gate 0 heard nothing: until its lease is over it does not know, from then on it knows that it does not know.
    let cut_off = &gates[0];
    assert_eq!(cut_off.decide(&image("good"), "shop", later).outcome(), Outcome::Allow);
    let over = now.plus_millis(2001);
    assert_eq!(cut_off.decide(&image("good"), "shop", over).code(), Some(Code::FeedStale));
    // It comes back to a heartbeat that is ahead of it: a gap, to be filled by a snapshot or by the messages.
    let gap = tails[0].take(&speaker.beat(over), cut_off, over).unwrap_err();
    assert!(gap.is_gap(), "{gap}");
    assert!(cut_off.is_stale(over), "a heartbeat with a gap renews no lease");
    tails[0].take(&message, cut_off, over).unwrap();
    tails[0].take(&speaker.beat(over), cut_off, over).unwrap();
    assert_eq!(cut_off.decide(&image("good"), "shop", over).code(), Some(Code::DigestRevoked));
    assert!(!cut_off.is_stale(over));
}

#[test]
fn what_is_forged_replayed_or_out_of_order_is_not_obeyed() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let mut speaker = Speaker::new(&world, 5);
    let log = Speaker::log(&world);
    let gate = follower(&world);
    let mut tail = Tail::new(&log, speaker.position).unwrap();
    let verdict = world.verdict("good-new", now);
    let first = speaker.say(&[Item::Verdict { record: world.carry(verdict.index()) }], now);
    let entry = world.revoke(TargetKind::Digest, &digest("good").to_string(), now);
    let revocation = Item::Revocation { record: world.carry(entry.index()), digests: vec![digest("good")] };
    let second = speaker.say(&[revocation], now);

    // Out of order.
    assert!(tail.take(&second, &gate, now).unwrap_err().is_gap());
    // Items changed under the signature, and a note changed under its own.
    let tampered = Message { note: first.note.clone(), items: "[]".to_owned() };
    assert!(matches!(tail.take(&tampered, &gate, now), Err(FeedError::Malformed("items"))));
    let tampered =
        Message { note: first.note.replace("sequence 1", "sequence 2"), items: first.items.clone() };
    assert!(matches!(tail.take(&tampered, &gate, now), Err(FeedError::Signature(_))));
    // Another key under the right name.
    let stranger =
        Speaker { pair: Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap(), ..Speaker::new(&world, 5) };
    assert!(matches!(tail.take(&stranger.beat(now), &gate, now), Err(FeedError::Signature(_))));
    // Well signed, but the item is not in the log: another body under the same proof.
    let good = serde_json::to_string(&[Item::Verdict { record: world.carry(verdict.index()) }]).unwrap();
    let other = serde_json::to_value(world.carry(entry.index())).unwrap();
    let mut forged: serde_json::Value = serde_json::from_str(&good).unwrap();
    forged[0]["record"]["blob"] = other["blob"].clone();
    let mut liar = Speaker::new(&world, 5);
    let items: Vec<Item> = serde_json::from_value(forged).unwrap();
    assert!(matches!(tail.take(&liar.say(&items, now), &gate, now), Err(FeedError::Carried(_))));
    // A revocation in the clothes of a verdict.
    let mut liar = Speaker::new(&world, 5);
    let dressed = [Item::Verdict { record: world.carry(entry.index()) }];
    assert!(matches!(tail.take(&liar.say(&dressed, now), &gate, now), Err(FeedError::Item)));
    assert_eq!(tail.position().sequence, 0, "nothing of all that was taken");
    assert_eq!(
        gate.decide(&image("good"), "shop", now).code(),
        Some(Code::FeedStale),
        "nor did it renew the lease"
    );

    tail.take(&first, &gate, now).unwrap();
    tail.take(&second, &gate, now).unwrap();
    tail.take(&first, &gate, now).unwrap();
    assert_eq!(tail.position().sequence, 2, "a repeated message changes nothing");
    // Heartbeats of the past and of the future.
    tail.take(&speaker.beat(now), &gate, now).unwrap();
    assert!(matches!(tail.take(&speaker.beat(now.plus_millis(-1)), &gate, now), Err(FeedError::Time)));
    assert!(matches!(tail.take(&speaker.beat(now.plus_millis(120_000)), &gate, now), Err(FeedError::Time)));
    // A session before this one is a replay, one after it is a restart.
    assert!(matches!(tail.take(&Speaker::new(&world, 4).beat(now), &gate, now), Err(FeedError::Time)));
    assert!(matches!(tail.take(&Speaker::new(&world, 6).beat(now), &gate, now), Err(FeedError::Restarted)));
    assert_eq!(gate.decide(&image("good"), "shop", now).code(), Some(Code::DigestRevoked));
}
