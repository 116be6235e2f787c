use super::Config;
use std::fmt;
use vai_core::model::ServiceName;

/// Below this many services an edit may drop any of them.
const SMALL: usize = 4;

/// An edit that is held because it would drop too many services (registry.md,
/// "Loading").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The services that it would drop.
    pub dropped: Vec<ServiceName>,
    /// How many there are.
    pub of: usize,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.dropped.iter().map(ServiceName::as_str).collect();
        write!(
            f,
            "this edit would drop {} of {} services ({}) and is held; \
             `vai reload --force` applies it",
            names.len(),
            self.of,
            names.join(", ")
        )
    }
}

/// Whether going from `old` to `new` drops more than half of at least four
/// services.
#[must_use]
pub fn dropped(old: &Config, new: &Config) -> Option<Held> {
    let dropped: Vec<ServiceName> =
        old.services.keys().filter(|name| !new.services.contains_key(*name)).cloned().collect();
    let of = old.services.len();
    (of >= SMALL && dropped.len() * 2 > of).then_some(Held { dropped, of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Context, Environment, load};

    fn config(names: &[&str]) -> Config {
        let services: Vec<String> = names.iter().map(|name| format!("\"{name}\": {{}}")).collect();
        let source = format!("{{\"services\": {{{}}}}}", services.join(","));
        let context = Context { local_shell: true };
        load(&source, &Environment::default(), &context).config.unwrap()
    }

    #[test]
    fn more_than_half_of_four_is_held() {
        let four = config(&["a", "b", "c", "d"]);
        assert_eq!(dropped(&four, &config(&["a", "b"])), None);
        let held = dropped(&four, &config(&["a", "new", "another"])).unwrap();
        assert_eq!(held.dropped.len(), 3);
        assert!(held.to_string().contains("3 of 4 services (b, c, d)"));
    }

    #[test]
    fn three_may_go_at_once() {
        assert_eq!(dropped(&config(&["a", "b", "c"]), &config(&[])), None);
    }
}
