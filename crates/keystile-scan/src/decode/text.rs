//! What counts as text when something decodes to it.

/// Whether `byte` is text for gitleaks: 0x09 (tab) to 0x7e (tilde).
pub(super) const fn is_ascii_text(byte: u8) -> bool {
    byte >= 0x09 && byte <= 0x7e
}
