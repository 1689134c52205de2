//! Commands: what can be read can be written, and read again.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/ingest/rtmp"]
mod rtmp {
    pub mod protocol;
}

use libfuzzer_sys::fuzz_target;
use rtmp::protocol::{address, amf};

fuzz_target!(|data: &[u8]| {
    let Ok(values) = amf::read(data) else {
        return;
    };
    let texts: Vec<&str> = values.iter().filter_map(amf::Value::text).collect();
    if let [application, name, ..] = texts[..] {
        let found = address::find(application, name);
        assert!(found.name.len() <= application.len() + name.len());
    }
    // Texts that are no UTF-8 grow when they are read, and what is longer than a text is cut.
    if data.len() < 20_000 {
        let _ = amf::read(&amf::write(&values));
    }
});
