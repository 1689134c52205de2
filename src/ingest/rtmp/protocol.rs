//! RTMP as a publisher speaks it, without sockets: bytes in, events and bytes out. Written for peers
//! of whom nothing good is known: whatever they send, it ends in an event, an answer or a
//! [`Violation`], and holds no more memory than [`chunk::Limits`] and [`OUT`] say.
//!
//! Pure: no I/O, no clock, nothing of the rest of regie, so that a fuzzer can have it alone.

pub mod address;
pub mod amf;
pub mod chunk;
mod session;
pub mod tag;

pub use session::{Event, OUT, Session};

/// What no honest publisher does. The connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It speaks something else.
    #[error("it does not speak RTMP")]
    Version,
    /// A chunk goes on with a message that never began.
    #[error("it sends chunks that belong to nothing")]
    Orphan,
    /// More messages are begun at once than anybody needs.
    #[error("it begins too many messages at once")]
    Streams,
    /// A message is longer than anything of its kind is.
    #[error("it sends messages that are too long")]
    TooLong,
    /// A length or a size that cannot be.
    #[error("it sends control messages that make no sense")]
    Control,
    /// A command that cannot be read.
    #[error("it sends commands that cannot be read")]
    Command,
    /// Commands in an order that makes no sense, or without end.
    #[error("it sends commands that make no sense")]
    Order,
    /// It asks and asks, and never reads an answer.
    #[error("it does not read what it is answered")]
    Deaf,
}
