//! Who is there: one entry for each service that was heard of, and the rooms that follow from them. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use if_addrs::{IfAddr, Interface};
use url::{Position, Url};

use super::{REGIE, Room, words};

/// More rooms than this are no building, but somebody who plays tricks.
const MOST: usize = 200;

/// A service as it was heard of, in a stranger's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// With its type behind it.
    pub fullname: String,
    /// The name of the record of its addresses.
    pub server: String,
    /// Of its relay.
    pub port: u16,
    /// All that it was heard to have.
    pub addresses: BTreeSet<IpAddr>,
    /// Property `name`.
    pub name: Option<String>,
    /// Property `host`.
    pub host: Option<String>,
    /// Property `path`.
    pub path: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<String, (u64, Heard)>,
    /// Counts what was heard.
    serial: u64,
}

impl Book {
    /// It is there, or has changed.
    pub fn hear(&mut self, heard: Heard) {
        let key = heard.fullname.to_lowercase();
        if self.entries.len() < MOST || self.entries.contains_key(&key) {
            self.serial += 1;
            self.entries.insert(key, (self.serial, heard));
        }
    }

    /// It has gone.
    pub fn forget(&mut self, fullname: &str) {
        self.entries.remove(&fullname.to_lowercase());
    }

    /// Nothing is known any more.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The full names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .values()
            .map(|(_, heard)| heard.fullname.as_str())
    }

    /// The rooms that can be reached from a machine with these interfaces, by their names.
    pub fn rooms(&self, own: &[Interface]) -> Vec<Room> {
        let mut heard: Vec<&(u64, Heard)> = self.entries.values().collect();
        // Of two that lead to one place, the later one is the one that is there: the other is what an engine
        // was called that was killed.
        heard.sort_by_key(|(serial, _)| Reverse(*serial));
        let mut rooms: Vec<(Room, &str)> = Vec::new();
        for (_, heard) in heard {
            let Some(url) = url_of(heard, own) else {
                continue;
            };
            if rooms.iter().any(|(room, _)| room.url == url) {
                continue;
            }
            let label = words::label_of(&heard.fullname, REGIE);
            let host = heard.host.as_deref().unwrap_or(&heard.server);
            let room = Room {
                name: words::shown(heard.name.as_deref().unwrap_or(label)),
                url,
                host: words::shown(host.trim_end_matches('.').trim_end_matches(".local")),
            };
            rooms.push((room, label));
        }
        tell_apart(&mut rooms);
        let mut rooms: Vec<Room> = rooms.into_iter().map(|(room, _)| room).collect();
        rooms.sort_by_cached_key(|room| (room.name.to_lowercase(), room.url.to_string()));
        rooms
    }
}

/// Puts something behind names that are there more than once: the number that one has been given on the
/// network, else its machine's name, else, where that is no other either, its address. The first one, that has
/// no number where all others have one, keeps its name.
fn tell_apart(rooms: &mut [(Room, &str)]) {
    let all: Vec<Room> = rooms.iter().map(|(room, _)| room.clone()).collect();
    let numbers: Vec<_> = rooms
        .iter()
        .map(|(_, label)| words::number_of(label))
        .collect();
    for (own, (room, label)) in rooms.iter_mut().enumerate() {
        let is_twin = |other: &usize| *other != own && all[*other].name == all[own].name;
        let twins: Vec<usize> = (0..all.len()).filter(is_twin).collect();
        let differs = |is_other: &dyn Fn(usize) -> bool| twins.iter().all(|twin| is_other(*twin));
        if twins.is_empty() {
            continue;
        }
        match words::number_of(label) {
            Some(number) if differs(&|twin| numbers[twin] != numbers[own]) => {
                room.name.push_str(number);
            }
            // The one that was there first: all others have a number.
            None if differs(&|twin| numbers[twin].is_some()) => {}
            _ if differs(&|twin| all[twin].host != all[own].host) => {
                room.name = format!("{} – {}", room.name, room.host);
            }
            _ => {
                room.name = format!(
                    "{} – {}",
                    room.name,
                    &room.url[Position::BeforeHost..Position::AfterPort]
                )
            }
        }
    }
}

/// Where its programme is played; `None` while no address of it is known that leads there.
fn url_of(heard: &Heard, own: &[Interface]) -> Option<Url> {
    let ranked = heard
        .addresses
        .iter()
        .filter_map(|address| Some((rank(*address, own)?, address)));
    let (_, address) = ranked.min()?;
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let mut url = Url::parse(&format!("rtsp://{host}:{}/", heard.port)).ok()?;
    let path = heard.path.as_deref().unwrap_or("/programme");
    url.set_path(&words::shown(path));
    Some(url)
}

/// How well an address leads there, the least the best; `None`: not at all.
fn rank(address: IpAddr, own: &[Interface]) -> Option<u8> {
    let near = || own.iter().any(|interface| is_near(address, interface));
    match address {
        address if address.is_unspecified() || address.is_multicast() => None,
        // Only of this machine: by its other addresses others see it as well.
        address if address.is_loopback() => Some(5),
        IpAddr::V4(address) if address.is_link_local() => Some(4),
        IpAddr::V4(_) if near() => Some(0),
        IpAddr::V4(_) => Some(1),
        // Needs the name of an interface beside it, which no URL has.
        IpAddr::V6(address) if address.is_unicast_link_local() => None,
        IpAddr::V6(_) if near() => Some(2),
        IpAddr::V6(_) => Some(3),
    }
}

