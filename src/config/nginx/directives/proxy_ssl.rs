//! TLS to servers.

use crate::config::nginx::table::{FLAG, LEVELS, ONCE, ONE, SOME, THREE, TWO, accepted, rows};

rows! {
    "proxy_ssl_session_reuse" in LEVELS, takes FLAG | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_protocols" in LEVELS, takes SOME, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_ciphers" in LEVELS, takes ONE | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_name" in LEVELS, takes ONE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_server_name" in LEVELS, takes FLAG | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_verify" in LEVELS, takes FLAG | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_verify_depth" in LEVELS, takes ONE | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_trusted_certificate" in LEVELS, takes ONE | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_crl" in LEVELS, takes ONE | ONCE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_certificate" in LEVELS, takes ONE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_certificate_key" in LEVELS, takes ONE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_certificate_cache" in LEVELS, takes ONE | TWO | THREE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_password_file" in LEVELS, takes ONE, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
    "proxy_ssl_conf_command" in LEVELS, takes TWO, accepted("there is no TLS to servers: `proxy_pass https://…` is an error of its own"), "a setting of TLS to servers";
}
