//! Well-known daemons that a command starts without sending them to the
//! background: such a command ends only with the service itself.

use super::shell::token_length;

/// A daemon that stays in the foreground.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreground {
    /// Its name, as the command calls it.
    pub(super) name: String,
    /// What makes it go to the background by itself.
    pub(super) flag: Option<&'static str>,
}

/// When a daemon stays in the foreground.
enum Stays {
    Always,
    /// Only by this subcommand.
    By(&'static str),
    /// Unless one of these is among its arguments.
    Unless(&'static [&'static str]),
    /// The same; a configuration file, named by one of the second ones or by
    /// itself, may say otherwise.
    UnlessConfigured(&'static [&'static str], &'static [&'static str]),
    /// If one of these is in its arguments.
    With(&'static [&'static str]),
}

use Stays::{Always, By, Unless, UnlessConfigured, With};

const DAEMONS: [(&str, Stays, Option<&str>); 38] = [
    ("redis-server", UnlessConfigured(&["--daemonize"], &[""]), Some("--daemonize yes")),
    ("valkey-server", UnlessConfigured(&["--daemonize"], &[""]), Some("--daemonize yes")),
    ("mongod", UnlessConfigured(&["--fork"], &["-f", "--config"]), Some("--fork")),
    ("gunicorn", UnlessConfigured(&["-D", "--daemon"], &["-c", "--config"]), Some("--daemon")),
    ("memcached", Unless(&["-d", "--daemon"]), Some("-d")),
    ("mosquitto", Unless(&["-d", "--daemon"]), Some("-d")),
    ("mysqld", Unless(&["-D", "--daemonize"]), Some("--daemonize")),
    ("rabbitmq-server", Unless(&["-detached"]), Some("-detached")),
    ("mariadbd", Always, None),
    ("mysqld_safe", Always, None),
    ("postgres", Always, None),
    ("postmaster", Always, None),
    ("uvicorn", Always, None),
    ("prometheus", Always, None),
    ("alertmanager", Always, None),
    ("node_exporter", Always, None),
    ("grafana-server", Always, None),
    ("traefik", Always, None),
    ("etcd", Always, None),
    ("nats-server", Always, None),
    ("dockerd", Always, None),
    ("containerd", Always, None),
    ("minio", By("server"), None),
    ("syncthing", By("serve"), None),
    ("pocketbase", By("serve"), None),
    ("caddy", By("run"), None),
    ("vault", By("server"), None),
    ("consul", By("agent"), None),
    ("nginx", With(&["daemon off"]), None),
    ("php-fpm", With(&["-F", "--nodaemonize"]), None),
    ("sshd", With(&["-D"]), None),
    ("cron", With(&["-f"]), None),
    ("crond", With(&["-f", "-n"]), None),
    ("apache2", With(&["-DFOREGROUND", "FOREGROUND"]), None),
    ("httpd", With(&["-DFOREGROUND", "FOREGROUND"]), None),
    ("apachectl", With(&["-DFOREGROUND", "FOREGROUND"]), None),
    ("supervisord", With(&["-n", "--nodaemon"]), None),
    ("haproxy", With(&["-db"]), None),
];

/// Words that stand before a command and change nothing of this.
const BEFORE: [&str; 13] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "time", "exec", "nohup", "command",
    "env",
];

/// Commands that run another one, with options of their own.
const WRAPPERS: [&str; 5] = ["sudo", "doas", "runuser", "nice", "ionice"];

/// Commands that run another one as the user that they are told first.
const AS_USER: [&str; 2] = ["gosu", "su-exec"];

/// Commands that run a whole command line after `-c`.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "su", "runuser"];

/// The first well-known daemon that `command` waits for.
pub(super) fn foreground(command: &str) -> Option<Foreground> {
    waited_for(command).iter().find_map(|words| daemon(words))
}

fn daemon(words: &[String]) -> Option<Foreground> {
    let at = words.iter().position(|word| !is_before(word))?;
    let (first, rest) = words[at..].split_first()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    let is_line = |word: &String| word.starts_with('-') && word.ends_with('c');
    if SHELLS.contains(&name)
        && let Some(at) = rest.iter().position(is_line)
    {
        return foreground(rest.get(at + 1)?);
    }
    if WRAPPERS.contains(&name) {
        return daemon(&rest[options(rest)..]);
    }
    if AS_USER.contains(&name) {
        return daemon(rest.get(1..)?);
    }
    let is_named = |known: &str| {
        let version = name.strip_prefix(known);
        version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    let (_, stays, flag) = DAEMONS.iter().find(|(known, _, _)| is_named(known))?;
    stays.holds(rest).then(|| Foreground { name: name.to_owned(), flag: *flag })
}

impl Stays {
    fn holds(&self, arguments: &[String]) -> bool {
        let has = |flags: &[&str]| {
            let is = |word: &str, flag: &str| {
                word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            };
            arguments.iter().any(|word| flags.iter().any(|flag| is(word, flag)))
        };
        if has(&["--version", "--help", "-V", "-h"]) {
            return false;
        }
        match self {
            Self::Always => true,
            Self::By(subcommand) => arguments.first().is_some_and(|first| first == subcommand),
            Self::Unless(flags) => !has(flags),
            Self::UnlessConfigured(flags, files) => {
                let by_itself = files.contains(&"")
                    && arguments.first().is_some_and(|first| !first.starts_with("--"));
                !has(flags) && !has(files) && !by_itself
            }
            Self::With(flags) => {
                let has_part = |word: &String| {
                    flags
                        .iter()
                        .any(|flag| word == flag || flag.contains(' ') && word.contains(flag))
                };
                arguments.iter().any(has_part)
            }
        }
    }
}

fn is_before(word: &str) -> bool {
    let assigns = word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    assigns || BEFORE.contains(&word)
}

/// How many words at the beginning of `words` are options, with what they take.
fn options(words: &[String]) -> usize {
    const TAKES: [&str; 6] = ["-u", "-g", "-n", "-c", "-p", "-h"];
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if TAKES.contains(&word.as_str()) { 2 } else { 1 };
    }
    at.min(words.len())
}

