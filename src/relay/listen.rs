//! The server's listening sockets, one for RTSP as it is and one for RTSP by TLS. They are ours, and
//! not the RTSP server's own, because the kernel has to be told about each connection what the server
//! does not tell it: a peer that reads nothing, or has vanished, is let go. Both have one house: what
//! one connection may do, and how many there may be, is the same for either.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gio::prelude::*;
use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;
use rustls::ServerConfig;

use super::guests::{Facts, Guests};
use super::secure;

/// From `netinet/in.h` and `linux/tcp.h`.
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;
const TCP_KEEPIDLE: i32 = 4;
const TCP_KEEPINTVL: i32 = 5;
const TCP_KEEPCNT: i32 = 6;
const TCP_USER_TIMEOUT: i32 = 18;

/// A peer that takes nothing of what it is sent for so long, in milliseconds, is let go. Its
/// frames are dropped long before.
const READ_NOTHING: i32 = 8000;
/// A peer that we send nothing is asked after so many seconds whether it is still there, three
/// times.
const ASK: i32 = 5;

/// Connections that may wait to be accepted: a roomful that joins at once. Who finds no place there is
/// asked by the kernel to come again a second later.
const BACKLOG: i32 = 512;

/// Pause after a connection that the system could not give.
const BREATH: Duration = Duration::from_millis(200);

/// The answer to those for whom there is no room.
const NO_ROOM: &[u8] = b"RTSP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\n";

/// Who is being handed to the server just now.
pub type Arrival = Arc<Mutex<Option<Arc<Facts>>>>;

/// Whom connections are handed to.
#[derive(Debug, Clone)]
pub struct Hall {
    pub server: gst_rtsp_server::RTSPServer,
    pub guests: Rc<Guests>,
    pub arrival: Arrival,
}

/// Listens at `address`; each connection for which there is room is handed to the server, with
/// `certificate` by way of TLS.
pub fn listen(
    address: SocketAddr,
    certificate: Option<Arc<ServerConfig>>,
    hall: &Hall,
    context: &glib::MainContext,
) -> Result<glib::Source, glib::Error> {
    let address = gio::InetSocketAddress::from(address);
    let family = address.family();
    let socket = gio::Socket::new(family, gio::SocketType::Stream, gio::SocketProtocol::Tcp)?;
    socket.bind(&address, true)?;
    socket.set_listen_backlog(BACKLOG);
    socket.set_blocking(false);
    socket.listen()?;
    let weak = hall.server.downgrade();
    let (guests, arrival) = (hall.guests.clone(), hall.arrival.clone());
    let source = SocketExtManual::create_source(
        &socket,
        glib::IOCondition::IN,
        gio::Cancellable::NONE,
        None,
        glib::Priority::DEFAULT,
        move |listening, _| {
            let Some(server) = weak.upgrade() else {
                return glib::ControlFlow::Break;
            };
            // Gone again before it was accepted, or no descriptor left: the next one, then.
            match listening.accept(gio::Cancellable::NONE) {
                Ok(socket) => {
                    let hall = Hall {
                        server,
                        guests: guests.clone(),
                        arrival: arrival.clone(),
                    };
                    hand_over(&hall, socket, certificate.as_ref());
                }
                Err(error) if error.matches(gio::IOErrorEnum::WouldBlock) => {}
                Err(error) => {
                    tracing::debug!("an RTSP client could not be accepted: {error}");
                    // It would be asked for again at once, and refused again.
                    std::thread::sleep(BREATH);
                }
            }
            glib::ControlFlow::Continue
        },
    );
    source.attach(Some(context));
    Ok(source)
}

fn hand_over(hall: &Hall, socket: gio::Socket, certificate: Option<&Arc<ServerConfig>>) {
    let options = [
        (TCP_NODELAY, 1),
        (TCP_USER_TIMEOUT, READ_NOTHING),
        (TCP_KEEPIDLE, ASK),
        (TCP_KEEPINTVL, ASK),
        (TCP_KEEPCNT, 3),
    ];
    for (option, value) in options {
        if let Err(error) = socket.set_option(IPPROTO_TCP, option, value) {
            tracing::debug!("an RTSP connection does not take option {option}: {error}");
        }
    }
    socket.set_keepalive(true);
    let peer = socket.remote_address().ok();
    let peer = peer.and_then(|peer| peer.downcast::<gio::InetSocketAddress>().ok());
    let Some(peer) = peer else {
        return;
    };
    let peer = SocketAddr::new(IpAddr::from(peer.address()).to_canonical(), peer.port());
    if let Err(full) = hall.guests.room_for(peer.ip()) {
        tracing::debug!("an RTSP client finds no room: {full:?}");
        if certificate.is_none() {
            // Whoever does not get the answer gets the end.
            let _ = socket.send(NO_ROOM, gio::Cancellable::NONE);
        }
        return;
    }
    let served = match certificate {
        None => Ok(socket),
        Some(config) => secure::behind(&socket, config),
    };
    let socket = match served {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!("an RTSPS client could not be served: {error}");
            return;
        }
    };
    let facts = Arc::new(Facts::new(peer.ip()));
    hall.guests.welcome(peer, &socket, facts.clone());
    // The server tells of its new client before it returns, on this thread.
    *hall.arrival.lock() = Some(facts);
    let (ip, port) = (peer.ip().to_string(), i32::from(peer.port()));
    if let Err(error) = hall.server.transfer_connection(socket, &ip, port, None) {
        tracing::debug!("an RTSP client could not be served: {error}");
    }
}
