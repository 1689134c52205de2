//! All that is read of a stranger's datagram before it has shown a key.

#![no_main]

// Of these readers regie uses more than strangers reach.
#[allow(dead_code)]
#[path = "../../src/ingest/srt"]
mod srt {
    pub mod handshake;
    pub mod lock;
    pub mod wish;
}

use libfuzzer_sys::fuzz_target;
use srt::handshake::{Handshake, Kind, Refusal, destination};
use srt::lock::Sealed;
use srt::wish::source_of;

fuzz_target!(|datagram: &[u8]| {
    let _to = destination(datagram);
    let Some(handshake) = Handshake::read(datagram) else {
        return;
    };
    let _known = (handshake.kind(), handshake.asks(), handshake.socket());
    if let Ok(stream_id) = handshake.stream_id() {
        assert!(stream_id.len() <= 512);
        if let Ok(source) = source_of(&stream_id) {
            assert!(source.len() <= stream_id.len());
        }
    }
    if let Some(sealed) = handshake.key_material().and_then(Sealed::read) {
        // Slow on purpose; it never opens.
        assert!(!sealed.opens_with("no such passphrase"));
    }
    assert_eq!(handshake.passed_on(7, 2000).len(), datagram.len());
    let refusal = handshake.refusal(Refusal::Rogue);
    let told = Handshake::read(&refusal).map(|own| own.kind());
    assert_eq!(told, Some(Kind::Refused(Refusal::Rogue.code())));
    let first = handshake.introduction();
    let told = Handshake::read(&first).map(|own| (own.kind(), own.cookie()));
    assert_eq!(told, Some((Kind::Induction, 0)));
});
