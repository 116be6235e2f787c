use super::*;
use clap::Parser;

fn asked(schedule: &[&str], zone: &str, from: &str) -> String {
    let args = CronArgs {
        schedule: schedule.iter().map(|&word| word.to_owned()).collect(),
        tz: Some(zone.to_owned()),
        from: Some(from.to_owned()),
    };
    let answer = explained(&args, Timestamp::UNIX_EPOCH);
    format!("{} {zone} {from}\n\n{}", schedule.join(" "), answer.unwrap_or_else(|wrong| wrong))
}

#[test]
fn a_schedule_is_explained_with_its_next_runs() {
    let answers = [
        asked(&["30 3 * * 1-5"], "America/New_York", "2026-11-20 12:00"),
        asked(&["30 2 * * *"], "Europe/Berlin", "2026-03-27"),
        asked(&["0,30 2,3 29 3 *"], "Europe/Berlin", "2026-03-28 12:00"),
        asked(&["30 2 * * sun"], "Europe/Berlin", "2026-10-20"),
        asked(&["0", "*", "*", "*", "sun"], "Europe/Berlin", "2026-10-24T23:30:00Z"),
        asked(&["@daily"], "Asia/Kathmandu", "2026-03-28"),
        asked(&["0 0 30 2 *"], "UTC", "2026-03-28"),
    ];
    insta::assert_snapshot!("explained", answers.join("\n-----\n"));
}

#[test]
fn what_is_wrong_with_the_question_is_said() {
    let answers = [
        asked(&["61 3 * * 9"], "UTC", "2026-03-28"),
        asked(&["0 22-2 * * *"], "UTC", "2026-03-28"),
        asked(&["0 0 3 ? * MON"], "UTC", "2026-03-28"),
        asked(&["@dayly"], "UTC", "2026-03-28"),
        asked(
            &["0", "3", "Cargo.toml", "src", "README.md", "src", "tests", "1"],
            "UTC",
            "2026-03-28",
        ),
        asked(&["@daily"], "Berlin", "2026-03-28"),
        asked(&["@daily"], "Nowhere", "2026-03-28"),
        asked(&["@daily"], "UTC", "tomorrow"),
    ];
    insta::assert_snapshot!("refused", answers.join("\n-----\n"));
}

#[test]
fn the_fields_may_be_words_of_their_own() {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CronArgs,
    }
    for line in [
        &["vai", "30", "3", "*", "*", "1-5", "--tz", "UTC"] as &[&str],
        &["vai", "--tz", "UTC", "30", "3", "*", "*", "1-5"],
        &["vai", "30 3 * * 1-5", "--tz", "UTC"],
    ] {
        let args = Line::try_parse_from(line).unwrap().args;
        assert_eq!(args.schedule.join(" "), "30 3 * * 1-5");
        assert_eq!(args.tz.as_deref(), Some("UTC"));
    }
    assert!(Line::try_parse_from(["vai"]).is_err());
}
