//! What the system says about processes and processors.

use mio::{Events, Poll};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How load and backend wait for the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// They ask again and again, and let each other run in between.
    Awake,
    /// They sleep, and whoever sends to them wakes them.
    Asleep,
}

impl Wait {
    /// Waits for events, at most for this long; when awake there may be none.
    pub(crate) fn events(
        self,
        poll: &mut Poll,
        events: &mut Events,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        let limit = match self {
            Self::Awake => Some(Duration::ZERO),
            Self::Asleep => limit,
        };
        poll.poll(events, limit)?;
        if self == Self::Awake && events.is_empty() {
            thread::yield_now();
        }
        Ok(())
    }
}

/// Keeps this thread, and what it starts from now on, on a core.
pub(crate) fn stay_on(core: usize) {
    // SAFETY: a set of processors is plain bits, for which zero is valid; it lives through the call.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    assert_eq!(outcome, 0, "core {core}: {}", io::Error::last_os_error());
}

/// A core that has something to do, until this is dropped.
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(crate) fn keep(core: usize) -> Self {
        let busy = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&busy);
        thread::spawn(move || {
            stay_on(core);
            while still.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        Self(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The cores that this process may use.
pub(crate) fn cores() -> Vec<usize> {
    // SAFETY: as in `stay_on`; the call fills the set in.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &mut set);
        set
    };
    let all = 0..usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
    // SAFETY: the number is within the set.
    all.filter(|core| unsafe { libc::CPU_ISSET(*core, &set) })
        .collect()
}

/// Lets this process and what it starts open as many files as it may.
pub(crate) fn open_many_files() {
    // SAFETY: the struct lives through both calls.
    unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(process: u32, signal: libc::c_int) {
    if let Ok(process) = libc::pid_t::try_from(process) {
        // SAFETY: a call without pointers; a process that has gone is an error, which is no matter.
        unsafe { libc::kill(process, signal) };
    }
}

/// A process and all that come from it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        if let Some(parent) = stat(process).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(process) = tree.get(at) {
        tree.extend(children.remove(process).unwrap_or_default());
        at += 1;
    }
    tree
}

/// The processor time of these processes as the scheduler accounts it, to a nanosecond; not that of threads that have ended.
pub(crate) fn processor_time(processes: &[u32]) -> Duration {
    let of_one = |process: &u32| {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter();
        let times = threads.flatten().flatten().filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        times.sum::<u64>()
    };
    Duration::from_nanos(processes.iter().map(of_one).sum())
}

/// Bytes of memory of these processes; what they share is counted once.
pub(crate) fn memory(processes: &[u32]) -> u64 {
    let of_one = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    processes.iter().filter_map(of_one).sum::<u64>() * 1024
}

/// The processor's name.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    name.map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}

/// The system's version.
pub(crate) fn kernel() -> String {
    format!("Linux {}", setting("kernel/osrelease"))
}

/// How the connections decide when to send: one that paces itself by timers makes large answers wait.
pub(crate) fn congestion_control() -> String {
    format!("TCP {}", setting("net/ipv4/tcp_congestion_control"))
}

/// What the system says under this name of `sysctl`'s.
fn setting(name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

/// What stands behind the name in `/proc/PID/stat`: the state is the first.
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = text.rsplit_once(") ")?.1.split(' ');
    Some(fields.map(str::to_owned).collect())
}
