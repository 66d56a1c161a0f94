//! The answers that Gapura makes itself: how they look, and by which name it goes.

/// How Gapura's own answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnAnswers {
    /// The pages of errors that have no page of the site's.
    pub pages: BuiltInPages,
    /// `server_tokens`: what `Server` says, and nginx's pages below their line.
    pub server_tokens: ServerTokens,
    /// `msie_padding`: whether nginx's pages are long enough for Internet Explorer and Chrome to show
    /// them.
    pub msie_padding: bool,
    /// `msie_refresh`: whether Internet Explorer gets a page that leads on in place of a redirect.
    pub msie_refresh: bool,
}

impl OwnAnswers {
    /// What `Server` says.
    pub fn server_name(&self) -> &'static str {
        match self.server_tokens {
            ServerTokens::Off => NAME,
            ServerTokens::On => FULL_NAME,
        }
    }
}

/// What Gapura calls itself in `Server` and on its pages.
pub const NAME: &str = "gapura";

/// The same with its version: `server_tokens on`.
pub const FULL_NAME: &str = concat!("gapura/", env!("CARGO_PKG_VERSION"));

/// Whose pages are shown for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuiltInPages {
    /// Gapura's: a page for visitors, JSON for programs that ask for it.
    #[default]
    Gapura,
    /// As nginx has them, byte by byte but for the name at their end. Statuses, reasons and what
    /// becomes of the connection are nginx's too.
    Nginx,
}

/// What Gapura says of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerTokens {
    /// `gapura`.
    #[default]
    Off,
    /// `gapura/` and the version.
    On,
}
