//! The witnesses that this home's logs ask before they publish: k of n, side by side, each with a thread of its own.
//!
//! A witness that hangs costs no more than the patience, and is left alone for a while before it is asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use linkward_ledger::LogName;
use linkward_ledger::cosigner::CosignerKey;
use linkward_ledger::merkle::Hash;
use linkward_ledger::note::Note;
use linkward_ledger::witness::{AddCheckpoint, Told};

use crate::LogError;

/// How long slower witnesses are waited for once there are enough.
const GRACE: Duration = Duration::from_millis(10);
/// The shortest and the longest time for which a witness that failed is left alone.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The way to one witness.
pub trait WitnessClient: Send + fmt::Debug {
    /// Posts a request to `add-checkpoint`: the status and body of the answer.
    ///
    /// Contract: returns within a bounded time.
    ///
    /// # Errors
    /// There was no whole answer; the text says why.
    fn add_checkpoint(&mut self, request: &str) -> Result<(u16, Vec<u8>), String>;
}

/// A witness to ask.
#[derive(Debug)]
pub struct Asked {
    pub key: CosignerKey,
    pub client: Box<dyn WitnessClient>,
}

/// How one witness stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub name: String,
    /// The largest size that it cosigned, by log.
    pub sizes: BTreeMap<LogName, u64>,
    /// Why it did not cosign when it was asked last.
    pub trouble: Option<String>,
}

/// How the witnesses stand, readable while the sequencer works.
pub(crate) type Standings = Arc<Mutex<Vec<Standing>>>;

/// The witnesses of a home's logs.
pub struct Witnesses {
    workers: Vec<Worker>,
    answers: Receiver<Answer>,
    at_least: usize,
    patience: Duration,
    logs: BTreeSet<LogName>,
    round: u64,
    standings: Standings,
}

impl fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witnesses({} of {})", self.at_least, self.workers.len())
    }
}

struct Worker {
    key: CosignerKey,
    asks: Sender<(u64, LogName, AddCheckpoint)>,
    /// Whether an answer is still due.
    busy: bool,
    known: BTreeMap<LogName, u64>,
    failures: u32,
    rest_until: Option<Clock>,
}

struct Answer {
    worker: usize,
    round: u64,
    log: LogName,
    asked: AddCheckpoint,
    answer: Result<(u16, Vec<u8>), String>,
}

/// What asking came to.
pub(crate) struct Cosigned {
    /// The note with the cosignatures that it had and those that came.
    pub(crate) note: Vec<u8>,
    /// Whether every witness cosigned.
    pub(crate) whole: bool,
    /// Why it may not be published.
    pub(crate) too_few: Option<String>,
}

/// The proof that the log extends what it was at a size.
type Prove<'a> = dyn Fn(u64) -> Result<Vec<Hash>, LogError> + 'a;

impl Witnesses {
    /// `at_least` of them must cosign before anything is acknowledged; with 0 all are asked and the lack is shown.
    ///
    /// # Errors
    /// More are required than there are, one key stands twice, or a thread cannot be started.
    pub fn new(
        asked: Vec<Asked>,
        at_least: usize,
        patience: Duration,
        logs: BTreeSet<LogName>,
    ) -> Result<Self, String> {
        let keys: BTreeSet<&[u8]> = asked.iter().map(|asked| asked.key.public()).collect();
        if keys.len() != asked.len() {
            return Err("one witness key stands twice".to_owned());
        }
        if at_least > asked.len() {
            return Err(format!("{at_least} witnesses are required, but only {} are named", asked.len()));
        }
        let (sender, answers) = channel();
        let mut workers = Vec::with_capacity(asked.len());
        for (number, Asked { key, client }) in asked.into_iter().enumerate() {
            let (asks, inbox) = channel();
            let sender = sender.clone();
            std::thread::Builder::new()
                .name("witness".to_owned())
                .spawn(move || work(number, client, &inbox, &sender))
                .map_err(|error| format!("no thread for a witness: {error}"))?;
            let known = BTreeMap::new();
            workers.push(Worker { key, asks, busy: false, known, failures: 0, rest_until: None });
        }
        let named = |worker: &Worker| Standing { name: worker.key.name().to_owned(), ..Standing::default() };
        let standings = Arc::new(Mutex::new(workers.iter().map(named).collect()));
        Ok(Self { workers, answers, at_least, patience, logs, round: 0, standings })
    }

