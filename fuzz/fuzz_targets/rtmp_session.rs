//! A whole conversation after a good greeting, in pieces: it ends in events, answers or a violation,
//! and never in a panic, a loop, or memory without end.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/ingest/rtmp"]
mod rtmp {
    pub mod protocol;
}

use libfuzzer_sys::fuzz_target;
use rtmp::protocol::{Event, OUT, Session, tag};

/// The longest answer, and a greeting.
const ANSWER: usize = 8 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let mut session = Session::default();
    let mut greeting = vec![7; 1 + 2 * 1536];
    greeting[0] = 3;
    session.take(&greeting);
    let reads = first & 1 != 0;
    for piece in rest.chunks(usize::from(first >> 1) + 1) {
        session.take(piece);
        loop {
            match session.next_event() {
                Ok(Some(Event::Publish(address))) => {
                    if address.name.len() % 5 == 4 {
                        session.refuse("no");
                    } else {
                        session.accept();
                    }
                }
                Ok(Some(Event::Video(_, message))) => {
                    let _ = tag::video(&message);
                }
                Ok(Some(Event::Audio(_, message))) => {
                    let _ = tag::audio(&message);
                }
                Ok(Some(Event::Farewell | Event::Misled(_))) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(session.out().len() <= OUT + ANSWER);
        if reads {
            session.out().clear();
        }
    }
});
