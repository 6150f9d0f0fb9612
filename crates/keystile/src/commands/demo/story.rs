//! The acts.

use std::fs;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::cloud::{Cloud, REGION};
use super::random;
use super::stage::{Stage, failed};
use crate::cli::demo::DemoArgs;
use crate::scrub::Scrubber;

/// The secret that leaks.
const NAME: &str = "/prod/team-a/rds-password";
/// What team-a's secrets begin with.
const PREFIX: &str = "/prod/team-a/";

/// The platform's rule, what its cluster has, tenants' objects that the rule allows and refuses: the example of the README.
const POLICY: &str = include_str!("../../../../../deploy/example/policy.yaml");
const CLUSTER: &str = include_str!("../../../../../deploy/example/cluster.yaml");
const ALLOWED: &str = include_str!("../../../../../deploy/example/allowed.yaml");
const WORKLOAD: &str = include_str!("../../../../../deploy/example/workload.yaml");
const REFUSED: &str = include_str!("../../../../../deploy/example/refused.yaml");

/// Where a plan is written unless it is told otherwise.
const PLAN: &str = "keystile-rotation.json";

/// Lines of the incident report that are shown.
const MOST_LINES: usize = 120;

/// Shows all acts.
///
/// # Errors
/// Something did not go as told here, nobody reads any more, or a signal came.
pub(super) fn play(stage: &mut Stage<'_>, args: &DemoArgs) -> anyhow::Result<()> {
    let start = Instant::now();
    let folder = stage.surroundings.folder;
    let end = if args.keep { "kept" } else { "removed at the end" };
    stage.say(&format!(
        "From a leak in git to a proven rotation, with made-up credentials.\n\
         Everything lies in {} and is {end}; no setting, credential or\n\
         repository of yours is read or changed.",
        folder.display()
    ))?;
    let leaked = password()?;
    leak(stage, &leaked)?;
    scan(stage)?;
    guard(stage)?;
    let cloud = plan(stage, args, &leaked)?;
    apply(stage, &cloud)?;
    proof(stage, &cloud, &leaked)?;
    incident(stage, args)?;
    summary(stage, &cloud, start)
}

/// A password that the built-in rules see, as they see nearly every random one.
fn password() -> anyhow::Result<String> {
    let scrubber = Scrubber::new();
    for _ in 0..50 {
        let password = random::text(24)?;
        let (_, found) = scrubber.find(&line(&password));
        if found.contains(&password) {
            return Ok(password);
        }
    }
    Err(failed("no random password looks like one to the built-in rules"))
}

fn line(password: &str) -> String {
    format!("DB_PASSWORD={password}\n")
}

fn leak(stage: &mut Stage<'_>, password: &str) -> anyhow::Result<()> {
    stage.act(
        "a password is committed",
        "team-a's application gets its database password from app.env, and somebody commits it. The next commit\n\
         takes it out again. HEAD looks clean; the history keeps it.",
    )?;
    let application = stage.surroundings.folder.join("application");
    fs::create_dir(&application).context("while making the repository")?;
    stage.git_quietly(&["init", "-q", "application"])?;
    for (file, text, message) in [
        ("README.md", "An application of team-a.\n", "An application"),
        ("app.env", &*line(password), "Configure the database"),
        ("app.env", "DB_PASSWORD=${DB_PASSWORD}\n", "Take the password out again"),
    ] {
        fs::write(application.join(file), text).context("while filling the repository")?;
        stage.git_quietly(&["-C", "application", "add", file])?;
        stage.git_quietly(&["-C", "application", "commit", "-q", "-m", message])?;
    }
    stage.git(&["-C", "application", "--no-pager", "log", "--oneline", "--stat"])
}

fn scan(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.act(
        "the finding",
        "A scan reads the whole history, masks what it finds, and says which commit brought it and whether it is\n\
         still in HEAD. The report also says what was covered.",
    )?;
    stage.keystile(&["scan", "application"], 1, |_| {})
}

fn guard(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let folder = stage.surroundings.folder.join("manifests");
    fs::create_dir(&folder).context("while making the manifests")?;
    fs::write(stage.surroundings.folder.join("policy.yaml"), POLICY)?;
    for (file, text) in [("cluster.yaml", CLUSTER), ("shop.yaml", ALLOWED), ("shop-workload.yaml", WORKLOAD)] {
        fs::write(folder.join(file), text)?;
    }
    let database = folder.join("database.yaml");
    fs::write(&database, REFUSED)?;
    stage.act(
        "a tenant's manifest is refused",
        "The platform team grants each team what lies below its own name. In team-b's namespace somebody asks for\n\
         team-a's password; the webhook would refuse it in the same words. Then it is corrected.",
    )?;
    let check = ["check", "--policy", "policy.yaml", "manifests"];
    stage.keystile(&check, 1, |_| {})?;
    fs::write(&database, REFUSED.replace("/prod/team-a/", "/prod/team-b/"))?;
    stage.say("Now with /prod/team-b/ in manifests/database.yaml:\n")?;
    stage.keystile(&check, 0, |_| {})
}

