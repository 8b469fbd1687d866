//! Progress on standard error, and only on a terminal.

use std::io::{IsTerminal as _, Write as _};

/// One line that is written over; gone when the value is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    pub(crate) fn say(&self, what: &str) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\u{1b}[2K{what} ...");
            let _ = out.flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\u{1b}[2K");
            let _ = out.flush();
        }
    }
}
