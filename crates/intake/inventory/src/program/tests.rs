use std::io::Write as _;

use super::*;

/// An ELF of 64 bits with these sections, each loaded where it lies in the file plus `0x1000`.
pub(crate) fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = vec![0];
    let mut bodies = Vec::new();
    let mut headers = vec![0; 64];
    let start = 64;
    for (name, body) in sections {
        while (start + bodies.len()) % 16 != 0 {
            bodies.push(0);
        }
        headers.extend(header(names.len() as u32, 1, (start + bodies.len()) as u64, body.len() as u64));
        names.extend(name.as_bytes());
        names.push(0);
        bodies.extend(*body);
    }
    let at = (start + bodies.len()) as u64;
    headers.extend(header(0, 3, at, names.len() as u64));
    bodies.extend(&names);
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(40, 0);
    out.extend(((start + bodies.len()) as u64).to_le_bytes());
    out.resize(54, 0);
    for number in [56u16, 0, 64, sections.len() as u16 + 2, sections.len() as u16 + 1] {
        out.extend(number.to_le_bytes());
    }
    out.extend(bodies);
    out.extend(headers);
    out
}

fn header(name: u32, kind: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut out = [name.to_le_bytes(), kind.to_le_bytes()].concat();
    for word in [3, 0x1000 + offset, offset, size, 0, 0, 0] {
        out.extend(word.to_le_bytes());
    }
    out
}

pub(crate) fn packed(json: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(json.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const TREE: &str = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1,2],"root":true},
    {"name":"left","version":"1.1.0","source":"crates.io"},{"name":"right","version":"2.0.0","source":"git","kind":"build"}]}"#;

const MODULES: &str = "path\tcommand-line\nmod\texample.org/app\tv1.2.3\t\ndep\texample.org/left\tv0.1.0\th1:x=\n\
    dep\texample.org/old\tv1.0.0\th1:x=\n=>\texample.org/new\tv1.0.1\th1:y=\nbuild\tCGO_ENABLED=0\n";

pub(crate) fn buildinfo() -> Vec<u8> {
    let mut out = MAGIC_HEAD.to_vec();
    out.extend([8, 2]);
    out.resize(32, 0);
    let modules = [&[7; 16][..], MODULES.as_bytes(), &[8; 16]].concat();
    for text in [b"go1.21.3", modules.as_slice()] {
        let mut length = text.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(text);
    }
    out
}

const MAGIC_HEAD: &[u8] = b"\xff Go buildinf:";

fn purls(bytes: &[u8]) -> Vec<String> {
    let found = read(bytes).unwrap();
    found.iter().flat_map(|(_, lock)| &lock.packages).map(|package| package.purl.to_string()).collect()
}

const OF_GO: [&str; 4] = [
    "pkg:golang/stdlib@1.21.3",
    "pkg:golang/example.org/app@v1.2.3",
    "pkg:golang/example.org/left@v0.1.0",
    "pkg:golang/example.org/new@v1.0.1",
];

#[test]
fn a_program_says_which_crates_are_in_it() {
    let bytes = elf(&[(".text", b"code"), (".dep-v0", &packed(TREE))]);
    let of_cargo =
        ["pkg:cargo/app@0.1.0", "pkg:cargo/left@1.1.0", "pkg:cargo/right@2.0.0?repository_url=git"];
    assert_eq!(purls(&bytes), of_cargo);
    let (kind, lock) = &read(&bytes).unwrap()[0];
    assert_eq!((*kind, lock.packages[0].needs.len(), lock.packages[0].own), ("cargo-auditable", 2, true));
    for bad in [
        "{",
        r#"{"packages":[{"name":"a"}]}"#,
        r#"{"packages":[{"name":"a","version":"1","dependencies":[9]}]}"#,
    ] {
        let bytes = elf(&[(".dep-v0", &packed(bad))]);
        assert_eq!(
            read(&bytes).map(|_| ()).map_err(|fault| fault.code),
            Err(Code::ProgramMalformed),
            "{bad}"
        );
    }
    let bomb = elf(&[(".dep-v0", &packed(&" ".repeat(9 << 20)))]);
    assert_eq!(read(&bomb).map(|_| ()).map_err(|fault| fault.code), Err(Code::TooLarge));
}

