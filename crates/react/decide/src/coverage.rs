//! Which parts of a policy its cases reach: each rule, each requirement both ways, each exception, each line of Rego.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::Instant;

use crate::decide::{Judgement, Question};
use crate::facts::{Facts, ProofFact, input};
use crate::policy::Policy;
use crate::requirement::{Requirement, is_accepted};
use crate::verdict::Outcome;

#[derive(Debug, Default)]
pub struct Coverage {
    reached: BTreeSet<String>,
    /// Lines of Rego by rule: those reached, and all that there are.
    lines: BTreeMap<String, (BTreeSet<u32>, BTreeSet<u32>)>,
}

impl Coverage {
    pub(crate) fn reached(
        &mut self,
        policy: &Policy,
        question: &Question,
        facts: &Facts<'_>,
        judgement: &Judgement,
        now: Instant,
    ) {
        self.reached.extend(judgement.exceptions.iter().map(|name| format!("exception {name}")));
        let Some((name, _)) = &judgement.rule else { return };
        self.reached.insert(format!("rule {name}"));
        let Some(rule) = policy.rules.iter().find(|rule| rule.name == *name) else { return };
        for (requirement, finding) in rule.requirements.iter().zip(&judgement.findings) {
            let excused = finding.detail.starts_with("exception `");
            let way = if finding.outcome == Outcome::Allow && !excused { "met" } else { "not met" };
            self.reached.insert(format!("rule {name}: {} {way}", requirement.name()));
            if let Requirement::Rego(rego) = requirement {
                let trusted: Vec<&ProofFact<'_>> =
                    facts.proofs.iter().filter(|proof| is_accepted(rule.accepted(), proof.signer)).collect();
                let (reached, missed) = rego.lines(input(question, facts, &trusted, now));
                let lines = self.lines.entry(name.clone()).or_default();
                lines.1.extend(reached.iter().chain(&missed));
                lines.0.extend(reached);
            }
        }
    }

    /// What there is to reach, and whether it was, in the order of the policy.
    pub fn points(&self, policy: &Policy) -> Vec<(String, bool)> {
        let mut points = Vec::new();
        let mut add = |point: String| {
            let reached = self.reached.contains(&point);
            points.push((point, reached));
        };
        for rule in &policy.rules {
            add(format!("rule {}", rule.name));
            for requirement in &rule.requirements {
                add(format!("rule {}: {} met", rule.name, requirement.name()));
                add(format!("rule {}: {} not met", rule.name, requirement.name()));
            }
        }
        for exception in &policy.exceptions {
            add(format!("exception {}", exception.name));
        }
        for (rule, (reached, all)) in &self.lines {
            points.extend(
                all.iter().map(|line| (format!("rule {rule}: rego line {line}"), reached.contains(line))),
            );
        }
        points
    }
}
