//! One function a command: ask, print, turn the answer into an exit code.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Code, Digest, Exit, Sha256Stream};
use linkward_prove::Form;
use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::cli::{self, Cli, Command, EvidenceCommand, Format, LogCommand, RecordCommand};
use crate::home::Home;
use crate::later::Later;
use crate::table::{self, Style};
use crate::wire::{Checked, Document, Explanation, Failure, Outcome, Replay, Request, Submitted};
use crate::{policy, sbom, up, verify, vex};

/// Says something to whoever watches a running daemon.
pub(crate) fn complain(what: &str) {
    // Nobody may be listening; the record has it all the same.
    let _ = writeln!(std::io::stderr(), "linkward: {what}");
}

pub(crate) fn run(cli: Cli) -> Result<Exit> {
    let format = cli.format;
    let home = cli.home.as_deref();
    match cli.command {
        Command::Up(args) => up::up(&args, home, format),
        Command::Run(args) => up::run(&args, home, format),
        Command::Check(args) => check(&args, home, format),
        Command::Sign(args) => crate::sign::sign(&args, home, format),
        Command::Attest(args) => crate::sign::attest(&args, home, format),
        Command::Key(command) => crate::keys::run(&command, home, format),
        Command::Attach(args) => crate::image::attach(&args, format),
        Command::Attached(args) => crate::image::attached(&args, format),
        Command::Spool(command) => crate::spool::run(&command, home, format),
        Command::Sigstore(command) => crate::sigstore::run(&command, home, format),
        Command::Rotate(args) => crate::sigstore::rotate(&args, home, format),
        Command::Verify(args) => verify::verify(&args, home, format),
        Command::Trust(command) => crate::trust::run(command.0, home, format),
        Command::VerifyBundle(args) => verify::conformance(&args),
        Command::SignBundle(args) => crate::instance::conformance(&args, home),
        Command::Explain(args) => explain(&args.id, home, format),
        Command::Evidence(Later(EvidenceCommand::Add { files, link_dir })) => {
            evidence(&files, link_dir.as_deref(), home, format)
        }
        Command::Log(command) => log(&command, home, format),
        Command::Monitor(args) => crate::monitor::monitor(&args, format),
        Command::Witness => crate::witness::show(home, format),
        Command::Backup(args) => crate::backup::backup(&args, home, format),
        Command::Restore(args) => crate::backup::restore(&args, home, format),
        Command::Record(Later(RecordCommand::Rebuild { to })) => rebuild(&to, home, format),
        Command::Retention(command) => crate::retention::retention(&command, home, format),
        Command::Hold(command) => crate::retention::hold(command.0, home, format),
        Command::Admit(command) => crate::admit::admit(command.0, home, format),
        Command::Revoke(command) => crate::revoke::revoke(command.0, home, format),
        Command::Deploy(command) => crate::deploy::deploy(command.0, home, format),
        Command::Rebuild(command) => crate::rebuild::rebuild(command.0, home, format),
        Command::Rollback(args) => crate::rollback::rollback(&args, home, format),
        Command::Canary(args) => crate::deploy::canary(&args, home, format),
        Command::Policy(command) => policy::run(&command, home, format),
        Command::Sbom(args) => sbom::run(&args, home, format),
        Command::Vex(args) => vex::run(&args, format),
        Command::Measures(args) => crate::measures::run(&args, home, format),
        Command::Token(command) => crate::token::run(&command, home, format),
        Command::Assess => crate::measures::assess(home, format),
        Command::Detect(command) => crate::detect::run(&command, home, format),
        Command::Why(args) => why(&args.package, home, format),
        Command::Pkcs11Holder => {
            linkward_issue::pkcs11::serve()?;
            Ok(Exit::Allowed)
        }
        Command::ScanKeeper => crate::scan::keeper::serve(home),
        Command::Scan(args) => crate::scan::run(&args, home, format),
        Command::Affected(args) => crate::affected::run(&args, home, format),
        Command::Diff(args) => crate::diff::run(&args, home, format),
        Command::Inspect(args) => crate::inspect::run(&args, home, format),
        Command::Advisory(command) => crate::advisory::run(&command, home, format),
        Command::Code(args) => code(args.code.as_deref(), format),
        Command::Signer(args) => {
            linkward_issue::serve(&args.keys, std::io::stdin().lock(), std::io::stdout().lock())?;
            Ok(Exit::Allowed)
        }
        Command::CliReference => {
            print(&crate::cli::reference())?;
            Ok(Exit::Allowed)
        }
    }
}

