//! A configuration made in code: a builder over the Draft, with the names and defaults of YAML.

mod upstream;

pub use upstream::{Backend, HealthCheck, Upstream};

use super::draft::{self, AccessLog, Draft, ErrorPage, OneOrMany, OrOff, Short, Word};
use std::fmt::Display;

/// A configuration made in code, for [`Server::from_config`](crate::Server::from_config).
///
/// It says what a YAML file says, with the same words and the same defaults. Nothing is checked
/// until the server starts; then every mistake is reported at once, each with its path, such as
/// `sites[0].upstream`. Where a file would be relative to the configuration, it is relative to the
/// current folder.
///
/// ```
/// use gapura::{Backend, Config, Server, Site, Upstream};
///
/// let shop = Upstream::new("shop")
///     .backend(Backend::new("127.0.0.1:3001").weight(3))
///     .backend("127.0.0.1:3002");
/// let config = Config::new()
///     .listen("127.0.0.1:0")
///     .access_log("off")
///     .upstream(shop)
///     .site(Site::new().host("shop.localhost").upstream("shop"));
/// let running = Server::from_config(config).start()?;
/// assert_ne!(running.addresses()[0].port(), 0, "a free port was found");
/// # Ok::<(), gapura::StartError>(())
/// ```
///
/// A mistake is a value with a sentence:
///
/// ```
/// use gapura::{Config, Server, Site, Upstream};
///
/// let config = Config::new()
///     .listen("127.0.0.1:0")
///     .upstream(Upstream::new("shop").backend("127.0.0.1:3001"))
///     .site(Site::new().upstream("shpo"));
/// let error = Server::from_config(config).start().err().expect("no such upstream");
/// assert_eq!(
///     error.to_string(),
///     "gapura: [emerg] unknown upstream \"shpo\" in sites[0].upstream\n  did you mean `shop`?"
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Config(Draft);

impl Config {
    /// A configuration without a site; it needs one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens here, where a site does not name an address itself: a port, `address:port`,
    /// `[::1]:port` or `unix:/path`. Port 0 behind an address is a free port, see
    /// [`Running::addresses`](crate::Running::addresses). May be called for several.
    #[must_use]
    pub fn listen(mut self, address: impl Display) -> Self {
        add_word(&mut self.0.listen, address);
        self
    }

    /// Adds a group of backends that sites and routers refer to by its name. It replaces one that
    /// has the same name.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.0
            .upstreams
            .get_or_insert_default()
            .insert(upstream.name, upstream.draft);
        self
    }

    /// Adds a site. The first one answers where no host matches.
    #[must_use]
    pub fn site(mut self, site: Site) -> Self {
        self.0.sites.get_or_insert_default().push(site.0);
        self
    }

    /// Shows this HTML for a status of Gapura's own. For a page in a file see [`with`](Self::with).
    #[must_use]
    pub fn error_page(mut self, status: u16, html: impl Into<String>) -> Self {
        let page = Short(ErrorPage {
            html: Some(html.into()),
            ..ErrorPage::default()
        });
        self.0
            .error_page
            .get_or_insert_default()
            .insert(status.to_string(), page);
        self
    }

    /// Where requests are logged: `off`, `stdout` (the default), `stderr` or a file.
    #[must_use]
    pub fn access_log(mut self, path: impl Into<String>) -> Self {
        self.0.access_log = Some(match path.into().as_str() {
            "off" => OrOff::Off,
            path => OrOff::On(OneOrMany(vec![Short(AccessLog {
                path: Some(path.to_owned()),
                format: None,
                ..AccessLog::default()
            })])),
        });
        self
    }

    /// Everything that has no method of its own: the fields are the keys of the YAML file.
    ///
    /// ```
    /// use gapura::Config;
    /// use gapura::config::draft::Time;
    /// use std::time::Duration;
    ///
    /// let config = Config::new().with(|top| top.proxy_read_timeout = Some(Time(Duration::from_secs(5))));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Draft)) -> Self {
        change(&mut self.0);
        self
    }

    /// What was said so far, as a YAML file would have said it.
    pub fn into_draft(self) -> Draft {
        self.0
    }
}

/// A configuration that another front end has made, or that was written field by field.
impl From<Draft> for Config {
    fn from(draft: Draft) -> Self {
        Self(draft)
    }
}

/// A site: hosts, and what is served for them.
///
/// ```
/// use gapura::{Location, Site};
///
/// let site = Site::new()
///     .host("shop.example")
///     .host("*.shop.example")
///     .location(Location::new("/").upstream("shop"))
///     .location(Location::new("/static/").upstream("files"))
///     .location(Location::new("= /internal").answer(404));
/// # let _ = site;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Site(draft::Site);

impl Site {
    /// A site that answers to every host that no other site has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers to this host: `example.com`, `*.example.com`, `www.example.*` or `~regex`. May be
    /// called for several.
    #[must_use]
    pub fn host(mut self, host: impl Display) -> Self {
        add_word(&mut self.0.host, host);
        self
    }

    /// Listens here instead of where [`Config::listen`] says. May be called for several.
    #[must_use]
    pub fn listen(mut self, address: impl Display) -> Self {
        add_word(&mut self.0.listen, address);
        self
    }

    /// Passes all its requests to this upstream. A site with locations has one for `/` instead.
    #[must_use]
    pub fn upstream(mut self, name: impl Into<String>) -> Self {
        self.0.upstream = Some(name.into());
        self
    }

    /// Adds a part where requests are treated differently.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.0.locations.get_or_insert_default().push(location.0);
        self
    }

    /// Everything that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut draft::Site)) -> Self {
        change(&mut self.0);
        self
    }
}

/// A part of a [`Site`], by the path.
#[derive(Debug, Clone)]
pub struct Location(draft::Location);

impl Location {
    /// The paths `/prefix`, `= /exact`, `^~ /prefix` (before any regular expression), `~ regex` or
    /// `~* regex` (ignoring case).
    pub fn new(path: impl Into<String>) -> Self {
        Self(draft::Location {
            path: Some(path.into()),
            ..draft::Location::default()
        })
    }

    /// Passes its requests to this upstream.
    #[must_use]
    pub fn upstream(mut self, name: impl Into<String>) -> Self {
        self.0.upstream = Some(name.into());
        self
    }

    /// Answers with this status and its page.
    #[must_use]
    pub fn answer(mut self, status: u16) -> Self {
        self.0.r#return = Some(status.into());
        self
    }

    /// Everything that has no method of its own.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut draft::Location)) -> Self {
        change(&mut self.0);
        self
    }
}

fn add_word(list: &mut Option<OneOrMany<Word>>, word: impl Display) {
    let list = list.get_or_insert_with(|| OneOrMany(Vec::new()));
    list.0.push(Word(word.to_string()));
}
