//! The variables that a configuration defines itself.

use super::{Regex, Template};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// The place of a variable in [`Model::variables`](super::Model::variables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariableId(pub u32);

/// A variable that the configuration defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name, without the `$`, in lower case.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
}

/// Where the value of a defined variable comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A named group of a regular expression that matched.
    Written,
    /// `set`: what was not written is empty.
    Set,
    /// `map`: what another text is mapped to.
    Map(Box<Map>),
    /// `geo`: what an address is mapped to.
    Geo(Box<Geo>),
    /// `split_clients`: a share of all texts.
    Split(Box<Split>),
}

/// `map SOURCE $variable { … }`. All keys but those of regular expressions are in lower case.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// What is mapped.
    pub source: Template,
    /// `volatile`: the value is found again each time, not once for a request.
    pub volatile: bool,
    /// `hostnames`: keys may have wildcards, and the source a final dot.
    pub hostnames: bool,
    /// What everything else is mapped to.
    pub default: Template,
    /// Texts, compared whole.
    pub exact: BTreeMap<String, Template>,
    /// `*.example.com`, by `example.com`.
    pub leading: BTreeMap<String, Template>,
    /// `www.example.*`, by `www.example`.
    pub trailing: BTreeMap<String, Template>,
    /// `~pattern` and `~*pattern`, in the order of the file.
    pub patterns: Vec<(Regex, Template)>,
}

/// `geo [SOURCE] $variable { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Geo {
    /// The address that is looked up; `None` is the client's.
    pub source: Option<Template>,
    /// What addresses are mapped to that are in no network.
    pub default: String,
    /// The networks: the first address, and how many of its bits count.
    pub networks: BTreeMap<(IpAddr, u8), String>,
    /// Ranges: the first and the last address. They come before the networks, the last range first.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr, String)>,
}

/// `split_clients SOURCE $variable { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// What decides.
    pub source: Template,
    /// Shares: up to which hash each value is taken, in their order.
    pub shares: Vec<(u32, Template)>,
    /// `*`: what the rest gets.
    pub rest: Option<Template>,
}

/// The first address of the network that an address with so many bits that count is in.
pub fn network_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32)));
            IpAddr::V4((u32::from(address) & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128)));
            IpAddr::V6((u128::from(address) & mask.unwrap_or(0)).into())
        }
    }
}
