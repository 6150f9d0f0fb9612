//! Archives to test with, made by other people's writers, and what comes out of them.
#![allow(dead_code, reason = "not every test needs everything")]

use std::io::{Cursor, Write as _};

use bstr::{BStr, BString, ByteSlice as _};
use keystile_archive::{Limits, SkipReason, Skipped, expand};
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Everything that came out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) entries: Vec<(BString, Vec<u8>)>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Expanded {
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.entries.iter().map(|(path, _)| path.to_str().expect("a test's paths are UTF-8")).collect()
    }

    pub(crate) fn content(&self, path: &str) -> Option<&[u8]> {
        self.entries.iter().find(|(known, _)| known == path).map(|(_, bytes)| &bytes[..])
    }

    pub(crate) fn reasons(&self) -> Vec<(&str, SkipReason)> {
        self.skipped.iter().map(|skipped| (skipped.path.to_str().expect("UTF-8"), skipped.reason.clone())).collect()
    }
}

pub(crate) fn expanded(content: &[u8], limits: &Limits) -> Expanded {
    let mut entries = Vec::new();
    let skipped = expand(content, limits, &mut |path: &BStr, bytes: &[u8]| {
        entries.push((path.to_owned(), bytes.to_vec()));
    });
    Expanded { entries, skipped }
}

pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(files, CompressionMethod::Deflated)
}

pub(crate) fn zip_with(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).expect("in memory");
        writer.write_all(content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn gzip_named(name: &str, content: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::GzBuilder::new().filename(name).extra("more").write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn xz(content: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::default()).expect("in memory");
    writer.write_all(content).expect("in memory");
    writer.finish().expect("in memory")
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}
