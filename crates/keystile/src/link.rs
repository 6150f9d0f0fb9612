//! Links to a line of a commit on the site that hosts a repository.
//!
//! A remote's URL says where people see the repository; the site's own scheme of addresses says how
//! a line is named there. Credentials in a remote's URL are dropped, and a remote that is no web site
//! (a path, an unknown host) gives no link rather than a wrong one.

use std::fmt::Write as _;

use bstr::BStr;

/// A site's scheme of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Platform {
    /// GitHub and GitHub Enterprise Server.
    #[value(name = "github")]
    GitHub,
    /// GitLab.
    #[value(name = "gitlab")]
    GitLab,
    /// Bitbucket Cloud (Bitbucket Server names lines differently).
    Bitbucket,
    /// Azure DevOps.
    #[value(name = "azuredevops", alias = "azure-devops")]
    AzureDevOps,
    /// Gitea and Forgejo (Codeberg).
    #[value(alias = "forgejo")]
    Gitea,
}

/// A hosted repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    platform: Platform,
    base: String,
}

/// The parts of a remote's URL that matter.
struct Address<'a> {
    scheme: &'a str,
    host: String,
    port: Option<&'a str>,
    path: &'a str,
}

impl Remote {
    /// The site behind a remote's `url`: `https://host/owner/name.git`, `ssh://git@host:22/owner/name`,
    /// `git@host:owner/name.git`. `platform` is for hosts whose name does not tell.
    #[must_use]
    pub fn parse(url: &str, platform: Option<Platform>) -> Option<Self> {
        let address = split(url.trim())?;
        let platform = platform.or_else(|| guess(&address.host))?;
        let path = address.path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if path.is_empty() {
            return None;
        }
        if platform == Platform::AzureDevOps {
            return azure(&address, path).map(|base| Self { platform, base });
        }
        // The web site of a host that is reached by SSH or git is at the usual port.
        let web = match (address.scheme, address.port) {
            ("http" | "https", Some(port)) => format!("{}://{}:{port}", address.scheme, address.host),
            ("http", None) => format!("http://{}", address.host),
            _ => format!("https://{}", address.host),
        };
        Some(Self { platform, base: format!("{web}/{}", encode_url_path(path)) })
    }

    /// Which scheme of addresses it has.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The repository's page, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The page of a commit.
    #[must_use]
    pub fn commit(&self, commit: &str) -> String {
        let base = &self.base;
        match self.platform {
            Platform::GitLab => format!("{base}/-/commit/{commit}"),
            Platform::Bitbucket => format!("{base}/commits/{commit}"),
            Platform::GitHub | Platform::AzureDevOps | Platform::Gitea => format!("{base}/commit/{commit}"),
        }
    }

    /// Lines `start` to `end` (from 1; 0: no line) of the file at `path` in `commit`. For an entry of
    /// an archive it is the archive.
    #[must_use]
    pub fn lines(&self, commit: &str, path: &BStr, start: u32, end: u32) -> String {
        let (path, is_inside) = outer(path);
        let encoded = encode(path, true);
        let base = &self.base;
        let (start, end) = if is_inside { (0, 0) } else { (start, end.max(start)) };
        // Rendered by default, and then without lines.
        let is_rendered = {
            let lower = path.to_ascii_lowercase();
            [&b".md"[..], b".markdown", b".ipynb", b".rst", b".adoc", b".svg"].iter().any(|end| lower.ends_with(end))
        };
        let mut link = match self.platform {
            Platform::GitHub => format!("{base}/blob/{commit}/{encoded}"),
            Platform::GitLab => format!("{base}/-/blob/{commit}/{encoded}"),
            Platform::Bitbucket => format!("{base}/src/{commit}/{encoded}"),
            Platform::Gitea => format!("{base}/src/commit/{commit}/{encoded}"),
            Platform::AzureDevOps => format!("{base}?path=/{}&version=GC{commit}", encode(path, false)),
        };
        if is_rendered && !is_inside {
            link.push_str(match self.platform {
                Platform::GitHub | Platform::GitLab => "?plain=1",
                Platform::Gitea => "?display=source",
                Platform::Bitbucket | Platform::AzureDevOps => "",
            });
        }
        if start > 0 {
            let (first, to) = match self.platform {
                Platform::GitHub | Platform::Gitea => ("#L", "-L"),
                Platform::GitLab => ("#L", "-"),
                Platform::Bitbucket => ("#lines-", ":"),
                Platform::AzureDevOps => {
                    // The end is the start of the line behind the last one.
                    let behind = end.saturating_add(1);
                    let _ =
                        write!(link, "&line={start}&lineEnd={behind}&lineStartColumn=1&lineEndColumn=1&_a=contents");
                    return link;
                }
            };
            let _ = write!(link, "{first}{start}");
            if end > start {
                let _ = write!(link, "{to}{end}");
            }
        }
        link
    }
}

