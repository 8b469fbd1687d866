//! A running daemon, and plain requests to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Project;

/// Stopped when it is dropped, as `kill -9` would.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Address of the console.
    pub console: String,
    /// Address of the webhook.
    pub admission: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Starts `up` for a project on free ports, so that tests can run beside each other.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start(project: &Project) -> Self {
        Self::start_at(project, "127.0.0.1:0")
    }

    /// As [`start`](Self::start), with the console at this address.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start_at(project: &Project, console: &str) -> Self {
        let mut command = project.command(&["up"]);
        command.env("LINKWARD_CONSOLE_LISTEN", console).env("LINKWARD_ADMISSION_LISTEN", "127.0.0.1:0");
        let child = command.stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { panic!("{child:?}") };
        let Some(output) = child.stdout.take() else { panic!("no output") };
        let mut lines = BufReader::new(output).lines();
        let (mut console, mut admission) = (String::new(), String::new());
        for line in lines.by_ref().map_while(Result::ok) {
            let address = line.split_once("console    ").and_then(|(_, rest)| rest.split_once("://"));
            if let Some((_, rest)) = address {
                console = rest.trim_end_matches('/').to_owned();
            }
            if let Some((_, rest)) = line.split_once("admission  https://") {
                admission = rest.split('/').next().unwrap_or("").to_owned();
                break;
            }
        }
        assert!(!admission.is_empty(), "the daemon did not come up");
        std::thread::spawn(move || lines.for_each(drop));
        // The listeners are bound; serving starts at once.
        std::thread::sleep(Duration::from_millis(200));
        Self { child, console, admission }
    }

    /// POST to the console: status and everything that was sent.
    ///
    /// # Panics
    /// There is no answer.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let answer = send(&self.console, path, headers, body);
        let Ok(answer) = answer else { panic!("{path}: {answer:?}") };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), answer)
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, and what it ended with.
    ///
    /// # Panics
    /// It cannot be signalled, or does not end within ten seconds.
    pub fn interrupt(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the daemon could not be signalled");
        for _ in 0..1000 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the daemon did not end")
    }

    /// GET from the console: status and everything that was sent.
    ///
    /// # Panics
    /// There is no answer.
    pub fn fetch(&self, path: &str, host: &str) -> (u16, String) {
        let answer = exchange(&self.console, path, host);
        let Ok(answer) = answer else { panic!("{path}: {answer:?}") };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), answer)
    }
}

/// GET: the body of the answer.
///
/// # Errors
/// There is no answer.
pub fn get(address: &str, path: &str) -> std::io::Result<String> {
    let answer = exchange(address, path, address)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return Ok(body.to_owned());
    }
    let mut out = String::new();
    let mut rest = body;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        out.push_str(after.get(..size).unwrap_or_default());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    Ok(out)
}

fn send(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n"
    )?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n{body}")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn exchange(address: &str, path: &str, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
