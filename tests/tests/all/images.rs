//! Images as targets: from a layout, an archive, `docker save` and a registry, with what a hostile one does.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use linkward_testkit::image::{Layout, file, gzip, tar, zstd};
use linkward_tests::Project;
use serde_json::{Value, json};

const STATUS: &[u8] = b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\n";

/// An image of two layers, one for each platform.
fn layout() -> Layout {
    let mut layout = Layout::default();
    let lower =
        tar(&[file("etc/os-release", b"ID=debian\nVERSION_ID=12\n"), file("var/lib/dpkg/status", STATUS)]);
    let upper = tar(&[file("srv/node_modules/a/package.json", br#"{"name":"a","version":"1.0.0"}"#)]);
    let base = json!({ "org.opencontainers.image.base.name": "registry.example/debian:12" });
    layout.image("amd64", &base, &[(gzip, lower.clone()), (zstd, upper)]);
    layout.image("arm64", &base, &[(gzip, lower)]);
    layout
}

fn purls(text: &str) -> Vec<String> {
    let sbom: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    let components = sbom["components"].as_array().unwrap();
    components.iter().map(|component| component["purl"].as_str().unwrap().to_owned()).collect()
}

const ON_AMD64: [&str; 2] = ["pkg:deb/debian/bash@5.2-1?distro=debian-12", "pkg:npm/a@1.0.0"];

fn write(project: &Project, name: &str, bytes: &[u8]) {
    project.write(name, "");
    std::fs::write(project.path().join(name), bytes).unwrap();
}

#[test]
fn a_layout_and_its_archives_say_the_same() {
    let project = Project::new();
    let layout = layout();
    for (path, bytes) in layout.files() {
        write(&project, &format!("image/{path}"), &bytes);
    }
    write(&project, "image.tar", &layout.archive());
    write(&project, "image.tgz", &gzip(&layout.archive()));
    let mut all = Vec::new();
    for target in ["image", "image.tar", "image.tgz"] {
        let (code, text) = project.run(&["sbom", target, "--platform", "linux/amd64"]);
        assert_eq!(code, 0, "{text}");
        assert_eq!(purls(&text), ON_AMD64, "{target}");
        assert!(
            text.contains("linkward:image:base") && text.contains("\"location\": \"var/lib/dpkg/status\""),
            "{text}"
        );
        all.push(text.replace(target, "image"));
        assert_eq!(purls(&project.run(&["sbom", target, "--platform", "linux/arm64"]).1).len(), 1);
    }
    let (code, text) = project.run(&["sbom", "image", "--platform", "linux/s390x"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("platform-missing") && text.contains("linux/arm64"), "{text}");
    // What we write of an image we read, and write the same.
    project.write("a.json", &project.run(&["sbom", "image", "--platform", "linux/amd64"]).1);
    let (code, text) = project.run(&["sbom", "convert", "a.json", "--to", "cyclonedx", "--lossless"]);
    assert_eq!((code, purls(&text).len()), (0, 2), "{text}");
}

#[test]
fn an_archive_of_docker_save_is_compared_with_its_configuration() {
    let project = Project::new();
    let layer = tar(&[file("var/lib/dpkg/status", STATUS)]);
    let id = linkward_model::Digest::sha256(&layer).to_string();
    let config =
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "diff_ids": [id] } }).to_string();
    let name = linkward_model::Digest::sha256(config.as_bytes()).hex() + ".json";
    let list = json!([{ "Config": name, "RepoTags": ["shop:1"], "Layers": ["a/layer.tar"] }]).to_string();
    let archive = |config: &str, layer: &[u8]| {
        tar(&[
            file(&name, config.as_bytes()),
            file("a/layer.tar", layer),
            file("manifest.json", list.as_bytes()),
        ])
    };
    write(&project, "saved.tar", &archive(&config, &layer));
    let (code, text) = project.run(&["sbom", "saved.tar"]);
    assert_eq!((code, purls(&text).len()), (0, 1), "{text}");
    write(&project, "saved.tar", &archive(&config, &tar(&[])));
    let (code, text) = project.run(&["sbom", "saved.tar"]);
    assert!(code == 2 && text.contains("blob-mismatch"), "{code} {text}");
    write(&project, "saved.tar", &archive(&config.replace("amd64", "arm64"), &layer));
    let (code, text) = project.run(&["sbom", "saved.tar"]);
    assert!(code == 2 && text.contains("blob-mismatch"), "{code} {text}");
    let whole = archive(&config, &layer);
    write(&project, "saved.tar", &whole[..whole.len() - 2000]);
    let (code, text) = project.run(&["sbom", "saved.tar"]);
    assert!(code == 2 && text.contains("archive-malformed"), "{code} {text}");
}

#[test]
fn a_hostile_image_is_never_clean() {
    let project = Project::new();
    let mut layout = Layout::default();
    let entries = [
        file("var/lib/dpkg/status", STATUS),
        file("../../../escaped", b"x"),
        ("dev/mem", b'3', 0o600, "", &b""[..]),
    ];
    layout.image("amd64", &json!({}), &[(gzip, tar(&entries))]);
    write(&project, "image.tar", &layout.archive());
    let (code, text) = project.run(&["sbom", "image.tar"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("archive-escape") && text.contains("archive-device"), "{text}");
    assert!(!project.beside().join("escaped").exists());
    let (code, text) = project.run(&["scan", "image.tar", "--database", "none.lwa", "--allow-unknown"]);
    assert!(code == 0 && text.contains("archive-escape"), "{code} {text}");
    assert_eq!(project.run(&["scan", "image.tar", "--database", "none.lwa"]).0, 3);
}

/// A registry on loopback that asks for a token; it stops when nobody asks any more.
fn registry(layout: &Layout, private: bool) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut answers: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    answers.insert("/v2/shop/app/manifests/1".to_owned(), layout.index());
    for (digest, bytes) in &layout.blobs {
        answers.insert(format!("/v2/shop/app/blobs/{digest}"), bytes.clone());
        answers.insert(format!("/v2/shop/app/manifests/{digest}"), bytes.clone());
    }
    let serve = move || {
        let mut asked = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut from = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && from.read_line(&mut head).unwrap() > 0 {}
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            asked.push(head.clone());
            let challenge =
                format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"x\"\r\n");
            let (status, more, body) = match answers.get(&path) {
                _ if path == "/stop" => return asked,
                _ if path.starts_with("/token")
                    && private
                    && !head.contains("Authorization: Basic dXNlcjpwYXNz") =>
                {
                    ("401 no", String::new(), Vec::new())
                }
                _ if path.starts_with("/token") => ("200 OK", String::new(), br#"{"token":"t0"}"#.to_vec()),
                Some(_) if !head.contains("Authorization: Bearer t0") => ("401 who", challenge, Vec::new()),
                Some(body) => ("200 OK", String::new(), body.clone()),
                None => ("404 no", String::new(), Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
        }
        asked
    };
    (port, std::thread::spawn(serve))
}

fn stop(port: u16, served: std::thread::JoinHandle<Vec<String>>) -> Vec<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
    served.join().unwrap()
}

#[test]
fn a_registry_is_asked_with_a_token_and_believed_by_digest_alone() {
    let project = Project::new();
    let layout = layout();
    let (port, served) = registry(&layout, false);
    let target = format!("docker://127.0.0.1:{port}/shop/app:1");
    let (code, text) = project.run(&["sbom", &target, "--platform", "linux/amd64"]);
    assert_eq!((code, purls(&text)), (0, ON_AMD64.map(str::to_owned).to_vec()), "{text}");
    let (code, text) = project.run(&["sbom", &target.replace("app:1", "app:2")]);
    assert_eq!(code, 3, "{text}");
    let asked = stop(port, served);
    assert!(asked.iter().any(|head| head.contains("scope=repository:shop/app:pull")), "{asked:?}");

    let mut changed = layout.clone();
    let manifest = changed.manifests[0]["digest"].as_str().unwrap().to_owned();
    changed.blobs.insert(manifest, b"{}".to_vec());
    let (port, served) = registry(&changed, false);
    let target = format!("docker://127.0.0.1:{port}/shop/app:1");
    let (code, text) = project.run(&["sbom", &target, "--platform", "linux/amd64"]);
    stop(port, served);
    assert!(code == 2 && text.contains("blob-mismatch"), "{code} {text}");
}

#[test]
fn credentials_come_from_the_usual_place() {
    let project = Project::new();
    let (port, served) = registry(&layout(), true);
    let target = format!("docker://127.0.0.1:{port}/shop/app:1");
    let run = |file: &str| {
        let mut command = project.command(&["sbom", &target, "--platform", "linux/amd64"]);
        let output = command.env("REGISTRY_AUTH_FILE", project.path().join(file)).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run("none.json");
    assert!(code == Some(3) && text.contains("registry-refused"), "{code:?} {text}");
    project.write("auth.json", &format!(r#"{{"auths":{{"127.0.0.1:{port}":{{"auth":"dXNlcjpwYXNz"}}}}}}"#));
    let (code, text) = run("auth.json");
    assert_eq!(code, Some(0), "{text}");
    project.write("helper.json", &format!(r#"{{"credHelpers":{{"127.0.0.1:{port}":"x"}}}}"#));
    let (code, text) = run("helper.json");
    assert!(code == Some(2) && text.contains("credentials-unsupported"), "{code:?} {text}");
    stop(port, served);
}

/// Folders list their files in the order in which they were made, on some file systems: nothing of it shows.
#[test]
fn the_order_of_a_folder_and_the_place_of_the_image_leave_no_trace() {
    let package = |name: &str| format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}");
    let names: Vec<String> = (0..60).map(|number| format!("p{}", number * 7919 % 60)).collect();
    let mut all = Vec::new();
    for turned in [false, true] {
        let project = Project::new();
        let mut order = names.clone();
        if turned {
            order.reverse();
        }
        for name in &order {
            project.write(&format!("root/srv/node_modules/{name}/package.json"), &package(name));
            project.write(&format!("root/opt/{name}.exe"), "MZ");
            project.write(&format!("lock/{name}/requirements.txt"), &format!("{name}==1.0\nopen>=1\n"));
        }
        project.write("root/var/lib/dpkg/status", std::str::from_utf8(STATUS).unwrap());
        let of = |target: &str| project.run(&["sbom", target]);
        all.push((of("root"), of("lock")));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0].0.0, 3, "programs that say nothing are told");
}

/// An image that the home has seen is found at the bottom of another, whatever that one's annotations claim.
#[test]
fn the_image_below_is_recognised_by_its_layers() {
    let project = Project::new();
    let layout = layout();
    for (path, bytes) in layout.files() {
        write(&project, &format!("image/{path}"), &bytes);
    }
    let home = project.beside().join("home").display().to_string();
    let on = |platform: &'static str| ["--home", home.as_str(), "sbom", "image", "--platform", platform];
    let (_, text) = project.run(&["--home", &home, "up", "--no-serve"]);
    assert!(std::path::Path::new(&home).is_dir(), "{text}");
    let (_, text) = project.run(&on("linux/amd64"));
    assert!(!text.contains("base-seen"), "nothing is recorded yet: {text}");
    // The other platform is the lower layer alone.
    let (code, text) = project.run(&on("linux/arm64"));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("base-seen"), "an image is not its own base: {text}");
    let (code, text) = project.run(&on("linux/amd64"));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\"linkward:image:base-seen\"") && text.contains("1 of 2"), "{text}");
    let (_, text) = project.run(&["--home", &home, "scan", "image", "--platform", "linux/amd64"]);
    assert!(text.contains("built on image: 1 of 2 layers are those of record"), "{text}");
    assert!(text.contains("built on registry.example/debian:12, as its annotations claim"), "{text}");
    let (code, text) = project.run(&["--home", &home, "affected", "pkg:npm/a@1.0.0"]);
    assert_eq!(code, 1, "what was scanned is recorded: {text}");
    // Without a home nothing is recorded and nothing is known.
    let (_, text) = project.run(&["sbom", "image", "--platform", "linux/amd64"]);
    assert!(!text.contains("base-seen"), "{text}");
    // A home that is not there is an error, not a scan without a record.
    let (code, text) = project.run(&["--home", "nowhere", "sbom", "image", "--platform", "linux/amd64"]);
    assert_eq!(code, 2, "{text}");
}
