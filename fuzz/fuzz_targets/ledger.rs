//! Leaves, bodies, notes, checkpoints, what witnesses are asked and answer: what is read is written as it was. Answers
//! to look-ups: nothing proves anything without a key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_ledger::log_proof::LogProof;
use linkward_ledger::lookup::{Answer, Piece, Row};
use linkward_ledger::note::Note;
use linkward_ledger::witness::AddCheckpoint;
use linkward_ledger::{Body, Checkpoint, Envelope};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(Envelope::decode(&envelope.encode()).ok().map(|again| again.encode()), Some(envelope.encode()));
    }
    let _ = Body::decode(bytes);
    let _ = Note::parse(bytes);
    if let Ok(answer) = Answer::parse(bytes) {
        assert!(answer.verify(&[], &|_| None).is_err());
        for piece in &answer.pieces {
            let _ = piece.root(u64::MAX);
        }
    }
    let rows: Vec<Row> = bytes.chunks_exact(Row::SIZE).filter_map(Row::decode).collect();
    let of = rows.first().map_or(0, |row| row.index);
    let _ = Piece { start: of / 2, rows, hashes: Vec::new() }.root(of);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(checkpoint) = Checkpoint::parse(text)
    {
        assert!(Checkpoint::parse(&checkpoint.text()).is_ok());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(asked) = AddCheckpoint::parse(text) {
            assert_eq!(AddCheckpoint::parse(&asked.encode()), Some(asked));
        }
        if let Ok(proof) = LogProof::parse(text) {
            assert_eq!(LogProof::parse(&proof.encode()), Ok(proof));
        }
    }
});
