//! Exit codes, the same for every command.

/// What a process says to the shell. Unknown is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Allowed, or clean.
    Allowed = 0,
    /// Denied, or findings at or above the threshold.
    Denied = 1,
    /// Usage, configuration or internal error.
    Error = 2,
    /// Could not be decided: something needed is missing, unsupported or stale.
    Unknown = 3,
}

impl Exit {
    pub const fn code(self) -> u8 {
        self as u8
    }
}
