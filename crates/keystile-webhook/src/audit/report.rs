//! Reports of the audit: one per namespace, and one for cluster-scoped objects, in each of the two
//! kinds that are installed.
//!
//! `openreports.io/v1alpha1` is the successor of `wgpolicyk8s.io/v1alpha2`; the fields used here are the
//! same in both (`tests/admission/crds/reports.yaml` has them, and where they come from). A report is written only when what it says has changed.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use super::{ByNamespace, Finding, Findings, key};

/// The groups, with their kinds for a namespace and for the cluster.
const KINDS: [(&str, &str, &str, &str); 2] = [
    ("openreports.io", "v1alpha1", "Report", "ClusterReport"),
    ("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "ClusterPolicyReport"),
];
/// Most results of one report; etcd takes no object over 1.5 MiB. The summary counts all of them.
const MAX_RESULTS: usize = 500;
/// Every report's name.
const NAME: &str = "keystile";
/// Tells keystile's reports from others'.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "keystile");
/// How many results were left out.
const OMITTED: &str = "keystile.dev/omitted-results";

/// A group of reports that is installed.
#[derive(Clone, Debug)]
pub struct Installed {
    namespaced: ApiResource,
    cluster: ApiResource,
}

/// Which kinds of report the cluster has.
///
/// # Errors
///
/// When the API server does not say.
pub async fn installed(client: &Client) -> Result<Vec<Installed>, kube::Error> {
    let groups = client.list_api_groups().await?;
    let mut installed = Vec::new();
    for (group, version, namespaced, cluster) in KINDS {
        let Some(served) = groups.groups.iter().find(|served| served.name == group) else { continue };
        if !served.versions.iter().any(|served| served.version == version) {
            continue;
        }
        let resources = client.list_api_group_resources(&format!("{group}/{version}")).await?;
        let of = |kind: &str| {
            let resource = resources.resources.iter().find(|one| one.kind == kind && !one.name.contains('/'))?;
            let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
            Some(ApiResource::from_gvk_with_plural(&kind, &resource.name))
        };
        if let (Some(namespaced), Some(cluster)) = (of(namespaced), of(cluster)) {
            installed.push(Installed { namespaced, cluster });
        }
    }
    Ok(installed)
}

/// Writes the reports that have changed, and removes those of namespaces without objects. How many it
/// wrote, and which objects failed by which rules in the reports that were there before.
///
/// # Errors
///
/// When the API server refuses something; what was written stays, and the next run goes on.
pub async fn write(
    client: &Client,
    kind: &Installed,
    found: &ByNamespace,
) -> Result<(usize, BTreeMap<String, Vec<String>>), kube::Error> {
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let mut there: BTreeMap<String, DynamicObject> = BTreeMap::new();
    for resource in [&kind.namespaced, &kind.cluster] {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
        let listed = api.list(&ours).await?;
        there.extend(
            listed.items.into_iter().map(|report| (report.metadata.namespace.clone().unwrap_or_default(), report)),
        );
    }
    let failed = there.iter().flat_map(|(namespace, report)| failed(namespace, &report.data)).fold(
        BTreeMap::<String, Vec<String>>::new(),
        |mut all, (object, rule)| {
            let rules = all.entry(object).or_default();
            if !rules.contains(&rule) {
                rules.push(rule);
                rules.sort();
            }
            all
        },
    );
    let mut written = 0;
    for (namespace, found) in found {
        let (api, resource) = api(client, kind, namespace);
        let report = report(resource, namespace, found);
        match there.remove(namespace) {
            Some(old) if says_the_same(&old, &report) => {}
            Some(old) => {
                let mut report = report;
                report.metadata.resource_version = old.metadata.resource_version;
                put(api.replace(NAME, &PostParams::default(), &report).await)?;
                written += 1;
            }
            None => {
                put(api.create(&PostParams::default(), &report).await)?;
                written += 1;
            }
        }
    }
    for (namespace, old) in there {
        let (api, _) = api(client, kind, &namespace);
        match api.delete(old.metadata.name.as_deref().unwrap_or(NAME), &DeleteParams::default()).await {
            Ok(_) => written += 1,
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok((written, failed))
}

fn api<'k>(client: &Client, kind: &'k Installed, namespace: &str) -> (Api<DynamicObject>, &'k ApiResource) {
    if namespace.is_empty() {
        (Api::all_with(client.clone(), &kind.cluster), &kind.cluster)
    } else {
        (Api::namespaced_with(client.clone(), namespace, &kind.namespaced), &kind.namespaced)
    }
}

/// A namespace may have gone, or begun to go, since its objects were judged; another writer may have come
/// first. Both are set right by the next run.
fn put(written: Result<DynamicObject, kube::Error>) -> Result<(), kube::Error> {
    match written {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 && status.message.contains("being terminated") => Ok(()),
        Err(error) => Err(error),
    }
}

/// The failures of a report, as object and rule.
fn failed(namespace: &str, report: &Value) -> Vec<(String, String)> {
    let results = report["results"].as_array().into_iter().flatten();
    results
        .filter(|result| result["result"] == "fail")
        .filter_map(|result| {
            let object = &result["resources"][0];
            let object = key(namespace, object["kind"].as_str()?, object["name"].as_str()?);
            Some((object, result["rule"].as_str()?.to_owned()))
        })
        .collect()
}

fn report(resource: &ApiResource, namespace: &str, found: &Findings) -> DynamicObject {
    let mut report = DynamicObject::new(NAME, resource);
    report.metadata.namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    report.metadata.labels = Some(BTreeMap::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned())]));
    let omitted = found.findings.len().saturating_sub(MAX_RESULTS);
    if omitted > 0 {
        report.metadata.annotations = Some(BTreeMap::from([(OMITTED.to_owned(), omitted.to_string())]));
    }
    let count = |result: &str| found.findings.iter().filter(|finding| finding.result == result).count();
    // The worst first: they are what a capped report must not leave out.
    let mut findings: Vec<&Finding> = found.findings.iter().collect();
    findings.sort_by_key(|finding| {
        let order = ["fail", "error", "warn", "skip"];
        (
            order.iter().position(|result| *result == finding.result),
            &finding.kind,
            &finding.name,
            finding.rule,
            &finding.message,
        )
    });
    report.data = json!({
        "summary": {
            "pass": found.passed,
            "fail": count("fail"), "warn": count("warn"), "error": count("error"), "skip": count("skip"),
        },
        "results": findings.into_iter().take(MAX_RESULTS).map(|finding| result(namespace, finding)).collect::<Vec<_>>(),
    });
    report
}

