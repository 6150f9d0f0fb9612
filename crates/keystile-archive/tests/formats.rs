//! What comes out of each format.

mod support;

use keystile_archive::{Format, Limits, SkipReason, detect};
use support::{expanded, gzip, gzip_named, tar, xz, zip, zip_with, zstd};

/// Text that compresses, but not to nothing.
fn text() -> Vec<u8> {
    (0..2000_u32)
        .flat_map(|line| format!("line {line} of {}\n", line.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

#[test]
fn formats_are_known_by_their_first_bytes() {
    let tar = tar(&[("a", b"b")]);
    let cases: [(&str, Vec<u8>, Option<Format>); 9] = [
        ("zip", zip(&[("a", b"b")]), Some(Format::Zip)),
        ("empty zip", zip(&[]), Some(Format::Zip)),
        ("tar", tar.clone(), Some(Format::Tar)),
        ("gzip", gzip(b"b"), Some(Format::Gzip)),
        ("xz", xz(b"b"), Some(Format::Xz)),
        ("zstd", zstd(b"b"), Some(Format::Zstd)),
        ("text", b"PK is short for Phil Katz".to_vec(), None),
        ("nothing", Vec::new(), None),
        ("part of a tar's header", tar[..300].to_vec(), None),
    ];
    for (name, content, format) in cases {
        assert_eq!(detect(&content), format, "{name}");
    }
}

#[test]
fn every_format_gives_what_was_put_in() {
    let text = text();
    let files: [(&str, &[u8]); 3] = [("a.txt", &text), ("dir/empty", b""), ("dir/b", b"short")];
    let as_files = ["a.txt", "dir/empty", "dir/b"];
    let tar_of_files = tar(&files);
    let cases = [
        ("zip, deflated", zip(&files), &as_files[..]),
        ("zip, stored", zip_with(&files, zip::CompressionMethod::Stored), &as_files),
        ("tar", tar_of_files.clone(), &as_files),
        ("tar.gz", gzip(&tar_of_files), &as_files),
        ("tar.xz", xz(&tar_of_files), &as_files),
        ("tar.zst", zstd(&tar_of_files), &as_files),
    ];
    for (name, content, paths) in cases {
        let found = expanded(&content, &Limits { depth: 1, ..Limits::default() });
        assert_eq!(found.skipped, [], "{name}");
        assert_eq!(found.paths(), paths, "{name}");
        assert_eq!(found.content("a.txt"), Some(&text[..]), "{name}");
        assert_eq!(found.content("dir/b"), Some(&b"short"[..]), "{name}");
    }
}

#[test]
fn compressed_files_have_one_entry_with_the_name_that_gzip_knows() {
    let text = text();
    for (name, content, path) in [
        ("gzip", gzip(&text), "content"),
        ("gzip with a name", gzip_named("notes.txt", &text), "notes.txt"),
        ("gzip with a path", gzip_named("../../etc/notes.txt", &text), "notes.txt"),
        ("gzip of two members", [gzip(&text[..100]), gzip(&text[100..])].concat(), "content"),
        ("gzip with padding", [gzip(&text), vec![0; 700]].concat(), "content"),
        ("xz", xz(&text), "content"),
        ("xz of two streams", [xz(&text[..100]), xz(&text[100..])].concat(), "content"),
        ("zstd", zstd(&text), "content"),
        ("zstd of two frames", [zstd(&text[..100]), zstd(&text[100..])].concat(), "content"),
        (
            "zstd with a skippable frame",
            [zstd(&text[..100]), b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec(), zstd(&text[100..])].concat(),
            "content",
        ),
    ] {
        let found = expanded(&content, &Limits::default());
        assert_eq!(found.skipped, [], "{name}");
        assert_eq!(found.paths(), [path], "{name}");
        assert_eq!(found.content(path), Some(&text[..]), "{name}");
    }
}

#[test]
fn nested_archives_are_handed_out_and_opened_down_to_the_depth() {
    let innermost = zip(&[("secret", b"found")]);
    let middle = gzip(&tar(&[("c.zip", &innermost), ("note", b"text")]));
    let outer = zip(&[("b.tar.gz", &middle)]);
    let at_depth = |depth| expanded(&outer, &Limits { depth, ..Limits::default() });

    assert_eq!(at_depth(0).paths(), [""; 0]);
    assert_eq!(at_depth(0).skipped, []);

    assert_eq!(at_depth(1).paths(), ["b.tar.gz"]);
    assert_eq!(at_depth(1).reasons(), [("b.tar.gz", SkipReason::TooDeep)]);

    assert_eq!(at_depth(2).paths(), ["b.tar.gz", "b.tar.gz!c.zip", "b.tar.gz!note"]);
    assert_eq!(at_depth(2).reasons(), [("b.tar.gz!c.zip", SkipReason::TooDeep)]);

    let all = at_depth(3);
    assert_eq!(all.paths(), ["b.tar.gz", "b.tar.gz!c.zip", "b.tar.gz!c.zip!secret", "b.tar.gz!note"]);
    assert_eq!(all.content("b.tar.gz!c.zip"), Some(&innermost[..]));
    assert_eq!(all.content("b.tar.gz!c.zip!secret"), Some(&b"found"[..]));
    assert_eq!(all.skipped, []);
}

#[test]
fn names_are_bytes_and_nothing_else() {
    let mut content = tar(&[("name", b"x")]);
    // Written by hand, since writers refuse such names.
    for name in ["../../etc/passwd", "/etc/passwd", "C:\\x", "a\nb"] {
        content[..100].fill(0);
        content[..name.len()].copy_from_slice(name.as_bytes());
        seal(&mut content);
        assert_eq!(expanded(&content, &Limits::default()).paths(), [name]);
    }
    content[..4].copy_from_slice(b"\xff\xfe\0\0");
    seal(&mut content);
    let found = expanded(&content, &Limits::default());
    assert_eq!(found.entries[0].0, &b"\xff\xfe"[..]);
}

#[test]
fn long_names_of_gnu_and_pax_are_read() {
    let long = "directory/".repeat(30) + "file";
    assert_eq!(expanded(&tar(&[(&long, b"x")]), &Limits::default()).paths(), [&long]);

    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("path", long.as_bytes())]).expect("in memory");
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    builder.append_data(&mut header, "short", &b"x"[..]).expect("in memory");
    let content = builder.into_inner().expect("in memory");
    assert_eq!(expanded(&content, &Limits::default()).paths(), [&long]);
}

#[test]
fn sparse_files_are_named() {
    let mut content = tar(&[("image", b"x"), ("other", b"y")]);
    content[156] = b'S';
    // One piece of one byte at offset 0; the real size is one byte.
    content[386..398].copy_from_slice(b"00000000000\0");
    content[398..410].copy_from_slice(b"00000000001\0");
    content[483..495].copy_from_slice(b"00000000001\0");
    seal(&mut content);
    let found = expanded(&content, &Limits::default());
    assert_eq!(found.reasons(), [("image", SkipReason::Unsupported)]);
    assert_eq!(found.paths(), ["other"]);
}

#[test]
fn links_and_directories_have_no_content() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", "/etc/passwd").expect("in memory");
    header.set_entry_type(tar::EntryType::Directory);
    builder.append_data(&mut header, "dir", &b""[..]).expect("in memory");
    let found = expanded(&builder.into_inner().expect("in memory"), &Limits::default());
    assert_eq!((found.paths(), found.reasons()), (vec![], vec![]));
}

