//! The command line: every flag is an environment variable too, and `--print-config` shows what came
//! of both, with the origin of each value.
//!
//! Precedence: flag, environment, default. Later parts (policy, caches) add their flags as further
//! `#[command(flatten)]` groups; `--print-config` finds them by itself.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, CommandFactory, Parser};
use tracing::level_filters::LevelFilter;

use crate::limits::Limits;

/// Admission webhook that refuses Kubernetes objects which reach for cloud secrets outside their namespace's grant.
#[derive(Clone, Debug, Parser)]
#[command(name = "keystile-webhook", version, max_term_width = 120)]
pub struct Arguments {
    /// Where to serve HTTPS.
    #[arg(long, env = "KEYSTILE_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,

    /// Where to serve /healthz, /readyz and /metrics without TLS besides, for the kubelet and a scraper; /validate is never served there.
    #[arg(long, env = "KEYSTILE_PROBE_LISTEN", value_name = "ADDRESS")]
    pub probe_listen: Option<SocketAddr>,

    /// Lowest level of keystile's own log lines: error, warn, info, debug or trace.
    #[arg(long, env = "KEYSTILE_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: LevelFilter,

    /// Print the configuration with the origin of each value, and stop.
    #[arg(long)]
    pub print_config: bool,

    /// Where the certificate comes from.
    #[command(flatten)]
    pub certificate: CertificateArguments,

    /// What is judged by, and what lies around.
    #[command(flatten)]
    pub policy: PolicyArguments,

    /// What one replica of several does.
    #[command(flatten)]
    pub leader: LeaderArguments,

    /// Bounds.
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// What one replica of several does.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct LeaderArguments {
    /// Lease by which one replica is chosen that writes status and reports; without it none are written.
    #[arg(long, env = "KEYSTILE_LEASE", value_name = "NAMESPACE/NAME", value_parser = namespaced, help_heading = "Audit", requires = "identity")]
    pub lease: Option<Namespaced>,

    /// This replica's own name in the Lease: that of its Pod.
    #[arg(long, env = "KEYSTILE_IDENTITY", value_name = "NAME", help_heading = "Audit")]
    pub identity: Option<String>,

    /// How long a replica leads that is not heard of any more.
    #[arg(long, env = "KEYSTILE_LEASE_DURATION", value_name = "DURATION", default_value = "15s", value_parser = duration, help_heading = "Audit")]
    pub lease_duration: Duration,

    /// How long after a change of policy, stores or objects the objects that exist are judged again.
    #[arg(long, env = "KEYSTILE_AUDIT_DELAY", value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Audit")]
    pub audit_delay: Duration,

    /// The longest time between two such audits, for what depends on the calendar.
    #[arg(long, env = "KEYSTILE_AUDIT_INTERVAL", value_name = "DURATION", default_value = "1h", value_parser = duration, help_heading = "Audit")]
    pub audit_interval: Duration,
}

/// What is judged by, and what lies around the judged objects.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct PolicyArguments {
    /// File with the policy (a SecretPolicy in YAML); read again when it changes, and in force only when all of it is valid.
    #[arg(long, env = "KEYSTILE_POLICY", value_name = "FILE", help_heading = "Policy")]
    pub policy: Option<PathBuf>,

    /// Name of the SecretPolicy that is in force, where the policy is a custom resource of the cluster.
    #[arg(long, env = "KEYSTILE_POLICY_NAME", value_name = "NAME", help_heading = "Policy", conflicts_with_all = ["policy", "world"])]
    pub policy_name: Option<String>,

    /// Look for another policy so often.
    #[arg(long, env = "KEYSTILE_POLICY_POLL", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Policy")]
    pub policy_poll: Duration,

    /// Folder of manifests (namespaces, stores, what refers to them) to judge by instead of a cluster, for trials; read once.
    #[arg(long, env = "KEYSTILE_WORLD", value_name = "DIR", help_heading = "Policy")]
    pub world: Option<PathBuf>,

    /// File with an inventory of the secrets that exist (what `aws secretsmanager list-secrets` prints); read again when it changes.
    #[arg(
        long,
        env = "KEYSTILE_INVENTORY",
        value_name = "FILE",
        help_heading = "Policy",
        conflicts_with = "inventory_region"
    )]
    pub inventory: Option<PathBuf>,

    /// Live state from AWS itself.
    #[command(flatten)]
    pub live: InventoryArguments,

    /// Time for asking the API server about what the caches don't know, for one request.
    #[arg(long, env = "KEYSTILE_LOOKUP_TIMEOUT", value_name = "DURATION", default_value = "400ms", value_parser = duration, help_heading = "Policy")]
    pub lookup_timeout: Duration,
}