/// The home of a command that does not name a project: given, or in the nearest folder above.
pub(crate) fn nearest(given: Option<&Path>) -> Result<Home> {
    Home::find(given, &std::env::current_dir()?)
}

pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

pub(crate) fn print_json<T: Serialize>(value: &T) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

pub(crate) const fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Allow | Outcome::Noted => Exit::Allowed,
        Outcome::Deny => Exit::Denied,
        Outcome::Unknown => Exit::Unknown,
    }
}

/// Denied before unknown before allowed.
pub(crate) fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Allowed => 0,
        Exit::Unknown => 1,
        Exit::Denied => 2,
        Exit::Error => 3,
    };
    outcomes.into_iter().map(exit).max_by_key(rank).unwrap_or(Exit::Unknown)
}

fn check(args: &cli::Check, home: Option<&Path>, format: Format) -> Result<Exit> {
    if let Some(path) = &args.plan.terraform_plan {
        return crate::plan::check(&args.plan, path, format);
    }
    let home = nearest(home)?;
    let access = Access::open(&home)?;
    let mut answers = Vec::new();
    for target in &args.targets {
        let (name, digest) = resolve(target)?;
        // The name that `up` and `run` use: relative to the project.
        let path = std::fs::canonicalize(target).ok();
        let project = std::fs::canonicalize(home.project()).ok();
        let relative = path.zip(project).and_then(|(path, project)| {
            path.strip_prefix(project).ok().map(|path| path.to_string_lossy().into_owned())
        });
        let name = name.map(|name| relative.unwrap_or(name));
        let request = Request::Check { digest, name, environment: args.environment.clone() };
        let answer: Checked = access.ask(request)?;
        answers.push(answer);
    }
    match format {
        Format::Json => print_json(&answers)?,
        Format::Table => {
            let style = Style::of_stdout();
            for answer in &answers {
                let rule = answer.rule.as_deref().unwrap_or("no rule");
                print(&format!(
                    "{} {} {} (rule {rule}, environment {}, record {})\n{}",
                    style.outcome(answer.outcome),
                    style.strong(&table::visible(&answer.name)),
                    answer.digest.short(),
                    answer.environment,
                    answer.record,
                    table::reasons(&answer.reasons)
                ))?;
            }
        }
    }
    Ok(worst(answers.iter().map(|answer| answer.outcome)))
}

/// A file's name and digest, or a digest as it is written; a file wins, as the conformance protocol says.
pub(crate) fn resolve(target: &str) -> Result<(Option<String>, Digest)> {
    let path = Path::new(target);
    if path.exists() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok((name, hash(path)?));
    }
    if target.contains(':') && !target.contains('/') {
        return Ok((
            None,
            target.parse().with_context(|| format!("`{target}` is neither a file nor a digest"))?,
        ));
    }
    bail!("no file `{target}`; name a file, or a digest as sha256:HEX")
}

pub(crate) fn hash(path: &Path) -> Result<Digest> {
    let mut stream = Sha256Stream::new();
    pieces(path, |piece| stream.update(piece))?;
    Ok(stream.finish())
}

/// Reads a file of any size a piece at a time.
pub(crate) fn pieces(path: &Path, mut take: impl FnMut(&[u8])) -> Result<()> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => take(piece),
            _ => return Ok(()),
        }
    }
}

fn explain(id: &str, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let explanation: Explanation = access.ask(Request::Explain { id: id.to_owned() })?;
    if format == Format::Json {
        print_json(&explanation)?;
    } else {
        print(&explained(&explanation, Style::of_stdout()))?;
    }
    Ok(match explanation.replay {
        Replay::Differs { .. } => Exit::Error,
        Replay::Deleted { .. } => Exit::Unknown,
        _ => explanation.outcome.map_or(Exit::Allowed, exit),
    })
}

