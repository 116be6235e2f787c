//! Why nobody will find anything in a log: it, or its folder, is not there, or
//! may not be written to.

use crate::check::shell::Account;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{getegid, geteuid};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const WRITE: u32 = 0o2;
const ENTER: u32 = 0o1;

/// A capability by its bit: to pass over permissions.
const DAC_OVERRIDE: u32 = 1;

/// Whose permissions count.
#[derive(Debug)]
struct Writer {
    uid: u32,
    gids: Vec<u32>,
    /// Permissions do not bind it.
    is_free: bool,
    name: String,
}

/// What keeps `user`, or this process's own, from writing to each of `paths`;
/// nothing for those that can be written to. Blocks.
pub(super) fn obstacles(paths: &[String], user: Option<&str>) -> Result<Vec<String>, String> {
    let writer = Writer::find(user)?;
    Ok(paths.iter().filter_map(|path| obstacle(Path::new(path), &writer)).collect())
}

impl Writer {
    fn find(user: Option<&str>) -> Result<Self, String> {
        let (uid, gid) = match user {
            Some(user) => {
                let account = Account::look_up(user)?;
                (account.uid, account.gid)
            }
            None => (geteuid().as_raw(), getegid().as_raw()),
        };
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let login = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let login = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| login.to_owned())
        });
        let mut gids = vec![gid];
        if let Some(login) = &login {
            gids.extend(groups.lines().filter_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let is_member = fields.get(3)?.split(',').any(|member| member.trim() == login);
                fields.get(2).filter(|_| is_member)?.parse::<u32>().ok()
            }));
        }
        let is_free = uid == 0 && root_passes_over_permissions();
        let name = login.unwrap_or_else(|| uid.to_string());
        Ok(Self { uid, gids, is_free, name })
    }

    fn may(&self, what: u32, file: &Metadata) -> bool {
        let mode = file.permissions().mode();
        let shift = if file.uid() == self.uid {
            6
        } else if self.gids.contains(&file.gid()) {
            3
        } else {
            0
        };
        self.is_free || mode >> shift & what == what
    }
}

/// A container may be run without that capability.
fn root_passes_over_permissions() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bounding = bounding.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    bounding.is_none_or(|set| set >> DAC_OVERRIDE & 1 == 1)
}

fn obstacle(path: &Path, writer: &Writer) -> Option<String> {
    let folder = path.parent().filter(|_| path.is_absolute())?;
    let (shown, user) = (path.display(), &writer.name);
    let mut ancestors: Vec<&Path> = folder.ancestors().collect();
    ancestors.reverse();
    for ancestor in ancestors {
        let missing = || format!("{shown}: the folder {} does not exist", ancestor.display());
        match fs::metadata(ancestor) {
            Ok(found) if !found.is_dir() => {
                return Some(format!("{shown}: {} is not a folder", ancestor.display()));
            }
            Ok(found) if !writer.may(ENTER, &found) => {
                let folder = ancestor.display();
                let (owner, mode) = (found.uid(), found.mode() & 0o7777);
                return Some(format!(
                    "{shown}: the folder {folder} may not be entered by user {user} \
                     (owner {owner}, mode {mode:04o})"
                ));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Some(missing()),
            // Nothing is known behind it.
            Err(_) => return None,
        }
    }
    let target = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Some(format!("{shown} is a folder")),
        Ok(_) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => folder,
        Err(_) => return None,
    };
    let what = if target == path { "it" } else { "its folder" };
    if statvfs(target).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Some(format!("{shown}: {what} is on a file system that is mounted read-only"));
    }
    let found = fs::metadata(target).ok()?;
    if !writer.may(WRITE, &found) {
        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        return Some(format!(
            "{shown}: {what} is not writable for user {user} (owner {owner}, mode {mode:04o})"
        ));
    }
    (target == folder).then(|| format!("{shown} does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    /// What is in the way of somebody with the uid and gid 4321.
    fn in_the_way(path: &Path) -> Option<String> {
        let writer = Writer { uid: 4321, gids: vec![4321], is_free: false, name: "app".to_owned() };
        let folder = path.ancestors().find(|it| it.exists()).unwrap().display().to_string();
        obstacle(path, &writer).map(|words| words.replace(&folder, "DIR"))
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_absent_is_named_from_the_first_folder_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o777);
        let path = |name: &str| folder.path().join(name);
        assert_eq!(
            in_the_way(&path("a/b/api.log")).unwrap(),
            "DIR/a/b/api.log: the folder DIR/a does not exist"
        );
        assert_eq!(in_the_way(&path("api.log")).unwrap(), "DIR/api.log does not exist");
        fs::write(path("file"), "").unwrap();
        assert_eq!(in_the_way(&path("file/api.log")).unwrap(), "DIR/api.log: DIR is not a folder");
        fs::create_dir(path("logs")).unwrap();
        assert_eq!(in_the_way(&path("logs")).unwrap(), "DIR is a folder");
    }

    #[test]
    fn what_may_not_be_written_to_is_named_with_its_owner_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (uid, log) = (geteuid().as_raw(), folder.path().join("api.log"));
        set_mode(folder.path(), 0o755);
        assert_eq!(
            in_the_way(&log).unwrap(),
            format!(
                "DIR/api.log: its folder is not writable for user app (owner {uid}, mode 0755)"
            )
        );
        fs::write(&log, "").unwrap();
        set_mode(&log, 0o644);
        assert_eq!(
            in_the_way(&log).unwrap(),
            format!("DIR: it is not writable for user app (owner {uid}, mode 0644)")
        );
        set_mode(&log, 0o666);
        assert_eq!(in_the_way(&log), None);
        set_mode(folder.path(), 0o700);
        assert!(in_the_way(&log).unwrap().contains("may not be entered by user app"));
    }

    #[test]
    fn the_owner_and_the_group_count_before_others() {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o755);
        let log = folder.path().join("api.log");
        fs::write(&log, "").unwrap();
        if chown(&log, Some(4321), Some(9)).is_err() {
            // Only root gives files away.
            return;
        }
        set_mode(&log, 0o206);
        assert_eq!(in_the_way(&log), None);
        set_mode(&log, 0o066);
        assert!(in_the_way(&log).is_some());
        chown(&log, Some(9), Some(4321)).unwrap();
        set_mode(&log, 0o020);
        assert_eq!(in_the_way(&log), None);
    }

    #[test]
    fn root_is_kept_out_only_by_what_keeps_everybody_out() {
        let no_folder = ["/no/such/dir/api.log".to_owned(), "relative.log".to_owned()];
        assert_eq!(
            obstacles(&no_folder, None).unwrap(),
            ["/no/such/dir/api.log: the folder /no does not exist"]
        );
        assert!(obstacles(&no_folder, Some("no-such-user")).is_err());
    }
}
