//! Draft to Model: the rules that hold whatever the language. Every mistake is found in one run;
//! each is a [`Finding`] with a path into the Draft, for the front end to say where it stands.
//!
//! Defaults here are nginx's, which both languages share, and those of what nginx does not have.

mod access;
mod action;
mod address;
mod answer;
mod balance;
mod buffering;
mod client;
mod compression;
mod files;
mod filters;
mod headers;
mod health;
mod host;
mod listeners;
mod location;
mod logs;
mod mapped;
mod matches;
mod own;
mod pages;
mod pass;
mod process;
mod resolver;
mod retries;
mod server;
mod settings;
mod site;
mod socket;
mod steps;
mod sticky;
mod upstream;
mod variables;

pub(super) use address::Names;
pub(super) use listeners::default_listen;

use super::draft::{Common, Draft};
use super::file_reader::FileReader;
use super::path::{Finding, Path};
use super::problem::Problem;
use super::suggest;
use crate::model::{
    Definition, Expected, ListenAddress, Model, Part, Site, Template, Upstream, UpstreamId,
    VARIABLES, Variable, VariableId,
};
use listeners::Listen;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

/// What became of a Draft.
pub struct Outcome {
    /// The Model; it may be used only when no finding is an error.
    pub model: Model,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
    /// The files read on the way, such as error pages.
    pub files: Vec<PathBuf>,
}

/// Checks a Draft and says what it means. Relative files are looked for in `base`.
pub fn resolve(draft: &Draft, base: &std::path::Path) -> Outcome {
    resolve_through(draft, base, &FileReader::default())
}

/// As [`resolve`], with files that are read this way.
pub(super) fn resolve_through(
    draft: &Draft,
    base: &std::path::Path,
    reader: &FileReader,
) -> Outcome {
    let mut resolver = Resolver {
        base: base.to_owned(),
        findings: Vec::new(),
        pages: pages::Pages::new(reader),
        upstreams: Vec::new(),
        upstream_names: HashMap::new(),
        taken_names: HashSet::new(),
        variables: Vec::new(),
        variable_ids: HashMap::new(),
        names: Names::default(),
        look_up: upstream::LookUp::default(),
        matches: HashMap::new(),
        keeps_answers: false,
        counts_upstream_bytes: false,
    };
    resolver.define_mapped(draft);
    resolver.define_variables(draft);
    resolver.resolve_mapped(draft);
    resolver.matches(draft);
    resolver.named_upstreams(draft);
    let named_upstreams = resolver.upstreams.len();

    let process_error_log = (draft.process_error_log.as_ref())
        .map(|logs| resolver.error_log(logs, &Path::Root.key("process_error_log")));
    let top = settings::Level {
        scalars: Common::default(),
        groups: settings::Groups::of_process(process_error_log.as_deref()),
    };
    let top = resolver.level(draft.common(), &top, &Path::Root);
    resolver.check_client(draft.client(), &Path::Root);
    let top_listen = match &draft.listen {
        Some(words) => resolver.listen(&words.0, &Path::Root.key("listen")),
        None => vec![Listen::at(default_listen())],
    };
    // Sites that take it over say the same of a socket, not something else.
    let top_listen: Vec<_> = top_listen.into_iter().map(Listen::shared).collect();
    let mut listeners = listeners::Listeners::default();
    let mut sites: Vec<Site> = Vec::new();
    let sites_path = Path::Root.key("sites");
    for (index, site) in draft.sites.iter().flatten().enumerate() {
        let path = sites_path.index(index);
        let addresses = match &site.listen {
            Some(words) => resolver.listen(&words.0, &path.key("listen")),
            None => top_listen.clone(),
        };
        let hosts = resolver.hosts(site, &path);
        let default = site.default_server.is_some_and(|switch| switch.0);
        let id = crate::model::SiteId(sites.len());
        listeners.add(&mut resolver, id, &hosts, &addresses, default, &path);
        sites.push(resolver.site(draft, site, hosts, &addresses, &top, &path));
    }
    let process_error_log = process_error_log.unwrap_or_else(|| top.error_log());
    let process = resolver.process(draft, process_error_log);
    Outcome {
        model: Model {
            listeners: listeners.finish(),
            sites,
            upstreams: resolver.upstreams,
            named_upstreams,
            process,
            keeps_answers: resolver.keeps_answers,
            counts_upstream_bytes: resolver.counts_upstream_bytes,
            variables: resolver.variables,
        },
        files: resolver.pages.files(),
        findings: resolver.findings,
    }
}

/// The addresses of a `listen`, if it is one: two texts may mean the same.
pub(super) fn parse_listen(text: &str, names: &mut Names) -> Vec<ListenAddress> {
    address::listen(text, names).unwrap_or_default()
}

