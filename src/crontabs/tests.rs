use super::*;
use crate::probe::wire::CrontabLine;
use vai_core::model::{Check, CheckKind, ProcessCheck, ProcessPattern, ServiceName};

fn job(name: &str, command: &str) -> Job {
    Job::new(name, Place::Container("services".into()), "0 3 * * *", command)
}

fn service(name: &str, restart_cmd: &str, process: Option<&str>) -> Service {
    let checks = process.map(|name| {
        let pattern = ProcessPattern::Executable(name.to_owned());
        let kind = CheckKind::Process(ProcessCheck { pattern, min_count: 1, max_count: None });
        Check { kind, ..crate::heal::fixture::service().checks.remove(0) }
    });
    Service {
        name: ServiceName::from(name),
        place: Place::Container("services".into()),
        restart_cmd: Some(restart_cmd.to_owned()),
        ..Service::pseudo(name, checks.into_iter().collect())
    }
}

fn crontabs(lines: &[(&str, &str)]) -> Crontabs {
    let lines = (1..).zip(lines).map(|(number, (file, text))| CrontabLine {
        file: (*file).to_owned(),
        number,
        text: (*text).to_owned(),
    });
    Crontabs { lines: lines.collect(), unreadable: Vec::new() }
}

const SPOOL: &str = "/var/spool/cron/crontabs/root";

/// What Debian and its packages bring.
const OF_DEBIAN: [(&str, &str); 7] = [
    ("/etc/crontab", "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly"),
    (
        "/etc/crontab",
        "25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
    ),
    (
        "/etc/cron.d/e2scrub_all",
        "30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron",
    ),
    (
        "/etc/cron.d/php",
        "09,39 * * * * root [ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi",
    ),
    (
        "/etc/cron.d/sysstat",
        "5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1",
    ),
    (
        "/etc/cron.d/certbot",
        "0 */12 * * * root test -x /usr/bin/certbot -a ! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew --deploy-hook 'service nginx restart'",
    ),
    ("/etc/cron.d/sessions", "* * * * * root find /tmp -name 'sess_*' -mmin +60 -delete"),
];

#[test]
fn a_job_is_found_by_its_command_its_script_or_its_name() {
    for (name, command, file, line) in [
        (
            "backup-vault",
            "/workspace/scripts/backup.sh",
            SPOOL,
            "0 3 * * * /workspace/scripts/backup.sh >> /var/log/b.log 2>&1",
        ),
        (
            "backup-vault",
            "/workspace/scripts/backup.sh --full",
            SPOOL,
            "0 3 * * * bash -lc '/workspace/scripts/backup.sh'",
        ),
        (
            "backup-vault",
            "cd /workspace/scripts && ./backup.sh",
            SPOOL,
            "0 3 * * * flock -n /run/b /workspace/scripts/backup.sh",
        ),
        ("vault", "bash /opt/v.sh", "/etc/cron.d/x", "0 3 * * * root nice -n 10 bash /opt/v.sh"),
        (
            "vault",
            "pg_dump vault | gzip > /backup/v.gz",
            SPOOL,
            "0 3 * * * pg_dump  vault | gzip > /backup/v.gz",
        ),
        ("vault", "python3 -m tools.vault", SPOOL, "@daily cd /srv && python3 -m tools.vault"),
        ("report", "mail-report $(date +%F)", SPOOL, "0 3 * * * mail-report $(date +\\%F)"),
        ("backup-vault", "/opt/new.sh", "/etc/cron.d/backup-vault", "0 3 * * * root /opt/old.sh"),
        ("backup-vault", "/opt/new.sh", SPOOL, "0 3 * * * /usr/local/bin/backup-vault.sh"),
        ("backup-vault", "/opt/new.sh", SPOOL, "0 3 * * * /opt/run backup-vault"),
    ] {
        let found = jobs::named([&job(name, command)].into_iter(), &crontabs(&[(file, line)]));
        let expected = TwoSchedulers { job: name.into(), found: Some(format!("{file}:1")) };
        assert_eq!(found, [expected], "{command} in {line}");
    }
}

