use std::collections::BTreeMap;

use linkward_testkit::image::{Layout, Pack, TarEntry, file, gzip, tar, zstd};
use serde_json::json;

use super::*;

struct Memory(BTreeMap<String, Vec<u8>>);

impl Blobs for Memory {
    fn open<'a>(&'a mut self, blob: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault> {
        let missing = || Fault::new(Code::ImageUnreachable, blob.digest.to_string(), "is not there");
        Ok(Box::new(self.0.get(&blob.digest.to_string()).ok_or_else(missing)?.as_slice()))
    }
}

fn read(layout: &Layout, platform: Option<&str>) -> Result<Inventory, Fault> {
    let mut blobs = Memory(layout.blobs.clone());
    let platform = platform.map(|text| text.parse::<Platform>().unwrap());
    let index = layout.index();
    let Choice::Next(next) = choose(&index, platform.as_ref(), "index")? else { panic!("an index leads on") };
    let bytes = document(&mut blobs, &next)?;
    let (config, layers) = manifest(&bytes, &next.digest)?;
    let configuration = document(&mut blobs, &config)?;
    let image = image(next.digest, &bytes, config, &configuration, layers, platform.as_ref())?;
    contents("shop", &image, &mut blobs, |_, _| ())
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// The components of an image of these layers, the lowest first.
fn of(layers: &[&[TarEntry<'_>]]) -> Inventory {
    let mut layout = Layout::default();
    let layers: Vec<(Pack, Vec<u8>)> = layers.iter().map(|entries| (gzip as Pack, tar(entries))).collect();
    layout.image("amd64", &json!({}), &layers);
    read(&layout, None).unwrap()
}

fn names(found: &Inventory) -> Vec<String> {
    let purl = |component: &Component| component.purl.as_ref().map(ToString::to_string).unwrap_or_default();
    found.sbom.components.iter().map(purl).collect()
}

fn codes(found: &Inventory) -> Vec<Code> {
    found.doubts.iter().map(|(code, _)| *code).collect()
}

fn package(name: &str) -> Vec<u8> {
    format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}").into_bytes()
}

const RELEASE: &[u8] = b"ID=debian\nVERSION_ID=12\n";
const STATUS: &[u8] = b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\n";

#[test]
fn what_a_container_sees_is_found_with_its_layer() {
    let two: &[u8] = b"Package: bash\nStatus: install ok installed\nVersion: 5.2-1\n\nPackage: curl\nStatus: install ok installed\nVersion: 8-1\n";
    let found = of(&[
        &[file("./etc/os-release", RELEASE), file("var/lib/dpkg/status", STATUS)],
        &[file("var/lib/dpkg/status", two)],
    ]);
    assert_eq!(
        names(&found),
        ["pkg:deb/debian/bash@5.2-1?distro=debian-12", "pkg:deb/debian/curl@8-1?distro=debian-12"]
    );
    let seen = &found.sbom.components[0].occurrences;
    assert_eq!((seen.len(), seen[0].location.as_str()), (1, "var/lib/dpkg/status"));
    let upper = &found.sbom.notes["image:layer-002"];
    let context = seen[0].context.as_deref().unwrap();
    assert!(context.starts_with(&format!("layer {upper} file sha256:")), "{context}");
    assert_eq!(found.sbom.notes["image:distribution"], "debian-12");
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
}

#[test]
fn what_is_whited_out_or_covered_is_not_there() {
    let a = package("a");
    let lower: &[TarEntry<'_>] = &[file("app/node_modules/a/package.json", &a)];
    for upper in [
        ("app/node_modules/a/.wh.package.json", b'0', 0o644, "", &b""[..]),
        ("app/.wh.node_modules", b'0', 0, "", b""),
        ("app/node_modules/.wh..wh..opq", b'0', 0, "", b""),
        (".wh..wh..opq", b'0', 0, "", b""),
        // A file, or a link, where the folder was.
        ("app/node_modules", b'0', 0o644, "", b"x"),
        ("app", b'2', 0o777, "elsewhere", b""),
        // A folder where the file was.
        ("app/node_modules/a/package.json", b'5', 0o755, "", b""),
    ] {
        assert_eq!(names(&of(&[lower, &[upper]])), Vec::<String>::new(), "{}", upper.0);
    }
    for upper in [
        ("app/.wh.other", b'0', 0, "", &b""[..]),
        ("app/node_modules", b'5', 0o755, "", b""),
        ("app/.wh..wh.plnk", b'0', 0, "", b""),
    ] {
        assert_eq!(names(&of(&[lower, &[upper]])), ["pkg:npm/a@1.0.0"], "{}", upper.0);
    }
    // A whiteout concerns the layers below, not its own.
    let b = package("b");
    let own: &[TarEntry<'_>] =
        &[file("app/node_modules/b/package.json", &b), ("app/.wh..wh..opq", b'0', 0, "", b"")];
    assert_eq!(names(&of(&[lower, own])), ["pkg:npm/b@1.0.0"]);
}

#[test]
fn of_two_entries_of_one_path_the_last_counts() {
    let (a, b) = (package("a"), package("b"));
    let path = "node_modules/x/package.json";
    assert_eq!(names(&of(&[&[file(path, &a), file(path, &b)]])), ["pkg:npm/b@1.0.0"]);
    assert_eq!(names(&of(&[&[file(path, &a), (path, b'2', 0o777, "y", b"")]])), Vec::<String>::new());
}

#[test]
fn what_is_hostile_or_hidden_has_a_code() {
    let a = package("a");
    let path = "node_modules/a/package.json";
    let cases: [(&[TarEntry<'_>], Code); 6] = [
        (&[file("../../etc/os-release", RELEASE)], Code::ArchiveEscape),
        (&[("dev/sda", b'4', 0o660, "", b"")], Code::ArchiveDevice),
        (&[("run/pipe", b'6', 0o660, "", b"")], Code::ArchiveDevice),
        (&[("var/lib/dpkg/status", b'2', 0o777, "/data/status", b"")], Code::SbomIncomplete),
        (&[(path, b'S', 0o644, "", &a)], Code::UnsupportedFormat),
        (&[("usr/bin/alone", b'0', 0o755, "", b"MZ program of DOS")], Code::SbomIncomplete),
    ];
    for (entries, code) in cases {
        assert_eq!(codes(&of(&[entries])), [code], "{}", entries[0].0);
    }
    // The first name is whited out, the second shows.
    let lower: &[TarEntry<'_>] = &[file("data", &a), (path, b'1', 0o644, "data", b"")];
    assert_eq!(codes(&of(&[lower, &[(".wh.data", b'0', 0, "", b"")]])), [Code::SbomIncomplete]);
}

/// Packages that are built together share one copyright file, by links of every kind; none of them is a doubt.
#[test]
fn copyright_files_may_be_links() {
    let status: &[u8] = b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\nPackage: c\nVersion: 1\n\nPackage: d\nVersion: 1\n";
    let copyright: &[u8] = b"Format: x\n\nFiles: *\nLicense: Expat\n";
    let lower: &[TarEntry<'_>] = &[
        file("etc/os-release", RELEASE),
        file("var/lib/dpkg/status", status),
        file("usr/share/doc/a/copyright", copyright),
        ("usr/share/doc/b", b'2', 0o777, "a", b""),
        ("usr/share/doc/c/copyright", b'2', 0o777, "../a/copyright", b""),
        ("usr/share/doc/d/copyright", b'1', 0o644, "usr/share/doc/a/copyright", b""),
        ("usr/share/doc/gone", b'2', 0o777, "nowhere", b""),
    ];
    let licences =
        |found: &Inventory| found.sbom.components.iter().map(|one| one.licences.len()).collect::<Vec<_>>();
    let found = of(&[lower]);
    assert_eq!((codes(&found), licences(&found)), (vec![], vec![1, 1, 1, 0]));
    // A layer above takes the file away.
    let found = of(&[lower, &[("usr/share/doc/a/.wh.copyright", b'0', 0, "", b"")]]);
    assert_eq!((codes(&found), licences(&found)), (vec![], vec![0; 4]));
}

#[test]
fn programs_of_packages_are_accounted_for() {
    let program = (("usr/bin/tool"), b'0', 0o755, "", &b"MZ"[..]);
    let list = file("var/lib/dpkg/info/tool.list", b"/.\n/bin\n/bin/tool\n");
    let found = of(&[&[file("var/lib/dpkg/status", STATUS), list, program]]);
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
    assert_eq!(codes(&of(&[&[file("var/lib/dpkg/status", STATUS), program]])), [Code::SbomIncomplete]);
}

#[test]
fn every_packing_gives_the_same() {
    let a = package("a");
    let layer = tar(&[file("node_modules/a/package.json", &a)]);
    for pack in [plain as Pack, gzip, zstd] {
        let mut layout = Layout::default();
        layout.image("amd64", &json!({}), &[(pack, layer.clone())]);
        assert_eq!(names(&read(&layout, None).unwrap()), ["pkg:npm/a@1.0.0"]);
    }
}

#[test]
fn the_platform_is_chosen_and_the_base_is_named() {
    let mut layout = Layout::default();
    let (a, b) = (package("a"), package("b"));
    let base = json!({ "org.opencontainers.image.base.name": "registry.example/debian:12" });
    layout.image("amd64", &base, &[(gzip, tar(&[file("node_modules/a/package.json", &a)]))]);
    layout.image("arm64", &json!({}), &[(gzip, tar(&[file("node_modules/b/package.json", &b)]))]);
    let amd = read(&layout, Some("linux/amd64")).unwrap();
    assert_eq!(
        (names(&amd), amd.sbom.notes["image:base"].as_str()),
        (vec!["pkg:npm/a@1.0.0".to_owned()], "registry.example/debian:12")
    );
    assert_eq!(names(&read(&layout, Some("linux/arm64")).unwrap()), ["pkg:npm/b@1.0.0"]);
    assert_eq!(
        read(&layout, Some("linux/riscv64")).map(|_| ()).map_err(|fault| fault.code),
        Err(Code::PlatformMissing)
    );
    assert!("linux".parse::<Platform>().is_err());
}

#[test]
fn changed_cut_and_missing_blobs_are_refused() {
    let mut whole = Layout::default();
    let a = package("a");
    let layer = tar(&[file("node_modules/a/package.json", &a), file("x", &[7; 3000])]);
    whole.image("amd64", &json!({}), &[(gzip, layer.clone())]);
    let packed = gzip(&layer);
    let of_layer = Digest::sha256(&packed).to_string();
    let code = |bytes: Option<Vec<u8>>| {
        let mut layout = whole.clone();
        match bytes {
            Some(bytes) => layout.blobs.insert(of_layer.clone(), bytes),
            None => layout.blobs.remove(&of_layer),
        };
        read(&layout, None).map(|_| ()).map_err(|fault| fault.code)
    };
    assert_eq!(code(Some(packed.clone())), Ok(()));
    assert_eq!(code(None), Err(Code::ImageUnreachable));
    assert_eq!(code(Some(gzip(&tar(&[])))), Err(Code::BlobMismatch));
    for cut in [20, 600, packed.len() - 4] {
        assert_eq!(code(Some(packed[..cut].to_vec())), Err(Code::ImageUnreadable), "{cut}");
    }
    // What stands behind the archive belongs to the digest.
    assert_eq!(code(Some([packed.as_slice(), &gzip(b"more")].concat())), Err(Code::BlobMismatch));
}

#[test]
fn a_layer_that_is_not_read_is_a_doubt() {
    let mut layout = Layout::default();
    layout.image("amd64", &json!({}), &[(gzip, tar(&[]))]);
    let digest = layout.manifests[0]["digest"].as_str().unwrap().to_owned();
    let text = String::from_utf8(layout.blobs[&digest].clone()).unwrap();
    for kind in ["layer.nondistributable.v1.tar+gzip", "layer.v1.tar+gzip+encrypted"] {
        let mut layout = layout.clone();
        let changed = layout.blob(text.replace("layer.v1.tar+gzip", kind).into_bytes());
        layout.manifests[0]["digest"] = json!(changed);
        assert_eq!(codes(&read(&layout, None).unwrap()), [Code::UnsupportedFormat], "{kind}");
    }
    let chart = layout.blob(
        text.replace("image.config", "chart.config").replace("vnd.oci.image", "vnd.cncf.helm").into_bytes(),
    );
    layout.manifests[0]["digest"] = json!(chart);
    assert_eq!(read(&layout, None).map(|_| ()).map_err(|fault| fault.code), Err(Code::UnsupportedFormat));
}

proptest::proptest! {
    #[test]
    fn damaged_documents_never_panic(at in 0usize..600, byte in proptest::prelude::any::<u8>()) {
        let mut layout = Layout::default();
        layout.image("amd64", &json!({}), &[(gzip, tar(&[]))]);
        let mut index = layout.index();
        if let Some(place) = index.get_mut(at) {
            *place = byte;
        }
        let _ = choose(&index, None, "index");
        for bytes in layout.blobs.values() {
            let mut bytes = bytes.clone();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = manifest(&bytes, &Digest::sha256(b""));
            let _ = docker_save(&bytes);
            let _ = diff_ids(&bytes);
        }
    }
}
