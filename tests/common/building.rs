//! A building: rooms with a network each, at one switch that snoops IGMP, as switches in buildings do:
//! what is sent to a group goes to the rooms that have joined it. Needs root, as `make test` has it.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use super::process::{Said, skip};

/// The network namespaces of the rooms and of the switch; dropped, they are removed.
pub struct Building {
    net: u8,
    rooms: usize,
}

impl Building {
    /// A building whose cables are in; `None`, with a line that says so, without root.
    #[track_caller]
    pub fn new(rooms: usize) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let net = (std::process::id() % 120) as u8 * 2 + NEXT.fetch_add(1, Ordering::Relaxed) % 2;
        if !run(&format!("ip netns add regie-switch-{net}")).is_ok() {
            skip("a network namespace needs root");
            return None;
        }
        let own = Self { net, rooms };
        let switch = own.switch();
        // It believes that it hears all who join once it has asked, a second after its start.
        let snoops = "mcast_snooping 1 mcast_querier 1 mcast_query_response_interval 100";
        run(&format!("ip -n {switch} link add br0 type bridge {snoops}")).assert_ok();
        run(&format!("ip -n {switch} link set br0 up")).assert_ok();
        for number in 0..rooms {
            let room = own.room(number);
            for line in [
                format!("ip netns add {room}"),
                format!("ip -n {room} link set lo up"),
                format!(
                    "ip -n {room} link add eth0 type veth peer name port{number} netns {switch}"
                ),
                format!("ip -n {switch} link set port{number} master br0 up"),
                format!(
                    "ip -n {room} address add {}/24 dev eth0",
                    own.address(number)
                ),
                format!("ip -n {room} link set eth0 up"),
                format!("ip -n {room} route add 224.0.0.0/4 dev eth0"),
            ] {
                run(&line).assert_ok();
            }
        }
        Some(own)
    }

    fn switch(&self) -> String {
        format!("regie-switch-{}", self.net)
    }

    fn room(&self, number: usize) -> String {
        format!("regie-room-{}-{number}", self.net)
    }

    /// A room's address, seen from all others.
    pub fn address(&self, number: usize) -> String {
        format!("10.214.{}.{}", self.net, number + 1)
    }

    /// What comes before a command line that is to run in a room.
    pub fn enter(&self, number: usize) -> Vec<String> {
        ["ip", "netns", "exec", &self.room(number)]
            .map(str::to_owned)
            .to_vec()
    }

    /// What has left a room by its cable, in bytes.
    #[track_caller]
    pub fn sent(&self, number: usize) -> u64 {
        self.counted(number, "tx_bytes")
    }

    /// What has come to a room, in bytes.
    #[track_caller]
    pub fn received(&self, number: usize) -> u64 {
        self.counted(number, "rx_bytes")
    }

    #[track_caller]
    fn counted(&self, number: usize, what: &str) -> u64 {
        let room = self.room(number);
        let said = run(&format!(
            "ip netns exec {room} cat /sys/class/net/eth0/statistics/{what}"
        ));
        said.assert_ok().out.trim().parse().expect("a number")
    }

    /// A room's cable brings in so much, and what does not fit is lost.
    #[track_caller]
    pub fn narrow(&self, number: usize, kilobits: u32) {
        let switch = self.switch();
        let rate = format!("rate {kilobits}kbit burst 10kb limit 30kb");
        run(&format!(
            "tc -n {switch} qdisc replace dev port{number} root tbf {rate}"
        ))
        .assert_ok();
    }

    /// It brings in everything again.
    #[track_caller]
    pub fn widen(&self, number: usize) {
        self.narrow(number, 1_000_000);
    }

    /// The groups that a room has joined.
    #[track_caller]
    pub fn groups(&self, number: usize) -> String {
        let room = self.room(number);
        let said = run(&format!("ip -n {room} maddress show dev eth0"));
        said.assert_ok().out.clone()
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // The cables go with it; what still runs inside keeps it alive until its own end.
        for number in 0..self.rooms {
            let _ = run(&format!("ip netns del {}", self.room(number)));
        }
        let _ = run(&format!("ip netns del {}", self.switch()));
    }
}

#[track_caller]
fn run(line: &str) -> Said {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a command"));
    Said::by(command.args(words))
}
