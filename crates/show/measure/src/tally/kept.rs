//! The counts as lines, for the next start: what is small as one, what grows with the record in pieces.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Tally;
use super::artifacts::Artifacts;
use super::dependencies::Kept as Project;
use super::findings::Findings;
use super::verdicts::Verdicts;

/// Entries of a line.
const ENTRIES: usize = 1000;

/// Entries of a map, a line for every thousand.
fn pieces<'a, T: Serialize + 'a>(
    name: &'static str,
    mut entries: impl Iterator<Item = T> + 'a,
) -> impl Iterator<Item = String> + 'a {
    std::iter::from_fn(move || {
        let piece: Vec<T> = entries.by_ref().take(ENTRIES).collect();
        (!piece.is_empty()).then(|| line(name, &piece))
    })
}

fn line(name: &str, value: &impl Serialize) -> String {
    format!("{name} {}", serde_json::to_string(value).unwrap_or_default())
}

fn put<K: Eq + Hash + DeserializeOwned, V: DeserializeOwned>(
    map: &mut HashMap<K, V>,
    text: &str,
) -> Option<()> {
    map.extend(serde_json::from_str::<Vec<(K, V)>>(text).ok()?);
    Some(())
}

impl Tally {
    /// Everything that was counted, a line at a time.
    pub fn keep(&self) -> impl Iterator<Item = String> + '_ {
        let Artifacts { flags, waiting, open, .. } = &self.artifacts;
        std::iter::once(line("tally", self))
            .chain(pieces("flags", flags.iter()))
            .chain(pieces("waiting", waiting.iter()))
            .chain(pieces("open", open.iter()))
            .chain(pieces("findings", self.findings.newest.iter()))
            .chain(pieces("verdicts", self.verdicts.newest.iter()))
            .chain(self.dependencies.keep().map(|project| line("project", &project)))
    }

    /// The tally that was kept. Nothing where a line is not as this code writes it: then everything is counted anew.
    ///
    /// # Errors
    /// Those of `next`.
    pub fn reopen<E>(
        size: u64,
        mut next: impl FnMut() -> Result<Option<String>, E>,
    ) -> Result<Option<Self>, E> {
        let mut tally: Option<Self> = None;
        while let Some(text) = next()? {
            let taken = match &mut tally {
                Some(tally) => tally.put_back(&text),
                None => {
                    tally = text.strip_prefix("tally ").and_then(|rest| serde_json::from_str(rest).ok());
                    tally.as_ref().map(|_| ())
                }
            };
            if taken.is_none() {
                return Ok(None);
            }
        }
        if let Some(tally) = &mut tally {
            tally.verdicts.count_again();
        }
        Ok(tally.filter(|tally| tally.next == size))
    }

    fn put_back(&mut self, text: &str) -> Option<()> {
        let (name, rest) = text.split_once(' ')?;
        let Self { artifacts, findings: Findings { newest: findings, .. }, .. } = self;
        let Verdicts { newest: verdicts, .. } = &mut self.verdicts;
        match name {
            "flags" => put(&mut artifacts.flags, rest),
            "waiting" => put(&mut artifacts.waiting, rest),
            "open" => put(&mut artifacts.open, rest),
            "findings" => put(findings, rest),
            "verdicts" => put(verdicts, rest),
            "project" => {
                self.dependencies.put_back(serde_json::from_str::<Project>(rest).ok()?);
                Some(())
            }
            _ => None,
        }
    }
}

/// A map whose keys are no strings, as pairs.
pub(super) mod pairs {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, K: Serialize, V: Serialize>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, K: DeserializeOwned + Ord, V: DeserializeOwned>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use linkward_ledger::{Term, TermKind};
    use linkward_model::Digest;
    use linkward_testkit::noon;
    use serde_json::json;

    use super::*;

    fn counted(until: u32) -> Tally {
        let mut tally = Tally { next: u64::from(until), watched: true, ..Tally::default() };
        more(&mut tally, 0, until);
        tally
    }

    fn more(tally: &mut Tally, from: u32, until: u32) {
        for number in from..until {
            let digest = Digest::sha256(&number.to_le_bytes());
            let mark = super::super::mark(&digest);
            tally.artifacts.seen(mark);
            tally.artifacts.built(vec![mark, mark ^ 1]);
            if number % 3 == 0 {
                tally.artifacts.described([mark].into_iter(), number % 2 == 0);
            }
            let terms = [Term::new(TermKind::Package, format!("pkg:npm/p{number}@1"))];
            let day = noon().plus_millis(i64::from(number) * 3_600_000);
            tally.dependencies.take(
                &format!("project {}", number % 5),
                day,
                &terms,
                super::super::dependencies::Said {
                    gaps: number % 2 == 0,
                    quality: u8::try_from(number % 101).ok(),
                },
            );
            tally.verdicts.take(&json!({
                "question": { "environment": format!("e{}", number % 2), "digest": digest },
                "outcome": (["allow", "deny", "unknown"][number as usize % 3]), "requirements": [],
            }));
            tally.findings.take(
                day,
                &json!({
                    "noticed": day.plus_millis(1234 + i64::from(number)),
                    "finding": { "id": digest, "rule": (["first-runner", "tag-moved"][number as usize % 2]),
                        "alert": "page", "state": "confirmed", "at": day },
                }),
            );
            tally.deployments.take(&json!({ "what": "deployment", "deployment": {
                "workload": format!("w{}", number % 7), "revision": number, "at": day,
                "happened": if number % 4 == 0 { json!({ "event": "failed" }) } else { json!({ "event": "ready" }) },
            } }));
            tally.sources.insert(format!("s{}", number % 3), day);
        }
    }

    fn reopened(size: u64, lines: Vec<String>) -> Option<Tally> {
        let mut lines = lines.into_iter();
        Tally::reopen::<Infallible>(size, || Ok(lines.next())).unwrap()
    }

    #[test]
    fn counts_go_on_as_if_nothing_had_stopped() {
        let mut straight = counted(2500);
        let mut other = reopened(2500, straight.keep().collect()).unwrap();
        let now = noon().plus_millis(3000 * 3_600_000);
        assert_eq!(straight.counts(now), other.counts(now));
        more(&mut straight, 2490, 3000);
        more(&mut other, 2490, 3000);
        assert_eq!(straight.counts(now), other.counts(now));
        assert!(straight.counts(now).builds > 2500 && straight.counts(now).latencies.count > 2500);
    }

    #[test]
    fn what_is_not_whole_is_not_taken_up() {
        let lines: Vec<String> = counted(40).keep().collect();
        assert!(reopened(40, lines.clone()).is_some());
        assert!(reopened(41, lines.clone()).is_none(), "of another place");
        assert!(reopened(40, Vec::new()).is_none());
        for number in 0..lines.len() {
            let mut cut = lines.clone();
            cut[number].pop();
            assert!(reopened(40, cut).is_none(), "line {number}");
        }
    }
}
