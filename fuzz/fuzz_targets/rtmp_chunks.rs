//! Chunks: whatever the pieces in which they come, they are the same messages.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/ingest/rtmp"]
mod rtmp {
    pub mod protocol;
}

use libfuzzer_sys::fuzz_target;
use rtmp::protocol::Violation;
use rtmp::protocol::chunk::{Chunks, Limits, Message};

fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<Violation>) {
    let mut chunks = Chunks::default();
    let (mut all, mut rest) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        rest.extend(piece);
        loop {
            match chunks.read(&rest) {
                Ok((used, message)) => {
                    rest.drain(..used);
                    let done = used == 0 && message.is_none();
                    all.extend(message);
                    if done {
                        break;
                    }
                }
                Err(violation) => return (all, Some(violation)),
            }
        }
    }
    (all, None)
}

fuzz_target!(|data: &[u8]| {
    let whole = read(data, data.len().max(1));
    assert!(
        whole
            .0
            .iter()
            .all(|one| one.payload.len() <= Limits::STRANGER)
    );
    for piece in [1, 3, 64] {
        let cut = read(data, piece);
        assert_eq!(whole.0, cut.0);
        assert_eq!(whole.1, cut.1);
    }
});
