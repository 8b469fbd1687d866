//! How bad a finding is: from the record's own word, or the base score of its CVSS 3 vector.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From the least to the worst. Nobody rated it counts as above every threshold but `malicious`: unknown is not harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Not rated by its source, or in a way that is not read.
    Unrated,
    /// Unmaintained, unsound, a notice: no vulnerability.
    Notice,
    Low,
    Medium,
    High,
    Critical,
    /// The package itself was made to do harm.
    Malicious,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unrated => "unrated",
            Self::Notice => "notice",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Malicious => "malicious",
        }
    }

    /// Whether a finding of this severity counts under a threshold.
    pub fn reaches(self, threshold: Self) -> bool {
        self >= threshold
            || (self == Self::Unrated && threshold != Self::Malicious)
            || self == Self::Malicious
    }

    fn of_score(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            score if score > 0.0 => Self::Low,
            _ => Self::Unrated,
        }
    }
}

/// The worst that a record, or one of its affected packages, says.
pub(crate) fn of(value: &Value) -> Severity {
    let named = ["database_specific", "ecosystem_specific"].iter().find_map(|place| {
        Some(match value.get(place)?.get("severity")?.as_str()?.to_ascii_lowercase().as_str() {
            "low" | "negligible" => Severity::Low,
            "moderate" | "medium" => Severity::Medium,
            "high" | "important" => Severity::High,
            "critical" => Severity::Critical,
            _ => return None,
        })
    });
    let vectors = value.get("severity").and_then(Value::as_array).into_iter().flatten();
    let scored = vectors.filter_map(|entry| vector(entry.get("score")?.as_str()?)).max();
    named.max(scored).unwrap_or(Severity::Unrated)
}

/// The severity of a CVSS 3.0 or 3.1 base vector; other versions are not computed.
pub(crate) fn vector(text: &str) -> Option<Severity> {
    score(text).map(Severity::of_score)
}

/// CVSS 3.1, 7.1: the base score.
fn score(text: &str) -> Option<f64> {
    let metrics = text.strip_prefix("CVSS:3.1/").or_else(|| text.strip_prefix("CVSS:3.0/"))?;
    let value = |name: &str| {
        metrics
            .split('/')
            .find_map(|metric| metric.split_once(':').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    };
    let changed = value("S")? == "C";
    let weigh = |name: &str, weights: &[(&str, f64)]| {
        let found = value(name)?;
        weights.iter().find(|(known, _)| *known == found).map(|(_, weight)| *weight)
    };
    let impact = [("H", 0.56), ("L", 0.22), ("N", 0.0)];
    let privileges = if changed {
        [("N", 0.85), ("L", 0.68), ("H", 0.5)]
    } else {
        [("N", 0.85), ("L", 0.62), ("H", 0.27)]
    };
    let exploitability = 8.22
        * weigh("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * weigh("AC", &[("L", 0.77), ("H", 0.44)])?
        * weigh("PR", &privileges)?
        * weigh("UI", &[("N", 0.85), ("R", 0.62)])?;
    let kept = (1.0 - weigh("C", &impact)?) * (1.0 - weigh("I", &impact)?) * (1.0 - weigh("A", &impact)?);
    let base = 1.0 - kept;
    let impact = if changed { 7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15) } else { 6.42 * base };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let sum = if changed { 1.08 * (impact + exploitability) } else { impact + exploitability };
    Some((sum.min(10.0) * 10.0 - 1e-9).ceil() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_scores() {
        for (text, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
            ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:N/A:N", 0.0),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N", 5.5),
        ] {
            assert!((score(text).unwrap() - expected).abs() < 1e-6, "{text} {:?}", score(text));
        }
        assert_eq!(vector("CVSS:4.0/AV:N"), None);
        assert_eq!(vector("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"), None);
    }

    #[test]
    fn what_nobody_rated_is_not_harmless() {
        assert!(Severity::Unrated.reaches(Severity::Critical));
        assert!(Severity::Malicious.reaches(Severity::Critical));
        assert!(!Severity::Low.reaches(Severity::High));
        assert!(!Severity::Notice.reaches(Severity::Low));
    }
}
