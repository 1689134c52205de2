//! An SRT caller made by hand: it sends what it likes, and reads the numbers of what is answered.

use std::net::UdpSocket;
use std::time::Duration;

/// Kinds of handshakes, as the draft has them.
const INDUCTION: u32 = 1;
const CONCLUSION: u32 = u32::MAX;

/// What a door answers to a second handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Come in.
    Welcome,
    /// No, for the reason of this number.
    No(u32),
    /// Nothing.
    Silence,
}

pub struct Knock {
    socket: UdpSocket,
    id: u32,
}

impl Knock {
    #[track_caller]
    pub fn at(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(("127.0.0.1", port)).expect("a door");
        let time = Some(Duration::from_millis(1500));
        socket.set_read_timeout(time).expect("a timeout");
        Self { socket, id: 4711 }
    }

    pub fn send(&self, bytes: &[u8]) {
        let _unheard = self.socket.send(bytes);
    }

    /// A handshake without its extensions.
    pub fn handshake(&self, version: u32, flags: u32, kind: u32, cookie: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let isn = 1000;
        for word in [
            0x8000_0000,
            0,
            0,
            0,
            version,
            flags,
            isn,
            1500,
            8192,
            kind,
            self.id,
            cookie,
            0x0100_007f,
            0,
            0,
            0,
        ] {
            bytes.extend(u32::to_be_bytes(word));
        }
        bytes
    }

    fn hear(&self) -> Option<Vec<u8>> {
        let mut bytes = [0; 2048];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(bytes[..length].to_vec())
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        let word = bytes
            .get(at..at + 4)
            .map(|word| word.try_into().expect("4"));
        word.map_or(0, u32::from_be_bytes)
    }

    /// The first handshake; answers the cookie.
    #[track_caller]
    pub fn introduce(&self) -> u32 {
        self.send(&self.handshake(4, 2, INDUCTION, 0));
        let answer = self.hear().expect("an invitation");
        assert_eq!(Self::word(&answer, 12), self.id, "it is for us");
        assert_eq!(Self::word(&answer, 36), INDUCTION);
        Self::word(&answer, 44)
    }

    /// The second one, with a stream id and key material.
    pub fn conclude(&self, cookie: u32, stream_id: &[u8], key: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = self.handshake(5, 5, CONCLUSION, cookie);
        let mut add = |kind: u16, contents: &[u8]| {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(((contents.len() / 4) as u16).to_be_bytes());
            bytes.extend(contents);
        };
        add(1, &[0, 1, 5, 1, 0, 0, 0, 0xbf, 0, 120, 0, 120]);
        if let Some(key) = key {
            add(3, key);
        }
        let mut id = stream_id.to_vec();
        id.resize(id.len().next_multiple_of(4), 0);
        id.chunks_mut(4).for_each(<[u8]>::reverse);
        add(5, &id);
        bytes
    }

    /// What is answered to a second handshake like that.
    #[track_caller]
    pub fn ask(port: u16, stream_id: &str, key: Option<&[u8]>) -> Answer {
        let own = Self::at(port);
        let cookie = own.introduce();
        own.send(&own.conclude(cookie, stream_id.as_bytes(), key));
        own.answer()
    }

    pub fn answer(&self) -> Answer {
        match self.hear().map(|answer| Self::word(&answer, 36)) {
            None => Answer::Silence,
            Some(CONCLUSION) => Answer::Welcome,
            Some(kind) => Answer::No(kind.wrapping_sub(1000)),
        }
    }
}

/// Key material that no passphrase opens.
pub fn nonsense_key() -> Vec<u8> {
    let mut key = vec![0x12, 0x20, 0x29, 1, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 4, 4];
    key.resize(16 + 16 + 24, 7);
    key
}
