//! A laptop's own network: a namespace behind a link that loses, reorders or delays what the laptop
//! sends.

use std::process::Command;

use crate::common::Said;

/// Why no such link can be made here, if so: only root may, and not every kernel knows how.
pub fn why_not() -> Option<&'static str> {
    if Said::by(Command::new("id").arg("-u")).out.trim() != "0" {
        return Some("only root may make network namespaces");
    }
    let name = format!("regie{}-try", std::process::id() % 10_000);
    let run = |line: String| {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().expect("a command"));
        Said::by(command.args(words)).is_ok()
    };
    let made = run(format!("ip netns add {name}"));
    let knows = made
        && run(format!(
            "tc -n {name} qdisc add dev lo root netem delay 1ms"
        ));
    let _gone = run(format!("ip netns delete {name}"));
    match (made, knows) {
        (false, _) => Some("no network namespaces can be made here"),
        (_, false) => Some("this kernel has no netem (CONFIG_NET_SCH_NETEM)"),
        _ => None,
    }
}

/// A namespace and its link; dropped, both are gone.
pub struct Link {
    name: String,
    number: u8,
}

impl Link {
    /// A link whose far end sends as `tc netem` with these words does.
    #[track_caller]
    pub fn new(number: u8, trouble: &str) -> Self {
        // Test processes side by side have networks of their own.
        let name = format!("regie{}-{number}", std::process::id() % 10_000);
        let link = Self { name, number };
        let (name, near) = (&link.name, format!("{}n", link.name));
        let (here, there) = (link.here(), link.address(2));
        for line in [
            format!("ip netns add {name}"),
            format!("ip link add {near} type veth peer name far netns {name}"),
            format!("ip address add {here}/30 dev {near}"),
            format!("ip link set {near} up"),
            format!("ip -n {name} address add {there}/30 dev far"),
            format!("ip -n {name} link set far up"),
            format!("ip -n {name} link set lo up"),
            format!("tc -n {name} qdisc add dev far root netem {trouble}"),
        ] {
            let mut words = line.split(' ');
            let mut command = Command::new(words.next().expect("a command"));
            Said::by(command.args(words)).assert_ok();
        }
        link
    }

    fn address(&self, host: u8) -> String {
        format!(
            "10.213.{}.{}",
            std::process::id() % 250,
            self.number * 4 + host
        )
    }

    /// The address of this machine as the far end sees it.
    pub fn here(&self) -> String {
        self.address(1)
    }

    /// A program at the far end.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Its end here goes with it.
        let _gone = Said::by(Command::new("ip").args(["netns", "delete", &self.name]));
        let near = format!("{}n", self.name);
        let _gone = Said::by(Command::new("ip").args(["link", "delete", &near]));
    }
}
