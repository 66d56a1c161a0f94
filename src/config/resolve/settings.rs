//! The settings that the top, a site and a location share: what is inherited, and the defaults.
//! Scalars are inherited as they were written; groups (headers, pages, logs) are checked once, at
//! the level that wrote them, and inherited as a whole, as in nginx.

use super::super::draft::{Common, Switch, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::answer::Answers;
use super::pass::Wording;
use super::retries::budget;
use super::{Resolver, buffering, client, fit, invalid};
use crate::model::{
    AccessLog, AccessRule, AddHeader, Charset, Clients, Compression, ErrorLog, ErrorPage, Expires,
    Files, Limits, NextUpstream, Part, ProxyPass, Redirects, RetryCondition, SendRate, SetHeader,
    Start, Substitutions, Template,
};
use http::HeaderName;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The settings in force at a level.
pub(super) struct Level<'a> {
    pub(super) scalars: Common<'a>,
    pub(super) groups: Groups,
}

/// The settings that are replaced as a group, checked.
#[derive(Clone, Default)]
pub(super) struct Groups {
    pub(super) access: Rc<Vec<AccessRule>>,
    pub(super) real_ip_from: Rc<Vec<Clients>>,
    pub(super) set_headers: Rc<Vec<SetHeader>>,
    hide_headers: Rc<BTreeSet<String>>,
    add_header: Rc<Vec<AddHeader>>,
    add_trailer: Rc<Vec<AddHeader>>,
    early_hints: Rc<Vec<Template>>,
    error_pages: Rc<Vec<ErrorPage>>,
    access_log: Rc<Vec<AccessLog>>,
    error_log: Rc<Vec<ErrorLog>>,
    conditions: Option<Rc<BTreeSet<RetryCondition>>>,
    pub(super) files: Arc<Files>,
    rate: Rc<SendRate>,
    answer_folder: Option<Rc<std::path::Path>>,
    wording: Wording,
    resolver: Option<Arc<crate::model::Resolver>>,
    pub(super) answers: Answers,
    pub(super) expires: Expires,
    pub(super) compression: Arc<Compression>,
    pub(super) substitutions: Arc<Substitutions>,
    pub(super) charset: Arc<Charset>,
    body_folder: Option<Rc<(std::path::PathBuf, Vec<usize>)>>,
}

impl Groups {
    /// What holds outside of everything: requests are spoken of where the process is.
    pub(super) fn of_process(error_log: Option<&[ErrorLog]>) -> Self {
        Self {
            error_log: Rc::new(error_log.unwrap_or_default().to_vec()),
            ..Self::default()
        }
    }
}

