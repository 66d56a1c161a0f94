//! What holds for a client's connection while a location has its requests: how long it is kept, and how
//! fast it is written to.

use super::Template;
use std::time::Duration;

/// Whether and how long a connection is kept: `keepalive_timeout` and its family.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientKeepalive {
    /// `keepalive_timeout`: how long an idle connection is kept (75 s); `None` closes after each answer.
    pub timeout: Option<Duration>,
    /// Its second time: what the client is told in `Keep-Alive`; `None` tells it nothing.
    pub announced: Option<Duration>,
    /// `keepalive_min_timeout`: how long an idle connection is kept when the server shuts down (0).
    pub least: Duration,
    /// `keepalive_requests`: how many requests one connection may carry (1000).
    pub requests: u32,
    /// `keepalive_time`: for how long it may carry them (1 h).
    pub time: Duration,
    /// `keepalive_disable msie6`: not after a POST of an old Internet Explorer (on).
    pub not_for_msie6: bool,
    /// `keepalive_disable safari`: not for Safari on macOS (off).
    pub not_for_safari: bool,
}

/// nginx's defaults.
impl Default for ClientKeepalive {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(75)),
            announced: None,
            least: Duration::ZERO,
            requests: 1000,
            time: Duration::from_secs(60 * 60),
            not_for_msie6: true,
            not_for_safari: false,
        }
    }
}

/// How a connection that is not kept is closed while its client may still be sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lingering {
    /// `lingering_close`: whether what it sends is read away first.
    pub close: LingeringClose,
    /// `lingering_time`: for how long in all (30 s).
    pub time: Duration,
    /// `lingering_timeout`: how long a pause may be in that (5 s).
    pub timeout: Duration,
}

/// A word of `lingering_close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LingeringClose {
    /// Never.
    Off,
    /// When something is there or to be expected.
    On,
    /// Whatever is there.
    Always,
}

/// nginx's defaults.
impl Default for Lingering {
    fn default() -> Self {
        Self {
            close: LingeringClose::On,
            time: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
        }
    }
}

/// How fast an answer is sent: `limit_rate` and `limit_rate_after`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SendRate {
    /// Bytes in a second; 0 is no limit.
    pub limit: Amount,
    /// How many bytes are sent without a limit first.
    pub after: Amount,
}

/// A size that may depend on the request.
#[derive(Debug, Clone, PartialEq)]
pub enum Amount {
    /// It does not.
    Fixed(u64),
    /// What the text says then, as nginx writes sizes.
    Written(Template),
}

impl Default for Amount {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

/// A size as nginx writes it: digits, and `k` or `m` or `g` behind them.
pub fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(char, u64); 3] = [('g', 1 << 30), ('m', 1 << 20), ('k', 1 << 10)];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_uppercase()]));
    let (digits, bytes) = match unit {
        Some((_, bytes)) => (&text[..text.len() - 1], *bytes),
        None => (text, 1),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // nginx counts in signed 64 bits.
    let size = digits.parse::<u64>().ok()?.checked_mul(bytes)?;
    i64::try_from(size).is_ok().then_some(size)
}
