//! Who may: addresses, passwords, limits.

use crate::config::nginx::reader::access;
use crate::config::nginx::table::{
    FLAG, HTTP, LEVELS, LIMIT_EXCEPT, ONCE, ONE, THREE, TWO, accepted, call, only, rows, setting,
    unsupported,
};

rows! {
    "allow" in LEVELS | LIMIT_EXCEPT, takes ONE, call(access::rule), "clients that may";
    "deny" in LEVELS | LIMIT_EXCEPT, takes ONE, call(access::rule), "clients that may not";
    "auth_basic" in LEVELS | LIMIT_EXCEPT, takes ONE | ONCE, only(&["off"], "passwords are not asked for yet"), "asks for a password";
    "auth_basic_user_file" in LEVELS | LIMIT_EXCEPT, takes ONE, accepted("a setting of `auth_basic`, which is an error of its own"), "the passwords";
    "auth_request" in LEVELS, takes ONE, only(&["off"], "another server cannot be asked yet"), "asks another server";
    "auth_request_set" in LEVELS, takes TWO, accepted("a setting of `auth_request`, which is an error of its own"), "a variable of that answer";
    "limit_conn_zone" in HTTP, takes TWO, accepted("it only declares what `limit_conn` uses, which is an error of its own"), "what connections are counted by";
    "limit_conn" in LEVELS, takes TWO, unsupported("connections are not limited yet"), "limits connections";
    "limit_conn_log_level" in LEVELS, takes ONE | ONCE, accepted("a setting of `limit_conn`, which is an error of its own"), "a setting of `limit_conn`";
    "limit_conn_status" in LEVELS, takes ONE | ONCE, accepted("a setting of `limit_conn`, which is an error of its own"), "a setting of `limit_conn`";
    "limit_conn_dry_run" in LEVELS, takes FLAG | ONCE, accepted("a setting of `limit_conn`, which is an error of its own"), "a setting of `limit_conn`";
    "limit_req_zone" in HTTP, takes THREE, accepted("it only declares what `limit_req` uses, which is an error of its own"), "what requests are counted by";
    "limit_req" in LEVELS, takes ONE | TWO | THREE, unsupported("requests are not limited yet"), "limits requests";
    "limit_req_log_level" in LEVELS, takes ONE | ONCE, accepted("a setting of `limit_req`, which is an error of its own"), "a setting of `limit_req`";
    "limit_req_status" in LEVELS, takes ONE | ONCE, accepted("a setting of `limit_req`, which is an error of its own"), "a setting of `limit_req`";
    "limit_req_dry_run" in LEVELS, takes FLAG | ONCE, accepted("a setting of `limit_req`, which is an error of its own"), "a setting of `limit_req`";
    "set_real_ip_from" in LEVELS, takes ONE, setting!(Words set_real_ip_from), "proxies that are believed";
    "real_ip_header" in LEVELS, takes ONE | ONCE, setting!(Word real_ip_header), "the header with the client's address";
    "real_ip_recursive" in LEVELS, takes FLAG | ONCE, setting!(Switch real_ip_recursive), "how that header is searched";
}
