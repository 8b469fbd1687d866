//! Somebody who is told things over HTTP: remembers every request, answers as it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Heard {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// Status that it was answered with.
    pub status: u16,
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

type Answer = dyn Fn(&Heard) -> (u16, String) + Send + Sync;

/// Listens on loopback until the process ends.
#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    answer: Arc<Mutex<Box<Answer>>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({})", self.port)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::start()
    }
}

impl Receiver {
    /// # Panics
    /// No port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let Ok(listener) = listener else { panic!("{listener:?}") };
        let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
        let answer: Box<Answer> = Box::new(|_| (200, "{}".to_owned()));
        let receiver = Self { port, heard: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let shared = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn answers(&self, answer: impl Fn(&Heard) -> (u16, String) + Send + Sync + 'static) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answer);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was told something that fits.
    ///
    /// # Panics
    /// It was not, within half a minute.
    pub fn wait(&self, what: &str, fits: impl Fn(&Heard) -> bool) -> Heard {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if let Some(found) = self.heard().into_iter().find(&fits) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("never heard {what}: {:?}", self.heard());
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let mut writer = stream.try_clone().ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.and_then(|(_, text)| text.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let mut heard = Heard { method, path, headers, body, status: 0 };
        let (status, text) = (self.answer.lock().unwrap_or_else(PoisonError::into_inner))(&heard);
        heard.status = status;
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
        let length = text.len();
        write!(writer, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
            .ok()
    }
}

/// A port that nobody listens on.
///
/// # Panics
/// No port is free.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0");
    let Ok(listener) = listener else { panic!("{listener:?}") };
    listener.local_addr().map(|address| address.port()).unwrap_or_default()
}
