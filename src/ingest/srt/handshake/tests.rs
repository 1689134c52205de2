#![allow(clippy::unwrap_used)]

use super::*;
use crate::engine::chance::Chance;

/// A second handshake as libsrt sends it.
pub fn conclusion(socket: u32, cookie: u32, extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut packet = vec![0; LENGTH];
    put(&mut packet, 0, CONTROL_HANDSHAKE);
    put(&mut packet, VERSION, SRT_VERSION);
    put(&mut packet, FLAGS, 5);
    put(&mut packet, KIND, CONCLUSION);
    put(&mut packet, SOCKET, socket);
    put(&mut packet, COOKIE, cookie);
    for (kind, contents) in extensions {
        packet.extend(kind.to_be_bytes());
        packet.extend((contents.len().div_ceil(4) as u16).to_be_bytes());
        packet.extend(contents);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    packet
}

/// A stream id as it is sent.
pub fn stream_id(text: &str) -> (u16, Vec<u8>) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.chunks_mut(4).for_each(<[u8]>::reverse);
    (STREAM_ID, bytes)
}

/// The question to be let in, with both latencies.
pub fn ask(receiver: u16, sender: u16) -> (u16, Vec<u8>) {
    let mut bytes = vec![0, 1, 5, 1, 0, 0, 0, 0xbf];
    bytes.extend(receiver.to_be_bytes());
    bytes.extend(sender.to_be_bytes());
    (ASK, bytes)
}

#[test]
fn a_conclusion_says_who_wants_what() {
    let packet = conclusion(77, 99, &[ask(120, 50), stream_id("ingest/laptop")]);
    let read = Handshake::read(&packet).unwrap();
    assert_eq!(read.kind(), Kind::Conclusion);
    assert!(read.is_of_a_known_version() && read.asks());
    assert_eq!((read.socket(), read.cookie()), (77, 99));
    assert_eq!(read.stream_id().unwrap(), "ingest/laptop");
    assert_eq!(read.key_material(), None);
    assert_eq!(destination(&packet), Some(0));
}

#[test]
fn answers_go_to_the_caller_in_its_own_words() {
    let packet = conclusion(77, 99, &[ask(120, 50)]);
    let read = Handshake::read(&packet).unwrap();
    for why in [Refusal::WrongKey, Refusal::Conflict] {
        let answer = read.refusal(why);
        assert_eq!(destination(&answer), Some(77));
        let answer = Handshake::read(&answer).unwrap();
        assert_eq!(answer.kind(), Kind::Refused(why.code()));
    }
    let first = read.introduction();
    let first = Handshake::read(&first).unwrap();
    assert_eq!((first.kind(), first.cookie()), (Kind::Induction, 0));
    assert_eq!(first.socket(), 77);
    let answer = first.invitation(1234);
    assert_eq!(destination(&answer), Some(77));
    let answer = Handshake::read(&answer).unwrap();
    assert!(answer.is_of_a_known_version());
    assert_eq!((answer.kind(), answer.cookie()), (Kind::Induction, 1234));
    assert_eq!(answer.word(FLAGS), MAGIC);
}

#[test]
fn what_is_passed_on_has_the_other_cookie_and_a_bounded_latency() {
    let id = stream_id("ingest/laptop");
    let packet = conclusion(77, 99, &[id.clone(), ask(120, 9000)]);
    let copy = Handshake::read(&packet).unwrap().passed_on(5, 2000);
    assert_eq!(copy, conclusion(77, 5, &[id.clone(), ask(120, 2000)]));
    let packet = conclusion(77, 99, &[id.clone(), ask(3000, 20)]);
    let copy = Handshake::read(&packet).unwrap().passed_on(5, 2000);
    assert_eq!(copy, conclusion(77, 5, &[id, ask(2000, 20)]));
}

#[test]
fn a_stream_id_is_text_of_a_bounded_length() {
    let read = |extension| {
        let packet = conclusion(1, 2, &[extension]);
        Handshake::read(&packet).unwrap().stream_id()
    };
    for text in ["", "a", "abcd", "abcde", "ü, 100 % and spaces"] {
        assert_eq!(read(stream_id(text)).unwrap(), text);
    }
    let longest = "x".repeat(LONGEST_STREAM_ID);
    assert_eq!(read(stream_id(&longest)).unwrap(), longest);
    let long = stream_id(&"x".repeat(LONGEST_STREAM_ID + 1));
    assert_eq!(read(long), Err(Refusal::BadRequest));
    assert_eq!(read((STREAM_ID, vec![0xff; 8])), Err(Refusal::BadRequest));
}

/// Whatever is done to bytes that once made sense, reading them ends, and ends well.
#[test]
fn spoilt_bytes_harm_nobody() {
    let whole = conclusion(
        77,
        99,
        &[
            ask(120, 50),
            (KEY_MATERIAL, vec![7; 56]),
            stream_id("ingest/laptop"),
        ],
    );
    let mut chance = Chance::default();
    let mut dice = |many: usize| (chance.next() * many as f64) as usize;
    for round in 0..200_000 {
        let mut bytes = whole.clone();
        for _ in 0..=dice(6) {
            let at = dice(bytes.len());
            bytes[at] = [0, 1, 0x7f, 0xff, dice(256) as u8][dice(5)];
        }
        if round % 3 == 0 {
            bytes.truncate(dice(bytes.len() + 1));
        }
        read_all(&bytes);
    }
}

/// All that is done with what a stranger sends.
pub fn read_all(bytes: &[u8]) {
    let _to = destination(bytes);
    let Some(read) = Handshake::read(bytes) else {
        return;
    };
    assert!(read.stream_id().is_ok_and(|id| id.len() <= 512) || read.stream_id().is_err());
    assert_eq!(read.passed_on(1, 2000).len(), bytes.len());
    assert!(read.extensions().count() <= bytes.len() / 4);
    assert!(matches!(
        Handshake::read(&read.refusal(Refusal::Rogue)).map(|own| own.kind()),
        Some(Kind::Refused(4))
    ));
    if let Some(material) = read.key_material() {
        let _sealed = crate::ingest::srt::lock::Sealed::read(material);
    }
    let _wish = read
        .stream_id()
        .map(|id| crate::ingest::srt::wish::source_of(&id).ok());
}
