//! Tells the network of this room. The library's thread does the work and follows the machine's addresses as
//! they come and go; calls here only hand over. A network that takes no multicast is a line in the log: the
//! room is on air all the same.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceInfo};

use super::{ADDRESSES, Error, REGIE, RTSP, words};
use crate::join::address::is_inside;

/// How long the end of an engine waits until the network has been told.
const FAREWELL: Duration = Duration::from_millis(200);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The venue's.
    pub name: String,
    /// Where the relay listens.
    pub relay: SocketAddr,
    /// Whether players need a password.
    pub guarded: bool,
    /// The ports that laptops push to, each with its protocol's scheme.
    pub ingest: Vec<(&'static str, u16)>,
}

/// Announces, from [`Announcer::announce`] to [`Announcer::withdraw`]. Dropped, it says goodbye.
pub struct Announcer {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
    services: Vec<ServiceInfo>,
    announced: bool,
    /// What was said last of troubles.
    trouble: String,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.services.iter().map(ServiceInfo::get_fullname);
        f.debug_list().entries(names).finish()
    }
}

impl Announcer {
    /// Makes ready to announce; says nothing yet. `None` where there is nothing that anybody could reach.
    pub fn new(card: &Card) -> Result<Option<Self>, Error> {
        if card.relay.ip().is_loopback() {
            return Ok(None);
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // Another one with each start: nobody else has it.
        let token = RandomState::new().hash_one(std::process::id()) as u16;
        let services = services(card, host.trim(), token)?;
        let daemon = ServiceDaemon::new()?;
        daemon.set_ip_check_interval(ADDRESSES)?;
        // Nobody out there reaches the networks of containers and virtual machines on this one.
        let inside = IfPredicate::new(|interface| is_inside(&interface.name));
        daemon.disable_interface(IfKind::Predicate(inside))?;
        let events = daemon.monitor()?;
        Ok(Some(Self {
            daemon,
            events,
            services,
            announced: false,
            trouble: String::new(),
        }))
    }

    /// The relay listens: the network is told, if it has not been.
    pub fn announce(&mut self) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        for service in &self.services {
            if let Err(error) = self.daemon.register(service.clone()) {
                tracing::info!("the room is not announced on the network: {error}");
            }
        }
    }

    /// It does so no more.
    pub fn withdraw(&mut self) {
        if std::mem::replace(&mut self.announced, false) {
            for service in &self.services {
                // Refused only where nothing is announced.
                let _ = self.daemon.unregister(service.get_fullname());
            }
        }
    }

    /// Writes down what the library has to say. Does not wait.
    pub fn look(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                DaemonEvent::NameChange(change) => {
                    let name = words::shown(&change.new_name);
                    tracing::info!("another one on the network has this name: announced as {name}");
                }
                DaemonEvent::Error(error) => {
                    let text = error.to_string();
                    if text != self.trouble {
                        tracing::info!("the network takes no announcement: {text}");
                        self.trouble = text;
                    }
                }
                _ => {}
            }
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        // Where the library's thread has ended there is nobody left to say it.
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(FAREWELL);
        }
    }
}

/// As the network is told: for regie, and for any player.
fn services(card: &Card, host: &str, token: u16) -> Result<Vec<ServiceInfo>, Error> {
    let label = words::label(&card.name);
    let record = words::host_record(host, token);
    let mut properties = vec![
        ("txtvers", "1".to_owned()),
        ("path", "/programme".to_owned()),
    ];
    let for_players = properties.clone();
    properties.extend([
        ("role", "engine".to_owned()),
        ("name", words::property(&card.name).to_owned()),
        ("host", words::property(host).to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "access",
            if card.guarded { "password" } else { "open" }.to_owned(),
        ),
        ("ingest", "/ingest".to_owned()),
        ("rtsp", card.relay.port().to_string()),
    ]);
    for (scheme, port) in &card.ingest {
        properties.push((*scheme, port.to_string()));
    }
    let listen = card.relay.ip();
    let all = [(REGIE, &properties), (RTSP, &for_players)];
    all.into_iter()
        .map(|(kind, properties)| {
            let port = card.relay.port();
            let mut info = if listen.is_unspecified() {
                ServiceInfo::new(kind, &label, &record, "", port, &properties[..])?
                    .enable_addr_auto()
            } else {
                ServiceInfo::new(kind, &label, &record, listen, port, &properties[..])?
            };
            if listen == IpAddr::from([0, 0, 0, 0]) {
                info.set_interfaces(vec![IfKind::IPv4]);
            }
            Ok(info)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn card(name: &str, relay: &str) -> Card {
        Card {
            name: name.to_owned(),
            relay: relay.parse().unwrap(),
            guarded: true,
            ingest: vec![("rtmp", 1935), ("srt", 8890)],
        }
    }

    #[test]
    fn a_room_is_told_of_with_all_that_is_needed_to_join() {
        let told = services(&card("Amphi é 2.1", "0.0.0.0:8554"), "pc-amphi", 10).unwrap();
        let regie = &told[0];
        assert_eq!(regie.get_fullname(), "Amphi é 2-1._regie._tcp.local.");
        assert_eq!(regie.get_hostname(), "regie-pc-amphi-000a.local.");
        assert!(regie.is_addr_auto());
        for (key, value) in [
            ("name", "Amphi é 2.1"),
            ("path", "/programme"),
            ("host", "pc-amphi"),
            ("access", "password"),
            ("rtsp", "8554"),
            ("rtmp", "1935"),
            ("srt", "8890"),
        ] {
            assert_eq!(regie.get_property_val_str(key), Some(value), "{key}");
        }
        assert_eq!(told[1].get_fullname(), "Amphi é 2-1._rtsp._tcp.local.");
        assert_eq!(told[1].get_property_val_str("path"), Some("/programme"));
        // The longest name of all.
        assert!(services(&card(&"€".repeat(80), "[::]:8554"), &"é".repeat(64), 10).is_ok());
    }

    #[test]
    fn a_relay_at_one_address_is_announced_there_and_one_for_this_machine_nowhere() {
        let told = services(&card("a", "10.20.0.5:8554"), "pc", 10).unwrap();
        assert!(!told[0].is_addr_auto());
        assert_eq!(told[0].get_addresses_v4().len(), 1);
        assert!(
            Announcer::new(&card("a", "127.0.0.1:8554"))
                .unwrap()
                .is_none()
        );
        assert!(Announcer::new(&card("a", "[::1]:8554")).unwrap().is_none());
    }
}
