//! Containers that share another's network.

use super::*;

/// After the one whose network it shares was restarted, it is likely restarted
/// by whoever did that.
const RESTART_SETTLES: Duration = Duration::from_secs(10);
/// After that one was removed, a deploy most likely recreates it as well.
const REMOVAL_SETTLES: Duration = Duration::from_secs(120);

/// Whether the network that a container shares leads nowhere.
pub(super) fn is_cut_off(presence: &Presence) -> bool {
    presence.status.is_running() && (presence.network_lost || presence.network_gone)
}

impl Container {
    /// The id of the container behind this key that `change` shows to be no
    /// more.
    pub(crate) fn replaced_by(&self, change: &ContainerChange) -> Option<String> {
        let ContainerChange::Seen(view) = change else { return None };
        let old = &self.presence()?.instance.id;
        let gone = match view {
            ContainerView::Missing => true,
            ContainerView::Present(presence) => presence.instance.id != *old,
            ContainerView::Ambiguous(_) => false,
        };
        gone.then(|| old.clone())
    }

    /// A container is no more: who was made to share its network knows before
    /// the engine is asked about it again.
    pub(crate) fn lost_network_of(&mut self, now: Time, id: &str) {
        if let Some(ContainerView::Present(presence)) = &mut self.view
            && presence.network_of.as_deref() == Some(id)
        {
            presence.network_gone = true;
            if is_cut_off(presence) {
                self.cut_off.get_or_insert(now);
            }
        }
    }

    /// When it is settled that nobody brings it back into its network.
    pub(super) fn network_settled_at(&self) -> Option<Time> {
        let is_gone = self.presence()?.network_gone;
        Some(self.cut_off? + if is_gone { REMOVAL_SETTLES } else { RESTART_SETTLES })
    }

    /// What it is while the network that it shares leads nowhere.
    pub(super) fn cut_off(&self, presence: &Presence, now: Time) -> Option<Standing> {
        let settled = self.network_settled_at()?;
        let name = &presence.name;
        let what = if presence.network_gone { "removed" } else { "restarted or stopped" };
        if now < settled {
            return Some(Standing::CuttingOff(format!(
                "the container whose network {name} shares was {what} just now"
            )));
        }
        Some(Standing::CutOff(Fault::new(
            FaultKind::NetworkLost,
            format!(
                "container {name} has no network: the one whose network it shares was {what} \
                 after it had joined"
            ),
        )))
    }
}
