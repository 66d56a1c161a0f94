//! The Draft: what was written, nothing resolved. It is the YAML schema as it stands, and the
//! nginx.conf front end fills the same structs.
//!
//! **To add a key**, write one line with its help below (`common` if it holds at the top, for a
//! site and for a location), then give it its meaning in `resolve/`, and a row in
//! `docs/configuration.md`. Every key may be left out: each field is an `Option` without saying so.

mod duration;
mod parts;
mod record;
mod shapes;
mod size;
mod upstream;
mod variable;
mod words;

pub use duration::Time;
pub use parts::{
    AccessLog, AddHeader, CookieFlags, ErrorLog, ErrorPage, LimitExcept, Replacement, Step,
    Substitution,
};
pub use shapes::{FromWord, OneOrMany, OrOff, Short};
pub use size::Size;
pub use upstream::{
    EjectOutliers, HealthCheck, Match, Queue, Server, Sticky, StickyCookie, StickyLearn, Upstream,
};
pub use variable::Variable;
pub use words::{Switch, Word};

use indexmap::IndexMap;
use record::{record, shared, view};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! levels {
    (common $common:tt client $client:tt top $top:tt site $site:tt location $location:tt) => {
        record! {
            /// A whole configuration.
            #[schemars(title = "Gapura's configuration")]
            Draft $top $client $common
        }
        record! {
            /// A site: hosts, and what is served for them. nginx's `server` block.
            Site $site $client $common
        }
        record! {
            /// A location: what is done with the requests of one part of a site.
            Location $location $common
        }
        view! {
            /// Settings of the top, of a site and of a location, each inherited by what is inside.
            Common, common; CommonMut, common_mut of Draft Site Location $common
        }
        view! {
            /// Settings of the client's connection: of the top and of a site.
            Client, client; ClientMut, client_mut of Draft Site $client
        }
    };
}

