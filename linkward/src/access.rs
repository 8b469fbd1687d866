//! How a command reaches the record: through the running daemon, or by opening the home itself.
//!
//! Either way the caller remembers the last checkpoint that it saw, outside the home, and refuses a log that
//! does not extend it: a home that was rolled back as a whole is noticed.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result, anyhow};
use linkward_model::Code;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::home::Home;
use crate::socket;
use crate::wire::{Failure, Reply, Request};

/// How long a command waits for another short command to finish.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) enum Access {
    Direct(Arc<Engine>),
    Daemon(Home),
}

impl Access {
    /// # Errors
    /// The home is held by a process that does not answer, is damaged, or was rolled back.
    pub(crate) fn open(home: &Home) -> Result<Self> {
        let start = Clock::now();
        loop {
            if let Some(reply) = socket::ask(home.path(), &Request::Ping)? {
                reply?;
                crate::home::seen_by_daemon(home)?;
                return Ok(Self::Daemon(home.clone()));
            }
            match Engine::open(home) {
                Ok(engine) => return Ok(Self::Direct(Arc::new(engine))),
                Err(error) if is_locked(&error) && start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let reply: Reply = match self {
            Self::Direct(engine) => engine.handle(request),
            Self::Daemon(home) => socket::ask(home.path(), &request)?
                .ok_or_else(|| anyhow!("the daemon stopped; run the command again"))?,
        };
        serde_json::from_value(reply?).context("the daemon's answer is of another version")
    }
}

fn is_locked(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().and_then(|failure| failure.code) == Some(Code::HomeLocked)
}
