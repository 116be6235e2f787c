//! What `cron_jobs` mean.

use crate::read;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;
use vai::config::Config;
use vai_core::model::{Duty, Job, JobName, Notify, Overlap, Place};

fn config(source: &str) -> Config {
    let loaded = read(source);
    let said = loaded.render("registry", false);
    loaded.config.unwrap_or_else(|| panic!("{said}"))
}

fn jobs(body: &str) -> Config {
    config(&format!(r#"{{ "cron_jobs": {{ {body} }} }}"#))
}

fn job(config: &Config, name: &str) -> Arc<Job> {
    Arc::clone(&config.jobs[&JobName::from(name)])
}

const BASE: &str = r#""schedule": "0 3 * * *", "command": "x", "container": "c""#;

#[test]
fn a_silent_job_has_the_documented_defaults() {
    let config = jobs(&format!(r#""a": {{ {BASE} }}"#));
    let expected = Job {
        name: "a".into(),
        duty: Duty::Scheduled,
        schedule: "0 3 * * *".into(),
        place: Place::Container("c".into()),
        command: "x".into(),
        user: None,
        working_dir: None,
        environment: Vec::new(),
        log_path: None,
        timeout: Duration::from_secs(3600),
        overlap: Overlap::Forbid,
        catch_up: Duration::ZERO,
        retries: 0,
        dependencies: Vec::new(),
        notify: Notify::Default,
        notify_on_success: false,
        held: None,
    };
    assert_eq!(*job(&config, "a"), expected);
    let schedule = &config.schedules[&JobName::from("a")];
    assert_eq!(schedule.crontab, "0 3 * * *".parse().unwrap());
    assert_eq!(schedule.zone, None, "that is the zone of vai");
}

#[test]
fn a_job_is_what_it_says() {
    let config = config(
        r#"{
            "services": { "redis": { "container": "c", "health_check": { "type": "docker" } } },
            "notifications": { "channels": { "alerts": [], "backups": [] } },
            "cron_jobs": { "a": {
                "schedule": " 30  3 * * MON-fri ", "timezone": "Europe/Berlin", "container": "c",
                "script": "dump | gzip", "user": "postgres", "working_dir": "/tmp",
                "environment": { "TOKEN": "${NTFY_TOKEN}", "LEVEL": 9 },
                "log_path": "/var/log/a.log", "timeout_seconds": 1.5, "overlap": "replace",
                "catch_up_seconds": 7200, "retry_on_failure": true, "max_retries": 5,
                "dependencies": ["redis", "redis"], "notify_on_fail": "backups",
                "notify_on_success": true, "description": "words", "x-owner": "ops"
            } }
        }"#,
    );
    let job = job(&config, "a");
    assert_eq!(job.schedule, "30 3 * * MON-fri Europe/Berlin");
    assert_eq!(job.command, "dump | gzip");
    assert_eq!((job.user.as_deref(), job.working_dir.as_deref()), (Some("postgres"), Some("/tmp")));
    let environment = job.environment.iter().map(|(name, value)| (name.as_str(), value.expose()));
    assert_eq!(Vec::from_iter(environment), [("TOKEN", "tk_from_env_file"), ("LEVEL", "9")]);
    assert_eq!(job.log_path.as_deref(), Some("/var/log/a.log"));
    assert_eq!((job.timeout, job.catch_up.as_secs()), (Duration::from_millis(1500), 7200));
    assert_eq!((job.overlap, job.retries), (Overlap::Replace, 5));
    assert_eq!(job.dependencies, ["redis".into()]);
    assert_eq!(job.notify, Notify::Channels(vec!["backups".to_owned()]));
    assert!(job.notify_on_success);
    let schedule = &config.schedules[&job.name];
    assert_eq!(schedule.zone, Some(TimeZone::get("Europe/Berlin").unwrap()));
    assert_eq!(config.redactor.redact("<tk_from_env_file>"), "<***>");
}

#[test]
fn whose_a_job_is_and_where_it_runs() {
    let base = r#""schedule": "@daily", "command": "x""#;
    let config = jobs(&format!(
        r#""nowhere": {{ {base} }}, "host": {{ {base}, "container": "host" }},
           "words": {{ "schedule": "@daily", "enabled": false }},
           "vai": {{ {base}, "container": "vai" }}, "local": {{ {base}, "container": "local" }},
           "inside": {{ {base}, "container": "c" }},
           "off": {{ {base}, "container": "c", "enabled": false }}"#
    ));
    let inside = Place::Container("c".into());
    for (name, duty, place) in [
        ("nowhere", Duty::Documentation, &Place::Local),
        ("host", Duty::Documentation, &Place::Local),
        ("words", Duty::Documentation, &Place::Local),
        ("vai", Duty::Scheduled, &Place::Local),
        ("local", Duty::Scheduled, &Place::Local),
        ("inside", Duty::Scheduled, &inside),
        ("off", Duty::Disabled, &inside),
    ] {
        let job = job(&config, name);
        assert_eq!((job.duty, &job.place), (duty, place), "{name}");
        assert_eq!(config.schedules.contains_key(&job.name), duty == Duty::Scheduled, "{name}");
    }
}

#[test]
fn retries_are_for_jobs_that_ask_for_them() {
    let retries =
        |fields: &str| job(&jobs(&format!(r#""a": {{ {BASE}, {fields} }}"#)), "a").retries;
    assert_eq!(retries(r#""retry_on_failure": true"#), 3);
    assert_eq!(retries(r#""retry_on_failure": true, "max_retries": 0"#), 0);
    assert_eq!(retries(r#""retry_on_failure": false, "max_retries": 5"#), 0);
    assert_eq!(retries(r#""max_retries": 5"#), 0);
}

#[test]
fn an_unset_name_holds_its_job_and_nothing_else() {
    let config = jobs(&format!(
        r#""held": {{ {BASE}, "environment": {{ "A": "${{UNSET}}" }} }},
           "free": {{ "schedule": "@daily", "container": "c", "command": "echo ${{UNSET}}" }}"#
    ));
    assert_eq!(job(&config, "held").held.as_deref(), Some("${UNSET} is not set"));
    assert_eq!(job(&config, "free").held, None);
    assert_eq!(job(&config, "free").command, "echo ${UNSET}");
}

#[test]
fn a_window_may_name_jobs_and_a_star_means_them_too() {
    let config = config(&format!(
        r#"{{
            "services": {{ "redis": {{ "container": "c", "health_check": {{ "type": "docker" }} }},
                          "both": {{ "container": "c", "health_check": {{ "type": "docker" }} }} }},
            "cron_jobs": {{ "backup": {{ {BASE} }}, "both": {{ {BASE} }} }},
            "maintenance": [ {{ "schedule": "@daily", "duration_seconds": 60 }},
                             {{ "schedule": "@daily", "duration_seconds": 60, "services": "*" }},
                             {{ "schedule": "@daily", "duration_seconds": 60,
                                "services": ["redis", "backup"] }},
                             {{ "schedule": "@daily", "duration_seconds": 60,
                                "services": ["both"] }} ]
        }}"#
    ));
    let named = |index: usize| {
        let window = &config.maintenance[index];
        (window.services.clone(), window.jobs.clone())
    };
    let all = (vec!["both".into(), "redis".into()], vec!["backup".into(), "both".into()]);
    assert_eq!(named(0), all);
    assert_eq!(named(1), all);
    assert_eq!(named(2), (vec!["redis".into()], vec!["backup".into()]));
    assert_eq!(named(3), (vec!["both".into()], vec!["both".into()]));
}

#[test]
fn a_registry_of_jobs_alone_is_fine() {
    let loaded = read(&format!(r#"{{ "cron_jobs": {{ "a": {{ {BASE} }} }} }}"#));
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render("registry", false));
}