/// Live state of the secrets, listed in the background (ListSecrets alone; no call reads a value).
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
pub struct InventoryArguments {
    /// Regions whose secrets are listed in AWS Secrets Manager, instead of a file; with the credentials that AWS's tools would find (web identity, pod identity, …).
    #[arg(
        long,
        env = "KEYSTILE_INVENTORY_REGION",
        value_name = "REGION",
        value_delimiter = ',',
        help_heading = "Inventory"
    )]
    pub inventory_region: Vec<String>,

    /// List only secrets whose names begin with one of these; of others no live state is known.
    #[arg(
        long,
        env = "KEYSTILE_INVENTORY_PREFIX",
        value_name = "PREFIX",
        value_delimiter = ',',
        help_heading = "Inventory",
        requires = "inventory_region"
    )]
    pub inventory_prefix: Vec<String>,

    /// List them anew so often, give or take a tenth; less than the policy's `inventory.maxAge`.
    #[arg(long, env = "KEYSTILE_INVENTORY_INTERVAL", value_name = "DURATION", default_value = "15m", value_parser = duration, help_heading = "Inventory")]
    pub inventory_interval: Duration,
}

/// Where the certificate comes from: two files, or a Secret that keystile fills itself.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct CertificateArguments {
    /// PEM file with the certificate and its chain, as cert-manager mounts it; read again when it changes.
    #[arg(long, env = "KEYSTILE_TLS_CERT", value_name = "FILE", requires = "tls_key", help_heading = "Certificate",
          required_unless_present_any = ["certificate_secret", "print_config"], conflicts_with = "certificate_secret")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the certificate's key.
    #[arg(long, env = "KEYSTILE_TLS_KEY", value_name = "FILE", requires = "tls_cert", help_heading = "Certificate")]
    pub tls_key: Option<PathBuf>,

    /// Look for another certificate so often.
    #[arg(long, env = "KEYSTILE_CERTIFICATE_POLL", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Certificate")]
    pub certificate_poll: Duration,

    /// Secret in which keystile keeps an authority and a certificate of its own, instead of files.
    #[arg(long, env = "KEYSTILE_CERTIFICATE_SECRET", value_name = "NAMESPACE/NAME", value_parser = namespaced, help_heading = "Certificate",
          requires = "service", requires = "webhook_configuration")]
    pub certificate_secret: Option<Namespaced>,

    /// Service through which the API server reaches the webhook: the name in the certificate.
    #[arg(long, env = "KEYSTILE_SERVICE", value_name = "NAMESPACE/NAME", value_parser = namespaced, help_heading = "Certificate")]
    pub service: Option<Namespaced>,

    /// ValidatingWebhookConfiguration whose caBundle is kept up to date.
    #[arg(long, env = "KEYSTILE_WEBHOOK_CONFIGURATION", value_name = "NAME", help_heading = "Certificate")]
    pub webhook_configuration: Option<String>,
}

/// An object's namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespaced {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Bounds; see [`Limits`] for what each is for.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub struct LimitArguments {
    /// Largest request body, in bytes.
    #[arg(long, env = "KEYSTILE_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = Limits::default().max_body_bytes, help_heading = "Limits")]
    max_body_bytes: usize,

    /// All request bodies held at one time, in bytes.
    #[arg(long, env = "KEYSTILE_MAX_BUFFERED_BYTES", value_name = "BYTES", default_value_t = Limits::default().max_buffered_bytes, help_heading = "Limits")]
    max_buffered_bytes: usize,

    /// Time for a request; less than timeoutSeconds of the webhook configuration. The API server sends its own with each request, and the shorter one counts.
    #[arg(long, env = "KEYSTILE_DEADLINE", value_name = "DURATION", default_value = "2s", value_parser = duration, help_heading = "Limits")]
    deadline: Duration,

    /// Time for a request's body to arrive.
    #[arg(long, env = "KEYSTILE_BODY_TIMEOUT", value_name = "DURATION", default_value = "1500ms", value_parser = duration, help_heading = "Limits")]
    body_timeout: Duration,

    /// Judgements at one time.
    #[arg(long, env = "KEYSTILE_MAX_IN_FLIGHT", value_name = "N", default_value_t = Limits::default().max_in_flight, value_parser = at_least_one, help_heading = "Limits")]
    max_in_flight: usize,

    /// Requests that may wait for a judgement.
    #[arg(long, env = "KEYSTILE_MAX_QUEUED", value_name = "N", default_value_t = Limits::default().max_queued, help_heading = "Limits")]
    max_queued: usize,

    /// Open connections; past it the one that has been idle longest is closed.
    #[arg(long, env = "KEYSTILE_MAX_CONNECTIONS", value_name = "N", default_value_t = Limits::default().max_connections, value_parser = at_least_one, help_heading = "Limits")]
    max_connections: usize,

    /// Time for a TLS handshake.
    #[arg(long, env = "KEYSTILE_HANDSHAKE_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Limits")]
    handshake_timeout: Duration,

    /// Time for a request's head to arrive.
    #[arg(long, env = "KEYSTILE_HEADER_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Limits")]
    header_timeout: Duration,

    /// How long a connection may be without a request; longer than the API server's 90 s, so that it is not us who close.
    #[arg(long, env = "KEYSTILE_IDLE_TIMEOUT", value_name = "DURATION", default_value = "2m", value_parser = duration, help_heading = "Limits")]
    idle_timeout: Duration,

    /// After SIGTERM, how long to go on serving while not ready, until no new request is routed here.
    #[arg(long, env = "KEYSTILE_DRAIN_DELAY", value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = "Limits")]
    drain_delay: Duration,

    /// After that, how long requests in flight may take; both together less than terminationGracePeriodSeconds.
    #[arg(long, env = "KEYSTILE_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = duration, help_heading = "Limits")]
    drain_timeout: Duration,
}

