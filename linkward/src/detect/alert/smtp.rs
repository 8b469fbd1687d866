//! Handing one message to a mail server: RFC 5321, with TLS from the start or by STARTTLS (RFC 3207), and AUTH PLAIN.
//!
//! Without TLS only to this machine: a password or a finding is not for the wire.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use super::settings::Channel;

const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer; servers greet with a few lines.
const MAX_LINE: u64 = 4096;
const MAX_LINES: usize = 100;

#[derive(Debug)]
pub(super) struct Mail {
    host: String,
    port: u16,
    /// TLS before the first word.
    implicit: bool,
    tls: Option<Arc<rustls::ClientConfig>>,
    login: Option<(String, String)>,
}

impl Mail {
    /// # Errors
    /// No address, or a password that would go over the wire in the clear.
    pub(super) fn new(channel: &Channel, secret: Option<String>) -> Result<Self> {
        let url = channel.needed("url", channel.url.clone())?;
        let (implicit, authority) = match url.split_once("://") {
            Some(("smtps", rest)) => (true, rest),
            Some(("smtp", rest)) => (false, rest),
            _ => bail!("channel {}: `{url}` must be smtp://HOST:PORT or smtps://HOST:PORT", channel.name),
        };
        let authority = authority.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (
                host,
                port.parse().with_context(|| format!("channel {}: `{port}` is no port", channel.name))?,
            ),
            None => (authority, if implicit { 465 } else { 587 }),
        };
        let loopback = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let tls = if implicit || !loopback { Some(trusting(channel)?) } else { None };
        let login = channel.user.clone().zip(secret);
        if channel.user.is_some() && login.is_none() {
            bail!("channel {}: a user needs a password; name its file in `secret`", channel.name);
        }
        for address in channel.from.iter().chain(&channel.to) {
            // An address with a line break would be a command.
            if address.chars().any(|c| c.is_control() || matches!(c, '<' | '>' | ' '))
                || !address.contains('@')
            {
                bail!("channel {}: `{address}` is no mail address", channel.name);
            }
        }
        Ok(Self { host: host.to_owned(), port, implicit, tls, login })
    }

    /// # Errors
    /// Unreachable, or the server does not take it.
    pub(super) fn send(&self, from: &str, to: &[String], message: &str) -> Result<()> {
        let address =
            (self.host.as_str(), self.port).to_socket_addrs()?.next().context("the name has no address")?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        match (&self.tls, self.implicit) {
            (None, _) => self.talk(Talk::new(stream), true, from, to, message),
            (Some(tls), true) => self.talk(Talk::new(self.wrap(tls, stream)?), true, from, to, message),
            (Some(tls), false) => {
                let mut talk = Talk::new(stream);
                talk.expect(220)?;
                talk.ask("EHLO linkward", 250)?;
                talk.ask("STARTTLS", 220)?;
                // What was sent before the handshake is not believed after it.
                if !talk.reader.buffer().is_empty() {
                    bail!("the server spoke before TLS began");
                }
                let stream = talk.reader.into_inner();
                self.talk(Talk::new(self.wrap(tls, stream)?), false, from, to, message)
            }
        }
    }

    fn wrap(&self, tls: &Arc<rustls::ClientConfig>, stream: TcpStream) -> Result<impl Read + Write + use<>> {
        let name = ServerName::try_from(self.host.clone())?;
        let connection = rustls::ClientConnection::new(Arc::clone(tls), name)?;
        Ok(rustls::StreamOwned::new(connection, stream))
    }

    fn talk<S: Read + Write>(
        &self,
        mut talk: Talk<S>,
        greeted: bool,
        from: &str,
        to: &[String],
        message: &str,
    ) -> Result<()> {
        if greeted {
            talk.expect(220)?;
        }
        talk.ask("EHLO linkward", 250)?;
        if let Some((user, password)) = &self.login {
            let words = STANDARD.encode(format!("\0{user}\0{password}"));
            talk.ask(&format!("AUTH PLAIN {words}"), 235).context("the login")?;
        }
        talk.ask(&format!("MAIL FROM:<{from}>"), 250)?;
        for address in to {
            talk.ask(&format!("RCPT TO:<{address}>"), 250)?;
        }
        talk.ask("DATA", 354)?;
        let mut text = String::with_capacity(message.len() + 8);
        for line in message.split_terminator("\r\n") {
            if line.starts_with('.') {
                text.push('.');
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push('.');
        talk.ask(&text, 250)?;
        // It has the message; how the conversation ends no longer matters.
        let _ = talk.ask("QUIT", 221);
        Ok(())
    }
}

fn trusting(channel: &Channel) -> Result<Arc<rustls::ClientConfig>> {
    let pem = channel.authorities()?.with_context(|| {
        format!("channel {}: this system lists no authorities; name some in `ca`", channel.name)
    })?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        // A system's list may hold one that is not read; the others still count.
        let _ = certificate.map(|certificate| roots.add(certificate));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

struct Talk<S: Read + Write> {
    reader: BufReader<S>,
}

impl<S: Read + Write> Talk<S> {
    fn new(stream: S) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    fn ask(&mut self, line: &str, expected: u16) -> Result<()> {
        let stream = self.reader.get_mut();
        stream.write_all(line.as_bytes())?;
        stream.write_all(b"\r\n")?;
        stream.flush()?;
        self.expect(expected)
    }

    fn expect(&mut self, expected: u16) -> Result<()> {
        for _ in 0..MAX_LINES {
            let mut line = String::new();
            (&mut self.reader).take(MAX_LINE).read_line(&mut line)?;
            if line.is_empty() {
                bail!("the mail server hung up");
            }
            // `250-` goes on, `250 ` ends.
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            let status = line.get(..3).and_then(|text| text.parse::<u16>().ok());
            if status == Some(expected) {
                return Ok(());
            }
            bail!("the mail server answered `{}`", crate::table::visible(line.trim_end()));
        }
        bail!("the mail server does not stop talking")
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn channel(url: &str, more: &str) -> Channel {
        toml::from_str(&format!(
            "name = \"m\"\nkind = \"email\"\nurl = {url:?}\nfrom = \"lw@acme.example\"\nto = [\"ops@acme.example\"]\n{more}"
        ))
        .unwrap()
    }

    /// A server that takes one message: answers each line as it is told to.
    fn server(answers: Vec<(&'static str, &'static str)>) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let work = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let mut heard = String::new();
            writer.write_all(b"220-hello\r\n220 there\r\n").unwrap();
            let mut data = false;
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                heard.push_str(&line);
                heard.push('\n');
                if data && line != "." {
                    continue;
                }
                data = line == "DATA";
                let answer =
                    answers.iter().find(|(start, _)| line.starts_with(start)).map_or("250 ok", |(_, a)| a);
                writer.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
            }
            heard
        });
        (port, work)
    }

    #[test]
    fn a_message_is_handed_over_with_its_dots_doubled() {
        let (port, work) = server(vec![("DATA", "354 go"), ("QUIT", "221 bye")]);
        let mail = Mail::new(&channel(&format!("smtp://127.0.0.1:{port}"), ""), None).unwrap();
        mail.send("lw@acme.example", &["ops@acme.example".to_owned()], "Subject: x\r\n\r\n.hidden\r\n")
            .unwrap();
        let heard = work.join().unwrap();
        assert!(
            heard.contains("RCPT TO:<ops@acme.example>\n") && heard.contains("\n..hidden\n.\n"),
            "{heard}"
        );
    }

    #[test]
    fn what_the_server_does_not_take_is_a_failure() {
        for (start, answer) in
            [("RCPT", "550 no such user"), (".", "451 later"), ("MAIL", "250-\r\n530 login first")]
        {
            let (port, work) = server(vec![(start, answer), ("DATA", "354 go")]);
            let mail = Mail::new(&channel(&format!("smtp://127.0.0.1:{port}"), ""), None).unwrap();
            assert!(mail.send("a@b", &["c@d".to_owned()], "x\r\n").is_err(), "{start}");
            drop(work);
        }
    }

    #[test]
    fn commands_cannot_be_smuggled_and_passwords_are_not_sent_in_the_clear() {
        let bad = channel("smtp://127.0.0.1:25", "").clone();
        let bad = Channel { to: vec!["a@b>\r\nRCPT TO:<c@d".to_owned()], ..bad };
        assert!(Mail::new(&bad, None).is_err());
        let away =
            Mail::new(&channel("smtp://mail.acme.example", "user = \"u\""), Some("p".to_owned())).unwrap();
        assert!(away.tls.is_some() && away.port == 587);
        assert!(Mail::new(&channel("smtp://127.0.0.1:25", "user = \"u\""), None).is_err());
        assert!(Mail::new(&channel("http://127.0.0.1:25", ""), None).is_err());
    }
}
