//! RTMP's chunk stream (Adobe's specification 1.0, chapter 5.3): messages cut in pieces, several at a
//! time. A message takes memory as its bytes come, never as its length is announced.

use super::Violation;

/// Messages that may be begun at once. Encoders use two to five.
const STREAMS: usize = 16;
/// A timestamp of so much or more has four bytes of its own.
const EXTENDED: u32 = 0xFF_FFFF;
/// The chunk size that every connection starts with, and the largest that there is.
const FIRST_SIZE: usize = 128;
const LARGEST: u32 = 0xFF_FFFF;
/// The pieces of what we say.
pub const OUR_SIZE: usize = 4096;

/// How much may lie in messages that are not complete, in bytes.
pub struct Limits;

impl Limits {
    /// Before anybody is let in: commands are some hundred bytes.
    pub const STRANGER: usize = 16 << 10;
    /// Of a publisher. A keyframe of 4K at 100 Mb/s has some two megabytes.
    pub const PUBLISHER: usize = 8 << 20;
}

/// Kinds of messages.
pub mod kind {
    /// The peer's chunk size.
    pub const CHUNK_SIZE: u8 = 1;
    /// A message that began will not go on.
    pub const ABORT: u8 = 2;
    /// So many bytes have been received.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// Pings, and what a stream does.
    pub const USER_CONTROL: u8 = 4;
    /// After how many bytes an acknowledgement is wanted.
    pub const WINDOW: u8 = 5;
    /// How much may be on the way.
    pub const BANDWIDTH: u8 = 6;
    /// Sound.
    pub const AUDIO: u8 = 8;
    /// Picture.
    pub const VIDEO: u8 = 9;
    /// A command in the newer notation, which begins with one byte more.
    pub const COMMAND_AMF3: u8 = 17;
    /// A command.
    pub const COMMAND: u8 = 20;
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Of [`kind`].
    pub kind: u8,
    /// Milliseconds; it wraps.
    pub timestamp: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Puts messages together.
#[derive(Debug)]
pub struct Chunks {
    size: usize,
    limit: usize,
    streams: Vec<Stream>,
    /// Bytes in messages that are not complete.
    held: usize,
    /// The chunk whose bytes are just coming.
    current: Option<Chunk>,
}

/// A chunk whose header has been read.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Its stream's place.
    place: usize,
    /// Bytes that are to come.
    left: usize,
}

#[derive(Debug, Default)]
struct Stream {
    id: u32,
    timestamp: u32,
    delta: u32,
    length: usize,
    kind: u8,
    /// What the last header's four bytes said.
    extended: Option<u32>,
    /// A message has begun.
    begun: bool,
    partial: Vec<u8>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            size: FIRST_SIZE,
            limit: Limits::STRANGER,
            streams: Vec::new(),
            held: 0,
            current: None,
        }
    }
}

/// A number of three bytes.
fn three(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])
}

