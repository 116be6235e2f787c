use super::names::nearest;
use super::node::Node;
use super::reader::Problem;
use super::service::Draft;
use std::collections::{BTreeMap, BTreeSet};
use vai_core::model::{JobName, ServiceKind, ServiceName};

/// The services and jobs of a registry, for whatever names them.
pub(super) struct Known {
    services: BTreeMap<String, Standing>,
    jobs: BTreeSet<String>,
}

/// Whether anybody can wait for a service.
enum Standing {
    Watched,
    Disabled,
    Documentation,
}

impl Known {
    pub(super) fn new<'n>(drafts: &[Draft<'_>], jobs: impl Iterator<Item = &'n str>) -> Self {
        let standing = |draft: &Draft<'_>| match (draft.service.enabled, draft.service.kind) {
            (false, _) => Standing::Disabled,
            (true, ServiceKind::Watched) => Standing::Watched,
            (true, ServiceKind::Documentation) => Standing::Documentation,
        };
        let services =
            drafts.iter().map(|draft| (draft.service.name.to_string(), standing(draft))).collect();
        Self { services, jobs: jobs.map(str::to_owned).collect() }
    }

    pub(super) fn services(&self) -> Vec<ServiceName> {
        self.services.keys().map(|name| name.as_str().into()).collect()
    }

    pub(super) fn jobs(&self) -> Vec<JobName> {
        self.jobs.iter().map(|name| name.as_str().into()).collect()
    }

    pub(super) fn is_service(&self, name: &str) -> bool {
        self.services.contains_key(name)
    }

    pub(super) fn is_job(&self, name: &str) -> bool {
        self.jobs.contains(name)
    }

    /// The service that an entry of `dependencies` names; anything else is told
    /// and ignored.
    pub(super) fn service<'a>(&self, node: &Node<'a>) -> Option<&'a str> {
        let name = node.text()?;
        if self.is_service(name) {
            return Some(name);
        }
        node.report(if self.is_job(name) {
            Problem::warning(format!("\"{name}\" is a cron job"))
                .expected("ignored: only services can be waited for")
        } else {
            Problem::warning(format!("there is no service \"{name}\""))
                .expected("ignored")
                .did_you_mean(nearest(name, self.services.keys().map(String::as_str)))
        });
        None
    }

    /// Whether the service `name`, an entry of `dependencies`, blocks anybody;
    /// one that does not is told.
    pub(super) fn blocks(&self, node: &Node<'_>, name: &str) -> bool {
        match self.services.get(name) {
            Some(Standing::Watched) => return true,
            Some(Standing::Disabled) => node.report(
                Problem::warning(format!("the service \"{name}\" is disabled"))
                    .expected("ignored: a disabled dependency blocks nobody"),
            ),
            Some(Standing::Documentation) => node.report(
                Problem::warning(format!("the service \"{name}\" is not watched"))
                    .expected("ignored: it has no health check, or is documentation"),
            ),
            None => {}
        }
        false
    }

    /// Tells that `name` is neither a service nor a job.
    pub(super) fn nobody(&self, node: &Node<'_>, name: &str) {
        let all = self.services.keys().chain(&self.jobs).map(String::as_str);
        node.report(
            Problem::warning(format!("there is no service or job \"{name}\""))
                .expected("ignored")
                .did_you_mean(nearest(name, all)),
        );
    }
}
