use super::*;

fn of(files: &[(&str, &str)]) -> Inventory {
    let files: Vec<_> =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    installed("root", &files)
}

fn ids(found: &Inventory) -> Vec<String> {
    found.sbom.components.iter().map(|component| component.id.clone()).collect()
}

const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n";
const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9)\nVersion: 2.36-9+deb12u3\nDescription: C\n more: text\n\n\
    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
    Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n";

#[test]
fn debian_packages_name_their_release_and_source() {
    let found = of(&[("var/lib/dpkg/status", STATUS), ("usr/lib/os-release", DEBIAN)]);
    assert_eq!(
        ids(&found),
        [
            "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-12",
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u3?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
        ]
    );
    let one = of(&[
        ("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a\n"),
        ("etc/os-release", DEBIAN),
    ]);
    assert_eq!(ids(&one), ["pkg:deb/debian/tzdata@2024a?distro=debian-12"]);
}

#[test]
fn alpine_packages_name_their_origin() {
    let text = "C:Q1x=\nP:libcrypto3\nV:3.1.4-r1\nA:x86_64\no:openssl\n\nP:musl\nV:1.2.4-r2\no:musl\n";
    let found = of(&[("lib/apk/db/installed", text), ("etc/os-release", "ID=alpine\nVERSION_ID=3.18.4\n")]);
    assert_eq!(
        ids(&found),
        [
            "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=x86_64&distro=alpine-3.18.4&upstream=openssl",
            "pkg:apk/alpine/musl@1.2.4-r2?distro=alpine-3.18.4",
        ]
    );
}

#[test]
fn parts_of_packages_are_no_packages() {
    let package = |name: &str| format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}");
    let found = of(&[
        ("app/node_modules/a/package.json", &package("a")),
        ("app/node_modules/@s/b/package.json", &package("@s/b")),
        ("app/node_modules/a/node_modules/c/package.json", &package("c")),
        ("app/node_modules/a/dist/esm/package.json", &package("phantom")),
        ("app/node_modules/a/.github/package.json", &package("phantom")),
        ("app/package.json", &package("own")),
    ]);
    assert_eq!(ids(&found), ["pkg:npm/%40s/b@1.0.0", "pkg:npm/a@1.0.0", "pkg:npm/c@1.0.0"]);
}

#[test]
fn python_metadata_ends_before_its_description() {
    let text = "Metadata-Version: 2.1\nName: Left_Pad\nVersion: 1.0\n\nVersion: 9\nName: other\n";
    assert_eq!(ids(&of(&[("lib/x.dist-info/METADATA", text)])), ["pkg:pypi/left-pad@1.0"]);
}

#[test]
fn what_cannot_be_read_is_a_fault_or_hides_components() {
    for (path, text) in [
        ("var/lib/dpkg/status", "Version: 1\n"),
        ("lib/apk/db/installed", "V:1\n"),
        ("x.dist-info/METADATA", "Name: x\n"),
        ("node_modules/a/package.json", "{"),
        ("node_modules/a/package.json", "{\"version\":\"1\"}"),
    ] {
        let found = of(&[(path, text)]);
        assert_eq!(found.faults.len(), 1, "{path} {text}");
        assert_eq!(found.faults[0].code, Code::LockfileMalformed);
    }
    for (path, text) in [
        ("var/lib/dpkg/status", "Package: x\nStatus: install ok installed\n"),
        ("lib/apk/db/installed", "P:x\n"),
        ("node_modules/a/package.json", "{\"name\":\"a\"}"),
    ] {
        assert_eq!(of(&[(path, text)]).hidden.len(), 1, "{path}");
    }
}

