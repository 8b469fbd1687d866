//! Requests over HTTP/1.1, one a connection: over TLS with a named authority, or plain on loopback. For feeds, API servers,
//! CI systems and for telling people; what is cut off is never taken for whole.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// Largest answer: a snapshot of a million verdicts.
const MAX_ANSWER: u64 = 512 << 20;
/// Largest answer to a request that tells something.
const MAX_REPLY: u64 = 1 << 20;
const MAX_HEAD: usize = 64 << 10;

/// Where a feed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// # Errors
    /// Not http or https, credentials within, or plain HTTP to another machine.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.contains(['?', '#']) {
            bail!("`{text}` must be scheme, host, port and path alone");
        }
        let mut url = Self::with_query(text)?;
        url.path.truncate(url.path.trim_end_matches('/').len().max(1));
        Ok(url)
    }

    /// As servers name what is elsewhere: path and query are kept as they are.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn with_query(text: &str) -> Result<Self> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => bail!("`{text}` is not a URL; write it as https://HOST:PORT/gate"),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        if authority.contains(['@', '?']) || text.chars().any(|c| c.is_control() || c == ' ') {
            bail!("`{text}` must be scheme, host, port and path alone");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().with_context(|| format!("`{port}` is not a port"))?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if bare.is_empty() {
            bail!("`{text}` names no host");
        }
        let loopback =
            bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !tls && !loopback {
            bail!("`{text}` is plain HTTP to another machine; use https");
        }
        Ok(Self { tls, host: bare, port, path: format!("/{path}") })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of the header `Host`.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether both are one server, reached the same way.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// What another place names from here: a whole URL, or a path.
    pub(crate) fn join(&self, place: &str) -> Result<Self> {
        if place.starts_with('/') && !place.starts_with("//") {
            return Ok(Self { path: place.to_owned(), ..self.clone() });
        }
        let next = Self::with_query(place)?;
        if self.tls && !next.tls {
            bail!("`{place}` leads from https to plain HTTP");
        }
        Ok(next)
    }
}

/// Where systems keep the authorities that they trust.
const AUTHORITIES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The certificates of the authorities that this system trusts, or those that `SSL_CERT_FILE` names.
pub(crate) fn system_authorities() -> Option<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    named.into_iter().chain(AUTHORITIES.iter().map(Into::into)).find_map(|path| std::fs::read(path).ok())
}

/// # Errors
/// A certificate cannot be read.
pub(crate) fn trusting(pem: &[u8]) -> Result<Arc<rustls::ClientConfig>> {
    trusting_as(pem, None)
}

/// As [`trusting`], showing a certificate of one's own: chain and key, PEM.
fn trusting_as(pem: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.context("the authority's certificate")?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(Arc::new(match own {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain)
                .collect::<Result<Vec<_>, _>>()
                .context("the client's certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key).context("the client's key")?;
            config.with_client_auth_cert(chain, key)?
        }
    }))
}

/// A connection, either way.
pub(crate) trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// # Errors
/// The server cannot be reached; TLS without an authority to trust.
pub(crate) fn connect(
    url: &Url,
    tls: Option<&Arc<rustls::ClientConfig>>,
    patience: Duration,
) -> Result<Box<dyn Wire>> {
    let address =
        (url.host.as_str(), url.port).to_socket_addrs()?.next().context("the name has no address")?;
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    if !url.tls {
        return Ok(Box::new(stream));
    }
    let config = tls.context("no authority to trust: name certificates with SSL_CERT_FILE")?;
    let name = ServerName::try_from(url.host.clone())?;
    let connection = rustls::ClientConnection::new(Arc::clone(config), name)?;
    Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
}

/// A client that trusts one authority.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: Url,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    /// Below the client's URL.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl<'a> Ask<'a> {
    pub(crate) const fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: &[("Accept", "*/*")], body: &[] }
    }
}

/// Status and headers of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The body of an answer, as it comes. An end before the promised one is an error.
pub(crate) struct Body {
    stream: BufReader<Box<dyn Wire>>,
    rest: Rest,
}

#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Length(u64),
    /// Within a chunk, with its rest; zero at its end.
    Chunk(u64),
    /// Before the first chunk.
    Chunks,
    /// Up to the end of the connection: whether it is whole nobody can say.
    Unsaid,
    End,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("rest", &self.rest).finish_non_exhaustive()
    }
}

