//! Replicas of the gate are replaced one after the other while the API server keeps asking: no request fails.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{until, world};

/// What a Service does for its ready endpoints: each new connection goes to one of them.
struct Balancer {
    address: String,
    ready: Arc<Mutex<Vec<String>>>,
}

impl Balancer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ready: Arc<Mutex<Vec<String>>> = Arc::default();
        let targets = Arc::clone(&ready);
        std::thread::spawn(move || {
            let mut turn = 0;
            for client in listener.incoming().map_while(Result::ok) {
                turn += 1;
                let targets = targets.lock().unwrap().clone();
                if targets.is_empty() {
                    continue;
                }
                let target = targets[turn % targets.len()].clone();
                std::thread::spawn(move || {
                    let Ok(server) = TcpStream::connect(&target) else { return };
                    let (there, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    std::thread::spawn(move || pump(there, server));
                    pump(back, client);
                });
            }
        });
        Self { address, ready }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

struct Replica(Child, String);

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn kubernetes_sees_no_failure_while_replicas_are_replaced() {
    let Some(world) = world("") else { return };
    assert_eq!(world.project.run(&["admit", "enforce"]).0, 0);
    let tls = world.project.beside().join("gate-tls").to_string_lossy().into_owned();
    let (exit, text) =
        world.project.run(&["admit", "certificate", "--name", "127.0.0.1", "--days", "1", "--out", &tls]);
    assert_eq!(exit, 0, "{text}");
    let started = AtomicUsize::new(0);
    let replica = || {
        let number = started.fetch_add(1, Ordering::SeqCst);
        let folder = world.project.beside().join(format!("replica-{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(world.project.path().join(".linkward/trust.json"), folder.join("trust.json")).unwrap();
        let feed = format!("http://{}/gate", world.daemon.console);
        let mut child = world
            .project
            .command(&["admit", "serve", "--listen", "127.0.0.1:0", "--feed", &feed, "--gate"])
            .arg(&folder)
            .args(["--cert", &format!("{tls}/tls.crt"), "--key", &format!("{tls}/tls.key")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split_once("https://").unwrap().1.split('/').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Replica(child, address)
    };
    let balancer = Balancer::start();
    let mut replicas = vec![replica(), replica()];
    let addresses =
        |replicas: &[Replica]| replicas.iter().map(|replica| replica.1.clone()).collect::<Vec<_>>();
    *balancer.ready.lock().unwrap() = addresses(&replicas);
    world.webhook(&["--url", &format!("https://{}/admit", balancer.address)]);
    until("both replicas have their snapshot", || (0..8).all(|_| world.probe(&world.good).status == 201));

    let (over, allowed, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (world, over, allowed, refused) = (&world, &over, &allowed, &refused);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let (image, expected, count) = match number % 2 {
                        0 => (&world.good, 201, allowed),
                        _ => (&world.denied, 403, refused),
                    };
                    let reply = world.probe(image);
                    assert_eq!(reply.status, expected, "{reply:?}");
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..4 {
            // As a Deployment rolls: the new one is ready before the old one is asked to go.
            let fresh = replica();
            let client = crate::admission::client(&world.project);
            until("the new replica is ready", || {
                let review = crate::admission::pod(&world.good);
                crate::admission::post_to(&fresh.1, &client, "/admit", &review)
                    .is_ok_and(|(_, body)| body.contains("\"allowed\":true"))
            });
            let mut old = replicas.remove(0);
            replicas.push(fresh);
            *balancer.ready.lock().unwrap() = addresses(&replicas);
            std::thread::sleep(Duration::from_millis(300));
            assert!(
                Command::new("kill").args(["-TERM", &old.0.id().to_string()]).status().unwrap().success()
            );
            until("the old replica has gone", || old.0.try_wait().unwrap().is_some());
        }
        over.store(true, Ordering::SeqCst);
    });
    let (allowed, refused) = (allowed.into_inner(), refused.into_inner());
    println!("four replicas replaced under load: {allowed} allowed, {refused} refused, none failed");
    assert!(allowed > 20 && refused > 20);
}
