//! The measures over time: what is stored of them every few minutes.

use serde::Serialize;

use crate::budget::OBJECTIVES;
use crate::{Counts, measures};

/// A value at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    pub name: String,
    pub value: f64,
}

/// What is stored: each measure that has data, and the two sides of each objective, which only grow.
pub fn samples(counts: &Counts) -> Vec<Sample> {
    let mut out: Vec<Sample> = measures(counts)
        .into_iter()
        .filter_map(|one| Some(Sample { name: one.code.to_owned(), value: one.value? }))
        .collect();
    for objective in OBJECTIVES {
        let (bad, all) = (objective.counted)(counts);
        out.push(Sample { name: format!("{}/bad", objective.name), value: bad as f64 });
        out.push(Sample { name: format!("{}/all", objective.name), value: all as f64 });
    }
    out.push(Sample { name: "unverified".to_owned(), value: counts.unverified_workloads as f64 });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_is_no_sample() {
        let names: Vec<String> = samples(&Counts::default()).into_iter().map(|sample| sample.name).collect();
        assert!(!names.iter().any(|name| name.starts_with('M')), "{names:?}");
        assert!(names.contains(&"verification/all".to_owned()));
    }
}
