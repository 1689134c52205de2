//! What a sender's packets look like on the wire, and how they are spoilt on their way: a proxy for
//! RTSP with its media on the one connection, and a publisher that never sends anything.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Spoils a packet; the time is since the first, in seconds.
pub type Tamper = fn(&mut Packet, f64);

/// One RTP packet, or one report of the sender.
pub struct Packet<'a> {
    bytes: &'a mut [u8],
    channel: u8,
    /// The first timestamp of the stream, and the last one it had before it was held.
    first: &'a mut Option<u32>,
    held: &'a mut Option<u32>,
}

impl Packet<'_> {
    /// Picture, or sound: ffmpeg announces the picture first.
    pub fn is_video(&self) -> bool {
        self.channel < 2
    }

    /// Ticks of its timestamps in a second.
    fn rate(&self) -> u32 {
        if self.is_video() { 90_000 } else { 48_000 }
    }

    /// RFC 3550: where the timestamp is, in a packet and in a report.
    fn place(&self) -> Option<usize> {
        let place = if self.channel.is_multiple_of(2) {
            4
        } else {
            16
        };
        let is_report = self.bytes.get(1) == Some(&200);
        (self.bytes.len() >= place + 4 && (place == 4 || is_report)).then_some(place)
    }

    fn stamp(&self) -> Option<u32> {
        let place = self.place()?;
        let bytes = self.bytes[place..place + 4].try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    fn set_stamp(&mut self, stamp: u32) {
        if let Some(place) = self.place() {
            self.bytes[place..place + 4].copy_from_slice(&stamp.to_be_bytes());
        }
    }

    /// Moves its timestamp by so many seconds.
    pub fn move_by(&mut self, seconds: f64) {
        let ticks = (seconds * f64::from(self.rate())) as i64;
        if let Some(stamp) = self.stamp() {
            self.set_stamp(stamp.wrapping_add(ticks as u32));
        }
    }

    /// Has its stream begin at this timestamp.
    pub fn start_at(&mut self, start: u32) {
        if let (Some(stamp), Some(first)) = (self.stamp(), *self.first) {
            self.set_stamp(stamp.wrapping_sub(first).wrapping_add(start));
        }
    }

    /// Gives it the timestamp that its stream had when this was first asked for.
    pub fn hold(&mut self) {
        if let Some(stamp) = self.stamp() {
            let held = *self.held.get_or_insert(stamp);
            self.set_stamp(held);
        }
    }
}

/// A port that leads to the RTSP server at `port`; what is sent to it is spoilt on the way. It
/// serves one sender, and ends with it.
#[track_caller]
pub fn proxy(port: u16, tamper: Tamper) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (near, _) = listener.accept()?;
        let far = TcpStream::connect(("127.0.0.1", port))?;
        let (mut answers, mut back) = (far.try_clone()?, near.try_clone()?);
        thread::spawn(move || std::io::copy(&mut answers, &mut back));
        carry(near, &far, tamper).inspect_err(|_| {
            let _closed = far.shutdown(std::net::Shutdown::Both);
        })
    });
    own
}

fn carry(mut near: TcpStream, mut far: &TcpStream, tamper: Tamper) -> std::io::Result<()> {
    let mut streams: HashMap<u8, (Option<u32>, Option<u32>)> = HashMap::new();
    let mut begun: Option<Instant> = None;
    loop {
        let mut byte = [0];
        near.read_exact(&mut byte)?;
        if byte[0] != b'$' {
            // A request: it goes on as it is, byte for byte.
            far.write_all(&byte)?;
            continue;
        }
        let mut head = [0; 3];
        near.read_exact(&mut head)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        near.read_exact(&mut bytes)?;
        let at = begun
            .get_or_insert_with(Instant::now)
            .elapsed()
            .as_secs_f64();
        let (first, held) = streams.entry(head[0] / 2).or_default();
        let mut packet = Packet {
            bytes: &mut bytes,
            channel: head[0],
            first,
            held,
        };
        if packet.first.is_none() {
            *packet.first = packet.stamp();
        }
        tamper(&mut packet, at);
        far.write_all(b"$")?;
        far.write_all(&head)?;
        far.write_all(&bytes)?;
    }
}

