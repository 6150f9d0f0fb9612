//! Load for `/validate`: makes a cluster to watch, a policy and certificates, and sends `AdmissionReview`s at
//! a fixed rate over kept TLS connections. `benches/webhook_load.py` runs it, beside OPA.
//!
//! ```sh
//! webhook_load world DIR --cluster ADDRESS            what a server needs, for keystile and for OPA
//! webhook_load cluster ADDRESS                        an API server with 5,000 namespaces, to watch
//! webhook_load run URL --certificate FILE [OPTIONS]   one rate for a time
//! webhook_load limit URL --certificate FILE [OPTIONS] the highest rate whose p99 stays under 5 ms
//! ```
//!
//! A generator of our own, since the ones that keep a schedule (oha, wrk2, vegeta) either send one body
//! again and again or don't check answers: here each of 2,000 bodies has its own size and namespace, and
//! an answer counts only with its request's uid and the verdict that this body must get.
#![allow(clippy::print_stdout, reason = "a program that prints its figures")]
#![allow(missing_docs, unreachable_pub, reason = "a program has no readers of its interface")]

mod api;
#[path = "../../tests/server/support/client.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests' client, of which this uses a part")]
mod client;
mod clock;
mod load;
mod reviews;
mod world;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use client::Http;
use load::{Figures, Load};
use reviews::Wrapping;

/// After this a request counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// What p99 must stay under.
const TARGET: Duration = Duration::from_millis(5);

/// Load for the admission webhook.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes policy, certificates, a kubeconfig, and OPA's data.
    World {
        folder: PathBuf,
        /// Where the API server will be.
        #[arg(long)]
        cluster: SocketAddr,
        #[arg(long, default_value_t = 5_000)]
        namespaces: usize,
    },
    /// Is an API server, as far as watches ask one.
    Cluster {
        address: SocketAddr,
        #[arg(long, default_value_t = 5_000)]
        namespaces: usize,
    },
    /// Sends at one rate.
    Run {
        #[command(flatten)]
        target: Target,
        /// Requests a second.
        #[arg(long, default_value_t = 1_000.0)]
        rate: f64,
        /// Seconds.
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
    },
    /// Looks for the rate at which p99 passes 5 ms.
    Limit {
        #[command(flatten)]
        target: Target,
        /// The first rate.
        #[arg(long, default_value_t = 1_000.0)]
        from: f64,
        /// Seconds for each rate.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// How often a rate may fail before it counts as too high: on a busy machine others' bursts fail it too.
        #[arg(long, default_value_t = 3)]
        tries: usize,
    },
}

#[derive(Args)]
struct Target {
    /// Address of the server.
    address: SocketAddr,
    /// Path to send to.
    #[arg(long, default_value = "/validate")]
    path: String,
    /// The authority's certificate.
    #[arg(long)]
    certificate: PathBuf,
    /// Version of HTTP: 1 or 2.
    #[arg(long, default_value_t = 1)]
    http: u8,
    /// Kept connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests at one time on each connection of HTTP/2.
    #[arg(long, default_value_t = 16)]
    streams: usize,
    /// As OPA's data API takes it: the review in `input`, the answer in `result`.
    #[arg(long)]
    opa: bool,
    /// Namespaces of the world.
    #[arg(long, default_value_t = 5_000)]
    namespaces: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.command {
        Command::World { folder, cluster, namespaces } => {
            world::write(&folder, namespaces)?;
            std::fs::write(folder.join("kubeconfig"), api::kubeconfig(cluster)).context("while writing the kubeconfig")
        }
        Command::Cluster { address, namespaces } => runtime.block_on(api::serve(address, namespaces)),
        Command::Run { target, rate, seconds } => runtime.block_on(async {
            let load = start(&target).await?;
            println!("{}", Figures::HEAD);
            let figures = load.run(rate, Duration::from_secs_f64(seconds)).await;
            println!("{figures}");
            match figures.errors.first() {
                Some(error) => bail!("{} errors, the first: {error}", figures.errors.len()),
                None => Ok(()),
            }
        }),
        Command::Limit { target, from, seconds, tries } => {
            runtime.block_on(limit(&target, from, Duration::from_secs_f64(seconds), tries))
        }
    }
}

async fn start(target: &Target) -> anyhow::Result<Load> {
    let authority = read(&target.certificate)?;
    let http = match target.http {
        1 => Http::One,
        2 => Http::Two,
        other => bail!("--http {other}: there are 1 and 2"),
    };
    let wrapping = if target.opa { Wrapping::Opa } else { Wrapping::None };
    let reviews = Arc::new(reviews::make(target.namespaces, wrapping));
    let load = Load {
        address: target.address,
        path: target.path.clone(),
        authority,
        http,
        connections: target.connections,
        streams: if http == Http::Two { target.streams } else { 1 },
        reviews,
    };
    // Connections that were never used, code that never ran and pages that were never touched are not
    // what is measured.
    load.run(500.0, Duration::from_secs(2)).await;
    Ok(load)
}

/// Doubles the rate until it is too high, then halves the distance four times.
async fn limit(target: &Target, from: f64, time: Duration, tries: usize) -> anyhow::Result<()> {
    let load = start(target).await?;
    println!("{}", Figures::HEAD);
    let (mut good, mut bad) = (None, None);
    for _ in 0..12 {
        let rate = match (good, bad) {
            (None, None) => from,
            (Some(good), None) => good * 2.0,
            (None, Some(bad)) => bad / 2.0,
            (Some(good), Some(bad)) if bad / good > 1.05 => f64::midpoint(good, bad),
            _ => break,
        };
        let mut is_good = false;
        for _ in 0..tries {
            let figures = load.run(rate, time).await;
            println!("{figures}");
            is_good = figures.at(0.99) < TARGET && figures.errors.is_empty();
            if is_good {
                break;
            }
            // What is queued at the server and in the kernel goes first.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        *(if is_good { &mut good } else { &mut bad }) = Some(rate);
    }
    println!("limit {:.0}", good.unwrap_or(0.0));
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("while reading {}", file.display()))
}
