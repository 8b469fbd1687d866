//! Names and options of `detect`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum DetectCommand {
    /// Judge a file of events: webhooks, audit logs, registry documents, CloudEvents, one document or one a line
    Replay(Replay),
    /// Run the cases of the shipped rules, or of a file of your own
    Test {
        /// A rule's name, or a file of cases
        #[arg(value_name = "RULE|FILE")]
        what: Option<String>,
    },
    /// Which rules there are, what they cover, and which see nothing here, and why
    Coverage,
    /// Findings of this home, newest first
    List {
        /// Also those that are withdrawn, excepted or muted
        #[arg(long)]
        all: bool,
    },
    /// One finding: why it fired, what would make it benign, what to do
    Show {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say what a finding was; benign and expected ones get an exception that ends
    Dispose(Dispose),
    /// Announce work: keeps first sights and weights of a scope quiet, never invariants
    Maintenance(Maintenance),
    /// Prints the pages of the rules as JSON
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A file of events, or an incident by name, such as axios-2026
    #[arg(value_name = "FILE|INCIDENT")]
    pub(crate) file: PathBuf,
    /// Which source wrote it [default: by its shape]
    #[arg(long, value_name = "NAME")]
    pub(crate) feed: Option<String>,
    /// The event's name, for webhook payloads without their headers
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// What is ours: a detect.toml [default: that of the home, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) estate: Option<PathBuf>,
    /// Record events and findings in the home as if they arrived now
    #[arg(long)]
    pub(crate) record: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Said {
    /// It was what it said
    True,
    /// It happened, and does no harm
    Benign,
    /// It was announced
    Expected,
}

#[derive(Debug, Args)]
pub(crate) struct Dispose {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[arg(value_enum)]
    pub(crate) disposition: Said,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Days that the exception lasts, 30 at most
    #[arg(long, default_value_t = 7)]
    pub(crate) days: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    /// Subjects that the work is about; * stands for anything
    #[arg(value_name = "SCOPE")]
    pub(crate) scope: String,
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Hours from now, 72 at most
    #[arg(long, default_value_t = 2)]
    pub(crate) hours: u32,
}