/// Whether it lies in a network of the interface.
fn is_near(address: IpAddr, interface: &Interface) -> bool {
    match (address, &interface.addr) {
        (IpAddr::V4(address), IfAddr::V4(own)) => {
            let mask = own.netmask.to_bits();
            address.to_bits() & mask == own.ip.to_bits() & mask
        }
        (IpAddr::V6(address), IfAddr::V6(own)) => {
            let mask = own.netmask.to_bits();
            address.to_bits() & mask == own.ip.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use if_addrs::{IfOperStatus, Ifv4Addr};

    /// This machine: 10.20.0.9/24.
    fn own() -> Vec<Interface> {
        vec![Interface {
            name: "enp2s0".to_owned(),
            addr: IfAddr::V4(Ifv4Addr {
                ip: "10.20.0.9".parse().unwrap(),
                netmask: "255.255.255.0".parse().unwrap(),
                prefixlen: 24,
                broadcast: None,
            }),
            index: Some(2),
            oper_status: IfOperStatus::Up,
            is_p2p: false,
        }]
    }

    fn heard(label: &str, name: &str, host: &str, addresses: &[&str]) -> Heard {
        Heard {
            fullname: format!("{label}.{REGIE}"),
            server: format!("regie-{host}.local."),
            port: 8554,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            name: Some(name.to_owned()),
            host: Some(host.to_owned()),
            path: Some("/programme".to_owned()),
        }
    }

    fn lines(book: &Book) -> Vec<String> {
        let rooms = book.rooms(&own());
        let lines = rooms
            .iter()
            .map(|room| format!("{} {} {}", room.name, room.host, room.url));
        lines.collect()
    }

    #[test]
    fn rooms_are_sorted_and_reached_by_the_nearest_address() {
        let mut book = Book::default();
        let all = [
            "127.0.0.1",
            "192.168.7.3",
            "10.20.0.5",
            "fe80::5",
            "2001:db8::5",
            "169.254.1.1",
        ];
        book.hear(heard("b", "Salle B", "pc-b", &all));
        book.hear(heard("a", "amphi é", "pc-a", &["2001:db8::7", "fe80::7"]));
        book.hear(heard("c", "Salle C", "pc-c", &["fe80::8"]));
        assert_eq!(
            lines(&book),
            [
                "amphi é pc-a rtsp://[2001:db8::7]:8554/programme",
                "Salle B pc-b rtsp://10.20.0.5:8554/programme"
            ],
            "C has no address that a URL can have"
        );
        book.forget("B._regie._TCP.local.");
        book.forget("nobody");
        assert_eq!(lines(&book).len(), 1);
        book.hear(heard("a", "amphi é", "pc-a", &["10.20.0.7"]));
        assert_eq!(
            lines(&book),
            ["amphi é pc-a rtsp://10.20.0.7:8554/programme"]
        );
        book.clear();
        assert!(lines(&book).is_empty());
    }

    #[test]
    fn two_rooms_of_one_name_can_be_told_apart_and_one_room_is_one() {
        let mut book = Book::default();
        book.hear(heard("Amphi A", "Amphi A", "pc-1", &["10.20.0.1"]));
        book.hear(heard("Amphi A (2)", "Amphi A", "pc-2", &["10.20.0.2"]));
        assert_eq!(
            lines(&book),
            [
                "Amphi A pc-1 rtsp://10.20.0.1:8554/programme",
                "Amphi A (2) pc-2 rtsp://10.20.0.2:8554/programme"
            ]
        );
        // On networks that know nothing of each other, on machines that nobody has named.
        let mut other = Book::default();
        other.hear(heard("A", "Amphi A", "debian", &["10.20.0.1"]));
        other.hear(heard("a", "Amphi A", "debian", &["10.20.0.1"]));
        other.hear(heard("A 2", "Amphi A", "debian", &["192.168.1.1"]));
        assert_eq!(
            lines(&other),
            [
                "Amphi A – 10.20.0.1:8554 debian rtsp://10.20.0.1:8554/programme",
                "Amphi A – 192.168.1.1:8554 debian rtsp://192.168.1.1:8554/programme"
            ]
        );
        // Killed, and back under another name.
        book.hear(heard("Amphi A (3)", "Amphi A", "pc-1", &["10.20.0.1"]));
        assert_eq!(
            lines(&book),
            [
                "Amphi A (2) pc-2 rtsp://10.20.0.2:8554/programme",
                "Amphi A (3) pc-1 rtsp://10.20.0.1:8554/programme"
            ]
        );
    }

    #[test]
    fn strangers_words_stay_words() {
        let mut book = Book::default();
        let mut odd = heard("x", "\u{1b}[31mred", "h\n", &["10.20.0.3"]);
        odd.path = Some("//other.example/a b?c#d".to_owned());
        book.hear(odd);
        let room = &book.rooms(&own())[0];
        assert_eq!((room.name.as_str(), room.host.as_str()), ("[31mred", "h"));
        assert_eq!(room.url.host_str(), Some("10.20.0.3"));
        assert!(room.url.query().is_none());
        for n in 0..1000 {
            book.hear(heard(&n.to_string(), "n", "h", &["10.20.0.4"]));
        }
        assert_eq!(book.names().count(), MOST);
        let mut bare = Heard {
            fullname: "Bare._regie._tcp.local.".to_owned(),
            server: "regie-pc.local.".to_owned(),
            port: 1,
            ..Heard::default()
        };
        bare.addresses.insert("10.20.0.6".parse().unwrap());
        let mut book = Book::default();
        book.hear(bare);
        assert_eq!(lines(&book), ["Bare regie-pc rtsp://10.20.0.6:1/programme"]);
    }
}
