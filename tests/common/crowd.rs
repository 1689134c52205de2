//! Players that cost the testing machine little: each one connection and one thread, which counts
//! what arrives and decodes nothing. A hundred of them fit beside an engine on two cores.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// One picture of 30 in a second, by RTP's clock, and what rounding adds.
const STEP: u32 = 3000 + 300;

/// What has arrived at one player.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// From the first request to the first part of a keyframe.
    pub first_keyframe: Option<Duration>,
    pub packets: u64,
    /// Pictures, told apart by their stamps.
    pub pictures: u64,
    pub keyframes: u64,
    /// RTP packets that never came.
    pub missing_packets: u64,
    /// Steps from one stamp to the next that are longer than a picture: after how many pictures, and
    /// how long, by RTP's clock.
    pub gaps: Vec<(u64, u32)>,
    /// The server has ended it.
    pub ended: bool,
}

/// One player of the picture of a mount.
pub struct Player {
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// Joins `path`, by itself on a thread.
    #[track_caller]
    pub fn join(port: u16, path: &str) -> Self {
        let begun = Instant::now();
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (own, mut reader) = (seen.clone(), stream.try_clone().expect("a handle"));
        let url = format!("rtsp://127.0.0.1:{port}{path}");
        let thread = std::thread::spawn(move || {
            if ask_to_play(&mut reader, &url).is_some() {
                follow(BufReader::with_capacity(64 << 10, reader), &own, begun);
            }
            own.lock().ended = true;
        });
        Self {
            stream,
            seen,
            thread: Some(thread),
        }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Asks by hand until the stream flows; `None` where the server does not play along. Nothing of the
/// stream is read.
pub fn ask_to_play(stream: &mut TcpStream, url: &str) -> Option<()> {
    let answer = ask(
        stream,
        &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    )?;
    let length = header(&answer, "Content-Length")?.parse().ok()?;
    let mut sdp = vec![0; length];
    stream.read_exact(&mut sdp).ok()?;
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let setup = format!("SETUP {url}/stream=0 RTSP/1.0\r\nCSeq: 2\r\n{transport}\r\n\r\n");
    let answer = ask(stream, &setup)?;
    let session = header(&answer, "Session")?.split(';').next()?.to_owned();
    let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n");
    stream.write_all(play.as_bytes()).ok()
}

/// The same for picture and sound, each by a transport of its own; answers the transports that the
/// server has chosen.
pub fn ask_for_both(
    stream: &mut TcpStream,
    url: &str,
    transports: [&str; 2],
) -> Option<[String; 2]> {
    let answer = ask(
        stream,
        &format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    )?;
    let mut sdp = vec![0; header(&answer, "Content-Length")?.parse().ok()?];
    stream.read_exact(&mut sdp).ok()?;
    let mut session = String::new();
    let mut chosen = Vec::new();
    for (number, transport) in transports.iter().enumerate() {
        let setup = format!(
            "SETUP {url}/stream={number} RTSP/1.0\r\nCSeq: 2\r\n{session}Transport: {transport}\r\n\r\n"
        );
        let answer = ask(stream, &setup)?;
        let own = header(&answer, "Session")?.split(';').next()?.to_owned();
        session = format!("Session: {own}\r\n");
        chosen.push(header(&answer, "Transport")?.to_owned());
    }
    let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 3\r\n{session}\r\n");
    stream.write_all(play.as_bytes()).ok()?;
    chosen.try_into().ok()
}

/// Asks, and reads the head of the answer byte by byte: what follows is somebody else's.
fn ask(stream: &mut TcpStream, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.starts_with("RTSP/1.0 200").then_some(head)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| line.starts_with(name))?;
    Some(line[name.len()..].trim_start_matches(':').trim())
}

/// Counts until the end.
fn follow(mut reader: BufReader<TcpStream>, seen: &Mutex<Seen>, begun: Instant) {
    let (mut number, mut stamp): (Option<u16>, Option<u32>) = (None, None);
    let mut packet = vec![0; 65_536];
    loop {
        let Ok(&[first, ..]) = reader.fill_buf() else {
            return;
        };
        if first != b'$' {
            // The answer to PLAY may come after the first packets.
            let mut line = String::new();
            if reader.read_line(&mut line).is_err() {
                return;
            }
            continue;
        }
        let mut head = [0; 4];
        if reader.read_exact(&mut head).is_err() {
            return;
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if reader.read_exact(&mut packet[..length]).is_err() {
            return;
        }
        if head[1] != 0 || length < 14 {
            continue;
        }
        let now = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let n = u16::from_be_bytes([packet[2], packet[3]]);
        let mut seen = seen.lock();
        seen.packets += 1;
        if let Some(last) = number.replace(n) {
            seen.missing_packets += u64::from(n.wrapping_sub(last).wrapping_sub(1));
        }
        // A delimiter by itself announces a picture, and is none.
        if packet[12] & 31 == 9 {
            continue;
        }
        if let Some(last) = stamp.replace(now) {
            let step = now.wrapping_sub(last);
            seen.pictures += u64::from(step > 0);
            if step > STEP {
                let at = seen.pictures;
                seen.gaps.push((at, step));
            }
        }
        if begins_keyframe(&packet[12..length]) {
            seen.keyframes += 1;
            seen.first_keyframe.get_or_insert_with(|| begun.elapsed());
        }
    }
}

/// An IDR slice of H.264 (RFC 6184): whole, the first part of one, or together with others.
fn begins_keyframe(payload: &[u8]) -> bool {
    match payload[0] & 31 {
        5 => true,
        28 => payload[1] & 0x9f == 0x85,
        24 => {
            let mut rest = &payload[1..];
            while let [high, low, unit, ..] = *rest {
                if unit & 31 == 5 {
                    return true;
                }
                let length = 2 + usize::from(u16::from_be_bytes([high, low]));
                rest = rest.get(length..).unwrap_or_default();
            }
            false
        }
        _ => false,
    }
}

/// A connection to the relay from another address of this machine, such as 127.0.0.2.
#[track_caller]
pub fn connect_from(address: &str, port: u16) -> TcpStream {
    let own: SocketAddr = format!("{address}:0").parse().expect("an address");
    let there: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");
    let made: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&made, &own).expect("an address of this machine");
    connect(&made, &there).expect("a connection");
    let stream = TcpStream::from(made);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}