impl Resolver {
    /// Checks what was written at a level, and says what is in force there.
    pub(super) fn level<'a>(
        &mut self,
        written: Common<'a>,
        outer: &Level<'a>,
        path: &Path<'_>,
    ) -> Level<'a> {
        self.times(written, path);
        let scalars = written.inherit(outer.scalars);
        self.check_buffering(written, scalars, path);
        self.check_connection(written, path);
        let mut groups = outer.groups.clone();
        self.level_set_headers(written, scalars, &mut groups, path);
        if let Some(written) = written.proxy_hide_header {
            let path = path.key("proxy_hide_header");
            groups.hide_headers = Rc::new(self.hide_headers(written, &path));
        }
        let inherit = scalars.add_header_inherit;
        let key = path.key("add_header");
        self.level_added(written.add_header, inherit, &mut groups.add_header, &key);
        let inherit = scalars.add_trailer_inherit;
        let key = path.key("add_trailer");
        self.level_added(written.add_trailer, inherit, &mut groups.add_trailer, &key);
        for (key, word) in [
            ("add_header_inherit", written.add_header_inherit),
            ("add_trailer_inherit", written.add_trailer_inherit),
        ] {
            const KNOWN: [(&str, &str); 3] = [("on", "on"), ("merge", "merge"), ("off", "off")];
            if let Some(word) = word {
                self.choice(word, &KNOWN, &path.key(key));
            }
        }
        if let Some(written) = written.access {
            groups.access = Rc::new(self.access(written, &path.key("access")));
        }
        if let Some(written) = written.early_hints {
            let path = path.key("early_hints");
            let texts = written.0.iter().enumerate();
            let texts = texts.map(|(index, text)| self.template(text, &path.index(index)));
            // What is never so says nothing.
            let is_never = |text: &Template| match text.parts() {
                [] => true,
                [Part::Literal(text)] => text == "0",
                _ => false,
            };
            groups.early_hints = Rc::new(texts.filter(|text| !is_never(text)).collect());
        }
        if let Some(written) = written.set_real_ip_from {
            let path = path.key("set_real_ip_from");
            groups.real_ip_from = Rc::new(self.real_ip_from(written, &path));
        }
        if let Some(word) = written.real_ip_header
            && HeaderName::from_bytes(word.as_bytes()).is_err()
        {
            let problem = Problem::InvalidHeaderName(word.0.clone());
            self.report(path.key("real_ip_header").error(problem));
        }
        if let Some(written) = written.error_page {
            groups.error_pages = Rc::new(self.error_pages(written, &path.key("error_page")));
        }
        if let Some(written) = written.access_log {
            groups.access_log = Rc::new(self.access_log(written, &path.key("access_log")));
        }
        groups.rate = Rc::new(self.rates(written, &outer.groups.rate, path));
        if let Some(folder) = written.client_body_temp_path {
            let folder = self.body_folder(folder, &path.key("client_body_temp_path"));
            groups.body_folder = Some(Rc::new(folder));
        }
        if let Some(folder) = written.proxy_temp_path {
            groups.answer_folder = Some(self.base.join(&**folder).into());
        }
        if let Some(written) = written.error_log {
            groups.error_log = Rc::new(self.error_log(written, &path.key("error_log")));
        }
        if let Some(written) = written.proxy_next_upstream {
            let conditions = self.conditions(written, &path.key("proxy_next_upstream"));
            groups.conditions = Some(Rc::new(conditions));
        }
        if let Some(word) = written.proxy_next_upstream_budget
            && budget(word).is_none()
        {
            let label = "expected a share from `1%` to `100%`, or `off`";
            self.report(invalid(&path.key("proxy_next_upstream_budget"), word).label(label));
        }
        groups.files = self.level_files(written, scalars, &outer.groups.files, path);
        self.check_own_answers(written, path);
        self.wording(written, &mut groups.wording, path);
        if let Some(written) = written.resolver {
            let resolver = self.resolver(written, &path.key("resolver"));
            groups.resolver = Some(Arc::new(resolver));
        }
        self.answers(written, &mut groups.answers, path);
        groups.compression = self.level_compression(written, &outer.groups.compression, path);
        groups.substitutions = self.substitutions(written, &outer.groups.substitutions, path);
        groups.charset = self.charset(written, &outer.groups.charset, path);
        if let Some(word) = written.expires {
            groups.expires = self.expires(word, &path.key("expires"));
        }
        Level { scalars, groups }
    }

    fn times(&mut self, written: Common<'_>, path: &Path<'_>) {
        let times = [
            ("client_body_timeout", written.client_body_timeout),
            ("send_timeout", written.send_timeout),
            ("proxy_connect_timeout", written.proxy_connect_timeout),
            ("proxy_send_timeout", written.proxy_send_timeout),
            ("proxy_read_timeout", written.proxy_read_timeout),
        ];
        for (key, time) in times {
            self.time(time.map(|time| time.0), &path.key(key));
        }
        if let Some(&tries) = written.proxy_next_upstream_tries {
            self.number(
                tries,
                0,
                u32::MAX.into(),
                &path.key("proxy_next_upstream_tries"),
            );
        }
    }

    fn expires(&mut self, written: &Word, path: &Path<'_>) -> Expires {
        let (from, offset) = match written.strip_prefix("modified ") {
            Some(_) => (Start::Modified, "modified ".len()),
            None => (Start::Access, 0),
        };
        let word = match &written[offset..] {
            // YAML 1.1 knows `off` as a switch.
            "false" => "off",
            word => word,
        };
        if word.contains('$') {
            let template = self.template(written, path).without_prefix("modified ");
            return Expires::Computed { from, template };
        }
        Expires::parse(word, from).unwrap_or_else(|reason| {
            let problem = Problem::DirectiveValue {
                directive: "expires".into(),
                what: reason,
            };
            let label = "expected a time, `epoch`, `max` or `off`";
            self.report(path.error(problem).within(offset, word.len()).label(label));
            Expires::Off
        })
    }
}

