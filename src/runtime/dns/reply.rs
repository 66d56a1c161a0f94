//! What the answer to one question says.

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::IpAddr;
use std::time::Duration;

/// The addresses of a name, or the name that it is an alias of.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) services: Vec<SRV>,
    pub(super) alias: Option<Name>,
    /// How many seconds all of it is valid.
    pub(super) ttl: u32,
}

impl Reply {
    /// Reads the records of an answer. As in nginx every address counts, whatever name it is of: they
    /// come from the server that was asked, at the end of a chain of aliases.
    pub(super) fn read(message: &Message, kind: RecordType) -> Self {
        let mut reply = Self {
            ttl: u32::MAX,
            ..Self::default()
        };
        for record in &message.answers {
            reply.ttl = reply.ttl.min(record.ttl);
            match &record.data {
                RData::A(address) if kind == RecordType::A => {
                    reply.addresses.push(address.0.into());
                }
                RData::AAAA(address) if kind == RecordType::AAAA => {
                    reply.addresses.push(address.0.into());
                }
                RData::SRV(service) if kind == RecordType::SRV => {
                    reply.services.push(service.clone());
                }
                RData::CNAME(alias) => reply.alias = Some(alias.0.clone()),
                _ => {}
            }
        }
        reply
    }

    /// How long all of it is valid.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl.into())
    }
}
