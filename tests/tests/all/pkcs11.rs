//! Keys in a token: SoftHSM's, and modules that crash, hang and babble.

use std::path::{Path, PathBuf};
use std::process::Command;

use linkward_testkit::skipped;
use linkward_tests::{Daemon, Project};

const MODULES: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
const PIN: &str = "7310";

struct Token {
    project: Project,
    module: &'static str,
    folder: PathBuf,
}

impl Token {
    /// A token with three keys that openssl made; none where a tool is absent.
    fn new() -> Option<Self> {
        let Some(module) = MODULES.iter().find(|path| Path::new(path).is_file()) else {
            skipped("softhsm2-util is not installed");
            return None;
        };
        let project = Project::new();
        project.write("a.txt", "an artifact\n");
        project.write("pin", &format!("{PIN}\n"));
        let folder = project.beside().join("softhsm");
        std::fs::create_dir_all(folder.join("tokens")).unwrap();
        let settings =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.join("tokens").display());
        std::fs::write(folder.join("softhsm2.conf"), settings).unwrap();
        let token = Self { project, module, folder };
        token.tool(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "our token", "--pin", PIN, "--so-pin", "9999"],
        )?;
        for (name, id, options) in [
            ("p256", "01", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
            ("rsa", "02", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..]),
        ] {
            token.tool("openssl", &[&["genpkey", "-out", name][..], options].concat())?;
            token.tool("openssl", &["pkey", "-in", name, "-pubout", "-out", &format!("{name}.pub")])?;
            let pin = ["--token", "our token", "--pin", PIN];
            let what = ["--import", name, "--label", name, "--id", id];
            token.tool("softhsm2-util", &[&what[..], &pin[..]].concat())?;
        }
        Some(token)
    }

    fn tool(&self, program: &str, args: &[&str]) -> Option<()> {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.project.path())
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"))
            .output();
        let Ok(output) = output else {
            skipped(&format!("{program} is not installed"));
            return None;
        };
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        Some(())
    }

    fn uri(&self, which: &str, further: &str) -> String {
        format!("pkcs11:{which}?module-path={}{further}", self.module)
    }

    fn sign(&self, uri: &str, file: &str) -> (i32, String) {
        let output = self
            .project
            .command(&["sign", "--key", uri, file])
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"))
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }
}

#[test]
fn a_key_in_a_token_signs_and_never_leaves_it() {
    let Some(token) = Token::new() else { return };
    let project = &token.project;
    let _ = project.run(&["up", "--no-serve"]);
    let _daemon = Daemon::start(project);
    for name in ["p256", "rsa"] {
        let uri = token.uri(&format!("token=our%20token;object={name};type=private"), "&pin-source=pin");
        let (exit, text) = token.sign(&uri, "a.txt");
        assert_eq!(exit, 0, "{text}");
        let key = format!("{name}.pub");
        let verify = |key: &str| {
            let root = ".linkward/trusted_root.json";
            let bundle = "a.txt.sigstore.json";
            project.run(&["verify", "--bundle", bundle, "--key", key, "--trusted-root", root, "a.txt"])
        };
        assert_eq!(verify(&key).0, 0, "{}", verify(&key).1);
        assert_eq!(verify(".linkward/artifact.pub").0, 1);
        // openssl agrees, with the public half that never was in our hands but through the token.
        let text = std::fs::read_to_string(project.path().join("a.txt.sigstore.json")).unwrap();
        let bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signature = bundle["messageSignature"]["signature"].as_str().unwrap();
        project.write("signature", signature);
        token.tool("openssl", &["base64", "-d", "-A", "-in", "signature", "-out", "signature.raw"]).unwrap();
        token
            .tool("openssl", &["dgst", "-sha256", "-verify", &key, "-signature", "signature.raw", "a.txt"])
            .unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_token_has_a_code_of_its_own() {
    let Some(token) = Token::new() else { return };
    let _ = token.project.run(&["up", "--no-serve"]);
    let _daemon = Daemon::start(&token.project);
    token.project.write("wrong", "0000\n");
    let good = "token=our%20token;object=p256";
    let cases = [
        (format!("pkcs11:{good}"), "pkcs11-uri"),
        (format!("pkcs11:{good}?module-path=/nowhere.so"), "pkcs11-module"),
        (format!("pkcs11:{good}?module-path=/etc/passwd"), "pkcs11-module"),
        (token.uri(good, "&pin-value=1"), "pkcs11-uri"),
        (token.uri("token=another;object=p256", "&pin-source=pin"), "pkcs11-token-missing"),
        (token.uri("token=our%20token;object=none", "&pin-source=pin"), "pkcs11-key-missing"),
        (token.uri("token=our%20token", "&pin-source=pin"), "pkcs11-key-ambiguous"),
        (token.uri(good, ""), "pkcs11-pin"),
        (token.uri(good, "&pin-source=nowhere"), "pkcs11-pin"),
        (token.uri(good, "&pin-source=wrong"), "pkcs11-pin"),
    ];
    for (uri, code) in cases {
        let (exit, text) = token.sign(&uri, "a.txt");
        assert!(exit != 0 && text.contains(code), "{uri}: {exit} {text}");
        assert!(!text.contains(PIN) && !text.contains("0000"), "{text}");
    }
    assert!(!token.project.path().join("a.txt.sigstore.json").exists());
    // One wrong PIN locks nothing.
    let (exit, text) = token.sign(&token.uri(good, "&pin-source=pin"), "a.txt");
    assert_eq!(exit, 0, "{text}");
}

/// A module is a stranger's library: what it does to its own process stays there.
#[test]
fn a_module_that_crashes_or_babbles_takes_nothing_with_it() {
    let project = Project::new();
    project.write("a.txt", "an artifact\n");
    let _ = project.run(&["up", "--no-serve"]);
    let _daemon = Daemon::start(&project);
    for (name, body) in [
        ("crashes", "__builtin_trap(); return 0;"),
        ("ends", "_exit(0);"),
        ("refuses", "return 5;"),
        ("babbles", "write(1, \"{}\\nnonsense\\n\", 12); return 5;"),
    ] {
        let source = format!("#include <unistd.h>\nlong C_GetFunctionList(void **list) {{ {body} }}\n");
        project.write("module.c", &source);
        let library = project.path().join(format!("{name}.so"));
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-o"])
            .arg(&library)
            .arg("module.c")
            .current_dir(project.path())
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            skipped("no C compiler is installed");
            return;
        }
        let uri = format!("pkcs11:object=k?module-path={}", library.display());
        let (exit, text) = project.run(&["sign", "--key", &uri, "a.txt"]);
        assert!(exit == 2 && text.contains("pkcs11-module"), "{name}: {exit} {text}");
    }
    assert_eq!(project.run(&["sign", "a.txt"]).0, 0, "everything else goes on");
}
