//! nginx's modules that are chosen when nginx is built, and whether what they do is done here: what
//! `-V` tells scripts and nginx's own tests. A module counts as built in only while the directives
//! that make it what it is are applied, so that nothing is claimed that is refused in a file.

use super::directives;
use super::table::{Class, Row};
use Need::{Applied, Harmless};

/// A module of nginx's `configure`.
struct Module {
    /// Its word behind `--with-` and `--without-`.
    name: &'static str,
    /// Whether nginx has it unless told otherwise.
    standard: bool,
    need: Need,
}

/// What makes a module one that Gapura has.
enum Need {
    /// Each of these directives does what nginx documents.
    Applied(&'static [&'static str]),
    /// Nobody can tell whether this directive is there.
    Harmless(&'static str),
}

const fn standard(name: &'static str, need: Need) -> Module {
    Module {
        name,
        standard: true,
        need,
    }
}

const fn optional(name: &'static str, directives: &'static [&'static str]) -> Module {
    Module {
        name,
        standard: false,
        need: Applied(directives),
    }
}

/// The modules of HTTP, in the order of `configure --help`. Those of other protocols are left out:
/// nginx does not build them either unless it is told to.
const MODULES: [Module; 52] = [
    optional("http_ssl_module", &["ssl_certificate"]),
    optional("http_v2_module", &["http2"]),
    optional("http_v3_module", &["http3"]),
    optional("http_realip_module", &["set_real_ip_from"]),
    optional(
        "http_addition_module",
        &["add_before_body", "add_after_body"],
    ),
    optional("http_xslt_module", &["xslt_stylesheet"]),
    optional("http_image_filter_module", &["image_filter"]),
    optional("http_geoip_module", &["geoip_country"]),
    optional("http_sub_module", &["sub_filter"]),
    optional("http_dav_module", &["dav_methods"]),
    optional("http_flv_module", &["flv"]),
    optional("http_mp4_module", &["mp4"]),
    optional("http_gunzip_module", &["gunzip"]),
    optional("http_gzip_static_module", &["gzip_static"]),
    optional("http_auth_request_module", &["auth_request"]),
    optional("http_random_index_module", &["random_index"]),
    optional("http_secure_link_module", &["secure_link"]),
    optional("http_degradation_module", &["degradation"]),
    optional("http_slice_module", &["slice"]),
    optional("http_stub_status_module", &["stub_status"]),
    standard("http_charset_module", Applied(&["charset", "charset_map"])),
    standard("http_gzip_module", Applied(&["gzip", "gzip_types"])),
    standard("http_ssi_module", Applied(&["ssi"])),
    standard("http_userid_module", Applied(&["userid"])),
    standard("http_access_module", Applied(&["allow", "deny"])),
    standard(
        "http_auth_basic_module",
        Applied(&["auth_basic", "auth_basic_user_file"]),
    ),
    standard("http_mirror_module", Applied(&["mirror"])),
    standard("http_autoindex_module", Applied(&["autoindex"])),
    standard("http_geo_module", Applied(&["geo"])),
    standard("http_map_module", Applied(&["map"])),
    standard("http_split_clients_module", Applied(&["split_clients"])),
    standard("http_referer_module", Applied(&["valid_referers"])),
    standard(
        "http_rewrite_module",
        Applied(&["rewrite", "return", "break", "if", "set"]),
    ),
    standard("http_proxy_module", Applied(&["proxy_pass"])),
    standard("http_fastcgi_module", Applied(&["fastcgi_pass"])),
    standard("http_uwsgi_module", Applied(&["uwsgi_pass"])),
    standard("http_scgi_module", Applied(&["scgi_pass"])),
    standard("http_grpc_module", Applied(&["grpc_pass"])),
    standard("http_tunnel_module", Applied(&["tunnel_pass"])),
    standard("http_memcached_module", Applied(&["memcached_pass"])),
    standard(
        "http_limit_conn_module",
        Applied(&["limit_conn_zone", "limit_conn"]),
    ),
    standard(
        "http_limit_req_module",
        Applied(&["limit_req_zone", "limit_req"]),
    ),
    standard("http_empty_gif_module", Applied(&["empty_gif"])),
    standard(
        "http_browser_module",
        Applied(&["modern_browser", "ancient_browser"]),
    ),
    standard("http_upstream_hash_module", Applied(&["hash"])),
    standard("http_upstream_ip_hash_module", Applied(&["ip_hash"])),
    standard("http_upstream_least_conn_module", Applied(&["least_conn"])),
    standard("http_upstream_least_time_module", Applied(&["least_time"])),
    standard("http_upstream_random_module", Applied(&["random"])),
    standard("http_upstream_keepalive_module", Applied(&["keepalive"])),
    standard("http_upstream_sticky_module", Applied(&["sticky"])),
    // One process shares with nobody, so that the memory to share needs no name.
    standard("http_upstream_zone_module", Harmless("zone")),
];

/// The arguments that nginx would have been configured with, to do what is done here.
pub(super) fn configure_arguments() -> Vec<String> {
    let mut arguments = Vec::new();
    for module in &MODULES {
        match (module.is_there(), module.standard) {
            (true, false) => arguments.push(format!("--with-{}", module.name)),
            (false, true) => arguments.push(format!("--without-{}", module.name)),
            _ => {}
        }
    }
    // Of the proxy's modules it is the one without a name of its own.
    if !Applied(&["proxy_cache", "proxy_cache_path"]).is_met() {
        arguments.push("--without-http-cache".into());
    }
    arguments
}

impl Module {
    fn is_there(&self) -> bool {
        self.need.is_met()
    }
}

impl Need {
    fn is_met(&self) -> bool {
        match self {
            Applied(names) => names.iter().all(|name| {
                let is_applied = |row: &Row| matches!(row.class, Class::Applied(_));
                directives::all().any(|row| row.name == *name && is_applied(row))
            }),
            Harmless(name) => {
                let is_harmless =
                    |row: &Row| matches!(row.class, Class::Applied(_) | Class::Accepted(_));
                directives::all().any(|row| row.name == *name && is_harmless(row))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::nginx::{Treatment, directives};

    #[test]
    fn every_module_stands_and_falls_with_directives_that_there_are() {
        let known = directives();
        for module in &MODULES {
            let names = match &module.need {
                Applied(names) => *names,
                Harmless(name) => std::slice::from_ref(name),
            };
            for name in names {
                assert!(
                    known.iter().any(|directive| directive.name == *name),
                    "{}: {name}",
                    module.name
                );
            }
        }
    }

    #[test]
    fn no_module_is_claimed_whose_directives_are_errors() {
        let arguments = configure_arguments();
        let refused: Vec<_> = directives()
            .into_iter()
            .filter(|directive| directive.treatment == Treatment::Unsupported)
            .map(|directive| directive.name)
            .collect();
        for (directive, module) in [
            ("fastcgi_pass", "http_fastcgi_module"),
            ("grpc_pass", "http_grpc_module"),
            ("ssi", "http_ssi_module"),
            ("limit_req", "http_limit_req_module"),
            ("auth_basic", "http_auth_basic_module"),
            ("stub_status", "http_stub_status_module"),
            ("set_real_ip_from", "http_realip_module"),
        ] {
            let claimed = match module {
                "http_stub_status_module" | "http_realip_module" => {
                    arguments.contains(&format!("--with-{module}"))
                }
                _ => !arguments.contains(&format!("--without-{module}")),
            };
            assert_eq!(claimed, !refused.contains(&directive), "{module}");
        }
        assert!(!arguments.contains(&"--without-http_proxy_module".to_owned()));
    }
}
