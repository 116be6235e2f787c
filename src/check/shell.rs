//! Commands of the registry as they are run on the spot: by the agent in its
//! container, by the orchestrator in its own.

use super::words;
use rustix::process::{getegid, geteuid};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use vai_core::model::Secret;

/// Where shells are; `bash` first (registry.md, `restart_cmd`).
const SHELLS: [&str; 6] = [
    "/bin/bash",
    "/usr/bin/bash",
    "/usr/local/bin/bash",
    "/bin/sh",
    "/usr/bin/sh",
    "/usr/local/bin/sh",
];

/// A command with the surroundings that the registry gives it.
#[derive(Clone, Copy, Debug)]
pub struct ShellCommand<'a> {
    /// Passed to `-c` as written.
    pub text: &'a str,
    /// `name`, `uid`, `name:group` or `uid:gid`; `None` is the current one.
    pub user: Option<&'a str>,
    /// `None` is the current one.
    pub working_dir: Option<&'a str>,
    /// Beside what is inherited.
    pub environment: &'a [(String, Secret)],
}

impl ShellCommand<'_> {
    /// The command, ready to be started in a process group of its own.
    ///
    /// # Errors
    /// Why it cannot be run here, in words: no shell, no such user or folder.
    pub fn prepare(&self) -> Result<Command, String> {
        let shell = SHELLS
            .iter()
            .find(|shell| Path::new(shell).exists())
            .ok_or("there is no shell to run a command with")?;
        let mut command = Command::new(shell);
        command.arg("-c").arg(self.text).process_group(0);
        if let Some(user) = self.user {
            let account = Account::look_up(user)?;
            if (account.uid, account.gid) != (geteuid().as_raw(), getegid().as_raw()) {
                command.uid(account.uid).gid(account.gid);
            }
            if let Some(home) = account.home {
                command.env("HOME", home);
            }
        }
        if let Some(folder) = self.working_dir {
            // Otherwise it is the shell that seems to be missing.
            fs::metadata(folder)
                .map_err(|error| format!("working_dir {folder}: {}", words::plain(&error)))?;
            command.current_dir(folder);
        }
        let environment = self.environment.iter();
        command.envs(environment.map(|(name, value)| (name, value.expose())));
        Ok(command)
    }
}

/// A user as `/etc/passwd` and `/etc/group` know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    home: Option<String>,
}

impl Account {
    /// The user `name`, `uid`, `name:group` or `uid:gid` of this very place.
    ///
    /// # Errors
    /// That there is no such user or group, in words.
    pub(crate) fn look_up(user: &str) -> Result<Self, String> {
        // Absent in a minimal image: then only numbers can be used.
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::find(user, &read("/etc/passwd"), &read("/etc/group"))
    }

    fn find(user: &str, passwd: &str, groups: &str) -> Result<Self, String> {
        let (name, group) = match user.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user, None),
        };
        let number = name.parse::<u32>().ok();
        let entry = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let uid = fields.get(2)?.parse::<u32>().ok()?;
            let gid = fields.get(3)?.parse::<u32>().ok()?;
            let home = fields.get(5).map(|&home| home.to_owned());
            (fields.first() == Some(&name) || Some(uid) == number).then_some(Self {
                uid,
                gid,
                home,
            })
        });
        let mut account = match (entry, number) {
            (Some(entry), _) => entry,
            (None, Some(uid)) => Self { uid, gid: 0, home: None },
            (None, None) => return Err(format!("there is no user {name} here")),
        };
        if let Some(group) = group {
            let by_name = || {
                groups.lines().find_map(|line| {
                    let mut fields = line.split(':');
                    (fields.next() == Some(group))
                        .then(|| fields.nth(1)?.parse::<u32>().ok())
                        .flatten()
                })
            };
            account.gid = group
                .parse::<u32>()
                .ok()
                .or_else(by_name)
                .ok_or_else(|| format!("there is no group {group} here"))?;
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          postgres:x:105:110:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
    const GROUPS: &str = "root:x:0:\nssl-cert:x:109:postgres\npostgres:x:110:\n";

    fn found(user: &str) -> Result<(u32, u32), String> {
        Account::find(user, PASSWD, GROUPS).map(|account| (account.uid, account.gid))
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        assert_eq!(found("postgres"), Ok((105, 110)));
        assert_eq!(found("105"), Ok((105, 110)));
        assert_eq!(found("postgres:ssl-cert"), Ok((105, 109)));
        assert_eq!(found("1000"), Ok((1000, 0)));
        assert_eq!(found("1000:1001"), Ok((1000, 1001)));
        assert_eq!(found("redis"), Err("there is no user redis here".to_owned()));
        assert_eq!(found("root:wheel"), Err("there is no group wheel here".to_owned()));
    }
}
