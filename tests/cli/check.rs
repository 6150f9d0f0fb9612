//! `keystile check` on folders of manifests.

use std::path::Path;

use crate::support::run::keystile_with_input;
use crate::support::{Run, github_token, keystile};

/// A folder with a policy and what its objects go through.
struct Manifests(tempfile::TempDir);

const POLICY: &str = "\
apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"111111111111\"], regions: [eu-west-1]}
    grants:
    - {names: \"/{env}/{team}/**\", access: [read]}
  stores:
    cluster: {env: prod, serviceAccounts: [external-secrets/reader]}
";

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: team-a, env: prod}}\n";

const STORE: &str = "\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec:
  conditions: [{namespaces: [a]}]
  provider:
    aws:
      service: SecretsManager
      region: eu-west-1
      auth: {jwt: {serviceAccountRef: {name: reader, namespace: external-secrets}}}
";

fn external_secret(namespace: &str, key: &str) -> String {
    format!(
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: db{namespace}}}\nspec:\n  \
         refreshInterval: 1h\n  secretStoreRef: {{kind: ClusterSecretStore, name: aws}}\n  data:\n  \
         - secretKey: password\n    remoteRef: {{key: {key}}}\n"
    )
}

impl Manifests {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(".keystile/policy.yaml", POLICY);
        folder
    }

    /// With the namespace and the store.
    fn with_world() -> Self {
        let folder = Self::new();
        folder.write("deploy/namespace.yaml", NAMESPACE);
        folder.write("deploy/store.yaml", STORE);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn check(&self, arguments: &[&str]) -> Run {
        keystile(self.path(), [&["check"], arguments].concat())
    }
}

