//! `token`: made once and shown once, listed, taken back. Who may use the home may make them.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use linkward_model::Exit;
use serde_json::Value;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::engine::AccessAsk;
use crate::login::Role;
use crate::table::visible;
use crate::wire::Request;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and show it once
    Add(Add),
    /// Tokens, and who is logged in
    List,
    /// Take a token back, and end the logins that it opened
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Whose it is, or what for
    #[arg(value_name = "NAME")]
    name: String,
    #[arg(long, value_enum, default_value_t = Given::Viewer)]
    role: Given,
    /// Days that it lasts, 366 at most
    #[arg(long, default_value_t = 90)]
    days: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Given {
    /// Reads every page
    Viewer,
    /// Also takes findings up, says what they were, announces work
    Responder,
    /// Also takes tokens back and ends logins
    Admin,
}

impl From<Given> for Role {
    fn from(given: Given) -> Self {
        match given {
            Given::Viewer => Self::Viewer,
            Given::Responder => Self::Responder,
            Given::Admin => Self::Admin,
        }
    }
}

pub(crate) fn run(command: &TokenCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let by = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    let ask = match command {
        TokenCommand::Add(Add { name, role, days }) => {
            AccessAsk::Add { name: name.clone(), role: (*role).into(), days: *days, by }
        }
        TokenCommand::List => AccessAsk::List,
        TokenCommand::Remove { name } => AccessAsk::Remove { name: name.clone(), by },
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Access { ask })?;
    if format == Format::Json {
        print_json(&answer)?;
        return Ok(Exit::Allowed);
    }
    match command {
        TokenCommand::Add(_) => print(&format!(
            "{}\n{} is {} until {}. The token is not shown again; send it as `Authorization: Bearer`, or log in with it.\n",
            text(&answer, "token"),
            text(&answer, "name"),
            text(&answer, "role"),
            text(&answer, "expires")
        ))?,
        TokenCommand::List => print(&listed(&answer))?,
        TokenCommand::Remove { .. } => print(&format!("{}\n", text(&answer, "text")))?,
    }
    Ok(Exit::Allowed)
}

fn listed(answer: &Value) -> String {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut out = String::new();
    for token in list("tokens") {
        let over = if token["over"] == true { "  over" } else { "" };
        out.push_str(&format!(
            "token  {:<24} {:<10} until {}{over}\n",
            text(&token, "name"),
            text(&token, "role"),
            text(&token, "expires")
        ));
    }
    for login in list("logins") {
        out.push_str(&format!(
            "login  {:<24} {:<10} until {}  by {}\n",
            visible(text(&login, "who")),
            text(&login, "role"),
            text(&login, "expires"),
            visible(text(&login, "way"))
        ));
    }
    if out.is_empty() {
        out.push_str("no tokens, and nobody is logged in; make one with `linkward token add NAME`\n");
    }
    out
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}
