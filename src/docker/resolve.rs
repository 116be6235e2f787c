//! Which container a key of the registry means (registry.md, `container`).

use super::Listed;
use crate::config::ContainerEntry;
use vai_core::model::ContainerKey;

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// No container goes by it.
    Nothing,
    /// This one.
    One(&'a Listed),
    /// More than one; their names, sorted.
    Several(Vec<String>),
}

/// The name in the registry's `containers` map, if it has one: while that
/// container is gone, no other one is meant. Else the first of these steps with
/// any match decides: a container named like the key, one named
/// `<key>-container`, the compose service `<key>` of `own_project`, the compose
/// service `<key>` of any project. Of several containers of one service, only
/// the running ones count; while none runs it is `followed`, the id that the key
/// meant before.
pub(super) fn resolve<'a>(
    key: &ContainerKey,
    entry: &ContainerEntry,
    containers: &'a [Listed],
    own_project: Option<&str>,
    followed: Option<&str>,
) -> Found<'a> {
    let named = |name: &str| containers.iter().find(|listed| listed.name == name);
    if let Some(name) = &entry.name {
        return named(name).map_or(Found::Nothing, Found::One);
    }
    let by_name = named(key.as_str()).or_else(|| named(&format!("{key}-container")));
    if let Some(listed) = by_name {
        return Found::One(listed);
    }
    let of_service: Vec<(&str, &Listed)> = containers
        .iter()
        .filter_map(|listed| {
            let (project, service) = listed.compose.as_ref()?;
            (service == key.as_str()).then_some((project.as_str(), listed))
        })
        .collect();
    let of_own: Vec<_> =
        of_service.iter().copied().filter(|&(project, _)| Some(project) == own_project).collect();
    let mut candidates: Vec<&Listed> =
        if of_own.is_empty() { of_service } else { of_own }.into_iter().map(|(_, it)| it).collect();
    if candidates.len() > 1 {
        let any_runs = candidates.iter().any(|it| it.is_running);
        let counts = |it: &&Listed| match any_runs {
            true => it.is_running,
            false => Some(it.id.as_str()) == followed,
        };
        if candidates.iter().any(counts) {
            candidates.retain(counts);
        }
    }
    match candidates.as_slice() {
        [] => Found::Nothing,
        [one] => Found::One(one),
        several => {
            let mut names: Vec<_> = several.iter().map(|it| it.name.clone()).collect();
            names.sort();
            Found::Several(names)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, compose: Option<(&str, &str)>) -> Listed {
        Listed {
            id: format!("id-of-{name}"),
            name: name.to_owned(),
            compose: compose.map(|(project, service)| (project.into(), service.into())),
            is_running: true,
        }
    }

    /// What the key `services` means, as a name or a list of names.
    fn names(entry: Option<&str>, containers: &[Listed], own: Option<&str>) -> Vec<String> {
        let entry = ContainerEntry { name: entry.map(ToOwned::to_owned), probe: None };
        match resolve(&"services".into(), &entry, containers, own, None) {
            Found::Nothing => vec![],
            Found::One(one) => vec![one.name.clone()],
            Found::Several(names) => names,
        }
    }

    #[test]
    fn the_steps_are_tried_in_order() {
        let mut all = vec![
            container("mapped", None),
            container("services", None),
            container("services-container", None),
            container("own_services_1", Some(("own", "services"))),
            container("other_services_1", Some(("other", "services"))),
        ];
        assert_eq!(names(Some("mapped"), &all, Some("own")), ["mapped"]);
        all.remove(0);
        for expected in ["services", "services-container", "own_services_1"] {
            assert_eq!(names(None, &all, Some("own")), [expected]);
            all.remove(0);
        }
        assert_eq!(names(None, &all, Some("own")), ["other_services_1"]);
        assert!(names(None, &[], Some("own")).is_empty());
    }

    #[test]
    fn while_the_named_container_is_gone_no_other_one_is_meant() {
        let all = [container("services", None), container("services-container", None)];
        assert!(names(Some("mapped"), &all, None).is_empty());
    }

    #[test]
    fn two_of_a_compose_service_are_ambiguous_within_one_step_only() {
        let all = [
            container("own_services_2", Some(("own", "services"))),
            container("own_services_1", Some(("own", "services"))),
            container("other_services_1", Some(("other", "services"))),
        ];
        assert_eq!(names(None, &all, Some("own")), ["own_services_1", "own_services_2"]);
        assert_eq!(names(None, &all, Some("other")), ["other_services_1"]);
        assert_eq!(names(None, &all, None).len(), 3);
    }

    #[test]
    fn the_registrys_name_is_not_a_prefix_or_a_service() {
        let all = [container("mapped-2", Some(("p", "mapped")))];
        assert!(names(Some("mapped"), &all, None).is_empty());
    }

    #[test]
    fn of_what_a_recreation_leaves_for_a_moment_the_running_one_is_meant() {
        let of_own =
            |name, is_running| Listed { is_running, ..container(name, Some(("own", "services"))) };
        let means = |containers: &[Listed], followed: Option<&str>| {
            let entry = ContainerEntry { name: None, probe: None };
            match resolve(&"services".into(), &entry, containers, Some("own"), followed) {
                Found::Nothing => vec![],
                Found::One(one) => vec![one.name.clone()],
                Found::Several(names) => names,
            }
        };
        let (old, new) = ("ef7c4a50f929_own_services_1", "own_services_1");
        let stopped = [of_own(old, false), of_own(new, false)];
        assert_eq!(means(&stopped, Some("id-of-ef7c4a50f929_own_services_1")), [old]);
        assert_eq!(means(&stopped, None), [old, new]);
        let started = [of_own(old, false), of_own(new, true)];
        assert_eq!(means(&started, Some("id-of-ef7c4a50f929_own_services_1")), [new]);
        let replicas = [of_own("own_services_2", true), of_own(new, true), of_own(old, false)];
        assert_eq!(means(&replicas, None), ["own_services_1", "own_services_2"]);
    }
}
