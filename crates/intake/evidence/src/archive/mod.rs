//! Archives as hostile input: read as a stream or in memory, bounded, never unpacked to a disk.

pub mod packed;
pub mod tar;
pub mod zip;

/// The path of an entry as a file system would see it below the archive's root: `None` where it leads outside.
pub fn inside(path: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                return None;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