fn four(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

impl Chunks {
    /// From now on so many bytes may lie in messages that are not complete.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The peer cuts its messages in pieces of this size from now on.
    pub fn set_size(&mut self, size: u32) -> Result<(), Violation> {
        if !(1..=LARGEST).contains(&size) {
            return Err(Violation::Control);
        }
        self.size = size as usize;
        Ok(())
    }

    /// The message that began on this stream will not go on.
    pub fn abort(&mut self, id: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            self.held -= stream.partial.len();
            stream.partial = Vec::new();
            stream.begun = false;
        }
    }

    /// Takes what it can of `input`, up to the end of one message; the answer is how much that was.
    /// With none taken and no message, more has to come.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Message>), Violation> {
        let mut at = 0;
        loop {
            let Chunk { place, left } = match self.current.take() {
                Some(chunk) => chunk,
                None => match self.header(&input[at..])? {
                    Some((used, chunk)) => {
                        at += used;
                        chunk
                    }
                    None => return Ok((at, None)),
                },
            };
            let count = left.min(input.len() - at);
            self.held += count;
            if self.held > self.limit {
                return Err(Violation::TooLong);
            }
            let stream = &mut self.streams[place];
            stream.partial.extend(&input[at..at + count]);
            at += count;
            if count < left {
                let left = left - count;
                self.current = Some(Chunk { place, left });
                return Ok((at, None));
            }
            if stream.partial.len() == stream.length {
                stream.begun = false;
                self.held -= stream.length;
                let message = Message {
                    kind: stream.kind,
                    timestamp: stream.timestamp,
                    payload: std::mem::take(&mut stream.partial),
                };
                return Ok((at, Some(message)));
            }
        }
    }

    /// Reads a chunk's header, and says how long that is. `None`: it is not all there.
    fn header(&mut self, input: &[u8]) -> Result<Option<(usize, Chunk)>, Violation> {
        let Some(first) = input.first() else {
            return Ok(None);
        };
        let (id, basic) = match (first & 0x3F, input.get(1), input.get(2)) {
            (0, Some(low), _) => (64 + u32::from(*low), 2),
            (1, Some(low), Some(high)) => (64 + u32::from(*low) + 256 * u32::from(*high), 3),
            (0 | 1, ..) => return Ok(None),
            (id, ..) => (u32::from(id), 1),
        };
        let format = first >> 6;
        let fields = [11, 7, 3, 0][usize::from(format)];
        let Some(header) = input.get(basic..basic + fields) else {
            return Ok(None);
        };
        let rest = &input[basic + fields..];
        let place = self.streams.iter().position(|stream| stream.id == id);
        let known = place.map(|place| &self.streams[place]);
        let told = (format < 3).then(|| three(header));
        let extended = match (told, known.and_then(|stream| stream.extended)) {
            (Some(EXTENDED), _) => match four(rest) {
                Some(extended) => Some(extended),
                None => return Ok(None),
            },
            (Some(_), _) => None,
            (None, before) => before,
        };
        let mut used = basic + fields;
        // What goes on repeats the four bytes, says the specification; some senders do not.
        match (told, extended) {
            (Some(_), Some(_)) => used += 4,
            (None, Some(extended)) => match four(rest) {
                Some(again) if again == extended => used += 4,
                Some(_) => {}
                None => return Ok(None),
            },
            _ => {}
        }
        let place = match place {
            Some(place) => place,
            // The short forms say only what has changed.
            None if format > 1 => return Err(Violation::Orphan),
            None if self.streams.len() == STREAMS => return Err(Violation::Streams),
            None => {
                self.streams.push(Stream {
                    id,
                    ..Stream::default()
                });
                self.streams.len() - 1
            }
        };
        let stream = &mut self.streams[place];
        stream.extended = extended;
        if let Some(told) = told {
            let time = extended.unwrap_or(told);
            stream.delta = time;
            stream.timestamp = match format {
                0 => time,
                _ => stream.timestamp.wrapping_add(time),
            };
            if format < 2 {
                stream.length = three(&header[3..]) as usize;
                stream.kind = header[6];
            }
            // A new message: what was there of another one is void.
            self.held -= stream.partial.len();
            stream.partial = Vec::new();
        } else if !stream.begun {
            stream.timestamp = stream.timestamp.wrapping_add(stream.delta);
        }
        if stream.length > self.limit {
            return Err(Violation::TooLong);
        }
        stream.begun = true;
        let left = (stream.length - stream.partial.len()).min(self.size);
        Ok(Some((used, Chunk { place, left })))
    }
}

