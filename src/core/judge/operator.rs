//! What an operator asks for, by command or by maintenance window.

use super::*;

impl Core {
    /// What an operator's request will come to, or why it is refused. It is
    /// carried out by handing in [`Event::Operator`].
    ///
    /// # Errors
    /// An unknown or disabled service, or one whose container is busy.
    pub fn answer(&self, request: &OperatorRequest) -> Result<String, OperatorError> {
        let name = request.service();
        let Some(machine) = self.services.get(name) else {
            return Err(OperatorError(format!("there is no service {name} in the registry")));
        };
        if !machine.is_watched() {
            return Err(OperatorError(format!(
                "{name} is not watched: {}",
                machine.reason(Time::default())
            )));
        }
        if let Some(why) = self.refusal(request, machine) {
            return Err(OperatorError(why));
        }
        Ok(match request {
            OperatorRequest::Pause(_) => {
                format!("{name} is paused: checked, but not restarted, until `vai resume {name}`")
            }
            OperatorRequest::Resume(_) => format!("{name} is watched and restarted again"),
            OperatorRequest::Stop(_) => {
                format!("{name} is being stopped and left alone until `vai start {name}`")
            }
            OperatorRequest::Start(_) => format!("{name} is being started"),
        })
    }

    /// Why a request about a watched service makes no sense right now.
    fn refusal(&self, request: &OperatorRequest, machine: &Machine) -> Option<String> {
        let name = &machine.service.name;
        match request {
            OperatorRequest::Pause(_) | OperatorRequest::Resume(_) => machine
                .is_stopped_by_operator()
                .then(|| format!("{name} is stopped; `vai start {name}` ends that")),
            OperatorRequest::Stop(_) | OperatorRequest::Start(_) if self.settings.observe => {
                Some("vai only observes (--observe)".into())
            }
            OperatorRequest::Stop(_) | OperatorRequest::Start(_)
                if self.is_busy(&machine.service.place) =>
            {
                Some(format!("an action is under way beside {name}; try again when it has ended"))
            }
            OperatorRequest::Stop(_) => None,
            OperatorRequest::Start(_) => {
                let own = machine
                    .container()
                    .and_then(|key| self.containers.get(key)?.presence())
                    .is_some_and(|presence| presence.is_self);
                let held = machine.service.held.as_ref();
                if machine.is_well() {
                    Some(format!("{name} is healthy already"))
                } else if machine.is_stopped_by_operator() {
                    // What else holds it shows once it is not stopped any more.
                    None
                } else if own {
                    Some(format!("{name} runs in vai's own container, which vai never acts on"))
                } else {
                    held.map(|why| format!("{name} is held: {why}"))
                }
            }
        }
    }

    pub(super) fn operate(&mut self, now: Now, request: &OperatorRequest, out: &mut Out) {
        if self.answer(request).is_err() {
            return;
        }
        let name = request.service().clone();
        let Some(machine) = self.services.get_mut(&name) else {
            return;
        };
        let mut step = Step::default();
        match request {
            OperatorRequest::Pause(_) => machine.pause(now, &mut step),
            OperatorRequest::Resume(_) => machine.resume(now, &mut step),
            OperatorRequest::Start(_) => machine.start(now, &mut step),
            OperatorRequest::Stop(_) => {
                machine.stop(now, &mut step);
                let id = self.host.number_act();
                self.dispatch(now, &name, id, &Proposal::stop(now.mono), out);
            }
        }
        self.story(&name, step, out);
    }

    /// The windows that are open now.
    pub(super) fn maintain(&mut self, now: Now, out: &mut Out) {
        self.maintain_jobs();
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            let window = self.windows.iter().find(|window| window.services.contains(&name));
            let mut step = Step::default();
            if let Some(machine) = self.services.get_mut(&name) {
                let reason = window.map(|window| window.reason.clone());
                machine.maintain(now, reason, &mut step);
            }
            self.story(&name, step, out);
        }
    }
}
