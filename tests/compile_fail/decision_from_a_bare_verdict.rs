//~ E0308
use linkward_decide::Verdict;
use linkward_deploy::Decision;
use linkward_model::Instant;

pub fn decide(verdict: &Verdict, now: Instant) -> Decision {
    Decision::from_verdict("image", "namespace", verdict, now)
}
