//! Every rule does what its cases say, and every field that it names decides one of them.

use linkward_detect::{Case, CaseFile, RULES, Rule, Tier, cases_of};
use linkward_evidence::event::Event;

fn of(rule: &dyn Rule) -> Vec<Case> {
    let id = rule.about().id;
    let file = CaseFile::parse(cases_of(id).unwrap()).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert_eq!(file.rule, id);
    file.cases().unwrap_or_else(|error| panic!("{id}: {error}"))
}

#[test]
fn every_case_holds_and_every_rule_has_enough() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let id = rule.about().id;
        let cases = of(*rule);
        let firing = cases.iter().filter(|case| case.fires).count();
        if firing < 2 || cases.len() - firing < 3 {
            wrong.push(format!("{id}: {firing} firing of {} cases", cases.len()));
        }
        for case in cases {
            let result = case.run().unwrap_or_else(|error| panic!("{id}: {error}"));
            if !result.held {
                wrong.push(format!(
                    "{id}: `{}` must {}fire, found {:?}",
                    case.name,
                    if case.fires { "" } else { "not " },
                    result.found
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A rule that does not notice the loss of a field does not use it, or no case shows that it does.
#[test]
fn dropping_any_field_that_a_rule_uses_is_noticed() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let about = rule.about();
        let cases = of(*rule);
        for field in about.fields {
            assert!(Event::FIELDS.contains(field), "{}: `{field}` is no field", about.id);
        }
        for field in Event::FIELDS {
            let decides = cases.iter().any(|case| {
                let (whole, without) = (case.run().unwrap(), case.run_without(Some(field)).unwrap());
                whole.found != without.found
            });
            if decides != about.fields.contains(field) {
                wrong.push(format!(
                    "{}: `{field}` {}",
                    about.id,
                    if decides { "decides, but is not listed" } else { "is listed, but no case needs it" }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_is_sound() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in RULES {
        let about = rule.about();
        assert!(seen.insert(about.id), "{} stands twice", about.id);
        assert!(about.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", about.id);
        for text in [about.why, about.benign, about.response] {
            assert!(text.ends_with('.'), "{}: {text}", about.id);
        }
        assert!(!about.covers.is_empty() && !about.sources.is_empty(), "{}", about.id);
        assert_eq!(
            about.tier == Tier::Invariant,
            about.weight == 0 && about.tier == Tier::Invariant,
            "{}",
            about.id
        );
    }
}

/// The four reference detections, the eight failure modes and the six attack patterns are each covered by a rule.
#[test]
fn everything_that_was_promised_is_covered() {
    let covered: std::collections::BTreeSet<&str> =
        RULES.iter().flat_map(|rule| rule.about().covers.iter().copied()).collect();
    let mut promised: Vec<String> = ["DS0021", "DS0050", "DS0015", "DS0030"].map(str::to_owned).to_vec();
    promised.extend((1..=8).map(|number| format!("F{number}")));
    promised.extend((1..=6).map(|number| format!("AP{number}")));
    promised.extend((1..=8).filter(|number| *number != 5).map(|number| format!("L{number}")));
    for code in promised {
        assert!(covered.contains(code.as_str()), "{code} is covered by no rule");
    }
}
