//! The webhook over TLS as an API server loads it, on loopback, and a revocation across fifty gates.
//!
//! Open loop: every request has the time at which it is due, and its latency counts from then, so that a server which stalls
//! cannot hide it. The load generator shares the machine; its own share of the CPU is part of the figures.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench for people")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

const CONNECTIONS: usize = 50;
const SECONDS: u64 = 8;
const GATES: usize = 50;

struct Home {
    folder: tempfile::TempDir,
    binary: std::path::PathBuf,
}

impl Home {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let project = self.folder.path().join("project");
        command.args(args).current_dir(project).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts something that prints its addresses; the process, and the text behind each of these words.
fn start(mut command: Command, words: &[&str]) -> (Process, Vec<String>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut found = vec![String::new(); words.len()];
    while found.iter().any(String::is_empty) {
        let line = lines.next().unwrap().unwrap();
        for (place, word) in words.iter().enumerate() {
            if let Some((_, rest)) = line.split_once(word) {
                found[place] = rest.split(['/', ' ']).next().unwrap().to_owned();
            }
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    (Process(child), found)
}

type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connect(address: &str, config: &Arc<rustls::ClientConfig>) -> Tls {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

fn ask(stream: &mut Tls, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed");
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap();
            if body.len() >= length {
                return body.to_owned();
            }
        }
    }
}

fn request(image: &str) -> Vec<u8> {
    let containers = vec![json!({ "name": "c", "image": image }); 3];
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "shop",
            "kind": { "group": "", "version": "v1", "kind": "Pod" }, "name": "app",
            "object": { "metadata": { "managedFields": vec![json!({ "f:a": { "f:b": {} } }); 100] }, "spec": { "containers": containers } },
        },
    })
    .to_string();
    format!(
        "POST /admit?timeout=5s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn load(address: &str, config: &Arc<rustls::ClientConfig>, request: &Arc<Vec<u8>>, rate: u64) {
    let begin = Instant::now() + Duration::from_millis(300);
    let total = rate * SECONDS;
    let threads: Vec<_> = (0..CONNECTIONS as u64)
        .map(|number| {
            let (address, config, request) = (address.to_owned(), Arc::clone(config), Arc::clone(request));
            std::thread::spawn(move || {
                let mut stream = connect(&address, &config);
                let mut times = Vec::new();
                for turn in (number..total).step_by(CONNECTIONS) {
                    let due = begin + Duration::from_nanos(1_000_000_000 / rate * turn);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let answer = ask(&mut stream, &request);
                    times.push(due.elapsed());
                    assert!(answer.contains("\"allowed\":true"), "{answer}");
                }
                times
            })
        })
        .collect();
    let mut times: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "webhook over TLS, open loop, {rate} reviews/s, {CONNECTIONS} connections, {SECONDS} s: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, worst {:.2} ms",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf();
    let binary = root.join("target/release/linkward");
    if !binary.is_file() {
        println!("admission: skipped, build the binary first: cargo build --release");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    std::fs::write(project.join("requirements.txt"), format!("Django==1.2 --hash=sha256:{hash}\n")).unwrap();
    let home = Home { folder, binary };
    home.run(&["run", "--", "sh", "-c", "mkdir -p dist && echo wheel > dist/app-1.0.whl"]);
    let checked: Value =
        serde_json::from_str(&home.run(&["--format", "json", "check", "dist/app-1.0.whl"])).unwrap();
    let digest = checked[0]["digest"].as_str().unwrap().to_owned();
    home.run(&["admit", "enforce"]);
    let mut command = home.command(&["up"]);
    command.env("LINKWARD_CONSOLE_LISTEN", "127.0.0.1:0").env("LINKWARD_ADMISSION_LISTEN", "127.0.0.1:0");
    let (_daemon, addresses) = start(command, &["console    http://", "admission  https://"]);
    std::thread::sleep(Duration::from_millis(300));
    let config = trusting(&home);
    let request = Arc::new(request(&format!("registry.example/shop/app@{digest}")));
    for rate in [500, 2000] {
        load(&addresses[1], &config, &request, rate);
    }
    fifty_gates(&home, &addresses[0], &config, &request, &digest);
}

/// Trusts the authority of the printed webhook configuration, and nothing else.
fn trusting(home: &Home) -> Arc<rustls::ClientConfig> {
    let manifest = home.run(&["admit", "manifest"]);
    let bundle = manifest.lines().find_map(|line| line.trim().strip_prefix("caBundle: ")).unwrap();
    let authority = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn fifty_gates(
    home: &Home,
    console: &str,
    config: &Arc<rustls::ClientConfig>,
    request: &Arc<Vec<u8>>,
    digest: &str,
) {
    let tls = home.folder.path().join("tls");
    home.run(&[
        "admit",
        "certificate",
        "--name",
        "127.0.0.1",
        "--days",
        "1",
        "--out",
        &tls.to_string_lossy(),
    ]);
    let gates: Vec<(Process, String)> = (0..GATES)
        .map(|number| {
            let folder = home.folder.path().join(format!("gate-{number}"));
            std::fs::create_dir(&folder).unwrap();
            let trust = home.folder.path().join("project/.linkward/trust.json");
            std::fs::copy(trust, folder.join("trust.json")).unwrap();
            let mut command = home.command(&["admit", "serve", "--listen", "127.0.0.1:0"]);
            command.args(["--feed", &format!("http://{console}/gate")]).arg("--gate").arg(&folder);
            command.arg("--cert").arg(tls.join("tls.crt")).arg("--key").arg(tls.join("tls.key"));
            let (process, mut addresses) = start(command, &["https://"]);
            (process, addresses.remove(0))
        })
        .collect();
    let mut streams: Vec<Tls> = gates.iter().map(|(_, address)| connect(address, config)).collect();
    for stream in &mut streams {
        while !ask(stream, request).contains("\"allowed\":true") {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let begin = Instant::now();
    let watchers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let request = Arc::clone(request);
            std::thread::spawn(move || {
                while !ask(&mut stream, &request).contains("digest-revoked") {
                    assert!(begin.elapsed() < Duration::from_secs(30), "a gate never refused");
                    std::thread::sleep(Duration::from_millis(10));
                }
                begin.elapsed()
            })
        })
        .collect();
    home.run(&["revoke", "digest", digest, "--reason", "bench", "--author", "bench"]);
    let answered = begin.elapsed();
    let mut times: Vec<Duration> = watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect();
    times.sort_unstable();
    println!(
        "revocation across {GATES} gate processes, from the start of the command: answered after {} ms, refused at the median gate after {} ms, at the last after {} ms",
        answered.as_millis(),
        times[GATES / 2].as_millis(),
        times[GATES - 1].as_millis()
    );
}