levels! {
    common {
        /// The largest request body that is accepted; 0 is no limit.
        client_max_body_size: Size,
        /// How long the client may pause while it sends the request's body.
        client_body_timeout: Time,
        /// The memory for a request's body; a longer one is in a temporary file.
        client_body_buffer_size: Size,
        /// The folder of these files, and how many letters the names of the folders in it have, level
        /// by level: `/var/spool/bodies 1 2`.
        client_body_temp_path: Word,
        /// Whether bodies are always in files: `clean` until the request ends, `on` for good, `off`
        /// only those that do not fit the memory.
        #[schemars(extend("enum" = ["on", "clean", "off", null]))]
        client_body_in_file_only: Word,
        /// How long the client may pause while it takes the answer.
        send_timeout: Time,
        /// How fast an answer is sent, in bytes a second, in which `$variables` may stand; 0 is no limit.
        limit_rate: Word,
        /// How many bytes of an answer are sent without that limit first.
        limit_rate_after: Word,
        /// How long an idle client connection is kept; `off` or 0 closes after each answer.
        keepalive_timeout: OrOff<Time>,
        /// What the client is told of that in a `Keep-Alive` header; 0 tells it nothing.
        keepalive_header: Time,
        /// How long an idle client connection is kept at least when Gapura stops.
        keepalive_min_timeout: Time,
        /// How many requests one client connection may carry.
        keepalive_requests: u64,
        /// For how long one client connection may carry requests.
        keepalive_time: Time,
        /// The browsers whose connections are not kept: `msie6` (after a POST), `safari`, or `none`.
        keepalive_disable: OneOrMany<Word>,
        /// Whether what a client still sends is read away before its connection is closed: `on` when
        /// something is to be expected, `always`, `off`.
        #[schemars(extend("enum" = ["on", "off", "always", null]))]
        lingering_close: Word,
        /// For how long it is read away.
        lingering_time: Time,
        /// How long a pause may be in that.
        lingering_timeout: Time,
        /// How long connecting to a server may take.
        proxy_connect_timeout: Time,
        /// How long a server may pause while it takes the request.
        proxy_send_timeout: Time,
        /// How long a server may pause while it sends the answer.
        proxy_read_timeout: Time,
        /// Whether a request's body is read whole before a server is asked. Otherwise it is passed on
        /// as it comes, and a server that fails cannot be followed by another.
        proxy_request_buffering: Switch,
        /// Whether an answer is read as fast as the server sends it, and held for a client that is
        /// slower. An answer's `X-Accel-Buffering: yes` or `no` decides for itself.
        proxy_buffering: Switch,
        /// The memory for the first part of an answer.
        proxy_buffer_size: Size,
        /// How many and how large buffers hold the rest of an answer: a number and a size, `8 4k`.
        proxy_buffers: Word,
        /// How much of that may be on its way to the client before the answer is whole. It has to fit
        /// the sizes of the buffers.
        proxy_busy_buffers_size: Size,
        /// How much more of an answer is held in a temporary file; 0 writes none, and the server
        /// waits for the client.
        proxy_max_temp_file_size: Size,
        /// How much is written to that file at once. It has to fit the sizes of the buffers.
        proxy_temp_file_write_size: Size,
        /// The folder of these files.
        proxy_temp_path: Word,
        /// Request headers set for the server: name and value, in which `$variables` may stand. An
        /// empty value removes the header. They add to those of the enclosing level and replace
        /// what it set of the same name; see `proxy_set_header_inherit`.
        proxy_set_header: IndexMap<String, OneOrMany<Word>>,
        /// What `proxy_set_header` does with the enclosing level's headers: `merge` adds to them,
        /// `on` replaces them all (as nginx does), `off` ignores them.
        #[schemars(extend("enum" = ["merge", "on", "off", null]))]
        proxy_set_header_inherit: Word,
        /// The protocol that servers are spoken to: `1.1` or `1.0`.
        #[schemars(extend("enum" = ["1.0", "1.1", 1.0, 1.1, null]))]
        proxy_http_version: Word,
        /// The method that servers get in place of the client's. `$variables` may stand in it.
        proxy_method: Word,
        /// The body that servers get in place of the client's. `$variables` may stand in it.
        proxy_set_body: Word,
        /// Whether servers get the client's headers.
        proxy_pass_request_headers: Switch,
        /// Whether servers get the client's body.
        proxy_pass_request_body: Switch,
        /// Whether headers that speak of one connection end at Gapura in both directions: those that
        /// `Connection` names, `Trailer`, `HTTP2-Settings` (RFC 9110, 7.6.1). With `off` only those
        /// end here that nginx takes away.
        proxy_strip_hop_by_hop: Switch,
        /// The address that connections to servers come from, with a port or without: `10.0.0.1`,
        /// `[::1]:0`, `$remote_addr`; or `off`. `$variables` may stand in it.
        proxy_bind: Word,
        /// Whether TCP probes idle connections to servers.
        proxy_socket_keepalive: Switch,
        /// Headers of answers that are passed on without being acted on: `X-Accel-Redirect`,
        /// `X-Accel-Expires`, `X-Accel-Limit-Rate`, `X-Accel-Buffering`, `X-Accel-Charset`, `Expires`,
        /// `Cache-Control`, `Set-Cookie`, `Vary`. Replaces the enclosing level's list.
        proxy_ignore_headers: OneOrMany<Word>,
        /// What becomes of `Location` and of the URL in `Refresh`: `{ from, to }`, or several of them of
        /// which the first counts that is found, or `default` (the server's address and path become the
        /// location's own path), or `off`. Replaces the enclosing level's as a group.
        proxy_redirect: OrOff<OneOrMany<Short<Replacement>>>,
        /// What becomes of the domain of cookies: `{ from, to }` or several, or `off`. Replaces the
        /// enclosing level's as a group.
        proxy_cookie_domain: OrOff<OneOrMany<Short<Replacement>>>,
        /// What becomes of the path of cookies, likewise.
        proxy_cookie_path: OrOff<OneOrMany<Short<Replacement>>>,
        /// What becomes of the flags of cookies: `{ cookie, flags }` or several, or a name and flags in one
        /// word (`session secure samesite=lax`), or `off`. Replaces the enclosing level's as a group.
        proxy_cookie_flags: OrOff<OneOrMany<Short<CookieFlags>>>,
        /// Whether a request goes on when its client is gone.
        proxy_ignore_client_abort: Switch,
        /// The servers that know the addresses of names in a `proxy_pass` with variables: `10.0.0.2`,
        /// `[::1]:5353`; and nginx's words: `valid=30s` for how long an answer is used, `ipv4=off`,
        /// `ipv6=off`.
        resolver: OneOrMany<Word>,
        /// How long a request waits for the addresses of a name; 0 is no limit.
        resolver_timeout: Time,
        /// When a server's 103 answers are passed on: texts in which `$variables` may stand, one of which is
        /// then neither empty nor `0`.
        early_hints: OneOrMany<Word>,
        /// Response headers that are passed to the client though they are hidden by default, such as
        /// `Server` and `Date`. Replaces the enclosing level's list.
        proxy_pass_header: OneOrMany<Word>,
        /// Response headers that are not passed to the client. Replaces the enclosing level's list.
        proxy_hide_header: OneOrMany<Word>,
        /// Response headers added: name and value, in which `$variables` may stand, or
        /// `{ value, always }`. Replaces the enclosing level's as a group.
        add_header: IndexMap<String, OneOrMany<Short<AddHeader>>>,
        /// Which clients may, the first rule that speaks of one decides: `allow` or `deny` and an address, a
        /// network, `unix:` or `all`. Replaces the enclosing level's as a group.
        access: OneOrMany<Word>,
        /// The proxies whose word for the client's address is taken: addresses, networks, `unix:`. Replaces
        /// the enclosing level's list.
        set_real_ip_from: OneOrMany<Word>,
        /// The header in which they say it.
        real_ip_header: Word,
        /// Whether it is the last address of that header that is no such proxy's, instead of the last one.
        real_ip_recursive: Switch,
        /// What `add_header` does with the enclosing level's headers: `on` replaces them all, `merge` adds
        /// to them, `off` ignores them.
        #[schemars(extend("enum" = ["on", "merge", "off", null]))]
        add_header_inherit: Word,
        /// Trailers added to answers: header lines behind the body, which is in chunks then. As
        /// `add_header`.
        add_trailer: IndexMap<String, OneOrMany<Short<AddHeader>>>,
        /// What `add_trailer` does with the enclosing level's: as `add_header_inherit`.
        #[schemars(extend("enum" = ["on", "merge", "off", null]))]
        add_trailer_inherit: Word,
        /// Whether HTTP/1.1 answers of unknown length are in chunks; otherwise they end with the
        /// connection.
        chunked_transfer_encoding: Switch,
        /// How long an answer may be kept: a time, which is said in `Expires` and `Cache-Control`;
        /// `modified TIME` counts from the last change, `@15h30m` is a time of the day, `epoch` is the
        /// past, `max` is for ever, `off` says nothing. `$variables` may stand in it.
        expires: Word,
        /// Whether answers are compressed.
        gzip: Switch,
        /// The types of the answers that are, beside `text/html`; `*` is every one.
        gzip_types: OneOrMany<Word>,
        /// Answers shorter than this are left alone, when their length is known.
        gzip_min_length: Size,
        /// 1 (fast) to 9 (small).
        gzip_comp_level: u64,
        /// Which answers to proxies are compressed: `off`, `any`, or some of `expired`, `no-cache`,
        /// `no-store`, `private`, `no_last_modified`, `no_etag` and `auth`.
        gzip_proxied: OneOrMany<Word>,
        /// Whether `Vary: Accept-Encoding` is sent.
        gzip_vary: Switch,
        /// The lowest version of HTTP whose requests get compressed answers.
        #[schemars(extend("enum" = ["1.0", "1.1", 1.0, 1.1, null]))]
        gzip_http_version: Word,
        /// Browsers that get nothing compressed: regular expressions of `User-Agent`, or `msie6`.
        gzip_disable: OneOrMany<Word>,
        /// Text in answers that is replaced: `{ from, to }` or several. Replaces the enclosing level's as a
        /// group.
        sub_filter: OneOrMany<Substitution>,
        /// The types of the answers in which it is, beside `text/html`; `*` is every one.
        sub_filter_types: OneOrMany<Word>,
        /// Whether each is replaced only the first time.
        sub_filter_once: Switch,
        /// Whether such an answer keeps its `Last-Modified`.
        sub_filter_last_modified: Switch,
        /// The charset that `Content-Type` names where an answer names none; `off` names none.
        /// `$variables` may stand in it.
        charset: Word,
        /// The types of the answers that get one, beside `text/html`; `*` is every one.
        charset_types: OneOrMany<Word>,
        /// Pages shown for errors: a status, or several in one key (`502 503 504`), and a file
        /// beside the configuration, or `{ html }`, or `{ uri, response }`. Replaces the enclosing
        /// level's as a group.
        error_page: IndexMap<String, Short<ErrorPage>>,
        /// Whether what an error page leads to has error pages too.
        recursive_error_pages: Switch,
        /// The pages of errors that have none: `gapura`'s, or as `nginx` has them.
        #[schemars(extend("enum" = ["gapura", "nginx", null]))]
        built_in_pages: Word,
        /// Whether `Server` names Gapura's version: `on`, `off`, or `build`, which is `on`.
        #[schemars(extend("enum" = ["on", "off", "build", true, false, null]))]
        server_tokens: Word,
        /// Whether nginx's pages are long enough for browsers that hide short ones.
        msie_padding: Switch,
        /// Whether Internet Explorer gets a page that leads on in place of a redirect.
        msie_refresh: Switch,
        /// Whether `error_page` replaces the servers' own errors too.
        proxy_intercept_errors: Switch,
        /// `Retry-After` on Gapura's own 502, 503 and 504.
        retry_after: Time,
        /// When a failed request goes to the next server: `error`, `timeout`, `invalid_header`,
        /// `http_500`, `http_502`, `http_503`, `http_504`, `http_403`, `http_404`, `http_429`,
        /// `non_idempotent`; or `off`.
        proxy_next_upstream: OneOrMany<Word>,
        /// How many servers are tried at most; 0 is as many as there are.
        proxy_next_upstream_tries: u64,
        /// How long the tries may take in all; 0 is no limit.
        proxy_next_upstream_timeout: Time,
        /// How many further tries an upstream's requests may have in all, as a share of them such as `20%`,
        /// so that servers in trouble are not asked ever more; `off` is no limit. Ten in a second are
        /// always allowed.
        proxy_next_upstream_budget: Word,
        /// Whether `Upgrade` requests (websockets) are passed as such.
        proxy_pass_upgrade: Switch,
        /// Whether redirects to this server name its scheme and host, not the path alone.
        absolute_redirect: Switch,
        /// Whether redirects to this server name the site's first host, not the request's.
        server_name_in_redirect: Switch,
        /// Whether redirects to this server name its port when it is not the usual one.
        port_in_redirect: Switch,
        /// Where requests are logged: `off`, `stdout`, `stderr` or a file, or several with a format
        /// each. Replaces the enclosing level's as a group.
        access_log: OrOff<OneOrMany<Short<AccessLog>>>,
        /// The folder of the files that are answered with; the request's path goes behind it. `$variables`
        /// may stand in it.
        root: Word,
        /// The files that stand for a folder, in the order in which they are looked for. One that starts
        /// with `/` is a path of the site.
        index: OneOrMany<Word>,
        /// Types of files, and the ends of the names that have them: `text/html: html htm`. Replaces the
        /// enclosing level's as a group.
        types: IndexMap<String, OneOrMany<Word>>,
        /// The type of a file whose name says none.
        default_type: Word,
        /// Whether files are answered with an `ETag`.
        etag: Switch,
        /// When a date that the client knows makes a 304: `exact` when it is the file's, `before` when it
        /// is not older, `off` never.
        #[schemars(extend("enum" = ["exact", "before", "off", null]))]
        if_modified_since: Word,
        /// How many ranges one answer may have; 0 ignores them all.
        max_ranges: u64,
        /// Whether files that are not there are logged.
        log_not_found: Switch,
        /// Which symbolic links are refused: `on` all, `if_not_owner` those that do not belong to whom
        /// their file belongs to, `off` none. With `from=FOLDER` they are followed up to there.
        disable_symlinks: Word,
        /// Whether a folder without an index file is listed.
        autoindex: Switch,
        /// The form of that list.
        #[schemars(extend("enum" = ["html", "xml", "json", "jsonp", null]))]
        autoindex_format: Word,
        /// Whether sizes are given in bytes, not rounded to K, M and G.
        autoindex_exact_size: Switch,
        /// Whether times are local, not GMT.
        autoindex_localtime: Switch,
        /// Where errors are logged: `stderr`, a file or `syslog:server=ADDRESS`, or
        /// `{ path, level }`, or several. Replaces the enclosing level's as a group.
        error_log: OneOrMany<Short<ErrorLog>>,
    }
    client {
        /// How long the client may take to send a request's header.
        client_header_timeout: Time,
        /// How many and how large buffers a request's header may fill: a number and a size, `4 8k`.
        /// A line longer than one buffer is refused.
        large_client_header_buffers: Word,
        /// The memory that lines of a request's header fill before those buffers are used.
        client_header_buffer_size: Size,
        /// Whether slashes that follow each other are one slash in a path.
        merge_slashes: Switch,
        /// How many header lines a request may have.
        max_headers: u64,
        /// Whether header lines with invalid names are dropped instead of refused.
        ignore_invalid_headers: Switch,
        /// Whether `_` is valid in a request header's name.
        underscores_in_headers: Switch,
    }
    top {
        /// How many threads serve: a number, or `auto` for one for each processor.
        worker_processes: Word,
        /// Where the process says what happens to it: as `error_log`, which it is when not written.
        process_error_log: OneOrMany<Short<ErrorLog>>,
        /// The file that holds the process's number while it serves.
        pid: String,
        /// Whether the program goes to the background.
        daemon: Switch,
        /// Whether a parent of a few lines keeps root's rights when root starts the program and
        /// another `user` serves.
        master_process: Switch,
        /// The user that serves, when root starts the program.
        user: Word,
        /// The group that serves; without it the one of the user's name.
        group: Word,
        /// The scheduler's priority: from -20, the first, to 20.
        worker_priority: Word,
        /// How many files may be open.
        worker_rlimit_nofile: u64,
        /// How long a graceful stop may take, and how long connections may keep to a configuration
        /// that a reload has replaced; without it, for as long as their requests need.
        worker_shutdown_timeout: Time,
        /// The current folder of the process.
        working_directory: String,
        /// How long what the system's name servers say of a server's name is used at least.
        names_valid_least: Time,
        /// And at most, however long they say.
        names_valid_most: Time,
        /// Where sites listen that name no address themselves.
        listen: OneOrMany<Word>,
        /// Variables by name, without the `$`, whose values are found by other texts.
        variables: IndexMap<String, Variable>,
        /// What answers to checks must be like, by name, for `match` of a health check to refer to.
        matches: IndexMap<String, Match>,
        /// Groups of servers by name, for sites and locations to refer to.
        upstreams: IndexMap<String, Upstream>,
        /// The sites.
        sites: Vec<Site>,
    }
    site {
        /// The hosts it answers to: `example.com`, `*.example.com`, `www.example.*`, `~regex`. A
        /// site without any is the default of its addresses, unless another says so.
        host: OneOrMany<Word>,
        /// Where it listens: a port, `address:port`, `[::1]:port`, `*:port`, a range of ports
        /// (`8000-8009`) or `unix:/path`. nginx's words for the socket may follow: `backlog=`,
        /// `rcvbuf=`, `sndbuf=`, `so_keepalive=`, `fastopen=`, `ipv6only=`, `deferred`, `reuseport`,
        /// `multipath`, `bind`; and `default_server`.
        listen: OneOrMany<Word>,
        /// Whether it answers on its addresses when no host matches. Otherwise the site without a
        /// `host` does, else the first.
        default_server: Switch,
        /// The upstream that gets all its requests.
        upstream: String,
        /// The servers that get all its requests, when no other site shares them.
        backends: Vec<Short<Server>>,
        /// How one of `backends` is chosen; see `balance` of an upstream.
        balance: String,
        /// How `backends` are checked; `off` does not. Beside `upstream`: how its servers are checked besides,
        /// with the settings that hold for requests here.
        health_check: OrOff<HealthCheck>,
        /// How many idle connections to `backends` are kept for each thread that serves; 0 keeps none.
        keepalive: u64,
        /// What happens to every request before a location is looked for.
        steps: Vec<Step>,
        /// Whether paths that no location takes are answered from files, instead of with a 404.
        files: Switch,
        /// Files that are looked for where no location takes the path; see a location's.
        try_files: OneOrMany<Word>,
        /// Its parts, where not all requests are treated alike.
        locations: Vec<Location>,
    }
    location {
        /// Which paths it takes: `/prefix`, `= /exact`, `^~ /prefix` (before any regular
        /// expression), `~ regex`, `~* regex` (ignoring case); or `@name`, which no path leads to.
        path: String,
        /// The `path` of the location of this site that it stands inside of: it is looked for only
        /// where that one takes a path, and before the regular expressions beside that one.
        inside: String,
        /// Whether only redirects inside of Gapura lead here; clients get a 404.
        internal: Switch,
        /// What happens to a request before anything answers it, in this order.
        steps: Vec<Step>,
        /// What holds for all methods but some.
        limit_except: LimitExcept,
        /// Whether files are answered.
        files: Switch,
        /// The upstream that gets its requests.
        upstream: String,
        /// The servers that get its requests, when nothing else shares them.
        backends: Vec<Short<Server>>,
        /// How one of `backends` is chosen; see `balance` of an upstream.
        balance: String,
        /// How `backends` are checked; `off` does not. Beside `upstream`: how its servers are checked besides,
        /// with the settings that hold for requests here.
        health_check: OrOff<HealthCheck>,
        /// How many idle connections to `backends` are kept for each thread that serves; 0 keeps none.
        keepalive: u64,
        /// What says for each request where it goes: `http://`, a host in which `$variables` stand, and
        /// maybe a port and a URI. The host is the name of an upstream, an address, or a name that
        /// `resolver` knows.
        proxy_pass: Word,
        /// What its path is replaced with on the way to the server: with path `/app/` and uri `/`,
        /// `/app/x` is asked for as `/x`. nginx's URI behind `proxy_pass`; not for regular expressions.
        uri: String,
        /// Answers with this status and its page, without asking any server.
        r#return: u64,
        /// Whether it answers with nginx's page of counters.
        stub_status: Switch,
        /// Files that are looked for before anything else is done, each `/path` or, for a folder, `/path/`;
        /// the first that is there is answered. The last says what is done when none is: another path,
        /// a location such as `@fallback`, or a status such as `=404`.
        try_files: OneOrMany<Word>,
        /// The folder of the files that are answered with, in place of the location's own path: with
        /// path `/i/` and alias `/data/`, `/i/x` is `/data/x`. In locations inside of it, too, unless they have
        /// an `alias` or a `root`.
        alias: Word,
    }
}
