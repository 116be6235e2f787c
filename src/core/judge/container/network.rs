//! Containers that share another's network.

use super::*;

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
    pub(crate) fn lost_network_of(&mut self, id: &str) {
        if let Some(ContainerView::Present(presence)) = &mut self.view
            && presence.network_of.as_deref() == Some(id)
        {
            presence.network_gone = true;
        }
    }
}
