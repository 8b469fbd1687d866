//! The list of a mirror: which database it offers, and the files that lead to it. It is the text of a signed note (C2SP
//! signed-note), and what it says of sizes and digests is what every file is held to.
//!
//! ```text
//! linkward-advisories v1
//! sequence 12
//! base 10 SIZE FILE-DIGEST DATABASE-DIGEST
//! delta 11 SIZE FILE-DIGEST FROM-DATABASE TO-DATABASE
//! delta 12 SIZE FILE-DIGEST FROM-DATABASE TO-DATABASE
//! ```

use linkward_evidence::Fault;
use linkward_model::{Code, Digest};

const FIRST: &str = "linkward-advisories v1";
/// Most deltas of one list.
pub const MAX_DELTAS: usize = 30;

/// A file of the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub sequence: u64,
    pub size: u64,
    pub file: Digest,
    /// The database that it starts from; none where it is a database itself.
    pub from: Option<Digest>,
    pub to: Digest,
}

impl Item {
    /// The name that the file has in the mirror.
    pub fn name(&self) -> String {
        match self.from {
            None => format!("base-{}.lwa", self.sequence),
            Some(_) => format!("delta-{}.lwd", self.sequence),
        }
    }

    /// # Errors
    /// The bytes are fewer than the list says, or others.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Fault> {
        let (length, name) = (bytes.len() as u64, self.name());
        if length < self.size {
            let what = format!("has {length} of {} bytes", self.size);
            return Err(Fault::new(Code::AdvisoryTruncated, name, what));
        }
        if length > self.size || Digest::sha256(bytes) != self.file {
            return Err(Fault::new(
                Code::AdvisoryDamaged,
                name,
                "is not the file that the signed list names",
            ));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub sequence: u64,
    pub base: Item,
    /// The oldest first; each starts where the one before it leads.
    pub deltas: Vec<Item>,
}

impl Feed {
    /// # Errors
    /// Not a list, or one that does not count on by one, or whose files do not lead to each other.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut lines = text.lines().enumerate();
        let wrong = |line: usize, what: &str| {
            Fault::new(Code::AdvisoryMalformed, format!("line {}", line + 1), what.to_owned())
        };
        if lines.next().map(|(_, line)| line) != Some(FIRST) {
            return Err(wrong(0, "is no list of advisories of this version"));
        }
        let (mut sequence, mut base, mut deltas) = (None, None, Vec::new());
        for (index, line) in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let number =
                |text: &str| text.parse::<u64>().map_err(|_| wrong(index, "must hold a number here"));
            let digest =
                |text: &str| text.parse::<Digest>().map_err(|_| wrong(index, "must hold a digest here"));
            match words.as_slice() {
                ["sequence", count] if sequence.is_none() => sequence = Some(number(count)?),
                ["base", count, size, file, to] if base.is_none() && sequence.is_some() => {
                    let (sequence, size) = (number(count)?, number(size)?);
                    base = Some(Item { sequence, size, file: digest(file)?, from: None, to: digest(to)? });
                }
                ["delta", count, size, file, from, to] if base.is_some() && deltas.len() < MAX_DELTAS => {
                    let (sequence, size) = (number(count)?, number(size)?);
                    let (file, from, to) = (digest(file)?, Some(digest(from)?), digest(to)?);
                    deltas.push(Item { sequence, size, file, from, to });
                }
                _ => return Err(wrong(index, "is no line of such a list, or one too many")),
            }
        }
        let (Some(sequence), Some(base)) = (sequence, base) else {
            return Err(wrong(0, "names no database"));
        };
        let feed = Self { sequence, base, deltas };
        feed.is_whole()?;
        Ok(feed)
    }

    /// Sequence numbers count on by one up to the last, and each file starts where the one before it leads.
    fn is_whole(&self) -> Result<(), Fault> {
        let wrong = |code, what: String| Err(Fault::new(code, "the list", what));
        let last = self.deltas.last().map_or(self.base.sequence, |delta| delta.sequence);
        if last != self.sequence {
            return wrong(
                Code::AdvisorySequence,
                format!("ends with {last}, and says that it is {}", self.sequence),
            );
        }
        for (one, next) in self.deltas.iter().zip(self.deltas.iter().skip(1)) {
            if one.sequence.checked_add(1) != Some(next.sequence) {
                return wrong(
                    Code::AdvisorySequence,
                    format!("goes from {} to {}", one.sequence, next.sequence),
                );
            }
            if next.from != Some(one.to) {
                return wrong(
                    Code::AdvisoryGap,
                    format!("{} does not start where {} leads", next.sequence, one.sequence),
                );
            }
        }
        let Some(first) = self.deltas.first() else { return Ok(()) };
        if self.base.sequence > self.sequence || self.base.sequence.saturating_add(1) < first.sequence {
            return wrong(
                Code::AdvisorySequence,
                format!("its base is {}, its deltas begin with {}", self.base.sequence, first.sequence),
            );
        }
        if !self.states().any(|state| state == self.base.to) {
            return wrong(Code::AdvisoryGap, "no delta starts at its base or leads to it".to_owned());
        }
        Ok(())
    }

    fn states(&self) -> impl Iterator<Item = Digest> {
        self.deltas.iter().filter_map(|delta| delta.from).chain(self.deltas.last().map(|delta| delta.to))
    }

    /// The database that all this leads to.
    pub fn database(&self) -> Digest {
        self.deltas.last().map_or(self.base.to, |delta| delta.to)
    }

    /// The files that lead from a database to the newest one: none where it is that one.
    pub fn way(&self, from: Option<Digest>) -> Vec<&Item> {
        if from == Some(self.database()) {
            return Vec::new();
        }
        let after = |state: Digest| self.deltas.iter().position(|delta| delta.from == Some(state));
        match from.and_then(after) {
            Some(start) => self.deltas.iter().skip(start).collect(),
            None => {
                let rest = after(self.base.to).unwrap_or(self.deltas.len());
                std::iter::once(&self.base).chain(self.deltas.iter().skip(rest)).collect()
            }
        }
    }
}

