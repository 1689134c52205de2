//! The server's listening socket. It is ours, and not the RTSP server's own, because the kernel has
//! to be told about each connection what the server does not tell it: a peer that reads nothing,
//! or has vanished, is let go.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gio::prelude::*;
use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;

use super::guests::{Facts, Guests};

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

/// Listens at `address`; each connection for which there is room is handed to the server.
pub fn listen(
    address: SocketAddr,
    server: &gst_rtsp_server::RTSPServer,
    guests: &Rc<Guests>,
    arrival: &Arrival,
    context: &glib::MainContext,
) -> Result<glib::Source, glib::Error> {
    let address = gio::InetSocketAddress::from(address);
    let family = address.family();
    let socket = gio::Socket::new(family, gio::SocketType::Stream, gio::SocketProtocol::Tcp)?;
    socket.bind(&address, true)?;
    socket.set_listen_backlog(BACKLOG);
    socket.set_blocking(false);
    socket.listen()?;
    let weak = server.downgrade();
    let (guests, arrival) = (guests.clone(), arrival.clone());
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
                Ok(socket) => hand_over(&server, &guests, &arrival, socket),
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

fn hand_over(
    server: &gst_rtsp_server::RTSPServer,
    guests: &Guests,
    arrival: &Arrival,
    socket: gio::Socket,
) {
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
    if let Err(full) = guests.room_for(peer.ip()) {
        tracing::debug!("an RTSP client finds no room: {full:?}");
        // Whoever does not get the answer gets the end.
        let _ = socket.send(NO_ROOM, gio::Cancellable::NONE);
        return;
    }
    let facts = Arc::new(Facts::new(peer.ip()));
    guests.welcome(peer, &socket, facts.clone());
    // The server tells of its new client before it returns, on this thread.
    *arrival.lock() = Some(facts);
    let (ip, port) = (peer.ip().to_string(), i32::from(peer.port()));
    if let Err(error) = server.transfer_connection(socket, &ip, port, None) {
        tracing::debug!("an RTSP client could not be served: {error}");
    }
}
