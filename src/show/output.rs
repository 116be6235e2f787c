//! What the runs of jobs write, for whoever watches one.

use super::{JobOutput, OutputAt, RunProgress};
use async_trait::async_trait;
use vai_core::model::{JobView, RunId, TryId};

/// Where the output of runs can be read: while they are under way, and for a
/// moment after their end.
#[async_trait]
pub trait Outputs: Send + Sync {
    /// What a try wrote from the byte `from` on: whole lines while it goes on,
    /// so that no secret is cut in two before it is taken out. Empty where
    /// nothing new is there, or nothing is known of the try.
    async fn read(&self, id: TryId, from: u64) -> Piece;
}

/// A piece of what a try wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Without secrets.
    pub text: String,
    /// Bytes that were asked for and are kept no more; it begins after them.
    pub lost: u64,
    /// Where the next piece begins.
    pub next: u64,
}

/// The next part of what the run `run` of the job behind `view` wrote.
pub(super) async fn read(
    outputs: &dyn Outputs,
    view: &JobView,
    run: RunId,
    from: OutputAt,
) -> JobOutput {
    let under_way = view.running.iter().find(|it| it.id == run);
    let over = view.last.as_ref().filter(|it| it.id == run);
    // No try is begun before the one before it is over.
    let goes_on = under_way.is_some_and(|it| it.attempt == from.attempt && !it.waits);
    let tries = under_way.map(|it| it.attempt).or(over.map(|it| it.attempts));

    let id = TryId { run, attempt: from.attempt };
    let Piece { text, lost, next: byte } = outputs.read(id, from.byte).await;
    let all_of_try = text.is_empty() && !goes_on;
    let next = match tries {
        Some(tries) if all_of_try && from.attempt < tries => OutputAt::beginning(from.attempt + 1),
        _ => OutputAt { byte, ..from },
    };
    let progress = match (under_way, over) {
        (Some(_), _) => RunProgress::UnderWay,
        (None, _) if !text.is_empty() || next.attempt != from.attempt => RunProgress::UnderWay,
        (None, Some(over)) => RunProgress::Over(Box::new(over.clone())),
        (None, None) => RunProgress::NotKnown,
    };
    JobOutput { text, lost, next, progress }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::fixture::{job, run, running};
    use vai_core::model::RunOutcome;

    /// The output of tries.
    struct Kept(Vec<(u32, &'static str)>);

    #[async_trait]
    impl Outputs for Kept {
        async fn read(&self, id: TryId, from: u64) -> Piece {
            let of_try = self.0.iter().find(|(attempt, _)| *attempt == id.attempt);
            let all = of_try.map_or("", |(_, text)| text);
            let text = all.get(usize::try_from(from).unwrap()..).unwrap_or_default().to_owned();
            Piece { next: from + text.len() as u64, text, lost: 0 }
        }
    }

    async fn read_on(outputs: &Kept, view: &JobView, from: &mut OutputAt) -> (String, RunProgress) {
        let output = read(outputs, view, RunId(7), *from).await;
        *from = output.next;
        (output.text, output.progress)
    }

    #[tokio::test]
    async fn a_run_is_read_line_by_line_try_by_try_to_its_end() {
        let mut view = job("backup");
        view.running = vec![running(7, 1)];
        let mut at = OutputAt::beginning(1);
        let mut outputs = Kept(vec![(1, "one\n")]);
        let under_way = |text: &str| (text.to_owned(), RunProgress::UnderWay);
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way("one\n"));
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way(""));
        outputs.0 = vec![(1, "one\nand more")];

        view.running[0].waits = true;
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way("and more"));
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way(""));
        assert_eq!(at.attempt, 1, "the next try has not begun");

        view.running = vec![running(7, 2)];
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way(""));
        assert_eq!(at, OutputAt::beginning(2));
        outputs.0.push((2, "two"));
        view.running.clear();
        let mut over = run("backup", 7, RunOutcome::Succeeded);
        over.attempts = 2;
        view.last = Some(over.clone());
        assert_eq!(read_on(&outputs, &view, &mut at).await, under_way("two"));
        let end = (String::new(), RunProgress::Over(Box::new(over)));
        assert_eq!(read_on(&outputs, &view, &mut at).await, end);

        view.last = Some(run("backup", 8, RunOutcome::Succeeded));
        assert_eq!(read_on(&outputs, &view, &mut at).await.1, RunProgress::NotKnown);
    }
}