#[test]
fn a_job_is_not_found_by_what_anybody_may_have() {
    for (name, command, line) in [
        ("nightly", "true", "* * * * * true"),
        ("nightly", "/bin/sh -c true", "* * * * * /bin/sh -c true"),
        ("nightly", "sleep 60", "* * * * * sleep 60"),
        ("nightly", "sync", "* * * * * sync; sync"),
        (
            "test",
            "/opt/test.sh",
            "* * * * * test -x /usr/sbin/anacron || run-parts /etc/cron.daily",
        ),
        ("vault", "/opt/run.sh daily", "0 3 * * * /opt/run.sh weekly"),
        ("vault", "/opt/a/backup.sh", "0 3 * * * /opt/b/backup.sh"),
        ("vault", "/usr/bin/pg_dump vault", "0 3 * * * /usr/bin/pg_dump notes"),
        ("vault", "tar czf /b/v.tgz /vault", "0 3 * * * tar czf /b/n.tgz /notes"),
        ("vault", "/opt/backup.sh", "0 3 * * * /opt/backup.sh.old"),
        ("vault", "backup notes", "0 3 * * * backup notes-old"),
        ("vault", "/opt/v.sh", "0 3 * * * tar czf /mnt/vault.tgz /srv/vault"),
        ("log", "/opt/v.sh >> /var/log/all.log", "0 3 * * * /opt/w.sh >> /var/log/all.log"),
    ] {
        let found = jobs::named([&job(name, command)].into_iter(), &crontabs(&[(SPOOL, line)]));
        assert_eq!(found, [TwoSchedulers { job: name.into(), found: None }], "{command} in {line}");
    }
    let of_registry =
        [("sync", "rsync -a /a /b"), ("backup", "/opt/backup.sh"), ("root", "/opt/x")];
    for (name, command) in of_registry {
        let found = jobs::named([&job(name, command)].into_iter(), &crontabs(&OF_DEBIAN));
        assert_eq!(found[0].found, None, "{name}");
    }
}

#[test]
fn where_something_is_not_readable_only_what_is_found_is_said() {
    let mut read = crontabs(&[(SPOOL, "0 3 * * * /opt/a.sh")]);
    read.unreadable.push("/etc/cron.d: permission denied".to_owned());
    let found =
        jobs::named([&job("aaa", "/opt/a.sh"), &job("bbb", "/opt/b.sh")].into_iter(), &read);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].job.as_str(), "aaa");
}

/// Why `line` looks like a healer of redis, nginx and the worker.
fn healer(file: &str, line: &str) -> Option<String> {
    let services = [
        service("redis", "redis-server --bind 127.0.0.1 >> /var/log/redis.log 2>&1 &", None),
        service("nginx", "service nginx start", Some("nginx")),
        service("worker", "/opt/worker/start.sh", Some("worker-main")),
    ];
    let found = healers::find(services.iter(), &crontabs(&[(file, line)]).lines);
    found.into_iter().next().map(|healer| healer.why)
}

#[test]
fn older_health_check_scripts_are_named() {
    for (line, why) in [
        ("*/5 * * * * /workspace/scripts/health-check.sh", "runs health-check.sh"),
        ("0 * * * * bash /opt/service_monitor.sh > /dev/null", "runs service_monitor.sh"),
        ("* * * * * flock -n /run/w python3 /opt/Watchdog.py", "runs Watchdog.py"),
        (
            "* * * * * pgrep -x redis-server >/dev/null || redis-server --bind 127.0.0.1 &",
            "runs the restart_cmd of redis",
        ),
        (
            "* * * * * pidof redis-server || /usr/bin/redis-server --daemonize yes",
            "looks whether redis runs and acts if not",
        ),
        (
            "* * * * * supervisorctl status worker | grep -q RUNNING || supervisorctl restart worker",
            "restarts worker",
        ),
        (
            "*/2 * * * * if ! pgrep worker-main; then /opt/w & fi",
            "looks whether worker runs and acts if not",
        ),
        ("0 3 * * * curl -fs localhost || systemctl restart nginx.service", "restarts nginx"),
        ("*/10 * * * * /etc/init.d/nginx restart", "restarts nginx"),
    ] {
        assert_eq!(healer(SPOOL, line).as_deref(), Some(why), "{line}");
    }
}

