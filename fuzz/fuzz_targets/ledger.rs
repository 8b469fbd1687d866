//! Leaves, bodies, notes and checkpoints: what is read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_ledger::note::Note;
use linkward_ledger::{Body, Checkpoint, Envelope};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(Envelope::decode(&envelope.encode()).ok().map(|again| again.encode()), Some(envelope.encode()));
    }
    let _ = Body::decode(bytes);
    let _ = Note::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(checkpoint) = Checkpoint::parse(text)
    {
        assert!(Checkpoint::parse(&checkpoint.text()).is_ok());
    }
});
