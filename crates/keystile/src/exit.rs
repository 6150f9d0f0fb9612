//! Exit statuses, the same for every command.

use std::fmt;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Complete and clean: 0.
    Clean,
    /// Findings or violations: 1, or what `--exit-code` says.
    Findings(u8),
    /// Usage or configuration error, nothing done: 2.
    Usage,
    /// Something in scope could not be read or decided: 3.
    Incomplete,
    /// Ended by a signal, after what was under way: 128 and its number.
    Interrupted(u8),
}

impl Exit {
    /// The status as the shell sees it.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings(code) | Self::Interrupted(code) => code,
            Self::Usage => 2,
            Self::Incomplete => 3,
        }
    }

    /// With this status, one of 0 to 3.
    #[must_use]
    pub const fn of_status(status: u8) -> Self {
        match status {
            0 => Self::Clean,
            1 => Self::Findings(1),
            2 => Self::Usage,
            _ => Self::Incomplete,
        }
    }

    /// Of a scan: findings beside gaps are findings, gaps alone are never clean.
    #[must_use]
    pub fn of_scan(has_findings: bool, is_complete: bool, findings_code: u8) -> Self {
        match (has_findings, is_complete) {
            (true, _) => Self::Findings(findings_code),
            (false, true) => Self::Clean,
            (false, false) => Self::Incomplete,
        }
    }
}

/// The command can't be carried out as given, or the configuration can't be read; nothing was done.
#[derive(Debug)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Something that the command needs could not be had now (a network, a busy server); nothing was done: 3.
#[derive(Debug)]
pub struct IncompleteError(pub String);

impl fmt::Display for IncompleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IncompleteError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beside_gaps_are_findings_and_gaps_alone_are_incomplete() {
        assert_eq!(Exit::of_scan(true, false, 1).code(), 1);
        assert_eq!(Exit::of_scan(true, true, 9).code(), 9);
        assert_eq!(Exit::of_scan(false, false, 1).code(), 3);
        assert_eq!(Exit::of_scan(false, true, 1).code(), 0);
    }
}