impl std::fmt::Display for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Item { sequence, size, file, to, .. } = &self.base;
        write!(f, "{FIRST}\nsequence {}\nbase {sequence} {size} {file} {to}\n", self.sequence)?;
        for Item { sequence, size, file, from, to } in &self.deltas {
            let from = from.map(|from| from.to_string()).unwrap_or_default();
            writeln!(f, "delta {sequence} {size} {file} {from} {to}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u64) -> Digest {
        Digest::sha256(&number.to_le_bytes())
    }

    fn delta(sequence: u64) -> Item {
        Item {
            sequence,
            size: 5,
            file: digest(sequence + 100),
            from: Some(digest(sequence - 1)),
            to: digest(sequence),
        }
    }

    /// A base of 11 and deltas from 10 to 13.
    fn feed() -> Feed {
        let base = Item { sequence: 11, size: 9, file: digest(99), from: None, to: digest(11) };
        Feed { sequence: 13, base, deltas: (10..=13).map(delta).collect() }
    }

    #[test]
    fn the_way_is_the_shortest_that_the_list_knows() {
        let feed = feed();
        assert_eq!(Feed::parse(&feed.to_string()).unwrap(), feed);
        let names = |from: Option<u64>| {
            feed.way(from.map(digest)).iter().map(|item| item.name()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(Some(13)), "");
        assert_eq!(names(Some(12)), "delta-13.lwd");
        assert_eq!(names(Some(9)), "delta-10.lwd delta-11.lwd delta-12.lwd delta-13.lwd");
        assert_eq!(names(None), "base-11.lwa delta-12.lwd delta-13.lwd");
        assert_eq!(names(Some(7)), "base-11.lwa delta-12.lwd delta-13.lwd");
        let alone = Feed { sequence: 11, deltas: Vec::new(), ..feed.clone() };
        assert_eq!(Feed::parse(&alone.to_string()).unwrap().way(None).len(), 1);
    }

    #[test]
    fn lists_that_do_not_count_on_are_refused() {
        let bent = |change: &dyn Fn(&mut Feed)| {
            let mut feed = feed();
            change(&mut feed);
            Feed::parse(&feed.to_string()).map_err(|fault| fault.code)
        };
        assert_eq!(bent(&|feed| feed.sequence = 14), Err(Code::AdvisorySequence));
        assert_eq!(
            bent(&|feed| feed.deltas.retain(|delta| delta.sequence != 11)),
            Err(Code::AdvisorySequence)
        );
        assert_eq!(bent(&|feed| feed.base.sequence = 5), Err(Code::AdvisorySequence));
        assert_eq!(bent(&|feed| feed.base.sequence = 20), Err(Code::AdvisorySequence));
        assert_eq!(bent(&|feed| feed.deltas[2].from = Some(digest(1))), Err(Code::AdvisoryGap));
        assert_eq!(bent(&|feed| feed.base.to = digest(1)), Err(Code::AdvisoryGap));
        for text in [
            "",
            "linkward-advisories v2\n",
            "linkward-advisories v1\nsequence x\n",
            "linkward-advisories v1\nsequence 1\n",
        ] {
            assert_eq!(Feed::parse(text).map_err(|fault| fault.code), Err(Code::AdvisoryMalformed), "{text}");
        }
        let good = feed().to_string();
        for cut in 0..good.len() - 1 {
            assert!(Feed::parse(&good[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn files_are_held_to_the_list() {
        let item = Item { sequence: 1, size: 4, file: Digest::sha256(b"text"), from: None, to: digest(1) };
        assert!(item.check(b"text").is_ok());
        assert_eq!(item.check(b"tex").map_err(|fault| fault.code), Err(Code::AdvisoryTruncated));
        for bytes in [b"text.".as_slice(), b"tixt"] {
            assert_eq!(item.check(bytes).map_err(|fault| fault.code), Err(Code::AdvisoryDamaged));
        }
    }
}