/// The text of an explanation; the same from any copy of the record.
pub(crate) fn explained(explanation: &Explanation, style: Style) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let outcome = explanation.outcome.map_or_else(String::new, |outcome| style.outcome(outcome));
    let _ = writeln!(
        out,
        "record {} {} {outcome} {}",
        explanation.record,
        explanation.kind,
        style.strong(&table::visible(&explanation.name))
    );
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<9} {value}");
    };
    if let Some(digest) = &explanation.digest {
        fact("digest", digest);
    }
    fact("decided", &explanation.decided);
    if let Some(policy) = &explanation.policy {
        fact("policy", policy);
    }
    fact("log", &format!("{} as of {} records", explanation.log.origin, explanation.log.size));
    fact(
        "replay",
        &match &explanation.replay {
            Replay::Same => "the same result from the log alone".to_owned(),
            Replay::Differs { code, detail } => format!("DIFFERS: {code}: {detail}"),
            Replay::Deleted { code, detail } => format!("cannot be replayed: {code}: {detail}"),
            Replay::NotApplicable => "not a verdict: nothing to replay".to_owned(),
        },
    );
    if !explanation.requirements.is_empty() {
        out.push_str("\nrequirements\n");
    }
    for requirement in &explanation.requirements {
        let field = |name: &str| requirement.get(name).and_then(Value::as_str).unwrap_or("");
        let _ = writeln!(
            out,
            "  {:<10} {:<14} {}",
            field("outcome"),
            field("requirement"),
            table::visible(field("detail"))
        );
    }
    if !explanation.reasons.is_empty() {
        out.push_str("\nreasons\n");
        out.push_str(&table::reasons(&explanation.reasons));
    }
    if !explanation.evidence.is_empty() {
        out.push_str("\nevidence\n");
    }
    for line in &explanation.evidence {
        let _ = writeln!(out, "  record {} {}: {}", line.record, line.kind, table::visible(&line.summary));
        for check in &line.checks {
            let field = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or("");
            let why = if field("detail").is_empty() { field("why") } else { field("detail") };
            let _ =
                writeln!(out, "    {:<8} {:<20} {}", field("outcome"), field("name"), table::visible(why));
        }
    }
    out
}

fn evidence(files: &[PathBuf], link_dir: Option<&Path>, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let documents = files.iter().map(|file| with_links(file, link_dir)).collect::<Result<Vec<_>>>()?;
    let answers: Vec<Submitted> = access.ask(Request::Submit { documents, environment: None })?;
    if format == Format::Json {
        print_json(&answers)?;
    } else {
        for answer in &answers {
            print(&submitted(answer))?;
        }
    }
    Ok(if answers.iter().all(|answer| answer.proven) { Exit::Allowed } else { Exit::Denied })
}

pub(crate) fn submitted(answer: &Submitted) -> String {
    let state = match (answer.proven, answer.code) {
        (true, _) => format!("+ proven, signed by {}", answer.signer.as_deref().unwrap_or("nobody")),
        (false, Some(code)) => format!("x {code}: {}", answer.message),
        (false, None) => format!("x {}", answer.message),
    };
    format!("{}: {} (record {})\n", table::visible(&answer.name), table::visible(&state), answer.record)
}

pub(crate) fn read_document(path: &Path) -> Result<Document> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > 128 << 20 {
        bail!("{} has {size} bytes, more than the limit of 128 MiB for one document", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Document::of_text(name, text)),
        // A signature in CBOR is no text, and is evidence all the same.
        Err(error) if Form::of(error.as_bytes()).is_some() => {
            let text = STANDARD.encode(error.as_bytes());
            Ok(Document { binary: true, ..Document::of_text(name, text) })
        }
        Err(_) => {
            let what = format!("{} is not UTF-8 text", path.display());
            Err(Failure::new(Code::UnsupportedFormat, what).into())
        }
    }
}

/// A document, and with a layout its links.
fn with_links(path: &Path, link_dir: Option<&Path>) -> Result<Document> {
    let mut document = read_document(path)?;
    if Form::of(document.text.as_bytes()) == Some(Form::Layout) {
        let folder = link_dir.or(path.parent()).filter(|folder| !folder.as_os_str().is_empty());
        document.beside = crate::forms::links(folder.unwrap_or(Path::new(".")))?;
    }
    Ok(document)
}

