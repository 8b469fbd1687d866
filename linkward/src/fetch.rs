//! GET over HTTP/1.1 with the body as a stream: what is fetched may be larger than memory. Redirects are followed without
//! taking credentials along, and what is cut off is an error.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::client::{Url, Wire, connect, system_authorities, trusting};

const PATIENCE: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 5;
const MAX_HEAD: u64 = 64 << 10;

/// Fetches from any server that the system's authorities vouch for.
pub(crate) struct Fetcher {
    tls: Option<Arc<rustls::ClientConfig>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Box<dyn Read>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// Cut off, or larger than `limit`.
    pub(crate) fn bytes(self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {limit} bytes")));
        }
        Ok(bytes)
    }
}

impl Fetcher {
    /// # Errors
    /// The system's authorities cannot be read; that there are none matters only where TLS is asked for.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { tls: system_authorities().map(|pem| trusting(&pem)).transpose()? })
    }

    /// The answer of whoever answers in the end, whatever its status.
    ///
    /// # Errors
    /// Unreachable, no HTTP, or led in circles.
    pub(crate) fn get(&self, url: &Url, headers: &[(&str, String)]) -> Result<Answer> {
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            // Storage that a registry leads to has no business with the registry's credentials.
            let foreign = !at.is_same_server(url);
            let kept =
                headers.iter().filter(|(name, _)| !(foreign && name.eq_ignore_ascii_case("authorization")));
            let answer = self.send("GET", &at, &kept.cloned().collect::<Vec<_>>(), &[])?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let place = answer.header("location").context("a redirect that leads nowhere")?;
            at = at.join(place)?;
        }
        bail!("{} leads in circles", url.host())
    }

    /// One request and its answer; a redirect is an answer like others.
    ///
    /// # Errors
    /// Unreachable, or no HTTP.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &Url,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut request =
            format!("{method} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", url.path(), url.authority());
        request.push_str(&format!("User-Agent: linkward/{}\r\n", env!("CARGO_PKG_VERSION")));
        if method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            if value.contains(['\r', '\n']) {
                bail!("the header {name} has a line break");
            }
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let wire = connect(url, self.tls.as_ref(), PATIENCE)
            .with_context(|| format!("{} cannot be reached", url.host()))?;
        let request = [request.as_bytes(), body].concat();
        exchange(wire, &request).with_context(|| format!("the answer of {}", url.host()))
    }
}

fn exchange(mut wire: Box<dyn Wire>, request: &[u8]) -> Result<Answer> {
    wire.write_all(request)?;
    wire.flush()?;
    let mut from = BufReader::new(wire);
    let mut head = (&mut from).take(MAX_HEAD);
    let mut line = || -> Result<String> {
        let mut line = String::new();
        head.read_line(&mut line)?;
        if !line.ends_with('\n') {
            bail!("has no end of headers");
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    };
    let first = line()?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status: u16 = status.and_then(|status| status.parse().ok()).context("is no HTTP")?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let find = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    let chunked = find("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = find("content-length").map(|length| length.parse::<u64>().context("a length that is none"));
    let body: Box<dyn Read> = match (status, chunked, length.transpose()?) {
        (204 | 304, ..) => Box::new(io::empty()),
        (_, true, _) => Box::new(Chunks { from, left: 0, done: false }),
        (_, false, Some(length)) => Box::new(Counted { from, left: length }),
        // Without a length a cut-off answer could not be told from a whole one.
        (_, false, None) => bail!("has no length"),
    };
    Ok(Answer { status, headers, body })
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the answer was cut off")
}

struct Counted<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        let Some(to) = to.get_mut(..most).filter(|to| !to.is_empty()) else { return Ok(0) };
        let count = self.from.read(to)?;
        if count == 0 {
            return Err(cut_off());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// RFC 9112, section 7.1.
struct Chunks<R> {
    from: R,
    left: u64,
    done: bool,
}

impl<R: BufRead> Chunks<R> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.from).take(MAX_HEAD).read_line(&mut line)?;
        if line.ends_with('\n') { Ok(line.trim().to_owned()) } else { Err(cut_off()) }
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.done || to.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            self.left = u64::from_str_radix(size, 16).map_err(|_| cut_off())?;
            if self.left == 0 {
                while !self.line()?.is_empty() {}
                self.done = true;
                return Ok(0);
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        let count = self.from.read(to.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            return Err(cut_off());
        }
        self.left -= count as u64;
        if self.left == 0 {
            self.line()?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(io::Cursor<Vec<u8>>);
    impl Read for Fake {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.0.read(to)
        }
    }
    impl io::Write for Fake {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            Ok(from.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(text: &str) -> Result<Vec<u8>> {
        let answer = exchange(Box::new(Fake(io::Cursor::new(text.as_bytes().to_vec()))), b"")?;
        Ok(answer.bytes(100)?)
    }

    #[test]
    fn bodies_are_whole_or_errors() {
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap(), b"ok");
        let chunks =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n3\r\nyes\r\n0\r\n\r\n";
        assert_eq!(ask(chunks).unwrap(), b"okyes");
        assert_eq!(ask("HTTP/1.1 304 x\r\n\r\n").unwrap(), b"");
        for bad in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "hello\r\n\r\n",
            "",
        ] {
            assert!(ask(bad).is_err(), "{bad:?}");
        }
        for cut in 60..chunks.len() - 2 {
            assert!(ask(&chunks[..cut]).is_err(), "{cut}");
        }
    }
}
