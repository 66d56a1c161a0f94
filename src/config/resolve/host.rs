//! The hosts of a site, in nginx's forms.

use super::super::draft;
use super::super::path::Path;
use super::super::problem::Problem;
use super::Resolver;
use crate::model::HostPattern;

/// A host of a site.
pub(super) struct Host {
    pub(super) pattern: HostPattern,
    /// Its place in the list, for findings about it.
    pub(super) index: usize,
}

/// A site's hosts.
#[derive(Default)]
pub(super) struct Hosts {
    pub(super) list: Vec<Host>,
    /// The first as it is written: the site's name.
    pub(super) name: String,
}

impl Resolver {
    pub(super) fn hosts(&mut self, site: &draft::Site, path: &Path<'_>) -> Hosts {
        let at = path.key("host");
        let mut hosts = Hosts::default();
        for (index, word) in site.host.iter().flat_map(|list| &list.0).enumerate() {
            let path = at.index(index);
            let text = word.to_ascii_lowercase();
            if index == 0 {
                // nginx's $server_name of `.example.com` is without the dot.
                let name = text.strip_prefix('.').unwrap_or(&text);
                hosts.name = if text.starts_with('~') {
                    word.0.clone()
                } else {
                    name.to_owned()
                };
            }
            for pattern in self.patterns(word, text, &path) {
                hosts.list.push(Host { pattern, index });
            }
        }
        hosts
    }

    fn patterns(&mut self, written: &str, text: String, path: &Path<'_>) -> Vec<HostPattern> {
        if let Some(pattern) = written.strip_prefix('~') {
            if pattern.is_empty() {
                self.invalid_host(written, "expected a regular expression after `~`", path);
                return Vec::new();
            }
            self.check_regex(pattern, true, 1, path);
            return vec![HostPattern::Regex(pattern.to_owned())];
        }
        if let Some(label) = complaint(&text) {
            self.invalid_host(written, label, path);
            return Vec::new();
        }
        if let Some(label) = oddity(&text) {
            let problem = Problem::OddServerName(written.to_owned());
            self.report(path.error(problem).label(label));
        }
        if let Some(rest) = text.strip_prefix("*.") {
            return vec![HostPattern::LeadingWildcard(rest.to_owned())];
        }
        if let Some(rest) = text.strip_suffix(".*") {
            return vec![HostPattern::TrailingWildcard(rest.to_owned())];
        }
        if let Some(rest) = text.strip_prefix('.') {
            let rest = rest.to_owned();
            return vec![
                HostPattern::Exact(rest.clone()),
                HostPattern::LeadingWildcard(rest),
            ];
        }
        vec![HostPattern::Exact(text)]
    }

    fn invalid_host(&mut self, written: &str, label: &str, path: &Path<'_>) {
        let problem = Problem::InvalidServerName(written.to_owned());
        self.report(path.error(problem).label(label));
    }
}

/// What is wrong with a host, if something is.
fn complaint(text: &str) -> Option<&'static str> {
    let inner = text.strip_prefix("*.").or_else(|| text.strip_suffix(".*"));
    let name = inner.unwrap_or(text);
    if text == "*" {
        Some("a site without `host` answers to every host")
    } else if name.contains('*') {
        Some(
            "`*` stands alone before the first dot or behind the last: `*.example.com`, `www.example.*`",
        )
    } else if inner.is_some_and(|inner| inner.is_empty() || inner.starts_with('.')) || text == "." {
        Some("expected a name beside the wildcard: `*.example.com`, `www.example.*`")
    } else {
        None
    }
}

/// Why no request has this host, if none can. nginx takes such names.
fn oddity(text: &str) -> Option<&'static str> {
    let inner = text.strip_prefix("*.").or_else(|| text.strip_suffix(".*"));
    let name = inner.unwrap_or(text);
    let bracketed = name.starts_with('[') && name.ends_with(']');
    if name.contains('/') {
        Some("write only the host, without a scheme or a path")
    } else if !name.is_ascii() {
        Some("browsers send such names in punycode: write `xn--…`")
    } else if name.contains(':') && !bracketed {
        Some("write the host without a port; the port belongs in `listen`")
    } else if name.contains('$') {
        Some("variables mean nothing here")
    } else if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("a host has no spaces and no control characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nginx_forms_are_hosts() {
        for host in [
            "example.com",
            "*.example.com",
            "www.example.*",
            ".example.com",
            "_",
            "",
            "[::1]",
            "10.0.0.1",
        ] {
            assert_eq!((complaint(host), oddity(host)), (None, None), "{host}");
        }
        for host in ["*", "a*b", "*.a.*", "w*.example.com", "*.", ".*", "."] {
            assert!(complaint(host).is_some(), "{host}");
        }
        for host in ["http://a", "bücher.de", "a:80", "a b", "$x"] {
            assert!(oddity(host).is_some(), "{host}");
        }
    }
}
