//! The process: `core` and `events`.

use crate::config::nginx::reader::{log, main};
use crate::config::nginx::table::{
    ANYWHERE, BLOCK, EVENTS, FLAG, MAIN, NONE, ONCE, ONE, SOME, THREE, TWO, accepted, call, rows,
    unsupported, warned,
};

rows! {
    "daemon" in MAIN, takes FLAG | ONCE, call(main::daemon), "whether to go to the background";
    "master_process" in MAIN, takes FLAG | ONCE, call(main::master_process), "whether workers are processes of their own";
    "timer_resolution" in MAIN, takes ONE | ONCE, accepted("it saves nginx system calls"), "how often the time is asked for";
    "pid" in MAIN, takes ONE | ONCE, call(main::pid), "the file with the process's number";
    "lock_file" in MAIN, takes ONE | ONCE, accepted("there is one process, which needs no lock"), "a lock between workers";
    "worker_processes" in MAIN, takes ONE | ONCE, call(main::worker_processes), "how many threads serve";
    "debug_points" in MAIN, takes ONE | ONCE, accepted("it is for debugging nginx itself"), "where nginx stops for a debugger";
    "user" in MAIN, takes ONE | TWO | ONCE, call(main::user), "the user that serves";
    "worker_priority" in MAIN, takes ONE | ONCE, call(main::worker_priority), "the scheduler's priority";
    "worker_cpu_affinity" in MAIN, takes SOME, accepted("the kernel places the threads"), "which processors are used";
    "worker_rlimit_nofile" in MAIN, takes ONE | ONCE, call(main::worker_rlimit_nofile), "how many files may be open";
    "worker_rlimit_core" in MAIN, takes ONE | ONCE, accepted("it bounds core dumps of nginx"), "the largest core dump";
    "worker_shutdown_timeout" in MAIN, takes ONE | ONCE, call(main::worker_shutdown_timeout), "how long a graceful stop may take";
    "working_directory" in MAIN, takes ONE | ONCE, call(main::working_directory), "the current folder";
    "env" in MAIN, takes ONE, accepted("the environment is kept as it is"), "an environment variable that is kept";
    "load_module" in MAIN, takes ONE, warned("Gapura has no modules to load; a directive that only a module knows is an error of its own"), "a module to load";
    "include" in ANYWHERE, takes ONE, unsupported("one pattern or file for each `include`"), "other files, read in this place";
    "error_log" in MAIN, takes SOME, call(log::error_log), "where errors are logged";
    "pcre_jit" in MAIN, takes FLAG | ONCE, accepted("patterns are always compiled"), "whether patterns are compiled";
    "thread_pool" in MAIN, takes TWO | THREE, accepted("Gapura has threads of its own"), "threads for reading files";
    "events" in MAIN, takes BLOCK | NONE | ONCE, call(main::events), "how connections are handled";
    "worker_connections" in EVENTS, takes ONE | ONCE, accepted("connections are bounded by the limit of open files"), "how many connections a worker may have";
    "use" in EVENTS, takes ONE | ONCE, accepted("the best way is always used"), "how the kernel is asked for events";
    "multi_accept" in EVENTS, takes FLAG | ONCE, accepted("it is a matter of speed"), "whether all new connections are taken at once";
    "accept_mutex" in EVENTS, takes FLAG | ONCE, accepted("there is one process, which needs no lock"), "whether workers take turns";
    "accept_mutex_delay" in EVENTS, takes ONE | ONCE, accepted("there is one process, which needs no lock"), "how long a worker waits for its turn";
    "debug_connection" in EVENTS, takes ONE, accepted("it adds debug lines, which are of nginx's inside"), "clients whose requests are debugged";
    "ssl_engine" in MAIN, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a device for TLS";
    "ssl_object_cache_inheritable" in MAIN, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "whether certificates outlive a reload";
    "quic_bpf" in MAIN, takes FLAG | ONCE, accepted("there is no QUIC listener: `listen … quic` is an error of its own"), "how QUIC packets find their worker";
    "google_perftools_profiles" in MAIN, takes ONE | ONCE, accepted("it is for measuring nginx itself"), "where profiles are written";
    "stream" in MAIN, takes NONE | BLOCK, unsupported("Gapura proxies HTTP, not other streams"), "proxies TCP and UDP";
    "mail" in MAIN, takes NONE | BLOCK, unsupported("Gapura proxies HTTP, not mail"), "proxies mail";
}