#[test]
fn packages_of_other_languages_lie_in_their_folders() {
    let dotnet = r#"{"libraries":{"Shop/1.0.0":{"type":"project"},"Newtonsoft.Json/13.0.1":{"type":"package","sha512":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="}}}"#;
    let php = r#"{"packages":[{"name":"symfony/console","version":"v6.1.0"},{"name":"phpunit/phpunit","version":"9.5.0"}],"dev-package-names":["phpunit/phpunit"]}"#;
    let ruby = "# -*- encoding: utf-8 -*-\nGem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.2.3\"\nend\n";
    let found = of(&[
        ("app/Shop.deps.json", dotnet),
        ("app/vendor/composer/installed.json", php),
        ("usr/lib/ruby/gems/3.1.0/specifications/rack-2.2.3.gemspec", ruby),
    ]);
    assert_eq!(
        ids(&found),
        [
            "pkg:composer/phpunit/phpunit@9.5.0",
            "pkg:composer/symfony/console@v6.1.0",
            "pkg:gem/rack@2.2.3",
            "pkg:nuget/Newtonsoft.Json@13.0.1",
        ]
    );
    assert_eq!(found.sbom.components[3].digests.len(), 1);
    for (path, text) in [
        ("a.deps.json", "{}"),
        ("a.deps.json", r#"{"libraries":{"x":{"type":"package"}}}"#),
        ("composer/installed.json", "1"),
        ("composer/installed.json", r#"[{"version":"1"}]"#),
        ("specifications/a.gemspec", "s.version = \"1\"\n"),
    ] {
        assert_eq!(of(&[(path, text)]).faults.len(), 1, "{path} {text}");
    }
}

#[test]
fn the_order_of_files_leaves_no_trace() {
    let files = [
        ("var/lib/dpkg/status", STATUS),
        ("etc/os-release", DEBIAN),
        ("lib/x.dist-info/METADATA", "Name: x\nVersion: 1\n"),
    ];
    let mut turned = files;
    turned.reverse();
    let write = |found: Inventory| linkward_evidence::cyclonedx::write(&found.sbom);
    assert_eq!(write(of(&files)), write(of(&turned)));
}

fn licences(found: &Inventory) -> Vec<(&str, Vec<&str>)> {
    found
        .sbom
        .components
        .iter()
        .map(|component| (component.name.as_str(), component.licences.iter().map(String::as_str).collect()))
        .collect()
}

#[test]
fn licences_stand_where_each_kind_writes_them() {
    let found = of(&[
        ("a/node_modules/x/package.json", r#"{"name":"x","version":"1.0.0","license":"MIT"}"#),
        ("a/node_modules/y/package.json", r#"{"name":"y","version":"1.0.0","license":{"no":1}}"#),
        (
            "p/expr-1.dist-info/METADATA",
            "Name: expr\nVersion: 1\nLicense-Expression: MIT OR ISC\nLicense: GPL\n\nLicense: no",
        ),
        ("p/free-1.dist-info/METADATA", "Name: free\nVersion: 1\nLicense: Apache 2.0\nSummary: x\n"),
        (
            "p/text-1.dist-info/METADATA",
            "Name: text\nVersion: 1\nLicense: Permission\n\tis granted\nClassifier: License :: OSI Approved :: ISC License (ISCL)\n",
        ),
        ("p/none-1.egg-info/PKG-INFO", "Name: none\nVersion: 1\nLicense: UNKNOWN\n"),
        (
            "g/specifications/r-1.gemspec",
            "  s.name = \"r\".freeze\n  s.version = \"1\"\n  s.licenses = [\"MIT\".freeze, \"Ruby\".freeze]\n",
        ),
        ("lib/apk/db/installed", "P:musl\nV:1.2.4-r2\nL:MIT\n"),
        (
            "v/vendor/composer/installed.json",
            r#"{"packages":[{"name":"a/b","version":"1.0.0","license":["MIT","GPL-2.0-or-later"]}]}"#,
        ),
    ]);
    assert_eq!(
        licences(&found),
        [
            ("musl", vec!["MIT"]),
            ("a/b", vec!["MIT OR GPL-2.0-or-later"]),
            ("r", vec!["MIT OR Ruby"]),
            ("x", vec!["MIT"]),
            ("y", vec![]),
            ("expr", vec!["MIT OR ISC"]),
            ("free", vec!["Apache-2.0"]),
            ("none", vec![]),
            ("text", vec!["ISC"]),
        ]
    );
}

#[test]
fn a_debian_package_has_the_licences_of_its_copyright_file() {
    let mut catalogue = Catalogue::default();
    let packages = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\nPackage: c\nVersion: 1\n\nPackage: d\nVersion: 1\n";
    let add = |catalogue: &mut Catalogue, path: &str, text: &str| catalogue.add(path, None, text.as_bytes());
    add(&mut catalogue, "var/lib/dpkg/status", packages);
    add(&mut catalogue, "usr/share/doc/a/copyright", "Format: x\n\nFiles: *\nLicense: Expat\n");
    // Another's, in a folder that only looks like it.
    add(&mut catalogue, "opt/xusr/share/doc/d/copyright", "Format: x\n\nFiles: *\nLicense: ISC\n");
    add(&mut catalogue, "usr/share/doc/d/more/copyright", "Format: x\n\nFiles: *\nLicense: ISC\n");
    assert_eq!(
        catalogue.unlicensed(),
        ["b", "c", "d"]
            .map(|name| [format!("usr/share/doc/{name}"), format!("usr/share/doc/{name}/copyright")])
            .concat()
    );
    catalogue.link("usr/share/doc/b", "a");
    catalogue.link("usr/share/doc/c/copyright", "../a/copyright");
    // Out of the root, and to nothing that is documentation.
    catalogue.link("usr/share/doc/d", "../../../../etc");
    catalogue.link("usr/share/doc/d", "/usr/share/doc/");
    let found = catalogue.finish("root");
    assert_eq!(licences(&found), [("a", vec!["MIT"]), ("b", vec!["MIT"]), ("c", vec!["MIT"]), ("d", vec![])]);
    assert!(found.doubts.is_empty(), "{:?}", found.doubts);
}