fn result(namespace: &str, finding: &Finding) -> Value {
    let mut object = json!({"apiVersion": finding.api_version, "kind": finding.kind, "name": finding.name});
    if !namespace.is_empty() {
        object["namespace"] = json!(namespace);
    }
    if !finding.uid.is_empty() {
        object["uid"] = json!(finding.uid);
    }
    json!({
        "source": NAME,
        "policy": NAME,
        "rule": finding.rule,
        "category": finding.group,
        "result": finding.result,
        "severity": finding.severity,
        "message": finding.message,
        "resources": [object],
    })
}

fn says_the_same(old: &DynamicObject, new: &DynamicObject) -> bool {
    let omitted =
        |report: &DynamicObject| report.metadata.annotations.as_ref().and_then(|all| all.get(OMITTED).cloned());
    ["summary", "results"].iter().all(|field| old.data.get(field) == new.data.get(field))
        && omitted(old) == omitted(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, result: &'static str) -> Finding {
        Finding {
            api_version: "external-secrets.io/v1".into(),
            kind: "ExternalSecret".into(),
            name: name.into(),
            uid: String::new(),
            rule: "key-outside-grant",
            group: "key",
            result,
            severity: "high",
            message: "spec: no (key-outside-grant)".into(),
        }
    }

    fn resource() -> ApiResource {
        ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("openreports.io", "v1alpha1", "Report"))
    }

    #[test]
    fn a_report_is_capped_and_its_summary_is_not() {
        let mut findings: Vec<Finding> =
            (0..MAX_RESULTS).map(|number| finding(&format!("w{number}"), "warn")).collect();
        findings.push(finding("f", "fail"));
        let report = report(&resource(), "a", &Findings { passed: 2, findings });
        assert_eq!(report.data["results"].as_array().unwrap().len(), MAX_RESULTS);
        assert_eq!(report.data["results"][0]["resources"][0]["name"], "f", "the worst first");
        assert_eq!(report.data["summary"], json!({"pass": 2, "fail": 1, "warn": MAX_RESULTS, "error": 0, "skip": 0}));
        assert_eq!(report.metadata.annotations.unwrap()[OMITTED], "1");
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        let findings = Findings { passed: 0, findings: vec![finding("x", "fail")] };
        let (old, new) = (report(&resource(), "a", &findings), report(&resource(), "a", &findings));
        assert!(says_the_same(&old, &new));
        let fixed = report(&resource(), "a", &Findings { passed: 1, findings: Vec::new() });
        assert!(!says_the_same(&old, &fixed));
        assert_eq!(failed("a", &old.data), [("a/ExternalSecret/x".to_owned(), "key-outside-grant".to_owned())]);
    }

    /// An API server drops fields that a definition does not have without a word, and refuses other words.
    #[test]
    fn every_definition_has_what_a_report_says() {
        let definitions: Value =
            serde_saphyr::from_str(include_str!("../../../../tests/admission/crds/reports.yaml")).unwrap();
        for (group, version, namespaced, cluster) in KINDS {
            for (kind, namespace) in [(namespaced, "a"), (cluster, "")] {
                let definitions = definitions["items"].as_array().unwrap();
                let of_kind = |one: &&Value| one["spec"]["group"] == group && one["spec"]["names"]["kind"] == kind;
                let definition = definitions.iter().find(of_kind).unwrap_or_else(|| panic!("{group} {kind}"));
                assert_eq!(definition["spec"]["versions"][0]["name"], version);
                assert_eq!(definition["spec"]["scope"] == "Cluster", namespace.is_empty(), "{kind}");
                let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
                for result in ["fail", "warn", "error", "skip"] {
                    for severity in ["critical", "high", "medium", "low", "info"] {
                        let mut found = finding("x", result);
                        (found.severity, found.uid) = (severity, "u".into());
                        let findings = Findings { passed: 1, findings: vec![found] };
                        fits(schema, &report(&resource(), namespace, &findings).data, kind);
                    }
                }
            }
        }
    }

    #[track_caller]
    fn fits(schema: &Value, value: &Value, place: &str) {
        let is_typed = match schema["type"].as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            other => panic!("{place}: a type that no report has: {other}"),
        };
        assert!(is_typed, "{place} is no {}: {value}", schema["type"]);
        if let Some(words) = schema["enum"].as_array() {
            assert!(words.contains(value), "{place} is {value}, none of {words:?}");
        }
        for field in schema["required"].as_array().into_iter().flatten() {
            assert!(value.get(field.as_str().unwrap()).is_some(), "{place} has no {field}");
        }
        for (field, value) in value.as_object().into_iter().flatten() {
            let schema = &schema["properties"][field];
            assert!(schema.is_object(), "{place} has no field {field}");
            fits(schema, value, &format!("{place}.{field}"));
        }
        for item in value.as_array().into_iter().flatten() {
            fits(&schema["items"], item, &format!("{place}[]"));
        }
    }
}
