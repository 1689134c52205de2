//! How an SRT connection is opened, in bytes: as much of it as is needed to tell callers apart, to
//! let them in or to refuse them. What flows afterwards is libsrt's.
//!
//! After the SRT draft (draft-sharabayko-srt-01, sections 3 and 4.3). Pure: no sockets, no clock.
//! Whatever bytes come, nothing here panics, and nothing is longer than what came.

/// Of every packet, before its contents.
const HEADER: usize = 16;
/// Of every handshake, before its extensions.
const LENGTH: usize = 64;

/// A control packet of the kinds that regie knows: `F` is set, the type follows.
const CONTROL_HANDSHAKE: u32 = 0x8000_0000;
const CONTROL_SHUTDOWN: u32 = 0x8005_0000;

/// Places of fields in a handshake.
const VERSION: usize = 16;
const FLAGS: usize = 20;
const KIND: usize = 36;
const SOCKET: usize = 40;
const COOKIE: usize = 44;

/// Kinds of handshakes.
const INDUCTION: u32 = 1;
const CONCLUSION: u32 = 0xffff_ffff;
/// From here on a kind is a refusal: this, and the reason.
const REFUSAL: u32 = 1000;

/// The version that a caller begins with, and the one that it goes on with if we say so too.
const FIRST_VERSION: u32 = 4;
const SRT_VERSION: u32 = 5;
/// What a listener of that version says in its first answer, and what a caller says there.
const MAGIC: u32 = 0x4a17;
const DATAGRAMS: u32 = 2;

/// Kinds of extensions.
const ASK: u16 = 1;
const KEY_MATERIAL: u16 = 3;
const STREAM_ID: u16 = 5;
/// The draft's limit of a stream id, in bytes.
const LONGEST_STREAM_ID: usize = 512;

/// Why a caller is turned away, in the protocol's own numbers: below 1000 as libsrt knows them and
/// says to its user in words, from 1400 on as the access control guidelines have them, after HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its handshake makes no sense.
    Rogue,
    /// It speaks an SRT that knows no stream ids.
    Version,
    /// Its passphrase is another one.
    WrongKey,
    /// It has no passphrase where there should be one, or one where there should be none.
    KeyMissing,
    /// Its stream id cannot be read.
    BadRequest,
    /// It comes too often, or there are too many.
    Overload,
    /// The operator has sent it away.
    Forbidden,
    /// There is no such source.
    NotFound,
    /// It wants to play.
    BadMode,
    /// Somebody else is publishing.
    Conflict,
    /// Regie cannot build what takes it.
    Internal,
}

impl Refusal {
    /// The reason's number.
    pub fn code(self) -> u32 {
        match self {
            Self::Rogue => 4,
            Self::Version => 8,
            Self::WrongKey => 10,
            Self::KeyMissing => 11,
            Self::BadRequest => 1400,
            Self::Overload => 1402,
            Self::Forbidden => 1403,
            Self::NotFound => 1404,
            Self::BadMode => 1405,
            Self::Conflict => 1409,
            Self::Internal => 1500,
        }
    }
}

/// What a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first of a caller, or the first answer.
    Induction,
    /// The second of a caller, or the answer that lets it in.
    Conclusion,
    /// The answer that does not, and its reason's number.
    Refused(u32),
    /// What no caller sends.
    Other,
}

/// A handshake as it came.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a>(&'a [u8]);

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The socket that a packet is for; 0 in the first ones. `None` for what is no SRT packet.
pub fn destination(packet: &[u8]) -> Option<u32> {
    word(packet, 12)
}

