//! A small API server of our own: lists in pages, watches with bookmarks, versions that grow too old, patches with conflicts.
//!
//! It holds deployments; of every other kind there is nothing. What is patched becomes ready a moment later, unless it is told not to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

const PREFIX: &str = "/apis/apps/v1/namespaces/";

#[derive(Debug, Default)]
struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    events: Vec<(u64, &'static str, Value)>,
    /// What is older is forgotten.
    oldest: u64,
    /// Raised to end every watch that runs.
    cut: u64,
    down: bool,
    stuck: bool,
    /// Conflicts that are still to be given.
    conflicts: u32,
    lists: u64,
    patches: u64,
}

/// Serves until the process ends.
#[derive(Clone, Debug)]
pub struct ApiServer {
    /// Its URL.
    pub url: String,
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// Path of an object within this server.
fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/deployments/{name}")
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::start()
    }
}

impl ApiServer {
    /// # Panics
    /// No port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0");
        let Ok(listener) = listener else { panic!("{listener:?}") };
        let address = listener.local_addr();
        let Ok(address) = address else { panic!("{address:?}") };
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let server = Self { url: format!("http://{address}"), shared };
        let accepting = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = accepting.clone();
                // Whoever hangs up early is no concern of the server.
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &mut State, kind: &'static str, key: &str, mut object: Value) {
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        state.events.push((state.version, kind, object.clone()));
        if kind == "DELETED" {
            state.objects.remove(key);
        } else {
            state.objects.insert(key.to_owned(), object);
        }
        self.shared.1.notify_all();
    }

    /// Rolls a deployment out with this image.
    pub fn deploy(&self, namespace: &str, name: &str, image: &str) {
        let mut state = self.state();
        let key = key(namespace, name);
        let known = state.objects.get(&key).cloned();
        let uid = known
            .as_ref()
            .map_or_else(|| format!("uid-{}", state.version).into(), |k| k["metadata"]["uid"].clone());
        let generation =
            known.as_ref().and_then(|known| known["metadata"]["generation"].as_i64()).unwrap_or(0) + 1;
        let status = known.as_ref().map_or_else(|| json!({}), |known| known["status"].clone());
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": namespace, "uid": uid, "generation": generation },
            "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } },
            "status": status,
        });
        self.tell(&mut state, if known.is_some() { "MODIFIED" } else { "ADDED" }, &key, object);
    }

    /// Its pods are available.
    pub fn ready(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        let key = key(namespace, name);
        let Some(mut object) = state.objects.get(&key).cloned() else { return };
        let generation = object["metadata"]["generation"].clone();
        object["status"] = json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        self.tell(&mut state, "MODIFIED", &key, object);
    }

    pub fn delete(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        let key = key(namespace, name);
        if let Some(object) = state.objects.get(&key).cloned() {
            self.tell(&mut state, "DELETED", &key, object);
        }
    }

    /// Forgets what happened: whoever goes on from an older version has to list again. Every watch is cut.
    pub fn forget(&self) {
        let mut state = self.state();
        state.version += 10;
        (state.oldest, state.events) = (state.version, Vec::new());
        state.cut += 1;
        self.shared.1.notify_all();
    }

    /// Cuts every watch in the middle.
    pub fn cut(&self) {
        self.state().cut += 1;
        self.shared.1.notify_all();
    }

    /// Answers nothing but errors, or as before.
    pub fn down(&self, down: bool) {
        let mut state = self.state();
        state.down = down;
        state.cut += 1;
        self.shared.1.notify_all();
    }

    /// What is patched from now on never becomes ready.
    pub fn stuck(&self, stuck: bool) {
        self.state().stuck = stuck;
    }

    /// Answers the next patches with conflicts.
    pub fn conflicts(&self, count: u32) {
        self.state().conflicts = count;
    }

    /// How often all deployments were listed, and how many patches were taken.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.lists, state.patches)
    }

    /// The image that a deployment has.
    pub fn image(&self, namespace: &str, name: &str) -> String {
        let state = self.state();
        let image = state.objects.get(&key(namespace, name)).and_then(|object| {
            object
                .pointer("/spec/template/spec/containers/0/image")
                .and_then(Value::as_str)
                .map(str::to_owned)
        });
        image.unwrap_or_default()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if self.state().down {
            return answer(&mut stream, 503, &json!({ "message": "the server is being restarted" }));
        }
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        if value("watch").is_some() {
            let from = value("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
            return self.watch(&mut stream, path.ends_with("/deployments"), from);
        }
        let Some(name) = path.strip_prefix(PREFIX) else {
            return answer(&mut stream, 200, &self.list(path, value("continue").as_deref()));
        };
        match method.as_str() {
            "GET" => {
                let object = self.state().objects.get(name).cloned();
                match object {
                    Some(object) => answer(&mut stream, 200, &object),
                    None => answer(&mut stream, 404, &json!({ "message": "not found" })),
                }
            }
            "PATCH" => {
                let (status, said) = self.patch(name, &body);
                answer(&mut stream, status, &said)
            }
            _ => answer(&mut stream, 405, &json!({ "message": "no" })),
        }
    }

    fn list(&self, path: &str, next: Option<&str>) -> Value {
        const PAGE: usize = 100;
        let mut state = self.state();
        if !path.ends_with("/deployments") {
            return json!({ "metadata": { "resourceVersion": state.version.to_string() }, "items": [] });
        }
        state.lists += u64::from(next.is_none());
        let begin: usize = next.and_then(|next| next.parse().ok()).unwrap_or(0);
        let items: Vec<&Value> = state.objects.values().skip(begin).take(PAGE).collect();
        let more = begin + items.len() < state.objects.len();
        let next = if more { (begin + PAGE).to_string() } else { String::new() };
        json!({ "metadata": { "resourceVersion": state.version.to_string(), "continue": next }, "items": items })
    }

    fn patch(&self, name: &str, body: &[u8]) -> (u16, Value) {
        let mut state = self.state();
        let (Some(mut object), Ok(steps)) =
            (state.objects.get(name).cloned(), serde_json::from_slice::<Vec<Value>>(body))
        else {
            return (400, json!({ "message": "no such object, or no patch" }));
        };
        if state.conflicts > 0 {
            state.conflicts -= 1;
            let object = object.clone();
            // Somebody else was faster, with a change that has nothing to do with images.
            self.tell(&mut state, "MODIFIED", name, object);
            return (409, json!({ "message": "the object has been modified" }));
        }
        let version = object["metadata"]["resourceVersion"].clone();
        for step in steps {
            let place = step["path"].as_str().and_then(|place| object.pointer_mut(place));
            match (step["op"].as_str(), place) {
                (Some("test"), Some(place)) if *place == step["value"] => {}
                (Some("replace"), Some(place)) => *place = step["value"].clone(),
                _ => return (422, json!({ "message": "the patch does not apply" })),
            }
        }
        if object["metadata"]["resourceVersion"] != version {
            return (409, json!({ "message": "the object has been modified" }));
        }
        let generation = object["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = generation.into();
        state.patches += 1;
        let stuck = state.stuck;
        self.tell(&mut state, "MODIFIED", name, object.clone());
        drop(state);
        if !stuck && let Some((namespace, name)) = name.split_once("/deployments/") {
            let (server, namespace, name) = (self.clone(), namespace.to_owned(), name.to_owned());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                server.ready(&namespace, &name);
            });
        }
        (200, object)
    }

    fn watch(&self, stream: &mut TcpStream, deployments: bool, mut from: u64) -> std::io::Result<()> {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        )?;
        let mut send = |kind: &str, object: &Value| {
            let line = format!("{}\n", json!({ "type": kind, "object": object }));
            write!(stream, "{:x}\r\n{line}\r\n", line.len())
        };
        let cut = self.state().cut;
        loop {
            let mut state = self.state();
            if from < state.oldest && deployments {
                let gone = json!({ "kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version" });
                drop(state);
                return send("ERROR", &gone);
            }
            if state.cut != cut {
                // In the middle of a chunk, as a broken line does.
                return Ok(());
            }
            let news: Vec<(u64, &str, Value)> =
                state.events.iter().filter(|(version, ..)| *version > from && deployments).cloned().collect();
            if news.is_empty() {
                let waited = self.shared.1.wait_timeout(state, Duration::from_millis(500));
                let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = waited;
                if timeout.timed_out() {
                    let version = state.version;
                    drop(state);
                    send("BOOKMARK", &json!({ "metadata": { "resourceVersion": version.to_string() } }))?;
                }
                continue;
            }
            drop(state);
            for (version, kind, object) in news {
                send(kind, &object)?;
                from = version;
            }
        }
    }
}

fn answer(stream: &mut TcpStream, status: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
