//! Twelve real incidents, each caught by its first malicious artifact at the latest.

use linkward_detect::{Confidence, INCIDENTS, Incident};

#[test]
fn all_twelve_are_caught_by_the_first_malicious_artifact() {
    assert_eq!(INCIDENTS.len(), 12);
    let mut missed = Vec::new();
    let mut precursors = 0;
    for (name, text) in INCIDENTS {
        let incident = Incident::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&incident.name, name);
        let outcome = incident.replay().unwrap_or_else(|error| panic!("{name}: {error}"));
        if !outcome.caught || outcome.ahead_minutes.is_none_or(|minutes| minutes <= 0) {
            missed.push(format!("{name}: {:?}", outcome.alarms));
        }
        precursors += usize::from(outcome.by_precursor);
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
    assert!(precursors >= 2, "{precursors} by a precursor");
}

/// What went before an incident is everyday work: nothing may fire at it.
#[test]
fn nothing_fires_at_what_went_before() {
    for (name, text) in INCIDENTS {
        let outcome = Incident::parse(text).unwrap().replay().unwrap();
        for alarm in &outcome.alarms {
            let everyday = alarm.confidence == Confidence::Assumed && alarm.source.contains("watched before");
            assert!(!everyday, "{name}: {alarm:?}");
        }
    }
}

/// Without the event that is the attack nothing fires: the replay cannot pass by accident.
#[test]
fn without_the_attack_there_is_no_alarm() {
    for (name, text) in INCIDENTS {
        let mut file: serde_json::Value = serde_json::from_slice(text).unwrap();
        let first = file["first_malicious"].as_str().unwrap().to_owned();
        let facts = file["facts"].as_array_mut().unwrap();
        facts.retain(|fact| {
            let base = fact["source"].as_str().unwrap().contains("watched before");
            base || fact["event"]["id"].as_str() == Some(&first)
        });
        for fact in facts.iter_mut().filter(|fact| fact["event"]["id"].as_str() == Some(&first)) {
            let event = fact["event"].as_object_mut().unwrap();
            event["action"] = "nothing.of.note".into();
        }
        let outcome = Incident::parse(&serde_json::to_vec(&file).unwrap()).unwrap().replay().unwrap();
        assert!(outcome.alarms.is_empty(), "{name}: {:?}", outcome.alarms);
    }
}
