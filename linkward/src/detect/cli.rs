//! Names and options of `detect`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use linkward_model::Instant;

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
    /// Judge the recorded past again by the rules of today, beside what people said about its findings
    Backtest {
        /// What is ours: another detect.toml, to see what it would change [default: that of the home]
        #[arg(long, value_name = "FILE")]
        estate: Option<PathBuf>,
    },
    /// Which Sigma rules of a folder are judged here, and which are refused, and why
    Sigma {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Write recorded events as a Parquet file, which any engine can query; the record keeps its digest
    Export {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only what happened at this time or later
        #[arg(long, value_name = "TIME")]
        from: Option<Instant>,
        /// Only what happened before this time
        #[arg(long, value_name = "TIME")]
        until: Option<Instant>,
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
    /// Say that you take a finding up: nobody further is woken
    Answer {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Plant what nobody has a reason to touch, and list what is planted
    #[command(subcommand)]
    Canary(CanaryCommand),
    /// What people were told and have not answered, and what could not be delivered yet
    Alerts,
    /// Announce work: keeps first sights and weights of a scope quiet, never invariants
    Maintenance(Maintenance),
    /// Prints the pages of the rules as JSON
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CanaryCommand {
    /// Plant a package, image or host by its name, or a credential that is made and shown once
    Plant {
        #[arg(value_enum)]
        kind: CanaryKind,
        /// A purl without version, or a host; of a credential none
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Where it is planted, for whoever is woken
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// What is planted
    List,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CanaryKind {
    Package,
    Image,
    Host,
    Credential,
}

impl CanaryKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Image => "image",
            Self::Host => "host",
            Self::Credential => "credential",
        }
    }
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
