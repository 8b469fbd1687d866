//! The name that an artifact's releases share. Attestation is lost from one release to the next, and most names carry
//! the release: an attacker who publishes `app-1.2.4.tgz` bare would otherwise have nothing to be compared with.

/// A name without its version: of a package URL, an image reference, or a file whose name carries one.
pub fn family(name: &str) -> &str {
    if name.starts_with("pkg:") {
        let path = name.split(['?', '#']).next().unwrap_or(name);
        // A scope's sign is encoded (`%40`), so what follows a plain one is the version.
        return path.split_once('@').map_or(path, |(package, _)| package);
    }
    let name = name.split_once('@').map_or(name, |(reference, _)| reference);
    let last = name.rfind('/').map_or(0, |at| at.saturating_add(1));
    let (_, file) = name.split_at_checked(last).unwrap_or(("", name));
    let ends = match file.rfind(':') {
        Some(tag) => Some(tag),
        None => version_in(file),
    };
    let length = ends.filter(|at| *at > 0).map_or(name.len(), |at| last.saturating_add(at));
    name.get(..length).unwrap_or(name)
}

/// Where `-1.2`, `_1.2` or `-v1.2` begins in a file's name.
fn version_in(file: &str) -> Option<usize> {
    file.match_indices(['-', '_']).map(|(at, _)| at).find(|at| {
        let rest = file.get(at.saturating_add(1)..).unwrap_or("");
        let rest = rest.strip_prefix('v').unwrap_or(rest);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut behind = rest.bytes().skip(digits);
        digits > 0 && behind.next() == Some(b'.') && behind.next().is_some_and(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn versions_and_tags_are_no_part_of_it() {
        for (name, shared) in [
            ("pkg:npm/%40scope/app@1.2.3", "pkg:npm/%40scope/app"),
            ("pkg:npm/app@1.2.3?arch=x#lib", "pkg:npm/app"),
            ("pkg:npm/app", "pkg:npm/app"),
            ("registry.example:5000/shop/app:v1@sha256:00", "registry.example:5000/shop/app"),
            ("registry.example:5000/shop/app", "registry.example:5000/shop/app"),
            ("dist/app-1.2.3.tgz", "dist/app"),
            ("app_server-v2.0-linux.tar.gz", "app_server"),
            ("app-1.2.4-py3-none-any.whl", "app"),
            ("target/release/app", "target/release/app"),
            ("app-2024", "app-2024"),
            ("-1.2", "-1.2"),
            (":v1", ":v1"),
            ("", ""),
        ] {
            assert_eq!(family(name), shared, "{name}");
        }
    }
}
