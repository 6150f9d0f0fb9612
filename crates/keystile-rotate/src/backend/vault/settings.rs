//! Where Vault is, and how one logs in: the variables of Vault's own command line, and what CI needs beyond them.

use std::fmt;
use std::path::PathBuf;

use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;

/// How to reach Vault. [`from_variables`](Self::from_variables) reads the environment; the command line's flags go
/// into the fields.
#[derive(Debug, Clone)]
pub struct VaultSettings {
    /// `VAULT_ADDR`: `https://HOST[:PORT]`; plain `http://` for this machine only.
    pub address: String,
    /// `VAULT_NAMESPACE`; `None` = the root namespace.
    pub namespace: Option<String>,
    /// `VAULT_CACERT`: a file with the authorities to trust, in PEM form; `None` = the system's.
    pub authorities: Option<PathBuf>,
    /// How to log in.
    pub login: VaultLogin,
    /// Mounts of KV version 2.
    pub kv_mounts: Vec<String>,
    /// Mounts of the database engine.
    pub database_mounts: Vec<String>,
}

/// How to log in. Tokens that a login gave are revoked when the connection ends; others are left alone.
#[derive(Clone)]
pub enum VaultLogin {
    /// A token: `VAULT_TOKEN`.
    Token(SecretBytes),
    /// A file with a token: what `vault login` or Vault Agent leaves behind. Read again for each login.
    TokenFile(PathBuf),
    /// A signed statement of who one is, for the methods `kubernetes` (a service account's token) and `jwt` (the
    /// identity token of GitLab's or GitHub's CI).
    Jwt {
        /// Where the method is mounted: `kubernetes`, `jwt`.
        mount: String,
        /// The role to ask for.
        role: String,
        /// The file with the token, which is read for each login: Kubernetes replaces it every hour.
        file: PathBuf,
    },
    /// AppRole.
    AppRole {
        /// Where the method is mounted: `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The secret id; `None` where the role needs none.
        secret_id: Option<SecretBytes>,
    },
}

impl fmt::Debug for VaultLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token"),
            Self::TokenFile(file) => write!(f, "TokenFile({})", file.display()),
            Self::Jwt { mount, role, .. } => write!(f, "Jwt({mount}, {role})"),
            Self::AppRole { mount, .. } => write!(f, "AppRole({mount})"),
        }
    }
}

