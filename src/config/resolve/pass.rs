//! How requests are put into words for servers. Like headers and pages, each setting is checked at
//! the level that wrote it, and inherited as it came out.

use super::super::draft::{Common, OneOrMany, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, invalid};
use crate::model::{ActedOn, HttpVersion, IgnoredHeaders, Part, PassedBody, ProxyPass, Template};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The settings in force at a level.
#[derive(Clone, Default)]
pub(super) struct Wording {
    version: HttpVersion,
    method: Option<Rc<Template>>,
    body: Option<Rc<Template>>,
    bind: Option<Rc<Template>>,
    ignored: IgnoredHeaders,
}

impl Resolver {
    /// Checks what was written at a level, and adds it to what is in force there.
    pub(super) fn wording(&mut self, written: Common<'_>, wording: &mut Wording, path: &Path<'_>) {
        if let Some(version) = written.proxy_http_version {
            wording.version = self.http_version(version, &path.key("proxy_http_version"));
        }
        if let Some(method) = written.proxy_method {
            let template = self.template(method, &path.key("proxy_method"));
            wording.method = Some(Rc::new(template));
        }
        if let Some(body) = written.proxy_set_body {
            let template = self.template(body, &path.key("proxy_set_body"));
            wording.body = Some(Rc::new(template));
        }
        if let Some(address) = written.proxy_bind {
            let bind = self.bind(address, &path.key("proxy_bind"));
            wording.bind = bind.map(Rc::new);
        }
        if let Some(names) = written.proxy_ignore_headers {
            wording.ignored = self.ignored_headers(names, &path.key("proxy_ignore_headers"));
        }
    }

    fn http_version(&mut self, word: &Word, path: &Path<'_>) -> HttpVersion {
        match &**word {
            // YAML takes 1.0 for a number.
            "1.0" | "1" => return HttpVersion::Http10,
            "1.1" => {}
            other => self.report(invalid(path, other).label("expected `1.1` or `1.0`")),
        }
        HttpVersion::Http11
    }

    fn bind(&mut self, word: &Word, path: &Path<'_>) -> Option<Template> {
        // YAML 1.1 knows `off` as a switch.
        if matches!(&**word, "off" | "false") {
            return None;
        }
        let template = self.template(word, path);
        if let [Part::Literal(text)] = template.parts()
            && text.parse::<IpAddr>().is_err()
            && text.parse::<SocketAddr>().is_err()
        {
            let problem = Problem::InvalidAddress(text.clone());
            let label = "expected an IP address, with a port or without";
            self.report(path.error(problem).label(label));
        }
        Some(template)
    }

    fn ignored_headers(&mut self, names: &OneOrMany<Word>, path: &Path<'_>) -> IgnoredHeaders {
        let mut ignored = IgnoredHeaders::default();
        for (index, name) in names.0.iter().enumerate() {
            match ActedOn::parse(name) {
                Some(header) => ignored.insert(header),
                None => {
                    let known = ActedOn::ALL.map(|(name, _)| name);
                    let label = suggest::did_you_mean_or_list(name, &known);
                    self.report(invalid(&path.index(index), name).label(label));
                }
            }
        }
        ignored
    }
}

impl Wording {
    /// Writes it into a Model's settings, with the switches that are inherited as they were written.
    pub(super) fn fill(&self, scalars: Common<'_>, pass: &mut ProxyPass) {
        let switch = |written: Option<&super::super::draft::Switch>, default: bool| {
            written.map_or(default, |switch| switch.0)
        };
        let template = |shared: &Option<Rc<Template>>| shared.as_deref().cloned();
        pass.http_version = self.version;
        pass.method = template(&self.method);
        pass.body = match template(&self.body) {
            Some(body) => PassedBody::Written(body),
            None if switch(scalars.proxy_pass_request_body, true) => PassedBody::Original,
            None => PassedBody::Nothing,
        };
        pass.pass_request_headers = switch(scalars.proxy_pass_request_headers, true);
        pass.strip_hop_by_hop = switch(scalars.proxy_strip_hop_by_hop, false);
        pass.bind = template(&self.bind);
        pass.socket_keepalive = switch(scalars.proxy_socket_keepalive, false);
        pass.ignored_headers = self.ignored;
        pass.ignore_client_abort = switch(scalars.proxy_ignore_client_abort, false);
    }
}
