//! Tells when a way through the network has opened: a cable is in, an address is given, a route
//! leads somewhere. Whoever waits for the next attempt need not wait then.

use std::os::fd::OwnedFd;

use super::{messages, receive, u32_at};

/// From `linux/rtnetlink.h`.
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// Offset of `ifi_flags` in `struct ifinfomsg`, and the flag of a link that carries.
const FLAGS: usize = 8;
const IFF_LOWER_UP: u32 = 0x1_0000;

/// Listens to what the kernel says about links, addresses and routes.
#[derive(Debug)]
pub struct Links {
    socket: OwnedFd,
}

impl Links {
    /// Listens from now on.
    pub fn open() -> rustix::io::Result<Self> {
        let groups = RTMGRP_LINK
            | RTMGRP_IPV4_IFADDR
            | RTMGRP_IPV4_ROUTE
            | RTMGRP_IPV6_IFADDR
            | RTMGRP_IPV6_ROUTE;
        let socket = super::open(None, groups)?;
        Ok(Self { socket })
    }

    /// Whether a way has opened since the last call. Never waits.
    pub fn take_opened(&self) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut opened = false;
        loop {
            match receive(&self.socket, &mut buffer) {
                Ok(Some(length)) => opened |= messages(&buffer[..length]).any(is_a_way),
                Ok(None) => return opened,
                // More was said than the socket holds: something of it may have been a way.
                Err(rustix::io::Errno::NOBUFS) => opened = true,
                Err(_) => return opened,
            }
        }
    }
}

fn is_a_way((kind, content): (u16, &[u8])) -> bool {
    match kind {
        RTM_NEWLINK => u32_at(content, FLAGS).is_some_and(|flags| flags & IFF_LOWER_UP != 0),
        RTM_NEWADDR | RTM_NEWROUTE => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_goes_down_opens_no_way() {
        let link = |flags: u32| {
            let mut content = vec![0; 16];
            content[FLAGS..FLAGS + 4].copy_from_slice(&flags.to_ne_bytes());
            is_a_way((RTM_NEWLINK, &content))
        };
        assert!(link(IFF_LOWER_UP | 1));
        assert!(!link(1));
        assert!(is_a_way((RTM_NEWROUTE, &[])));
        // 17, 21 and 25: gone.
        for gone in [17, 21, 25] {
            assert!(!is_a_way((gone, &[0; 16])));
        }
    }

    #[test]
    fn silence_is_no_way() {
        let links = Links::open().expect("netlink");
        while links.take_opened() {}
        assert!(!links.take_opened());
    }
}
