//! `docs/webhook-reference.md`: options, metrics and refusals, made from the program itself.

use std::fmt::Write as _;
use std::time::Duration;

use keystile_policy::Action;
use keystile_webhook::Metrics;
use keystile_webhook::config::command;
use keystile_webhook::judge::Verdict;
use keystile_webhook::review::RefusalReason;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhook-reference.md");

fn options(page: &mut String) {
    let mut heading = None;
    let mut command = command();
    // Only then is it known which options take a value.
    command.build();
    for argument in command.get_arguments() {
        let (Some(long), id) = (argument.get_long(), argument.get_id().as_str()) else { continue };
        if matches!(id, "help" | "version") {
            continue;
        }
        let group = argument.get_help_heading().unwrap_or("General");
        if heading.replace(group.to_owned()).as_deref() != Some(group) {
            write!(page, "\n### {group}\n\n| option | environment | default | meaning |\n|---|---|---|---|\n").unwrap();
        }
        let value =
            argument.get_value_names().filter(|_| argument.get_num_args().is_none_or(|range| range.takes_values()));
        let value = value.and_then(|names| names.first()).map(|name| format!(" {name}")).unwrap_or_default();
        let environment = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let default: Vec<_> =
            argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let default = if id == "print_config" { String::new() } else { default.join(" ") };
        writeln!(page, "| `--{long}{value}` | {environment} | {default} | {help} |").unwrap();
    }
}

fn metrics(page: &mut String) {
    page.push_str("\n| metric | type | meaning |\n|---|---|---|\n");
    let metrics = Metrics::default();
    // Metrics with labels are listed from the first value on.
    metrics.answered("Pod", None, Verdict::Allow, Duration::ZERO);
    metrics.violated("key-outside-grant", Action::Deny);
    metrics.cache("namespaces", Duration::ZERO, 0);
    metrics.connections.closed("idle");
    metrics.inventory.expect("eu-west-1");
    let text = metrics.text();
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            writeln!(page, "| `{name}{suffix}` | {kind} | {} |", help.trim_end_matches('.')).unwrap();
        }
    }
}

fn refusals(page: &mut String) {
    page.push_str("\n| reason | `status.code` | `status.reason` |\n|---|---|---|\n");
    for reason in RefusalReason::ALL {
        let (code, words) = reason.status();
        writeln!(page, "| `{}` | {code} | {words} |", reason.as_str()).unwrap();
    }
}

#[test]
fn the_page_is_up_to_date() {
    let mut page = String::from(
        "# Reference of keystile-webhook\n\n\
         <!-- Made from crates/keystile-webhook; to write it anew: KEYSTILE_UPDATE=1 cargo test -p keystile-webhook reference_page -->\n\n\
         ## Options\n\n\
         An option wins over its environment variable, and that over the default. `--print-config` shows each value with its origin.\n\
         Durations are a whole number and a unit: `ms`, `s`, `m` or `h`.\n",
    );
    options(&mut page);
    page.push_str(
        "\n## Exit status\n\n\
         | status | meaning |\n|---|---|\n\
         | 0 | stopped by a signal, every request answered |\n\
         | 1 | it could not start |\n\
         | 2 | wrong arguments |\n\
         | 143, 130 | SIGTERM or SIGINT ended it before every request was answered: by a second signal, or when `--drain-timeout` was over |\n\
         \n## Paths\n\n\
         | path | answers |\n|---|---|\n\
         | `POST /validate` | an `AdmissionReview` of `admission.k8s.io/v1`; HTTP 400 where the body has no uid that can be read |\n\
         | `GET /healthz` | 200 while the process runs |\n\
         | `GET /readyz` | 200 while certificate and policy are loaded and fresh and it is not about to end; each check is named |\n\
         | `GET /metrics` | OpenMetrics text |\n\
         \nThe last three are served without TLS as well, at `--probe-listen`.\n\
         \n## Refusals without a judgement\n\n\
         Where keystile can't judge it denies, with the request's uid. Violations of the policy are denied with 403, Forbidden.\n",
    );
    refusals(&mut page);
    page.push_str("\n## Metrics\n\nBase units; no label holds a namespace or a name.\n");
    metrics(&mut page);

    if std::env::var_os("KEYSTILE_UPDATE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        written == page,
        "docs/webhook-reference.md is out of date: run KEYSTILE_UPDATE=1 cargo test -p keystile-webhook reference_page"
    );
}
