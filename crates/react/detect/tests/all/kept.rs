//! An engine that was kept and opened again goes on as if it had never stopped.

use std::convert::Infallible;

use linkward_detect::{CaseFile, Engine, Estate, RULES, cases_of};
use linkward_evidence::event::Event;

fn everything() -> (Estate, Vec<Event>) {
    let mut events: Vec<Event> = Vec::new();
    for rule in RULES {
        let file = CaseFile::parse(cases_of(rule.about().id).unwrap()).unwrap();
        for (number, case) in file.cases().unwrap().into_iter().enumerate() {
            for mut event in case.events(None).unwrap() {
                event.id = format!("{}-{number}-{}", rule.about().id, event.id).into();
                events.push(event);
            }
        }
    }
    events.sort_by(|one, other| (one.at(), &one.id).cmp(&(other.at(), &other.id)));
    // Some come late, and some twice.
    for at in (5..events.len()).step_by(11) {
        events.swap(at, at - 5);
    }
    let again = events.get(40).cloned().unwrap();
    events.insert(44, again);
    let estate = r#"{"packages": [{"name": "pkg:npm/*", "repository": "acme/app", "ci": true, "tags": true}],
        "roles": [{"role": "*", "repository": "acme/app"}]}"#;
    (serde_json::from_str(estate).unwrap(), events)
}

fn reopened(estate: &Estate, lines: Vec<String>) -> Option<Engine> {
    let mut lines = lines.into_iter();
    Engine::reopen::<Infallible>(estate, &linkward_detect::Pack::default(), || Ok(lines.next())).unwrap()
}

#[test]
fn findings_and_changes_are_the_same_with_and_without_a_stop() {
    let (estate, events) = everything();
    let end = events.iter().map(Event::at).max().unwrap().plus_millis(40 * 60_000);
    for cut in [17, events.len() / 2, events.len()] {
        let mut straight = Engine::new(estate.clone());
        for event in &events[..cut] {
            straight.ingest(event.clone());
        }
        straight.watch_canary("lwc_planted");
        let mut other = reopened(&estate, straight.keep().collect()).unwrap();
        assert_eq!(straight.report(), other.report(), "at {cut}");
        assert_eq!(straight.load(), other.load(), "at {cut}");
        assert!(other.is_canary("lwc_planted"));
        for event in &events[cut..] {
            let (mut one, mut two) = (straight.ingest(event.clone()), other.ingest(event.clone()));
            one.sort_by_key(|change| change.finding.id);
            two.sort_by_key(|change| change.finding.id);
            assert_eq!(one, two, "at {cut}, event {}", event.id);
        }
        straight.advance(end);
        other.advance(end);
        assert!(straight.report().len() > 10_000);
        let text = |engine: &Engine| String::from_utf8(engine.report()).unwrap();
        assert_eq!(text(&straight), text(&other), "at {cut}");
        assert_eq!((straight.load(), straight.heard()), (other.load(), other.heard()));
    }
}

#[test]
fn what_was_made_with_another_estate_or_is_not_whole_is_not_taken_up() {
    let (estate, events) = everything();
    let mut engine = Engine::new(estate.clone());
    for event in events {
        engine.ingest(event);
    }
    let lines: Vec<String> = engine.keep().collect();
    assert!(reopened(&estate, lines.clone()).is_some());
    let other = Estate { signers: vec!["somebody".to_owned()], ..estate.clone() };
    assert!(reopened(&other, lines.clone()).is_none());
    let listed = Estate { canaries: vec!["new canary".to_owned()], ..estate.clone() };
    assert!(reopened(&listed, lines.clone()).is_none(), "a canary that nothing was held against yet");
    assert!(reopened(&estate, Vec::new()).is_none());
    assert!(reopened(&estate, lines[1..].to_vec()).is_none(), "without its beginning");
    for number in (0..lines.len()).step_by(lines.len() / 40 + 1) {
        let mut strange = lines.clone();
        strange[number] =
            strange[number].replacen("\"rule\":\"", "\"rule\":\"not-", 1).replacen("whole", "hole", 1);
        if strange[number] != lines[number] {
            assert!(reopened(&estate, strange).is_none(), "line {number}");
        }
        let mut cut = lines.clone();
        cut[number].pop();
        assert!(reopened(&estate, cut).is_none(), "line {number} is cut");
    }
}
