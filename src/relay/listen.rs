//! The server's listening socket. It is ours, and not the RTSP server's own, because the kernel has
//! to be told about each connection what the server does not tell it: a peer that reads nothing,
//! or has vanished, is let go.

use std::net::SocketAddr;

use gio::prelude::*;
use gst_rtsp_server::prelude::*;

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

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Listens at `address`; each connection is handed to the server.
pub fn listen(
    address: SocketAddr,
    server: &gst_rtsp_server::RTSPServer,
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
                Ok(socket) => hand_over(&server, socket),
                Err(error) => tracing::debug!("an RTSP client could not be accepted: {error}"),
            }
            glib::ControlFlow::Continue
        },
    );
    source.attach(Some(context));
    Ok(source)
}

fn hand_over(server: &gst_rtsp_server::RTSPServer, socket: gio::Socket) {
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
    let ip = peer.address().to_str();
    if let Err(error) = server.transfer_connection(socket, &ip, i32::from(peer.port()), None) {
        tracing::debug!("an RTSP client could not be served: {error}");
    }
}
