//! What concerns the process as a whole: its threads, its files, its user and its limits.

use super::{Resolver, invalid};
use crate::config::diagnostic::Severity;
use crate::config::draft::{Draft, Word};
use crate::config::path::Path;
use crate::config::problem::Problem;
use crate::model::{ErrorLog, Process, User, Validity};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// As many threads as make sense on any machine.
const MOST_WORKERS: usize = 1024;

/// The scheduler knows no others.
const PRIORITIES: std::ops::RangeInclusive<i32> = -20..=20;

impl Resolver {
    pub(super) fn process(&mut self, draft: &Draft, error_log: Vec<ErrorLog>) -> Process {
        let file = |written: &Option<String>| written.as_ref().map(|path| self.base.join(path));
        let (pid, working_directory): (_, Option<PathBuf>) =
            (file(&draft.pid), file(&draft.working_directory));
        Process {
            worker_processes: self.worker_processes(draft),
            pid,
            error_log,
            working_directory,
            daemon: draft.daemon.is_some_and(|switch| switch.0),
            master: draft.master_process.is_none_or(|switch| switch.0),
            user: self.user(draft.user.as_deref(), draft.group.as_ref()),
            priority: self.priority(draft.worker_priority.as_deref()),
            open_files: draft.worker_rlimit_nofile,
            shutdown_timeout: draft.worker_shutdown_timeout.map(|time| time.0),
            names: self.validity(draft),
        }
    }

    fn validity(&mut self, draft: &Draft) -> Validity {
        let default = Validity::default();
        let least = draft.names_valid_least.map_or(default.least, |time| time.0);
        let most = draft.names_valid_most;
        let most = most.map_or(default.most.max(least), |time| time.0);
        self.time(Some(least), &Path::Root.key("names_valid_least"));
        if least > most {
            let path = Path::Root.key("names_valid_most");
            let text = format!("{}s", most.as_secs());
            let label =
                "expected no less than `names_valid_least`, which is 1s where it is not written";
            self.report(invalid(&path, &text).label(label));
        }
        Validity { least, most }
    }

    fn worker_processes(&mut self, draft: &Draft) -> Option<NonZeroUsize> {
        let word = draft.worker_processes.as_deref()?;
        if word == "auto" {
            return None;
        }
        let number = word
            .parse::<NonZeroUsize>()
            .ok()
            .filter(|number| number.get() <= MOST_WORKERS);
        if number.is_none() {
            let path = Path::Root.key("worker_processes");
            let label = format!("expected `auto` or a number from 1 to {MOST_WORKERS}");
            self.report(invalid(&path, word).label(label));
        }
        number
    }

    fn priority(&mut self, word: Option<&str>) -> i32 {
        let Some(word) = word else { return 0 };
        let number = word.parse().ok();
        number
            .filter(|number| PRIORITIES.contains(number))
            .unwrap_or_else(|| {
                let path = Path::Root.key("worker_priority");
                let label = "expected a number from -20 to 20";
                self.report(invalid(&path, word).label(label));
                0
            })
    }

    /// Who serves. Only root can become somebody else, so that nobody else has to know the user.
    fn user(&mut self, name: Option<&str>, group: Option<&Word>) -> Option<User> {
        let path = Path::Root.key("user");
        let Some(name) = name else {
            if group.is_some() {
                let path = Path::Root.key("group");
                self.report(path.key_error(Problem::Misplaced {
                    key: "group",
                    beside: "user",
                }));
            }
            return None;
        };
        if !nix::unistd::geteuid().is_root() {
            let mut finding = path.key_error(Problem::UserIgnored);
            finding.severity = Severity::Warn;
            self.report(finding);
            return None;
        }
        let Ok(Some(user)) = nix::unistd::User::from_name(name) else {
            self.report(path.error(Problem::UnknownUser(name.to_owned())));
            return None;
        };
        let (at, written) = match group {
            Some(Word(group)) => (Path::Root.key("group"), group.as_str()),
            None => (path, name),
        };
        let group = match nix::unistd::Group::from_name(written) {
            Ok(Some(found)) => found.gid,
            // nginx wants a group of the user's name, which Debian's `nobody` has not.
            _ if group.is_none() => user.gid,
            _ => {
                self.report(at.error(Problem::UnknownGroup(written.to_owned())));
                return None;
            }
        };
        Some(User {
            name: name.to_owned(),
            id: user.uid.as_raw(),
            group: group.as_raw(),
        })
    }
}
