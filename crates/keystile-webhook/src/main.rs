//! `keystile-webhook`: the process around [`keystile_webhook::Server`].
//!
//! Exit status: 0 stopped by a signal and drained; 1 failure; 2 usage; 143 (SIGTERM) or 130 (SIGINT)
//! stopped before every request was answered, by a second signal or at the end of the time for it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::FromArgMatches as _;
use jiff::Timestamp;
use keystile_policy::Snapshot;
use keystile_webhook::audit::Audit;
use keystile_webhook::config::{self, Arguments, CertificateArguments, PolicyArguments};
use keystile_webhook::leader::{Candidate, Leader};
use keystile_webhook::policy::PolicyInForce;
use keystile_webhook::policy::file::PolicyFile;
use keystile_webhook::policy::resource::PolicyResources;
use keystile_webhook::server::Ended;
use keystile_webhook::tls::ServingCertificate;
use keystile_webhook::tls::authority::Lifetimes;
use keystile_webhook::tls::cluster::ClusterPlace;
use keystile_webhook::tls::files::CertificateFiles;
use keystile_webhook::tls::self_managed::{self, service_names};
use keystile_webhook::world::inventory::{Held, InventoryFile};
use keystile_webhook::world::refresh::InventoryRefresh;
use keystile_webhook::world::{ClusterWorld, SharedSurroundings, Surroundings, folder};
use keystile_webhook::{Guard, Health, Limits, Metrics, Server, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A review is thousands of small values, and half of the processor time for one went into glibc's
/// allocator; it also kept more of what filled the caches (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a Lease may take to be given back, after everything else has ended: it is mostly long done then.
const FAREWELL: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let matches = config::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if arguments.print_config {
        let text = config::print(&config::command(), &matches);
        return match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    telemetry::init(arguments.log_level);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(arguments)).unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "keystile-webhook failed");
        ExitCode::FAILURE
    });
    // What was cut off is not waited for.
    runtime.shutdown_background();
    code
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // kube and rustls find the provider here when nothing names one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut signals = Signals::new()?;
    let metrics = Metrics::default();
    let health = Arc::new(Health::default());
    let certificate = ServingCertificate::new(metrics.certificate.clone());
    if let (Some(chain), Some(key)) = (&arguments.certificate.tls_cert, &arguments.certificate.tls_key) {
        let mut files = CertificateFiles::new(chain, key);
        files.refresh(&certificate);
        tokio::spawn(files.watch(Arc::clone(&certificate), arguments.certificate.certificate_poll));
    }
    keep_own_certificate(&arguments.certificate, &certificate).await?;
    let policy = PolicyInForce::with_scanner(metrics.policy.clone());
    health.add_remarked("policy", {
        let policy = Arc::clone(&policy);
        move || policy.readiness()
    });
    if let Some(file) = &arguments.policy.policy {
        let file = PolicyFile::new(file);
        file.refresh(&policy, Timestamp::now());
        tokio::spawn(file.watch(Arc::clone(&policy), arguments.policy.policy_poll));
    }
    let surroundings = surroundings(&arguments.policy, &metrics).await?;
    health.add_remarked("world", {
        let surroundings = Arc::clone(&surroundings);
        move || surroundings.readiness()
    });
    let (stopping, stops) = watch::channel(false);
    let leading = lead(&arguments, &policy, &surroundings, &metrics, stops).await?;
    let guard = Guard::new(policy, surroundings, arguments.policy.lookup_timeout);

    let https = listen(arguments.listen).await?;
    let probes = match arguments.probe_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let server = Server::new(Arc::new(guard), certificate, health, metrics, Limits::from(&arguments.limits));
    let received = Arc::new(AtomicU8::new(0));
    let first = {
        let received = Arc::clone(&received);
        async move {
            received.store(signals.next().await, Ordering::Relaxed);
            stopping.send_replace(true);
            signals
        }
    };
    let (tell, stop) = tokio::sync::oneshot::channel();
    let second = async move {
        let mut signals = first.await;
        // The server may be gone already.
        let _ = tell.send(());
        signals.next().await
    };
    let stop = async {
        // An error means that the other side is gone, which only happens at the end.
        let _ = stop.await;
    };
    let cut_off = tokio::select! {
        ended = server.serve(https, probes, stop) => match ended {
            Ended::Drained => None,
            Ended::CutOff(connections) => {
                tracing::error!(connections, "stopped before every request was answered");
                Some(received.load(Ordering::Relaxed))
            }
        },
        signal = second => {
            tracing::error!("stopped at once by a second signal");
            Some(signal)
        }
    };
    if let (Some(leading), None) = (leading, cut_off)
        && tokio::time::timeout(FAREWELL, leading).await.is_err()
    {
        tracing::warn!("the Lease could not be given back in time: another replica waits for its duration");
    }
    Ok(cut_off.map_or(ExitCode::SUCCESS, |signal| ExitCode::from(128 + signal)))
}

