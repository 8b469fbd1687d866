//! What to mend first: which vulnerabilities are known to be exploited (CISA's KEV catalogue), and how likely each is to be
//! within thirty days (FIRST's EPSS scores). Neither makes anything affected or not: they order what is.

use std::collections::BTreeMap;
use std::io::Read as _;

use linkward_evidence::Fault;
use linkward_evidence::archive::packed::unpacked;
use linkward_model::{Code, Digest};
use serde_json::Value;

use crate::meta::Source;

/// Some 300,000 lines of EPSS are 15 MB.
const MAX_SCORES: u64 = 256 << 20;

#[derive(Debug, Default)]
pub struct Priorities {
    exploited: BTreeMap<String, String>,
    scores: BTreeMap<String, f64>,
    pub(crate) sources: Vec<Source>,
}

impl Priorities {
    /// The catalogue as JSON: `vulnerabilities` with `cveID` and `dateAdded`.
    ///
    /// # Errors
    /// Not such a catalogue, or an empty one.
    pub fn kev(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let wrong = |what: &str| Fault::new(Code::AdvisoryMalformed, name, what);
        let document: Value = serde_json::from_slice(bytes).map_err(|error| wrong(&error.to_string()))?;
        let listed = document.get("vulnerabilities").and_then(Value::as_array);
        let listed =
            listed.filter(|listed| !listed.is_empty()).ok_or_else(|| wrong("lists no `vulnerabilities`"))?;
        for entry in listed {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            let (Some(id), Some(added)) = (text("cveID"), text("dateAdded")) else {
                return Err(wrong("has an entry without `cveID` or `dateAdded`"));
            };
            self.exploited.insert(id.to_ascii_uppercase(), added.to_owned());
        }
        self.note(name, bytes, listed.len());
        Ok(())
    }

    /// Lines of `cve,epss,percentile`, packed or not; comments begin with a hash.
    ///
    /// # Errors
    /// Not such a table, or a score that is no probability.
    pub fn epss(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let wrong = |what: String| Fault::new(Code::AdvisoryMalformed, name, what);
        let mut text = String::new();
        let read = unpacked(bytes).and_then(|stream| stream.take(MAX_SCORES + 1).read_to_string(&mut text));
        read.map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > MAX_SCORES {
            return Err(Fault::new(Code::TooLarge, name, format!("is larger than {MAX_SCORES} bytes")));
        }
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        if lines.next().is_none_or(|(_, head)| !head.starts_with("cve,epss")) {
            return Err(wrong("has no heading `cve,epss`".to_owned()));
        }
        let mut count = 0;
        for (number, line) in lines {
            let mut fields = line.split(',');
            let score = fields.next().zip(fields.next().and_then(|score| score.trim().parse::<f64>().ok()));
            let Some((id, score)) = score.filter(|(_, score)| (0.0..=1.0).contains(score)) else {
                return Err(wrong(format!("line {} is no id and probability", number + 1)));
            };
            self.scores.insert(id.trim().to_ascii_uppercase(), score);
            count += 1;
        }
        self.note(name, bytes, count);
        Ok(())
    }

    fn note(&mut self, name: &str, bytes: &[u8], records: usize) {
        let digest = Digest::sha256(bytes);
        self.sources.push(Source { name: name.to_owned(), digest, records, as_of: None, unreadable: 0 });
    }

    /// Since when it is known to be exploited, and the highest score of any of its names.
    pub(crate) fn of<'a>(&self, ids: impl Iterator<Item = &'a String>) -> (Option<&str>, Option<f64>) {
        let (mut exploited, mut score): (Option<&str>, Option<f64>) = (None, None);
        for id in ids.map(|id| id.to_ascii_uppercase()) {
            exploited = exploited.or(self.exploited.get(&id).map(String::as_str));
            score = match (score, self.scores.get(&id)) {
                (Some(known), Some(other)) => Some(known.max(*other)),
                (known, other) => known.or(other.copied()),
            };
        }
        (exploited, score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_read_or_refused() {
        let mut priorities = Priorities::default();
        priorities
            .kev("kev", br#"{"vulnerabilities":[{"cveID":"CVE-2021-1","dateAdded":"2021-12-10"}]}"#)
            .unwrap();
        let table = b"#model_version:v1\ncve,epss,percentile\nCVE-2021-1,0.97,0.99\nCVE-2021-2,0.5,0.9\n";
        priorities.epss("epss", table).unwrap();
        let ids = ["GHSA-x".to_owned(), "cve-2021-1".to_owned(), "CVE-2021-2".to_owned()];
        assert_eq!(priorities.of(ids.iter()), (Some("2021-12-10"), Some(0.97)));
        assert_eq!(priorities.of(ids[..1].iter()), (None, None));
        assert_eq!(priorities.sources.len(), 2);
        for bad in ["{", "{}", r#"{"vulnerabilities":[]}"#, r#"{"vulnerabilities":[{"cveID":"x"}]}"#] {
            assert!(Priorities::default().kev("kev", bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in
            ["", "CVE-1,0.1,0.1\n", "cve,epss\nCVE-1,2,0\n", "cve,epss\nCVE-1\n", "cve,epss\nCVE-1,NaN,0\n"]
        {
            assert!(Priorities::default().epss("epss", bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