impl<'a> Handshake<'a> {
    /// Reads a datagram, if it is a handshake.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let is_one = word(datagram, 0)? == CONTROL_HANDSHAKE && datagram.len() >= LENGTH;
        is_one.then_some(Self(datagram))
    }

    fn word(&self, at: usize) -> u32 {
        // All fields lie within what has been checked.
        word(self.0, at).unwrap_or(0)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.word(KIND) {
            INDUCTION => Kind::Induction,
            CONCLUSION => Kind::Conclusion,
            // Negative numbers are other kinds.
            refused @ REFUSAL..0x8000_0000 => Kind::Refused(refused - REFUSAL),
            _ => Kind::Other,
        }
    }

    /// Of the protocol.
    pub fn is_of_a_known_version(&self) -> bool {
        self.word(VERSION) == SRT_VERSION
    }

    /// The sender's socket.
    pub fn socket(&self) -> u32 {
        self.word(SOCKET)
    }

    /// The listener's proof that the caller is where it says it is.
    pub fn cookie(&self) -> u32 {
        self.word(COOKIE)
    }

    /// Kind and contents of each extension that is whole.
    fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let all = self.0;
        let mut at = LENGTH;
        std::iter::from_fn(move || {
            let head = word(all, at)?;
            let begin = at + 4;
            let end = begin + 4 * (head & 0xffff) as usize;
            at = end;
            Some(((head >> 16) as u16, all.get(begin..end)?))
        })
    }

    fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        let mut all = self.extensions();
        all.find_map(|(own, contents)| (own == kind).then_some(contents))
    }

    /// Whether it asks to be let in as SRT has it.
    pub fn asks(&self) -> bool {
        self.extension(ASK).is_some_and(|ask| ask.len() >= 12)
    }

    /// The keys that the stream is encrypted with, themselves encrypted.
    pub fn key_material(&self) -> Option<&'a [u8]> {
        self.extension(KEY_MATERIAL)
    }

    /// What the caller wants; empty where it does not say.
    pub fn stream_id(&self) -> Result<String, Refusal> {
        let words = self.extension(STREAM_ID).unwrap_or_default();
        if words.len() > LONGEST_STREAM_ID {
            return Err(Refusal::BadRequest);
        }
        // Each word has its bytes in reverse.
        let (words, _) = words.as_chunks::<4>();
        let bytes = words.iter().flat_map(|word| word.iter().rev().copied());
        let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        String::from_utf8(bytes).map_err(|_| Refusal::BadRequest)
    }

    fn start(&self) -> [u8; LENGTH] {
        let mut copy = [0; LENGTH];
        copy.copy_from_slice(&self.0[..LENGTH]);
        copy
    }

    /// The answer to a first handshake: the caller shall come again, and bring this cookie.
    pub fn invitation(&self, cookie: u32) -> [u8; LENGTH] {
        let mut answer = self.start();
        put(&mut answer, 12, self.socket());
        put(&mut answer, VERSION, SRT_VERSION);
        put(&mut answer, FLAGS, MAGIC);
        put(&mut answer, COOKIE, cookie);
        answer
    }

    /// The answer that turns a caller away.
    pub fn refusal(&self, why: Refusal) -> [u8; LENGTH] {
        let mut answer = self.start();
        put(&mut answer, 12, self.socket());
        put(&mut answer, FLAGS, 0);
        put(&mut answer, KIND, REFUSAL + why.code());
        answer
    }

    /// The first handshake that came before this second one, as the caller must have sent it.
    pub fn introduction(&self) -> [u8; LENGTH] {
        let mut first = self.start();
        put(&mut first, 12, 0);
        put(&mut first, VERSION, FIRST_VERSION);
        put(&mut first, FLAGS, DATAGRAMS);
        put(&mut first, KIND, INDUCTION);
        put(&mut first, COOKIE, 0);
        first
    }

    /// This second handshake for another listener: with that one's cookie, and asking for no more
    /// latency than `most`, in milliseconds.
    pub fn passed_on(&self, cookie: u32, most: u16) -> Vec<u8> {
        let mut copy = self.0.to_vec();
        put(&mut copy, COOKIE, cookie);
        let start = self.0.as_ptr() as usize;
        let places = (self.extensions())
            .filter(|(kind, contents)| *kind == ASK && contents.len() >= 12)
            // Version, flags, and then the receiver's latency and the sender's.
            .map(|(_, contents)| contents.as_ptr() as usize - start + 8);
        for at in places {
            let both = word(&copy, at).unwrap_or(0);
            let (receiver, sender) = ((both >> 16) as u16, both as u16);
            let both = u32::from(receiver.min(most)) << 16 | u32::from(sender.min(most));
            put(&mut copy, at, both);
        }
        copy
    }
}

/// Tells the socket at the other end that the connection is over.
pub fn goodbye(socket: u32) -> [u8; HEADER + 4] {
    let mut packet = [0; HEADER + 4];
    put(&mut packet, 0, CONTROL_SHUTDOWN);
    put(&mut packet, 12, socket);
    packet
}

#[cfg(test)]
#[path = "handshake/tests.rs"]
pub mod tests;
