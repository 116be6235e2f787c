//! Jobs: one outcome for each instant, and what is told of it.

mod gates;
mod restarts;
mod runs;
mod told;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn backup() -> Job {
    let place = Place::Container("services".into());
    let command = "/workspace/scripts/backup.sh";
    Job { timeout: SECOND * 300, ..Job::new("backup", place, "0 3 * * * UTC", command) }
}

/// Services that are well, and this job.
fn world(job: Job) -> World {
    let mut world = World::settled(vec![service("redis")]);
    configure(&mut world, vec![job]);
    world.event(crontabs(None));
    world.event(scheduled(&world, None, None));
    world
}

fn configure(world: &mut World, jobs: Vec<Job>) {
    world.watchlist.jobs = jobs.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
    world.event(Event::Configured(world.watchlist.clone()));
}

fn scheduled(world: &World, earlier: Option<Instants>, due: Option<Wall>) -> Event {
    let until = world.now.wall;
    let next = Some(until.after(HOUR * 24));
    Event::Scheduled(vec![Scheduled { job: "backup".into(), earlier, due, until, next }])
}

/// Whether the crontabs of its container name the job, and where.
fn crontabs(found: Option<&str>) -> Event {
    let found = found.map(str::to_owned);
    Event::Crontabs(vec![TwoSchedulers { job: "backup".into(), found }])
}

impl World {
    /// An instant of the job comes, so late.
    fn due_since(&mut self, late: Duration) {
        let late = i64::try_from(late.as_millis()).unwrap();
        let due = Wall::from_millis(self.now.wall.as_millis() - late);
        let event = scheduled(self, None, Some(due));
        self.event(event);
    }

    fn due(&mut self) {
        self.due_since(Duration::ZERO);
    }

    /// The try handed out last ends so, after so long.
    fn ends(&mut self, how: HowEnded, took: Duration) {
        let id = self.runs.last().unwrap().try_id();
        self.try_ends(id, how, took);
    }

    fn try_ends(&mut self, id: TryId, how: HowEnded, took: Duration) {
        self.run(took);
        let tail = "line 1\nline 2\n".to_owned();
        let end = RunEnd { how, took, bytes: 14, tail, notes: Vec::new() };
        self.event(Event::Ran { id, report: RunReport::Ended(end) });
    }

    fn succeeds(&mut self, took: Duration) {
        self.ends(HowEnded::Exited(0), took);
    }

    /// Outcome and reason of each run so far.
    fn outcomes(&self) -> Vec<String> {
        let line = |run: &crate::model::Run| match run.reason.as_str() {
            "" => run.outcome.label().to_owned(),
            reason => format!("{}: {reason}", run.outcome.label()),
        };
        self.outcomes.iter().map(line).collect()
    }

    /// Kind, root and reason of each message about it so far.
    fn messages(&self) -> Vec<String> {
        let line = |it: &Notice| match &it.incident.phase {
            IncidentPhase::Closed { how, .. } if it.kind == NoticeKind::Resolved => {
                format!("resolved {}: {how}", it.incident.root)
            }
            _ => format!("{:?} {}: {}", it.kind, it.incident.root, it.incident.reason),
        };
        let of_it = |it: &&Notice| it.incident.subject == Subject::Job;
        self.notices.iter().filter(of_it).map(line).collect()
    }
}