fn ids(run: &Run) -> Vec<String> {
    let report = run.json();
    report["violations"].as_array().unwrap().iter().map(|found| found["rule_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_object_within_its_grant_passes_and_what_was_checked_is_said() {
    let folder = Manifests::with_world();
    folder.write("deploy/db.yaml", external_secret(", namespace: a", "/prod/team-a/db"));
    let run = folder.check(&["deploy"]).expect(0);
    assert_eq!(
        run.text(),
        "no violations.\n  3 objects (1 ClusterSecretStore, 1 ExternalSecret, 1 Namespace) in 3 files\n  \
         live state (KMS key, rotation, age) not evaluated: no --inventory\n  \
         policy default (.keystile/policy.yaml)\n"
    );
    assert_eq!(folder.check(&["--quiet", "deploy"]).expect(0).text(), "");
}

#[test]
fn a_neighbours_secret_is_refused_where_it_is_named() {
    let folder = Manifests::with_world();
    folder.write("deploy/db.yaml", external_secret(", namespace: a", "/prod/team-b/db"));
    let run = folder.check(&["deploy"]).expect(1);
    let text = run.text();
    assert!(
        text.starts_with(
            "deploy/db.yaml:9:22: error: spec.data[0].remoteRef.key: \"/prod/team-b/db\" is outside of what is granted; \
             env=prod team=team-a may read /prod/team-a/** (key-outside-grant)\n     \
             9 |     remoteRef: {key: /prod/team-b/db}\n       |                      ^^^^^^^^^^^^^^^\n       \
             = in ExternalSecret a/db\n"
        ),
        "{text}"
    );
    folder.check(&["--exit-code=7", "deploy"]).expect(7);
}

#[test]
fn lists_anchors_json_and_standard_input_are_read_alike() {
    let folder = Manifests::with_world();
    let object = external_secret(", namespace: a", "/prod/team-b/db");
    let indented = object.replace('\n', "\n  ");
    folder.write("deploy/list.yaml", format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", indented.trim_end()));
    let run = folder.check(&["--format=json", "deploy"]).expect(1);
    let report = run.json();
    assert_eq!(report["violations"][0]["path"], "items[0].spec.data[0].remoteRef.key");
    assert_eq!(report["violations"][0]["line"], 12);
    std::fs::remove_file(folder.path().join("deploy/list.yaml")).unwrap();

    folder.write(
        "deploy/anchor.yaml",
        object.replace(
            "remoteRef: {key: /prod/team-b/db}",
            "remoteRef: &r {key: /prod/team-b/db}\n  - {secretKey: q, remoteRef: *r}",
        ),
    );
    let report = folder.check(&["--format=json", "deploy"]).expect(1).json();
    let places: Vec<_> = report["violations"].as_array().unwrap().iter().map(|found| found["line"].clone()).collect();
    assert_eq!(places, [9, 9], "both are where the anchor is");
    std::fs::remove_file(folder.path().join("deploy/anchor.yaml")).unwrap();

    let input = format!("{NAMESPACE}---\n{STORE}---\n{object}");
    let run = keystile_with_input(folder.path(), &["check", "--format=json", "-"], input.as_bytes()).expect(1);
    assert_eq!(ids(&run), ["key-outside-grant"]);
    assert_eq!(run.json()["violations"][0]["file"], "stdin");
}

#[test]
fn what_is_not_known_is_named_and_ends_with_3() {
    let folder = Manifests::new();
    folder.write("es.yaml", external_secret(", namespace: a", "/prod/team-a/db"));
    let run = folder.check(&["--format=json", "es.yaml"]).expect(3);
    assert_eq!(ids(&run), ["binding-unbound", "key-unresolved"]);
    folder.write("world/all.yaml", format!("{NAMESPACE}---\n{STORE}"));
    folder.check(&["--world", "world", "es.yaml"]).expect(0);
    folder.write("world/all.yaml", NAMESPACE);
    let run = folder.check(&["--format=json", "--world", "world", "es.yaml"]).expect(1);
    assert_eq!(ids(&run), ["key-unresolved"], "a world is all there is: the store is not there");
}

#[test]
fn the_namespace_of_an_object_that_names_none_can_be_said() {
    let folder = Manifests::with_world();
    folder.write("deploy/db.yaml", external_secret("", "/prod/team-a/db"));
    let run = folder.check(&["--format=json", "deploy"]).expect(1);
    assert_eq!(ids(&run), ["binding-unbound"]);
    folder.check(&["--namespace=a", "deploy"]).expect(0);
}

#[test]
fn templates_are_not_decided_wherever_they_stand() {
    let folder = Manifests::with_world();
    folder.write("deploy/a.yaml", external_secret(", namespace: a", "\"/{{ .Values.env }}/team-b/x\""));
    let run = folder.check(&["--format=json", "deploy"]).expect(3);
    assert_eq!(ids(&run), ["object-unrendered"]);
    folder.write("deploy/a.yaml", external_secret(", namespace: a", "{{ .Values.key }}"));
    let gap = folder.check(&["--format=json", "deploy"]).expect(3).json()["gaps"][0].clone();
    assert_eq!((&gap["kind"], &gap["line"]), (&"template".into(), &9.into()));
    folder.write("deploy/a.yaml", "apiVersion: external-secrets.io/v1\nkind: \"${KIND}\"\nmetadata: {name: x}\n");
    let gap = folder.check(&["--format=json", "deploy"]).expect(3).json()["gaps"][0].clone();
    assert_eq!((&gap["kind"], &gap["line"]), (&"template".into(), &2.into()));
}

#[test]
fn patches_of_kustomize_are_not_decided_where_they_change_what_is_judged() {
    const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [db.yaml]\n";
    let json6902 = |target: &str| {
        format!(
            "patches:\n- target: {{{target}}}\n  patch: |-\n    - op: replace\n      path: /spec/data/0/remoteRef/key\n      \
             value: /prod/team-b/db\n"
        )
    };
    let merge = |kind: &str| {
        format!(
            "  apiVersion: {kind}\n  metadata: {{name: db}}\n  spec: {{data: [{{remoteRef: {{key: /prod/team-b/db}}}}]}}\n"
        )
    };
    let external_secret = "external-secrets.io/v1\n  kind: ExternalSecret";
    for (case, name, text, place) in [
        ("inline, by target", "kustomization.yaml", format!("{HEAD}{}", json6902("kind: ExternalSecret")), "5:3"),
        ("of every kind", "kustomization.yml", json6902("name: db"), "2:3"),
        ("a regular expression", "Kustomization", json6902("kind: External.*"), "2:3"),
        ("inline, by itself", "kustomization.yaml", format!("{HEAD}patches:\n- patch: |-\n  {}", merge(external_secret).replace("\n  ", "\n    ")), "5:3"),
        ("strategic", "kustomization.yaml", format!("patchesStrategicMerge:\n- |-\n{}", merge(external_secret)), "3:3"),
        (
            "patchesJson6902",
            "kustomization.yaml",
            format!("{HEAD}patchesJson6902:\n- path: patch.json\n  target: {{group: external-secrets.io, version: v1, kind: ExternalSecret, name: db}}\n"),
            "5:3",
        ),
        ("a file that was not read", "kustomization.yaml", "patches:\n- path: ../../elsewhere.yaml\n".to_owned(), "2:3"),
        (
            "replacements",
            "kustomization.yaml",
            "replacements:\n- source: {kind: ConfigMap, name: x}\n  targets:\n  - select: {kind: ExternalSecret}\n    fieldPaths: [spec.data.0.remoteRef.key]\n".to_owned(),
            "2:3",
        ),
        (
            "Flux",
            "flux.yaml",
            format!(
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: x, namespace: a}}\nspec:\n  {}",
                json6902("kind: ExternalSecret").replace('\n', "\n  ")
            ),
            "6:5",
        ),
        (
            "labels of a namespace",
            "kustomization.yaml",
            "patches:\n- target: {kind: Namespace}\n  patch: '[{op: add, path: /metadata/labels/team, value: team-b}]'\n".to_owned(),
            "2:3",
        ),
    ] {
        let folder = Manifests::with_world();
        folder.write("deploy/db.yaml", external_secret_of_a());
        folder.write("deploy/patch.json", r#"[{"op": "remove", "path": "/spec/data/0"}]"#);
        folder.write(&format!("deploy/{name}"), text);
        let run = folder.check(&["--format=json", "deploy"]).expect(3);
        let report = run.json();
        let gaps = report["gaps"].as_array().unwrap();
        assert_eq!(gaps.len(), 1, "{case}: {gaps:?}");
        let at = format!("{}:{}", gaps[0]["line"], gaps[0]["column"]);
        assert_eq!((gaps[0]["file"].as_str().unwrap(), &*at), (&*format!("deploy/{name}"), place), "{case}: {gaps:?}");
        assert!(gaps[0]["message"].as_str().unwrap().contains("`kustomize build deploy | keystile check -`"), "{case}");
    }
}

#[test]
fn patches_of_other_kinds_hide_nothing() {
    let folder = Manifests::with_world();
    folder.write("deploy/db.yaml", external_secret_of_a());
    folder.write(
        "deploy/replicas.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
    );
    folder.write(
        "deploy/kustomization.yaml",
        "resources: [db.yaml]\nimages: [{name: web, newTag: v2}]\npatches:\n- path: replicas.yaml\n\
         - target: {kind: Deployment}\n  patch: '[{op: replace, path: /spec/replicas, value: 2}]'\n\
         - target: {kind: Namespace}\n  patch: '[{op: add, path: /metadata/annotations/x, value: y}]'\n\
         - patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: x}\n\
         patchesStrategicMerge:\n- ./replicas.yaml\n",
    );
    folder.check(&["deploy"]).expect(0);
}

fn external_secret_of_a() -> String {
    external_secret(", namespace: a", "/prod/team-a/db")
}

#[test]
fn broken_files_are_gaps_and_hide_nothing_beside_them() {
    let folder = Manifests::with_world();
    folder.write("deploy/a.yaml", "a: 1\na: 2\n");
    folder.write("deploy/b.yaml", b"\xff\xfe\xff");
    folder.write("deploy/c.yaml", format!("x: [1\n---\n{}", external_secret(", namespace: a", "/prod/team-b/db")));
    let run = folder.check(&["--format=json", "deploy"]).expect(1);
    let report = run.json();
    let gaps: Vec<_> = report["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| (gap["file"].as_str().unwrap(), gap["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        gaps,
        [("deploy/a.yaml", "duplicate_key"), ("deploy/b.yaml", "unreadable_file"), ("deploy/c.yaml", "syntax")]
    );
    assert_eq!(ids(&run), ["key-outside-grant"]);
}

#[test]
fn two_objects_of_one_name_are_not_decided() {
    let folder = Manifests::with_world();
    folder.write("deploy/other.yaml", STORE.replace("eu-west-1", "us-east-1"));
    folder.write("deploy/db.yaml", external_secret(", namespace: a", "/prod/team-a/db"));
    let report = folder.check(&["--format=json", "deploy"]).json();
    assert!(report["gaps"].as_array().unwrap().iter().any(|gap| gap["kind"] == "ambiguous"), "{report}");
    let undecided = report["violations"].as_array().unwrap().iter().any(|found| found["rule_id"] == "key-unresolved");
    assert!(undecided, "neither store counts: {report}");
}

#[test]
fn what_nobody_handed_an_inventory_in_for_is_said_once() {
    let folder = Manifests::with_world();
    folder.write("deploy/one.yaml", external_secret("1, namespace: a", "/prod/team-a/one"));
    folder.write("deploy/two.yaml", external_secret("2, namespace: a", "/prod/team-a/two"));
    let said = "live state (KMS key, rotation, age) not evaluated: no --inventory";
    let number = |run: &Run| run.json()["coverage"]["objects_without_live_state"].clone();

    let run = folder.check(&["deploy"]);
    assert_eq!((run.status, run.text().matches(said).count()), (Some(0), 1), "{}", run.text());
    assert_eq!(number(&folder.check(&["--format=json", "deploy"])), 2);
    assert!(!folder.check(&["deploy/store.yaml"]).text().contains(said), "a store has none");

    folder.write("live.json", r#"{"SecretList": []}"#);
    assert_eq!(number(&folder.check(&["--format=json", "--inventory", "live.json", "deploy"])), 0);
    folder.write(".keystile/policy.yaml", format!("{POLICY}  rules: {{inventory: allow}}\n"));
    assert_eq!(number(&folder.check(&["--format=json", "deploy"])), 0);
}

#[test]
fn comments_and_files_in_the_same_change_excuse_nothing() {
    let folder = Manifests::with_world();
    let object = external_secret(", namespace: a", "/prod/team-b/db # keystile:allow gitleaks:allow");
    folder.write(
        "deploy/db.yaml",
        object.replace("db # keystile:allow gitleaks:allow}", "db} # keystile:allow gitleaks:allow"),
    );
    folder.write(".keystile/ignore", "deploy/db.yaml\n");
    folder.check(&["deploy"]).expect(1);
}

#[test]
fn a_credential_is_shown_in_no_format() {
    let folder = Manifests::with_world();
    let token = github_token(1);
    // In the line that is shown, and in what the message quotes.
    let object = external_secret(", namespace: a", &format!("/prod/team-b/{token}"));
    folder
        .write("deploy/db.yaml", object.replace("secretKey: password\n", &format!("secretKey: password # {token}\n")));
    for format in ["human", "json", "jsonl", "sarif", "csv", "junit", "gitlab", "markdown"] {
        let run = folder.check(&["--verbose", "--format", format, "deploy"]).expect(1);
        assert!(!run.text().contains(&token) && !run.stderr.contains(&token), "{format}: {}", run.text());
        assert!(run.text().contains("key-"), "{format}: {}", run.text());
    }
    folder.write("deploy/db.yaml", format!("a: {token}\na: {token}\n"));
    let run = folder.check(&["deploy"]).expect(3);
    assert!(!run.text().contains(&token), "{}", run.text());
}

#[test]
fn nothing_checked_is_not_the_same_as_nothing_found() {
    let folder = Manifests::new();
    folder.write("deploy/x.yaml", "kind: ConfigMap\napiVersion: v1\n");
    let run = folder.check(&["--quiet", "deploy"]).expect(0);
    assert!(run.text().starts_with("nothing was checked"), "{}", run.text());
    assert!(run.text().contains("1 object of other kinds"), "{}", run.text());
}

#[test]
fn wrong_use_ends_with_2_and_names_the_cure() {
    let folder = Manifests::new();
    for (arguments, word) in [
        (&["nowhere"][..], "nowhere"),
        (&["--world", "none", "."], "none"),
        (&["--inventory", "none.json", "."], "none.json"),
        (&["--policy", "none.yaml", "."], "none.yaml"),
        (&["--format", "gitleaks", "."], "gitleaks"),
        (&["--at", "tomorrow", "."], "tomorrow"),
        (&[], "say what to check, for example `keystile check .`"),
        (&["--at", "yesterday", "deploy"], "for example 2026-01-31T12:00:00Z"),
    ] {
        let run = folder.check(arguments).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
    }
    std::fs::remove_dir_all(folder.path().join(".keystile")).unwrap();
    let run = folder.check(&["."]).expect(2);
    assert!(run.stderr.contains("keystile policy init"), "{}", run.stderr);
}

#[test]
fn a_policy_with_errors_is_refused_with_its_line() {
    let folder = Manifests::new();
    folder.write(".keystile/policy.yaml", POLICY.replace("/{env}/{team}/**", "/{env}/{team}/"));
    let run = folder.check(&["."]).expect(2);
    assert!(run.stderr.contains("--> .keystile/policy.yaml:9:"), "{}", run.stderr);
    assert!(run.stderr.contains("9 |     - {names: \"/{env}/{team}/\""), "{}", run.stderr);
    folder.write(".keystile/policy.yaml", "a: 1\na: 2\n");
    let run = folder.check(&["."]).expect(2);
    assert!(run.stderr.contains("is written twice"), "{}", run.stderr);
}

#[test]
fn the_policy_is_found_from_a_folder_below() {
    let folder = Manifests::with_world();
    std::fs::create_dir_all(folder.path().join("deploy/deeper")).unwrap();
    let run = keystile(&folder.path().join("deploy/deeper"), ["check", ".."]).expect(0);
    assert!(run.text().contains("../../.keystile/policy.yaml"), "{}", run.text());
}

#[test]
fn reports_go_where_they_are_asked_to() {
    let folder = Manifests::with_world();
    folder.write("deploy/db.yaml", external_secret(", namespace: a", "/prod/team-b/db"));
    let run = folder.check(&["--output=a.json", "--format=json", "--report=sarif=b.sarif", "deploy"]).expect(1);
    assert_eq!(run.text(), "");
    for name in ["a.json", "b.sarif"] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.contains("key-outside-grant"), "{name}");
    }
}
