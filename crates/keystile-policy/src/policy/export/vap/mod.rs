//! A ValidatingAdmissionPolicy: what of the policy can be said of an ExternalSecret without looking at a store.
//!
//! The API server asks no webhook for it, so it holds while none answers. CEL sees the object, the old one and
//! the Namespace; it sees neither stores nor other objects. What it refuses the policy refuses too, so wherever
//! it can't tell it says nothing: references through stores that nobody vouched for, searches, whatever an update
//! left as it was, whatever an exception is about. Each policy says in its annotations what it holds and what not.
//!
//! The API server bounds what an evaluation may cost (1,000,000 units for one expression, 10,000,000 for a policy).
//! What is over that is refused, as whatever can't be evaluated: to let it pass would be a way around. So the costs are
//! kept low: lengths are compared before expressions run, and the old object is looked at only for what is wrong.
//!
//! Sources: Kubernetes documentation, "Validating Admission Policy" and "Common Expression Language in
//! Kubernetes"; k8s.io/apiserver, pkg/apis/cel/config.go (the limits).

mod names;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Export;
use super::cel::{self, any_of, text};
use crate::judgement::Action;
use crate::kind::GENERATORS;
use crate::policy::{Access, EnvRule, Policy, Provider};
use crate::rules::{
    BINDING_UNBOUND, GENERATOR_NOT_LISTED, KEY_ARN_FOREIGN, KEY_IS_ARN, KEY_NOT_CANONICAL, KEY_OUTSIDE_GRANT,
    REFRESH_IMMUTABLE_TARGET, REFRESH_ONCE_ONLY, REFRESH_TOO_RARE, Rule, VERSION_PINNED,
};
use crate::subject::store::StoreKind;

/// The ids of the rules that an export can hold.
pub const RULES: &[&str] = &[
    "binding-unbound",
    "generator-not-listed",
    "key-is-arn",
    "key-not-canonical",
    "key-outside-grant",
    "refresh-immutable-target",
    "refresh-once-only",
    "refresh-too-rare",
    "version-pinned",
];

/// The annotation with the ids of the rules that a policy holds.
pub const RULES_ANNOTATION: &str = "keystile.dev/rules";
/// The annotation with the stores whose references it judges.
pub const STORES_ANNOTATION: &str = "keystile.dev/stores";
/// The annotation with what it does not say.
pub const LEFT_OUT_ANNOTATION: &str = "keystile.dev/left-out";

/// Namespaces that the webhook is not asked about either (`deploy/webhook/registration.yaml`).
const LEFT_ALONE: &[&str] = &["kube-system", "keystile-system"];

/// A service of AWS behind a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Secrets Manager.
    SecretsManager,
    /// Parameter Store.
    ParameterStore,
}

impl Service {
    /// As a store and the policy write it.
    fn as_str(self) -> &'static str {
        match self {
            Self::SecretsManager => "SecretsManager",
            Self::ParameterStore => "ParameterStore",
        }
    }

    /// What the names of its variables begin with.
    fn variable(self) -> &'static str {
        match self {
            Self::SecretsManager => "secret",
            Self::ParameterStore => "parameter",
        }
    }

    /// Whether `key` is canonical; the grammars are those of [`crate::provider::canonical`].
    fn is_canonical(self, key: &str) -> String {
        let (class, most, length) = match self {
            Self::SecretsManager => ("[A-Za-z0-9_+=.@-]+", "*", 512),
            Self::ParameterStore => ("[A-Za-z0-9_.-]+", "{0,14}", 1011),
        };
        let shape = text(&format!("^/?{class}(/{class}){most}$"));
        let dots = text(r"(^|/)\.\.?(/|$)");
        format!("(size({key}) <= {length} && {key}.matches({shape}) && !{key}.matches({dots}))")
    }
}

/// A ClusterSecretStore for which the platform vouches: it is there, it is of this service, it fits the policy's
/// `providers`, and it puts no prefix before names. Nothing in an export notices when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchedStore {
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: Service,
}

