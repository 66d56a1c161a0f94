//! Groups of servers.

use crate::config::nginx::reader::{balance, health, sticky, upstream};
use crate::config::nginx::table::{
    BLOCK, HTTP, LOCATION, NONE, ONCE, ONE, SEVERAL, SOME, TWO, UPSTREAM, accepted, call, rows,
    setting, unsupported,
};

rows! {
    "eject_outliers" in UPSTREAM, takes NONE | SOME | ONCE, call(upstream::eject_outliers), "Gapura's own: takes a server out for the share of its requests that failed";
    "hash" in UPSTREAM, takes ONE | TWO, call(balance::hash), "chooses by a key";
    "ip_hash" in UPSTREAM, takes NONE, call(balance::by_its_name), "chooses by the client's address";
    "keepalive" in UPSTREAM, takes ONE | TWO | ONCE, call(upstream::keepalive), "how many idle connections are kept";
    "keepalive_time" in UPSTREAM, takes ONE | ONCE, setting!(upstream Time keepalive_time), "how long a connection may be used";
    "keepalive_timeout" in UPSTREAM, takes ONE | ONCE, setting!(upstream Time keepalive_timeout), "how long an idle connection is kept";
    "keepalive_requests" in UPSTREAM, takes ONE | ONCE, setting!(upstream Number keepalive_requests), "how many requests a connection may carry";
    "least_conn" in UPSTREAM, takes NONE, call(balance::by_its_name), "chooses the server with the fewest requests";
    "least_time" in UPSTREAM, takes ONE | TWO, call(balance::least_time), "chooses the fastest server";
    "random" in UPSTREAM, takes NONE | ONE | TWO, call(balance::random), "chooses at random";
    "state" in UPSTREAM, takes ONE | ONCE, call(upstream::state), "a file that lists the servers, read at start and at reload; nothing writes it yet";
    "sticky" in UPSTREAM, takes SEVERAL, call(sticky::sticky), "binds sessions to servers";
    "zone" in UPSTREAM, takes ONE | TWO | ONCE, accepted("there is one process, which shares with nobody"), "memory that workers share";
    "upstream" in HTTP, takes BLOCK | ONE, call(upstream::upstream), "a group of servers";
    "server" in UPSTREAM, takes SOME, call(upstream::server), "a server of the group";
    "resolver" in UPSTREAM, takes SOME | ONCE, setting!(upstream Words resolver), "servers that resolve names";
    "resolver_timeout" in UPSTREAM, takes ONE | ONCE, setting!(upstream Time resolver_timeout), "how long resolving may take";
    "health_check" in LOCATION, takes NONE | SOME | ONCE, call(health::health_check), "checks servers";
    "match" in HTTP, takes BLOCK | ONE, call(health::match_block), "what the answer to a check must be like";
    "peak_ewma" in UPSTREAM, takes NONE, call(balance::by_its_name), "Gapura's own: chooses the better of two by their slowest answers of late";
    "queue" in UPSTREAM, takes ONE | TWO | ONCE, call(upstream::queue), "where requests wait for a server";
    "ntlm" in UPSTREAM, takes NONE, unsupported("connections to servers are shared by clients"), "binds connections to clients";
}
