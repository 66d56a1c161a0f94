//! TLS.

use crate::config::nginx::table::{
    FLAG, HTTP, ONCE, ONE, SERVER, SOME, THREE, TWO, accepted, rows,
};

rows! {
    "ssl_certificate" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_certificate_key" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_certificate_cache" in HTTP | SERVER, takes ONE | TWO | THREE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ech_file" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_password_file" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_certificate_compression" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_dhparam" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ecdh_curve" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_protocols" in HTTP | SERVER, takes SOME, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ciphers" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_buffer_size" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_verify_client" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_verify_depth" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_client_certificate" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_trusted_certificate" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_prefer_server_ciphers" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_session_cache" in HTTP | SERVER, takes ONE | TWO, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_session_tickets" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_session_ticket_key" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_session_timeout" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_crl" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ocsp" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ocsp_responder" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_ocsp_cache" in HTTP | SERVER, takes ONE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_stapling" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_stapling_file" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_stapling_responder" in HTTP | SERVER, takes ONE | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_stapling_verify" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_early_data" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_conf_command" in HTTP | SERVER, takes TWO, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
    "ssl_reject_handshake" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no TLS listener: `listen … ssl` is an error of its own"), "a setting of TLS";
}