fn split(url: &str) -> Option<Address<'_>> {
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (scheme, authority, path.split(['?', '#']).next().unwrap_or_default())
        }
        // `user@host:path` as git reads it; a drive letter or a path with a colon in it is a path.
        None => {
            let (authority, path) = url.split_once(':')?;
            if authority.contains(['/', '\\']) || authority.len() < 2 || path.starts_with('\\') {
                return None;
            }
            ("ssh", authority, path)
        }
    };
    if !matches!(scheme, "http" | "https" | "ssh" | "git" | "git+ssh" | "ssh+git") {
        return None;
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (host, None),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    if host.is_empty() || !host.bytes().all(is_name) {
        return None;
    }
    Some(Address { scheme, host: host.to_ascii_lowercase(), port, path })
}

fn guess(host: &str) -> Option<Platform> {
    let is = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if is("dev.azure.com") || is("visualstudio.com") {
        return Some(Platform::AzureDevOps);
    }
    if is("bitbucket.org") {
        return Some(Platform::Bitbucket);
    }
    if is("codeberg.org") {
        return Some(Platform::Gitea);
    }
    // `gitlab.example.org`, `code.forgejo.org`: a label that is the name says so.
    host.split('.').find_map(|label| match label {
        "github" => Some(Platform::GitHub),
        "gitlab" => Some(Platform::GitLab),
        "gitea" | "forgejo" => Some(Platform::Gitea),
        _ => None,
    })
}

/// `https://dev.azure.com/ORGANISATION/PROJECT/_git/REPOSITORY`, which has a different path by SSH:
/// `git@ssh.dev.azure.com:v3/ORGANISATION/PROJECT/REPOSITORY`.
fn azure(address: &Address<'_>, path: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("v3/") {
        let mut parts = path.splitn(3, '/').map(encode_url_path);
        let (organisation, project, repository) = (parts.next()?, parts.next()?, parts.next()?);
        return Some(if address.host == "vs-ssh.visualstudio.com" {
            format!("https://{organisation}.visualstudio.com/{project}/_git/{repository}")
        } else {
            format!("https://dev.azure.com/{organisation}/{project}/_git/{repository}")
        });
    }
    Some(format!("https://{}/{}", address.host, encode_url_path(path)))
}

/// The path of the file that git knows, and whether `path` is an entry of an archive in it
/// (`outer.zip!inner/name`).
fn outer(path: &BStr) -> (&[u8], bool) {
    const ARCHIVES: [&[u8]; 13] = [
        b".zip", b".jar", b".war", b".ear", b".whl", b".apk", b".tar", b".gz", b".tgz", b".xz", b".txz", b".zst",
        b".tzst",
    ];
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'!') {
        let before = path[..at].to_ascii_lowercase();
        if ARCHIVES.iter().any(|end| before.ends_with(end)) {
            return (&path[..at], true);
        }
    }
    (path, false)
}

/// `path` of a URL that may be encoded already.
fn encode_url_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte == b'%' { encoded.push('%') } else { push_encoded(&mut encoded, byte, true) }
    }
    encoded
}

/// Percent-encodes the bytes of a path (RFC 3986): all but unreserved characters and, if
/// `keep_slash`, `/`. Bytes that are not UTF-8 come out as they are, encoded.
#[must_use]
pub fn encode(path: &[u8], keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(path.len());
    for &byte in path {
        push_encoded(&mut encoded, byte, keep_slash);
    }
    encoded
}

