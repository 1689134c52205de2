//! One publisher's conversation, from the greeting to the end.

use super::amf::{self, Value};
use super::chunk::{self, Chunks, Limits, Message, kind};
use super::tag::FOUR_LETTERS;
use super::{Violation, address};

use super::address::Address;

/// What may wait to be sent, in bytes: the longest answer has four thousand.
pub const OUT: usize = 32 << 10;

/// Version, and the greeting after it.
const VERSION: u8 = 3;
const GREETING: usize = 1536;
/// The message stream that is given to a publisher.
const STREAM: u32 = 1;
/// The chunk streams of control messages and of commands.
const CONTROL: u8 = 2;
const COMMANDS: u8 = 3;
/// We say that we have received so many bytes, each time, unless the peer wants to know sooner or later.
const WINDOW: u32 = 2_500_000;
/// Sooner than this is nobody's business.
const LEAST_WINDOW: u32 = 64 << 10;
/// Messages that may come before a place is given: encoders need fewer than fifteen.
const PATIENCE: u32 = 100;

/// What a publisher wants or sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// To publish. Nothing more comes before [`Session::accept`] or [`Session::refuse`].
    Publish(Address),
    /// Picture, as [`super::tag::video`] reads it.
    Video(u32, Vec<u8>),
    /// Sound, as [`super::tag::audio`] reads it.
    Audio(u32, Vec<u8>),
    /// It ends its stream.
    Farewell,
    /// It has been told why this is the wrong door; nothing more comes.
    Misled(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Version and greeting are to come.
    Greeting,
    /// Our greeting is to come back.
    Echo,
    /// It may name an application.
    Connecting,
    /// It may name a place.
    Connected,
    /// It waits for our word.
    Asking,
    /// What it sends counts.
    Publishing,
    /// What it sends does not count.
    Over,
}

/// A conversation. Bytes go in by [`Session::take`], events come out of [`Session::next_event`], and bytes
/// for the peer lie in [`Session::out`].
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    input: Vec<u8>,
    /// What of it has been read.
    read: usize,
    /// For the peer.
    out: Vec<u8>,
    chunks: Chunks,
    application: String,
    /// Received in all, and when that was last said; both wrap.
    received: u32,
    acknowledged: u32,
    window: u32,
    /// Messages since the last event.
    idle: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            phase: Phase::Greeting,
            input: Vec::new(),
            read: 0,
            out: Vec::new(),
            chunks: Chunks::default(),
            application: String::new(),
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            idle: 0,
        }
    }
}