/// Where Kubernetes puts a pod's token (Kubernetes documentation, "Accessing the API from a Pod").
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl VaultSettings {
    /// Reads the environment through `variable`, which gives `None` for a variable that is not set.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `VAULT_ADDR` | the address; must be set |
    /// | `VAULT_NAMESPACE` | the namespace |
    /// | `VAULT_CACERT` | authorities to trust |
    /// | `VAULT_TOKEN` | a token |
    /// | `KEYSTILE_VAULT_AUTH` | `kubernetes`, `jwt` or `approle` instead of a token, optionally `METHOD:MOUNT` |
    /// | `KEYSTILE_VAULT_ROLE` | the role, for `kubernetes` and `jwt` |
    /// | `KEYSTILE_VAULT_JWT_FILE` | the file with the token for these; `kubernetes` has a usual place |
    /// | `KEYSTILE_VAULT_ROLE_ID`, `KEYSTILE_VAULT_SECRET_ID` | for `approle` |
    /// | `KEYSTILE_VAULT_KV_MOUNTS` | mounts of KV version 2, with commas between; `secret` |
    /// | `KEYSTILE_VAULT_DATABASE_MOUNTS` | mounts of the database engine; `database` |
    /// | `HOME` | without any of these, the token is read from `~/.vault-token` |
    ///
    /// # Errors
    /// One that is needed is missing, or asks for what is not done (`VAULT_SKIP_VERIFY`).
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, CallError> {
        let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let need = |name: &str, why: &str| {
            get(name).ok_or_else(|| CallError::new(CallErrorKind::Misconfigured, name, format!("is not set; {why}")))
        };
        // As Go's strconv.ParseBool, which Vault's command line uses, reads it.
        if get("VAULT_SKIP_VERIFY").is_some_and(|value| ["1", "t", "true"].contains(&value.to_lowercase().as_str())) {
            let why = "asks for connections that anyone could answer; give the authority in VAULT_CACERT instead";
            return Err(CallError::new(CallErrorKind::Misconfigured, "VAULT_SKIP_VERIFY", why));
        }
        let address = need("VAULT_ADDR", "write https://HOST[:PORT] of Vault")?;
        let mounts = |name: &str, usual: &str| {
            let list = get(name).unwrap_or_else(|| usual.to_owned());
            let mounts = list.split(',').map(|mount| mount.trim().trim_matches('/').to_owned());
            mounts.filter(|mount| !mount.is_empty()).collect::<Vec<_>>()
        };
        let method = get("KEYSTILE_VAULT_AUTH").unwrap_or_default();
        let (method, mount) = method.split_once(':').unwrap_or((&method, &method));
        let mount = mount.trim_matches('/').to_owned();
        let login = match method {
            "" => Self::token(&get)?,
            "kubernetes" => VaultLogin::Jwt {
                mount,
                role: need("KEYSTILE_VAULT_ROLE", "write the role to log in as")?,
                file: get("KEYSTILE_VAULT_JWT_FILE").unwrap_or_else(|| SERVICE_ACCOUNT_TOKEN.to_owned()).into(),
            },
            "jwt" => VaultLogin::Jwt {
                mount,
                role: need("KEYSTILE_VAULT_ROLE", "write the role to log in as")?,
                file: need("KEYSTILE_VAULT_JWT_FILE", "write the file with the identity token")?.into(),
            },
            "approle" => VaultLogin::AppRole {
                mount,
                role_id: need("KEYSTILE_VAULT_ROLE_ID", "write the role's id")?,
                secret_id: get("KEYSTILE_VAULT_SECRET_ID").map(|id| SecretBytes::new(id.as_bytes())),
            },
            _ => {
                let why = format!("{method} is not known; there are kubernetes, jwt and approle");
                return Err(CallError::new(CallErrorKind::Misconfigured, "KEYSTILE_VAULT_AUTH", why));
            }
        };
        Ok(Self {
            address,
            namespace: get("VAULT_NAMESPACE").map(|name| name.trim_matches('/').to_owned()).filter(|n| !n.is_empty()),
            authorities: get("VAULT_CACERT").map(PathBuf::from),
            login,
            kv_mounts: mounts("KEYSTILE_VAULT_KV_MOUNTS", "secret"),
            database_mounts: mounts("KEYSTILE_VAULT_DATABASE_MOUNTS", "database"),
        })
    }

    fn token(get: &dyn Fn(&str) -> Option<String>) -> Result<VaultLogin, CallError> {
        if let Some(token) = get("VAULT_TOKEN") {
            return Ok(VaultLogin::Token(SecretBytes::new(token.as_bytes())));
        }
        let home = get("HOME").map(|home| PathBuf::from(home).join(".vault-token"));
        home.filter(|file| file.exists()).map(VaultLogin::TokenFile).ok_or_else(|| {
            let why = "no token: set VAULT_TOKEN, log in with `vault login`, or set KEYSTILE_VAULT_AUTH";
            CallError::new(CallErrorKind::NoCredentials, "VAULT_TOKEN", why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<VaultSettings, CallError> {
        VaultSettings::from_variables(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_way_to_log_in_is_read() {
        let with = |more: &[(&str, &str)]| settings(&[&[("VAULT_ADDR", "https://vault.example.com")], more].concat());
        for (name, variables, expected) in [
            ("token", &[("VAULT_TOKEN", " t ")][..], "Token"),
            (
                "kubernetes",
                &[("KEYSTILE_VAULT_AUTH", "kubernetes"), ("KEYSTILE_VAULT_ROLE", "r")],
                "Jwt(kubernetes, r)",
            ),
            (
                "jwt at a mount of its own",
                &[
                    ("KEYSTILE_VAULT_AUTH", "jwt:/gitlab/"),
                    ("KEYSTILE_VAULT_ROLE", "r"),
                    ("KEYSTILE_VAULT_JWT_FILE", "token"),
                ],
                "Jwt(gitlab, r)",
            ),
            ("approle", &[("KEYSTILE_VAULT_AUTH", "approle"), ("KEYSTILE_VAULT_ROLE_ID", "x")], "AppRole(approle)"),
        ] {
            assert_eq!(format!("{:?}", with(variables).expect(name).login), expected, "{name}");
        }
        let read =
            with(&[("VAULT_TOKEN", "t"), ("VAULT_NAMESPACE", "team/"), ("KEYSTILE_VAULT_KV_MOUNTS", "/kv/, x/y")]);
        let read = read.expect("settings");
        assert_eq!((read.namespace.as_deref(), &read.kv_mounts[..]), (Some("team"), &["kv".into(), "x/y".into()][..]));
        assert_eq!(read.database_mounts, ["database"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        const ADDRESS: (&str, &str) = ("VAULT_ADDR", "https://vault.example.com");
        for (variables, named) in [
            (&[("VAULT_TOKEN", "t")][..], "VAULT_ADDR: is not set"),
            (&[ADDRESS], "VAULT_TOKEN: no token"),
            (&[("VAULT_SKIP_VERIFY", "true")], "VAULT_SKIP_VERIFY"),
            (
                &[ADDRESS, ("KEYSTILE_VAULT_AUTH", "jwt"), ("KEYSTILE_VAULT_ROLE", "r")],
                "KEYSTILE_VAULT_JWT_FILE: is not set",
            ),
            (&[ADDRESS, ("KEYSTILE_VAULT_AUTH", "kubernetes")], "KEYSTILE_VAULT_ROLE: is not set"),
            (&[ADDRESS, ("KEYSTILE_VAULT_AUTH", "ldap")], "ldap is not known"),
        ] {
            let error = settings(variables).expect_err(named).to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
