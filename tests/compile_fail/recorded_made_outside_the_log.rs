//~ E0451
use linkward_ledger::{Envelope, Position, Recorded};

pub fn forge<T>(value: T, envelope: Envelope, position: Position) -> Recorded<T> {
    Recorded { value, envelope, position, proven_at_size: 1 }
}
