//! Objectives and their error budgets over 28 days, how fast they burn, and a budget of its own for integrity.
//!
//! Rates over two windows at once (SRE workbook, chapter 5): the long one says that it matters, the short one that it
//! still goes on. Integrity is never traded against availability: its budget is minutes in which something ran that is
//! not verified, and one broken invariant pages whatever the rate.

use linkward_model::Instant;
use serde::Serialize;

use crate::Counts;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// The time that a budget is for.
pub const PERIOD: i64 = 28 * DAY;
/// Minutes, summed over workloads, in which something unverified may run within the period.
const INTEGRITY_MINUTES: f64 = 60.0;

/// An objective that a rate of burning makes sense for.
#[derive(Debug)]
pub(crate) struct Objective {
    pub(crate) name: &'static str,
    pub(crate) code: &'static str,
    pub(crate) target: f64,
    /// As Prometheus knows them: what is bad, and all.
    pub(crate) bad: &'static str,
    pub(crate) all: &'static str,
    /// The same from the counts.
    pub(crate) counted: fn(&Counts) -> (u64, u64),
}

pub(crate) const OBJECTIVES: &[Objective] = &[
    Objective {
        name: "verification",
        code: "M1",
        target: 0.999,
        bad: "linkward_verify_total{result!=\"ok\"}",
        all: "linkward_verify_total",
        counted: |counts| {
            let all: u64 = counts.decisions.values().sum();
            (all - counts.decisions.get("allow").copied().unwrap_or(0), all)
        },
    },
    Objective {
        name: "detection-within-an-hour",
        code: "M7",
        target: 0.95,
        bad: "linkward_detections_total{within=\"no\"}",
        all: "linkward_detections_total",
        counted: |counts| (counts.latencies.count - counts.latencies.within(3600.0), counts.latencies.count),
    },
    Objective {
        name: "rollback-within-an-hour",
        code: "M8",
        target: 0.95,
        bad: "linkward_rollbacks_total{within=\"no\"}",
        all: "linkward_rollbacks_total",
        counted: |counts| (counts.rollbacks.count - counts.rollbacks.within(3600.0), counts.rollbacks.count),
    },
    Objective {
        name: "sbom-coverage",
        code: "M2",
        target: 0.95,
        bad: "linkward_builds_total{sbom!=\"yes\"}",
        all: "linkward_builds_total",
        counted: |counts| (counts.builds - counts.builds_with_sbom, counts.builds),
    },
    Objective {
        name: "signed-artifacts",
        code: "M3",
        target: 0.99,
        bad: "linkward_artifacts_total{signed=\"no\"}",
        all: "linkward_artifacts_total",
        counted: |counts| (counts.artifacts - counts.signed, counts.artifacts),
    },
];

/// Long window, short window, rate, severity.
pub(crate) const WINDOWS: &[(&str, &str, f64, &str)] = &[
    ("1h", "5m", 14.4, "page"),
    ("6h", "30m", 6.0, "page"),
    ("1d", "2h", 3.0, "ticket"),
    ("3d", "6h", 1.0, "ticket"),
];

/// How fast a budget burns over a pair of windows; 1 uses it up exactly within the period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Burn {
    pub long: &'static str,
    pub short: &'static str,
    pub bound: f64,
    pub severity: &'static str,
    /// Over the long and the short window; absent where nothing happened in it.
    pub rates: (Option<f64>, Option<f64>),
    pub fires: bool,
}

/// Where an error budget stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub name: &'static str,
    pub code: &'static str,
    pub target: f64,
    /// What is left of it, 1 for all, below 0 when it is overdrawn; absent without data.
    pub left: Option<f64>,
    pub burns: Vec<Burn>,
    pub detail: String,
}

fn length(window: &str) -> i64 {
    let (number, unit) = window.split_at(window.len().saturating_sub(1));
    let unit = match unit {
        "m" => MINUTE,
        "h" => HOUR,
        _ => DAY,
    };
    number.parse::<i64>().unwrap_or(1) * unit
}

/// All budgets from stored samples: `series` gives those of a name, oldest first.
pub fn budgets(now: Instant, series: &dyn Fn(&str) -> Vec<(Instant, f64)>) -> Vec<Budget> {
    let mut out: Vec<Budget> = OBJECTIVES.iter().map(|objective| of(objective, now, series)).collect();
    out.push(integrity(now, &series("unverified")));
    out
}

fn of(objective: &Objective, now: Instant, series: &dyn Fn(&str) -> Vec<(Instant, f64)>) -> Budget {
    let bad = series(&format!("{}/bad", objective.name));
    let all = series(&format!("{}/all", objective.name));
    let share = |window: i64| {
        let (bad, all) = (grown(&bad, now, window)?, grown(&all, now, window)?);
        (all > 0.0).then(|| (bad / all, bad, all))
    };
    let allowed = 1.0 - objective.target;
    let burns = WINDOWS.iter().map(|(long, short, bound, severity)| {
        let rate = |window: &str| share(length(window)).map(|(share, ..)| share / allowed);
        let rates = (rate(long), rate(short));
        let over = |rate: Option<f64>| rate.is_some_and(|rate| rate > *bound);
        Burn { long, short, bound: *bound, severity, rates, fires: over(rates.0) && over(rates.1) }
    });
    let period = share(PERIOD);
    Budget {
        name: objective.name,
        code: objective.code,
        target: objective.target,
        left: period.map(|(share, ..)| 1.0 - share / allowed),
        burns: burns.collect(),
        detail: period.map_or_else(
            || "nothing happened in 28 days".to_owned(),
            |(_, bad, all)| format!("{bad:.0} of {all:.0} in 28 days"),
        ),
    }
}