impl Client {
    /// # Errors
    /// The authority's certificate cannot be read; TLS needs one.
    pub(crate) fn new(url: Url, authority: Option<&[u8]>) -> Result<Self> {
        Self::with_certificate(url, authority, None)
    }

    /// A client that shows a certificate of its own: chain and key, PEM.
    ///
    /// # Errors
    /// A certificate or the key cannot be read; TLS needs an authority.
    pub(crate) fn with_certificate(
        url: Url,
        authority: Option<&[u8]>,
        own: Option<(&[u8], &[u8])>,
    ) -> Result<Self> {
        let tls = match (url.tls, authority) {
            (false, _) => None,
            (true, None) => bail!("https needs the server's authority: name its ca.crt"),
            (true, Some(pem)) => Some(trusting_as(pem, own)?),
        };
        Ok(Self { url, tls })
    }

    /// The body of a 200 answer.
    ///
    /// # Errors
    /// Unreachable, cut off, too large, or another status.
    pub(crate) fn get(&self, path: &str, patience: Duration) -> Result<Vec<u8>> {
        let (head, body) = self.open(&Ask::get(path), patience)?;
        if head.status != 200 {
            bail!("the server answered with status {}", head.status);
        }
        body.whole(MAX_ANSWER)
    }

    /// The body of a 200 answer, or nothing where the answer is that there is no such file.
    ///
    /// # Errors
    /// Unreachable, cut off, longer than `most`, or another status.
    pub(crate) fn find(&self, path: &str, patience: Duration, most: u64) -> Result<Option<Vec<u8>>> {
        let (head, body) = self.open(&Ask::get(path), patience)?;
        match head.status {
            200 => body.whole(most).map(Some),
            404 => Ok(None),
            status => bail!("answered with status {status}"),
        }
    }

    /// Any request: status and body of the answer, whatever the status.
    ///
    /// # Errors
    /// Unreachable, cut off, or too large.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
        patience: Duration,
    ) -> Result<(u16, Vec<u8>)> {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (head, body) = self.open(&Ask { method, path, headers: &headers, body }, patience)?;
        Ok((head.status, body.told(MAX_REPLY)?))
    }

    /// Asks, and gives the answer's body as it comes; each read may take this long.
    ///
    /// # Errors
    /// Unreachable, or no answer.
    pub(crate) fn open(&self, ask: &Ask<'_>, patience: Duration) -> Result<(Head, Body)> {
        let Url { host, port, path: base, .. } = &self.url;
        let path = format!("{}{}", base.trim_end_matches('/'), ask.path);
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let mut request = format!(
            "{} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nUser-Agent: linkward\r\n",
            ask.method
        );
        for (name, value) in ask.headers {
            // A value of two lines would be a header of somebody else's choice.
            anyhow::ensure!(!value.chars().any(char::is_control), "the header {name} is not of one line");
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !ask.body.is_empty() || ask.method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
        }
        request.push_str("\r\n");
        let message = [request.as_bytes(), ask.body].concat();
        exchange(connect(&self.url, self.tls.as_ref(), patience)?, &message)
    }
}

fn exchange(mut stream: Box<dyn Wire>, request: &[u8]) -> Result<(Head, Body)> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut stream = BufReader::new(stream);
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let room = (MAX_HEAD - text.len()) as u64;
        if stream.by_ref().take(room).read_until(b'\n', &mut text)? == 0 {
            bail!("the answer has no end of headers");
        }
    }
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let head = Head { status: status.context("the answer is not HTTP")?, headers };
    let chunked = head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = head.header("content-length").and_then(|value| value.parse().ok());
    let rest = match (chunked, length, head.status) {
        (true, _, _) => Rest::Chunks,
        (false, Some(length), _) => Rest::Length(length),
        (false, None, 204 | 304) => Rest::End,
        (false, None, _) => Rest::Unsaid,
    };
    Ok((head, Body { stream, rest }))
}

impl Body {
    /// All of it, up to a limit. Without a length a cut-off answer could not be told from a whole one.
    pub(crate) fn whole(self, limit: u64) -> Result<Vec<u8>> {
        if self.rest == Rest::Unsaid {
            bail!("the answer does not say how long it is");
        }
        self.told(limit)
    }

