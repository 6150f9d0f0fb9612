//! Two teams must not be able to spell one name.

use crate::{aws, problems};

/// Environments dev, staging, prod are listed; `shared` is reserved.
#[test]
fn a_pattern_of_its_own() {
    for (names, is_ambiguous) in [
        ("/{env}/{team}/**", false),
        ("/{team}/{env}/**", false),
        ("/{env}-{team}/**", false), // the environments are known: none continues another
        ("/{team}-{env}/**", false),
        ("/{env}{team}/x", false), // as well without anything between: none begins with another
        ("/{team}x{team}/y", true),
        ("/{team}-{team}/y", true),
        ("/x-{team}-y/z", false),
    ] {
        let expected: Vec<String> = if is_ambiguous {
            vec![format!(
                "error: spec.providers[0].grants[0].names: \"{names}\" can spell one name for two teams, since names of \
                 teams hold hyphens: part the variables with '/', which no team's name can hold"
            )]
        } else {
            Vec::new()
        };
        assert_eq!(problems(&aws(&[&format!("{{names: '{names}', access: [read]}}")])), expected, "{names}");
    }
}

#[test]
fn environments_that_are_not_listed_run_into_teams() {
    let binding = "binding: {team: {label: team}, env: {label: env}}\n";
    for (names, is_ambiguous) in [("/{env}/{team}/**", false), ("/{env}-{team}/**", true), ("/{env}_{team}/**", false)]
    {
        let found = problems(&format!("{binding}{}", aws(&[&format!("{{names: '{names}', access: [read]}}")])));
        assert_eq!(!found.is_empty(), is_ambiguous, "{names}: {found:?}");
        if is_ambiguous {
            assert_eq!(
                found,
                [format!(
                    "error: spec.providers[0].grants[0].names: \"{names}\" can spell one name for two teams, since names of \
                     teams hold hyphens: list the environments in binding.env.values, or part the variables with '/'"
                )]
            );
        }
    }
    let two = "binding: {team: {label: team}, env: {label: env, values: [prod, prod-eu]}}\n";
    let found = problems(&format!("{two}{}", aws(&["{names: '/{env}-{team}/**', access: [read]}"])));
    assert_eq!(found.len(), 1, "prod-eu-x is of eu-x in prod and of x in prod-eu: {found:?}");
}

#[test]
fn two_patterns() {
    for (first, second, expected) in [
        ("/{env}/{team}/**", "/{env}/shared/**", None), // reserved
        (
            "/{env}/{team}/**",
            "/{env}/common/**",
            Some(
                "warning: spec.providers[0].grants[1].names: a team named common would share its names with every team, by this and spec.providers[0].grants[0].names: add common to binding.team.reserved",
            ),
        ),
        ("/{env}/{team}/**", "/common/{env}/**", None), // no environment is called so
        ("/{env}/{team}/**", "/{env}/_common/**", None), // no team can be called so
        (
            "/{env}/{team}/**",
            "/prod/{env}/**",
            Some("warning: spec.providers[0].grants[1].names: a team named dev or prod or staging would share"),
        ),
        (
            "/{env}/{team}/**",
            "/{team}/{env}/**",
            Some(
                "error: spec.providers[0].grants[1].names: \"/{team}/{env}/**\" and spec.providers[0].grants[0].names can spell one name for two teams",
            ),
        ),
        (
            "/{env}/{team}/**",
            "/{env}/{team}-x/**",
            Some("error: spec.providers[0].grants[1].names: \"/{env}/{team}-x/**\" and"),
        ),
        ("/{env}/{team}/**", "/{env}/x_{team}/**", None),
        ("/{env}/{team}/a", "/{env}/{team}/b", None),
        ("/{env}/{team}/a", "{env}/{team}/a", None),
        (
            "/{env}/{team}/**",
            "/{env}/*/public",
            Some(
                "warning: spec.providers[0].grants[1].names: by this and spec.providers[0].grants[0].names every team has names of every other",
            ),
        ),
    ] {
        let found = problems(&aws(&[
            &format!("{{names: '{first}', access: [read]}}"),
            &format!("{{names: '{second}', access: [write]}}"),
        ]));
        match expected {
            None => assert_eq!(found, [] as [&str; 0], "{first} beside {second}"),
            Some(expected) => {
                assert!(found.len() == 1 && found[0].starts_with(expected), "{first} beside {second}: {found:#?}");
            }
        }
    }
}

#[test]
fn names_that_are_given_to_listed_teams_are_shared_on_purpose() {
    let found = problems(&aws(&[
        "{names: '/{env}/{team}/**', access: [read]}",
        "{names: /prod/data/warehouse, access: [write], teams: [analytics]}",
    ]));
    assert_eq!(found, [] as [&str; 0]);
}

#[test]
fn gcp_and_kubernetes_have_separators_that_no_team_holds() {
    for (provider, names, is_fine) in [
        ("gcp: {projects: [x]}", "{env}_{team}_**", true),
        ("gcp: {projects: [x]}", "{env}-{team}-**", false),
        ("gcp: {projects: [x]}", "{env}/{team}/**", false),
        ("kubernetes: {remoteNamespaces: [vault]}", "{env}.{team}.**", true),
        ("kubernetes: {remoteNamespaces: [vault]}", "{env}_{team}_**", false),
    ] {
        let spec = format!("providers:\n- {provider}\n  grants: [{{names: '{names}', access: [read]}}]\n");
        let found = problems(&spec);
        assert_eq!(found.is_empty(), is_fine, "{provider} {names}: {found:?}");
    }
}

#[test]
fn roles() {
    let arn = |name: &str| format!("'arn:aws:iam::111111111111:role/{name}'");
    for (roles, expected) in [
        (vec![arn("secrets-{env}-{team}")], None),
        (vec![arn("secrets-{team}"), arn("secrets-shared")], None),
        (vec![arn("{team}"), arn("x-{team}")], Some("error: spec.stores.roles: ")),
        (
            vec![arn("secrets-{team}"), arn("secrets-hub")],
            Some("warning: spec.stores.roles: a team named hub would have"),
        ),
        (vec!["'kv-{env}-{team}'".to_owned()], None),
        (vec!["'{team}-{team}'".to_owned()], Some("error: spec.stores.roles: ")),
    ] {
        let found = problems(&format!("stores: {{roles: [{}]}}", roles.join(", ")));
        match expected {
            None => assert_eq!(found, [] as [&str; 0], "{roles:?}"),
            Some(expected) => assert!(found.iter().any(|found| found.starts_with(expected)), "{roles:?}: {found:#?}"),
        }
    }
}
