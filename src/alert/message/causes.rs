//! What fails because of a root, and how it hangs on it, in words.

use super::sheet::Part;
use super::words::{condition, listed, shortened, standing};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use vai_core::model::{Affected, Incident, ServiceName, StateLabel};

/// Up to so many get a line each; more are grouped by what they hang on.
const IN_LINES: usize = 8;
/// Names in all groups together; the rest is counted.
const NAMES_SHOWN: usize = 500;
/// A longer chain of causes is told by its beginning and its end.
const LINKS_SHOWN: usize = 4;
/// For what a check says about one of many.
const LONGEST_REASON: usize = 80;

/// `Fails with it: nginx is down (answered 502, expected 200) because backend
/// is down because redis is down`, and which of it is well again.
pub(super) fn affected(incident: &Incident) -> Vec<Part> {
    let chain = Chain::new(incident);
    let failing: Vec<&Affected> = incident.failing_with_it().collect();
    let label = match incident.state {
        StateLabel::StoppedByHand => "Stopped with it",
        _ if chain.over => "Failed with it",
        _ => "Fails with it",
    };
    let mut parts = Vec::new();
    match failing.as_slice() {
        [] => {}
        few if few.len() <= IN_LINES => match chain.sentences(few).as_slice() {
            [one] => parts.push(Part::Fact(label.to_owned(), one.clone())),
            sentences => parts.push(Part::List(label.to_owned(), sentences.to_vec())),
        },
        many => {
            let label = format!("{label} ({})", many.len());
            parts.push(Part::List(label, chain.groups(many)));
        }
    }
    let well: Vec<&str> = match chain.over {
        false => incident.affected.iter().filter(|it| it.over).map(|it| it.name.as_str()).collect(),
        true => Vec::new(),
    };
    if !well.is_empty() {
        parts.push(Part::Fact("Well again".to_owned(), listed(&well, NAMES_SHOWN)));
    }
    parts
}

struct Chain<'a> {
    incident: &'a Incident,
    links: BTreeMap<&'a str, &'a Affected>,
    over: bool,
}

impl<'a> Chain<'a> {
    fn new(incident: &'a Incident) -> Self {
        let links = incident.affected.iter().map(|it| (it.name.as_str(), it)).collect();
        Self { incident, links, over: incident.is_over() }
    }

    /// One of each: how it stands, what its check says, and why. Those of which
    /// nothing is to be said but that it is so are named together before.
    fn sentences(&self, few: &[&Affected]) -> Vec<String> {
        let is_told = |it: &&&Affected| self.reason(it).is_some() || it.because.is_some();
        let (told, named): (Vec<&Affected>, Vec<&Affected>) = few.iter().partition(is_told);
        let names: Vec<&str> = named.iter().map(|it| it.name.as_str()).collect();
        let names = (!names.is_empty()).then(|| names.join(", "));
        names.into_iter().chain(told.into_iter().map(|it| self.sentence(it))).collect()
    }

    fn sentence(&self, it: &Affected) -> String {
        let standing = standing(it.state, self.over);
        let reason = self.reason(it).map_or_else(String::new, |it| format!(" ({it})"));
        format!("{} {standing}{reason}{}", it.name, self.because(it.because.as_ref()))
    }

    /// What its own check says. What it shares with the root is told there.
    fn reason(&self, it: &Affected) -> Option<String> {
        let own = !it.reason.is_empty() && it.reason != self.incident.reason;
        own.then(|| shortened(&it.reason, LONGEST_REASON))
    }

    /// ` because backend is down because redis is down`; empty without a cause.
    fn because(&self, cause: Option<&ServiceName>) -> String {
        let mut links: Vec<String> = Vec::new();
        let mut next = cause.map(ServiceName::as_str);
        // What is read from a file could go round in a circle.
        while let Some(name) = next
            && links.len() <= self.links.len()
        {
            let link = self.links.get(name).filter(|_| name != self.incident.root);
            let standing = match link {
                Some(link) => standing(link.state, self.over || link.over).to_owned(),
                None if self.over => format!("was {}", condition(self.incident)),
                None => format!("is {}", condition(self.incident)),
            };
            links.push(format!(" because {name} {standing}"));
            next = link.and_then(|link| link.because.as_ref()).map(ServiceName::as_str);
        }
        if links.len() > LINKS_SHOWN {
            let last = links.len() - 1;
            links.splice(LINKS_SHOWN - 1..last, [" …".to_owned()]);
        }
        links.concat()
    }

    /// One line for all that hang on the same, the largest first.
    fn groups(&self, many: &[&Affected]) -> Vec<String> {
        let mut groups: BTreeMap<Option<&ServiceName>, Vec<&str>> = BTreeMap::new();
        for it in many {
            groups.entry(it.because.as_ref()).or_default().push(it.name.as_str());
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, names)| Reverse(names.len()));
        let mut left = NAMES_SHOWN;
        let mut lines = Vec::new();
        for (because, names) in groups {
            let shown = match left {
                0 => format!("{} more", names.len()),
                _ => listed(&names, left),
            };
            left = left.saturating_sub(names.len());
            let because = self.because(because);
            lines.push(match because.trim_start() {
                "" => shown,
                because => format!("{because}: {shown}"),
            });
        }
        lines
    }
}
