//! `detect`: events in, findings out; what people say about them.

mod alert;
mod cli;
mod export;
mod live;
mod offline;
mod pages;
mod settings;
mod webhook;

use std::path::Path;

use anyhow::Result;
use linkward_model::Exit;

pub(crate) use alert::{Line, Refused};
pub(crate) use cli::DetectCommand;
pub(crate) use live::{Ask, Detection, Recorded, Replayed, State};
pub(crate) use offline::rule_lines;
pub(crate) use settings::{DetectFile, Repository};
pub(crate) use webhook::check as check_webhook;

use crate::cli::Format;

pub(crate) fn run(command: &DetectCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        DetectCommand::Replay(args) => offline::replay(args, home, format),
        DetectCommand::Test { what } => offline::test(what.as_deref(), format),
        DetectCommand::Backtest { estate } => live::backtest(estate.as_deref(), home, format),
        DetectCommand::Sigma { folder } => offline::sigma(folder, format),
        DetectCommand::Export { file, from, until } => export::run(file, *from, *until, home, format),
        DetectCommand::Coverage => offline::coverage(home, format),
        DetectCommand::List { all } => live::list(*all, home, format),
        DetectCommand::Show { id } => live::show(id, home, format),
        DetectCommand::Dispose(args) => live::dispose(args, home, format),
        DetectCommand::Answer { id } => live::answer(id, home, format),
        DetectCommand::Canary(command) => live::canary(command, home, format),
        DetectCommand::Alerts => live::alerts(home, format),
        DetectCommand::Maintenance(args) => live::maintain(args, home, format),
        DetectCommand::Reference => pages::print_reference(),
    }
}