fn log(command: &LogCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        LogCommand::VerifyProof(args) => return crate::log_proof::verify(args, format),
        LogCommand::VerifyLookup(args) => return crate::lookup::verify(args, format),
        _ => {}
    }
    let home = nearest(home)?;
    match command {
        LogCommand::Verify => return crate::verify::log(&home, format),
        LogCommand::Proof(args) => return crate::log_proof::proof(args, &home),
        LogCommand::VerifyProof(args) => return crate::log_proof::verify(args, format),
        LogCommand::Lookup(args) => return crate::lookup::lookup(args, &home, format),
        LogCommand::VerifyLookup(args) => return crate::lookup::verify(args, format),
        LogCommand::Checkpoint => {
            let note: String = Access::open(&home)?.ask(Request::Checkpoint)?;
            print(&note)?;
        }
        LogCommand::List { kind, limit } => {
            let rows: Vec<Value> =
                Access::open(&home)?.ask(Request::List { kind: kind.clone(), limit: *limit })?;
            if format == Format::Json {
                print_json(&rows)?;
            } else {
                let head = ["RECORD", "KIND", "ENVIRONMENT", "EVENT", "BLOB"].map(str::to_owned);
                let field = |row: &Value, name: &str| {
                    row.get(name).map_or_else(String::new, |value| {
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    })
                };
                let lines = rows.iter().map(|row| {
                    ["record", "kind", "environment", "event", "blob"].map(|name| field(row, name))
                });
                let grid: Vec<_> = std::iter::once(head).chain(lines).collect();
                print(&table::grid(&grid))?;
            }
        }
        LogCommand::Show { index } => {
            let record: Value = Access::open(&home)?.ask(Request::Show { index: *index })?;
            print_json(&record)?;
        }
    }
    Ok(Exit::Allowed)
}

fn rebuild(to: &Path, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    let rebuilt = linkward_record::rebuild(home.path(), to)
        .with_context(|| format!("cannot rebuild {} into {}", home.path().display(), to.display()))?;
    home.copy_settings(to)?;
    if format == Format::Json {
        print_json(&serde_json::json!({
            "version": crate::wire::VERSION, "records": rebuilt.records, "deleted": rebuilt.deleted, "to": to,
        }))?;
    } else {
        let deleted = match rebuilt.deleted {
            0 => String::new(),
            count => format!("{}: {count} of their documents\n", Code::DeletedByRetention),
        };
        print(&format!(
            "{1} records from logs and blobs indexed again in {0}\n{deleted}next: linkward --home {0} explain ID\n",
            to.display(),
            rebuilt.records
        ))?;
    }
    Ok(Exit::Allowed)
}

fn why(package: &str, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let found: Vec<Value> = access.ask(Request::Why { package: package.to_owned() })?;
    if format == Format::Json {
        print_json(&found)?;
    } else if found.is_empty() {
        print(&format!("no recorded SBOM names {}\n", table::visible(package)))?;
    } else {
        let field = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let head = ["PACKAGE", "PROJECT", "VIA", "RECORD"].map(str::to_owned);
        let rows = found.iter().map(|row| {
            [
                field(row, "package"),
                field(row, "project"),
                field(row, "via"),
                row.get("record").map(Value::to_string).unwrap_or_default(),
            ]
        });
        print(&table::grid(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
    }
    Ok(if found.is_empty() { Exit::Unknown } else { Exit::Allowed })
}

fn code(code: Option<&str>, format: Format) -> Result<Exit> {
    let codes: Vec<Code> = match code {
        Some(text) => vec![text.parse().context("see `linkward code` for all codes")?],
        None => Code::ALL.to_vec(),
    };
    if format == Format::Json {
        let rows: Vec<Value> = codes
            .iter()
            .map(|code| {
                serde_json::json!({ "code": code, "blame": code.blame(), "summary": code.summary(), "fix": code.fix() })
            })
            .collect();
        print_json(&rows)?;
    } else if let ([code], true) = (codes.as_slice(), code.is_some()) {
        print(&format!("{code}\n  {}\n  fix: {}\n", code.summary(), code.fix()))?;
    } else {
        let rows: Vec<_> = codes.iter().map(|code| [code.to_string(), code.summary().to_owned()]).collect();
        print(&table::grid(&rows))?;
    }
    Ok(Exit::Allowed)
}
