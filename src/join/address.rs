//! Which of this machine's addresses laptops can reach.

use std::net::{IpAddr, Ipv4Addr};

use if_addrs::get_if_addrs;

/// Interfaces that lead to containers and virtual machines on this machine, by how their names begin.
const INSIDE: [&str; 15] = [
    "docker", "br-", "veth", "virbr", "vnet", "lxc", "lxd", "cni", "flannel", "podman", "cali",
    "vmnet", "vboxnet", "dummy", "kube",
];
/// Those that lead through somebody else's network.
const TUNNELS: [&str; 7] = ["tun", "tap", "wg", "ppp", "tailscale", "zt", "ipsec"];
const CABLES: [&str; 3] = ["en", "eth", "bond"];
const RADIO: [&str; 2] = ["wl", "ath"];

/// One address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The interface.
    pub interface: String,
    /// Its address.
    pub address: IpAddr,
}

/// How good an address is for laptops; the least is the best.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Cable,
    Other,
    Radio,
    Tunnel,
    /// Only where there is nothing else: no router has given it one.
    LinkLocal,
    /// Only from this machine.
    Inside,
}

/// All addresses of this machine, as the system lists them. Asks the kernel; does not wait.
pub fn of_this_machine() -> Vec<Own> {
    let found = get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!("this machine's addresses are not known: {error}");
        Vec::new()
    });
    let up = found
        .into_iter()
        .filter(|own| own.is_oper_up() || own.is_loopback());
    up.map(|own| Own {
        address: own.ip(),
        interface: own.name,
    })
    .collect()
}

/// The addresses that lead to what listens at `listen`, the best first: those in the building's
/// networks; where there are none, whatever there is.
pub fn leading_to(listen: IpAddr, own: &[Own]) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    // Linux takes IPv4 at the unspecified address of IPv6 as well.
    let family = |address: IpAddr| listen.is_ipv6() || address.is_ipv4();
    let mut all: Vec<(Worth, bool, usize, IpAddr)> = own
        .iter()
        .enumerate()
        .filter(|(_, own)| family(own.address))
        .filter_map(|(number, own)| {
            let worth = worth(own)?;
            // IPv4 before IPv6: easier to type, and every box speaks it.
            Some((worth, own.address.is_ipv6(), number, own.address))
        })
        .collect();
    all.sort();
    let reachable = |worth: &Worth| *worth < Worth::LinkLocal;
    if all.iter().any(|(worth, ..)| reachable(worth)) {
        all.retain(|(worth, ..)| reachable(worth));
    } else {
        all.truncate(1);
    }
    all.sort_by_key(|(_, is_ipv6, ..)| *is_ipv6);
    let mut addresses: Vec<IpAddr> = all.into_iter().map(|(.., address)| address).collect();
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

/// Whether only this machine reaches the address.
pub fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether an interface of this name leads to containers or virtual machines on this machine, and nowhere
/// else.
pub fn is_inside(interface: &str) -> bool {
    INSIDE.iter().any(|name| interface.starts_with(name))
}

fn worth(own: &Own) -> Option<Worth> {
    let is = |names: &[&str]| names.iter().any(|name| own.interface.starts_with(name));
    let link_local = match own.address {
        IpAddr::V4(address) => address.is_link_local(),
        // Without the name of its own interface, a laptop cannot use one of these.
        IpAddr::V6(address) if address.is_unicast_link_local() => return None,
        IpAddr::V6(_) => false,
    };
    Some(if own.address.is_loopback() || is_inside(&own.interface) {
        Worth::Inside
    } else if link_local {
        Worth::LinkLocal
    } else if is(&TUNNELS) {
        Worth::Tunnel
    } else if is(&RADIO) {
        Worth::Radio
    } else if is(&CABLES) {
        Worth::Cable
    } else {
        Worth::Other
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn machine(all: &[(&str, &str)]) -> Vec<Own> {
        let own = all.iter().map(|(interface, address)| Own {
            interface: (*interface).to_owned(),
            address: address.parse().unwrap(),
        });
        own.collect()
    }

    fn leads(listen: &str, own: &[(&str, &str)]) -> Vec<String> {
        let found = leading_to(listen.parse().unwrap(), &machine(own));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn laptops_are_told_what_they_can_reach_the_best_first() {
        let all = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("docker0", "172.17.0.1"),
            ("wg0", "10.66.0.2"),
            ("wlp3s0", "192.168.7.9"),
            ("enp2s0", "10.20.0.5"),
            ("enp2s0", "2001:db8::5"),
            ("enp2s0", "fd00::5"),
            ("enp2s0", "fe80::5"),
            ("enp9s0", "169.254.3.4"),
        ];
        let four = ["10.20.0.5", "192.168.7.9", "10.66.0.2"];
        assert_eq!(leads("0.0.0.0", &all), four);
        let six = ["2001:db8::5", "fd00::5"];
        assert_eq!(leads("::", &all), [&four[..], &six[..]].concat());
        assert_eq!(leads("10.20.0.5", &all), ["10.20.0.5"]);
        assert_eq!(leads("127.0.0.1", &all), ["127.0.0.1"]);
    }

    #[test]
    fn where_there_is_nothing_better_it_is_what_there_is() {
        let cable = [("lo", "127.0.0.1"), ("enp2s0", "169.254.3.4")];
        assert_eq!(leads("0.0.0.0", &cable), ["169.254.3.4"]);
        let alone = [("lo", "127.0.0.1"), ("lo", "::1")];
        assert_eq!(leads("0.0.0.0", &alone), ["127.0.0.1"]);
        assert_eq!(leads("0.0.0.0", &[]), ["127.0.0.1"]);
        assert!(is_local("127.0.0.1".parse().unwrap()) && !is_local("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn this_machine_has_addresses() {
        assert!(!of_this_machine().is_empty());
    }
}
