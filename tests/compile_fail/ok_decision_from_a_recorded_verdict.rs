//~ compiles
// The control: the way that is meant.
use linkward_decide::Verdict;
use linkward_deploy::Decision;
use linkward_ledger::Recorded;
use linkward_model::Instant;

pub fn decide(verdict: &Recorded<Verdict>, now: Instant) -> Decision {
    Decision::from_verdict("image", "namespace", verdict, now)
}
