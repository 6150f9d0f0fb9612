//! The pipelines of `deploy/ci`, and what their page says.

use serde_json::Value;

fn yaml(name: &str, text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn file(path: &str) -> Value {
    yaml(path, &crate::read(path))
}

/// The commands `keystile …` of a text, each in one line.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.split_once("keystile rotate ").map(|(_, rest)| rest));
    lines.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_page_has_blocks_that_parse_and_links_that_lead_somewhere() {
    let page = crate::read("docs/rotation-in-ci.md");
    let mut blocks = 0;
    for block in page.split("```yaml\n").skip(1) {
        yaml("docs/rotation-in-ci.md", block.split("```").next().unwrap());
        blocks += 1;
    }
    for block in page.split("```json\n").skip(1) {
        serde_json::from_str::<Value>(block.split("```").next().unwrap()).unwrap();
    }
    assert!(blocks > 0);
    let links: Vec<&str> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for link in links.iter().filter(|link| !link.contains("://")) {
        let path = link.split('#').next().unwrap();
        assert!(path.is_empty() || crate::project("docs").join(path).exists(), "{link}");
    }
    // Every file of deploy/iam that is about rotation is named.
    for entry in std::fs::read_dir(crate::project("deploy/iam")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "inventory.json" || page.contains(&format!("(../deploy/iam/{name})")), "{name} is not named");
    }
}

#[test]
fn the_two_jobs_of_github_have_two_roles() {
    let path = "deploy/ci/rotation.github.yaml";
    let (text, pipeline) = (crate::read(path), file(path));
    assert_eq!(pipeline["permissions"], serde_json::json!({}), "nothing by default");
    let role = |job: &str| {
        let steps = pipeline["jobs"][job]["steps"].as_array().unwrap();
        let roles: Vec<&str> = steps.iter().filter_map(|step| step["with"]["role-to-assume"].as_str()).collect();
        let [role] = roles[..] else { panic!("{job}: {roles:?}") };
        role.to_owned()
    };
    assert!(role("plan").ends_with("-plan") && role("apply").ends_with("-apply"));
    let (plan, apply) = (&pipeline["jobs"]["plan"], &pipeline["jobs"]["apply"]);
    assert!(plan["environment"].is_null());
    assert_eq!(apply["environment"], "rotation", "as the role's trust policy says");
    assert!(crate::read("deploy/iam/trust-github-apply.json").contains(":environment:rotation\""));
    assert_eq!(apply["permissions"], serde_json::json!({ "id-token": "write" }));
    assert_eq!(apply["concurrency"]["cancel-in-progress"], false);
    assert_eq!(apply["needs"], "plan");
    let last = apply["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((last["if"].as_str(), last["with"]["name"].as_str()), (Some("always()"), Some("rotation-journal")));
    // Nothing of an event in a script.
    for job in ["plan", "apply"] {
        for step in pipeline["jobs"][job]["steps"].as_array().unwrap() {
            assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "{step}");
        }
    }
    let commands = commands(&text);
    assert!(commands.iter().any(|command| command.starts_with("plan ")), "{commands:?}");
    assert!(commands.iter().any(|command| command.starts_with("apply ") && command.contains("--yes --allow-account")));
}

#[test]
fn the_two_jobs_of_gitlab_have_two_roles() {
    let path = "deploy/ci/rotation.gitlab-ci.yml";
    let (text, pipeline) = (crate::read(path), file(path));
    let (plan, apply) = (&pipeline["rotation-plan"], &pipeline["rotation-apply"]);
    for (job, role, environment) in
        [(plan, "keystile-rotation-plan", "rotation-plan"), (apply, "keystile-rotation-apply", "rotation")]
    {
        assert!(job["variables"]["AWS_ROLE_ARN"].as_str().unwrap().ends_with(role), "{job}");
        assert_eq!(job["environment"]["name"], environment);
        assert_eq!(job["extends"], ".role");
        assert_eq!(job["artifacts"]["when"], "always");
    }
    assert!(
        crate::read("deploy/iam/trust-gitlab-apply.json").contains(":environment:rotation:environment_protected:true")
    );
    assert_eq!(apply["rules"][0]["when"], "manual");
    assert_eq!(apply["interruptible"], false);
    assert_eq!(plan["allow_failure"]["exit_codes"], serde_json::json!([1]));
    let commands = commands(&text);
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[1].contains("--yes --allow-account"), "{commands:?}");
}
