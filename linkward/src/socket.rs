//! The daemon's socket: length-prefixed JSON over a Unix socket that only the home's owner can open.
//!
//! One request and one answer a connection. The socket's mode is 0600 and its folder's 0700: whoever can
//! connect could write the home's files as well.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use linkward_model::Digest;

use crate::wire::{Failure, Reply, Request};

/// Largest message; an SBOM of a hundred thousand components stays below.
const MAX_MESSAGE: u32 = 256 << 20;
/// Longest path that a Unix socket address holds on every platform.
const MAX_PATH: usize = 100;

/// Where the socket of a home is: inside it, or in the temporary folder where the path would be too long.
pub(crate) fn path(home: &Path) -> PathBuf {
    let inside = home.join("socket");
    if inside.as_os_str().len() <= MAX_PATH {
        return inside;
    }
    let name = Digest::sha256(home.as_os_str().as_encoded_bytes()).hex();
    std::env::temp_dir().join(format!("linkward-{}.socket", name.get(..16).unwrap_or(&name)))
}

/// Asks the daemon of this home; `None` where none is running.
pub(crate) fn ask(home: &Path, request: &Request) -> Result<Option<Reply>> {
    let Ok(mut stream) = UnixStream::connect(path(home)) else { return Ok(None) };
    // A step may be signed while a large project is being taken in: patience, but not for ever.
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    send(&mut stream, &serde_json::to_vec(request)?)?;
    let answer = receive(&mut stream).context("the daemon closed its socket without an answer")?;
    Ok(Some(serde_json::from_slice(&answer).context("the daemon's answer is of another version")?))
}

/// Listens until the process ends; each connection has its own thread, at most 64 at once.
pub(crate) fn listen(
    home: &Path,
    answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path(home);
    // The home's lock is held: a socket that is left here belongs to a process that is gone.
    let _ = std::fs::remove_file(&path);
    let listener =
        UnixListener::bind(&path).with_context(|| format!("cannot make the socket {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let answer = Arc::new(answer);
    let busy = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    std::thread::Builder::new().name("socket".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            let guard = Busy::enter(&busy);
            if guard.count > 64 {
                continue;
            }
            // A thread that cannot be started drops the connection: the caller sees it closed.
            let _ = std::thread::Builder::new().name("request".to_owned()).spawn(move || {
                let _guard = guard;
                let _ = serve(stream, answer.as_ref());
            });
        }
    })?;
    Ok(path)
}

struct Busy {
    count: usize,
    shared: Arc<std::sync::atomic::AtomicUsize>,
}

impl Busy {
    fn enter(shared: &Arc<std::sync::atomic::AtomicUsize>) -> Self {
        let count = shared.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Self { count, shared: Arc::clone(shared) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.shared.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn serve(mut stream: UnixStream, answer: &(impl Fn(Request) -> Reply + ?Sized)) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let message = receive(&mut stream)?;
    let reply = match serde_json::from_slice(&message) {
        Ok(request) => answer(request),
        Err(error) => Err(Failure { code: None, message: format!("request is not understood: {error}") }),
    };
    send(&mut stream, &serde_json::to_vec(&reply)?)
}

fn send(stream: &mut UnixStream, message: &[u8]) -> Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|length| *length <= MAX_MESSAGE);
    let Some(length) = length else {
        bail!("message of {} bytes is too large for the socket", message.len())
    };
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(message)?;
    Ok(())
}

fn receive(stream: &mut UnixStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_MESSAGE {
        bail!("message of {length} bytes is too large for the socket");
    }
    // Grows as bytes arrive: a length alone reserves nothing.
    let mut message = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut message)?;
    if message.len() as u64 != u64::from(length) {
        bail!("message was cut off after {} of {length} bytes", message.len());
    }
    Ok(message)
}
