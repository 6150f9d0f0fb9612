//! The names of what coverage counts, the same in every format.

use keystile_git::{GapKind, SkipReason};

/// The stable name of a reason, and what people read.
pub(super) fn skip_reason(reason: SkipReason) -> (&'static str, &'static str) {
    match reason {
        SkipReason::Binary => ("binary", "binary (--skip-binary)"),
        SkipReason::Size => ("size", "larger than the limit"),
        SkipReason::AllowlistedPath => ("allowlisted_path", "at a path that the configuration allows"),
        SkipReason::IgnoredPath => ("ignored_path", "matched by an ignore file of git"),
        SkipReason::SpecialFile => ("special_file", "a pipe, socket or device"),
        SkipReason::SymbolicLink => ("symbolic_link", "a symbolic link"),
        SkipReason::NestedRepository => ("nested_repository", "a submodule or nested repository"),
        SkipReason::ArchiveEncrypted => ("archive_encrypted", "an encrypted entry of an archive"),
        SkipReason::ArchiveUnsupported => ("archive_unsupported", "an entry in an unsupported method"),
        SkipReason::ArchiveLimit => ("archive_limit", "an archive over the limits against bombs"),
        SkipReason::ArchiveDepth => ("archive_depth", "an archive nested too deep"),
        SkipReason::ArchiveCorrupt => ("archive_corrupt", "a broken archive"),
    }
}

/// The stable name of a kind of gap, and what people read.
pub(super) fn gap_kind(kind: GapKind) -> (&'static str, &'static str) {
    match kind {
        GapKind::ShallowBoundary => ("shallow_boundary", "shallow clone"),
        GapKind::PromisorObject => ("promisor_object", "not fetched (partial clone)"),
        GapKind::MissingObject => ("missing_object", "missing object"),
        GapKind::CorruptObject => ("corrupt_object", "corrupt object"),
        GapKind::CorruptPack => ("corrupt_pack", "corrupt pack"),
        GapKind::MissingAlternate => ("missing_alternate", "missing alternate"),
        GapKind::BrokenReference => ("broken_reference", "broken reference"),
        GapKind::CorruptIndex => ("corrupt_index", "corrupt index"),
        GapKind::UnreadableFile => ("unreadable_file", "unreadable file"),
        GapKind::Unsupported => ("unsupported", "not supported"),
    }
}

/// All reasons, for the schema.
pub(super) const SKIP_REASONS: [SkipReason; 12] = [
    SkipReason::Binary,
    SkipReason::Size,
    SkipReason::AllowlistedPath,
    SkipReason::IgnoredPath,
    SkipReason::SpecialFile,
    SkipReason::SymbolicLink,
    SkipReason::NestedRepository,
    SkipReason::ArchiveEncrypted,
    SkipReason::ArchiveUnsupported,
    SkipReason::ArchiveLimit,
    SkipReason::ArchiveDepth,
    SkipReason::ArchiveCorrupt,
];

/// All kinds of gaps, for the schema.
pub(super) const GAP_KINDS: [GapKind; 10] = [
    GapKind::ShallowBoundary,
    GapKind::PromisorObject,
    GapKind::MissingObject,
    GapKind::CorruptObject,
    GapKind::CorruptPack,
    GapKind::MissingAlternate,
    GapKind::BrokenReference,
    GapKind::CorruptIndex,
    GapKind::UnreadableFile,
    GapKind::Unsupported,
];
