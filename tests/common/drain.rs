//! Players that take everything and look at nothing: any number of them cost one thread that wakes up
//! some times a second. What a server spends on them can be measured beside them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::crowd::ask_for_both;

/// How often all that has come is taken. Less than their kernels' buffers hold.
const ROUND: Duration = Duration::from_millis(20);
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// Players at work.
pub struct Drain {
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    left: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    /// Takes all that comes, from now on.
    pub fn of(streams: Vec<TcpStream>) -> Self {
        let (stop, bytes, left) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (own, sum, now) = (stop.clone(), bytes.clone(), left.clone());
        let thread = std::thread::spawn(move || {
            let mut streams = streams;
            for stream in &streams {
                stream.set_nonblocking(true).expect("a socket");
            }
            let mut buffer = vec![0; 256 << 10];
            while !own.load(Ordering::Relaxed) {
                streams.retain_mut(|stream| {
                    loop {
                        match stream.read(&mut buffer) {
                            Ok(0) => break false,
                            Ok(count) => sum.fetch_add(count as u64, Ordering::Relaxed),
                            Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
                        };
                    }
                });
                now.store(streams.len() as u64, Ordering::Relaxed);
                std::thread::sleep(ROUND);
            }
        });
        Self {
            stop,
            bytes,
            left,
            thread: Some(thread),
        }
    }

    /// Bytes that have come, to all together.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many are still there.
    pub fn players(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Asks the relay for picture and sound of its programme, by TCP.
#[track_caller]
pub fn play_by_rtsp(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(PATIENCE).expect("a timeout");
    let url = format!("rtsp://127.0.0.1:{port}/programme");
    let tcp = |channels| format!("RTP/AVP/TCP;unicast;interleaved={channels}");
    let transports = [tcp("0-1"), tcp("2-3")];
    ask_for_both(&mut stream, &url, transports.each_ref().map(String::as_str)).expect("a stream");
    stream
}

/// Asks an RTMP server for a stream, by hand: what it answers is taken like all that follows.
#[track_caller]
pub fn play_by_rtmp(port: u16, application: &str, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(PATIENCE).expect("a timeout");
    let mut greeting = vec![0; 1537];
    greeting[0] = 3;
    stream.write_all(&greeting).expect("C0 and C1");
    let mut answer = vec![0; 1537 + 1536];
    stream.read_exact(&mut answer).expect("S0, S1 and S2");
    stream.write_all(&answer[1..1537]).expect("C2");
    let place = format!("rtmp://127.0.0.1:{port}/{application}");
    let mut connect = [text("connect"), number(1.0), vec![3]].concat();
    for (key, value) in [("app", application), ("tcUrl", &place)] {
        connect.extend((key.len() as u16).to_be_bytes());
        connect.extend(key.bytes());
        connect.extend(text(value));
    }
    connect.extend([0, 0, 9]);
    let create = [text("createStream"), number(2.0), vec![5]].concat();
    // nginx-rtmp gives the first stream the number 1.
    let play = [text("play"), number(0.0), vec![5], text(name)].concat();
    for (stream_id, command) in [(0, connect), (0, create), (1, play)] {
        stream
            .write_all(&message(stream_id, &command))
            .expect("a command");
    }
    stream
}

/// AMF 0.
fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u16).to_be_bytes();
    [&[2][..], &length, text.as_bytes()].concat()
}

fn number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

/// A command in chunks of 128 bytes.
fn message(stream: u32, command: &[u8]) -> Vec<u8> {
    let length = (command.len() as u32).to_be_bytes();
    let mut bytes = vec![3, 0, 0, 0, length[1], length[2], length[3], 20];
    bytes.extend(stream.to_le_bytes());
    for (number, part) in command.chunks(128).enumerate() {
        if number > 0 {
            bytes.push(0xc3);
        }
        bytes.extend(part);
    }
    bytes
}