/// What happens to datagrams on their way.
#[derive(Clone, Copy)]
pub struct Spoil {
    /// One of so many is lost; 0: none.
    pub lose: u64,
    /// Milliseconds that each takes.
    pub delay: u64,
    /// As many more at most, by chance: some overtake others.
    pub jitter: u64,
    /// One of so many goes at once, before those that wait; 0: none.
    pub hurry: u64,
}

/// A good way.
pub const SOUND: Spoil = Spoil {
    lose: 0,
    delay: 0,
    jitter: 0,
    hurry: 0,
};

/// A port that leads to the RTSP server at `port`, for one sender whose media comes in datagrams:
/// those are spoilt. It ends with the sender.
#[track_caller]
pub fn datagrams(port: u16, spoil: Spoil) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut near, _) = listener.accept()?;
        let far = TcpStream::connect(("127.0.0.1", port))?;
        let (mut requests, mut to) = (near.try_clone()?, far.try_clone()?);
        thread::spawn(move || {
            let end = std::io::copy(&mut requests, &mut to);
            let _closed = to.shutdown(std::net::Shutdown::Both);
            end
        });
        for line in BufReader::new(far).split(b'\n') {
            let mut line = String::from_utf8_lossy(&line?).into_owned();
            if let Some((before, ports)) = line.clone().split_once("server_port=") {
                let end = ports.find([';', '\r']).unwrap_or(ports.len());
                let theirs = (ports[..end].split('-')).filter_map(|port| port.parse().ok());
                let ours: Vec<String> = theirs
                    .map(|port| forward(port, spoil).map(|port| port.to_string()))
                    .collect::<Result<_, _>>()?;
                line = format!("{before}server_port={}{}", ours.join("-"), &ports[end..]);
            }
            near.write_all(format!("{line}\n").as_bytes())?;
        }
        Ok::<(), std::io::Error>(())
    });
    own
}

/// A port whose datagrams go on to `port`, spoilt. The threads end when nothing has come for long.
fn forward(port: u16, spoil: Spoil) -> std::io::Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let own = socket.local_addr()?.port();
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let out = socket.try_clone()?;
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut waiting: Vec<(Instant, Vec<u8>)> = Vec::new();
        loop {
            let next = waiting.iter().map(|(due, _)| *due).min();
            let wait = next.map_or(Duration::from_secs(5), |due| {
                due.saturating_duration_since(Instant::now())
            });
            match queue.recv_timeout(wait) {
                Ok(packet) => waiting.push(packet),
                Err(RecvTimeoutError::Timeout) if next.is_some() => {}
                Err(_) => return,
            }
            let now = Instant::now();
            waiting.sort_by_key(|(due, _)| *due);
            let due = waiting.partition_point(|(due, _)| *due <= now);
            for (_, bytes) in waiting.drain(..due) {
                let _unheard = out.send_to(&bytes, ("127.0.0.1", port));
            }
        }
    });
    thread::spawn(move || {
        let mut bytes = [0; 2048];
        // Chance that is the same at every run: a linear congruential generator.
        let mut chance = 1_u64;
        while let Ok(length) = socket.recv(&mut bytes) {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let dice = chance >> 33;
            let one_of = |many: u64| many > 0 && dice.is_multiple_of(many);
            if one_of(spoil.lose) {
                continue;
            }
            let more = if spoil.jitter > 0 {
                dice % (spoil.jitter + 1)
            } else {
                0
            };
            let wait = if one_of(spoil.hurry) {
                0
            } else {
                spoil.delay + more
            };
            let due = Instant::now() + Duration::from_millis(wait);
            if sender.send((due, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    Ok(own)
}

/// Takes a place as a publisher does, and then says nothing more.
#[track_caller]
pub fn announce(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    let url = format!("rtsp://127.0.0.1:{port}{path}");
    let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n";
    let requests = [
        format!(
            "ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ),
        format!(
            "SETUP {url}/streamid=0 RTSP/1.0\r\nCSeq: 2\r\n\
             Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n\r\n"
        ),
    ];
    for request in requests {
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("RTSP/1.0 200"), "{request}{answer}");
    }
    stream
}