    /// What was said in return, where nothing is decided by it.
    fn told(self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            bail!("the answer is larger than {limit} bytes");
        }
        Ok(bytes)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.stream.by_ref().take(1024).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(cut()),
        }
    }

    fn next_chunk(&mut self) -> std::io::Result<()> {
        if self.rest == Rest::Chunk(0) && !self.line()?.is_empty() {
            return Err(cut());
        }
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or("").trim();
        self.rest = match u64::from_str_radix(size, 16).map_err(|_| cut())? {
            0 => {
                while !self.line()?.is_empty() {}
                Rest::End
            }
            size => Rest::Chunk(size),
        };
        Ok(())
    }
}

fn cut() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer was cut off")
}

impl Read for Body {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if matches!(self.rest, Rest::Chunks | Rest::Chunk(0)) {
            self.next_chunk()?;
        }
        if self.rest == Rest::Unsaid {
            // TLS without a farewell ends so.
            let read = self.stream.read(to);
            return read.or_else(|error| if error.kind() == cut().kind() { Ok(0) } else { Err(error) });
        }
        let (Rest::Length(left) | Rest::Chunk(left)) = self.rest else { return Ok(0) };
        if left == 0 || to.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(to.len());
        let count = self.stream.read(to.get_mut(..room).unwrap_or_default())?;
        if count == 0 {
            return Err(cut());
        }
        let left = left.saturating_sub(count as u64);
        self.rest = if matches!(self.rest, Rest::Length(_)) { Rest::Length(left) } else { Rest::Chunk(left) };
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_found_by_tls_or_on_loopback() {
        let url = Url::parse("https://record.example:7443/gate/").unwrap();
        assert_eq!((url.tls, url.port, url.path.as_str()), (true, 7443, "/gate"));
        assert_eq!(Url::parse("http://127.0.0.1:7070/gate").unwrap().port, 7070);
        assert_eq!(Url::parse("http://[::1]:7070").unwrap().host, "::1");
        for bad in [
            "record.example",
            "ftp://record.example",
            "http://record.example/gate",
            "https://user:secret@record.example/",
            "https://record.example/?a=b",
            "https:///gate",
            "https://a:b/",
            "https://a b/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cut_off_answer_is_no_answer() {
        struct Fake(std::io::Cursor<Vec<u8>>);
        impl std::io::Read for Fake {
            fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(to)
            }
        }
        impl std::io::Write for Fake {
            fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
                Ok(from.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let ask = |text: &str| {
            let stream = Fake(std::io::Cursor::new(text.as_bytes().to_vec()));
            exchange(Box::new(stream), b"").and_then(|(_, body)| body.whole(64))
        };
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap(), b"ok");
        assert_eq!(ask("HTTP/1.1 204 none\r\n\r\n").unwrap(), b"");
        let stream = Fake(std::io::Cursor::new(b"HTTP/1.1 202 x\r\n\r\nthanks".to_vec()));
        assert_eq!(exchange(Box::new(stream), b"").unwrap().1.told(64).unwrap(), b"thanks");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(
            ask(&format!("{chunked}2\r\nok\r\na;x=y\r\n0123456789\r\n0\r\n\r\n")).unwrap(),
            b"ok0123456789"
        );
        for bad in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok".to_owned(),
            "HTTP/1.1 200 OK\r\n\r\nok".to_owned(),
            "HTTP/1.1 200 OK\r\n".to_owned(),
            "SMTP ready\r\n\r\n".to_owned(),
            String::new(),
            format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD)),
            chunked.to_owned(),
            format!("{chunked}2\r\nok"),
            format!("{chunked}2\r\nok\r\n"),
            format!("{chunked}2\r\nok\r\n0\r\n"),
            format!("{chunked}2\r\nokk\r\n0\r\n\r\n"),
            format!("{chunked}x\r\nok\r\n0\r\n\r\n"),
            format!("{chunked}41\r\n{}\r\n0\r\n\r\n", "x".repeat(65)),
        ] {
            assert!(ask(&bad).is_err(), "{bad:?}");
        }
    }
}