/// What is known while a Draft is resolved.
struct Resolver {
    base: PathBuf,
    findings: Vec<Finding>,
    pages: pages::Pages,
    upstreams: Vec<Upstream>,
    /// The upstreams that can be referred to. One with mistakes is known too, so that a reference
    /// to it is not a second mistake.
    upstream_names: HashMap<String, UpstreamId>,
    /// The names of all upstreams, implicit ones included.
    taken_names: HashSet<String>,
    /// The variables that the configuration defines.
    variables: Vec<Definition>,
    variable_ids: HashMap<String, VariableId>,
    /// The names that sockets are bound to.
    names: Names,
    /// Who looks names of servers up that say `resolve`, where their upstream does not say.
    look_up: upstream::LookUp,
    /// What answers to checks must be like, by name.
    matches: HashMap<String, Expected>,
    /// Whether some template asks for a header of an upstream's answer.
    keeps_answers: bool,
    /// Whether some template asks for the bytes of connections to upstreams.
    counts_upstream_bytes: bool,
}

impl Resolver {
    fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// A time that must not be zero.
    fn time(&mut self, time: Option<Duration>, path: &Path<'_>) {
        if time == Some(Duration::ZERO) {
            let label = "nothing can be done in no time; expected a time such as `10s`";
            self.report(
                path.error(Problem::Zero(path.last_key().into()))
                    .label(label),
            );
        }
    }

    /// A number within bounds; the bound when it is not, so that resolving can go on.
    fn number(&mut self, number: u64, least: u64, most: u64, path: &Path<'_>) -> u64 {
        let key = path.last_key();
        if number < least {
            let finding = path.error(Problem::Zero(key.into()));
            self.report(finding.label(format!("expected a number from {least}")));
        } else if number > most {
            let finding = path.error(Problem::TooLarge(key.into()));
            self.report(finding.label(format!("expected a number up to {most}")));
        }
        number.clamp(least, most)
    }

    /// A template; an empty one when it is wrong.
    fn template(&mut self, text: &str, path: &Path<'_>) -> Template {
        let parsed = Template::parse_with(text, |name| self.variable(name));
        let asks = |part: &Part| {
            matches!(
                part,
                Part::Variable(Variable::UpstreamHttp(_) | Variable::UpstreamCookie(_))
            )
        };
        let counts = |part: &Part| {
            matches!(
                part,
                Part::Variable(Variable::UpstreamBytesReceived | Variable::UpstreamBytesSent)
            )
        };
        if let Ok(one) = &parsed {
            self.keeps_answers |= one.parts().iter().any(asks);
            self.counts_upstream_bytes |= one.parts().iter().any(counts);
        }
        parsed.unwrap_or_else(|error| {
            let word = text
                .get(error.offset..error.offset + error.length)
                .unwrap_or_default();
            let name = word.trim_start_matches(['$', '{']).trim_end_matches('}');
            let known = VARIABLES
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !name.ends_with('_'))
                .chain(self.variables.iter().map(|own| own.name.as_str()));
            let label = suggest::did_you_mean(name, known);
            let problem = Problem::Template(error.to_string());
            let finding = path.error(problem).within(error.offset, error.length);
            self.report(finding.maybe_label(label));
            Template::literal("")
        })
    }

    /// A regular expression is compiled to see that it can be; it is compiled again when it is used.
    fn check_regex(&mut self, pattern: &str, ignore_case: bool, offset: usize, path: &Path<'_>) {
        let built = pcre2::bytes::RegexBuilder::new()
            .caseless(ignore_case)
            .build(pattern);
        let Err(error) = built else { return };
        let at = error.offset().unwrap_or(0).min(pattern.len());
        let text = error.to_string();
        // "PCRE2: error compiling pattern at offset 3: missing closing parenthesis"
        let reason = text.rsplit(": ").next().unwrap_or_default().to_owned();
        let problem = Problem::Regex {
            reason,
            pattern: pattern.to_owned(),
            rest: pattern.get(at..).unwrap_or_default().to_owned(),
        };
        // PCRE finds the end too early behind the last character.
        let last = pattern
            .char_indices()
            .last()
            .map_or((0, 1), |(at, c)| (at, c.len_utf8()));
        let (at, length) = if at < pattern.len() { (at, 1) } else { last };
        self.report(path.error(problem).within(offset + at, length));
    }
}

/// The finding for a value that is not what its key takes.
fn invalid<'a>(path: &Path<'a>, found: &str) -> Finding {
    path.error(Problem::InvalidValue {
        found: format!("\"{found}\""),
        key: path.last_key().to_owned(),
    })
}

/// A number that fits, by a bound checked before.
fn fit<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).unwrap_or_else(|_| unreachable!("the bound is below the type's largest"))
}
