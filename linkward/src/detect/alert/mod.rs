//! Telling people: settings of channels, and the lines that deliver to them.

mod line;
mod settings;
mod smtp;

pub(crate) use line::{Line, Refused};
pub(crate) use settings::Channel;