impl Level<'_> {
    pub(super) fn limits(&self) -> Limits {
        let scalars = &self.scalars;
        let default = Limits::default();
        Limits {
            client_max_body_size: match scalars.client_max_body_size {
                Some(size) => Some(size.0).filter(|size| *size > 0),
                None => default.client_max_body_size,
            },
            body: buffering::of_bodies(scalars, self.groups.body_folder.as_deref()),
            client_body_timeout: scalars
                .client_body_timeout
                .map_or(default.client_body_timeout, |time| time.0),
            send_timeout: scalars
                .send_timeout
                .map_or(default.send_timeout, |time| time.0),
            rate: self.groups.rate.as_ref().clone(),
            keepalive: client::keepalive(scalars),
            lingering: client::lingering(scalars),
        }
    }

    pub(super) fn proxy_pass(&self) -> ProxyPass {
        let scalars = &self.scalars;
        let on =
            |switch: Option<&super::super::draft::Switch>| switch.is_some_and(|switch| switch.0);
        let default = ProxyPass::default();
        let conditions = match &self.groups.conditions {
            Some(conditions) => conditions.as_ref().clone(),
            None => default.next_upstream.conditions,
        };
        let tries = scalars.proxy_next_upstream_tries.copied().unwrap_or(0);
        let timeout = scalars.proxy_next_upstream_timeout.map(|time| time.0);
        let time = |written: Option<&super::super::draft::Time>, default| {
            written.map_or(default, |time| time.0)
        };
        let mut pass = ProxyPass {
            set_headers: self.groups.set_headers.as_ref().clone(),
            hide_headers: self.groups.hide_headers.as_ref().clone(),
            pass_upgrade: on(scalars.proxy_pass_upgrade),
            connect_timeout: time(scalars.proxy_connect_timeout, default.connect_timeout),
            send_timeout: time(scalars.proxy_send_timeout, default.send_timeout),
            read_timeout: time(scalars.proxy_read_timeout, default.read_timeout),
            intercept_errors: on(scalars.proxy_intercept_errors),
            next_upstream: NextUpstream {
                conditions,
                tries: (tries > 0).then(|| fit(tries.min(u32::MAX.into()))),
                timeout: timeout.filter(|timeout| !timeout.is_zero()),
                budget: scalars
                    .proxy_next_upstream_budget
                    .and_then(budget)
                    .flatten(),
            },
            request_buffering: scalars
                .proxy_request_buffering
                .map_or(default.request_buffering, |switch| switch.0),
            buffering: buffering::of_answers(scalars, self.groups.answer_folder.as_deref()),
            resolver: self.groups.resolver.clone(),
            resolver_timeout: match scalars.resolver_timeout {
                Some(time) => Some(time.0).filter(|time| !time.is_zero()),
                None => default.resolver_timeout,
            },
            ..default
        };
        self.groups.answers.hide(&mut pass.hide_headers);
        self.groups.wording.fill(self.scalars, &mut pass);
        pass
    }

    pub(super) fn redirects(&self) -> Redirects {
        let scalars = &self.scalars;
        let default = Redirects::default();
        let switch = |written: Option<&Switch>, default| written.map_or(default, |switch| switch.0);
        Redirects {
            absolute: switch(scalars.absolute_redirect, default.absolute),
            server_name: switch(scalars.server_name_in_redirect, default.server_name),
            port: switch(scalars.port_in_redirect, default.port),
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.scalars.retry_after.map(|time| time.0)
    }

    pub(super) fn add_header(&self) -> Vec<AddHeader> {
        self.groups.add_header.as_ref().clone()
    }

    pub(super) fn add_trailer(&self) -> Vec<AddHeader> {
        self.groups.add_trailer.as_ref().clone()
    }

    pub(super) fn early_hints(&self) -> Vec<Template> {
        self.groups.early_hints.as_ref().clone()
    }

    pub(super) fn chunked(&self) -> bool {
        let switch = self.scalars.chunked_transfer_encoding;
        switch.is_none_or(|switch| switch.0)
    }

    pub(super) fn error_pages(&self) -> Vec<ErrorPage> {
        self.groups.error_pages.as_ref().clone()
    }

    pub(super) fn recursive_error_pages(&self) -> bool {
        let switch = self.scalars.recursive_error_pages;
        switch.is_some_and(|switch| switch.0)
    }

    pub(super) fn access_log(&self) -> Vec<AccessLog> {
        self.groups.access_log.as_ref().clone()
    }

    pub(super) fn error_log(&self) -> Vec<ErrorLog> {
        self.groups.error_log.as_ref().clone()
    }
}