/// Appends a message of ours, on this chunk stream (less than 64) and this message stream.
pub fn write(out: &mut Vec<u8>, id: u8, kind: u8, stream: u32, payload: &[u8]) {
    out.push(id);
    out.extend([0; 3]);
    out.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend(stream.to_le_bytes());
    for (number, piece) in payload.chunks(OUR_SIZE).enumerate() {
        if number > 0 {
            out.push(0xC0 | id);
        }
        out.extend(piece);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All messages of these bytes, handed over in pieces of that size.
    fn read_all(bytes: &[u8], piece: usize) -> Result<Vec<Message>, Violation> {
        let mut chunks = Chunks::default();
        let (mut all, mut rest) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            rest.extend(piece);
            loop {
                let (used, message) = chunks.read(&rest)?;
                rest.drain(..used);
                match message {
                    Some(message) => all.push(message),
                    None if used == 0 => break,
                    None => {}
                }
            }
        }
        Ok(all)
    }

    fn head(format: u8, id: u8, time: u32, length: u32, kind: u8) -> Vec<u8> {
        let mut out = vec![format << 6 | id];
        out.extend(&time.to_be_bytes()[1..]);
        if format < 2 {
            out.extend(&length.to_be_bytes()[1..]);
            out.push(kind);
        }
        if format < 1 {
            out.extend([1, 0, 0, 0]);
        }
        out
    }

    #[test]
    fn messages_are_put_together_whatever_the_pieces() {
        // Two messages, the one within the other; the second goes on with a time after it.
        let mut bytes = head(0, 4, 40, 200, kind::VIDEO);
        bytes.extend([1; 128]);
        bytes.extend(head(0, 5, 41, 3, kind::AUDIO));
        bytes.extend([2; 3]);
        bytes.push(0xC4);
        bytes.extend([1; 72]);
        bytes.extend(head(2, 5, 21, 0, 0));
        bytes.extend([3; 3]);
        bytes.push(0xC5);
        bytes.extend([4; 3]);
        for piece in [1, 2, 7, 1000] {
            let all = read_all(&bytes, piece).unwrap();
            let seen: Vec<_> = (all.iter())
                .map(|message| (message.kind, message.timestamp, message.payload.len()))
                .collect();
            let (a, v) = (kind::AUDIO, kind::VIDEO);
            assert_eq!(seen, [(a, 41, 3), (v, 40, 200), (a, 62, 3), (a, 83, 3)]);
        }
    }

    #[test]
    fn long_timestamps_are_read_whether_they_are_repeated_or_not() {
        for repeated in [true, false] {
            let mut bytes = head(0, 4, EXTENDED, 200, kind::VIDEO);
            let time = 0x1234_5678_u32.to_be_bytes();
            bytes.extend(time);
            bytes.extend([1; 128]);
            bytes.push(0xC4);
            if repeated {
                bytes.extend(time);
            }
            bytes.extend([1; 72]);
            let all = read_all(&bytes, 5).unwrap();
            assert_eq!(all.len(), 1);
            assert_eq!((all[0].timestamp, all[0].payload.len()), (0x1234_5678, 200));
        }
    }

    #[test]
    fn nothing_grows_beyond_its_limit() {
        let long = head(0, 4, 0, 0xFF_FFFF, kind::VIDEO);
        assert_eq!(read_all(&long, 100), Err(Violation::TooLong));
        // Many that are just short enough.
        let mut many = Vec::new();
        for id in 3..9 {
            many.extend(head(0, id, 0, 16 << 10, kind::COMMAND));
            many.extend([0; 128]);
        }
        let mut chunks = Chunks::default();
        chunks.set_size(5000).unwrap();
        let mut piled = Vec::new();
        for id in 3..9 {
            piled.extend(head(0, id, 0, 16 << 10, kind::COMMAND));
            piled.extend([0; 5000]);
        }
        assert!(read_all(&many, 1000).is_ok());
        let mut end = Ok(());
        while end.is_ok() && !piled.is_empty() {
            end = chunks.read(&piled).map(|(used, _)| {
                piled.drain(..used);
            });
        }
        assert_eq!(end, Err(Violation::TooLong));
        let crowd: Vec<u8> = (3..40)
            .flat_map(|id| [head(0, id, 0, 1, 20), vec![0]].concat())
            .collect();
        assert_eq!(read_all(&crowd, 1000), Err(Violation::Streams));
        assert_eq!(read_all(&[0xC4], 1), Err(Violation::Orphan));
        assert_eq!(chunks.set_size(0), Err(Violation::Control));
    }

    #[test]
    fn a_message_that_is_given_up_leaves_nothing() {
        let mut chunks = Chunks::default();
        let mut bytes = head(0, 4, 0, 200, kind::VIDEO);
        bytes.extend([1; 128]);
        let (used, message) = chunks.read(&bytes).unwrap();
        assert_eq!((used, message), (bytes.len(), None));
        chunks.abort(4);
        assert_eq!(chunks.held, 0);
        let mut out = Vec::new();
        write(&mut out, 4, kind::COMMAND, 1, &[7; 100]);
        let (used, message) = chunks.read(&out).unwrap();
        assert_eq!(used, out.len());
        assert_eq!(message.unwrap().payload, [7; 100]);
    }
}
