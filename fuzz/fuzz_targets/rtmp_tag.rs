//! Tags of picture and sound: a codec's bytes begin within the message.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/ingest/rtmp"]
mod rtmp {
    pub mod protocol;
}

use libfuzzer_sys::fuzz_target;
use rtmp::protocol::tag::{self, Tag};

fuzz_target!(|data: &[u8]| {
    for tag in [tag::video(data), tag::audio(data)] {
        match tag {
            Tag::Config { data: at, .. } | Tag::Frame { data: at, .. } => {
                assert!(at < data.len());
                let _ = tag::aac_format(&data[at..]);
            }
            Tag::Unknown(name) => assert!(name.len() < 64),
            Tag::Nothing => {}
        }
    }
});