#[test]
fn members_of_one_name_are_all_handed_out() {
    let mut content = zip(&[("config-a", b"first"), ("config-b", b"second")]);
    for at in 0..content.len() - 8 {
        if &content[at..at + 8] == b"config-b" {
            content[at + 7] = b'a';
        }
    }
    let found = expanded(&content, &Limits::default());
    assert_eq!(found.paths(), ["config-a", "config-a"]);
    assert_eq!(found.entries[1].1, b"second");
}

#[test]
fn members_that_no_directory_lists_are_handed_out() {
    let hidden = zip(&[("hidden", &text())]);
    let listed = zip(&[("listed", b"x")]);
    let found = expanded(&[hidden, listed].concat(), &Limits::default());
    assert_eq!(found.paths(), ["listed", "hidden"]);
    assert_eq!(found.content("hidden"), Some(&text()[..]));
    assert_eq!(found.skipped, []);
}

#[test]
fn a_zip_behind_a_comment_or_with_one_is_read() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.set_raw_comment((*b"a comment with PK\x05\x06 in it, which is no directory's end").into()).expect("short");
    writer.start_file("a", zip::write::SimpleFileOptions::default()).expect("in memory");
    let content = writer.finish().expect("in memory").into_inner();
    let found = expanded(&content, &Limits::default());
    assert_eq!((found.paths(), found.reasons()), (vec!["a"], vec![]));
}

