//! What is known of a credential after its issuer was asked.

/// Whether a credential works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// The issuer accepted it.
    Live,
    /// The issuer does not (or no longer) know it.
    Dead,
    /// Neither was said.
    Unknown,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Dead, Self::Unknown];

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The issuer's answer is one that the rule describes.
    Answered,
    /// The rule describes no check.
    NoCheck,
    /// The other half of the credential is not in the same file.
    NoPair,
    /// A temporary credential, whose session token is not known.
    Temporary,
    /// The value can't stand in a request.
    Unsendable,
    /// The check comes from a configuration, and the command line does not allow its host.
    HostNotAllowed,
    /// The host's address is private, or plain HTTP would leave this machine.
    AddressRefused,
    /// The host's name could not be resolved.
    Unresolved,
    /// No connection, or it broke.
    Unreachable,
    /// TLS could not be agreed on.
    Tls,
    /// No answer in time.
    Slow,
    /// The issuer asked to be left alone.
    Throttled,
    /// The answer is a redirect, which is not followed.
    Redirected,
    /// The issuer failed (5xx).
    ServerFailed,
    /// The answer is larger than one that is read.
    TooLarge,
    /// The answer is none that the rule describes, or fits both of its kinds.
    NotRecognised,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Answered,
        Self::NoCheck,
        Self::NoPair,
        Self::Temporary,
        Self::Unsendable,
        Self::HostNotAllowed,
        Self::AddressRefused,
        Self::Unresolved,
        Self::Unreachable,
        Self::Tls,
        Self::Slow,
        Self::Throttled,
        Self::Redirected,
        Self::ServerFailed,
        Self::TooLarge,
        Self::NotRecognised,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoCheck => "no_check",
            Self::NoPair => "no_pair",
            Self::Temporary => "temporary",
            Self::Unsendable => "unsendable",
            Self::HostNotAllowed => "host_not_allowed",
            Self::AddressRefused => "address_refused",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Slow => "slow",
            Self::Throttled => "throttled",
            Self::Redirected => "redirected",
            Self::ServerFailed => "server_failed",
            Self::TooLarge => "too_large",
            Self::NotRecognised => "not_recognised",
        }
    }

    /// For people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Answered => "the issuer's answer says so",
            Self::NoCheck => "its rule describes no check",
            Self::NoPair => "the other half of the credential is not in the same file",
            Self::Temporary => "it is temporary, and can't be checked without its session token",
            Self::Unsendable => "the value can't stand in a request",
            Self::HostNotAllowed => "the configuration's check needs its host allowed with --verify-host",
            Self::AddressRefused => "the host has a private address (--verify-allow-private)",
            Self::Unresolved => "the host's name could not be resolved",
            Self::Unreachable => "the connection failed",
            Self::Tls => "TLS could not be agreed on",
            Self::Slow => "no answer in time",
            Self::Throttled => "the issuer asks for fewer requests; try again later",
            Self::Redirected => "the answer is a redirect, which is not followed",
            Self::ServerFailed => "the issuer failed",
            Self::TooLarge => "the answer is too large",
            Self::NotRecognised => "the answer is none that the rule knows",
        }
    }

    /// Whether another run, or other options, could know more: the credential has a check that got no answer.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Answered | Self::NoCheck | Self::NoPair | Self::Temporary | Self::Unsendable)
    }
}

/// What is known of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it works.
    pub state: State,
    /// Why that is known, or is not.
    pub reason: Reason,
    /// The host that was asked, or would have been.
    pub host: Option<String>,
}

impl Verdict {
    /// Unknown, for `reason`.
    #[must_use]
    pub fn unknown(reason: Reason, host: Option<&str>) -> Self {
        Self { state: State::Unknown, reason, host: host.map(str::to_owned) }
    }
}
