//! Late, repeated and shuffled events give the same findings, byte for byte.

use linkward_detect::{Case, CaseFile, RULES, cases_of};
use linkward_evidence::event::Event;
use proptest::prelude::*;

fn cases() -> Vec<Case> {
    let files = RULES.iter().map(|rule| CaseFile::parse(cases_of(rule.about().id).unwrap()).unwrap());
    files.flat_map(|file| file.cases().unwrap()).collect()
}

/// Whether all events stand within the day in which a late one finds its place.
fn within_a_day(events: &[Event]) -> bool {
    let times = events.iter().map(|event| event.at().millis());
    let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    last - first < 24 * 60 * 60 * 1000
}

#[derive(Debug, Clone)]
struct Shuffle {
    seed: u64,
}

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below.max(1) as u64) as usize
    }

    fn any(&mut self, events: &mut [Event]) {
        for at in (1..events.len()).rev() {
            events.swap(at, self.next(at + 1));
        }
    }

    /// Moves events by at most `reach` in time.
    fn near(&mut self, events: &mut [Event], reach: i64) {
        let keys: std::collections::HashMap<Box<str>, i64> = events
            .iter()
            .map(|event| (event.id.clone(), event.at().millis() + self.next(reach as usize) as i64))
            .collect();
        events.sort_by_key(|event| keys[&event.id]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases_wanted(), ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition(seed in 1u64.., repeats in 0usize..4) {
        let mut shuffle = Shuffle { seed };
        for case in cases() {
            let straight = case.events(None).unwrap();
            let mut shuffled = straight.clone();
            for _ in 0..repeats {
                let again = shuffled[shuffle.next(shuffled.len())].clone();
                shuffled.push(again);
            }
            if within_a_day(&straight) {
                shuffle.any(&mut shuffled);
            } else {
                shuffle.near(&mut shuffled, 60 * 60 * 1000);
            }
            let (one, other) = (case.replay(straight).report(), case.replay(shuffled).report());
            prop_assert_eq!(String::from_utf8_lossy(&one), String::from_utf8_lossy(&other), "{}: {}", case.rule, case.name);
        }
    }
}

/// A soak asks for many more; each case shuffles every case file there is.
fn cases_wanted() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse::<u32>().ok())
        .map_or(12, |cases| cases / 100)
}

/// All rules' events in one stream, so that timelines and combination see each other.
#[test]
fn one_stream_of_everything_in_two_orders() {
    let estate = linkward_detect::Estate::default();
    let mut events: Vec<Event> = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        for mut event in case.events(None).unwrap() {
            event.id = format!("{number}-{}", event.id).into();
            events.push(event);
        }
    }
    events.sort_by(|a, b| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
    let run = |events: Vec<Event>| {
        let mut engine = linkward_detect::Engine::new(estate.clone());
        for event in events {
            engine.ingest(event);
        }
        engine.report()
    };
    let straight = run(events.clone());
    Shuffle { seed: 7 }.near(&mut events, 60 * 60 * 1000);
    assert!(straight.len() > 1000);
    assert_eq!(String::from_utf8_lossy(&straight), String::from_utf8_lossy(&run(events)));
}

/// What changed, added up, is what stands.
#[test]
fn changes_add_up_to_the_findings() {
    for case in cases() {
        let mut engine = linkward_detect::Engine::new(case.estate().clone());
        let mut standing = std::collections::BTreeMap::new();
        let mut events = case.events(None).unwrap();
        Shuffle { seed: 3 }.near(&mut events, 60 * 60 * 1000);
        for event in events {
            for change in engine.ingest(event) {
                let id = change.finding.id;
                if change.finding.state == linkward_detect::State::Withdrawn {
                    assert!(standing.remove(&id).is_some());
                } else {
                    standing.insert(id, change.finding);
                }
            }
        }
        let mut summed: Vec<_> = standing.values().collect();
        summed.sort_by_key(|finding| (finding.at, finding.id));
        assert_eq!(summed, engine.findings(), "{}: {}", case.rule, case.name);
    }
}