fn push_encoded(encoded: &mut String, byte: u8, keep_slash: bool) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
        encoded.push(char::from(byte));
    } else {
        let _ = write!(encoded, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn remotes() {
        let cases = [
            ("https://github.com/o/r.git", Some("https://github.com/o/r")),
            ("https://github.com/o/r/", Some("https://github.com/o/r")),
            ("https://user:pass@github.com/o/r", Some("https://github.com/o/r")),
            ("https://token@GitHub.com/o/r?x=y#z", Some("https://github.com/o/r")),
            ("http://github.example.org:8080/o/r.git", Some("http://github.example.org:8080/o/r")),
            ("git@github.com:o/r.git", Some("https://github.com/o/r")),
            ("github.com:/o/r.git", Some("https://github.com/o/r")),
            ("ssh://git@gitlab.example.org:2222/group/sub/r.git", Some("https://gitlab.example.org/group/sub/r")),
            ("git://codeberg.org/o/r.git", Some("https://codeberg.org/o/r")),
            ("https://o@dev.azure.com/o/my%20project/_git/r", Some("https://dev.azure.com/o/my%20project/_git/r")),
            ("git@ssh.dev.azure.com:v3/o/p/r", Some("https://dev.azure.com/o/p/_git/r")),
            ("o@vs-ssh.visualstudio.com:v3/o/p/r", Some("https://o.visualstudio.com/p/_git/r")),
            ("https://bitbucket.org/o/r.git", Some("https://bitbucket.org/o/r")),
            ("https://example.org/o/r.git", None),
            ("https://notgithub.example.org/o/r", None),
            ("https://evil.org/github.com/o", None),
            ("https://github.com/", None),
            ("https://git hub.com/o/r", None),
            ("https://github.com\"><script>/o/r", None),
            ("file:///srv/github/r.git", None),
            ("/srv/r.git", None),
            ("../r", None),
            ("C:\\src\\r", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(Remote::parse(url, None).as_ref().map(Remote::url), expected, "{url}");
        }
        let named = Remote::parse("https://example.org/o/r", Some(Platform::GitLab)).expect("named");
        assert_eq!(named.lines(ID, "a".into(), 1, 1), format!("https://example.org/o/r/-/blob/{ID}/a#L1"));
    }

    #[test]
    fn lines() {
        let cases: [(&str, &[u8], u32, u32, &str); 14] = [
            ("https://github.com/o/r", b"src/a b#c?.rs", 12, 12, "/blob/ID/src/a%20b%23c%3F.rs#L12"),
            ("https://github.com/o/r", b"a.rs", 12, 14, "/blob/ID/a.rs#L12-L14"),
            ("https://github.com/o/r", b"README.MD", 3, 3, "/blob/ID/README.MD?plain=1#L3"),
            ("https://github.com/o/r", b"\xff\xc3\xa9%", 1, 1, "/blob/ID/%FF%C3%A9%25#L1"),
            ("https://github.com/o/r", b"a.zip!b/c.txt", 7, 7, "/blob/ID/a.zip"),
            ("https://github.com/o/r", b"hey!.txt", 7, 7, "/blob/ID/hey%21.txt#L7"),
            ("https://github.com/o/r", b"a", 0, 0, "/blob/ID/a"),
            ("https://gitlab.com/o/r", b"a.rs", 12, 14, "/-/blob/ID/a.rs#L12-14"),
            ("https://gitlab.com/o/r", b"a.md", 12, 12, "/-/blob/ID/a.md?plain=1#L12"),
            ("https://bitbucket.org/o/r", b"a.rs", 12, 14, "/src/ID/a.rs#lines-12:14"),
            ("https://bitbucket.org/o/r", b"a.rs", 12, 12, "/src/ID/a.rs#lines-12"),
            ("https://codeberg.org/o/r", b"a.md", 12, 14, "/src/commit/ID/a.md?display=source#L12-L14"),
            ("https://codeberg.org/o/r", b"a.rs", 1, 1, "/src/commit/ID/a.rs#L1"),
            (
                "https://dev.azure.com/o/p/_git/r",
                b"d/a&b.rs",
                3,
                4,
                "?path=/d%2Fa%26b.rs&version=GCID&line=3&lineEnd=5&lineStartColumn=1&lineEndColumn=1&_a=contents",
            ),
        ];
        for (base, path, start, end, expected) in cases {
            let remote = Remote::parse(base, None).expect(base);
            let expected = format!("{base}{}", expected.replace("ID", ID));
            assert_eq!(remote.lines(ID, path.into(), start, end), expected);
        }
    }

    #[test]
    fn commits() {
        for (base, expected) in [
            ("https://github.com/o/r", "https://github.com/o/r/commit/1"),
            ("https://gitlab.com/o/r", "https://gitlab.com/o/r/-/commit/1"),
            ("https://bitbucket.org/o/r", "https://bitbucket.org/o/r/commits/1"),
        ] {
            assert_eq!(Remote::parse(base, None).expect(base).commit("1"), expected);
        }
    }
}
