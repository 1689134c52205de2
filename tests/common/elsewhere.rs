//! Laptops at other addresses of this machine, such as 127.0.0.2: a way for real ones, and one that
//! only announces.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use super::crowd::connect_from;

/// A way to the relay: whoever goes through it comes from that address.
pub struct Elsewhere {
    port: u16,
}

impl Elsewhere {
    /// From `address` to this port of 127.0.0.1. It is there until the test ends.
    #[track_caller]
    pub fn at(address: &str, relay: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let address = address.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = connect_from(&address, relay);
                // A quiet server is no end.
                server.set_read_timeout(None).expect("no timeout");
                let ways = [
                    (client.try_clone(), server.try_clone()),
                    (server.try_clone(), client.try_clone()),
                ];
                for (from, to) in ways {
                    let (Ok(mut from), Ok(mut to)) = (from, to) else {
                        continue;
                    };
                    std::thread::spawn(move || {
                        // An end of any kind is an end, for both.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port }
    }

    /// The port at which it begins.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A laptop that announces a stream and sends none.
pub struct Announcer {
    stream: TcpStream,
    url: String,
    sent: u32,
}

impl Announcer {
    /// From `address`, to the place of that name.
    #[track_caller]
    pub fn connect(address: &str, relay: u16, name: &str) -> Self {
        let stream = connect_from(address, relay);
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).expect("a timeout");
        Self {
            stream,
            url: format!("rtsp://127.0.0.1:{relay}/ingest/{name}"),
            sent: 0,
        }
    }

    /// Announces, with these headers besides; the answer's first line and all of it.
    #[track_caller]
    pub fn announce(&mut self, headers: &str) -> (String, String) {
        self.announce_codec("H264", headers)
    }

    /// The same for another codec.
    #[track_caller]
    pub fn announce_codec(&mut self, codec: &str, headers: &str) -> (String, String) {
        let sdp = format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 {codec}/90000\r\na=control:streamid=0\r\n"
        );
        self.sent += 1;
        let request = format!(
            "ANNOUNCE {} RTSP/1.0\r\nCSeq: {}\r\n{headers}Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            self.url,
            self.sent,
            sdp.len()
        );
        self.stream
            .write_all(request.as_bytes())
            .expect("a server that reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let first = answer.lines().next().unwrap_or_default().to_owned();
        (first, answer)
    }

    /// The same with a key that is wrong.
    #[track_caller]
    pub fn try_wrong_key(&mut self, user: &str) -> (String, String) {
        let header = format!(
            "Authorization: Digest username=\"{user}\", realm=\"regie\", nonce=\"0123456789abcdef\", \
             uri=\"{}\", response=\"00112233445566778899aabbccddeeff\"\r\n",
            self.url
        );
        self.announce(&header)
    }
}