/// The policies and their bindings, one pair for each action that a rule has, named `NAME-deny` and so on.
#[must_use]
pub fn policies(policy: &Policy, name: &str, stores: &[VouchedStore]) -> Export {
    let writer = Writer { policy, stores, envs: envs(policy) };
    let mut documents = Vec::new();
    let vouched: Vec<String> =
        stores.iter().map(|store| format!("{}={}", store.name, store.service.as_str())).collect();
    for (action, word) in [(Action::Deny, "Deny"), (Action::Warn, "Warn"), (Action::Audit, "Audit")] {
        let (rules, validations) = writer.validations(action);
        if validations.is_empty() {
            continue;
        }
        let name = format!("{name}-{}", word.to_ascii_lowercase());
        // An error refuses; of what only warns it must not.
        let failure = if action == Action::Deny { "Fail" } else { "Ignore" };
        documents.push(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name, "annotations": {
                RULES_ANNOTATION: rules.into_iter().collect::<Vec<_>>().join(","),
                STORES_ANNOTATION: vouched.join(","),
                LEFT_OUT_ANNOTATION: writer.left_out().join("; "),
            }},
            "spec": {
                "failurePolicy": failure,
                "matchConstraints": {
                    "matchPolicy": "Equivalent",
                    "namespaceSelector": {"matchExpressions": [
                        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": LEFT_ALONE},
                    ]},
                    "resourceRules": [{
                        "apiGroups": ["external-secrets.io"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["externalsecrets"],
                        "scope": "Namespaced",
                    }],
                },
                "variables": writer.variables(),
                "validations": validations,
            },
        }));
        documents.push(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": [word]},
        }));
    }
    Export { documents, left_out: writer.left_out() }
}

/// The environments that anything in the policy tells apart; the empty text for any other, where the policy
/// lists none.
fn envs(policy: &Policy) -> Vec<String> {
    let mut envs: BTreeSet<&str> = policy.environments().into_iter().collect();
    envs.extend(policy.namespaces.values().filter_map(|binding| binding.env.value()));
    if envs.contains("") {
        envs.extend(policy.generators.envs().chain(policy.refresh_max_interval.envs()));
        for entry in &policy.providers {
            if let Provider::Aws { services, .. } = &entry.provider {
                envs.extend(services.envs());
            }
            envs.extend(entry.grants.iter().flat_map(|grant| grant.access.envs()));
        }
    }
    envs.into_iter().map(str::to_owned).collect()
}

/// One validation: what must hold, and the words where it does not.
struct Validation {
    holds: String,
    message: &'static str,
    /// CEL for what the message says behind the rule's id; printable and bounded.
    says: Option<String>,
}

struct Writer<'p> {
    policy: &'p Policy,
    stores: &'p [VouchedStore],
    envs: Vec<String>,
}