/// How much a counter grew within a window: samples of a counter that started anew after a loss count from zero.
fn grown(series: &[(Instant, f64)], now: Instant, window: i64) -> Option<f64> {
    let from = now.plus_millis(-window);
    let inside = series.partition_point(|(at, _)| *at < from);
    // The last sample before the window is its start; without one, the record itself began within the window, at zero.
    let mut last = inside.checked_sub(1).and_then(|place| series.get(place)).map_or(0.0, |(_, value)| *value);
    let rest = series.get(inside..).filter(|rest| !rest.is_empty())?;
    let mut sum = 0.0;
    for (_, value) in rest {
        sum += if *value >= last { value - last } else { *value };
        last = *value;
    }
    Some(sum)
}

/// Unverified workloads times minutes; a gap between samples counts for at most ten minutes: what was not looked at is
/// not known, and the page says how much of the period was.
fn integrity(now: Instant, series: &[(Instant, f64)]) -> Budget {
    let from = now.plus_millis(-PERIOD);
    let (mut minutes, mut seen) = (0.0, 0.0);
    let ends = series.iter().skip(1).map(|(at, _)| *at).chain([now]);
    for ((at, workloads), end) in series.iter().zip(ends).filter(|((at, _), _)| *at >= from) {
        // Samples of long ago stand for the hour or the day that they are the first of.
        let most = if now.since(*at) > 3 * DAY { 65.0 } else { 10.0 };
        let held = (end.since(*at).max(0) as f64 / MINUTE as f64).min(most);
        minutes += workloads * held;
        seen += held;
    }
    let known = !series.is_empty();
    Budget {
        name: "integrity",
        code: "M1",
        target: INTEGRITY_MINUTES,
        left: known.then(|| 1.0 - minutes / INTEGRITY_MINUTES),
        burns: Vec::new(),
        detail: format!(
            "{minutes:.0} of {INTEGRITY_MINUTES:.0} workload-minutes unverified; {:.0} hours were looked at",
            seen / 60.0
        ),
    }
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::*;

    fn budget(name: &str, samples: &[(&str, i64, f64)]) -> Budget {
        let series = |wanted: &str| -> Vec<(Instant, f64)> {
            let mine = samples.iter().filter(|(name, ..)| *name == wanted);
            mine.map(|(_, minutes, value)| (noon().plus_millis(minutes * MINUTE), *value)).collect()
        };
        budgets(noon(), &series).into_iter().find(|budget| budget.name == name).unwrap()
    }

    #[test]
    fn without_data_there_is_no_budget_to_be_proud_of() {
        for budget in budgets(noon(), &|_| Vec::new()) {
            assert_eq!(budget.left, None, "{}", budget.name);
            assert!(budget.burns.iter().all(|burn| !burn.fires && burn.rates == (None, None)));
        }
    }

    #[test]
    fn both_windows_must_burn() {
        // 1,000 decisions an hour ago; then 100, of which 5 bad, all of them 40 minutes ago.
        let old = [
            ("verification/bad", -90, 0.0),
            ("verification/all", -90, 1000.0),
            ("verification/bad", -40, 5.0),
            ("verification/all", -40, 1100.0),
            ("verification/bad", -1, 5.0),
            ("verification/all", -1, 1110.0),
        ];
        let calm = budget("verification", &old);
        let burn = &calm.burns[0];
        assert!(burn.rates.0.unwrap() > 14.4 && burn.rates.1 == Some(0.0) && !burn.fires, "{burn:?}");
        let mut now = old.to_vec();
        now[4].2 = 8.0;
        let burning = budget("verification", &now);
        assert!(burning.burns[0].fires, "{:?}", burning.burns[0]);
        let share = 8.0 / 1110.0 / 0.001;
        assert!((burning.left.unwrap() - (1.0 - share)).abs() < 1e-9);
    }

    #[test]
    fn a_counter_that_starts_anew_is_no_negative_growth() {
        let samples =
            [(noon().plus_millis(-3), 10.0), (noon().plus_millis(-2), 2.0), (noon().plus_millis(-1), 5.0)];
        assert_eq!(grown(&samples, noon(), 10), Some(15.0));
        assert_eq!(grown(&samples, noon().plus_millis(DAY), 10), None);
    }

    #[test]
    fn integrity_counts_workloads_by_minutes_and_no_more_than_was_seen() {
        let two = budget(
            "integrity",
            &[("unverified", -100, 2.0), ("unverified", -95, 0.0), ("unverified", -5, 1.0)],
        );
        // 2 for 5 minutes, then none, then 1 for 5.
        assert!((two.left.unwrap() - (1.0 - 15.0 / 60.0)).abs() < 1e-9, "{two:?}");
        let overdrawn =
            budget("integrity", &(0..20).map(|n| ("unverified", -100 + 5 * n, 9.0)).collect::<Vec<_>>());
        assert!(overdrawn.left.unwrap() < 0.0);
    }
}