impl From<&LimitArguments> for Limits {
    fn from(arguments: &LimitArguments) -> Self {
        Self {
            max_body_bytes: arguments.max_body_bytes,
            max_buffered_bytes: arguments.max_buffered_bytes,
            deadline: arguments.deadline,
            body_timeout: arguments.body_timeout,
            max_in_flight: arguments.max_in_flight,
            max_queued: arguments.max_queued,
            max_connections: arguments.max_connections,
            handshake_timeout: arguments.handshake_timeout,
            header_timeout: arguments.header_timeout,
            idle_timeout: arguments.idle_timeout,
            drain_delay: arguments.drain_delay,
            drain_timeout: arguments.drain_timeout,
        }
    }
}

/// A whole number of `ms`, `s`, `m` or `h`; a number without a unit is an error.
///
/// # Errors
///
/// When the text is anything else, with what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("needs a whole number and a unit: ms, s, m or h, as in 1500ms or 2s".into()),
    };
    let number: u64 = number.parse().map_err(|_| "needs a whole number before the unit, as in 2s".to_owned())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "is too long".into())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "needs a whole number of at least 1".into())
}

fn namespaced(text: &str) -> Result<Namespaced, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Namespaced { namespace: namespace.into(), name: name.into() })
        }
        _ => Err("needs a namespace and a name, as in keystile/webhook".into()),
    }
}

/// Each value of the command line with its origin, one a line: `deadline = "2s"  # default`.
#[must_use]
pub fn print(command: &Command, matches: &ArgMatches) -> String {
    let mut text = String::new();
    for argument in command.get_arguments() {
        let (id, Some(long)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        if matches!(id, "help" | "version" | "print_config") {
            continue;
        }
        let values = matches
            .get_raw(id)
            .map(|values| values.map(|value| format!("{:?}", value.to_string_lossy())).collect::<Vec<_>>());
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => format!("--{long}"),
            Some(ValueSource::EnvVariable) => argument.get_env().unwrap_or_default().to_string_lossy().into_owned(),
            _ => "default".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = match values {
            Some(values) => writeln!(text, "{long} = {}  # {origin}", values.join(", ")),
            None => writeln!(text, "# {long} is not set"),
        };
    }
    text
}

/// The command, for `--print-config` and the reference page.
#[must_use]
pub fn command() -> Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<(Arguments, ArgMatches), clap::Error> {
        let matches = command().try_get_matches_from([&["keystile-webhook"], arguments].concat())?;
        Ok((Arguments::from_arg_matches(&matches)?, matches))
    }

    #[test]
    fn the_command_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_is_an_environment_variable_too() {
        for argument in command().get_arguments() {
            let id = argument.get_id().as_str();
            if !matches!(id, "help" | "version" | "print_config") {
                assert_eq!(
                    argument.get_env().map(|name| name.to_string_lossy().into_owned()),
                    Some(format!("KEYSTILE_{}", id.to_uppercase())),
                    "{id}"
                );
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_limits() {
        let (arguments, _) = parse(&["--tls-cert=c", "--tls-key=k"]).unwrap();
        assert_eq!(Limits::from(&arguments.limits), Limits::default());
    }

    #[test]
    fn durations_need_a_unit() {
        let cases = [
            ("1500ms", Some(1_500)),
            ("2s", Some(2_000)),
            ("3m", Some(180_000)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
        for text in ["", "90", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999s", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_certificate_comes_from_one_place() {
        let cases: [(&str, &[&str], bool); 6] = [
            ("neither", &[], false),
            ("files", &["--tls-cert=c", "--tls-key=k"], true),
            ("certificate without key", &["--tls-cert=c"], false),
            ("own", &["--certificate-secret=a/b", "--service=a/c", "--webhook-configuration=d"], true),
            ("own without service", &["--certificate-secret=a/b", "--webhook-configuration=d"], false),
            (
                "both",
                &[
                    "--tls-cert=c",
                    "--tls-key=k",
                    "--certificate-secret=a/b",
                    "--service=a/c",
                    "--webhook-configuration=d",
                ],
                false,
            ),
        ];
        for (name, arguments, expected) in cases {
            assert_eq!(parse(arguments).is_ok(), expected, "{name}");
        }
    }

    #[test]
    fn printed_configuration_names_origins() {
        let (_, matches) = parse(&["--print-config", "--deadline=900ms"]).unwrap();
        let text = print(&command(), &matches);
        assert!(text.contains("deadline = \"900ms\"  # --deadline\n"), "{text}");
        assert!(text.contains("listen = \"0.0.0.0:8443\"  # default\n"), "{text}");
        assert!(text.contains("# tls-cert is not set\n"), "{text}");
    }
}