impl Session {
    /// Bytes from the peer.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Over {
            return;
        }
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend(bytes);
        self.received = self.received.wrapping_add(bytes.len() as u32);
    }

    /// Bytes for the peer; whoever has sent some takes them out.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What follows from the bytes that came. `None`: more have to come, or [`Session::accept`].
    pub fn next_event(&mut self) -> Result<Option<Event>, Violation> {
        loop {
            if self.out.len() > OUT {
                return Err(Violation::Deaf);
            }
            let input = &self.input[self.read..];
            match self.phase {
                Phase::Asking => return Ok(None),
                Phase::Over => {
                    self.input = Vec::new();
                    self.read = 0;
                    return Ok(None);
                }
                Phase::Greeting => {
                    if input.first().is_some_and(|version| *version != VERSION) {
                        return Err(Violation::Version);
                    }
                    let Some(greeting) = input.get(1..=GREETING) else {
                        return Ok(None);
                    };
                    self.out.push(VERSION);
                    // The plain form: a time, four zeros, and bytes of which nothing follows.
                    self.out.extend([0; 8]);
                    self.out
                        .extend((8..GREETING).map(|n| (n * 167 % 251) as u8));
                    self.out.extend(greeting);
                    self.read += 1 + GREETING;
                    self.phase = Phase::Echo;
                }
                Phase::Echo => {
                    if input.len() < GREETING {
                        return Ok(None);
                    }
                    self.read += GREETING;
                    self.phase = Phase::Connecting;
                }
                Phase::Connecting | Phase::Connected | Phase::Publishing => {
                    let (used, message) = self.chunks.read(input)?;
                    self.read += used;
                    let Some(message) = message else {
                        self.acknowledge();
                        return Ok(None);
                    };
                    if let Some(event) = self.on_message(message)? {
                        self.idle = 0;
                        return Ok(Some(event));
                    }
                    self.idle += 1;
                    if self.idle > PATIENCE {
                        return Err(Violation::Order);
                    }
                }
            }
        }
    }

    /// The publisher has its place.
    pub fn accept(&mut self) {
        if self.phase == Phase::Asking {
            self.phase = Phase::Publishing;
            self.chunks.set_limit(Limits::PUBLISHER);
            // The stream begins.
            self.control(kind::USER_CONTROL, &[&[0, 0][..], &STREAM.to_be_bytes()]);
            self.status("status", "NetStream.Publish.Start", "It is on its way in.");
        }
    }

    /// The publisher has no place, for this reason.
    pub fn refuse(&mut self, reason: &str) {
        if self.phase == Phase::Asking {
            self.phase = Phase::Over;
            self.status("error", "NetStream.Publish.BadName", reason);
        }
    }

    /// The publisher has lost its place, for this reason.
    pub fn dismiss(&mut self, reason: &str) {
        if self.phase == Phase::Publishing {
            self.phase = Phase::Over;
            self.status("error", "NetStream.Publish.Denied", reason);
        }
    }

    fn on_message(&mut self, message: Message) -> Result<Option<Event>, Violation> {
        let publishes = self.phase == Phase::Publishing;
        let payload = &message.payload;
        match message.kind {
            kind::VIDEO if publishes => {
                return Ok(Some(Event::Video(message.timestamp, message.payload)));
            }
            kind::AUDIO if publishes => {
                return Ok(Some(Event::Audio(message.timestamp, message.payload)));
            }
            kind::CHUNK_SIZE => self.chunks.set_size(number(payload)?)?,
            kind::ABORT => self.chunks.abort(number(payload)?),
            kind::WINDOW => self.window = number(payload)?.max(LEAST_WINDOW),
            kind::USER_CONTROL => {
                // A ping is answered with what it says.
                if let Some(said) = payload.get(2..6).filter(|_| payload[..2] == [0, 6]) {
                    let said = said.to_vec();
                    self.control(kind::USER_CONTROL, &[&[0, 7][..], &said]);
                }
            }
            kind::COMMAND => return self.on_command(payload),
            kind::COMMAND_AMF3 => return self.on_command(payload.get(1..).unwrap_or(&[])),
            // Acknowledgements, what a stream says of itself, and all that is of no use here.
            _ => {}
        }
        Ok(None)
    }

    fn on_command(&mut self, payload: &[u8]) -> Result<Option<Event>, Violation> {
        if payload.len() > Limits::STRANGER {
            return Err(Violation::Command);
        }
        let values = amf::read(payload)?;
        let text = |place: usize| values.get(place).and_then(Value::text);
        let number = match values.get(1) {
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        };
        match (text(0).ok_or(Violation::Command)?, self.phase) {
            ("connect", Phase::Connecting) => {
                let said = values.get(2).and_then(|about| about.get("app"));
                let application = said.and_then(Value::text).unwrap_or("");
                return Ok(self.connect(application, number));
            }
            ("createStream", Phase::Connected) => {
                let answer = [Value::Null, Value::Number(f64::from(STREAM))];
                self.answer("_result", number, answer);
            }
            ("publish", Phase::Connected) => {
                let found = address::find(&self.application, text(3).unwrap_or(""));
                self.phase = Phase::Asking;
                return Ok(Some(Event::Publish(found)));
            }
            ("play", Phase::Connected) => {
                self.phase = Phase::Over;
                let why = "nothing is played by RTMP here: the relay speaks RTSP";
                self.status("error", "NetStream.Play.StreamNotFound", why);
                return Ok(Some(Event::Misled("it wants to play")));
            }
            // Some wait for an answer before they publish.
            ("FCPublish", Phase::Connected) => {
                self.answer("_result", number, [Value::Null, Value::Null]);
                let about = object(&[
                    ("code", "NetStream.Publish.Start"),
                    ("description", "It may be published to."),
                ]);
                self.answer("onFCPublish", 0.0, [Value::Null, about]);
            }
            ("releaseStream" | "_checkbw" | "getStreamLength", _) => {
                self.answer("_result", number, [Value::Null, Value::Null]);
            }
            ("deleteStream" | "closeStream" | "FCUnpublish", Phase::Publishing) => {
                self.phase = Phase::Over;
                self.status("status", "NetStream.Unpublish.Success", "It has ended.");
                return Ok(Some(Event::Farewell));
            }
            ("connect" | "publish", _) => return Err(Violation::Order),
            _ => {}
        }
        Ok(None)
    }

    fn connect(&mut self, application: &str, number: f64) -> Option<Event> {
        self.control(kind::CHUNK_SIZE, &[&(chunk::OUR_SIZE as u32).to_be_bytes()]);
        if !address::is_door(application) {
            self.phase = Phase::Over;
            let about = object(&[
                ("level", "error"),
                ("code", "NetConnection.Connect.Rejected"),
                (
                    "description",
                    "no such application: push to rtmp://<this machine>/ingest",
                ),
            ]);
            self.answer("_error", number, [Value::Null, about]);
            return Some(Event::Misled("it names another application than ingest"));
        }
        self.phase = Phase::Connected;
        application.clone_into(&mut self.application);
        self.control(kind::WINDOW, &[&WINDOW.to_be_bytes()]);
        // The limit is one of those that adapt themselves.
        self.control(kind::BANDWIDTH, &[&WINDOW.to_be_bytes(), &[2][..]]);
        let letters = FOUR_LETTERS.map(|letters| Value::Text(letters.to_owned()));
        let we = Value::Object(vec![
            ("fmsVer".to_owned(), Value::Text("FMS/3,5,3,888".to_owned())),
            ("capabilities".to_owned(), Value::Number(127.0)),
        ]);
        let mut about = object(&[
            ("level", "status"),
            ("code", "NetConnection.Connect.Success"),
            ("description", "Connection succeeded."),
        ]);
        if let Value::Object(members) = &mut about {
            members.push(("objectEncoding".to_owned(), Value::Number(0.0)));
            members.push(("fourCcList".to_owned(), Value::List(letters.to_vec())));
        }
        self.answer("_result", number, [we, about]);
        None
    }

    /// Says how much has come, where that is due. While the peer reads nothing, nothing more is said.
    fn acknowledge(&mut self) {
        let since = self.received.wrapping_sub(self.acknowledged);
        if since >= self.window && self.out.is_empty() {
            self.acknowledged = self.received;
            self.control(kind::ACKNOWLEDGEMENT, &[&self.received.to_be_bytes()]);
        }
    }

    fn control(&mut self, kind: u8, parts: &[&[u8]]) {
        chunk::write(&mut self.out, CONTROL, kind, 0, &parts.concat());
    }

    fn answer(&mut self, name: &str, number: f64, values: [Value; 2]) {
        self.command(0, name, number, values);
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let about = object(&[
            ("level", level),
            ("code", code),
            ("description", description),
        ]);
        self.command(STREAM, "onStatus", 0.0, [Value::Null, about]);
    }

    fn command(&mut self, stream: u32, name: &str, number: f64, values: [Value; 2]) {
        let [first, second] = values;
        let name = Value::Text(name.to_owned());
        let payload = amf::write(&[name, Value::Number(number), first, second]);
        chunk::write(&mut self.out, COMMANDS, kind::COMMAND, stream, &payload);
    }
}

fn number(payload: &[u8]) -> Result<u32, Violation> {
    let bytes = payload.get(..4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or(Violation::Control)
}

fn object(members: &[(&str, &str)]) -> Value {
    let members = members
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
    Value::Object(members.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
