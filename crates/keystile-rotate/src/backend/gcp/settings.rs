//! Which project, and how one logs in: the variables of Google's own tools.

use std::fmt;
use std::path::PathBuf;

use keystile_inventory::{CallError, CallErrorKind};
use keystile_scan::SecretBytes;
use serde::Deserialize;

/// How to reach Secret Manager. [`from_variables`](Self::from_variables) reads the environment; the command line's
/// flags go into the fields.
#[derive(Debug, Clone)]
pub struct GcpSettings {
    /// The project's id.
    pub project: String,
    /// The location of regional secrets; `None` = the global ones.
    pub location: Option<String>,
    /// Another address than Google's: of a private endpoint, or of a stand-in.
    pub endpoint: Option<String>,
    /// How to log in.
    pub login: GcpLogin,
}

/// How to log in.
#[derive(Clone)]
pub enum GcpLogin {
    /// An access token that someone else got: what CI's login step leaves behind. Lasts for an hour.
    Token(SecretBytes),
    /// A file of Application Default Credentials: a service account's key, or what `gcloud auth
    /// application-default login` writes.
    File(PathBuf),
    /// The service account of the machine or of the pod, from the metadata server.
    Metadata {
        /// Host and port of another metadata server: `GCE_METADATA_HOST`.
        host: Option<String>,
    },
}

impl fmt::Debug for GcpLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token"),
            Self::File(file) => write!(f, "File({})", file.display()),
            Self::Metadata { .. } => f.write_str("Metadata"),
        }
    }
}

impl GcpSettings {
    /// Reads the environment through `variable`, which gives `None` for a variable that is not set.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `GOOGLE_CLOUD_PROJECT`, `CLOUDSDK_CORE_PROJECT` | the project's id; else the one in the credentials' file |
    /// | `KEYSTILE_GCP_LOCATION` | the location of regional secrets |
    /// | `CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER` | another address |
    /// | `CLOUDSDK_AUTH_ACCESS_TOKEN`, `GOOGLE_OAUTH_ACCESS_TOKEN` | an access token |
    /// | `GOOGLE_APPLICATION_CREDENTIALS` | a file with credentials |
    /// | `CLOUDSDK_CONFIG`, `HOME` | without any of these: `application_default_credentials.json` in the folder of gcloud |
    /// | `GCE_METADATA_HOST` | without that: the metadata server, here at another address |
    ///
    /// # Errors
    /// No project is named anywhere.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, CallError> {
        let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let folder = get("CLOUDSDK_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| get("HOME").map(|home| PathBuf::from(home).join(".config/gcloud")));
        let usual = folder.map(|folder| folder.join("application_default_credentials.json"));
        let token = get("CLOUDSDK_AUTH_ACCESS_TOKEN").or_else(|| get("GOOGLE_OAUTH_ACCESS_TOKEN"));
        let file = get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        let file = file.or_else(|| usual.filter(|file| file.exists()));
        let of_file = || file.as_deref().and_then(project_of);
        let project = get("GOOGLE_CLOUD_PROJECT").or_else(|| get("CLOUDSDK_CORE_PROJECT")).or_else(of_file);
        let project = project.ok_or_else(|| {
            let why = "is not set; write the project's id";
            CallError::new(CallErrorKind::Misconfigured, "GOOGLE_CLOUD_PROJECT", why)
        })?;
        let login = match (token, file) {
            (Some(token), _) => GcpLogin::Token(SecretBytes::new(token.as_bytes())),
            (None, Some(file)) => GcpLogin::File(file),
            (None, None) => GcpLogin::Metadata { host: get("GCE_METADATA_HOST") },
        };
        Ok(Self {
            project,
            location: get("KEYSTILE_GCP_LOCATION"),
            endpoint: get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"),
            login,
        })
    }
}

/// The project that a file of credentials names. What can't be read is said when it is used to log in.
fn project_of(file: &std::path::Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Project {
        project_id: Option<String>,
        quota_project_id: Option<String>,
    }
    let content = zeroize::Zeroizing::new(std::fs::read(file).ok()?);
    let project: Project = serde_json::from_slice(&content).ok()?;
    project.project_id.or(project.quota_project_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_to_log_in_that_is_there_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("application_default_credentials.json");
        let home = folder.path().to_str().expect("a name in UTF-8");
        let settings = |variables: &[(&str, &str)]| {
            GcpSettings::from_variables(&|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let project = ("GOOGLE_CLOUD_PROJECT", "p-1");
        let gcloud = ("CLOUDSDK_CONFIG", home);
        let read = settings(&[project, gcloud]).expect("settings");
        assert_eq!((read.project.as_str(), format!("{:?}", read.login).as_str()), ("p-1", "Metadata"));
        let error = settings(&[gcloud]).expect_err("no project");
        assert_eq!(error.to_string(), "GOOGLE_CLOUD_PROJECT: is not set; write the project's id");

        std::fs::write(&file, r#"{"type": "authorized_user", "quota_project_id": "p-2"}"#).expect("written");
        let read = settings(&[gcloud]).expect("settings");
        assert_eq!((read.project.as_str(), format!("{:?}", read.login)), ("p-2", format!("File({})", file.display())));
        let read = settings(&[project, gcloud, ("GOOGLE_OAUTH_ACCESS_TOKEN", "t")]).expect("settings");
        assert_eq!(format!("{:?}", read.login), "Token");
    }
}
