//! Everyday traffic wakes nobody: at most one false page in a million events.

use linkward_detect::{Alert, Engine, State};

use crate::benign::Traffic;

#[test]
fn everyday_traffic_pages_nobody() {
    let soak = std::env::var_os("LINKWARD_SOAK").is_some();
    let count = if soak { 1_000_000 } else { 60_000 };
    let mut traffic = Traffic::new(2026, if soak { 500 } else { 40 });
    let mut engine = Engine::new(traffic.estate());
    let mut pages = Vec::new();
    for _ in 0..count {
        for change in engine.ingest(traffic.next_event()) {
            if change.finding.alert == Alert::Page && change.finding.state == State::Confirmed {
                pages.push(change.finding);
            }
        }
    }
    let bound = usize::from(soak);
    assert!(pages.len() <= bound, "{} pages, the first: {:?}", pages.len(), pages.first());
    let tickets = engine.findings().iter().filter(|finding| finding.alert == Alert::Ticket).count();
    // New maintainers, networks and keys are told, and are few.
    assert!(tickets < count / 500, "{tickets} tickets");
    assert!(engine.load().repeated == 0 && engine.load().too_late == 0);
}

/// The same traffic with one attack in it: quiet is not deaf.
#[test]
fn one_attack_in_everyday_traffic_is_seen() {
    let mut traffic = Traffic::new(7, 20);
    let mut engine = Engine::new(traffic.estate());
    for _ in 0..20_000 {
        engine.ingest(traffic.next_event());
    }
    let mut attack = traffic.next_event();
    attack.action = linkward_evidence::event::Action::RefUpdated;
    attack.id = "attack".into();
    attack.reference = Some("refs/tags/v1.1.0".into());
    (attack.before, attack.after, attack.descends) = (Some("a".into()), Some("b".into()), Some(false));
    let changes = engine.ingest(attack);
    assert!(
        changes
            .iter()
            .any(|change| change.finding.rule == "ref-rewritten" && change.finding.alert == Alert::Page)
    );
}
