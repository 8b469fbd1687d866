//! Look-ups that prove themselves: which leaves carry a term, and that no other does.
//!
//! The leaves are covered by runs, each a sorted Merkle tree of (term, leaf) rows; the newest record of kind `index` in the
//! evidence log commits to their roots. What came after is delivered whole, so that it can be looked through.

mod answer;
mod run;

pub use answer::{Answer, Commitment, Complete, Entry, LookupError, Tail, TailLeaf, TermsOf};
pub use run::{Piece, Row, Run, key};

use serde::{Deserialize, Serialize};

use crate::{Body, Kind, LogName};

/// The runs of one log, oldest first, without gaps from leaf 0 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    pub log: LogName,
    pub runs: Vec<Run>,
}

impl Covered {
    /// Leaves that are covered.
    pub fn until(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.until)
    }

    fn gapless(&self) -> bool {
        let mut at = 0;
        self.runs.iter().all(|run| {
            let follows = run.from == at && run.until > run.from;
            at = run.until;
            follows
        })
    }
}

/// What a record of kind `index` commits to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    pub logs: Vec<Covered>,
}

impl Committed {
    pub fn body(&self) -> Body {
        let says = serde_json::to_value(self).unwrap_or_default();
        Body::new(Kind::Index, Vec::new(), Vec::new(), says)
    }

    /// `None` where the body commits to nothing, or to runs with gaps.
    pub fn read(body: &Body) -> Option<Self> {
        let committed: Self = serde_json::from_value(body.says.clone()).ok()?;
        (body.kind == Kind::Index && committed.logs.iter().all(Covered::gapless)).then_some(committed)
    }

    pub fn of(&self, log: LogName) -> Option<&Covered> {
        self.logs.iter().find(|covered| covered.log == log)
    }
}