#[test]
fn a_zip_behind_a_program_is_read() {
    let content = [b"#!/usr/bin/env python3\n".to_vec(), zip(&[("__main__.py", &text())])].concat();
    let found = expanded(&content, &Limits::default());
    assert_eq!((found.paths(), found.reasons()), (vec!["__main__.py"], vec![]));
    assert_eq!(found.content("__main__.py"), Some(&text()[..]));
}

#[test]
fn zip64_and_data_descriptors_are_read() {
    use std::io::Write as _;
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    let mut streamed = zip::ZipWriter::new_stream(Vec::new());
    for name in ["a", "b"] {
        streamed.start_file(name, options).expect("in memory");
        streamed.write_all(&text()).expect("in memory");
    }
    let content = streamed.finish().expect("in memory").into_inner();
    let flags = u16::from_le_bytes([content[6], content[7]]);
    assert_eq!(flags & 8, 8, "the writer uses data descriptors");
    let found = expanded(&content, &Limits::default());
    assert_eq!((found.paths(), found.reasons()), (vec!["a", "b"], vec![]));
    // The same without its directory.
    let directory = content.windows(4).position(|window| window == b"PK\x01\x02").expect("a directory");
    let found = expanded(&content[..directory], &Limits::default());
    assert_eq!(found.paths(), ["a", "b"]);
    assert_eq!(found.content("b"), Some(&text()[..]));
    assert_eq!(found.reasons(), [("", SkipReason::Corrupt)]);
}

#[test]
fn encrypted_and_unknown_members_are_named() {
    let mut content = zip(&[("locked", &text()), ("open", b"x"), ("odd", b"y")]);
    let mut patch = |name: &[u8], flags: u8, method: Option<u8>| {
        for at in 0..content.len() - 50 {
            let header = match &content[at..at + 4] {
                b"PK\x03\x04" => (30, 6),
                b"PK\x01\x02" => (46, 8),
                _ => continue,
            };
            if content[at + header.0..].starts_with(name) {
                content[at + header.1] |= flags;
                content[at + header.1 + 2] = method.unwrap_or(content[at + header.1 + 2]);
            }
        }
    };
    patch(b"locked", 1, None);
    patch(b"odd", 0, Some(14));
    let found = expanded(&content, &Limits::default());
    assert_eq!(found.paths(), ["open"]);
    assert_eq!(found.reasons(), [("locked", SkipReason::Encrypted), ("odd", SkipReason::Unsupported)]);
}

/// Sets the checksum of a tar's first header.
fn seal(content: &mut [u8]) {
    content[148..156].fill(b' ');
    let sum: u32 = content[..512].iter().map(|byte| u32::from(*byte)).sum();
    content[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
