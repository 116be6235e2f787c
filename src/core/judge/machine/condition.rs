use super::*;
use crate::model::Check;

impl Machine {
    /// What all checks together say: the worst of them.
    pub(super) fn condition(&self, now: Time) -> Condition {
        let mut worst = Condition::Well;
        for (run, check) in self.checks() {
            let condition = self.condition_of(run, check, now);
            if condition.rank() > worst.rank() {
                worst = condition;
            }
        }
        let mut checks = self.checks();
        match checks.find_map(|(run, check)| run.kept.quality.complaint(&check.name)) {
            Some(why) if worst.rank() < Condition::PENDING => Condition::Degraded(why),
            _ => worst,
        }
    }

    fn checks(&self) -> impl Iterator<Item = (&Run, &Check)> {
        self.runs.iter().zip(&self.service.checks)
    }

    /// What one check says of the service. A check that only alerts holds
    /// nothing up while it is not settled.
    fn condition_of(&self, run: &Run, check: &Check, now: Time) -> Condition {
        let alert_only = check.on_fail == OnFail::Alert;
        match run.tally.verdict(check, now) {
            Verdict::Well if run.tally.was_slow() => self.condition_until_settled(Condition::Well),
            Verdict::Well => Condition::Well,
            Verdict::Slow(why) => Condition::Degraded(self.naming(check, why)),
            Verdict::Blind(why) if alert_only => Condition::HalfBlind(self.naming(check, why)),
            Verdict::Blind(why) => Condition::Blind(why),
            Verdict::Failed(_) if alert_only && self.may_come_up(run, now) => self
                .condition_until_settled(if self.restarting().next().is_none() {
                    Condition::Starting
                } else {
                    Condition::Well
                }),
            Verdict::Failed(failing) if alert_only => {
                Condition::Degraded(self.naming(check, failing.fault.detail))
            }
            Verdict::Pending if self.restarting().next().is_none() => {
                self.condition_until_settled(Condition::Pending)
            }
            _ if alert_only => self.condition_until_settled(Condition::Well),
            Verdict::Pending => Condition::Pending,
            Verdict::Starting => Condition::Starting,
            Verdict::Recovering => Condition::Recovering,
            Verdict::Suspect(failing) => Condition::Suspect(self.named_failing(check, failing)),
            Verdict::Failed(failing) => Condition::Failed(self.named_failing(check, failing)),
        }
    }

    /// What a check says, with its name where there are several.
    fn naming(&self, check: &Check, words: String) -> String {
        match self.service.checks.as_slice() {
            [_] => words,
            _ => format!("check {}: {words}", check.name),
        }
    }

    pub(super) fn named_failing(&self, check: &Check, failing: Failing) -> Failing {
        let detail = self.naming(check, failing.fault.detail);
        Failing { fault: Fault { detail, ..failing.fault }, ..failing }
    }

    /// Whether a check may fail because its service is still coming up.
    pub(super) fn may_come_up(&self, run: &Run, now: Time) -> bool {
        now < self.kept.comes_up_until && !run.has_passed()
    }

    /// That it was degraded is not over because `vai` or its container was
    /// started anew, nor by a single pass.
    fn condition_until_settled(&self, otherwise: Condition) -> Condition {
        match &self.kept.outage {
            Some(Outage { kind: OutageKind::Degraded, reason, .. }) => {
                Condition::Degraded(reason.clone())
            }
            _ => otherwise,
        }
    }

    pub(crate) fn is_flapping(&self) -> bool {
        self.restarting().any(|(run, _)| run.kept.quality.is_flapping())
    }
}

/// What all checks of a service together say.
pub(super) enum Condition {
    Well,
    Degraded(String),
    HalfBlind(String),
    Pending,
    Starting,
    Blind(String),
    Recovering,
    Suspect(Failing),
    Failed(Failing),
}

impl Condition {
    /// From this rank on it is not known to work.
    const PENDING: u8 = 3;

    /// How bad it is; of several the worst counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Well => 0,
            Self::HalfBlind(_) => 1,
            Self::Degraded(_) => 2,
            Self::Pending => Self::PENDING,
            Self::Starting => 4,
            Self::Blind(_) => 5,
            Self::Recovering => 6,
            Self::Suspect(_) => 7,
            Self::Failed(_) => 8,
        }
    }
}
