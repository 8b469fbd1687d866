//! What single weights cannot say, several say together: first sights and weights of one subject within a day.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use linkward_evidence::event::Source;
use linkward_model::Instant;

use crate::Tier;
use crate::finding::{Alert, Fact, Finding, FindingId, State};
use crate::rule::About;

const DAY: i64 = 24 * 60 * 60 * 1000;
/// Thousandths of a bit that make a finding.
const THRESHOLD: u32 = 6000;

#[derive(Clone, Debug)]
struct Signal {
    rule: &'static str,
    source: Source,
    weight: u32,
    title: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Combination {
    signals: HashMap<String, BTreeMap<(Instant, FindingId), Signal>>,
    shown: HashMap<String, BTreeSet<FindingId>>,
    changed: BTreeSet<String>,
}

impl Combination {
    pub(crate) fn put(&mut self, finding: &Finding) {
        if finding.tier == Tier::Invariant || finding.weight == 0 {
            return;
        }
        let signal = Signal {
            rule: finding.rule,
            source: finding.source,
            weight: finding.weight,
            title: finding.title,
        };
        self.signals.entry(finding.subject.clone()).or_default().insert((finding.at, finding.id), signal);
        self.changed.insert(finding.subject.clone());
    }

    pub(crate) fn take(&mut self, finding: &Finding) {
        if let Some(signals) = self.signals.get_mut(&finding.subject)
            && signals.remove(&(finding.at, finding.id)).is_some()
        {
            self.changed.insert(finding.subject.clone());
        }
    }

    /// Findings of the subjects that changed, and those that are no longer.
    pub(crate) fn review(&mut self, about: &'static About) -> (Vec<Finding>, Vec<FindingId>) {
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for subject in std::mem::take(&mut self.changed) {
            let findings =
                self.signals.get(&subject).map(|signals| judge(&subject, signals, about)).unwrap_or_default();
            let now: BTreeSet<FindingId> = findings.iter().map(|finding| finding.id).collect();
            let before = self.shown.insert(subject, now.clone()).unwrap_or_default();
            gone.extend(before.difference(&now).copied());
            found.extend(findings);
        }
        (found, gone)
    }
}

/// Runs of signals, each within a day of its first.
fn judge(
    subject: &str,
    signals: &BTreeMap<(Instant, FindingId), Signal>,
    about: &'static About,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut run: Vec<(&(Instant, FindingId), &Signal)> = Vec::new();
    for entry in signals {
        if run.first().is_some_and(|((first, _), _)| entry.0.0.since(*first) > DAY) {
            findings.extend(weigh(subject, &run, about));
            run.clear();
        }
        run.push(entry);
    }
    findings.extend(weigh(subject, &run, about));
    findings
}

fn weigh(subject: &str, run: &[(&(Instant, FindingId), &Signal)], about: &'static About) -> Option<Finding> {
    // The same rule twice says little more than once.
    let mut by_rule: BTreeMap<&str, u32> = BTreeMap::new();
    let mut sources: BTreeSet<Source> = BTreeSet::new();
    let mut completes = None;
    for ((at, id), signal) in run {
        let weight = by_rule.entry(signal.rule).or_default();
        *weight = (*weight).max(signal.weight);
        sources.insert(signal.source);
        if completes.is_none() && by_rule.len() > 1 && by_rule.values().sum::<u32>() >= THRESHOLD {
            completes = Some((*at, *id, signal.source));
        }
    }
    let (at, id, source) = completes?;
    let alert = if sources.len() > 1 { Alert::Page } else { Alert::Ticket };
    let mut titles: BTreeMap<&str, &str> = BTreeMap::new();
    for (_, signal) in run {
        titles.insert(signal.rule, signal.title);
    }
    let facts =
        titles.iter().map(|(rule, title)| Fact { name: (*rule).to_owned(), value: (*title).to_owned() });
    Some(Finding {
        id: FindingId::new(about.id, subject, &id.short()),
        rule: about.id,
        tier: about.tier,
        alert,
        state: State::Confirmed,
        at,
        source,
        subject: subject.to_owned(),
        title: about.title,
        facts: facts.collect(),
        event: id.short(),
        weight: 0,
    })
}
