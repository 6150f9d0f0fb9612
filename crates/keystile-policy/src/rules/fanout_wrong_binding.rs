//! A cluster-scoped object that is wrong for some of the namespaces which it reaches, now or later.

use super::Rule;
use crate::binding::Part;
use crate::fan_out::Reach;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

/// See the rule's texts.
pub static FANOUT_WRONG_BINDING: Rule = Rule {
    id: "fanout-wrong-binding",
    summary: "A ClusterExternalSecret or ClusterPushSecret reaches namespaces, now or later, for which what it says is refused.",
    why: "A team's secret would be copied into namespaces of other teams, also into those that are made tomorrow.",
    example: "kind: ClusterExternalSecret\nspec:\n  namespaceSelectors: [{matchLabels: {env: prod}}]   # of every team\n  externalSecretSpec:\n    dataFrom: [{extract: {key: /prod/team-a/db}}]",
    instead: "Choose by `matchLabels` or `In` on both labels of the binding, so that only namespaces whose team may read the name are reached.",
    references: &["https://external-secrets.io/latest/api/clusterexternalsecret/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterExternalSecret, Kind::ClusterPushSecret],
    check: super::none,
};

/// One violation for each binding that is wrong where others are not, or wrong since it may be anybody's;
/// with the environment whose actions count. `found` has the places of bindings in `reach`.
pub(crate) fn wrong_bindings(reach: &Reach, found: &[(Violation, Vec<usize>)]) -> Vec<(Violation, Option<Box<str>>)> {
    let count = reach.bindings.len();
    let mut wrong: Vec<Vec<&'static str>> = vec![Vec::new(); count];
    for (violation, whom) in found {
        let is_open = |nth: &usize| {
            let binding = &reach.bindings[*nth].binding;
            violation.rule.is_about_names() && (binding.team == Part::Any || binding.env == Part::Any)
        };
        for nth in whom.iter().filter(|nth| whom.len() < count || is_open(nth)) {
            if !wrong[*nth].contains(&violation.rule.id) {
                wrong[*nth].push(violation.rule.id);
            }
        }
    }
    let wrong = reach.bindings.iter().zip(wrong).filter(|(_, rules)| !rules.is_empty());
    wrong
        .map(|(reached, rules)| {
            let binding = &reached.binding;
            let who = match (&binding.env, &binding.team) {
                (_, Part::Any) => "namespaces of any team",
                (Part::Any, _) => "namespaces of any environment",
                _ => "namespaces",
            };
            let message = format!(
                "reaches {who}: {}, now or later, for which it is wrong ({})",
                reached.shown(),
                rules.join(", ")
            );
            let violation = Violation::new(&FANOUT_WRONG_BINDING, reached.path.clone(), binding.to_string(), message)
                .cure("choose by matchLabels or In on the labels of team and environment");
            (violation, binding.env.value().map(Into::into))
        })
        .collect()
}