    pub(crate) fn standings(&self) -> Standings {
        Arc::clone(&self.standings)
    }

    pub(crate) fn watch(&self, log: LogName) -> bool {
        self.logs.contains(&log)
    }

    /// Whether checkpoints wait for witnesses.
    pub(crate) const fn required(&self) -> bool {
        self.at_least > 0
    }

    pub(crate) fn all_cosigned(&self, note: &[u8]) -> bool {
        let Ok(note) = Note::parse(note) else { return false };
        self.workers.iter().all(|worker| worker.key.cosigned(&note).is_some())
    }

    /// Asks for cosignatures over a signed checkpoint of `size` entries.
    pub(crate) fn cosign(&mut self, log: LogName, note: &[u8], size: u64, prove: &Prove<'_>) -> Cosigned {
        self.round += 1;
        let mut note = note.to_vec();
        let has = |worker: &Worker, note: &[u8]| {
            Note::parse(note).is_ok_and(|note| worker.key.cosigned(&note).is_some())
        };
        let mut found = self.workers.iter().filter(|worker| has(worker, &note)).count();
        let bare = bare(&note);
        let now = Clock::now();
        let rested = |worker: &Worker| worker.rest_until.is_none_or(|until| until <= now);
        let ready = |worker: &&Worker| !worker.busy && rested(worker) && !has(worker, &note);
        let ready = self.workers.iter().filter(ready).count();
        // Those that failed lately are asked again at once only where there are not enough without them.
        let all = found + ready < self.at_least;
        let mut due = 0;
        for number in 0..self.workers.len() {
            let Some(worker) = self.workers.get(number) else { break };
            if !worker.busy && (all || rested(worker)) && !has(worker, &note) {
                let known = worker.known.get(&log).copied().unwrap_or(0);
                due += usize::from(self.ask(number, log, &bare, known, size, prove));
            }
        }
        let mut deadline = now + self.patience;
        let mut asked_again = BTreeSet::new();
        while due > 0 {
            if self.required() && found >= self.at_least {
                deadline = deadline.min(Clock::now() + GRACE);
            }
            let rest = deadline.saturating_duration_since(Clock::now());
            let answer = match self.answers.recv_timeout(rest) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            };
            let (number, current) = (answer.worker, answer.round == self.round);
            match self.take(answer) {
                Some(Told::Cosigned(line)) if current => {
                    note.extend_from_slice(line.as_bytes());
                    (found, due) = (found + 1, due - 1);
                }
                // It knows this log at another size than was thought: once more, from there.
                Some(Told::Conflict { size: known }) if current && asked_again.insert(number) => {
                    let asked = self.ask(number, log, &bare, known, size, prove);
                    due -= usize::from(!asked);
                }
                _ if current => due -= 1,
                _ => {}
            }
        }
        // Where there were enough without them they are merely slow.
        if due > 0 && !(self.required() && found >= self.at_least) {
            self.time_out();
        }
        let too_few = (found < self.at_least).then(|| self.lack(found));
        Cosigned { note, whole: found == self.workers.len(), too_few }
    }

    /// Sends the request; false where it cannot be made.
    fn ask(
        &mut self,
        number: usize,
        log: LogName,
        note: &[u8],
        known: u64,
        size: u64,
        prove: &Prove<'_>,
    ) -> bool {
        let round = self.round;
        if known > size {
            let why = format!(
                "it saw {known} entries, more than the {size} that there are: the log was rolled back, or the witness lies"
            );
            self.failed(number, why);
            // Next time it is asked as if it knew nothing, and says again what it knows.
            self.workers.get_mut(number).map(|worker| worker.known.remove(&log));
            return false;
        }
        let proof = match prove(known) {
            Ok(proof) => proof,
            Err(error) => {
                self.failed(number, format!("no proof for it could be made: {error}"));
                return false;
            }
        };
        let Some(worker) = self.workers.get_mut(number) else { return false };
        let request = AddCheckpoint { old: known, proof, checkpoint: note.to_vec() };
        worker.busy = worker.asks.send((round, log, request)).is_ok();
        worker.busy
    }

    /// What an answer says, also one that comes after its round.
    fn take(&mut self, answer: Answer) -> Option<Told> {
        let Answer { worker: number, log, asked, answer, .. } = answer;
        let worker = self.workers.get_mut(number)?;
        worker.busy = false;
        let (status, body) = match answer {
            Ok(answer) => answer,
            Err(why) => {
                self.failed(number, why);
                return None;
            }
        };
        match Told::read(status, &body, &asked, &worker.key) {
            Ok(told) => {
                let size = match &told {
                    Told::Cosigned(_) => {
                        let note = Note::parse(&asked.checkpoint).ok()?;
                        linkward_ledger::Checkpoint::parse(note.text()).ok()?.size
                    }
                    Told::Conflict { size } => *size,
                };
                worker.known.insert(log, size);
                worker.failures = 0;
                worker.rest_until = None;
                if matches!(told, Told::Cosigned(_)) {
                    self.note(number, |standing| {
                        standing.sizes.insert(log, size);
                        standing.trouble = None;
                    });
                }
                Some(told)
            }
            Err(error) => {
                self.failed(number, error.to_string());
                None
            }
        }
    }

    /// Those that still owe an answer.
    fn time_out(&mut self) {
        for number in 0..self.workers.len() {
            if self.workers.get(number).is_some_and(|worker| worker.busy) {
                self.failed(number, format!("no answer within {} ms", self.patience.as_millis()));
            }
        }
    }

    fn failed(&mut self, number: usize, why: String) {
        if let Some(worker) = self.workers.get_mut(number) {
            let rest = BACK_OFF.0.saturating_mul(1 << worker.failures.min(10)).min(BACK_OFF.1);
            worker.failures = worker.failures.saturating_add(1);
            worker.rest_until = Some(Clock::now() + rest);
        }
        self.note(number, |standing| standing.trouble = Some(why));
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Standing)) {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = standings.get_mut(number) {
            change(standing);
        }
    }

    fn lack(&self, found: usize) -> String {
        let standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles = standings
            .iter()
            .filter_map(|standing| Some(format!("{}: {}", standing.name, standing.trouble.as_ref()?)));
        let troubles: Vec<_> = troubles.collect();
        format!(
            "{found} of the {} witnesses that are required cosigned the checkpoint ({}); what was written waits for them",
            self.at_least,
            troubles.join("; ")
        )
    }
}

/// A note with the log's own signature alone: what others cosigned is no business of a witness.
fn bare(note: &[u8]) -> Vec<u8> {
    let end = note.windows(2).position(|pair| pair == b"\n\n").map_or(note.len(), |at| at + 2);
    let line = note.get(end..).and_then(|rest| rest.split_inclusive(|byte| *byte == b'\n').next());
    let length = end + line.map_or(0, <[u8]>::len);
    note.get(..length).unwrap_or(note).to_vec()
}

fn work(
    number: usize,
    mut client: Box<dyn WitnessClient>,
    inbox: &Receiver<(u64, LogName, AddCheckpoint)>,
    answers: &Sender<Answer>,
) {
    while let Ok((round, log, asked)) = inbox.recv() {
        let answer = client.add_checkpoint(&asked.encode());
        if answers.send(Answer { worker: number, round, log, asked, answer }).is_err() {
            return;
        }
    }
}
