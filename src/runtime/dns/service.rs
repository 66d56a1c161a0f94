//! The servers of a service, by its SRV records.

use super::reply::Reply;
use super::{
    Failure, LONGEST_KEPT, Located, MOST_ALIASES, Resolver, Servers, exchange, parse, within,
};
use hickory_proto::op::Query;
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RecordType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

impl Resolver {
    /// The servers of a service of a name, by its SRV records: those whose priority is not the first are
    /// backups, as in nginx.
    ///
    /// # Errors
    /// As [`addresses`](Self::addresses).
    pub async fn service(
        self: &Arc<Self>,
        service: &str,
        name: &str,
        limit: Option<Duration>,
    ) -> Result<Servers, Failure> {
        let name = match service.contains('.') {
            true => format!("{service}.{name}"),
            false => format!("_{service}._tcp.{name}"),
        };
        within(limit, async { self.follow_service(parse(&name)?).await }).await
    }

    async fn follow_service(self: &Arc<Self>, mut name: Name) -> Result<Servers, Failure> {
        let mut until = Instant::now() + LONGEST_KEPT;
        for _ in 0..MOST_ALIASES {
            let first = self.next.fetch_add(1, Relaxed);
            let query = Query::query(name, RecordType::SRV);
            let message = exchange::ask(&self.settings.servers, first, query).await?;
            let reply = Reply::read(&message, RecordType::SRV);
            until = until.min(self.until(reply.ttl()));
            if !reply.services.is_empty() {
                return self.locate(&reply.services, until).await;
            }
            name = reply.alias.ok_or(Failure::NOT_FOUND)?;
        }
        Err(Failure::NOT_FOUND)
    }

    /// Finds the addresses of the servers of a service. Some may have none.
    async fn locate(
        self: &Arc<Self>,
        services: &[SRV],
        mut until: Instant,
    ) -> Result<Servers, Failure> {
        let hosts = services.iter().map(|one| self.follow(one.target.clone()));
        let hosts = futures_util::future::join_all(hosts).await;
        let mut located = Vec::new();
        let mut failure = None;
        for (service, host) in services.iter().zip(hosts) {
            match host {
                Ok(host) => {
                    until = until.min(host.until);
                    located.extend(host.addresses.iter().map(|ip| (service, *ip)));
                }
                Err(Failure::NOT_FOUND) => failure = Some(Failure::NOT_FOUND),
                Err(other) => failure = failure.or(Some(other)),
            }
        }
        if located.is_empty() {
            return Err(failure.unwrap_or(Failure::NOT_FOUND));
        }
        let priority = located.iter().map(|(service, _)| service.priority).min();
        let located = located.into_iter().map(|(service, ip)| Located {
            address: SocketAddr::new(ip, service.port),
            weight: Some(service.weight.max(1)),
            backup: Some(service.priority) != priority,
        });
        Ok(Servers {
            located: located.collect(),
            until,
        })
    }
}