#[test]
fn a_program_says_which_modules_are_in_it() {
    assert_eq!(purls(&elf(&[(".go.buildinfo", &buildinfo())])), OF_GO);
    // Before 1.18 the texts stand elsewhere.
    let texts: Vec<u8> = [b"go1.13.1", &[7; 16][..], MODULES.as_bytes(), &[8; 16]].concat();
    let base = 0x1000u64 + 64;
    let at =
        |offset: usize, length: usize| [base + offset as u64, length as u64].map(u64::to_le_bytes).concat();
    let padded = texts.len().next_multiple_of(16);
    let mut data = texts.clone();
    data.resize(padded, 0);
    data.extend(at(0, 8));
    data.extend(at(8, texts.len() - 8));
    let mut info = MAGIC_HEAD.to_vec();
    info.extend([8, 0]);
    info.extend((base + padded as u64).to_le_bytes());
    info.extend((base + padded as u64 + 16).to_le_bytes());
    let found = purls(&elf(&[(".data", &data), (".go.buildinfo", &info)]));
    assert_eq!(found[0], "pkg:golang/stdlib@1.13.1");
    assert_eq!(found[1..], OF_GO[1..]);
}

#[test]
fn other_formats_of_programs_are_read() {
    // PE: the header at 0x40, one section.
    let info = buildinfo();
    let mut pe = b"MZ".to_vec();
    pe.resize(0x3c, 0);
    pe.extend(0x40u32.to_le_bytes());
    pe.extend(b"PE\0\0");
    pe.extend([0x64, 0x86, 1, 0]);
    pe.resize(0x40 + 20, 0);
    pe.extend(112u16.to_le_bytes());
    pe.extend([0, 0]);
    pe.extend(0x20bu16.to_le_bytes());
    pe.resize(0x40 + 24 + 112, 0);
    pe.extend(b".data\0\0\0");
    for word in [info.len() as u32, 0x1000, info.len() as u32, 0x200] {
        pe.extend(word.to_le_bytes());
    }
    pe.resize(pe.len() + 12, 0);
    pe.extend(0xc000_0040u32.to_le_bytes());
    pe.resize(0x200, 0);
    pe.extend(&info);
    assert_eq!(purls(&pe), OF_GO);
    // Mach-O: one segment with one section; then twice in one file.
    let mut macho = vec![0xcf, 0xfa, 0xed, 0xfe];
    macho.resize(16, 0);
    macho.extend(1u32.to_le_bytes());
    macho.resize(32, 0);
    macho.extend(0x19u32.to_le_bytes());
    macho.extend(152u32.to_le_bytes());
    macho.extend(b"__DATA");
    macho.resize(32 + 64, 0);
    macho.extend(1u32.to_le_bytes());
    macho.resize(32 + 72, 0);
    macho.extend(b"__go_buildinfo");
    macho.resize(32 + 72 + 32, 0);
    macho.extend(0x4000u64.to_le_bytes());
    macho.extend((info.len() as u64).to_le_bytes());
    macho.extend(0x100u32.to_le_bytes());
    macho.resize(0x100, 0);
    macho.extend(&info);
    assert_eq!(purls(&macho), OF_GO);
    let mut fat = vec![0xca, 0xfe, 0xba, 0xbe];
    fat.extend(1u32.to_be_bytes());
    for word in [7, 3, 64, macho.len() as u32, 0] {
        fat.extend(word.to_be_bytes());
    }
    fat.resize(64, 0);
    fat.extend(&macho);
    assert!(is_program(&fat));
    assert_eq!(purls(&fat), OF_GO);
    assert!(!is_program(&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52]), "a class file");
}

#[test]
fn a_program_without_a_record_says_nothing_and_a_cut_one_is_a_fault() {
    assert_eq!(read(&elf(&[(".text", b"code")])).unwrap().len(), 0);
    let whole = elf(&[(".go.buildinfo", &buildinfo())]);
    for cut in [5, 60, 200, whole.len() - 40] {
        assert!(read(&whole[..cut]).is_err(), "{cut}");
    }
}

proptest::proptest! {
    #[test]
    fn damaged_programs_never_panic(at in 0usize..1024, byte in proptest::prelude::any::<u8>(), cut in 0usize..1024) {
        let mut bytes = elf(&[(".go.buildinfo", &buildinfo()), (".dep-v0", &packed(TREE))]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 3));
        let _ = read(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600), which in 0usize..4) {
        let head: &[u8] = [b"\x7fELF\x02\x01".as_slice(), b"MZ", &[0xcf, 0xfa, 0xed, 0xfe], &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2]][which];
        let _ = read(&[head, &bytes].concat());
    }
}