/// The simple commands of a command line that it does not send to the
/// background, as words without their quotes.
fn waited_for(command: &str) -> Vec<Vec<String>> {
    let mut line = Line { lists: vec![0], ..Line::default() };
    let mut rest = command;
    while let Some(first) = rest.chars().next() {
        let taken = token_length(rest);
        let (token, after) = rest.split_at(taken);
        rest = after;
        if first == '#' && line.word.is_none() {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        line.take(token, first);
    }
    line.end_command();
    line.commands
}

#[derive(Default)]
struct Line {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    /// Where the list of commands began that an `&` sends to the background; one
    /// for each open bracket.
    lists: Vec<usize>,
    /// The next word is the target of a redirection.
    redirects: bool,
}

impl Line {
    fn take(&mut self, token: &str, first: char) {
        match token {
            "&&" | "||" | "|" => self.end_command(),
            ";" | "\n" => self.end_list(),
            "&" => {
                self.end_command();
                self.commands.truncate(self.lists.last().copied().unwrap_or(0));
            }
            "(" | "{" if token == "(" || self.word.is_none() => {
                self.end_command();
                self.lists.push(self.commands.len());
            }
            ")" | "}" if token == ")" || self.word.is_none() => {
                self.end_command();
                if self.lists.len() > 1 {
                    self.lists.pop();
                }
            }
            "2>&1" | "1>&2" | ">&2" => self.end_word(),
            _ if token.ends_with('>') || token.ends_with(">|") || matches!(token, ">&" | "<") => {
                self.end_word();
                self.redirects = true;
            }
            _ if first.is_whitespace() => self.end_word(),
            _ => {
                let text = match first {
                    '\'' | '"' => token.trim_matches(first),
                    '\\' => &token[1..],
                    _ => token,
                };
                self.word.get_or_insert_default().push_str(text);
            }
        }
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.redirects)
        {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = false;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    fn end_list(&mut self) {
        self.end_command();
        if let Some(list) = self.lists.last_mut() {
            *list = self.commands.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_by_itself_is_fine() {
        for command in [
            "service redis-server restart",
            "redis-server --daemonize yes",
            "redis-server /etc/redis/redis.conf",
            "redis-server > /var/log/redis.log 2>&1 &",
            "nohup /usr/bin/redis-server >>log 2>&1 </dev/null & echo started",
            "cd /srv && minio server /data &> log &",
            "(sleep 1; postgres -D /data) > log 2>&1 &",
            "{ export A=1; postgres -D /data; } > log 2>&1 &",
            "sudo -u postgres pg_ctl -D /data start",
            "su postgres -c 'pg_ctl -D /data start'",
            "su - postgres -c \"postgres -D /data > log 2>&1 &\"",
            "nginx",
            "nginx -s reload",
            "/usr/sbin/sshd",
            "mongod --config /etc/mongod.conf",
            "memcached -d -m 64",
            "pkill redis-server; sleep 1; service redis start",
            "echo 'postgres -D /data'",
            "setsid -f minio server /data",
            "supervisorctl restart redis-server",
            "minio --version",
            "caddy start",
            "php-fpm8.1",
            "true # redis-server",
            "gosu postgres pg_ctl restart",
        ] {
            assert_eq!(foreground(command), None, "{command}");
        }
    }

    #[test]
    fn a_daemon_that_is_waited_for_is_named() {
        for (command, name) in [
            ("redis-server", "redis-server"),
            ("exec redis-server --port 6380", "redis-server"),
            ("pkill redis-server; redis-server", "redis-server"),
            ("worker & redis-server", "redis-server"),
            ("LANG=C env A=1 /usr/lib/postgresql/14/bin/postgres -D /data", "postgres"),
            ("sudo -u postgres postgres -D /data", "postgres"),
            ("gosu postgres postgres -D /data", "postgres"),
            ("su postgres -c \"postgres -D /data\" >> /var/log/pg.log 2>&1", "postgres"),
            ("bash -lc 'cd /srv && minio server /data'", "minio"),
            ("minio server /data 2>&1 | tee log", "minio"),
            ("(cd /srv; syncthing serve)", "syncthing"),
            ("if true; then nginx -g 'daemon off;'; fi", "nginx"),
            ("php-fpm8.1 -F", "php-fpm8.1"),
            ("/usr/sbin/sshd -D", "sshd"),
            ("memcached -m 64 > /dev/null", "memcached"),
        ] {
            let found = foreground(command).map(|found| found.name);
            assert_eq!(found.as_deref(), Some(name), "{command}");
        }
    }
}
