//! `keystile inventory`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::scan::When;

/// `keystile inventory`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keystile inventory --prefix /prod/                   what is wrong with the secrets below /prod/
  keystile inventory --world world/                    and which objects of a cluster refer to them
  keystile inventory --format list-secrets -o i.json   for `keystile check --inventory i.json`

Only ListSecrets is called, and DescribeSecret with --describe: no value is read. Credentials, region and endpoint are
found as every AWS tool finds them (environment, profile, single sign-on, web identity, container, instance).

Exit status: 0 complete and clean; 1 findings (overdue or failing rotation, AWS-managed key, pending deletion); 2 usage
error, or no credentials, nothing done; 3 incomplete: something could not be read, and the report says what. Findings
beside gaps end with 1. --format list-secrets judges nothing, so it never ends with 1.")]
pub struct InventoryArgs {
    /// List only secrets whose names begin with this (may be repeated)
    #[arg(long, value_name = "PREFIX", help_heading = "Source", value_parser = prefix)]
    pub prefix: Vec<String>,

    /// Region to list (may be repeated; default: AWS_REGION, then the profile's)
    #[arg(long, value_name = "REGION", help_heading = "Source", value_parser = region)]
    pub region: Vec<String>,

    /// Profile of the AWS configuration (default: AWS_PROFILE)
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    pub profile: Option<String>,

    /// Ask this address instead of AWS's own; plain http only on this machine
    #[arg(long, value_name = "URL", help_heading = "Source", value_parser = endpoint)]
    pub endpoint_url: Option<String>,

    /// Describe each secret too, ten a second: fresh labels and dates, and the replicas, which no list tells
    #[arg(long, help_heading = "Source")]
    pub describe: bool,

    /// Manifests, to tell which of their objects refer to each secret (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Referrers")]
    pub manifests: Vec<PathBuf>,

    /// All objects of a cluster, as `keystile policy snapshot` writes them, for the same (may be repeated)
    #[arg(long, value_name = "DIR", help_heading = "Referrers")]
    pub world: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAME", help_heading = "Referrers")]
    pub namespace: Option<String>,

    /// How to report
    #[arg(short, long, value_name = "FORMAT", help_heading = "Report", default_value = "table")]
    pub format: InventoryFormat,

    /// Write the report to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,

    /// Show in the table only secrets that have a finding
    #[arg(long, help_heading = "Report")]
    pub findings_only: bool,

    /// Exit status when there are findings
    #[arg(long, value_name = "N", help_heading = "Report", default_value_t = 1)]
    pub exit_code: u8,

    /// Colour in the table
    #[arg(long, value_name = "WHEN", help_heading = "Report", default_value = "auto")]
    pub color: When,

    /// Show no progress
    #[arg(long, help_heading = "Report")]
    pub no_progress: bool,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum InventoryFormat {
    /// One line per secret, for people.
    #[default]
    Table,
    /// Everything, as one JSON document.
    Json,
    /// What `aws secretsmanager list-secrets` prints, for `keystile check --inventory`.
    ListSecrets,
}

/// A prefix that a name can have. `ListSecrets` takes one that begins with `!` for its contrary, and an empty one is
/// more likely a variable that is not set than a wish.
fn prefix(text: &str) -> Result<String, String> {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if text.is_empty() {
        return Err("it is empty; leave the flag out to list all secrets".to_owned());
    }
    match text.bytes().all(is_of_names) {
        true => Ok(text.to_owned()),
        false => Err("no secret's name begins so: names have letters, digits and /_+=.@- only".to_owned()),
    }
}

/// A region goes into host names.
fn region(text: &str) -> Result<String, String> {
    let is_of_regions = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match !text.is_empty() && text.bytes().all(is_of_regions) {
        true => Ok(text.to_owned()),
        false => Err("write a region's code, for example eu-west-1".to_owned()),
    }
}

/// An address with its scheme; whether it may be asked is looked at with each request.
fn endpoint(text: &str) -> Result<String, String> {
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => Err("write it with its scheme, for example https://secretsmanager.internal.example".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_regions_are_those_that_can_be() {
        for (text, is_prefix, is_region) in [
            ("/prod/team-a_1+=.@/", true, false),
            ("eu-west-1", true, true),
            ("", false, false),
            ("!/prod/", false, false),
            ("/prod/*", false, false),
            ("EU", true, false),
            ("eu-west-1.example.com", true, false),
        ] {
            assert_eq!((prefix(text).is_ok(), region(text).is_ok()), (is_prefix, is_region), "{text}");
        }
    }
}