/// The world: manifests where `--world` names some, else the cluster. Without a policy everything is
/// denied anyway, and nothing is watched for it.
async fn surroundings(arguments: &PolicyArguments, metrics: &Metrics) -> anyhow::Result<SharedSurroundings> {
    let surroundings: SharedSurroundings = if let Some(folder) = &arguments.world {
        Arc::new(folder::read(folder)?.into())
    } else if arguments.policy.is_none() && arguments.policy_name.is_none() {
        return Ok(Arc::new(Snapshot::default().into()));
    } else {
        let client = kube::Client::try_default()
            .await
            .context("while looking for the cluster's API server (without one: --world)")?;
        let cluster = ClusterWorld::new(client, metrics.clone());
        tokio::spawn(Arc::clone(&cluster).keep());
        Arc::new(Surroundings::Cluster(cluster))
    };
    keep_inventory(arguments, &surroundings, metrics).await?;
    Ok(surroundings)
}

/// Live state of the secrets: from a file, or from AWS itself.
async fn keep_inventory(
    arguments: &PolicyArguments,
    surroundings: &SharedSurroundings,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    if let Some(file) = &arguments.inventory {
        let mut file = InventoryFile::new(file);
        // A trial that can't read what it was given is no trial.
        if matches!(&**surroundings, Surroundings::Folder(_)) {
            let read = file.look().map_err(anyhow::Error::msg).context("while reading the inventory")?;
            if let Some((entries, read_at)) = read {
                surroundings.set_inventory(Held::new(entries, read_at));
            }
        }
        tokio::spawn(file.watch(Arc::clone(surroundings), arguments.policy_poll));
    }
    if let Some(refresh) = InventoryRefresh::open(&arguments.live, metrics.inventory.clone()).await? {
        refresh.start(surroundings);
    }
    Ok(())
}

/// Custom resources as the policy, and what one replica of several writes. The task ends when the Lease is given back,
/// after `stops` says so.
async fn lead(
    arguments: &Arguments,
    policy: &Arc<PolicyInForce>,
    surroundings: &Surroundings,
    metrics: &Metrics,
    mut stops: watch::Receiver<bool>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let resources = match &arguments.policy.policy_name {
        Some(name) => {
            let resources = PolicyResources::new(cluster_client().await?, name.clone());
            tokio::spawn(Arc::clone(&resources).keep(Arc::clone(policy)));
            Some(resources)
        }
        None => None,
    };
    let (Some(lease), Some(identity)) = (&arguments.leader.lease, &arguments.leader.identity) else {
        return Ok(None);
    };
    let leader = Leader::new();
    let duration = arguments.leader.lease_duration;
    let candidate = Candidate::new(cluster_client().await?, lease, identity.clone(), duration);
    let stop = async move {
        // An error means that the other side is gone, which only happens at the end.
        let _ = stops.wait_for(|is_stopping| *is_stopping).await;
    };
    let leading = tokio::spawn(candidate.keep(Arc::clone(&leader), stop));
    if let Some(resources) = resources {
        tokio::spawn(resources.keep_status(Arc::clone(&leader)));
    }
    if let Surroundings::Cluster(cluster) = surroundings {
        let audit = Audit {
            policy: Arc::clone(policy),
            cluster: Arc::clone(cluster),
            leader,
            metrics: metrics.clone(),
            delay: arguments.leader.audit_delay,
            interval: arguments.leader.audit_interval,
        };
        tokio::spawn(audit.keep());
    }
    Ok(Some(leading))
}

async fn cluster_client() -> anyhow::Result<kube::Client> {
    kube::Client::try_default().await.context("while looking for the cluster's API server")
}

/// With `--certificate-secret`: looks after authority, certificate and bundle, for ever.
async fn keep_own_certificate(
    arguments: &CertificateArguments,
    certificate: &Arc<ServingCertificate>,
) -> anyhow::Result<()> {
    let (Some(secret), Some(service), Some(configuration)) =
        (&arguments.certificate_secret, &arguments.service, &arguments.webhook_configuration)
    else {
        return Ok(());
    };
    let client = kube::Client::try_default().await.context("while looking for the cluster's API server")?;
    let place = ClusterPlace::new(client, secret.clone(), service.clone(), configuration.clone());
    let names = service_names(&service.namespace, &service.name);
    tokio::spawn(self_managed::keep(place, Arc::clone(certificate), names, Lifetimes::default()));
    Ok(())
}

async fn listen(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("while listening on {address}"))?;
    let address = listener.local_addr().context("while asking for the address listened on")?;
    tracing::info!(%address, "listening");
    Ok(listener)
}

/// SIGTERM from the kubelet, SIGINT from a terminal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("while registering for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
        }
    }
}