impl Writer<'_> {
    fn services(&self) -> Vec<Service> {
        let is_there = |service: &Service| self.stores.iter().any(|store| store.service == *service);
        [Service::SecretsManager, Service::ParameterStore].into_iter().filter(is_there).collect()
    }

    /// Whether the namespace's environment is one for which `is_it` holds; `None` = there is none.
    fn env_is(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let (with, without): (Vec<&str>, Vec<&str>) = self.envs.iter().map(String::as_str).partition(|env| is_it(env));
        match (with.as_slice(), without.as_slice()) {
            ([], _) => None,
            (_, []) => Some("true".to_owned()),
            (with, without) if with.contains(&"") => Some(format!("!(variables.env in {})", cel::list(without))),
            (with, _) => Some(format!("variables.env in {}", cel::list(with))),
        }
    }

    /// Whether a name is granted in the namespace through the stores of a service.
    fn is_granted(&self, service: Service, key: &str) -> String {
        let mut granted = Vec::new();
        for entry in &self.policy.providers {
            let Provider::Aws { services, .. } = &entry.provider else { continue };
            for grant in &entry.grants {
                let is_through = grant.stores.as_ref().is_none_or(|listed| {
                    self.stores.iter().filter(|store| store.service == service).any(|store| {
                        listed.iter().any(|one| one.kind == StoreKind::ClusterSecretStore && one.name == store.name)
                    })
                });
                let env = self.env_is(|env| {
                    services.allows(Some(env), |allowed| allowed == service.as_str())
                        && grant.access.get(env).is_some_and(|access| access.has(Access::Read))
                });
                if let Some(env) = env.filter(|_| is_through) {
                    granted.push(names::of_grant(grant, &env, key));
                }
            }
        }
        any_of(granted)
    }

    fn variables(&self) -> Vec<Value> {
        let mut variables = Vec::new();
        let mut add = |name: &str, expression: String| variables.push(json!({"name": name, "expression": expression}));
        let (team, env) = self.binding();
        add("team", team);
        add("env", env);
        add("bound", self.is_bound());
        let lists = [("data", "object", "data"), ("dataFrom", "object", "dataFrom")];
        for (name, of, field) in lists {
            add(name, format!("has({of}.spec) && has({of}.spec.{field}) ? {of}.spec.{field} : []"));
        }
        for (name, field) in [("oldData", "data"), ("oldDataFrom", "dataFrom")] {
            let is_there = format!("oldObject != null && has(oldObject.spec) && has(oldObject.spec.{field})");
            add(name, format!("{is_there} ? oldObject.spec.{field} : []"));
        }
        add("judged", "variables.bound && has(object.spec)".to_owned());
        let reads = "size(variables.data) > 0 || variables.dataFrom.exists(d, has(d.extract) || has(d.find))";
        add("reads", format!("variables.judged && ({reads})"));
        let old_refs = "variables.oldData.filter(d, has(d.remoteRef)).map(d, d.remoteRef) \
             + variables.oldDataFrom.filter(d, has(d.extract)).map(d, d.extract)";
        add("oldRefs", old_refs.to_owned());
        add("oldKeys", "variables.oldRefs.filter(r, has(r.key)).map(r, r.key)".to_owned());
        let generators = |list: &str| {
            format!(
                "variables.{list}.filter(d, has(d.sourceRef) && has(d.sourceRef.generatorRef)).map(d, d.sourceRef.generatorRef)"
            )
        };
        add("generators", format!("{} + {}", generators("data"), generators("dataFrom")));
        let old = format!("{} + {}", generators("oldData"), generators("oldDataFrom"));
        add("oldGenerators", format!("({old}).filter(g, has(g.kind))"));
        add("unlisted", self.unlisted());
        let interval = "has(object.spec.refreshInterval) ? object.spec.refreshInterval : \"1h\"";
        add("interval", interval.to_owned());
        for (name, field, otherwise) in
            [("oldInterval", "refreshInterval", "1h"), ("oldRefreshPolicy", "refreshPolicy", "")]
        {
            let (field, none) = (format!("oldObject.spec.{field}"), text(otherwise));
            // What there was not equals nothing.
            add(
                name,
                format!("oldObject == null || !has(oldObject.spec) ? \"none\" : has({field}) ? {field} : {none}"),
            );
        }
        // What CEL's duration() reads without an error; it is Go's own reading.
        let readable = text("^[-+]?(0|([0-9]{1,5}([.][0-9]{1,5})?(h|m|s|ms|us|ns)){1,5})$");
        for (name, of) in [("isReadable", "interval"), ("isOldReadable", "oldInterval")] {
            add(name, format!("size(variables.{of}) <= 64 && variables.{of}.matches({readable})"));
        }
        let reads = "size(variables.oldData) > 0 || variables.oldDataFrom.exists(d, has(d.extract) || has(d.find))";
        add("oldReads", reads.to_owned());
        let is_periodic = "variables.oldReads && !(variables.oldRefreshPolicy in [\"CreatedOnce\", \"OnChange\"])";
        add("isOldPeriodic", is_periodic.to_owned());
        let policy = "has(object.spec.refreshPolicy) ? object.spec.refreshPolicy : \"\"";
        add("refreshPolicy", policy.to_owned());
        let store = "has(object.spec.secretStoreRef) ? object.spec.secretStoreRef : {}";
        add("store", store.to_owned());
        for service in self.services() {
            self.references(service, &mut add);
        }
        variables
    }

    /// The references through the stores of one service, and which of them are wrong.
    fn references(&self, service: Service, add: &mut impl FnMut(&str, String)) {
        let variable = service.variable();
        let names: Vec<&str> =
            self.stores.iter().filter(|store| store.service == service).map(|store| store.name.as_str()).collect();
        let names = cel::list(&names);
        let goes = |store: &str| {
            format!(
                "has({store}.kind) && {store}.kind == \"ClusterSecretStore\" && has({store}.name) && {store}.name in {names}"
            )
        };
        add(&format!("{variable}Store"), goes("variables.store"));
        let own = goes("d.sourceRef.storeRef");
        let otherwise = format!("variables.{variable}Store");
        // A `sourceRef` without a store: none in `data`, the object's own in `dataFrom`.
        let data = format!("has(d.sourceRef) ? has(d.sourceRef.storeRef) && {own} : {otherwise}");
        let from = format!("has(d.sourceRef) && has(d.sourceRef.storeRef) ? {own} : {otherwise}");
        add(
            &format!("{variable}Refs"),
            format!(
                "variables.data.filter(d, has(d.remoteRef) && has(d.remoteRef.key) && ({data})).map(d, d.remoteRef) \
                 + variables.dataFrom.filter(d, has(d.extract) && has(d.extract.key) && ({from})).map(d, d.extract)"
            ),
        );
        let keys = format!("variables.{variable}Keys");
        add(&format!("{variable}Keys"), format!("variables.{variable}Refs.map(r, r.key)"));
        let arn = text("^(?i:arn):");
        add(&format!("{variable}Arns"), format!("{keys}.filter(k, k.matches({arn}) && !(k in variables.oldKeys))"));
        // Behind a colon Parameter Store has a version.
        let name = |key: &str| match service {
            Service::SecretsManager => key.to_owned(),
            Service::ParameterStore => format!("{key}.split(\":\", 2)[0]"),
        };
        // The name of an ARN would be "arn".
        let is_canonical = |key: &str| format!("({} && !{key}.matches({arn}))", service.is_canonical(&name(key)));
        let canonical = is_canonical("k");
        add(
            &format!("{variable}Unclear"),
            format!("{keys}.filter(k, !{canonical} && !k.matches({arn}) && !(k in variables.oldKeys))"),
        );
        add(&format!("{variable}Names"), format!("{keys}.filter(k, {canonical}).map(k, {})", name("k")));
        let granted = self.is_granted(service, "n");
        let had = "variables.oldKeys.exists(o, o == n || o.startsWith(n + \":\"))";
        add(&format!("{variable}Outside"), format!("variables.{variable}Names.filter(n, !({granted}) && !{had})"));
        let current = match service {
            Service::SecretsManager => cel::list(&["", "AWSCURRENT"]),
            Service::ParameterStore => cel::list(&[""]),
        };
        // The same version of the same name; of what is no name nobody can tell here.
        let (own, old) = (name("r.key"), name("o.key"));
        let is_same = format!("{own} == {old} || !{} || !{}", is_canonical("r.key"), is_canonical("o.key"));
        let had_beside = format!(
            "variables.oldRefs.exists(o, has(o.key) && has(o.version) && o.version == r.version && ({is_same}))"
        );
        let had_within = format!(
            "variables.oldKeys.exists(o, o == {own} + \":\" + r.version \
             || (o.matches({arn}) && o.endsWith(\":\" + r.version)))"
        );
        let mut pinned = format!(
            "variables.{variable}Refs.filter(r, has(r.version) && !(r.version in {current}) && !{had_beside} \
             && !{had_within}).map(r, r.key)"
        );
        if service == Service::ParameterStore {
            let had = format!(
                "k in variables.oldKeys || variables.oldRefs.exists(o, has(o.key) && has(o.version) \
                 && (o.key + \":\" + o.version == k || (o.key.matches({arn}) && k.endsWith(\":\" + o.version)))) \
                 || variables.oldKeys.exists(o, o.matches({arn}) && o.endsWith(\":\" + k.split(\":\", 2)[1]))"
            );
            pinned = format!("{pinned} + {keys}.filter(k, k.contains(\":\") && {canonical} && !({had}))");
        }
        add(&format!("{variable}Pinned"), pinned);
    }

    /// CEL for the team and for the environment of the namespace; the empty text where its labels say none.
    fn binding(&self) -> (String, String) {
        let label = |label: &str| {
            let (labels, label) = ("namespaceObject.metadata.labels", text(label));
            format!("has({labels}) && {label} in {labels} ? {labels}[{label}] : \"\"")
        };
        let rule = &self.policy.binding;
        let env = match &rule.env {
            EnvRule::Value(value) => text(value),
            EnvRule::Label { label: name, .. } => label(name),
        };
        let (mut teams, mut envs) = (Vec::new(), Vec::new());
        for (namespace, binding) in &self.policy.namespaces {
            let entry = |value: Option<&str>| format!("{}: {}", text(namespace), text(value.unwrap_or_default()));
            teams.push(entry(binding.team.value()));
            envs.push(entry(binding.env.value()));
        }
        let named = |entries: Vec<String>, otherwise: String| match entries.is_empty() {
            true => otherwise,
            false => {
                let map = format!("{{{}}}", entries.join(", "));
                format!("request.namespace in {map} ? {map}[request.namespace] : ({otherwise})")
            }
        };
        (named(teams, label(&rule.team_label)), named(envs, env))
    }

    fn is_bound(&self) -> String {
        let rule = &self.policy.binding;
        let dns_label = text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$");
        let reserved: Vec<&str> = rule.reserved_teams.iter().map(String::as_str).collect();
        let mut parts = vec![format!("variables.team.matches({dns_label})")];
        if !reserved.is_empty() {
            parts.push(format!("!(variables.team in {})", cel::list(&reserved)));
        }
        match &rule.env {
            EnvRule::Value(_) => {}
            EnvRule::Label { values, .. } if values.is_empty() => {
                parts.push(format!("variables.env.matches({dns_label})"));
            }
            EnvRule::Label { values, .. } => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                parts.push(format!("variables.env in {}", cel::list(&values)));
            }
        }
        let by_labels = parts.join(" && ");
        if self.policy.namespaces.is_empty() {
            return by_labels;
        }
        let named: Vec<&str> = self.policy.namespaces.keys().map(String::as_str).collect();
        format!("request.namespace in {} || ({by_labels})", cel::list(&named))
    }

    /// What must hold, for the rules that have `action` somewhere.
    fn validations(&self, action: Action) -> (BTreeSet<&'static str>, Vec<Value>) {
        let (mut held, mut written) = (BTreeSet::new(), Vec::new());
        let mut add = |rules: &[&'static Rule], is_any: bool, validation: Validation| {
            // The mildest of the rules that may be broken here, so that this one is never stricter.
            let does = |env: &str| {
                let actions = rules.iter().map(|rule| self.policy.action(rule, Some(env)));
                if is_any { actions.min() } else { actions.max() }
            };
            if let Some(env) = self.env_is(|env| does(env) == Some(action)) {
                held.extend(rules.first().map(|rule| rule.id));
                written.push(self.validation(rules, &env, &validation));
            }
        };
        if let Some(most) = self.longest_interval() {
            add(&[&REFRESH_TOO_RARE], true, most);
        }
        add(
            &[&REFRESH_ONCE_ONLY],
            true,
            Validation {
                // Of an interval before that nobody can read here, nobody can tell that it was not zero.
                holds: "!variables.reads || !(variables.refreshPolicy in [\"CreatedOnce\", \"OnChange\"] \
                        ? !(variables.oldReads && variables.refreshPolicy == variables.oldRefreshPolicy) \
                        : variables.isReadable && duration(variables.interval) <= duration(\"0s\") \
                        && (!variables.isOldPeriodic || (variables.isOldReadable \
                        && duration(variables.oldInterval) > duration(\"0s\"))))"
                    .to_owned(),
                message: "the values are read once, or only when this object is changed, so no rotation is picked up: \
                          leave refreshPolicy out and set an interval above zero",
                says: None,
            },
        );
        add(
            &[&REFRESH_IMMUTABLE_TARGET],
            true,
            Validation {
                holds: "!variables.reads || !(has(object.spec.target) && has(object.spec.target.immutable) \
                        && object.spec.target.immutable) || (variables.oldReads \
                        && has(oldObject.spec.target) && has(oldObject.spec.target.immutable) \
                        && oldObject.spec.target.immutable)"
                    .to_owned(),
                message: "an immutable Secret keeps the old value after a rotation: leave spec.target.immutable out",
                says: None,
            },
        );
        add(&[&GENERATOR_NOT_LISTED], true, Self::generators());
        for service in self.services() {
            let variable = service.variable();
            let mut about = |rules: &[&'static Rule], is_any: bool, which: &str, message: &'static str, says: &str| {
                let which = format!("variables.{variable}{which}");
                let says = format!("{} + {says}", cel::shown(&format!("{which}[0]")));
                let holds = format!("!variables.judged || size({which}) == 0");
                add(rules, is_any, Validation { holds, message, says: Some(says) });
            };
            about(
                // An ARN of another account, or one that is not well-formed, breaks another rule than this.
                &[&KEY_IS_ARN, &KEY_ARN_FOREIGN, &KEY_NOT_CANONICAL],
                true,
                "Arns",
                "a key is an ARN, not a name: write the name",
                &text(" is an ARN, not a name: write the name"),
            );
            about(
                // Where the first lets it pass, the key is still outside of every grant.
                &[&KEY_NOT_CANONICAL, &KEY_OUTSIDE_GRANT],
                false,
                "Unclear",
                "a key is no canonical name: write the secret's name exactly as the provider has it",
                &text(" is no canonical name: write the secret's name exactly as the provider has it"),
            );
            about(
                &[&KEY_OUTSIDE_GRANT],
                true,
                "Outside",
                "a key is outside of what is granted to the namespace's team",
                "\" is outside of what is granted to env=\" + variables.env + \" team=\" + variables.team",
            );
            about(
                &[&VERSION_PINNED],
                true,
                "Pinned",
                "a reference is to one version of the secret, and stays it when the secret is rotated: leave the version \
                 out, to read the current value",
                &text(" is read in one version, and stays it when the secret is rotated: leave the version out"),
            );
        }
        let mut unbound = Vec::new();
        if self.policy.action(&BINDING_UNBOUND, None) == action {
            // What an unbound namespace holds already was unbound before.
            let validation = Validation {
                holds: "oldObject != null || variables.bound".to_owned(),
                message: "the namespace is bound to nobody: let an administrator label the namespace, or name it in \
                          the policy",
                says: Some(format!(
                    "\"namespace \" + request.namespace + {}",
                    text(" is bound to nobody: let an administrator label it, or name it in the policy")
                )),
            };
            held.insert(BINDING_UNBOUND.id);
            unbound.push(self.validation(&[&BINDING_UNBOUND], "true", &validation));
        }
        unbound.extend(written);
        (held, unbound)
    }

    fn validation(&self, rules: &[&'static Rule], env: &str, validation: &Validation) -> Value {
        let mut ways = Vec::new();
        if env != "true" {
            ways.push(format!("!({env})"));
        }
        for exception in &self.policy.exceptions {
            let is_about = rules.iter().any(|rule| rule.id == exception.rule) && exception.kind == "ExternalSecret";
            if is_about {
                let mut is_it = format!("object.metadata.name == {}", text(&exception.name));
                if let Some(namespace) = &exception.namespace {
                    is_it = format!("request.namespace == {} && {is_it}", text(namespace));
                }
                ways.push(format!("({is_it})"));
            }
        }
        ways.push(format!("({})", validation.holds));
        let id = rules.first().map_or("", |rule| rule.id);
        let mut written = json!({
            "expression": ways.join(" || "),
            "message": format!("[{id}] {}", validation.message),
            "reason": "Forbidden",
        });
        if let Some(says) = &validation.says {
            written["messageExpression"] = json!(format!("{} + {says}", text(&format!("[{id}] "))));
        }
        written
    }

    /// The longest interval of each environment.
    fn longest_interval(&self) -> Option<Validation> {
        let intervals = &self.policy.refresh_max_interval;
        let mut ways = Vec::new();
        let lengths: BTreeSet<_> = self.envs.iter().filter_map(|env| intervals.get(env)).collect();
        for most in lengths {
            let env = self.env_is(|env| intervals.get(env) == Some(most))?;
            ways.push(format!("({env} && duration(variables.interval) > duration(\"{}s\"))", most.as_secs_f64()));
        }
        if ways.is_empty() {
            return None;
        }
        Some(Validation {
            holds: format!(
                "!variables.reads || !variables.isReadable \
                 || variables.refreshPolicy in [\"CreatedOnce\", \"OnChange\"] || !{} \
                 || (variables.isOldPeriodic && variables.interval == variables.oldInterval)",
                any_of(ways)
            ),
            message: "spec.refreshInterval is longer than the policy allows: read more often",
            says: Some(format!(
                "\"spec.refreshInterval \" + variables.interval + {}",
                text(" is longer than the policy allows: read more often")
            )),
        })
    }

    /// The generators of a kind that is not listed, but for those that an update left.
    fn unlisted(&self) -> String {
        let kinds: BTreeSet<&str> = self.policy.generators.values().flatten().map(String::as_str).collect();
        let listed = kinds.into_iter().filter_map(|kind| {
            let env = self.env_is(|env| self.policy.generators.allows(Some(env), |listed| listed == kind))?;
            Some(format!("({env} && g.kind == {})", text(kind)))
        });
        // Without an apiVersion the operator takes the generators' group.
        let is_own = |of: &str| {
            let (group, below) = (text(GENERATORS), text(&format!("{GENERATORS}/")));
            format!(
                "(!has({of}.apiVersion) || {of}.apiVersion in [\"\", {group}] || {of}.apiVersion.startsWith({below}))"
            )
        };
        let (own, old) = (is_own("g"), is_own("o"));
        format!(
            "variables.generators.filter(g, has(g.kind) && !({own} && {listed}) \
             && !variables.oldGenerators.exists(o, o.kind == g.kind && ({own} ? {old} \
             : (has(o.apiVersion) && o.apiVersion == g.apiVersion))))",
            listed = any_of(listed.collect()),
        )
    }

    fn generators() -> Validation {
        Validation {
            holds: "!variables.judged || size(variables.unlisted) == 0".to_owned(),
            message: "a generator's kind is not one that the policy lists: use one that it lists in generators",
            says: Some(format!(
                "\"the generator's kind \" + {} + {}",
                cel::shown("variables.unlisted[0].kind"),
                text(" is not one that the policy lists: use one that it lists in generators")
            )),
        }
    }

    fn left_out(&self) -> Vec<String> {
        let mut left_out = vec![
            "kinds other than ExternalSecret, and versions other than v1 where v1 is not served".to_owned(),
            "rules that need stores, generators, other objects, the inventory or the texts of an object".to_owned(),
            "searches (dataFrom[].find): whether an expression finds only granted names is no question for CEL"
                .to_owned(),
        ];
        left_out.push("what a ClusterGenerator holds".to_owned());
        left_out.push("targets that are no Secret".to_owned());
        match self.stores {
            [] => left_out.push("keys and versions: no --store is vouched for".to_owned()),
            _ => {
                left_out.push("keys and versions through stores other than those of --store".to_owned());
                left_out.push(
                    "an update's key, version or generator that the old object has through another store".to_owned(),
                );
            }
        }
        if self.policy.providers.iter().filter(|entry| matches!(entry.provider, Provider::Aws { .. })).count() > 1 {
            left_out.push("which entry of providers a store is of: the grants of every aws entry count".to_owned());
        }
        let are_arns_let_pass = |env: &String| self.policy.action(&KEY_IS_ARN, Some(env)) != Action::Deny;
        if !self.stores.is_empty() && self.envs.iter().any(are_arns_let_pass) {
            left_out.push("what an ARN names, where key-is-arn does not deny".to_owned());
        }
        for exception in self.policy.exceptions.iter().filter(|exception| exception.kind == "ExternalSecret") {
            left_out.push(format!(
                "{} of ExternalSecret {}, whatever the value; export again when the exception expires, after {}",
                exception.rule, exception.name, exception.expires
            ));
        }
        left_out
    }
}
