//! One GET over HTTP/1.1, for gates that follow a feed: over TLS with the record's own authority, or plain on loopback.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

/// Largest answer: a snapshot of a million verdicts.
const MAX_ANSWER: u64 = 512 << 20;
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
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => bail!("`{text}` is not a URL; write it as https://HOST:PORT/gate"),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        if authority.contains('@')
            || text.contains(['?', '#'])
            || text.chars().any(|c| c.is_control() || c == ' ')
        {
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
        Ok(Self { tls, host: bare, port, path: format!("/{}", path.trim_end_matches('/')) })
    }
}

/// A client that trusts one authority.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: Url,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Client {
    /// # Errors
    /// The authority's certificate cannot be read; TLS needs one.
    pub(crate) fn new(url: Url, authority: Option<&[u8]>) -> Result<Self> {
        let tls = match (url.tls, authority) {
            (false, _) => None,
            (true, None) => bail!("https needs the record's authority: name its ca.crt with --ca"),
            (true, Some(pem)) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.context("the authority's certificate")?)?;
                }
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Some(Arc::new(config))
            }
        };
        Ok(Self { url, tls })
    }

    /// The body of a 200 answer.
    ///
    /// # Errors
    /// Unreachable, cut off, too large, or another status.
    pub(crate) fn get(&self, path: &str, patience: Duration) -> Result<Vec<u8>> {
        let Url { host, port, path: base, .. } = &self.url;
        let address = (host.as_str(), *port).to_socket_addrs()?.next().context("the name has no address")?;
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nAccept: */*\r\n\r\n",
            base.trim_end_matches('/')
        );
        match &self.tls {
            None => exchange(stream, &request),
            Some(config) => {
                let name = ServerName::try_from(host.clone())?;
                let connection = rustls::ClientConnection::new(Arc::clone(config), name)?;
                exchange(rustls::StreamOwned::new(connection, stream), &request)
            }
        }
    }
}

fn exchange(mut stream: impl std::io::Read + std::io::Write, request: &str) -> Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > MAX_ANSWER {
        bail!("the answer is larger than {MAX_ANSWER} bytes");
    }
    let head = answer.windows(4).take(MAX_HEAD).position(|window| window == b"\r\n\r\n");
    let split = head.context("the answer has no end of headers")?;
    let text = String::from_utf8_lossy(answer.get(..split).unwrap_or_default()).into_owned();
    let status = text.split(' ').nth(1).unwrap_or("");
    if status != "200" {
        bail!("the feed answered with status {status}");
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = answer.split_off(split + 4);
    // Without a length a cut-off answer could not be told from a whole one.
    if length != Some(body.len()) {
        bail!("the answer was cut off");
    }
    Ok(body)
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
        let ask = |text: &str| exchange(Fake(std::io::Cursor::new(text.as_bytes().to_vec())), "");
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap(), b"ok");
        for bad in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\n\r\nok",
            "HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "",
        ] {
            assert!(ask(bad).is_err(), "{bad:?}");
        }
    }
}