fn plan(stage: &mut Stage<'_>, args: &DemoArgs, leaked: &str) -> anyhow::Result<Cloud> {
    stage.act("the plan", "A secret manager is needed for the rest, so something stands in for AWS.")?;
    let (shown, surroundings) = (&*stage, stage.surroundings);
    let cloud = Cloud::start(args.emulator, surroundings, &mut |text| shown.say(text))?;
    stage.say(&match &cloud {
        Cloud::Moto(_, which) => format!(
            "An emulator of AWS does ({which}): real HTTP on this machine, versions and labels as in\n\
             Secrets Manager, and a rotation function that runs its four steps."
        ),
        Cloud::BuiltIn(_, why) => format!(
            "keystile's own stand-in does, {why}.\n\
             It is real HTTP on this machine with the few operations that are needed. What it does not show: a\n\
             rotation function (a new random password is current a moment later), and permissions."
        ),
    })?;
    // Only one of the three holds what leaked.
    let value = |password: &str| json!({ "username": "app", "password": password, "host": "db.internal" }).to_string();
    let owner_allows = [("keystile.io/rotate", "allow")];
    cloud.create(NAME, &value(leaked), &owner_allows)?;
    cloud.create("/prod/team-a/session-key", &random::text(40)?, &owner_allows)?;
    cloud.create("/prod/team-b/rds-password", &value(&random::text(24)?), &owner_allows)?;
    stage.say(&format!(
        "It has three secrets, one of them with the leaked password, and all of them with the tag by which their\n\
         owners allow rotation. keystile finds it as any program of AWS does: AWS_ENDPOINT_URL={}\n\n\
         The plan compares what leaked with what the secrets below {PREFIX} hold, in memory only, and says what\n\
         would be done. The manifests tell who uses the secret, and who will not notice a new value. It changes\n\
         nothing.\n",
        cloud.endpoint()
    ))?;
    let before = cloud.current(NAME)?;
    let arguments = ["rotate", "plan", "application", "--prefix", PREFIX, "--manifests", "manifests"];
    stage.keystile(&arguments, 1, |command| cloud.environment(command))?;
    if cloud.current(NAME)? != before {
        return Err(failed("planning changed the secret"));
    }
    Ok(cloud)
}

fn apply(stage: &mut Stage<'_>, cloud: &Cloud) -> anyhow::Result<()> {
    stage.act(
        "the rotation",
        "Each call is written to a journal before it is made, so that a crash at any moment can be resumed without\n\
         a second new version. Without --yes it would ask; with it, the prefix has to be said again.",
    )?;
    let arguments = ["rotate", "apply", PLAN, "--yes", "--allow-prefix", PREFIX, "--report", "markdown=incident.md"];
    stage.keystile(&arguments, 0, |command| cloud.environment(command))
}

fn proof(stage: &mut Stage<'_>, cloud: &Cloud, leaked: &str) -> anyhow::Result<()> {
    stage.act(
        "the proof",
        "The plan can be looked at again at any time. A scan that asks the secret manager says the same from its\n\
         side: the commit still has the old password, and the secret has it as AWSPREVIOUS, the version before, and not\n\
         as its current one. (It is a finding all the same: whoever has a clone can read it.)",
    )?;
    stage.keystile(&["rotate", "status", PLAN], 0, |command| cloud.environment(command))?;
    let arguments = ["scan", "application", "--managed", "--managed-prefix", PREFIX];
    stage.keystile(&arguments, 1, |command| cloud.environment(command))?;
    // Not through keystile: the emulator itself says what is current.
    let current = cloud.current(NAME)?;
    let has_leaked = current.contains(leaked);
    let has_password = serde_json::from_str::<Value>(&current).is_ok_and(|value| value["password"].is_string());
    if has_leaked || !has_password {
        return Err(failed("the secret's current value is not a new one"));
    }
    stage.say(&format!("Asked directly, the emulator agrees: the current value of {NAME} is another one."))
}

fn incident(stage: &mut Stage<'_>, args: &DemoArgs) -> anyhow::Result<()> {
    stage.act("the incident report", "What `apply` wrote to incident.md, for whoever has to hand it in:")?;
    let text = fs::read_to_string(stage.surroundings.folder.join("incident.md"))
        .context("while reading the incident report that apply wrote")?;
    if text.trim().is_empty() {
        return Err(failed("the incident report is empty"));
    }
    let lines: Vec<&str> = text.trim_end().lines().collect();
    for line in lines.iter().take(MOST_LINES) {
        stage.say(format!("    {line}").trim_end())?;
    }
    if let Some(rest) = lines.len().checked_sub(MOST_LINES).filter(|rest| *rest > 0) {
        let cure = if args.keep { "" } else { "; --keep keeps the file" };
        stage.say(&format!("    ... and {rest} more lines{cure}"))?;
    }
    Ok(())
}

fn summary(stage: &mut Stage<'_>, cloud: &Cloud, start: Instant) -> anyhow::Result<()> {
    stage.close("The end")?;
    let stand_in = match cloud {
        Cloud::Moto(_, which) => format!("{which}, an emulator, over HTTP on this machine"),
        Cloud::BuiltIn(_, why) => {
            format!("keystile's own stand-in, {why};\n             not seen: a rotation function, permissions")
        }
    };
    stage.say(&format!(
        "  Seen:      a password in a commit that HEAD no longer has; a tenant's manifest refused, and corrected;\n\
         \x20            the secret that holds the password found, rotated, and proved to be another one\n\
         \x20 For AWS:   {stand_in} ({REGION})\n\
         \x20 Time:      {} s, {} commands\n\
         \x20 Read on:   README.md; docs/ci.md, docs/check.md, docs/rotation.md; keystile rotate plan --help",
        start.elapsed().as_secs(),
        stage.commands
    ))
}