#[test]
fn what_only_tends_to_a_service_is_no_healer() {
    for line in [
        "0 4 * * * service nginx restart",
        "@reboot redis-server --bind 127.0.0.1",
        "*/5 * * * * pgrep redis-server && redis-cli bgsave",
        "*/5 * * * * pidof redis-server || exit 0; redis-cli bgsave",
        "*/5 * * * * /opt/report.sh || logger report failed",
        "*/5 * * * * pgrep -f backup.sh || /opt/backup.sh",
        "*/5 * * * * curl -fsS https://hc.example.com/ping/healthcheck",
        "*/5 * * * * service postgres restart",
        "0 0 * * 0 logrotate /etc/logrotate.d/nginx",
    ] {
        assert_eq!(healer(SPOOL, line), None, "{line}");
    }
    for (file, line) in OF_DEBIAN {
        assert_eq!(healer(file, line), None, "{line}");
    }
}

/// Any container holds these, and what is beside vai cannot be reached.
struct Fake(Crontabs);

#[async_trait]
impl Places for Fake {
    async fn crontabs(&self, place: &Place) -> Result<Crontabs, String> {
        match place {
            Place::Local => Err("gone".to_owned()),
            Place::Container(_) => Ok(self.0.clone()),
        }
    }
}

/// Beside vai there are these.
struct BesideVai(Crontabs);

#[async_trait]
impl Places for BesideVai {
    async fn crontabs(&self, place: &Place) -> Result<Crontabs, String> {
        assert_eq!(*place, Place::Local);
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn beside_vai_is_looked_for_healers_of_what_is_watched_anywhere() {
    let read =
        crontabs(&[(SPOOL, "* * * * * docker exec box pidof nginx || docker restart nginx")]);
    let reader = Reader::new(Arc::new(BesideVai(read)));
    let local = |service: Service| Arc::new(Service { place: Place::Local, ..service });
    let watched = local(service("nginx", "nginx", None));
    let seen = reader.read(&[], std::slice::from_ref(&watched)).await;
    assert_eq!(seen.warnings.len(), 1, "{:?}", seen.warnings);
    let disabled = Arc::new(Service { enabled: false, ..(*watched).clone() });
    assert_eq!(reader.read(&[], &[disabled]).await, Seen::default());
}

#[tokio::test]
async fn each_place_is_read_and_what_cannot_be_reached_is_not_guessed() {
    let mut read =
        crontabs(&[(SPOOL, "0 3 * * * /opt/a.sh"), (SPOOL, "* * * * * /opt/healthcheck")]);
    read.unreadable.push("/etc/cron.d: permission denied".to_owned());
    let reader = Reader::new(Arc::new(Fake(read)));
    let elsewhere = Job { place: Place::Local, ..job("ccc", "/opt/c.sh") };
    let listed = Job { duty: Duty::Documentation, ..job("ddd", "/opt/a.sh") };
    let jobs = [job("aaa", "/opt/a.sh"), job("bbb", "/opt/b.sh"), elsewhere, listed].map(Arc::new);
    let seen = reader.read(&jobs, &[Arc::new(service("redis", "true", None))]).await;
    let found = Some(format!("{SPOOL}:1"));
    assert_eq!(seen.jobs, [TwoSchedulers { job: "aaa".into(), found }]);
    assert_eq!(
        seen.warnings,
        [
            "container services: /var/spool/cron/crontabs/root:2 looks like a second healer, for it \
         runs healthcheck; two of them work against each other, so switch that one off",
            "container services: a crontab cannot be read, so a job may run under two schedulers: \
         /etc/cron.d: permission denied",
        ]
    );
}
