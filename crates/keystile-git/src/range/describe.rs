//! Stand-in until the graph lands.
use crate::object::ObjectId;
use keystile_scan::CommitInfo;
pub(super) fn message(data: &[u8]) -> &[u8] {
    use bstr::ByteSlice as _;
    data.find(b"\n\n").map_or(b"", |end| &data[end + 2..])
}
pub(super) fn commit_info(id: &ObjectId, data: &[u8]) -> CommitInfo {
    CommitInfo {
        id: id.to_string(),
        author_name: String::new(),
        author_email: String::new(),
        author_seconds: 0,
        author_offset_minutes: 0,
        message: String::from_utf8_lossy(message(data)).into_owned(),
    }
}
