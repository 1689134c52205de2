//! A network of its own for one process, with one cable to this machine, which can be pulled and
//! made slow. Needs root, as `make test` has it.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use super::process::{Said, skip};

/// A network namespace; dropped, it is removed.
pub struct Namespace {
    name: String,
    net: u8,
}

impl Namespace {
    /// A namespace whose cable is in; `None`, with a line that says so, without root.
    #[track_caller]
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let net = (std::process::id() % 120) as u8 * 2 + NEXT.fetch_add(1, Ordering::Relaxed) % 2;
        let name = format!("regie-{net}");
        if !run(&format!("ip netns add {name}")).is_ok() {
            skip("a network namespace needs root");
            return None;
        }
        let own = Self { name, net };
        let (name, cable) = (&own.name, own.cable());
        for line in [
            format!("ip -n {name} link set lo up"),
            format!("ip link add {cable} type veth peer name eth0 netns {name}"),
            format!("ip address add {}/24 dev {cable}", own.outside()),
            format!("ip link set {cable} up"),
            format!("ip -n {name} address add 10.213.{net}.2/24 dev eth0"),
            format!("ip -n {name} link set eth0 up"),
            format!("ip -n {name} route add 224.0.0.0/4 dev eth0"),
        ] {
            run(&line).assert_ok();
        }
        Some(own)
    }

    /// This machine's end of the cable.
    pub fn cable(&self) -> String {
        format!("regie{}", self.net)
    }

    /// This machine's address, as seen from inside.
    pub fn outside(&self) -> String {
        format!("10.213.{}.1", self.net)
    }

    /// The address of whoever is inside.
    pub fn address(&self) -> String {
        format!("10.213.{}.2", self.net)
    }

    /// What comes before a command line that is to run inside.
    pub fn enter(&self) -> Vec<String> {
        let line = ["ip", "netns", "exec", &self.name];
        line.map(str::to_owned).to_vec()
    }

    #[track_caller]
    pub fn pull_cable(&self) {
        run(&format!("ip -n {} link set eth0 down", self.name)).assert_ok();
    }

    #[track_caller]
    pub fn plug_cable(&self) {
        run(&format!("ip -n {} link set eth0 up", self.name)).assert_ok();
    }

    /// The cable carries so much from inside to outside, and holds 30 kB that wait for it.
    #[track_caller]
    pub fn slow_down(&self, kilobits: u32) {
        let name = &self.name;
        run(&format!(
            "tc -n {name} qdisc replace dev eth0 root tbf rate {kilobits}kbit burst 5kb limit 30kb"
        ))
        .assert_ok();
    }

    /// It carries everything again, and what waited for it as well.
    #[track_caller]
    pub fn speed_up(&self) {
        self.slow_down(1_000_000);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with it; what still runs inside keeps it alive until its own end.
        let _ = run(&format!("ip link del {}", self.cable()));
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

#[track_caller]
fn run(line: &str) -> Said {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a command"));
    Said::by(command.args(words))
}
